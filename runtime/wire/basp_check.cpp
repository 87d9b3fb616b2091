#include "runtime/wire/basp_check.hpp"

#include <algorithm>
#include <cassert>
#include <utility>

namespace troupe::mesh {
namespace {

// As CAF 0.17.6 writes them (caf/io/basp/header.hpp, message_type.hpp, version 3 of the protocol). Numbers have their
// highest byte first; lengths and counts are seven bits a byte, the lowest first (binary_serializer::begin_sequence).
enum operation : std::uint8_t { server_handshake, client_handshake, direct, routed, monitor, down, heartbeat };

constexpr std::size_t header_bytes = 32;
constexpr std::uint64_t protocol_version = 3;
constexpr std::uint8_t named_receiver_flag = 1;
constexpr std::uint8_t select_connection_flag = 2;
constexpr std::uint64_t asynchronous = std::uint64_t{1} << 60; // a message id: no request, normal priority
constexpr std::size_t length_bytes_max = 5;                    // of a length that fits into 32 bits
constexpr std::size_t error_bytes = 15;                        // of one without a context

/// An empty message ends every error that has no context.
constexpr std::string_view empty_message{"\0\0\3@<>", 6};

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

/// What stands before a batch's own length: no stages, a message with one element, by the name of its type.
std::string make_batch_prefix() {
  const auto types = "@<>+" + std::string{batch_type_name};
  std::string prefix{'\0', '\0', '\0', static_cast<char>(types.size())};
  return prefix + types;
}

const std::string& batch_prefix() {
  static const auto prefix = make_batch_prefix();
  return prefix;
}

} // namespace

std::string_view to_string(basp_refusal why) noexcept {
  constexpr std::string_view names[] = {"operation", "order",       "header", "length",
                                        "handshake", "destination", "source", "content"};
  return names[static_cast<std::size_t>(why)];
}

struct basp_check::header {
  explicit header(std::string_view bytes)
      : operation{static_cast<std::uint8_t>(bytes[0])}
      , filler{bytes[1] != 0 || bytes[2] != 0}
      , flags{static_cast<std::uint8_t>(bytes[3])}
      , payload{number_at(bytes, 4, 4)}
      , data{number_at(bytes, 8, 8)}
      , source{number_at(bytes, 16, 8)}
      , destination{number_at(bytes, 24, 8)} {}

