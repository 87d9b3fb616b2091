#pragma once

#include "runtime/model/mesh/host.hpp"

#include <string>
#include <utility>
#include <vector>

/// Keeps what is posted, said and claimed.
class recorder final : public troupe::mesh::postman, public troupe::mesh::host {
public:
  void post(const troupe::mesh::node_life& to, troupe::mesh::message what) override {
    posted.emplace_back(to.name, std::move(what));
  }
  void send(const std::string& node, troupe::mesh::message what) override {
    posted.emplace_back(node, std::move(what));
  }

  void open_room(const std::string& room, const troupe::mesh::epoch_id&, troupe::mesh::beginning from) override {
    using kind = troupe::mesh::beginning::kind;
    note("open " + room +
         (from.what == kind::nothing    ? ""
          : from.what == kind::snapshot ? " from snapshot " + from.state.bytes
                                        : " from " + from.state.bytes));
  }
  void renew_room(const std::string& room, const troupe::mesh::epoch_id&) override { note("renew " + room); }
  void admit(const std::string& room, const std::string& node, const troupe::mesh::attach&) override {
    note("admit " + node + " to " + room);
  }
  void release(const std::string& room, const std::string& node) override { note("release " + node + " of " + room); }
  void number(const std::string& room, const troupe::mesh::node_life&, const troupe::mesh::publish& what) override {
    note("number " + *what.what + " in " + room);
  }
  void seal_room(const std::string& room) override { note("seal " + room); }
  void drop_room(const std::string& room) override { note("drop " + room); }
  void want_snapshot(const std::string& room) override { note("want snapshot of " + room); }
  void moved(const std::string& room, const troupe::mesh::epoch_id&, std::uint64_t, bool recovered) override {
    note(room + (recovered ? " goes on" : " has lost some"));
  }
  void deliver(const std::string& room, const troupe::mesh::epoch_id&, const troupe::mesh::numbered& what) override {
    note(room + " says " + *what.what);
  }
  void refuse(const std::string& room, std::uint64_t id) override {
    note("refuse " + std::to_string(id) + " in " + room);
  }
  void view_changed(const troupe::mesh::view* active) override { note(active == nullptr ? "not ready" : "ready"); }
  void claimed(const troupe::mesh::claim& what) override { note(what.name + " is " + what.owner + "'s"); }

  /// What happened since the last call.
  std::vector<std::string> take() { return std::exchange(notes_, {}); }
  /// The messages of a kind since the last call of `take_posted`, whoever they are for.
  template <class T>
  std::vector<std::pair<std::string, T>> take_posted() {
    std::vector<std::pair<std::string, T>> found;
    for (auto& [to, what] : std::exchange(posted, {}))
      if (auto* m = std::get_if<T>(&what))
        found.emplace_back(to, std::move(*m));
    return found;
  }

  std::vector<std::pair<std::string, troupe::mesh::message>> posted;

private:
  void note(std::string what) { notes_.push_back(std::move(what)); }
  std::vector<std::string> notes_;
};
