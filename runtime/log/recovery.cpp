#include "runtime/log/recovery.hpp"

#include "runtime/log/frame_reader.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

namespace troupe::log {
namespace {

/// How many bytes a search for good frames behind a bad one may check; beyond, it is made to take long on purpose.
constexpr std::uint64_t search_bytes_max = std::uint64_t{1} << 30;

fault at(fault why, const placed_header& header, std::uint64_t index, std::uint64_t offset) {
  why.where = place{segment_name(header.header.first()), index, offset};
  return why;
}

/// Reads frames to the first that is not good, and compares the checkpoint on the way.
status walk(const open_file& file, tail& result, const std::optional<checkpoint>& signed_before) {
  frame_reader frames{file.fd(), result.header};
  const auto compare = [&]() -> status {
    if (!signed_before || signed_before->origin != result.header.header.origin ||
        signed_before->size != result.next() || signed_before->root == result.through.root())
      return {};
    return at({fault_kind::damaged, 0, "the records are not those of the last checkpoint"}, result.header,
              result.next(), frames.offset());
  };
  result.loss = compare();
  for (;;) {
    const auto got = frames.next();
    if (frames.failed())
      return frames.failed();
    if (got.state == frame_state::good && !result.sealed) {
      result.through.append(leaf_hash(got.body));
      if (!result.loss)
        result.loss = compare();
    } else if (got.state == frame_state::footer && !result.sealed) {
      const auto footer = parse_footer(got.body, result.header.header.first());
      if (!footer || footer->through != result.through) {
        result.loss = at({fault_kind::damaged, 0, "the footer does not fit the records before it"}, result.header,
                         result.next(), result.end);
        return {};
      }
      result.sealed = true;
    } else {
      return {};
    }
    result.end = frames.offset();
  }
}

/// A checkpoint speaks of this segment's log, or of a later incarnation, of which this segment is the past.
bool binds(const checkpoint& said, const segment_header& header) {
  return said.origin == header.origin || incarnation_of(said.origin, header.node, header.class_name) >
                                             incarnation_of(header.origin, header.node, header.class_name);
}

} // namespace

result<bool> is_claimed_synced(int fd, std::uint64_t from, std::uint32_t seed) {
  const auto size = size_of(fd);
  if (!size)
    return size.error();
  std::string bytes;
  if (*size > from)
    if (auto failed = read_some(fd, from, *size - from, bytes))
      return *failed;
  std::uint64_t searched = 0;
  for (std::uint64_t at = 1; at + frame_header_bytes <= bytes.size();) {
    const auto got = parse_frame(std::string_view{bytes}.substr(at), from + at, seed);
    if (got.state == frame_state::good || got.state == frame_state::footer) {
      if (from + at - got.unsynced > from)
        return true;
      at += got.bytes;
      continue;
    }
    searched += got.body.size();
    if (searched > search_bytes_max)
      return true;
    ++at;
  }
  return false;
}

result<std::optional<std::uint64_t>> good_record_behind(int fd, std::uint64_t from, std::uint64_t end,
                                                        std::uint32_t seed) {
  constexpr std::size_t frame_bytes_max = frame_header_bytes + record_bytes_max;
  constexpr std::size_t first_window_bytes = std::size_t{32} << 10; // most often the next record is near and small
  const auto size = size_of(fd);
  if (!size)
    return size.error();
  end = std::min(end, *size);
  std::string piece;
  std::uint64_t searched = 0;
  auto window = first_window_bytes;
  for (auto at = from + 1; at < end;) {
    piece.clear();
    if (auto failed = read_some(fd, at, std::min<std::uint64_t>(2 * window, end - at), piece))
      return *failed;
    const std::string_view bytes{piece};
    std::size_t i = 0;
    for (; i < std::min(bytes.size(), window); ++i) {
      const auto got = parse_frame(bytes.substr(i), at + i, seed);
      searched += got.body.size();
      if (got.state == frame_state::good)
        return std::optional{at + i};
      if (got.state == frame_state::footer || searched > search_bytes_max)
        return std::optional<std::uint64_t>{};
      if (got.state == frame_state::incomplete && std::exchange(window, frame_bytes_max) != frame_bytes_max)
        break; // it may be good: it is looked at with all of its bytes
    }
    if (bytes.empty())
      break;
    at += i;
  }
  return std::optional<std::uint64_t>{};
}

result<std::uint64_t> bytes_behind(int fd, std::uint64_t from) {
  constexpr std::size_t piece_bytes = std::size_t{64} << 10;
  std::string piece;
  std::uint64_t count = 0;
  for (auto at = from;; at += piece.size()) {
    piece.clear();
    if (auto failed = read_some(fd, at, piece_bytes, piece))
      return *failed;
    if (piece.empty())
      return count;
    if (const auto last = piece.find_last_not_of('\0'); last != piece.npos)
      count = at + last + 1 - from;
  }
}

result<tail> read_tail(const open_file& file, std::uint64_t first, const std::optional<sync_mark>& mark,
                       const std::optional<checkpoint>& signed_before) {
  auto header = read_header(file, first);
  if (!header)
    return header.error();
  tail result;
  result.end = header->bytes;
  result.through = header->header.before;
  result.header = std::move(*header);
  if (auto failed = walk(file, result, signed_before))
    return *failed;
  const auto behind = bytes_behind(file.fd(), result.end);
  if (!behind)
    return behind.error();
  result.surplus = *behind;
  if (result.loss)
    return result;

  const auto here = [&](fault_kind kind, const char* message) {
    return at({kind, 0, message}, result.header, result.next(), result.end);
  };
  if (result.surplus > 0) {
    const auto claimed = is_claimed_synced(file.fd(), result.end, result.header.seed);
    if (!claimed)
      return claimed.error();
    // Nothing is ever written behind a footer.
    if (*claimed || result.sealed)
      result.loss = here(fault_kind::damaged, "a record is damaged, and what was written after its sync follows it");
  }
  if (mark && mark->first == first && mark->offset > result.end)
    result.loss = here(result.surplus > 0 ? fault_kind::damaged : fault_kind::lost,
                       "a record that was synced is damaged or missing");
  else if (mark && mark->first > first)
    result.loss = here(fault_kind::lost, "segments that were synced are missing at the end");
  else if (!result.loss && signed_before && signed_before->size > result.next() &&
           binds(*signed_before, result.header.header))
    result.loss = here(fault_kind::lost, "the log is shorter than its last checkpoint");
  return result;
}

std::string origin_of(std::string_view node, std::string_view class_name, unsigned incarnation) {
  auto result = std::string{node} + "/" + std::string{class_name};
  if (incarnation > 1)
    result += "/" + std::to_string(incarnation);
  return result;
}

unsigned incarnation_of(std::string_view origin, std::string_view node, std::string_view class_name) {
  const auto base = origin_of(node, class_name, 1);
  if (origin == base)
    return 1;
  if (!origin.starts_with(base + "/"))
    return 0;
  const auto digits = origin.substr(base.size() + 1);
  unsigned number = 0;
  auto [end, bad] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return bad == std::errc{} && end == digits.data() + digits.size() && number > 1 ? number : 0;
}

} // namespace troupe::log
