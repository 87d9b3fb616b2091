#pragma once

#include "actors/edge.hpp"
#include "runtime/system/config.hpp"

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::testing {

/// A message as it arrived.
struct received_message {
  std::string type;
  std::string id;
  std::string payload;
  encoding format = encoding::json;
  std::size_t bytes = 0;
};

/// Stands where a connection actor would: writes down what the transport tells it, and answers as the test says.
class recorder final : public edge::ingress, public std::enable_shared_from_this<recorder> {
public:
  recorder(loop& on, std::shared_ptr<edge::link> out, edge::handshake who);

  edge::flow received(const message_fields& fields, std::size_t bytes) override;
  edge::flow malformed(const failure& why, std::string_view id) override;
  void writable() override;
  void closed(const edge::close_info& info) override;

  // From the test's thread. Those that wait give up after ten seconds.

  bool wait_messages(std::size_t count);
  bool wait_malformed(std::size_t count);
  bool wait_writable(std::size_t count);
  bool wait_closed();
  std::vector<received_message> messages() const;
  std::size_t malformed_count() const;
  std::vector<edge::close_info> closings() const;
  const edge::handshake& who() const noexcept { return who_; }

  /// Runs on the loop and waits for it.
  void on_loop(const std::function<void(edge::link&)>& f);
  /// Writes one frame with this type and payload, shared as a fan-out would.
  /// @returns how many slices were taken
  std::size_t write(std::string_view type, std::string_view payload);
  /// One slice of encoded frames.
  wire::slice slice_of(std::string_view type, std::string_view payload, std::size_t frames = 1) const;

  /// What `received` does besides writing down; on the loop.
  std::function<edge::flow(recorder&, const message_fields&)> on_received;
  std::function<void(recorder&)> on_writable;
  edge::link& out() noexcept { return *out_; }
  /// Lets go of the link, which holds the recorder, when the loops have ended.
  void release() noexcept { out_.reset(); }

private:
  template <class Ready>
  bool wait(Ready ready) const;

  loop& loop_;
  std::shared_ptr<edge::link> out_;
  edge::handshake who_;
  mutable std::mutex lock_;
  mutable std::condition_variable changed_;
  std::vector<received_message> messages_;
  std::size_t malformed_ = 0;
  std::size_t writable_ = 0;
  std::vector<edge::close_info> closings_;
};

/// A host without actors: real loops, a recorder for each connection.
class recording_host final : public edge::host {
public:
  explicit recording_host(config settings = {}, std::size_t loops = 2);
  ~recording_host() override;

  const config& settings() const noexcept override;
  metrics& counters() noexcept override;
  std::size_t loop_count() const noexcept override;
  loop& loop_at(std::size_t index) noexcept override;
  std::variant<edge::grant, edge::refusal> admit(const edge::handshake& request) override;
  std::shared_ptr<edge::ingress> open(loop& on, std::shared_ptr<edge::link> out, const edge::handshake& request,
                                      edge::grant right) override;
  void failed(edge::transport& who, std::string why) override;
  void pressure(std::string_view reason, std::string_view subject) override;
  health check() override;
  std::string render_metrics() override;

  /// Refuses all who come while it is set.
  std::optional<edge::refusal> refuse;
  /// Prepares a recorder before it hears anything; on the loop.
  std::function<void(recorder&)> on_open;
  std::atomic<bool> ready{true};

  /// The next connection, in the order of opening; null after ten seconds.
  std::shared_ptr<recorder> next_connection();
  /// Why the transport failed; empty after ten seconds.
  std::string wait_failed();
  std::vector<edge::handshake> handshakes() const;
  /// The limits that were hit so far, by reason, in order.
  std::vector<std::string> pressures() const;
  /// Returns when every loop has done what was posted so far.
  void settle();

private:
  struct impl;
  std::unique_ptr<impl> impl_;
};

} // namespace troupe::testing
