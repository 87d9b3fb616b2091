#pragma once

#include "actors/connection.hpp"

#include <memory>

namespace troupe {

/// A toolkit's calls on the connection's own loop: done at once.
class direct_port final : public toolkit_port {
public:
  direct_port(connection& of, connection::handling& h)
      : of_(of)
      , handling_(h) {}

  void join(std::string room, join_options how) override;
  void leave(std::string room) override;
  void broadcast(outgoing what, std::string room, post_options how) override;
  void update(std::string room, value state) override;
  void members(std::string room, members_callback then) override;
  void reply(value payload) override;
  void reject(failure why) override;
  void send(outgoing what) override;
  void close(close_code code, std::string reason) override;
  void after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) override;

private:
  connection& of_;
  connection::handling& handling_;
};

/// A toolkit's calls from a handler off the loop: sent to the connection, done there in order.
class off_loop_port final : public toolkit_port {
public:
  /// @param of only touched on its loop
  off_loop_port(connection_handle to, connection& of, std::shared_ptr<connection::handling> h)
      : to_(std::move(to))
      , of_(of)
      , handling_(std::move(h)) {}

  void join(std::string room, join_options how) override;
  void leave(std::string room) override;
  void broadcast(outgoing what, std::string room, post_options how) override;
  void update(std::string room, value state) override;
  void members(std::string room, members_callback then) override;
  void reply(value payload) override;
  void reject(failure why) override;
  void send(outgoing what) override;
  void close(close_code code, std::string reason) override;
  void after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) override;

  /// The handler has returned.
  void done();

private:
  template <class F>
  void there(F f);

  connection_handle to_;
  connection& of_;
  std::shared_ptr<connection::handling> handling_;
};

/// An actor on the scheduler that runs jobs one after the other.
worker_handle spawn_worker(caf::actor_system& system, local_node& of);

} // namespace troupe
