#pragma once

#include "actors/connection.hpp"

#include <memory>

namespace troupe {

/// A toolkit's calls: done at once on the connection's own loop; from elsewhere sent there, and done in order.
class connection_port final : public toolkit_port {
public:
  /// For a handler on the loop.
  /// @param h outlives this
  connection_port(connection& of, connection::handling& h)
      : of_(of)
      , handling_(std::shared_ptr<void>{}, &h) {}
  /// For a handler off the loop.
  /// @param of only touched on its loop
  connection_port(connection_handle to, connection& of, std::shared_ptr<connection::handling> h)
      : to_(std::move(to))
      , of_(of)
      , handling_(std::move(h)) {}

  void join(std::string room, join_options how) override;
  void leave(std::string room) override;
  void broadcast(outgoing what, std::string room, post_options how) override;
  void publish(outgoing what, std::string channel, publish_options how) override;
  void update(std::string room, value state) override;
  void members(std::string room, members_callback then) override;
  void reply(value payload) override;
  void reject(failure why) override;
  void send(outgoing what) override;
  void close(close_code code, std::string reason) override;
  void after(std::chrono::milliseconds delay, std::function<void(toolkit&)> what) override;

  /// The handler off the loop has returned.
  void done();

private:
  template <class F>
  void there(F f);

  connection_handle to_; ///< Null on the loop.
  connection& of_;
  std::shared_ptr<connection::handling> handling_;
};

/// An actor on the scheduler that runs jobs one after the other.
worker_handle spawn_worker(caf::actor_system& system, local_node& of);

} // namespace troupe