  std::uint8_t operation;
  bool filler;
  std::uint8_t flags;
  std::uint64_t payload;
  std::uint64_t data;
  std::uint64_t source;
  std::uint64_t destination;
};

basp_check::basp_check(basp_rules rules)
    : rules_{std::move(rules)}
    , application_{std::string{'\1', static_cast<char>(basp_application.size())} + std::string{basp_application}} {
  assert(rules_.own_node.size() == node_id_bytes && rules_.peer_node.size() == node_id_bytes);
  assert(rules_.own_node != rules_.peer_node && rules_.own_actor != 0);
}

std::optional<basp_refusal> basp_check::take(std::string_view bytes, std::string& out) {
  while (!bytes.empty() && !refused_) {
    if (rest_ > 0) {
      const auto pass = std::min<std::uint64_t>(rest_, bytes.size());
      out += bytes.substr(0, pass);
      bytes.remove_prefix(pass);
      rest_ -= pass;
      continue;
    }
    const auto wanted = held_.size() < header_bytes ? header_bytes : header_bytes + head_bytes(header{held_});
    const auto more = std::min(wanted - held_.size(), bytes.size());
    held_ += bytes.substr(0, more);
    bytes.remove_prefix(more);
    if (held_.size() < wanted)
      break;
    const header h{held_};
    if (held_.size() == header_bytes) {
      refused_ = check_header(h); // its length is within bounds from here on
      if (refused_ || h.payload > 0)
        continue;
    }
    refused_ = check_payload(h, std::string_view{held_}.substr(header_bytes));
    if (refused_)
      break;
    out += held_;
    rest_ = header_bytes + h.payload - held_.size();
    held_.clear();
    ++frames_;
  }
  return refused_;
}

/// How much of a payload must be seen before any of it may pass.
std::size_t basp_check::head_bytes(const header& h) const noexcept {
  return h.operation == direct ? std::min<std::size_t>(h.payload, batch_prefix().size() + length_bytes_max) : h.payload;
}

basp_check::verdict basp_check::check_header(const header& h) {
  if (h.operation > heartbeat || h.operation == routed)
    return basp_refusal::operation;
  if (h.filler)
    return basp_refusal::header;
  if (h.operation == server_handshake || h.operation == client_handshake)
    return check_greeting(h);
  if (!greeted_)
    return basp_refusal::order;
  if (h.operation == direct)
    return check_batch_header(h);
  if (h.flags != 0 || h.data != 0)
    return basp_refusal::header;
  switch (h.operation) {
  case monitor:
    if (h.source != 0)
      return basp_refusal::header;
    if (h.destination != rules_.own_actor)
      return basp_refusal::destination;
    return h.payload == 2 * node_id_bytes ? verdict{} : basp_refusal::length;
  case down:
    if (h.destination != 0)
      return basp_refusal::header;
    if (h.source == 0 || h.source != peer_actor_)
      return basp_refusal::source;
    return h.payload == 2 * node_id_bytes + error_bytes ? verdict{} : basp_refusal::length;
  default: // a heartbeat
    if (h.source != 0 || h.destination != 0)
      return basp_refusal::header;
    return h.payload == 0 ? verdict{} : basp_refusal::length;
  }
}

basp_check::verdict basp_check::check_greeting(const header& h) {
  if ((h.operation == server_handshake) != rules_.peer_accepted)
    return basp_refusal::order;
  // A client says twice who it is: the second time it chooses this connection.
  const bool selects = h.operation == client_handshake && greeted_ && !selected_;
  if (greeted_ && !selects)
    return basp_refusal::order;
  if (h.flags != (selects ? select_connection_flag : 0) || h.source != 0 || h.destination != 0)
    return basp_refusal::header;
  if (h.data != (h.operation == server_handshake ? protocol_version : 0))
    return basp_refusal::handshake;
  // The application, the peer's actor, and no interface.
  const auto expected = node_id_bytes + (h.operation == server_handshake ? application_.size() + 8 + 1 : 0);
  return h.payload == expected ? verdict{} : basp_refusal::length;
}

basp_check::verdict basp_check::check_batch_header(const header& h) {
  if ((h.flags & named_receiver_flag) != 0)
    return basp_refusal::destination;
  if (h.flags != 0)
    return basp_refusal::header;
  if (h.destination != rules_.own_actor)
    return basp_refusal::destination;
  // Each actor that a peer speaks with gets a proxy here, so it has one.
  if (h.source == 0 || (peer_actor_ != 0 && h.source != peer_actor_))
    return basp_refusal::source;
  if (h.data != asynchronous)
    return basp_refusal::content; // a request or a response
  const auto least = batch_prefix().size() + 1;
  if (h.payload < least || h.payload > least - 1 + length_bytes_max + rules_.batch_bytes_max)
    return basp_refusal::length;
  return {};
}

basp_check::verdict basp_check::check_payload(const header& h, std::string_view payload) {
  switch (h.operation) {
  case server_handshake:
  case client_handshake:
    return check_greeting_payload(h, payload);
  case direct:
    return check_batch(h, payload);
  case monitor:
  case down:
    if (payload.substr(0, node_id_bytes) != rules_.peer_node ||
        payload.substr(node_id_bytes, node_id_bytes) != rules_.own_node)
      return basp_refusal::destination;
    if (h.operation == down && !payload.ends_with(empty_message))
      return basp_refusal::content;
    return {};
  default:
    return {};
  }
}

basp_check::verdict basp_check::check_greeting_payload(const header& h, std::string_view payload) {
  if (payload.substr(0, node_id_bytes) != rules_.peer_node)
    return basp_refusal::handshake;
  if (greeted_)
    selected_ = true;
  greeted_ = true;
  if (h.operation == client_handshake)
    return {};
  payload.remove_prefix(node_id_bytes);
  if (!payload.starts_with(application_) || payload.back() != 0)
    return basp_refusal::handshake;
  peer_actor_ = number_at(payload, application_.size(), 8);
  return peer_actor_ != 0 ? verdict{} : basp_refusal::source;
}

basp_check::verdict basp_check::check_batch(const header& h, std::string_view head) {
  if (!head.starts_with(batch_prefix()))
    return basp_refusal::content;
  head.remove_prefix(batch_prefix().size());
  std::uint64_t length = 0;
  std::size_t bytes = 0;
  bool more = true;
  for (; more && bytes < std::min(head.size(), length_bytes_max); ++bytes) {
    const auto byte = static_cast<unsigned char>(head[bytes]);
    length |= std::uint64_t{byte & 0x7Fu} << (7 * bytes);
    more = (byte & 0x80) != 0;
  }
  const auto left = h.payload - batch_prefix().size() - bytes;
  if (more || length != left || length == 0 || length > rules_.batch_bytes_max)
    return basp_refusal::length;
  peer_actor_ = h.source;
  ++batches_;
  return {};
}

void basp_trim::take(std::string_view bytes, std::string& out) {
  while (!bytes.empty()) {
    if (rest_ > 0) {
      const auto pass = std::min<std::uint64_t>(rest_, bytes.size());
      if (!skip_)
        out += bytes.substr(0, pass);
      bytes.remove_prefix(pass);
      rest_ -= pass;
      continue;
    }
    const auto more = std::min(header_bytes - held_.size(), bytes.size());
    held_ += bytes.substr(0, more);
    bytes.remove_prefix(more);
    if (held_.size() < header_bytes)
      return;
    rest_ = number_at(held_, 4, 4);
    skip_ = held_[0] == direct && (held_[3] & named_receiver_flag) != 0;
    skip_ ? static_cast<void>(++trimmed_) : static_cast<void>(out += held_);
    held_.clear();
  }
}

} // namespace troupe::mesh
