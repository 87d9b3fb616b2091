#pragma once

#include "runtime/model/limits.hpp"
#include "runtime/model/mesh/messages.hpp"
#include "runtime/model/mesh/timing.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What nodes say to each other, as bytes: docs/mesh-protocol.md has the layout.

namespace troupe::mesh {

/// Longest message with its head: as much as a link takes in one batch (`link_limits::batch_bytes_max`).
inline constexpr std::size_t message_bytes_max = std::size_t{1} << 20;
inline constexpr std::size_t node_name_bytes_max = 64;
/// Of rooms, channels, users, connections, epochs; what a node names itself, as an inbox, has a prefix before it.
inline constexpr std::size_t name_bytes_max = limits::name_bytes_max + 64;
/// Rows of a heartbeat, whom each of them hears, members of a view.
inline constexpr std::size_t listed_nodes_max = mesh_limits{}.nodes_max;
/// Claims, or entries of the roster.
inline constexpr std::size_t listed_entries_max = mesh_limits{}.page_entries_max;
inline constexpr std::size_t listed_frames_max = limits::ring_messages_max;

/// Appends a message. A cargo is copied once; one that is null travels as an empty one.
/// @returns why no peer would take it, a sentence's end that says what to do; then nothing is appended. Empty: it is
/// appended
std::string_view encode(const message& what, std::string& out);

/// Gathers what a node has to say to another until it is flushed, as batches for `reliable_link::offer`.
class batch_writer {
public:
  /// @param bytes_max of a batch with more than one message
  explicit batch_writer(std::size_t bytes_max = std::size_t{128} << 10) noexcept
      : bytes_max_{bytes_max} {}

  /// @returns as `encode`
  std::string_view add(const message& what);
  /// What was gathered, in order; no batch is empty.
  std::vector<std::string> take();

private:
  std::size_t bytes_max_;
  std::vector<std::string> full_;
  std::string open_;
};

/// Takes the messages of a batch, which nobody has checked, one after another. What a message takes in memory is
/// bounded by its bytes (64 times these) and its lists' maxima. Messages of kinds that this version does not know, and
/// fields behind those that it does, are passed over: a newer minor version says more.
class batch_reader {
public:
  /// @param batch must outlive the reader
  explicit batch_reader(std::string_view batch) noexcept
      : left_{batch} {}

  /// Nothing at the end, and where the batch is broken.
  std::optional<message> next();

  /// What is wrong, a sentence's end; empty while nothing is.
  const std::string& fault() const noexcept { return fault_; }
  /// Messages of unknown kinds so far.
  std::size_t skipped() const noexcept { return skipped_; }

private:
  std::string_view left_;
  std::size_t messages_ = 0;
  std::size_t skipped_ = 0;
  std::string fault_;
};

} // namespace troupe::mesh
