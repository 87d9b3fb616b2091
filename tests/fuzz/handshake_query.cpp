// How it works: the input is a request target. Splitting it and looking for parameters must end without a fault of
// memory; a value that is found keeps its promises (within the bound, UTF-8, no control characters), and escaping it
// again gives the same value back.
// The corpus (corpus/handshake_query) is one target a file.

#include "runtime/model/utf8.hpp"
#include "tests/fuzz/check.hpp"
#include "transports/http/query.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace troupe;

namespace {

std::string escaped(std::string_view text) {
  constexpr char digits[] = "0123456789ABCDEF";
  std::string out;
  for (const unsigned char c : text)
    out.append({'%', digits[c >> 4], digits[c & 15]});
  return out;
}

void check_parameter(std::string_view query, std::string_view name) {
  constexpr std::size_t bytes_max = 64;
  const auto found = http::find_parameter(query, name, bytes_max);
  check(found.present || found.value.empty(), "a value of an absent parameter");
  check(found.valid || found.value.empty(), "a value that is not valid");
  check(found.value.size() <= bytes_max, "the bound");
  check(is_utf8(found.value), "UTF-8");
  check(std::none_of(found.value.begin(), found.value.end(), [](unsigned char c) { return c < 0x20 || c == 0x7F; }),
        "control characters");
  if (!found.present || !found.valid)
    return;
  const auto again = http::find_parameter(escaped(name) + "=" + escaped(found.value), name, bytes_max);
  check(again.present && again.valid && again.value == found.value, "a round trip");
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check_parameter(text, "user"); // whatever it is: the function has no precondition
  if (const auto target = http::split_target(text)) {
    check(target->path.starts_with('/'), "a path");
    check(text.starts_with(target->path), "a path of the target");
    check_parameter(target->query, "user");
    check_parameter(target->query, "ticket");
  }
  return 0;
}
