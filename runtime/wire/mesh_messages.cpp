#include "runtime/wire/mesh_messages.hpp"

#include "runtime/log/bytes.hpp"
#include "runtime/model/mesh/reliable_link.hpp"

#include <algorithm>
#include <concepts>
#include <memory>
#include <type_traits>
#include <utility>

namespace troupe::mesh {
namespace {

// A message is a head of four bytes, the length of its fields in three and its kind, and the fields.
constexpr std::size_t head_bytes = 4;
constexpr unsigned kind_shift = 24;
constexpr std::uint32_t length_mask = (std::uint32_t{1} << kind_shift) - 1;

static_assert(message_bytes_max <= link_limits{}.batch_bytes_max && message_bytes_max <= length_mask);

constexpr auto name_too_long = "has a name that is too long: 64 bytes of a node, 320 of all else";
static_assert(node_name_bytes_max == 64 && name_bytes_max == 320 && message_bytes_max == std::size_t{1} << 20);

/// A value that is written, or one that is read into.
template <class Value, class T>
concept is = std::same_as<std::remove_const_t<Value>, T>;

/// Writes single values.
class packer {
public:
  explicit packer(std::string& out) noexcept
      : out_{out} {}

  void number(std::uint64_t x) { log::put_varint(out_, x); }
  void number(std::int64_t x) { log::put_varint(out_, static_cast<std::uint64_t>(x)); }
  void byte(std::uint8_t x) { log::put(out_, x); }
  void hash(std::uint64_t x) { log::put(out_, x); }

  template <std::same_as<bool>... Flags>
  void flags(Flags... x) {
    unsigned bits = 0;
    unsigned shift = 0;
    ((bits |= static_cast<unsigned>(x) << shift++), ...);
    byte(static_cast<std::uint8_t>(bits));
  }

  void content(std::string_view x) {
    number(std::uint64_t{x.size()});
    out_ += x;
  }
  void content(const cargo& x) { content(x == nullptr ? std::string_view{} : std::string_view{*x}); }

  void name(std::string_view x, std::size_t bytes_max) {
    content(x);
    if (x.size() > bytes_max)
      why_ = name_too_long;
  }

  template <class T, class Each>
  void list(const std::vector<T>& x, std::size_t entries_max, Each each) {
    number(std::uint64_t{x.size()});
    for (const auto& entry : x)
      each(entry);
    if (x.size() > entries_max)
      why_ = "has a list that is too long: send what is in it in several messages";
  }

  template <class T, class Each>
  void maybe(const std::optional<T>& x, Each each) {
    flags(x.has_value());
    if (x)
      each(*x);
  }

  /// Null: all is well.
  const char* why() const noexcept { return why_; }

private:
  std::string& out_;
  const char* why_ = nullptr;
};

/// Reads single values from untrusted bytes. Behind what is wrong values mean nothing, and lists have no more entries.
class unpacker {
public:
  explicit unpacker(std::string_view bytes) noexcept
      : in_{bytes} {}

  void number(std::uint64_t& x) noexcept { x = in_.varint64(); }
  void number(std::int64_t& x) noexcept { x = static_cast<std::int64_t>(in_.varint64()); }
  void byte(std::uint8_t& x) noexcept { x = in_.number<std::uint8_t>(); }
  void hash(std::uint64_t& x) noexcept { x = in_.number<std::uint64_t>(); }

  template <std::same_as<bool>... Flags>
  void flags(Flags&... x) noexcept {
    const unsigned bits = in_.number<std::uint8_t>();
    unsigned shift = 0;
    ((x = (bits >> shift++ & 1) != 0), ...);
  }

  void content(std::string& x) { x = in_.text(in_.varint()); }
  void content(cargo& x) { x = std::make_shared<const std::string>(in_.text(in_.varint())); }

  void name(std::string& x, std::size_t bytes_max) {
    const auto bytes = in_.text(in_.varint());
    if (bytes.size() > bytes_max)
      return fail(name_too_long);
    x = bytes;
  }

  template <class T, class Each>
  void list(std::vector<T>& x, std::size_t entries_max, Each each) {
    const auto entries = in_.varint();
    if (entries > entries_max)
      return fail("has a list that is too long");
    // No entry has fewer bytes than a 32nd of its size in memory, so whoever claims more is not believed.
    x.reserve(std::min(entries, 32 * in_.left().size() / sizeof(T)));
    while (x.size() < entries && why() == nullptr)
      each(x.emplace_back());
  }

