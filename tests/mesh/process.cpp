#include "tests/mesh/cluster.hpp"

using namespace troupe;
using namespace troupe::mesh;

namespace {

std::string as_text(const view& v) {
  auto text = std::to_string(v.id.number) + v.id.issuer.name + " {";
  for (const auto& member : v.members)
    text += ' ' + member.name + std::to_string(member.incarnation);
  return text + " } hosts " + std::to_string(v.hosts.size());
}

std::string as_text(const epoch_id& e) {
  return std::to_string(e.view.number) + e.view.issuer.name + "." + std::to_string(e.serial);
}

} // namespace

process::process(cluster& in, std::size_t on, node_life self)
    : world(in)
    , machine(on)
    , mesh(std::move(self), in.timing, in.limits, *this, in.days.now()) {}

// Rooms are actors: they do what they are told in that order, though perhaps later.
void process::later(std::function<void()> what) {
  if (!world.slow_rooms)
    return what();
  work_.push_back(std::move(what));
  if (work_.size() == 1)
    work_later();
}

void process::work_later() {
  world.plan(*this, static_cast<mono_ms>(world.random.below(10)), [](process& self) {
    do {
      self.work_.front()();
      self.work_.pop_front();
    } while (!self.work_.empty() && !self.world.random.once_in(3));
    if (!self.work_.empty())
      self.work_later();
  });
}

void process::open_room(const std::string& room, const epoch_id& epoch, beginning from) {
  world.note(mesh.self().name, "opens " + room + " in " + as_text(epoch));
  const bool anew = from.what != beginning::kind::handed_over;
  witness::require(homes.emplace(room, home{epoch, anew ? epoch.view : view_id{}}).second, "a room is opened once",
                   room);
  witness::require(anew || from.state.epoch == epoch, "an epoch that is handed over goes on", room);
  later([this, room, epoch, anew, state = std::move(from.state)] {
    auto& here = rooms[room];
    here.epoch = epoch;
    here.seq = anew ? 0 : state.seq;
    here.ring = history<cargo>{text_of(epoch), 0};
    const auto ring = anew ? std::string{} : world.sees.unsealed(state.bytes);
    for (std::size_t at = 0; at < ring.size();) { // "SEQ MESSAGE\n" each
      const auto space = ring.find(' ', at);
      const auto end = ring.find('\n', at);
      const auto what = std::make_shared<const std::string>(ring.substr(space + 1, end - space - 1));
      here.ring.push(std::stoull(ring.substr(at, space - at)), what->size(), world.days.now(), what);
      at = end + 1;
    }
    here.ring.skip_to(here.seq);
  });
}

void process::renew_room(const std::string& room, const epoch_id& epoch) {
  world.note(mesh.self().name, "renews " + room + " as " + as_text(epoch));
  homes.at(room).epoch = epoch;
  later([this, room, epoch] {
    auto& here = rooms.at(room);
    here.epoch = epoch;
    here.seq = 0;
    here.ring.restart(text_of(epoch), 0);
    for (const auto& node : here.followers)
      mesh.say(node, renewed{room, epoch}, world.days.now());
  });
}

void process::admit(const std::string& room, const std::string& node, const attach& asked) {
  later([this, room, node, asked] {
    auto& here = rooms.at(room);
    attached answer{room, asked.ticket, here.epoch, here.seq, false, {}};
    if (asked.seen) {
      const auto found = here.ring.since(text_of(asked.seen->epoch), asked.seen->seq, world.days.now());
      answer.recovered = found.recovered;
      for (const auto& entry : found.missed)
        answer.missed.push_back({entry.seq, entry.what});
    }
    here.followers.insert(node);
    mesh.say(node, std::move(answer), world.days.now());
  });
}

void process::release(const std::string& room, const std::string& node) {
  later([this, room, node] { rooms.at(room).followers.erase(node); });
}

