#include "actors/toolkit.hpp"

#include "actors/hub.hpp"
#include "actors/node.hpp"
#include "runtime/wire/make.hpp"

#include <caf/send.hpp>

namespace troupe {

void hub_kit::send_event_to_user(std::string_view user, std::string_view event, value data, send_options how) {
  send_event_to_users({std::string{user}}, event, std::move(data), how);
}

void hub_kit::send_event_to_users(const std::vector<std::string>& users, std::string_view event, value data,
                                  send_options how) {
  outgoing what;
  what.type = event;
  what.payload = std::move(data);
  what.offline = how.offline;
  what.qos = how.qos;
  what.ttl_ms = how.ttl_ms;
  if (how.qos != qos::at_most_once)
    what.id = node_.new_connection_id();
  for (const auto& user : users) {
    auto d = std::make_shared<delivery>();
    d->what = wire::make_message(what, target_kind::user, user, nullptr, node_.wall_clock());
    caf::anon_send(node_.hub, std::shared_ptr<const delivery>{std::move(d)});
  }
}

void hub_kit::broadcast_event(std::string_view event, value data) {
  outgoing what;
  what.type = event;
  what.payload = std::move(data);
  caf::anon_send(node_.hub, broadcast_atom::value,
                 wire::make_message(what, target_kind::none, {}, nullptr, node_.wall_clock()));
}

std::vector<std::string> hub_kit::get_connected_clients(std::string_view user) const {
  return node_.people.connections_of(std::string{user});
}

bool hub_kit::is_user_connected(std::string_view user) const { return node_.people.connected(std::string{user}); }

bool hub_kit::register_client(std::string_view connection, std::string_view user) {
  return node_.people.bind(std::string{connection}, std::string{user});
}

bool hub_kit::unregister_client(std::string_view connection, std::string_view user) {
  return node_.people.unbind(std::string{connection}, std::string{user});
}

wall_ms toolkit::now() const { return node_.wall_clock(); }

std::string toolkit::next_id() const { return node_.new_connection_id(); }

logger& toolkit::log() const noexcept { return node_.log; }

} // namespace troupe
