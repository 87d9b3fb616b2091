#include "apps/troupe/command.hpp"

#include "runtime/model/edit_distance.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <optional>
#include <utility>

namespace troupe::cli {
namespace {

[[noreturn]] void unknown_flag(const command& of, const std::string& name) {
  std::vector<std::string_view> known{"--help"};
  for (const auto& f : of.flags)
    known.push_back(f.name);
  const auto near = nearest(name, known);
  throw command_failed{exit_usage, std::string{of.name} + " has no flag " + name +
                                       (near.empty() ? "" : "; is it " + std::string{near} + "?") + " (see troupe " +
                                       std::string{of.name} + " --help)"};
}

bool is_letter(std::string_view name) { return name.size() == 2 && name[0] == '-' && name[1] != '-'; }

const flag* find_flag(const command& of, std::string_view name) {
  for (const auto& f : of.flags)
    if (f.name == name || (is_letter(name) && f.letter == name[1]))
      return &f;
  return nullptr;
}

} // namespace

arguments::arguments(const command& of, std::span<const std::string> given) {
  const auto wrong = [&](const std::string& why) -> command_failed {
    return {exit_usage, why + " (see troupe " + std::string{of.name} + " --help)"};
  };
  bool flags_end = false;
  for (std::size_t i = 0; i < given.size(); ++i) {
    const auto& one = given[i];
    if (flags_end || one.size() < 2 || one.front() != '-') { // a lone "-" is a word
      words_.push_back(one);
      continue;
    }
    if (one == "--") {
      flags_end = true;
      continue;
    }
    const bool is_long = one.starts_with("--");
    const auto equals = is_long ? one.find('=') : std::string::npos;
    const auto name = is_long ? one.substr(0, equals) : one.substr(0, 2);
    std::optional<std::string> joined; // --lines=5, -n5
    if (equals != std::string::npos)
      joined = one.substr(equals + 1);
    else if (!is_long && one.size() > 2)
      joined = one.substr(2);
    const auto* known = find_flag(of, name);
    if (known == nullptr)
      unknown_flag(of, name);
    auto& values = given_[std::string{known->name}];
    if (known->value.empty()) {
      if (joined)
        throw wrong(name + " takes no value");
      values.emplace_back();
      continue;
    }
    if (joined)
      values.push_back(*joined);
    for (unsigned n = joined ? 1 : 0; n < known->count; ++n) {
      if (i + 1 == given.size() || given[i + 1].starts_with("--"))
        throw wrong(name + " needs a value: " + std::string{known->value});
      values.push_back(given[++i]);
    }
    flags_end = known->takes_rest;
  }
  if (words_.size() < of.words_min)
    throw wrong(std::string{of.name} + " needs " + std::string{of.takes});
  if (words_.size() > of.words_max)
    throw wrong(std::string{of.name} + " cannot take \"" + words_[of.words_max] + "\"");
}

std::string arguments::get(std::string_view flag, std::string_view otherwise) const {
  const auto found = given_.find(flag);
  return found == given_.end() ? std::string{otherwise} : found->second.back();
}

std::vector<std::string> arguments::all(std::string_view flag) const {
  const auto found = given_.find(flag);
  return found == given_.end() ? std::vector<std::string>{} : found->second;
}

std::string help_of(const command& one) {
  std::string out = "usage: troupe " + std::string{one.name};
  if (!one.takes.empty())
    out += " " + std::string{one.takes};
  out += " [flags]\n" + std::string{one.summary} + "\n\n";
  std::size_t width = 0;
  const auto left = [](const flag& f) {
    return (f.letter != 0 ? std::string{"-"} + f.letter + ", " : std::string{"    "}) + std::string{f.name} +
           (f.value.empty() ? "" : " " + std::string{f.value});
  };
  for (const auto& f : one.flags)
    width = std::max(width, left(f).size());
  for (const auto& f : one.flags) {
    auto line = "  " + left(f);
    line.resize(width + 4, ' ');
    out += line + std::string{f.meaning} + "\n";
  }
  if (!one.notes.empty())
    out += "\n" + std::string{one.notes};
  if (!one.examples.empty())
    out += "\nexamples:\n" + std::string{one.examples};
  return out;
}

std::uint64_t number_from(std::string_view text, std::string_view what) {
  std::uint64_t number = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || bad != std::errc{} || end != text.data() + text.size())
    throw command_failed{exit_usage, std::string{what} + " must be a whole number, not \"" + std::string{text} + "\""};
  return number;
}

} // namespace troupe::cli