  template <class T, class Each>
  void maybe(std::optional<T>& x, Each each) {
    bool there = false;
    flags(there);
    if (there)
      each(x.emplace());
  }

  /// Null: all is well.
  const char* why() const noexcept {
    return why_ != nullptr || in_.ok() ? why_ : "ends before its fields do, or has a number that is none";
  }

private:
  void fail(const char* why) noexcept {
    if (in_.ok() && why_ == nullptr)
      why_ = why;
  }

  log::byte_reader in_;
  const char* why_ = nullptr;
};

/// The fields of all that travels in their order: one list for both directions, so that they cannot differ. `Io` is
/// `packer` or `unpacker`.
template <class Io>
class fields {
public:
  explicit fields(Io& io) noexcept
      : io_{io} {}

  // What messages consist of.

  void operator()(is<node_life> auto& x) {
    node(x.name);
    io_.number(x.incarnation);
  }
  void operator()(is<view_id> auto& x) {
    io_.number(x.number);
    (*this)(x.issuer);
  }
  void operator()(is<epoch_id> auto& x) {
    (*this)(x.view);
    io_.number(x.serial);
  }
  void operator()(is<view> auto& x) {
    (*this)(x.id);
    io_.list(x.members, listed_nodes_max, *this);
    io_.list(x.hosts, listed_nodes_max, [this](auto& host) { this->node(host); });
  }
  void operator()(is<hearing_row> auto& x) {
    (*this)(x.who);
    io_.number(x.version);
    io_.number(x.age_ms);
    io_.flags(x.leaving);
    io_.list(x.hears, listed_nodes_max, *this);
  }
  void operator()(is<numbered> auto& x) {
    io_.number(x.seq);
    io_.content(x.what);
  }
  void operator()(is<place_in_room> auto& x) {
    (*this)(x.epoch);
    io_.number(x.seq);
  }
  void operator()(is<room_state> auto& x) {
    (*this)(x.epoch);
    io_.number(x.seq);
    io_.content(x.bytes);
  }
  void operator()(is<claim> auto& x) {
    name(x.name);
    node(x.owner);
    io_.number(x.term);
    name(x.epoch);
  }
  void operator()(is<member> auto& x) {
    name(x.connection);
    io_.maybe(x.user, [this](auto& user) { this->name(user); });
    io_.content(x.state);
    node(x.node);
    io_.number(x.since);
    io_.number(x.incarnation);
    io_.number(x.version);
    io_.flags(x.told, x.gone);
  }

  // Views.

  void operator()(is<heartbeat> auto& x) {
    io_.list(x.rows, listed_nodes_max, *this);
    (*this)(x.installed);
  }
  void operator()(is<agreed> auto& x) {
    (*this)(x.id);
    (*this)(x.before);
  }
  void operator()(is<settled> auto& x) { (*this)(x.id); }
  void operator()(is<goodbye> auto& /*x*/) {}

  // Rooms.

  void operator()(is<attach> auto& x) {
    name(x.room);
    (*this)(x.view);
    io_.number(x.ticket);
    io_.maybe(x.seen, *this);
  }
  void operator()(is<attached> auto& x) {
    name(x.room);
    io_.number(x.ticket);
    (*this)(x.epoch);
    io_.number(x.seq);
    io_.flags(x.recovered);
    io_.list(x.missed, listed_frames_max, *this);
  }
  void operator()(is<detach> auto& x) { name(x.room); }
  void operator()(is<frames> auto& x) {
    name(x.room);
    (*this)(x.epoch);
    (*this)(x.what);
  }
  void operator()(is<renewed> auto& x) {
    name(x.room);
    (*this)(x.epoch);
  }
  void operator()(is<publish> auto& x) {
    name(x.room);
    (*this)(x.view);
    io_.number(x.id);
    io_.content(x.what);
  }
  void operator()(is<refused> auto& x) {
    name(x.room);
    io_.number(x.id);
  }
  void operator()(is<hand_over> auto& x) {
    name(x.room);
    (*this)(x.view);
    (*this)(x.state);
  }
  void operator()(is<snapshot> auto& x) {
    name(x.room);
    (*this)(x.state);
  }

