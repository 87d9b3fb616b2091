#pragma once

#include "runtime/model/errors.hpp"
#include "runtime/wire/envelope_rules.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::wire {

/// Reads single fields of an envelope from a `Reader`, which knows a format:
///
///     node_kind kind();                                  // of the next value
///     bool string(std::string_view& text, bool& usable); // decoded; usable: can be said in UTF-8
///     bool integer(std::int64_t& n, bool& whole);        // whole: it is an integer that fits
///     bool value(std::string_view& raw);                 // any value, validated
///     bool open_object(counter& c), next_key(counter& c, std::string_view& key, bool& more);
///     bool open_array(counter& c), next_item(counter& c, bool& more);
///     const char* at();                                  // where the next value begins, or the last one ended
///     bool end();
///     failure fault();
///
/// where false means that the format itself is broken. A broken rule of the envelope does not stop the
/// reading: the id may still follow. Private to runtime/wire.
template <class Reader>
class field_reader {
protected:
  explicit field_reader(Reader& in) noexcept
      : in_{in} {}

  /// Reads an object: `member(key)` reads each value.
  template <class F>
  bool each_member(F member) {
    typename Reader::counter c;
    if (!in_.open_object(c))
      return false;
    for (;;) {
      std::string_view key;
      bool more = false;
      if (!in_.next_key(c, key, more))
        return false;
      if (!more)
        return true;
      if (!member(key))
        return false;
    }
  }

  /// Reads an array: `element()` reads each value.
  template <class F>
  bool each_element(F element) {
    typename Reader::counter c;
    if (!in_.open_array(c))
      return false;
    for (;;) {
      bool more = false;
      if (!in_.next_item(c, more))
        return false;
      if (!more)
        return true;
      if (!element())
        return false;
    }
  }

  /// Notes a broken rule; the first one counts.
  void broken(std::string_view what, std::string_view rule) {
    if (!failed_)
      failed_ = failure{error_code::bad_message, std::string{what}.append(" ").append(rule), std::nullopt};
  }

  /// Passes a value of the wrong type.
  bool wrong(std::string_view what, std::string_view rule) {
    broken(what, rule);
    std::string_view ignored;
    return in_.value(ignored);
  }

  template <class Rule>
  bool text(std::string_view what, std::string_view& to, Rule rule, std::string_view rule_text) {
    if (in_.kind() != node_kind::string)
      return wrong(what, "must be a string");
    std::string_view decoded;
    bool usable = true;
    if (!in_.string(decoded, usable))
      return false;
    if (!usable)
      broken(what, "has a lone surrogate");
    else if (!rule(decoded))
      broken(what, rule_text);
    else
      to = decoded;
    return true;
  }

  bool name(std::string_view what, std::string_view& to) {
    return text(what, to, &is_name, "must be 1 to 256 bytes without control characters");
  }

  /// Appends to `to` an array of at least one name, and of at most `names_max`.
  bool names(std::string_view what, std::vector<std::string_view>& to, std::size_t names_max,
             std::string_view too_many) {
    if (in_.kind() != node_kind::array)
      return wrong(what, "must be an array");
    const bool whole = each_element([&] {
      std::string_view one;
      if (!name(what, one))
        return false;
      if (to.size() == names_max)
        broken(what, too_many);
      else
        to.push_back(one);
      return true;
    });
    if (to.empty())
      broken(what, "must have a name");
    return whole;
  }

  bool number(std::string_view what, std::int64_t min, std::int64_t max, std::string_view rule, std::int64_t& n) {
    if (in_.kind() != node_kind::number)
      return wrong(what, rule);
    bool whole = false;
    std::int64_t read = 0;
    if (!in_.integer(read, whole))
      return false;
    if (!whole || read < min || read > max)
      broken(what, rule);
    else
      n = read;
    return true;
  }

  Reader& in_;
  std::optional<failure> failed_;
};

} // namespace troupe::wire