void process::number(const std::string& room, const node_life&, const mesh::publish& what) {
  later([this, room, message = what.what] {
    auto& here = rooms.at(room);
    here.seq += world.random.once_in(8) ? 2 : 1; // numbers may skip
    world.note(mesh.self().name, "numbers " + *message + " in " + room + " " + std::to_string(here.seq));
    world.sees.numbered(room, here.epoch, here.seq, *message);
    here.ring.push(here.seq, message->size(), world.days.now(), message);
    for (const auto& node : here.followers)
      mesh.say(node, frames{room, here.epoch, {here.seq, message}}, world.days.now());
    if (world.random.once_in(10))
      want_snapshot(room);
  });
}

void process::seal_room(const std::string& room) {
  world.note(mesh.self().name, "seals " + room);
  homes.erase(room);
  world.plan(*this, static_cast<mono_ms>(world.random.below(30)),
             [room](process& self) { self.later([&self, room] { self.give_up(room); }); });
}

// Out of a turn of its own: the mesh is not to be called out of a call of it.
void process::give_up(const std::string& room) {
  const auto here = std::move(rooms.at(room));
  rooms.erase(room);
  std::string ring;
  for (const auto& entry : here.ring.entries())
    ring += std::to_string(entry.seq) + ' ' + *entry.what + '\n';
  mesh.sealed(room, {here.epoch, here.seq, world.sees.sealed(std::move(ring))}, world.days.now());
}

void process::drop_room(const std::string& room) {
  world.note(mesh.self().name, "drops " + room);
  homes.erase(room);
  later([this, room] { rooms.erase(room); });
}

void process::want_snapshot(const std::string& room) {
  world.plan(*this, 1, [room](process& self) {
    if (const auto at = self.rooms.find(room); at != self.rooms.end())
      self.mesh.took_snapshot(room, {at->second.epoch, at->second.seq, "snapshot"}, self.world.days.now());
  });
}

void process::moved(const std::string& room, const epoch_id& epoch, std::uint64_t seq, bool recovered) {
  world.note(mesh.self().name, "follows " + room + " in " + as_text(epoch) + (recovered ? "" : ", has lost some"));
  listeners[room].moved(world.sees, room, epoch, seq, recovered);
}

void process::deliver(const std::string& room, const epoch_id& epoch, const numbered& what) {
  listeners[room].heard(world.sees, room, epoch, what);
}

void process::refuse(const std::string&, std::uint64_t) { ++refused; }

void process::view_changed(const view* active) {
  world.note(mesh.self().name, active == nullptr ? "gives up" : "acts by " + as_text(*active));
  if (active != nullptr)
    world.sees.acts_by(mesh.self(), *active);
}

void process::claimed(const claim& what) { world.disks[machine][what.name] = what; }

void process::send(const std::string& node, message what) {
  if (const auto* a = std::get_if<agreed>(&what))
    world.note(mesh.self().name, "agrees to " + std::to_string(a->id.number) + a->id.issuer.name + ", tells " + node);
  world.net.send(machine, world.machine_of(node), what);
}

std::string process::publish(const std::string& room, std::size_t publisher) {
  const auto sender = mesh.self().name + std::to_string(mesh.self().incarnation) + "." + std::to_string(publisher);
  const auto what = as_message(sender, sent_[{room, publisher}]++);
  world.note(mesh.self().name, "publishes " + what + " in " + room);
  world.said.emplace_back(room, what);
  mesh.publish(room, ++ids_, std::make_shared<const std::string>(what), world.days.now());
  return what;
}

void process::follow(const std::string& room) {
  listeners[room];
  mesh.follow(room, world.days.now());
}

void process::unfollow(const std::string& room) {
  listeners.erase(room);
  mesh.unfollow(room, world.days.now());
}

void process::connect(const std::string& connection, std::uint64_t incarnation) {
  member who;
  who.connection = connection;
  who.user = "user of " + connection;
  who.node = mesh.self().name;
  who.incarnation = incarnation;
  connections[connection] = who;
  mesh.connected(who, world.days.now());
}

void process::disconnect(std::string connection) {
  connections.erase(connection);
  mesh.disconnected(connection, world.days.now());
}
