#pragma once

#include "runtime/system/loop.hpp"
#include "transports/asio.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

struct sockaddr_storage;

namespace troupe {

class counter;

/// Accepts TCP connections on one address. Where file descriptors or memory run out it rests for 100 ms and tries
/// again, as often as it takes: clients wait in the backlog meanwhile. Any other error of the listening socket ends it
/// and is told.
class listener : public std::enable_shared_from_this<listener> {
public:
  /// Both are called on the listener's loop. `accepted` owns the descriptor, which is non-blocking.
  using on_accepted = std::function<void(int fd, const sockaddr_storage& from)>;
  using on_failed = std::function<void(std::string why)>;

  /// @param rests counts how often it rested; outlives the listener
  listener(loop& on, on_accepted accepted, on_failed failed, counter& rests);

  /// Begins to accept. Throws std::runtime_error with one line: what, where and why.
  /// @param host a numeric address or a name
  void open(const std::string& host, std::uint16_t port, int backlog);

  /// Stops. From any thread; when it returns no call of `accepted` is under way.
  void close() noexcept;

  bool is_open() const;
  /// The port that it listens on; 0 where it does not.
  std::uint16_t port() const;

private:
  enum class step : std::uint8_t { wait, rest, broken };

  void wait();
  void on_ready(std::uint64_t session);
  void rest(std::uint64_t session);
  step accept_all(std::string& why);
  void came_short(const std::string& why);
  void had_enough();

  loop& loop_;
  on_accepted accepted_;
  on_failed failed_;
  counter& rests_;
  std::uint64_t rests_in_a_row_ = 0;
  mutable std::recursive_mutex lock_; // `accepted` may close us
  std::optional<tcp_acceptor> acceptor_;
  std::uint64_t session_ = 0; ///< Counts `open`: a wait from before is not ours any more.
};

} // namespace troupe
