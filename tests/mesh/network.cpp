#include "tests/mesh/network.hpp"

#include "runtime/wire/mesh_messages.hpp"
#include "tests/mesh/witness.hpp"

using namespace troupe;

network::network(calendar& days, dice& random, network_user& user, std::size_t machines)
    : days_(days)
    , random_(random)
    , user_(user)
    , machines_(machines)
    , ways_(machines * machines)
    , links_(machines * machines)
    , alive_(machines, 0) {}

void network::send(std::size_t from, std::size_t to, const mesh::message& what) {
  auto& w = way_of(from, to);
  if (!link_of(from, to).up || w.broken)
    return;
  auto& l = std::holds_alternative<mesh::heartbeat>(what) ? w.urgent : w.ordered;
  const auto delay = 1 + static_cast<mono_ms>(random_.below(random_.once_in(4) ? delay_ms_max : 5));
  const auto due = std::max(l.last_due, days_.now() + delay);
  l.last_due = due;
  if (const auto refused = encode(what, l.parcels.emplace_back(parcel{due, {}}).bytes); !refused.empty())
    witness::require(false, "what a node says can be sent", std::string{refused});
  days_.at(due, [this, from, to] { pump(from, to); });
}

bool network::pump_lane(std::size_t from, std::size_t to, lane& l, mono_ms not_before) {
  if (days_.now() < not_before || way_of(from, to).cut || !user_.takes(to) || l.parcels.empty() ||
      l.parcels.front().due > days_.now())
    return false;
  const auto bytes = std::move(l.parcels.front().bytes);
  l.parcels.pop_front();
  mesh::batch_reader in{bytes};
  auto next = in.next();
  if (!next || in.next() || !in.fault().empty())
    witness::require(false, "what a node has sent can be read, and is one message", in.fault());
  user_.arrived(to, from, std::move(*next));
  return true;
}

void network::pump(std::size_t from, std::size_t to) {
  auto& w = way_of(from, to);
  const auto urgent = [&] { return pump_lane(from, to, w.urgent, 0); };
  const auto ordered = [&] { return pump_lane(from, to, w.ordered, w.stalled_until); };
  while (random_.once_in(2) ? urgent() || ordered() : ordered() || urgent()) {
  }
}

void network::stall(std::size_t from, std::size_t to, mono_ms ms) {
  auto& w = way_of(from, to);
  w.stalled_until = std::max(w.stalled_until, days_.now() + ms);
  days_.at(w.stalled_until, [this, from, to] { pump(from, to); });
}

void network::wake(std::size_t machine) {
  for (std::size_t from = 0; from < machines_; ++from)
    pump(from, machine);
}

bool network::drained(std::size_t from) const {
  for (std::size_t to = 0; to < machines_; ++to)
    if (!way_of(from, to).ordered.parcels.empty())
      return false;
  return true;
}

void network::cut(std::size_t from, std::size_t to, mono_ms hold_ms) {
  auto& w = way_of(from, to);
  if (std::exchange(w.cut, true))
    return;
  days_.in(hold_ms, [this, from, to, cuts = ++w.cuts] {
    auto& then = way_of(from, to);
    if (then.cut && then.cuts == cuts)
      break_way(from, to);
  });
}

void network::break_way(std::size_t from, std::size_t to) {
  auto& w = way_of(from, to);
  w.broken = true;
  w.ordered.parcels.clear();
  w.urgent.parcels.clear();
  if (random_.once_in(2))
    end(from, to);
}

void network::heal(std::size_t from, std::size_t to) {
  auto& w = way_of(from, to);
  if (!w.cut)
    return;
  w.cut = false;
  auto& back = way_of(to, from);
  if (back.cut)
    return pump(from, to);
  if (!w.broken && !back.broken && link_of(from, to).up)
    return pump(from, to);
  end(from, to);
  begin_soon(from, to);
}

void network::heal_all() {
  for (std::size_t from = 0; from < machines_; ++from)
    for (std::size_t to = 0; to < machines_; ++to)
      heal(from, to);
}

void network::end(std::size_t a, std::size_t b) {
  for (auto* w : {&way_of(a, b), &way_of(b, a)}) {
    w->ordered.parcels.clear();
    w->urgent.parcels.clear();
  }
  auto& l = link_of(a, b);
  ++l.session;
  if (!std::exchange(l.up, false))
    return;
  if (alive_[a])
    user_.link_lost(a, b);
  if (alive_[b])
    user_.link_lost(b, a);
}

void network::begin_soon(std::size_t a, std::size_t b) {
  days_.in(1 + static_cast<mono_ms>(random_.below(200)), [this, a, b, session = link_of(a, b).session] {
    auto& l = link_of(a, b);
    if (l.session != session || l.up || !alive_[a] || !alive_[b] || way_of(a, b).cut || way_of(b, a).cut)
      return;
    way_of(a, b).broken = way_of(b, a).broken = false;
    way_of(a, b).ordered = way_of(a, b).urgent = way_of(b, a).ordered = way_of(b, a).urgent = {};
    l.up = true;
    user_.link_up(a, b);
    user_.link_up(b, a);
  });
}

void network::reset(std::size_t machine, bool alive) {
  alive_[machine] = alive;
  for (std::size_t peer = 0; peer < machines_; ++peer) {
    if (peer == machine)
      continue;
    end(machine, peer);
    if (alive && alive_[peer])
      begin_soon(machine, peer);
  }
}
