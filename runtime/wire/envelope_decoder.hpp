#pragma once

// The rules of the envelope (docs/protocol.md, "Envelope"), once for all wire formats. Private to runtime/wire.

#include "runtime/model/limits.hpp"
#include "runtime/model/message.hpp"
#include "runtime/wire/envelope.hpp"
#include "runtime/wire/field_reader.hpp"
#include "runtime/wire/privacy_decoder.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::wire {

/// Reads one envelope. See field_reader for what a `Reader` is.
template <class Reader>
class envelope_decoder : field_reader<Reader> {
public:
  envelope_decoder(Reader& in, message_fields& out) noexcept
      : base{in}
      , out_{out} {}

  /// @returns the failure; nothing where all is well
  std::optional<decode_failure> run() {
    clear();
    if (in_.kind() != node_kind::object) {
      std::string_view ignored;
      if (in_.value(ignored) && in_.end())
        broken("the frame", "must be one object");
      else
        failed_ = in_.fault();
    } else if (!each_member([this](std::string_view key) { return member(key); }) || !in_.end()) {
      failed_ = in_.fault();
    } else if (!failed_) {
      complete();
    }
    if (!failed_)
      return std::nullopt;
    return decode_failure{std::move(*failed_), out_.id, false};
  }

private:
  using base = field_reader<Reader>;
  using base::broken;
  using base::each_member;
  using base::failed_;
  using base::in_;
  using base::name;
  using base::names;
  using base::number;
  using base::text;
  using base::wrong;

  void clear() noexcept {
    out_.type = out_.id = out_.target_name = out_.payload = out_.headers = out_.privacy = out_.traceparent = {};
    out_.subject = {};
    out_.audience.clear();
    out_.log = privacy_log::unsaid;
    out_.target = target_kind::none;
    out_.users.clear();
    out_.ttl_ms = 0;
    out_.qos = qos::at_most_once;
    out_.offline = offline_policy::drop;
    out_.format = Reader::format;
    out_.payload = Reader::null_text;
  }

  bool member(std::string_view key) {
    const field f = field_of(key);
    const auto bit = 1u << static_cast<unsigned>(f);
    if (f != field::unknown && (seen_ & bit) != 0)
      broken(key, "is given twice");
    seen_ |= bit;
    return read(f);
  }

  bool read(field f) {
    switch (f) {
    case field::type:
      return text("type", out_.type, &is_type, "must be 1 to 128 of A-Z a-z 0-9 _ . : / -");
    case field::id:
      return text(
          "id", out_.id, [](std::string_view t) { return !t.empty() && t.size() <= limits::id_bytes_max; },
          "must be 1 to 128 bytes");
    case field::room:
      return target(target_kind::room) && name("room", out_.target_name);
    case field::channel:
      return target(target_kind::channel) && name("channel", out_.target_name);
    case field::to:
      return to();
    case field::payload:
      return in_.value(out_.payload);
    case field::qos:
      return qos_field();
    case field::ttl_ms:
      return ttl();
    case field::offline:
      return offline();
    case field::privacy:
      return privacy();
    case field::headers:
      return headers();
    case field::traceparent:
      return text(
          "traceparent", out_.traceparent, [](std::string_view t) { return t.size() <= limits::traceparent_bytes_max; },
          "must be at most 128 bytes");
    case field::unknown:
      break;
    }
    std::string_view ignored;
    return in_.value(ignored);
  }

  bool target(target_kind kind) {
    if (out_.target != target_kind::none)
      broken("the message", "has more than one of room, channel and to");
    out_.target = kind;
    return true;
  }

  bool to() {
    target(target_kind::none);
    if (in_.kind() != node_kind::object)
      return wrong("to", "must be an object");
    int targets = 0;
    const bool whole = each_member([this, &targets](std::string_view key) {
      const bool user = key == "user", connection = key == "connection", list = key == "users";
      targets += user || connection || list ? 1 : 0;
      if (user || connection)
        out_.target = user ? target_kind::user : target_kind::connection;
      std::string_view ignored;
      return user         ? name("to.user", out_.target_name)
             : connection ? name("to.connection", out_.target_name)
             : list       ? users()
                          : in_.value(ignored);
    });
    if (targets != 1)
      broken("to", "must have one of user, users and connection");
    return whole;
  }

  bool users() {
    out_.target = target_kind::users;
    return names("to.users", out_.users, limits::users_per_message_max, "has more than 100 names");
  }

  bool qos_field() {
    std::int64_t n = 0;
    if (!number("qos", 0, 2, "must be 0, 1 or 2", n))
      return false;
    out_.qos = static_cast<troupe::qos>(n);
    return true;
  }

  bool ttl() { return number("ttl_ms", 1, limits::ttl_ms_max, "must be a whole number from 1 to 2^53", out_.ttl_ms); }

  bool offline() {
    std::string_view policy = "drop";
    if (!text(
            "offline", policy, [](std::string_view t) { return t == "drop" || t == "queue"; }, "must be drop or queue"))
      return false;
    out_.offline = policy == "queue" ? offline_policy::queue : offline_policy::drop;
    return true;
  }

  bool privacy() {
    privacy_decoder<Reader> object{in_, out_};
    const bool whole = object.run();
    if (!failed_)
      failed_ = object.broken_rule();
    return whole;
  }

  bool headers() {
    if (in_.kind() != node_kind::object)
      return wrong("headers", "must be an object of strings");
    const char* start = in_.at();
    std::size_t count = 0;
    const bool whole = each_member([this, &count](std::string_view) {
      ++count;
      std::string_view ignored;
      return text(
          "a header", ignored, [](std::string_view) { return true; }, "");
    });
    if (count != 0)
      out_.headers = {start, static_cast<std::size_t>(in_.at() - start)};
    if (count > limits::headers_max)
      broken("headers", "has more than 64 entries");
    if (out_.headers.size() > limits::headers_bytes_max)
      broken("headers", "is more than 8192 bytes");
    return whole;
  }

  /// The rules that need the whole envelope.
  void complete() {
    if (out_.type.empty())
      broken("type", "is missing");
    else if (out_.qos != qos::at_most_once && out_.id.empty())
      broken("qos", "1 and 2 need an id");
  }

  message_fields& out_;
  std::uint32_t seen_ = 0;
};

} // namespace troupe::wire
