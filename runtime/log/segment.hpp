#pragma once

#include "runtime/log/fault.hpp"
#include "runtime/log/merkle.hpp"
#include "runtime/log/record.hpp"

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

/// The bytes of a segment file (docs/event-log.md, "Segments"): a header, frames of one record each, and a footer
/// once the segment is sealed.
namespace troupe::log {

class open_file;

inline constexpr std::uint16_t format_version = 1;
inline constexpr std::size_t header_bytes_max = 4096; ///< A header is never longer.
inline constexpr std::size_t frame_header_bytes = 12; ///< Length, unsynced distance, checksum.
inline constexpr std::size_t footer_body_bytes_max = 8 + 32 + 1 + 64 * 32 + 4;
inline constexpr std::uint64_t segment_bytes_limit = std::uint64_t{1} << 31; ///< Distances are 32 bits wide.

/// What the front of a segment says about all that is in it.
struct segment_header {
  std::string class_name; ///< Retention class: each is a log of its own.
  std::string node;
  std::string origin; ///< Name of the log in checkpoints.
  std::int64_t created_us = 0;
  compact_range before; ///< All records before the first of this segment; its size is the first index.

  std::uint64_t first() const noexcept { return before.size(); }
};

/// A header as it stands in a file.
struct placed_header {
  segment_header header;
  std::size_t bytes = 0;  ///< Its length; the first frame starts there.
  std::uint32_t seed = 0; ///< What every checksum of the segment goes on from.
};

std::string encode_header(const segment_header& header);
/// @param front the first header_bytes_max bytes of the file, or all of it
/// @returns `damaged` where they are no header
result<placed_header> parse_header(std::string_view front);

/// "00000000000000004711.seg"
std::string segment_name(std::uint64_t first);
std::optional<std::uint64_t> first_index_of(std::string_view file_name) noexcept;
/// The first indices of the segments of a folder, ascending.
result<std::vector<std::uint64_t>> list_segments(const std::filesystem::path& folder);
/// The header of an open segment, which must say what its name says.
result<placed_header> read_header(const open_file& file, std::uint64_t first);

/// What stands behind the last record of a sealed segment.
struct segment_footer {
  std::uint64_t count = 0; ///< Records of this segment.
  compact_range through;   ///< All records up to the end of this segment.
};

/// Starts a frame: leaves room for its header at the end of `out`; what follows is the body.
/// @returns where the frame starts in `out`
std::size_t begin_frame(std::string& out);
/// Ends it: writes its header.
/// @param offset   of the frame in its file
/// @param unsynced how many bytes before it in its file are not known to be synced
/// @param start    where begin_frame put it
void end_frame(std::string& out, std::size_t start, std::uint64_t offset, std::uint64_t unsynced, std::uint32_t seed,
               bool footer = false);
void put_footer(std::string& out, const segment_footer& footer, std::uint64_t offset, std::uint64_t unsynced,
                std::uint32_t seed);
/// @param first what the header says is the index of the first record
result<segment_footer> parse_footer(std::string_view body, std::uint64_t first);

/// What stands where a frame is looked for.
enum class frame_state : std::uint8_t {
  good, ///< A record.
  footer,
  incomplete, ///< More bytes would be needed; at the end of a file: a torn tail.
  bad,        ///< The checksum or the length is wrong.
};

/// One frame as views into the bytes that it was read from.
struct frame {
  frame_state state = frame_state::incomplete;
  std::string_view body;
  std::uint64_t bytes = 0;    ///< Whole length; where incomplete: how much is needed to go on, at least.
  std::uint64_t unsynced = 0; ///< As written: [offset - unsynced, offset) may not have been synced when it was.
};

/// Reads the frame at the front of `bytes`, which lie at `offset` of the file. Never reads past them.
frame parse_frame(std::string_view bytes, std::uint64_t offset, std::uint32_t seed) noexcept;

} // namespace troupe::log
