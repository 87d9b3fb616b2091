#pragma once

#include "runtime/model/json_text.hpp"
#include "runtime/model/limits.hpp"
#include "runtime/model/utf8.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

namespace troupe::wire {

/// Why a scanner stopped.
enum class scan_fault : std::uint8_t {
  none,
  end_of_text,
  unexpected, ///< A byte that no value, separator or end can begin with.
  control,    ///< A control character inside a string.
  escape,     ///< A backslash with something else than RFC 8259, section 7 has.
  utf8,       ///< Not UTF-8 inside a string.
  number,     ///< Not a number by RFC 8259, section 6.
  too_deep,
  trailing, ///< More after the end.
};

/// In a few words, for example "unexpected character".
std::string_view describe(scan_fault fault) noexcept;

/// A JSON string as it stands in the text, without its quotes.
struct json_string {
  std::string_view text;
  bool escaped = false; ///< Has escapes: `append_unescaped` decodes it.
};

/// As troupe::plain_run, 16 bytes at a time where the processor can.
inline const char* plain_run_fast(const char* p, const char* end) noexcept {
#ifdef __SSE2__
  const __m128i space = _mm_set1_epi8(0x20);
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  while (end - p >= 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    // Signed: bytes from 0x80 are negative and so less than a space as well.
    const __m128i low = _mm_cmplt_epi8(bytes, space);
    const __m128i special = _mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, backslash));
    const auto mask = static_cast<unsigned>(_mm_movemask_epi8(_mm_or_si128(low, special)));
    if (mask != 0)
      return p + __builtin_ctz(mask);
    p += 16;
  }
#endif
  return troupe::plain_run(p, end);
}

/// A scanner of RFC 8259 that validates what it passes and yields spans of it: one pass, no allocation, no
/// recursion. Each function returns false on a fault and the scanner then stands at it.
class scanner {
public:
  explicit scanner(std::string_view text) noexcept
      : begin_{text.data()}
      , p_{text.data()}
      , end_{text.data() + text.size()} {}

  /// The next byte that is no whitespace, 0 at the end (a NUL in the text is invalid anyway).
  char peek() noexcept {
    while (p_ != end_ && (*p_ == ' ' || *p_ == '\n' || *p_ == '\r' || *p_ == '\t'))
      ++p_;
    return p_ != end_ ? *p_ : '\0';
  }

  /// Passes `c` where it is the next byte that is no whitespace.
  bool take(char c) noexcept {
    if (peek() != c)
      return false;
    if (p_ == end_)
      return false;
    ++p_;
    return true;
  }

  /// Passes `c`, which must come.
  bool expect(char c) noexcept { return take(c) || unexpected(); }

  bool string(json_string& out) noexcept {
    if (peek() != '"')
      return unexpected();
    const char* start = ++p_;
    out.escaped = false;
    for (;;) {
      p_ = plain_run_fast(p_, end_);
      if (p_ == end_)
        return fail(scan_fault::end_of_text);
      if (*p_ == '"')
        break;
      if (!special(out.escaped))
        return false;
    }
    out.text = {start, static_cast<std::size_t>(p_ - start)};
    ++p_;
    return true;
  }

  bool number(std::string_view& out) noexcept;

  /// Passes any value.
  /// @param depth_max how deep its arrays and objects may nest, at most limits::payload_depth_max
  bool value(std::string_view& raw, std::size_t depth_max = limits::payload_depth_max) noexcept;

  /// Whether nothing but whitespace is left; anything else is a fault.
  bool end() noexcept {
    peek();
    return p_ == end_ || fail(scan_fault::trailing);
  }

  const char* at() const noexcept { return p_; }
  std::size_t offset() const noexcept { return static_cast<std::size_t>(p_ - begin_); }
  scan_fault fault() const noexcept { return fault_; }

  bool fail(scan_fault fault) noexcept {
    fault_ = fault;
    return false;
  }
  bool unexpected() noexcept { return fail(p_ == end_ ? scan_fault::end_of_text : scan_fault::unexpected); }

private:
  bool special(bool& escaped) noexcept;
  bool literal(std::string_view word) noexcept;
  bool key() noexcept {
    json_string ignored;
    return string(ignored) && expect(':');
  }

  const char* begin_;
  const char* p_;
  const char* end_;
  scan_fault fault_ = scan_fault::none;
};

/// Appends what a JSON string says. Each lone surrogate escape becomes U+FFFD.
/// @param text the inside of a string that a scanner passed
/// @returns whether there was no lone surrogate
bool append_unescaped(std::string& out, std::string_view text);

} // namespace troupe::wire
