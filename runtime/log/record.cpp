#include "runtime/log/record.hpp"

#include "runtime/log/bytes.hpp"

#include <charconv>
#include <tuple>
#include <utility>

namespace troupe::log {
namespace {

constexpr std::array kinds{
    std::pair{record_kind::node_started, std::string_view{"node.started"}},
    std::pair{record_kind::node_stopped, std::string_view{"node.stopped"}},
    std::pair{record_kind::log_damaged, std::string_view{"log.damaged"}},
    std::pair{record_kind::log_checkpoint, std::string_view{"log.checkpoint"}},
    std::pair{record_kind::connection_opened, std::string_view{"connection.opened"}},
    std::pair{record_kind::connection_closed, std::string_view{"connection.closed"}},
    std::pair{record_kind::message_received, std::string_view{"message.received"}},
    std::pair{record_kind::message_published, std::string_view{"message.published"}},
    std::pair{record_kind::message_expired, std::string_view{"message.expired"}},
    std::pair{record_kind::room_joined, std::string_view{"room.joined"}},
    std::pair{record_kind::room_left, std::string_view{"room.left"}},
    std::pair{record_kind::room_activated, std::string_view{"room.activated"}},
    std::pair{record_kind::room_step, std::string_view{"room.step"}},
    std::pair{record_kind::room_output, std::string_view{"room.output"}},
    std::pair{record_kind::presence_updated, std::string_view{"presence.updated"}},
    std::pair{record_kind::channel_published, std::string_view{"channel.published"}},
    std::pair{record_kind::channel_epoch, std::string_view{"channel.epoch"}},
    std::pair{record_kind::channel_claim, std::string_view{"channel.claim"}},
    std::pair{record_kind::channel_subscribed, std::string_view{"channel.subscribed"}},
    std::pair{record_kind::channel_unsubscribed, std::string_view{"channel.unsubscribed"}},
    std::pair{record_kind::channel_read, std::string_view{"channel.read"}},
    std::pair{record_kind::inbox_queued, std::string_view{"inbox.queued"}},
    std::pair{record_kind::inbox_acked, std::string_view{"inbox.acked"}},
    std::pair{record_kind::inbox_dropped, std::string_view{"inbox.dropped"}},
    std::pair{record_kind::position_acked, std::string_view{"position.acked"}},
    std::pair{record_kind::offline_queue_flushed, std::string_view{"offline.queue.flushed"}},
    std::pair{record_kind::backpressure, std::string_view{"backpressure"}},
    std::pair{record_kind::supervisor_restarted, std::string_view{"supervisor.restarted"}},
    std::pair{record_kind::error, std::string_view{"error"}},
    std::pair{record_kind::forgotten, std::string_view{"forgotten"}},
    std::pair{record_kind::state_snapshot, std::string_view{"state.snapshot"}},
};

constexpr std::string_view unknown_prefix = "kind.";
constexpr std::uint8_t first_number_tag = 64;

template <class From, class To>
To converted(const From& from) {
  To to;
  to.time_us = from.time_us;
  to.kind = from.kind;
  const auto texts = [](auto& r) {
    return std::tie(r.room, r.channel, r.user, r.connection, r.id, r.type, r.payload, r.headers, r.traceparent, r.epoch,
                    r.detail, r.subject, r.key_id, r.nonce, r.target, r.node, r.privacy, r.state_hash, r.durable,
                    r.code_version);
  };
  const auto numbers = [](auto& r) {
    return std::tie(r.offset, r.seq, r.qos, r.expires_ms, r.term, r.reference, r.format, r.code);
  };
  texts(to) = texts(from);
  numbers(to) = numbers(from);
  return to;
}

/// A number without the zero bytes at its high end.
std::string_view shortest(std::uint64_t number, std::array<char, 8>& bytes) {
  put_at(bytes.data(), number);
  std::size_t length = 8;
  while (length > 0 && bytes[length - 1] == 0)
    --length;
  return {bytes.data(), length};
}

void put_field(std::string& out, std::uint8_t tag, std::string_view bytes) {
  out.push_back(static_cast<char>(tag));
  put_varint(out, bytes.size());
  out += bytes;
}

bool is_number(std::string_view bytes) noexcept { return bytes.size() <= 8 && (bytes.empty() || bytes.back() != 0); }

bool read_number(std::string_view bytes, std::optional<std::uint64_t>& out) noexcept {
  if (!is_number(bytes))
    return false;
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i)
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[i])) << (8 * i);
  out = number;
  return true;
}

