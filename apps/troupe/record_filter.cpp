#include "apps/troupe/record_filter.hpp"

#include "runtime/model/edit_distance.hpp"

#include <cstdint>

namespace troupe::cli {
namespace {

constexpr unsigned kinds_end = 256; ///< No kind that has a name lies beyond it.

std::vector<std::string_view> known_kinds() {
  std::vector<std::string_view> out;
  for (unsigned number = 0; number < kinds_end; ++number)
    if (const auto name = log::name_of(static_cast<log::record_kind>(number)); !name.empty())
      out.push_back(name);
  return out;
}

/// A kind, or with a `*` at its end all that begin so; one that nothing can match is a mistake.
void check_kind(std::string_view pattern) {
  const auto known = known_kinds();
  if (log::record_kind_from(pattern))
    return;
  if (pattern.ends_with('*')) {
    for (const auto name : known)
      if (name.starts_with(pattern.substr(0, pattern.size() - 1)))
        return;
    if (std::string_view{"kind."}.starts_with(pattern.substr(0, pattern.size() - 1)))
      return;
  }
  const auto near = nearest(pattern, known);
  std::string all;
  for (const auto name : known)
    all += (all.empty() ? "" : ", ") + std::string{name};
  throw command_failed{exit_usage, "there is no kind \"" + std::string{pattern} + "\"" +
                                       (near.empty() ? "" : "; is it " + std::string{near} + "?") + " (kinds: " + all +
                                       ")"};
}

moment moment_of(const arguments& given, std::string_view flag, std::int64_t now) {
  if (!given.has(flag))
    return {};
  const auto text = given.get(flag);
  const auto found = parse_moment(text, now);
  if (!found)
    throw command_failed{exit_usage, std::string{flag} +
                                         " must be an index (4711), a time (2026-03-01T12:00:00Z) or "
                                         "a time before now (-5m), not \"" +
                                         text + "\""};
  return *found;
}

} // namespace

std::vector<flag> filter_flags() {
  return {{"--kind", "KIND", "only records of this kind, such as channel.published; \"channel.*\" for all of a group"},
          {"--room", "NAME", "only records of this room; a trailing * matches any rest, here and below"},
          {"--channel", "NAME", "only records of this channel"},
          {"--user", "NAME", "only records of this user"},
          {"--connection", "ID", "only records of this connection"},
          {"--type", "TYPE", "only records of messages of this type, such as chat:message"},
          {"--from", "WHEN", "from this index, time (2026-03-01T12:00:00Z) or time before now (-5m) on"},
          {"--to", "WHEN", "only what comes before this index, time or time before now"}};
}

record_filter::record_filter(const arguments& given) {
  for (const auto& pattern : given.all("--kind")) {
    check_kind(pattern);
    kinds_.set(pattern, true);
  }
  const auto text = [&](std::string_view flag, std::string_view log::record_view::*member) {
    names wanted;
    for (const auto& pattern : given.all(flag))
      wanted.set(pattern, true);
    if (!wanted.empty())
      texts_.emplace_back(member, std::move(wanted));
  };
  text("--room", &log::record_view::room);
  text("--channel", &log::record_view::channel);
  text("--user", &log::record_view::user);
  text("--connection", &log::record_view::connection);
  text("--type", &log::record_view::type);
  const auto now = now_us();
  from_ = moment_of(given, "--from", now);
  to_ = moment_of(given, "--to", now);
}

bool record_filter::wants(const log::entry& one) const {
  const auto& what = one.what;
  if ((from_.index && one.index < *from_.index) || (to_.index && one.index >= *to_.index) ||
      (from_.time_us && what.time_us < *from_.time_us) || (to_.time_us && what.time_us >= *to_.time_us))
    return false;
  for (const auto& [member, wanted] : texts_)
    if ((what.*member).empty() || wanted.find(what.*member) == nullptr)
      return false;
  if (kinds_.empty())
    return true;
  const auto name = log::name_of(what.kind);
  return kinds_.find(name.empty() ? log::to_string(what.kind) : name) != nullptr;
}

} // namespace troupe::cli
