#include "apps/troupe/record_table.hpp"

#include "apps/troupe/moment.hpp"
#include "apps/troupe/record_json.hpp"
#include "runtime/log/record.hpp"

#include <algorithm>

namespace troupe::cli {
namespace {

constexpr std::size_t rows_held_max = 256;
constexpr std::size_t held_bytes_max = std::size_t{1} << 20;
constexpr std::size_t cell_characters_max = 40;
constexpr std::size_t detail_characters_min = 24;
constexpr std::size_t detail_characters_max = 4096;
constexpr std::size_t index_cell = 0;
constexpr std::size_t offset_cell = 6;

using log::record_view;

/// Where it happened: rooms and channels have names of their own each.
std::string place_of(const record_view& what) {
  if (!what.channel.empty())
    return "channel " + std::string{what.channel};
  return what.room.empty() ? std::string{} : "room " + std::string{what.room};
}

/// What the columns do not say, for a quick look: the payload, of so many bytes at most, and other fields by name.
std::string detail_of(const record_view& what, std::size_t payload_bytes_max) {
  std::string out;
  const auto add = [&](std::string_view text) { out += (out.empty() ? "" : " ") + std::string{text}; };
  if (!what.payload.empty()) {
    if (const auto json = json_of(what, &record_view::payload))
      add(std::string_view{*json}.substr(0, payload_bytes_max));
    else
      add((what.key_id.empty() ? "<" : "<encrypted, ") + std::to_string(what.payload.size()) + " bytes>");
  }
  if (what.payload.empty() && !what.key_id.empty())
    add("<forgotten>");
  if (!what.detail.empty())
    add(what.detail);
  for (const auto& field : log::text_fields)
    if (field.name == "durable" || field.name == "target" || field.name == "epoch" || field.name == "code_version")
      if (const auto text = what.*field.member; !text.empty())
        add(std::string{field.name} + "=" + std::string{text});
  for (const auto& field : log::number_fields)
    if (field.name != "offset" && field.name != "seq" && field.name != "format")
      if (const auto& number = what.*field.member)
        add(std::string{field.name} + "=" + std::to_string(*number));
  return out;
}

} // namespace

void record_table::add(const log::entry& one, std::string_view log_name) {
  const auto& what = one.what;
  const auto position = what.offset ? what.offset : what.seq;
  const auto who = what.user.empty() ? what.connection : what.user;
  const auto cell_max = at_most(cell_characters_max);
  const auto detail_max = at_most(detail_characters_max);
  row cell{std::to_string(one.index),
           printable(log_name, cell_max),
           rfc3339(what.time_us).value_or(std::to_string(what.time_us) + " us"),
           log::to_string(what.kind),
           printable(place_of(what), cell_max),
           printable(who, cell_max),
           position ? std::to_string(*position) : "",
           (what.type.empty() ? "" : printable(what.type, cell_max) + " ") +
               printable(detail_of(what, detail_max), detail_max)};
  if (has_head_)
    return write(cell);
  for (const auto& text : cell)
    held_bytes_ += text.size();
  held_.push_back(std::move(cell));
  if (held_.size() == rows_held_max || held_bytes_ >= held_bytes_max)
    flush();
}

void record_table::flush() {
  if (held_.empty())
    return;
  held_.insert(held_.begin(), row{"INDEX", "CLASS", "TIME", "KIND", "WHERE", "WHO", "OFFSET", "WHAT"});
  has_head_ = true;
  for (const auto& one : held_)
    for (std::size_t i = 0; i + 1 < cells; ++i)
      widths_.at(i) = std::max(widths_.at(i), characters_of(one.at(i)));
  for (const auto& one : held_)
    write(one);
  held_.clear();
}

void record_table::write(const row& one) {
  std::string line;
  std::size_t used = 0;
  for (std::size_t i = 0; i + 1 < cells; ++i) {
    const auto length = characters_of(one.at(i));
    auto& width = widths_.at(i);
    width = std::max(width, length);
    const std::string space(width - length, ' ');
    const bool right = i == index_cell || i == offset_cell; // numbers
    line += (right ? space : "") + one.at(i) + (right ? "" : space) + "  ";
    used += width + 2;
  }
  line += printable(one.back(), columns_ > used + detail_characters_min ? columns_ - used : detail_characters_min);
  line.resize(line.find_last_not_of(' ') + 1);
  out_.line(line);
}

} // namespace troupe::cli
