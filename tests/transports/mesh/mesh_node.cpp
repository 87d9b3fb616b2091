#include "tests/transports/mesh/mesh_node.hpp"

#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <chrono>
#include <random>

namespace mesh_testing {

using namespace troupe::mesh;

mesh_node::mesh_node(node_options options) {
  configure_network(settings_, options.heartbeats);
  settings_.set("scheduler.max-threads", 2);
  system_ = std::make_unique<caf::actor_system>(settings_);
  loop_ = std::make_unique<troupe::loop>(*system_, 0);
  loop_->start();
  caf_door::setup what;
  what.name = options.name;
  what.incarnation = options.incarnation;
  what.limits = options.link;
  what.draw = [] {
    std::random_device device;
    return (std::uint64_t{device()} << 32 | device()) | 1;
  };
  what.clock = [] {
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
  };
  what.events.up = [this](std::string_view peer) { write_down({"up", std::string{peer}, ""}); };
  what.events.down = [this](std::string_view peer) { write_down({"down", std::string{peer}, ""}); };
  what.events.batch = [this](std::string_view peer, std::string_view batch) {
    if (on_batch)
      on_batch(std::string{peer}, batch);
    write_down({"batch", std::string{peer}, std::string{batch}});
  };
  what.events.lost = [this](std::string_view peer, std::size_t n) {
    write_down({"lost", std::string{peer}, std::to_string(n)});
  };
  what.events.cut = [this](std::string_view peer, std::string_view why) {
    gate_->cut(std::string{peer}, std::string{why});
  };
  what.turned_away = [this](std::string_view reason, std::string_view who, std::string_view) {
    write_down({"turned_away", std::string{reason}, std::string{who}});
  };
  door_ = std::make_unique<caf_door>(*system_, std::move(what));
  if (options.listens)
    options.gate.host = "127.0.0.1";
  try {
    gate_ = std::make_unique<troupe::mesh::gate>(*loop_, *door_, metrics_, options.gate);
    gate_->start();
  } catch (...) {
    gate_.reset();
    loop_->stop();
    throw;
  }
}

mesh_node::~mesh_node() {
  gate_->stop();
  door_.reset();
  system_->await_all_actors_done();
  gate_.reset();
  loop_->stop();
  loop_.reset();
}

bool mesh_node::offer(const std::string& peer, std::string batch) {
  const auto link = door_->link_to(peer);
  if (!link)
    return false;
  bool taken = false;
  caf::scoped_actor self{*system_};
  self->request(link, std::chrono::seconds{10}, offer_atom::value, std::move(batch))
      .receive([&](bool yes) { taken = yes; }, [](caf::error&) {});
  return taken;
}

void mesh_node::write_down(note n) {
  std::lock_guard guard{lock_};
  notes_.push_back(std::move(n));
  changed_.notify_all();
}

bool mesh_node::wait(const std::string& what, const std::string& subject, std::size_t count) const {
  std::unique_lock guard{lock_};
  return changed_.wait_for(guard, std::chrono::seconds{10}, [&] {
    return static_cast<std::size_t>(std::count_if(notes_.begin(), notes_.end(), [&](const note& n) {
             return n.what == what && n.subject == subject;
           })) >= count;
  });
}

std::size_t mesh_node::times(const std::string& what, const std::string& subject) const {
  std::lock_guard guard{lock_};
  return static_cast<std::size_t>(std::count_if(notes_.begin(), notes_.end(),
                                                [&](const note& n) { return n.what == what && n.subject == subject; }));
}

bool mesh_node::wait_up(const std::string& peer, std::size_t count) { return wait("up", peer, count); }
bool mesh_node::wait_down(const std::string& peer, std::size_t count) { return wait("down", peer, count); }
bool mesh_node::wait_batches(const std::string& peer, std::size_t count) { return wait("batch", peer, count); }
bool mesh_node::wait_lost(const std::string& peer, std::size_t count) { return wait("lost", peer, count); }
bool mesh_node::wait_turned_away(const std::string& reason, std::size_t count) {
  return wait("turned_away", reason, count);
}

void mesh_node::forget_notes() {
  std::lock_guard guard{lock_};
  notes_.clear();
}

std::vector<std::string> mesh_node::batches(const std::string& peer) const {
  std::lock_guard guard{lock_};
  std::vector<std::string> found;
  for (const auto& n : notes_)
    if (n.what == "batch" && n.subject == peer)
      found.push_back(n.detail);
  return found;
}

} // namespace mesh_testing
