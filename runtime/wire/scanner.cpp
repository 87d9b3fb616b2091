#include "runtime/wire/scanner.hpp"

#include "runtime/model/hex.hpp"

namespace troupe::wire {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// The four hex digits at `p`. Precondition: they were scanned.
std::uint32_t hex4(const char* p) noexcept {
  std::uint32_t unit = 0;
  for (int i = 0; i < 4; ++i)
    unit = unit << 4 | static_cast<std::uint32_t>(hex_digit(p[i]));
  return unit;
}

bool is_high(std::uint32_t unit) noexcept { return unit >= 0xD800 && unit <= 0xDBFF; }
bool is_low(std::uint32_t unit) noexcept { return unit >= 0xDC00 && unit <= 0xDFFF; }

char simple_escape(char c) noexcept {
  switch (c) {
  case 'b':
    return '\b';
  case 'f':
    return '\f';
  case 'n':
    return '\n';
  case 'r':
    return '\r';
  case 't':
    return '\t';
  default:
    return c;
  }
}

/// Which containers are open, innermost last: a bit each, set for an object.
class open_containers {
public:
  std::size_t depth() const noexcept { return depth_; }
  void push(bool object) noexcept {
    const auto bit = std::uint64_t{1} << (depth_ % 64);
    auto& word = bits_[depth_ / 64];
    word = object ? word | bit : word & ~bit;
    ++depth_;
  }
  void pop() noexcept { --depth_; }
  bool in_object() const noexcept { return (bits_[(depth_ - 1) / 64] >> ((depth_ - 1) % 64) & 1) != 0; }

private:
  std::array<std::uint64_t, (limits::payload_depth_max + 63) / 64> bits_{};
  std::size_t depth_ = 0;
};

} // namespace

std::string_view describe(scan_fault fault) noexcept {
  switch (fault) {
  case scan_fault::none:
    return "no fault";
  case scan_fault::end_of_text:
    return "unexpected end";
  case scan_fault::unexpected:
    return "unexpected character";
  case scan_fault::control:
    return "control character in a string";
  case scan_fault::escape:
    return "bad escape in a string";
  case scan_fault::utf8:
    return "not UTF-8";
  case scan_fault::number:
    return "bad number";
  case scan_fault::too_deep:
    return "nested too deep";
  case scan_fault::trailing:
    return "more after the end";
  }
  return "";
}

/// Passes what stopped a plain run inside a string and is not its closing quote.
bool scanner::special(bool& escaped) noexcept {
  if (static_cast<unsigned char>(*p_) >= 0x80) {
    do {
      const auto length = utf8_sequence(p_, end_);
      if (length == 0)
        return fail(scan_fault::utf8);
      p_ += length;
    } while (p_ != end_ && static_cast<unsigned char>(*p_) >= 0x80);
    return true;
  }
  if (*p_ != '\\')
    return fail(scan_fault::control);
  escaped = true;
  if (end_ - p_ < 2)
    return fail(scan_fault::end_of_text);
  switch (p_[1]) {
  case '"':
  case '\\':
  case '/':
  case 'b':
  case 'f':
  case 'n':
  case 'r':
  case 't':
    p_ += 2;
    return true;
  case 'u':
    if (end_ - p_ < 6)
      return fail(scan_fault::escape);
    for (int i = 2; i < 6; ++i)
      if (hex_digit(p_[i]) < 0)
        return fail(scan_fault::escape);
    p_ += 6;
    return true;
  default:
    return fail(scan_fault::escape);
  }
}

bool scanner::literal(std::string_view word) noexcept {
  if (static_cast<std::size_t>(end_ - p_) < word.size() || std::memcmp(p_, word.data(), word.size()) != 0)
    return unexpected();
  p_ += word.size();
  return true;
}

bool scanner::number(std::string_view& out) noexcept {
  peek();
  const char* start = p_;
  const auto digits = [this] {
    const char* first = p_;
    while (p_ != end_ && is_digit(*p_))
      ++p_;
    return p_ != first;
  };
  if (p_ != end_ && *p_ == '-')
    ++p_;
  if (p_ != end_ && *p_ == '0')
    ++p_;
  else if (!digits())
    return fail(scan_fault::number);
  if (p_ != end_ && *p_ == '.') {
    ++p_;
    if (!digits())
      return fail(scan_fault::number);
  }
  if (p_ != end_ && (*p_ == 'e' || *p_ == 'E')) {
    ++p_;
    if (p_ != end_ && (*p_ == '+' || *p_ == '-'))
      ++p_;
    if (!digits())
      return fail(scan_fault::number);
  }
  out = {start, static_cast<std::size_t>(p_ - start)};
  return true;
}

bool scanner::value(std::string_view& raw, std::size_t depth_max) noexcept {
  open_containers open;
  json_string ignored_string;
  std::string_view ignored_number;
  peek();
  const char* start = p_;
  for (;;) {
    // A value; an opened container with something inside continues with its first element.
    const char c = peek();
    switch (c) {
    case '"':
      if (!string(ignored_string))
        return false;
      break;
    case '{':
    case '[': {
      if (open.depth() == depth_max)
        return fail(scan_fault::too_deep);
      ++p_;
      const bool object = c == '{';
      if (take(object ? '}' : ']'))
        break;
      open.push(object);
      if (object && !key())
        return false;
      continue;
    }
    case 't':
    case 'f':
    case 'n':
      if (!literal(c == 't' ? "true" : c == 'f' ? "false" : "null"))
        return false;
      break;
    default:
      if (c != '-' && !is_digit(c))
        return unexpected();
      if (!number(ignored_number))
        return false;
    }
    // What follows a value: the end of containers, a comma before the next one, or the end of it all.
    while (open.depth() != 0) {
      if (take(',')) {
        if (open.in_object() && !key())
          return false;
        break;
      }
      if (!expect(open.in_object() ? '}' : ']'))
        return false;
      open.pop();
    }
    if (open.depth() == 0) {
      raw = {start, static_cast<std::size_t>(p_ - start)};
      return true;
    }
  }
}

bool append_unescaped(std::string& out, std::string_view text) {
  bool whole = true;
  const char* p = text.data();
  const char* end = p + text.size();
  while (p != end) {
    const auto* stop = static_cast<const char*>(std::memchr(p, '\\', static_cast<std::size_t>(end - p)));
    if (stop == nullptr)
      stop = end;
    out.append(p, stop);
    p = stop;
    if (p == end)
      break;
    if (p[1] != 'u') {
      out.push_back(simple_escape(p[1]));
      p += 2;
      continue;
    }
    const auto unit = hex4(p + 2);
    p += 6;
    if (is_high(unit) && end - p >= 6 && p[0] == '\\' && p[1] == 'u' && is_low(hex4(p + 2))) {
      append_utf8(out, 0x10000 + ((unit - 0xD800) << 10) + (hex4(p + 2) - 0xDC00));
      p += 6;
    } else if (is_high(unit) || is_low(unit)) {
      out += replacement_character;
      whole = false;
    } else {
      append_utf8(out, unit);
    }
  }
  return whole;
}

} // namespace troupe::wire
