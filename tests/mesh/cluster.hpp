#pragma once

#include "runtime/model/history.hpp"
#include "runtime/model/mesh/mesh_node.hpp"
#include "tests/mesh/network.hpp"
#include "tests/mesh/witness.hpp"

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

class cluster;

/// A node's process: rooms, fan-outs and publishers as simple as they can be, around the mesh as it is.
class process final : public troupe::mesh::host {
public:
  process(cluster& world, std::size_t machine, troupe::mesh::node_life self);

  void open_room(const std::string& room, const troupe::mesh::epoch_id& epoch, troupe::mesh::beginning from) override;
  void renew_room(const std::string& room, const troupe::mesh::epoch_id& epoch) override;
  void admit(const std::string& room, const std::string& node, const troupe::mesh::attach& asked) override;
  void release(const std::string& room, const std::string& node) override;
  void number(const std::string& room, const troupe::mesh::node_life& from, const troupe::mesh::publish& what) override;
  void seal_room(const std::string& room) override;
  void drop_room(const std::string& room) override;
  void want_snapshot(const std::string& room) override;
  void moved(const std::string& room, const troupe::mesh::epoch_id& epoch, std::uint64_t seq, bool recovered) override;
  void deliver(const std::string& room, const troupe::mesh::epoch_id& epoch,
               const troupe::mesh::numbered& what) override;
  void refuse(const std::string& room, std::uint64_t id) override;
  void view_changed(const troupe::mesh::view* active) override;
  void claimed(const troupe::mesh::claim& what) override;
  void send(const std::string& node, troupe::mesh::message what) override;

  /// The next message of a publisher. @returns what it is
  std::string publish(const std::string& room, std::size_t publisher);
  void follow(const std::string& room);
  void unfollow(const std::string& room);
  void connect(const std::string& connection, std::uint64_t incarnation);
  void disconnect(std::string connection);

  /// A room as the mesh has decided.
  struct home {
    troupe::mesh::epoch_id epoch;
    troupe::mesh::view_id begun_by; ///< Number 0: it was handed over.
  };
  /// A room as it is.
  struct room_here {
    troupe::mesh::epoch_id epoch;
    std::uint64_t seq = 0;
    troupe::history<troupe::mesh::cargo> ring{"", 0};
    std::set<std::string> followers;
  };

  cluster& world;
  std::size_t machine;
  std::map<std::string, home> homes; ///< Those that take messages.
  std::map<std::string, room_here> rooms;
  std::map<std::string, witness::listener> listeners;
  std::map<std::string, troupe::member> connections;
  std::uint64_t refused = 0;
  troupe::mono_ms frozen_until = 0;
  bool leaving = false;
  troupe::mesh::mesh_node mesh;

private:
  void later(std::function<void()> what);
  void work_later();
  void give_up(const std::string& room);

  std::deque<std::function<void()>> work_;
  std::map<std::pair<std::string, std::size_t>, std::uint64_t> sent_;
  std::uint64_t ids_ = 0;
};

/// Machines with a process each or none, a network between them, and a clock: the same for the same seed.
class cluster final : public network_user {
public:
  cluster(dice& random, std::size_t machines, std::size_t rooms);

  void run_for(troupe::mono_ms ms);

  // Faults.

  void start(std::size_t machine);
  void crash(std::size_t machine);
  void freeze(std::size_t machine, troupe::mono_ms ms);
  void leave(std::size_t machine);
  void cut_both(std::size_t a, std::size_t b, troupe::mono_ms hold_ms = 1'000);
  /// Cuts every way between two sides.
  void split(const std::set<std::size_t>& side, troupe::mono_ms hold_ms = 1'000);
  void any_fault();
  /// Links, frozen and dead processes: all is well again.
  void heal();

  // What must be so.

  /// All processes act by one view, of all of them.
  bool agree() const;
  /// Everything that must be so once all is well: views, homes, who is connected, claims.
  void require_agreement();
  /// A message from each node reaches each node that follows the room. @returns false where not
  bool all_rooms_answer(troupe::mono_ms within_ms);
  /// What no two homes may do, at any moment.
  void require_one_home() const;

  // network_user.

  void link_up(std::size_t at, std::size_t peer) override;
  void link_lost(std::size_t at, std::size_t peer) override;
  void arrived(std::size_t at, std::size_t from, troupe::mesh::message what) override;
  bool takes(std::size_t at) const override;

  std::string name_of(std::size_t machine) const { return std::string(1, static_cast<char>('a' + machine)); }
  std::size_t machine_of(const std::string& name) const { return static_cast<std::size_t>(name[0] - 'a'); }
  bool frozen(const process& p) const { return p.frozen_until > days.now(); }
  std::vector<process*> alive() const;
  std::size_t staying() const; ///< Alive, and not about to leave.
  /// Plans something that a process does; not done where it has ended by then, put off while it is frozen.
  void plan(const process& who, troupe::mono_ms delay, std::function<void(process&)> what);
  /// Prints what happens where TROUPE_TEST_TRACE is set: with TROUPE_TEST_SEED the story of a failure.
  void note(const std::string& where, const std::string& what) const;

  dice& random;
  calendar days;
  network net;
  witness sees;
  std::vector<std::string> rooms;
  std::vector<std::unique_ptr<process>> processes;
  std::vector<std::map<std::string, troupe::mesh::claim>> disks; ///< Claims, which outlive processes.
  std::vector<std::pair<std::string, std::string>> said;         ///< Every message with its room.
  bool publishers_busy = true;
  bool fan_outs_busy = true;
  bool slow_rooms; ///< They do what they are told a little later.
  troupe::mesh::mesh_timing timing;
  troupe::mesh::mesh_limits limits;

private:
  void tick_later(const process& who);
  void publish_later(const process& who, std::size_t publisher);
  void wander_later(const process& who);
  void leave_when_done(const process& who);

  std::uint64_t incarnations_ = 0;
  std::uint64_t connections_ = 0;
  std::vector<std::unique_ptr<process>> ended_; ///< Until the end: events may still name them.
};
