#include "actors/hub.hpp"

#include "actors/journal_traffic.hpp"
#include "actors/node.hpp"
#include "actors/session_state.hpp"
#include "runtime/system/digest.hpp"

#include <algorithm>
#include <chrono>

namespace troupe {
namespace {

constexpr mono_ms tick_ms_min = 10;

session_limits bounds_of(const config& s) {
  return {s.session.resume_window.count(), s.limits.detached_sessions_per_user, s.limits.detached_sessions_per_address};
}

} // namespace

std::string session_key(std::string_view secret) {
  const auto digest = sha256(secret);
  return {digest.begin(), digest.end()};
}

hub::hub(caf::actor_config& cfg, loop* home, local_node& owner)
    : pinned_actor(cfg, home)
    , node_(owner)
    , sessions_(bounds_of(owner.settings))
    , inboxes_(owner, [this](const delivery& what, std::size_t connections, std::optional<failure> why) {
      answer(what, connections, std::move(why));
    }) {}

hub_handle::behavior_type hub::make_behavior() {
  node_.observe(*this);
  return {
      [this](const std::shared_ptr<const registration>& what, const connection_handle& who) {
        take(*what, who);
        schedule();
      },
      [this](const std::shared_ptr<const delivery>& what) {
        route(what);
        schedule();
      },
      [this](const std::shared_ptr<const session_claim>& claim, const connection_handle& who) { grant(*claim, who); },
      [this](broadcast_atom, const message_ptr& what) {
        for (const auto& fan : node_.fan_handles)
          send(fan, what);
      },
      [this](const std::shared_ptr<const inbox_reply>& what) {
        inboxes_.replied(*what);
        schedule();
      },
      [this](const std::shared_ptr<const channel_opened>& what) {
        inboxes_.opened(*what);
        schedule();
      },
      [this](const std::shared_ptr<const channel_outcome>& what) {
        inboxes_.outcome(*what);
        schedule();
      },
      [](const std::shared_ptr<const channel_found>&) {},
      [this](forget_atom, const std::string& subject) {
        inboxes_.forget(subject);
        schedule();
      },
      [this](tick_atom) {
        if (node_.mono_clock() < tick_at_)
          return; // an earlier one has been served meanwhile
        tick_at_ = 0;
        inboxes_.pass_time();
        schedule();
      },
  };
}

void hub::schedule() {
  const auto next = inboxes_.next_time();
  if (!next || (tick_at_ != 0 && tick_at_ <= *next))
    return;
  tick_at_ = *next;
  const auto wait = std::max(*next - node_.mono_clock(), tick_ms_min);
  delayed_send(this, std::chrono::milliseconds{wait}, tick_atom::value);
}

void hub::take(const registration& what, const connection_handle& who) {
  const auto now = node_.mono_clock();
  switch (what.what) {
  case registration_kind::came:
    node_.people.add(what.connection, {who, what.user, what.key, {}});
    if (!what.session.empty())
      sessions_.mint(what.session, what.connection, what.user, what.address, now);
    break;
  case registration_kind::identified:
    node_.people.add(what.connection, {who, what.user, what.key, {}});
    sessions_.identify(what.session, what.user);
    break;
  case registration_kind::away:
    node_.people.set_away(what.connection, who);
    end(sessions_.detach(what.session, now));
    break;
  case registration_kind::ended:
    sessions_.end(what.session);
    node_.people.remove(what.connection, who);
    break;
  case registration_kind::handed_over:
    node_.people.set_away(what.connection, who); // the heir's entry replaces this one, with its bindings
    break;
  }
  if (what.user)
    inboxes_.changed(*what.user);
}

void hub::end(const std::vector<session>& sessions) {
  for (const auto& ended : sessions) {
    node_.pressure("detached_sessions_limit", ended.connection);
    if (const auto known = node_.people.find(ended.connection))
      send(known->handle, close_atom::value, static_cast<std::uint16_t>(close_code::normal), std::string{});
  }
}

void hub::route(const std::shared_ptr<const delivery>& delivered) {
  const auto& what = *delivered;
  const auto& fields = what.what->fields();
  const auto allowed = [&](std::string_view user) {
    return what.rights == nullptr || what.rights->rights.allows("user", user, right::write);
  };
  const failure forbidden{error_code::forbidden, "you have no right to send to this user", {}};
  if (fields.target == target_kind::connection) {
    const auto known = node_.people.find(std::string{fields.target_name});
    if (!known)
      return answer(what, 0, failure{error_code::unknown_target, "there is no such connection", {}});
    if (!allowed(known->user ? *known->user : std::string_view{}))
      return answer(what, 0, forbidden);
    const bool in_audience = fields.audience.empty() || (known->user && what.what->is_for(*known->user));
    if (known->key == what.sender || !in_audience)
      return answer(what, 0);
    send(known->handle, what.what);
    if (what.signal != nullptr)
      send(node_.signaling, what.signal);
    return answer(what, 1);
  }
  std::vector<std::string_view> users = fields.users;
  if (fields.target == target_kind::user)
    users.assign(1, fields.target_name);
  for (const auto user : users)
    if (!allowed(user))
      return answer(what, 0, forbidden);
  inboxes_.deliver(delivered, users);
}

void hub::answer(const delivery& what, std::size_t connections, std::optional<failure> why) {
  if (what.credit != 0)
    node_.hub_credit.give(what.credit, what.what->size());
  if (what.from == nullptr || (!what.answer && !why))
    return;
  auto result = std::make_shared<receipt>();
  result->id = what.what->id();
  result->connections = connections;
  result->why = std::move(why);
  send(what.from, std::shared_ptr<const receipt>{std::move(result)});
}

void hub::grant(const session_claim& claim, const connection_handle& who) {
  const auto result = sessions_.take(claim.session, claim.new_session, claim.user, claim.address, node_.mono_clock());
  const auto* granted = std::get_if<session_table::granted>(&result);
  const auto holder = granted == nullptr ? std::nullopt : node_.people.find(granted->session.connection);
  if (!holder) {
    if (granted != nullptr)
      sessions_.end(claim.new_session);
    return send(who, std::shared_ptr<const session_state>{});
  }
  send(holder->handle, claim_atom::value, who.address());
}

} // namespace troupe