  // Claims and presence.

  void operator()(is<claims_digest> auto& x) {
    for (auto& hash : x.hashes)
      io_.hash(hash);
  }
  void operator()(is<claims_page> auto& x) {
    io_.list(x.claims, listed_entries_max, *this);
    io_.maybe(x.bucket, [this](auto& bucket) { this->io_.byte(bucket); });
    io_.flags(x.more);
  }
  void operator()(is<claims_request> auto& x) {
    io_.byte(x.bucket);
    name(x.after);
  }
  void operator()(is<roster_page> auto& x) {
    io_.number(x.number);
    io_.number(x.from);
    io_.number(x.to);
    io_.flags(x.full, x.more);
    name(x.after);
    io_.list(x.entries, listed_entries_max, *this);
  }
  void operator()(is<roster_receipt> auto& x) {
    io_.number(x.page);
    io_.number(x.version);
    name(x.after);
  }

private:
  void node(auto& x) { io_.name(x, node_name_bytes_max); }
  void name(auto& x) { io_.name(x, name_bytes_max); }

  Io& io_;
};

/// Types by their kind, from 1 on.
template <class... Ts>
struct kind_list {
  static_assert(sizeof...(Ts) == std::variant_size_v<message>);

  template <class T>
  static constexpr std::uint8_t kind_of() {
    std::uint8_t kind = 0;
    static_cast<void>(((++kind, std::is_same_v<T, Ts>) || ...));
    return kind;
  }

  /// @returns false where nobody knows the kind
  static bool read(unsigned kind, unpacker& in, message& to) {
    unsigned at = 0;
    return ((++at == kind && (fields{in}(to.emplace<Ts>()), true)) || ...);
  }
};

/// A part of the format: new ones come last, and none is used again.
using kinds =
    kind_list<heartbeat, agreed, settled, goodbye, attach, attached, detach, frames, renewed, publish, refused,
              hand_over, snapshot, claims_digest, claims_page, claims_request, roster_page, roster_receipt>;

} // namespace

std::string_view encode(const message& what, std::string& out) {
  const auto begin = out.size();
  out.append(head_bytes, '\0');
  packer to{out};
  const auto kind = std::visit(
      [&]<class T>(const T& x) -> std::uint32_t {
        fields{to}(x);
        return kinds::kind_of<T>();
      },
      what);
  const auto bytes = out.size() - begin;
  const auto* why = to.why();
  if (bytes > message_bytes_max)
    why = "has more than 1 MiB: send what is in it in several messages, or a room without its ring";
  if (why != nullptr) {
    out.resize(begin);
    return why;
  }
  log::put_at(out.data() + begin, static_cast<std::uint32_t>(bytes - head_bytes) | kind << kind_shift);
  return {};
}

std::string_view batch_writer::add(const message& what) {
  const auto before = open_.size();
  const auto why = encode(what, open_);
  if (open_.size() > bytes_max_ && before > 0 && why.empty()) {
    auto rest = open_.substr(before);
    open_.resize(before);
    full_.push_back(std::exchange(open_, std::move(rest)));
  }
  return why;
}

std::vector<std::string> batch_writer::take() {
  if (!open_.empty())
    full_.push_back(std::exchange(open_, {}));
  return std::exchange(full_, {});
}

std::optional<message> batch_reader::next() {
  while (!left_.empty()) {
    log::byte_reader in{left_};
    const auto head = in.number<std::uint32_t>();
    const auto kind = head >> kind_shift;
    const std::size_t length = head & length_mask;
    unpacker body{in.text(length)};
    left_ = in.left();
    ++messages_;
    const char* why = nullptr;
    if (length > message_bytes_max - head_bytes)
      why = "has more than 1 MiB";
    else if (!in.ok())
      why = "is cut off";
    else if (kind == 0)
      why = "has no kind";
    std::optional<message> result{std::in_place};
    if (why == nullptr && !kinds::read(kind, body, *result)) {
      ++skipped_;
      continue;
    }
    if (why == nullptr)
      why = body.why();
    if (why == nullptr)
      return result;
    left_ = {};
    fault_ = "message " + std::to_string(messages_) + ", of kind " + std::to_string(kind) + ", " + why;
  }
  return {};
}

} // namespace troupe::mesh