/// Reads a body from front to end. `text` and `number` get the place of a known field in its table, and its bytes;
/// `number` says whether they are one.
template <class Front, class Text, class Number>
decode_fault read_fields(std::string_view body, Front front, Text text, Number number) noexcept {
  if (body.size() < record_bytes_min)
    return decode_fault::too_short;
  if (body.size() > record_bytes_max)
    return decode_fault::too_long;
  byte_reader in{body};
  const auto time_us = static_cast<std::int64_t>(in.number<std::uint64_t>());
  front(time_us, static_cast<record_kind>(in.number<std::uint16_t>()));
  unsigned last = 0;
  while (!in.left().empty()) {
    const unsigned tag = in.number<std::uint8_t>();
    const auto bytes = in.text(in.varint());
    if (!in.ok())
      return decode_fault::field_cut_off;
    if (tag <= last)
      return decode_fault::fields_out_of_order;
    last = tag;
    if (tag <= text_fields.size())
      text(tag - 1, bytes);
    else if (tag >= first_number_tag && tag < first_number_tag + number_fields.size())
      if (!number(tag - first_number_tag, bytes))
        return decode_fault::bad_number;
  }
  return decode_fault::none;
}

} // namespace

const std::array<text_field, 20> text_fields{{
    {1, "room", &record_view::room},
    {2, "channel", &record_view::channel},
    {3, "user", &record_view::user},
    {4, "connection", &record_view::connection},
    {5, "id", &record_view::id},
    {6, "type", &record_view::type},
    {7, "payload", &record_view::payload},
    {8, "headers", &record_view::headers},
    {9, "traceparent", &record_view::traceparent},
    {10, "epoch", &record_view::epoch},
    {11, "detail", &record_view::detail},
    {12, "subject", &record_view::subject},
    {13, "key_id", &record_view::key_id},
    {14, "nonce", &record_view::nonce},
    {15, "target", &record_view::target},
    {16, "node", &record_view::node},
    {17, "privacy", &record_view::privacy},
    {18, "state_hash", &record_view::state_hash},
    {19, "durable", &record_view::durable},
    {20, "code_version", &record_view::code_version},
}};

const std::array<number_field, 8> number_fields{{
    {first_number_tag, "offset", &record_view::offset},
    {first_number_tag + 1, "seq", &record_view::seq},
    {first_number_tag + 2, "qos", &record_view::qos},
    {first_number_tag + 3, "expires_ms", &record_view::expires_ms},
    {first_number_tag + 4, "term", &record_view::term},
    {first_number_tag + 5, "reference", &record_view::reference},
    {first_number_tag + 6, "format", &record_view::format},
    {first_number_tag + 7, "code", &record_view::code},
}};

std::string_view name_of(record_kind kind) noexcept {
  for (const auto& [known, name] : kinds)
    if (known == kind)
      return name;
  return {};
}

std::string to_string(record_kind kind) {
  if (auto name = name_of(kind); !name.empty())
    return std::string{name};
  return std::string{unknown_prefix} + std::to_string(static_cast<std::uint16_t>(kind));
}

std::optional<record_kind> record_kind_from(std::string_view name) noexcept {
  for (const auto& [kind, known] : kinds)
    if (known == name)
      return kind;
  if (!name.starts_with(unknown_prefix))
    return {};
  auto digits = name.substr(unknown_prefix.size());
  std::uint16_t number = 0;
  auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (fault != std::errc{} || end != digits.data() + digits.size())
    return {};
  return record_kind{number};
}

record_view view_of(const record& owned) { return converted<record, record_view>(owned); }
record copy_of(const record_view& view) { return converted<record_view, record>(view); }

void encode(const record_view& what, std::string& out) {
  put(out, static_cast<std::uint64_t>(what.time_us));
  put(out, static_cast<std::uint16_t>(what.kind));
  for (const auto& field : text_fields)
    if (const auto text = what.*field.member; !text.empty())
      put_field(out, field.tag, text);
  for (const auto& field : number_fields)
    if (const auto number = what.*field.member) {
      std::array<char, 8> bytes{};
      put_field(out, field.tag, shortest(*number, bytes));
    }
}

std::string_view to_string(decode_fault why) noexcept {
  constexpr std::array<std::string_view, 6> names{
      "none", "too short", "too long", "a field is cut off", "fields out of order", "a bad number"};
  return names.at(static_cast<std::size_t>(why));
}

decode_fault check_record(std::string_view body) noexcept {
  const auto number = [](unsigned, std::string_view bytes) { return is_number(bytes); };
  return read_fields(
      body, [](std::int64_t, record_kind) {}, [](unsigned, std::string_view) {}, number);
}

decode_fault decode(std::string_view body, record_view& out) noexcept {
  out = {};
  const auto front = [&](std::int64_t time_us, record_kind kind) {
    out.time_us = time_us;
    out.kind = kind;
  };
  const auto text = [&](unsigned i, std::string_view bytes) { out.*text_fields[i].member = bytes; };
  const auto number = [&](unsigned i, std::string_view bytes) {
    return read_number(bytes, out.*number_fields[i].member);
  };
  return read_fields(body, front, text, number);
}

} // namespace troupe::log
