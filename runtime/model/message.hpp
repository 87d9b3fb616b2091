#pragma once

#include "runtime/model/ids.hpp"
#include "runtime/model/payload.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe {

enum class qos : std::uint8_t { at_most_once = 0, at_least_once = 1, once = 2 };

enum class offline_policy : std::uint8_t { drop, queue };

/// `privacy.log`: what may be kept of a message.
enum class privacy_log : std::uint8_t { unsaid, full, metadata, none };

/// The target of a message; a message has at most one.
enum class target_kind : std::uint8_t { none, room, channel, user, users, connection };

/// The fields of an envelope as views: into the frame that a decoder read, or into whatever a
/// program built. Strings are decoded (no JSON escapes); `payload`, `headers` and `privacy` are
/// raw text in `format`, valid and never rebuilt. Empty means absent (a payload is never empty).
struct message_fields {
  std::string_view type;
  std::string_view id;
  target_kind target = target_kind::none;
  std::string_view target_name;        ///< Room, channel, user or connection.
  std::vector<std::string_view> users; ///< For target_kind::users.
  std::string_view payload;
  std::string_view headers; ///< Raw object of strings.
  std::string_view privacy; ///< Raw object.
  std::string_view traceparent;
  std::int64_t ttl_ms = 0; ///< 0: no limit.
  troupe::qos qos = troupe::qos::at_most_once;
  offline_policy offline = offline_policy::drop;
  encoding format = encoding::json;

  // What `privacy` says.
  privacy_log log = privacy_log::unsaid;
  std::string_view subject;               ///< The user whom it is about.
  std::vector<std::string_view> audience; ///< The only users whom it is for, in a message ascending; empty: everybody.
};

/// Who sent a message: one object per connection identity, shared by its messages.
struct sender {
  std::string connection;
  std::optional<std::string> user;
  std::string node;    ///< Where it entered.
  std::string json;    ///< `"from":{"connection":..,"user":..},"node":".."`, ready to splice.
  std::string msgpack; ///< The same two entries in MessagePack, without a map header.
};

/// What a room's home adds to a message: its place in the room's order.
struct stamp {
  std::uint64_t seq = 0;  ///< 0: none.
  std::string_view epoch; ///< ASCII without characters that JSON escapes.
};

/// An accepted message: immutable, shared by everyone on its way. One allocation holds the object, its
/// reference count and all its text.
class message {
  struct passkey {
    explicit passkey() = default;
  };

public:
  /// Copies the fields into one block of its own. An empty payload becomes the null of its format.
  /// @param from null for messages that the node itself makes
  /// @param ts   when the node accepted it; 0 leaves `ts` out of what receivers get
  static std::shared_ptr<const message> make(const message_fields& fields, std::shared_ptr<const sender> from,
                                             wall_ms ts);

  /// Only `make` can call it: `text` points at room for all text of `fields`.
  message(passkey, const message_fields& fields, std::shared_ptr<const sender> from, wall_ms ts, char* const& text);
  message(const message&) = delete;
  message& operator=(const message&) = delete;

  const message_fields& fields() const noexcept { return fields_; }
  std::string_view type() const noexcept { return fields_.type; }
  std::string_view id() const noexcept { return fields_.id; }
  /// The room that it is for; empty where it is for something else.
  std::string_view room() const noexcept { return name_if(target_kind::room, {}); }
  std::string_view channel() const noexcept { return name_if(target_kind::channel, {}); }
  /// The room that the message names, or `fallback` where it names none.
  std::string room_or(std::string_view fallback) const { return std::string{name_if(target_kind::room, fallback)}; }
  /// The payload as it came; spliced into a `value` it passes unchanged. Lives as long as the message.
  raw_payload payload() const noexcept { return {fields_.payload, fields_.format}; }
  /// Raw payload in `fields().format`; "null" where the sender gave none.
  std::string_view payload_text() const noexcept { return fields_.payload; }
  /// Null for messages that the node itself made.
  const std::shared_ptr<const sender>& from() const noexcept { return from_; }
  wall_ms ts() const noexcept { return ts_; }
  /// Whether this client may be given it: everybody where it has no audience, else the users in it and who sent it.
  bool is_for(const sender& who) const noexcept { return fields_.audience.empty() || audience_has(who); }
  /// The same for a user.
  bool is_for(std::string_view user) const noexcept { return fields_.audience.empty() || audience_has(user); }
  /// Bytes that it occupies, text and object, for bounds.
  std::size_t size() const noexcept { return sizeof(message) + text_bytes_; }

private:
  bool audience_has(const sender& who) const noexcept;
  bool audience_has(std::string_view user) const noexcept;
  std::string_view name_if(target_kind kind, std::string_view otherwise) const noexcept {
    return fields_.target == kind ? fields_.target_name : otherwise;
  }

  message_fields fields_;
  std::shared_ptr<const sender> from_;
  wall_ms ts_ = 0;
  std::size_t text_bytes_ = 0;
};

using message_ptr = std::shared_ptr<const message>;

} // namespace troupe
