#pragma once

#include "runtime/model/ids.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

/// How the bytes of a payload are written.
enum class encoding : std::uint8_t { json, msgpack };

enum class qos : std::uint8_t { at_most_once = 0, at_least_once = 1, once = 2 };

enum class offline_policy : std::uint8_t { drop, queue };

/// The target of a message; a message has at most one.
enum class target_kind : std::uint8_t { none, room, channel, user, users, connection };

/// The fields of an envelope as views: into the frame that a decoder read, or into whatever a
/// program built. Strings are decoded (no JSON escapes); `payload`, `headers` and `privacy` are
/// raw text in `format`, valid and never rebuilt. Empty means absent (a payload is never empty).
struct message_fields {
  std::string_view type;
  std::string_view id;
  target_kind target = target_kind::none;
  std::string_view target_name;             ///< Room, channel, user or connection.
  std::vector<std::string_view> users;      ///< For target_kind::users.
  std::string_view payload;
  std::string_view headers;                 ///< Raw object of strings.
  std::string_view privacy;                 ///< Raw object.
  std::string_view traceparent;
  std::int64_t ttl_ms = 0;                  ///< 0: no limit.
  troupe::qos qos = troupe::qos::at_most_once;
  offline_policy offline = offline_policy::drop;
  encoding format = encoding::json;
};

/// Who sent a message: one object per connection identity, shared by its messages.
struct sender {
  std::string connection;
  std::optional<std::string> user;
  std::string node;         ///< Where it entered.
  std::string json;         ///< `"from":{"connection":..,"user":..},"node":".."`, ready to splice.
  std::string msgpack;      ///< The same two entries in MessagePack, without a map header.
};

/// What a room's home adds to a message: its place in the room's order.
struct stamp {
  std::uint64_t seq = 0;        ///< 0: none.
  std::string_view epoch;       ///< ASCII without characters that JSON escapes.
};

/// An accepted message: immutable, shared by everyone on its way. One block holds all its text.
class message {
public:
  /// Copies the fields into one block of its own.
  static std::shared_ptr<const message> make(const message_fields& fields, std::shared_ptr<const sender> from,
                                             wall_ms ts);

  const message_fields& fields() const noexcept { return fields_; }
  std::string_view type() const noexcept { return fields_.type; }
  std::string_view id() const noexcept { return fields_.id; }
  std::string_view room() const noexcept { return fields_.target == target_kind::room ? fields_.target_name : std::string_view{}; }
  std::string_view channel() const noexcept { return fields_.target == target_kind::channel ? fields_.target_name : std::string_view{}; }
  /// The room that the message names, or `fallback` where it names none.
  std::string room_or(std::string_view fallback) const { return std::string{fields_.target == target_kind::room ? fields_.target_name : fallback}; }
  /// Raw payload in `fields().format`; "null" where the sender gave none.
  std::string_view payload_text() const noexcept { return fields_.payload; }
  /// Null for messages that the node itself made.
  const std::shared_ptr<const sender>& from() const noexcept { return from_; }
  wall_ms ts() const noexcept { return ts_; }
  /// Bytes that it occupies, for bounds.
  std::size_t size() const noexcept { return storage_.size(); }

private:
  message() = default;

  message_fields fields_;
  std::shared_ptr<const sender> from_;
  wall_ms ts_ = 0;
  std::string storage_;
};

using message_ptr = std::shared_ptr<const message>;

} // namespace troupe
