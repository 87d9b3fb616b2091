#include "runtime/log/checkpoint.hpp"

#include "runtime/log/base64.hpp"
#include "runtime/log/bytes.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <fcntl.h>

namespace troupe::log {
namespace {

constexpr const char* file_name = "checkpoints";
constexpr std::string_view dash = "\xE2\x80\x94 "; ///< U+2014 and a space: how a signature line begins.
constexpr std::size_t file_bytes_max = std::size_t{1} << 30;

fault refused(std::string why) { return {fault_kind::refused, 0, std::move(why)}; }

std::string id_bytes(std::uint32_t id) {
  return {static_cast<char>(id >> 24), static_cast<char>(id >> 16), static_cast<char>(id >> 8), static_cast<char>(id)};
}

std::string_view take_line(std::string_view& left) {
  const auto end = left.find('\n');
  const auto line = left.substr(0, end);
  left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
  return line;
}

/// Where the note at the front of `text` ends; 0: it has no whole text and signature line.
std::size_t note_bytes(std::string_view text) {
  const auto gap = text.find("\n\n");
  if (gap == std::string_view::npos)
    return 0;
  auto end = gap + 2;
  while (text.substr(end).starts_with(dash)) {
    const auto line_end = text.find('\n', end);
    if (line_end == std::string_view::npos)
      return 0;
    end = line_end + 1;
  }
  return end == gap + 2 ? 0 : end;
}

/// Whether an append that was broken off can have left this: the front of a note, less than all of it with the empty
/// line behind.
bool is_torn_note(std::string_view text) {
  const auto gap = text.find("\n\n");
  if (text.substr(0, gap).find(dash) != std::string_view::npos)
    return false;
  if (gap == std::string_view::npos)
    return true;
  const auto signatures = text.substr(gap + 2);
  const auto common = std::min(signatures.size(), dash.size());
  if (signatures.substr(0, common) != dash.substr(0, common))
    return false;
  const auto line_end = signatures.find('\n');
  return line_end == std::string_view::npos || line_end + 1 == signatures.size();
}

} // namespace

std::string text_of(const checkpoint& what) {
  const std::string_view root{reinterpret_cast<const char*>(what.root.data()), what.root.size()};
  return what.origin + "\n" + std::to_string(what.size) + "\n" + base64(root) + "\n";
}

result<signed_checkpoint> sign(const checkpoint& what, const signing_key& key) {
  const auto text = text_of(what);
  const auto signature = key.sign(text);
  if (!signature)
    return signature.error();
  const auto line = base64(id_bytes(key.open_half().id(what.origin)) + *signature);
  return signed_checkpoint{what, text + "\n" + std::string{dash} + what.origin + " " + line + "\n"};
}

result<signed_checkpoint> parse_checkpoint(std::string_view note) {
  const auto length = note_bytes(note);
  if (length == 0)
    return refused("this is no signed note");
  if (note.find_first_not_of('\n', length) != std::string_view::npos)
    return refused("more than one note, where one is expected");
  signed_checkpoint result;
  result.note = note.substr(0, length);
  auto left = note.substr(0, note.find("\n\n") + 1);
  result.said.origin = take_line(left);
  const auto size = take_line(left);
  const auto root = from_base64(take_line(left));
  auto [end, bad] = std::from_chars(size.data(), size.data() + size.size(), result.said.size);
  if (result.said.origin.empty() || bad != std::errc{} || end != size.data() + size.size() ||
      std::to_string(result.said.size) != size || !root || root->size() != result.said.root.size())
    return refused("this note is no checkpoint: origin, size and root are expected, a line each");
  std::copy(root->begin(), root->end(), result.said.root.begin());
  return result;
}

bool is_signed_by(const signed_checkpoint& what, const public_key& key) {
  const std::string_view note = what.note;
  const auto gap = note.find("\n\n");
  if (gap == std::string_view::npos)
    return false;
  const auto text = note.substr(0, gap + 1);
  const auto begin = std::string{dash} + what.said.origin + " ";
  const auto id = id_bytes(key.id(what.said.origin));
  auto lines = note.substr(gap + 2);
  while (!lines.empty()) {
    const auto line = take_line(lines);
    if (!line.starts_with(begin))
      continue;
    const auto bytes = from_base64(line.substr(begin.size()));
    if (bytes && bytes->size() == 68 && bytes->starts_with(id) && key.verify(text, std::string_view{*bytes}.substr(4)))
      return true;
  }
  return false;
}

notes_read parse_checkpoints(std::string_view text) {
  notes_read result;
  while (!text.empty() && !is_torn_note(text)) {
    const auto length = note_bytes(text);
    auto parsed = parse_checkpoint(text.substr(0, length));
    if (!parsed || text[length] != '\n') {
      result.damage = fault{fault_kind::damaged, 0, "what stands in the file of checkpoints is no checkpoint",
                            place{file_name, result.notes.size(), result.good_bytes}};
      break;
    }
    result.notes.push_back(std::move(*parsed));
    result.good_bytes += length + 1;
    text.remove_prefix(length + 1);
  }
  return result;
}

result<notes_read> read_checkpoints(const std::filesystem::path& folder) {
  const auto bytes = read_file(folder / file_name, file_bytes_max);
  if (!bytes && bytes.error().kind == fault_kind::lost)
    return notes_read{};
  if (!bytes)
    return bytes.error();
  return parse_checkpoints(*bytes);
}

result<checkpoint_file> checkpoint_file::open(file_ops& ops, const std::filesystem::path& folder,
                                              std::size_t bytes_max) {
  checkpoint_file result;
  result.ops_ = &ops;
  result.folder_ = folder;
  result.bytes_max_ = bytes_max;
  auto notes = read_checkpoints(folder);
  if (!notes)
    return notes.error();
  if (notes->damage)
    return *notes->damage;
  if (!notes->notes.empty())
    result.last_ = notes->notes.back();
  auto file = open_path(ops, folder / file_name, O_RDWR | O_CREAT);
  if (!file)
    return file.error();
  result.file_ = std::move(*file);
  result.end_ = notes->good_bytes;
  if (const int failed = ops.truncate(result.file_.fd(), result.end_); failed < 0)
    return system_fault(-failed, "cannot cut the torn end of the file of checkpoints");
  if (result.end_ > bytes_max)
    if (auto failed = result.drop_older_half())
      return *failed;
  if (auto failed = sync_folder(ops, folder))
    return *failed;
  return result;
}

status checkpoint_file::append(const signed_checkpoint& what) {
  if (dead_)
    return fault{fault_kind::sync_failed, 0, "a sync of the file of checkpoints failed before"};
  if (last_ && last_->said == what.said)
    return {};
  const auto bytes = what.note + "\n";
  if (auto failed = write_all(*ops_, file_.fd(), bytes, end_)) {
    // If this fails too, the next append overwrites what is there, and an open cuts it.
    ops_->truncate(file_.fd(), end_);
    return failed;
  }
  if (const int failed = ops_->datasync(file_.fd()); failed < 0) {
    dead_ = true;
    return fault{fault_kind::sync_failed, -failed, "cannot sync the file of checkpoints"};
  }
  end_ += bytes.size();
  last_ = what;
  return end_ > bytes_max_ ? drop_older_half() : status{};
}

status checkpoint_file::drop_older_half() {
  const auto notes = read_checkpoints(folder_);
  if (!notes)
    return notes.error();
  std::string kept;
  for (auto at = notes->notes.begin() + static_cast<std::ptrdiff_t>(notes->notes.size() / 2); at != notes->notes.end();
       ++at)
    kept += at->note + "\n";
  if (auto failed = replace_file(*ops_, folder_ / file_name, kept))
    return failed;
  auto file = open_path(*ops_, folder_ / file_name, O_RDWR);
  if (!file)
    return file.error();
  file_ = std::move(*file);
  end_ = kept.size();
  return {};
}

} // namespace troupe::log
