#include "tests/mesh/cluster.hpp"

#include <algorithm>
#include <cstdlib>
#include <iostream>

using namespace troupe;
using namespace troupe::mesh;

namespace {

std::string difference(const presence_map& is, const presence_map& should) {
  std::string text;
  for (const auto& [name, who] : is)
    if (!should.contains(name))
      text += " ghost " + name + " of " + who.node;
  for (const auto& [name, who] : should)
    if (!is.contains(name))
      text += " no " + name + " of " + who.node;
    else if (is.at(name) != who)
      text += " another " + name + ": " + is.at(name).node + " for " + who.node;
  return text;
}

} // namespace

cluster::cluster(dice& d, std::size_t machines, std::size_t room_count)
    : random(d)
    , net(days, d, *this, machines)
    , processes(machines)
    , disks(machines)
    , slow_rooms(d.once_in(2)) {
  witness::require(timing.sound(), "a home seals before another one stops waiting", "timing");
  for (std::size_t i = 0; i < room_count; ++i)
    rooms.push_back("room" + std::to_string(i));
  for (std::size_t i = 0; i < machines; ++i)
    start(i);
}

void cluster::note(const std::string& where, const std::string& what) const {
  static const bool tracing = std::getenv("TROUPE_TEST_TRACE") != nullptr;
  if (tracing)
    std::cerr << days.now() << ' ' << where << ' ' << what << '\n';
}

void cluster::run_for(mono_ms ms) {
  days.run_until(days.now() + ms, [this] { require_one_home(); });
}

std::vector<process*> cluster::alive() const {
  std::vector<process*> result;
  for (const auto& p : processes)
    if (p != nullptr)
      result.push_back(p.get());
  return result;
}

std::size_t cluster::staying() const {
  const auto present = alive();
  return static_cast<std::size_t>(
      std::count_if(present.begin(), present.end(), [](const process* p) { return !p->leaving; }));
}

void cluster::plan(const process& who, mono_ms delay, std::function<void(process&)> what) {
  days.in(delay, [this, machine = who.machine, life = who.mesh.self(), what = std::move(what)] {
    auto& p = processes[machine];
    if (p == nullptr || p->mesh.self() != life)
      return;
    if (frozen(*p))
      return plan(*p, p->frozen_until - days.now(), what);
    what(*p);
  });
}

void cluster::start(std::size_t machine) {
  note(name_of(machine), "starts");
  auto& p = processes[machine];
  p = std::make_unique<process>(*this, machine, node_life{name_of(machine), ++incarnations_});
  for (const auto& [name, c] : disks[machine])
    p->mesh.claim_name(c, false, days.now());
  net.reset(machine, true);
  tick_later(*p);
  for (std::size_t publisher = 0; publisher < 2; ++publisher)
    publish_later(*p, publisher);
  wander_later(*p);
  for (const auto& room : rooms)
    if (!random.once_in(4))
      p->follow(room);
}

void cluster::tick_later(const process& who) {
  plan(who, timing.heartbeat_ms - static_cast<mono_ms>(random.below(20)), [this](process& self) {
    self.mesh.tick(days.now());
    tick_later(self);
  });
}

void cluster::publish_later(const process& who, std::size_t publisher) {
  plan(who, 1 + static_cast<mono_ms>(random.below(200)), [this, publisher](process& self) {
    if (publishers_busy && self.mesh.ready() && !self.leaving)
      self.publish(rooms[random.below(rooms.size())], publisher);
    publish_later(self, publisher);
  });
}

