#include "runtime/log/segment.hpp"

#include "runtime/log/bytes.hpp"
#include "runtime/log/checksum.hpp"
#include "runtime/log/files.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <system_error>

namespace troupe::log {
namespace {

constexpr std::string_view magic = "TROUPLOG";
constexpr std::string_view extension = ".seg";
constexpr std::size_t name_digits = 20;
constexpr std::uint32_t footer_bit = 0x8000'0000U;
constexpr std::size_t checksum_at = 8; ///< In a frame's header: behind length and distance.

/// Length, distance and the place in the file, then the body: a frame that lies elsewhere than it was written is bad.
std::uint32_t frame_crc(std::uint32_t seed, const char* frame_header, std::uint64_t offset,
                        std::string_view body) noexcept {
  std::array<char, checksum_at + 8> front{};
  std::copy_n(frame_header, checksum_at, front.data());
  put_at(front.data() + checksum_at, offset);
  return crc32_of(crc32_of(seed, {front.data(), front.size()}), body);
}

void put_text(std::string& out, std::string_view text) {
  put(out, static_cast<std::uint16_t>(text.size()));
  out += text;
}

void put_range(std::string& out, const compact_range& range) {
  out.push_back(static_cast<char>(range.hashes().size()));
  for (const auto& hash : range.hashes())
    out.append(reinterpret_cast<const char*>(hash.data()), hash.size());
}

bool read_range(byte_reader& in, std::uint64_t size, compact_range& range) {
  std::vector<tree_hash> hashes(in.number<std::uint8_t>());
  for (auto& hash : hashes) {
    const auto bytes = in.text(hash.size());
    if (!in.ok())
      return false;
    std::copy(bytes.begin(), bytes.end(), hash.begin());
  }
  return range.restore(size, std::move(hashes));
}

fault no_header(const std::string& why) {
  return {fault_kind::damaged, 0, "the header of a segment is damaged: " + why};
}

} // namespace

std::string encode_header(const segment_header& header) {
  std::string out{magic};
  put(out, format_version);
  put(out, std::uint16_t{0}); // Its length, below.
  put(out, header.first());
  put(out, static_cast<std::uint64_t>(header.created_us));
  put_text(out, header.class_name);
  put_text(out, header.node);
  put_text(out, header.origin);
  put_range(out, header.before);
  put_at(out.data() + magic.size() + 2, static_cast<std::uint16_t>(out.size() + 4));
  put(out, crc32_of(0, out));
  return out;
}

result<placed_header> parse_header(std::string_view front) {
  byte_reader in{front};
  if (in.text(magic.size()) != magic)
    return no_header("it does not begin with " + std::string{magic});
  const auto version = in.number<std::uint16_t>();
  const std::size_t length = in.number<std::uint16_t>();
  if (!in.ok() || length < magic.size() + 8 || length > std::min(front.size(), header_bytes_max))
    return no_header("its length cannot be right");
  const auto seed = get<std::uint32_t>(front.data() + length - 4);
  if (crc32_of(0, front.substr(0, length - 4)) != seed)
    return no_header("the checksum differs");
  if (version != format_version)
    return fault{fault_kind::refused, 0,
                 "a segment of format version " + std::to_string(version) + ", this program reads " +
                     std::to_string(format_version)};
  placed_header result{{}, length, seed};
  auto& header = result.header;
  const auto first = in.number<std::uint64_t>();
  header.created_us = static_cast<std::int64_t>(in.number<std::uint64_t>());
  for (auto* text : {&header.class_name, &header.node, &header.origin})
    *text = in.text(in.number<std::uint16_t>());
  if (!read_range(in, first, header.before) || front.size() - in.left().size() != length - 4)
    return no_header("its fields do not fill it");
  return result;
}

std::string segment_name(std::uint64_t first) {
  const auto digits = std::to_string(first);
  return std::string(name_digits - digits.size(), '0') + digits + std::string{extension};
}

std::optional<std::uint64_t> first_index_of(std::string_view file_name) noexcept {
  if (file_name.size() != name_digits + extension.size() || !file_name.ends_with(extension))
    return {};
  std::uint64_t first = 0;
  auto [end, fault] = std::from_chars(file_name.data(), file_name.data() + name_digits, first);
  if (fault != std::errc{} || end != file_name.data() + name_digits)
    return {};
  return first;
}

result<std::vector<std::uint64_t>> list_segments(const std::filesystem::path& folder) {
  std::vector<std::uint64_t> result;
  std::error_code code;
  std::filesystem::directory_iterator it{folder, code};
  for (; !code && it != std::filesystem::directory_iterator{}; it.increment(code))
    if (auto first = first_index_of(it->path().filename().string()))
      result.push_back(*first);
  if (code)
    return system_fault(code.value(), "cannot list " + folder.string());
  std::sort(result.begin(), result.end());
  return result;
}

result<placed_header> read_header(const open_file& file, std::uint64_t first) {
  std::string front;
  if (auto failed = read_some(file.fd(), 0, header_bytes_max, front))
    return *failed;
  auto parsed = parse_header(front);
  if (parsed && parsed->header.first() != first)
    parsed = no_header("it says that its first record is " + std::to_string(parsed->header.first()));
  if (parsed)
    return parsed;
  auto why = parsed.error();
  why.where = place{segment_name(first), first, 0};
  return why;
}

std::size_t begin_frame(std::string& out) {
  out.append(frame_header_bytes, '\0');
  return out.size() - frame_header_bytes;
}

void end_frame(std::string& out, std::size_t start, std::uint64_t offset, std::uint64_t unsynced, std::uint32_t seed,
               bool footer) {
  char* const header = out.data() + start;
  const auto body = std::string_view{out}.substr(start + frame_header_bytes);
  put_at(header, static_cast<std::uint32_t>(body.size()) | (footer ? footer_bit : 0U));
  put_at(header + 4, static_cast<std::uint32_t>(unsynced));
  put_at(header + checksum_at, frame_crc(seed, header, offset, body));
}

void put_footer(std::string& out, const segment_footer& footer, std::uint64_t offset, std::uint64_t unsynced,
                std::uint32_t seed) {
  const auto start = begin_frame(out);
  put(out, footer.count);
  const auto root = footer.through.root();
  out.append(reinterpret_cast<const char*>(root.data()), root.size());
  put_range(out, footer.through);
  put(out, static_cast<std::uint32_t>(out.size() - start + 4));
  end_frame(out, start, offset, unsynced, seed, true);
}

result<segment_footer> parse_footer(std::string_view body, std::uint64_t first) {
  byte_reader in{body};
  segment_footer footer;
  footer.count = in.number<std::uint64_t>();
  const auto root = in.text(sizeof(tree_hash));
  if (!read_range(in, first + footer.count, footer.through) ||
      in.number<std::uint32_t>() != body.size() + frame_header_bytes || !in.left().empty() ||
      !std::equal(root.begin(), root.end(), footer.through.root().begin(),
                  [](char a, unsigned char b) { return static_cast<unsigned char>(a) == b; }))
    return fault{fault_kind::damaged, 0, "the footer of a segment contradicts itself"};
  return footer;
}

frame parse_frame(std::string_view bytes, std::uint64_t offset, std::uint32_t seed) noexcept {
  frame result;
  result.bytes = frame_header_bytes;
  if (bytes.size() < frame_header_bytes)
    return result;
  const auto word = get<std::uint32_t>(bytes.data());
  const bool footer = (word & footer_bit) != 0;
  const std::size_t length = word & ~footer_bit;
  result.unsynced = get<std::uint32_t>(bytes.data() + 4);
  if (length < record_bytes_min || length > (footer ? footer_body_bytes_max : record_bytes_max) ||
      result.unsynced > offset) {
    result.state = frame_state::bad;
    return result;
  }
  result.bytes = frame_header_bytes + length;
  if (bytes.size() < result.bytes)
    return result;
  result.body = bytes.substr(frame_header_bytes, length);
  const bool right =
      frame_crc(seed, bytes.data(), offset, result.body) == get<std::uint32_t>(bytes.data() + checksum_at);
  result.state = !right ? frame_state::bad : footer ? frame_state::footer : frame_state::good;
  return result;
}

} // namespace troupe::log
