#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::log {

/// What a record says happened. The numbers are part of the format and never given to another meaning; a reader
/// shows kinds that it does not know as "kind.N".
enum class record_kind : std::uint16_t {
  node_started = 1,
  node_stopped = 2,
  log_damaged = 3, ///< What was found bad or missing when the log was opened.
  log_checkpoint = 4,
  connection_opened = 10,
  connection_closed = 11,
  message_received = 20,
  message_published = 21,
  message_expired = 22,
  room_joined = 30,
  room_left = 31,
  room_activated = 32, ///< Seed, snapshot and code version that the steps after it start from.
  room_step = 33,      ///< One input of custom logic, in processing order.
  room_output = 34,    ///< What the step before it gave, and the hash of the state.
  presence_updated = 35,
  channel_published = 40,
  channel_epoch = 41,
  channel_claim = 42,
  channel_subscribed = 43,
  channel_unsubscribed = 44,
  channel_read = 45, ///< Somebody asked for its history.
  inbox_queued = 50,
  inbox_acked = 51,
  inbox_dropped = 52,
  position_acked = 53,
  offline_queue_flushed = 54,
  backpressure = 60,
  supervisor_restarted = 61,
  error = 62,
  forgotten = 70,
  state_snapshot = 80,
};

/// For example "channel.published"; empty for a kind that this version does not know.
std::string_view name_of(record_kind kind) noexcept;
/// As name_of, and "kind.N" for the unknown.
std::string to_string(record_kind kind);
/// The kind with this name, also for "kind.N".
std::optional<record_kind> record_kind_from(std::string_view name) noexcept;

/// Longest body of a record. A message has at most 64 KiB, a snapshot of a room's state may have more.
inline constexpr std::size_t record_bytes_max = 16U * 1024 * 1024;
/// Time and kind.
inline constexpr std::size_t record_bytes_min = 10;

/// One entry of the log. Text fields that are empty are absent.
/// @tparam Text std::string to own it, std::string_view to look into bytes that live elsewhere
template <class Text>
struct basic_record {
  std::int64_t time_us = 0; ///< Microseconds since the Unix epoch.
  record_kind kind{};

  Text room = {};
  Text channel = {};
  Text user = {};
  Text connection = {};
  Text id = {}; ///< Of the message.
  Text type = {};
  Text payload = {}; ///< Raw bytes as they came; ciphertext followed by its tag where `key_id` is set.
  Text headers = {}; ///< Raw object.
  Text traceparent = {};
  Text epoch = {};
  Text detail = {}; ///< What else there is to say: a reason, a cause, a state.
  Text subject = {};
  Text key_id = {}; ///< Of the key that the payload is encrypted with.
  Text nonce = {};  ///< Of the encryption.
  Text target = {}; ///< A user, users or a connection that the message is for.
  Text node = {};
  Text privacy = {};      ///< Raw object.
  Text state_hash = {};   ///< Of a room after a step.
  Text durable = {};      ///< The name of a durable subscription.
  Text code_version = {}; ///< Of custom logic.

  std::optional<std::uint64_t> offset = {};
  std::optional<std::uint64_t> seq = {};
  std::optional<std::uint64_t> qos = {};
  std::optional<std::uint64_t> expires_ms = {}; ///< Milliseconds since the Unix epoch.
  std::optional<std::uint64_t> term = {};
  std::optional<std::uint64_t> reference = {}; ///< Index of another record that this one is about.
  std::optional<std::uint64_t> format = {};    ///< troupe::encoding of payload, headers and privacy.
  std::optional<std::uint64_t> code = {};      ///< Close code or another number that says why.

  friend bool operator==(const basic_record&, const basic_record&) = default;
};

using record = basic_record<std::string>;
/// Its texts are valid as long as the bytes that it was decoded from.
using record_view = basic_record<std::string_view>;

/// Looks into `owned`, which must outlive the view.
record_view view_of(const record& owned);
record copy_of(const record_view& view);

/// A field by its name as people type and print it, in the order of the format.
template <class Member>
struct field_name {
  std::uint8_t tag;
  std::string_view name;
  Member member;
};
using text_field = field_name<std::string_view record_view::*>;
using number_field = field_name<std::optional<std::uint64_t> record_view::*>;
extern const std::array<text_field, 20> text_fields;    ///< Ascending tags, from 1.
extern const std::array<number_field, 8> number_fields; ///< Ascending tags, from 64.

/// Appends the body of a record (docs/event-log.md, "Records"). One record has one encoding.
void encode(const record_view& what, std::string& out);

/// Why bytes are no record.
enum class decode_fault : std::uint8_t { none, too_short, too_long, field_cut_off, fields_out_of_order, bad_number };

std::string_view to_string(decode_fault why) noexcept;

/// Whether `decode` could read it.
decode_fault check_record(std::string_view body) noexcept;

/// Reads what `encode` wrote; `out` looks into `body`. Fields with unknown tags are passed over.
decode_fault decode(std::string_view body, record_view& out) noexcept;

} // namespace troupe::log