// Fan-outs come and go, and so do connections, some of them from another node; a channel is claimed now and then.
void cluster::wander_later(const process& who) {
  plan(who, 1 + static_cast<mono_ms>(random.below(1'000)), [this](process& self) {
    wander_later(self);
    if (fan_outs_busy) {
      const auto& room = rooms[random.below(rooms.size())];
      if (self.listeners.contains(room))
        self.unfollow(room);
      else
        self.follow(room);
    }
    if (!publishers_busy)
      return;
    if (!self.connections.empty() && random.once_in(2))
      self.disconnect(self.connections.begin()->first);
    else
      self.connect("c" + std::to_string(++connections_), 1);
    auto& other = processes[random.below(processes.size())];
    if (random.once_in(4) && other != nullptr && other.get() != &self && takes(other->machine) &&
        !other->connections.empty()) {
      const auto who_moves = other->connections.begin()->second;
      other->disconnect(who_moves.connection);
      self.connect(who_moves.connection, who_moves.incarnation + 1);
    }
    const auto name = "channel" + std::to_string(random.below(20));
    const auto* known = self.mesh.claims().find(name);
    self.mesh.claim_name({name, self.mesh.self().name, known == nullptr ? 1 : known->term + random.below(2), "e"}, true,
                         days.now());
  });
}

// -- faults

void cluster::crash(std::size_t machine) {
  if (processes[machine] == nullptr)
    return;
  note(name_of(machine), "ends");
  ended_.push_back(std::move(processes[machine]));
  net.reset(machine, false);
}

void cluster::freeze(std::size_t machine, mono_ms ms) {
  auto& p = processes[machine];
  if (p == nullptr || frozen(*p))
    return;
  note(name_of(machine), "is frozen for " + std::to_string(ms));
  p->frozen_until = days.now() + ms;
  days.at(p->frozen_until + 1, [this, machine] { net.wake(machine); }); // after links that came and went meanwhile
}

void cluster::leave(std::size_t machine) {
  auto& p = processes[machine];
  if (p == nullptr || p->leaving || frozen(*p))
    return;
  note(name_of(machine), "is to leave");
  p->leaving = true;
  p->mesh.leave(days.now());
  leave_when_done(*p);
}

void cluster::leave_when_done(const process& who) {
  plan(who, 10, [this](process& self) {
    if (!self.mesh.may_leave() || !net.drained(self.machine))
      return leave_when_done(self);
    self.mesh.part(days.now());
    plan(self, network::delay_ms_max + 10, [this](process& gone) { crash(gone.machine); });
  });
}

void cluster::cut_both(std::size_t a, std::size_t b, mono_ms hold_ms) {
  net.cut(a, b, hold_ms);
  net.cut(b, a, hold_ms);
}

void cluster::split(const std::set<std::size_t>& side, mono_ms hold_ms) {
  for (std::size_t a = 0; a < processes.size(); ++a)
    for (std::size_t b = 0; b < processes.size(); ++b)
      if (side.contains(a) && !side.contains(b))
        cut_both(a, b, hold_ms);
}

void cluster::any_fault() {
  const auto one = random.below(processes.size());
  const auto other = (one + 1 + random.below(processes.size() - 1)) % processes.size();
  const auto hold = static_cast<mono_ms>(random.below(4'000));
  switch (random.below(11)) {
  case 0:
    return net.cut(one, other, hold);
  case 1:
    return cut_both(one, other, hold);
  case 2: {
    std::set<std::size_t> side;
    for (std::size_t i = 0; i < processes.size(); ++i)
      if (random.once_in(2))
        side.insert(i);
    return split(side, hold);
  }
  case 3:
    for (std::size_t i = 0; i < processes.size(); ++i) // it is heard by some, and hears some, no more
      if (i != one)
        random.once_in(2) ? net.cut(i, one, hold) : net.cut(one, i, hold);
    return;
  case 4:
    return crash(one);
  case 5:
  case 6:
    if (processes[one] == nullptr)
      return start(one);
    return freeze(one, static_cast<mono_ms>(random.below(6'000)));
  case 7:
    return leave(one);
  case 8:
    for (std::size_t i = 0; i < processes.size(); ++i)
      if (i != one && random.once_in(2))
        net.stall(i, one, static_cast<mono_ms>(random.below(6'000)));
    return;
  case 9:
    net.heal(one, other);
    return net.heal(other, one);
  default:
    return net.heal_all();
  }
}

void cluster::heal() {
  note("all", "heal");
  const auto present = alive();
  while (std::any_of(present.begin(), present.end(), [this](const process* p) { return !takes(p->machine); }))
    run_for(100);
  net.heal_all();
  for (std::size_t i = 0; i < processes.size(); ++i) {
    auto& p = processes[i];
    if (p == nullptr || p->leaving) {
      crash(i);
      if (alive().empty() || random.once_in(2))
        start(i);
    }
  }
}

// -- what must be so

bool cluster::agree() const {
  std::vector<node_life> lives;
  for (const auto* p : alive())
    lives.push_back(p->mesh.self());
  const auto present = alive();
  return std::all_of(present.begin(), present.end(), [&](const process* p) {
    const auto* v = p->mesh.views().active();
    return v != nullptr && v->members == lives && v->id == present.front()->mesh.views().active()->id;
  });
}

void cluster::require_agreement() {
  for (const auto* p : alive()) {
    const auto* v = p->mesh.views().active();
    witness::require(v != nullptr, "a node that all hear is in the view", p->mesh.self().name);
  }
  witness::require(agree(), "all act by one view", std::to_string(alive().size()) + " nodes");
  std::map<std::string, std::size_t> homes;
  presence_map connected;
  for (const auto* p : alive()) {
    for (const auto& [room, here] : p->homes)
      ++homes[room];
    for (const auto& [name, who] : p->connections)
      connected[name] = who;
  }
  for (const auto& [room, count] : homes)
    witness::require(count == 1, "a room has one home", room);
  for (const auto* p : alive()) {
    witness::require(p->mesh.roster().all() == connected, "all know the same connections, and no ghosts",
                     p->mesh.self().name + difference(p->mesh.roster().all(), connected));
    for (const auto& [name, who] : connected)
      witness::require(p->mesh.roster().connections_of(*who.user) != nullptr, "users are found", name);
    witness::require(disks[p->machine] == disks[alive().front()->machine], "all know the same claims",
                     p->mesh.self().name);
  }
}

bool cluster::all_rooms_answer(mono_ms within_ms) {
  std::vector<std::pair<std::string, std::string>> asked;
  std::vector<process*> there;
  for (auto* p : alive())
    if (!frozen(*p) && p->mesh.ready() && !p->leaving)
      there.push_back(p);
  for (const auto& room : rooms)
    for (auto* p : there)
      asked.emplace_back(room, p->publish(room, 99));
  run_for(within_ms);
  for (const auto& [room, what] : asked)
    for (auto* p : there)
      if (const auto at = p->listeners.find(room); at != p->listeners.end() && !at->second.has(what))
        return false;
  return !there.empty();
}

// By one view: never two. Of one epoch: never two. And where a home begins an epoch of its own, all who have agreed to
// its view have sealed the room, even those who do not act by it yet.
void cluster::require_one_home() const {
  std::set<std::pair<std::string, view_id>> acting;
  std::map<std::pair<std::string, epoch_id>, const process*> holding;
  std::map<std::pair<std::string, view_id>, const process*> begun;
  const auto each_room = [this](const auto& what) {
    for (const auto& p : processes)
      if (p != nullptr && takes(p->machine))
        for (const auto& [room, here] : p->homes)
          what(*p, room, here);
  };
  each_room([&](const process& p, const std::string& room, const process::home& here) {
    const auto* active = p.mesh.views().active();
    const auto where = p.mesh.self().name + " " + room;
    witness::require(active != nullptr, "who is not ready is nobody's home", where);
    witness::require(acting.emplace(room, active->id).second, "a room has one home in a view", where);
    witness::require(holding.emplace(std::pair{room, here.epoch}, &p).second, "an epoch has one home", where);
    if (here.begun_by.number != 0)
      begun.emplace(std::pair{room, here.begun_by}, &p);
  });
  each_room([&](const process& p, const std::string& room, const process::home&) {
    const auto at = begun.find({room, p.mesh.views().installed().id});
    witness::require(at == begun.end() || at->second == &p, "a home is sealed before the next one begins anew",
                     p.mesh.self().name + " " + room);
  });
}

void cluster::link_up(std::size_t at, std::size_t peer) {
  note(name_of(at), "has a link with " + name_of(peer));
  const auto life = processes[peer]->mesh.self();
  plan(*processes[at], 0, [this, life](process& self) { self.mesh.link_up(life, days.now()); });
}

void cluster::link_lost(std::size_t at, std::size_t peer) {
  note(name_of(at), "loses its link with " + name_of(peer));
  plan(*processes[at], 0, [this, peer](process& self) { self.mesh.link_lost(name_of(peer), days.now()); });
}

void cluster::arrived(std::size_t at, std::size_t from, message what) {
  if (processes[at] != nullptr && processes[from] != nullptr)
    processes[at]->mesh.receive(processes[from]->mesh.self(), std::move(what), days.now());
}

bool cluster::takes(std::size_t at) const {
  return processes[at] == nullptr || processes[at]->frozen_until < days.now();
}
