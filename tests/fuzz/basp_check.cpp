// How it works: the first byte says whose side the peer is on, all others are what it sends to the gate. The check must
// end without a fault of memory, say the same however the bytes are split, hold little, and pass only frames that this
// reader, written apart from it, knows as harmless: known operations, the agreed nodes and actors, one type of message.
// The corpus (corpus/basp_check) is a conversation or an attack a file.

#include "runtime/wire/basp_check.hpp"
#include "tests/fuzz/check.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace troupe::mesh;

namespace {

const std::string here = std::string(8, '\0') + std::string(24, 'a');
const std::string there = std::string(8, '\0') + std::string(24, 'b');
constexpr std::size_t batch_bytes_max = 1000;

std::uint64_t number(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t n = 0;
  while (size-- > 0)
    n = n << 8 | static_cast<unsigned char>(bytes[at++]);
  return n;
}

/// Reads what passed, frame by frame. The last may be a batch of which only a part has come.
void check_passed(std::string_view passed, bool peer_accepted) {
  for (std::size_t frames = 0; !passed.empty(); ++frames) {
    check(passed.size() >= 32, "a whole header");
    const auto operation = number(passed, 0, 1);
    const auto payload = number(passed, 4, 4);
    check(number(passed, 1, 2) == 0 && operation <= 6 && operation != 3, "an operation");
    check((frames == 0) == (operation == (peer_accepted ? 0 : 1)) || (frames > 0 && operation == 1),
          "the handshake first");
    check(payload <= batch_bytes_max + 64, "a length");
    const auto rest = passed.substr(32, payload);
    if (operation != 2)
      check(rest.size() == payload, "a whole frame");
    if (operation <= 1)
      check(rest.starts_with(there), "the peer's node");
    if (operation == 2) {
      check(number(passed, 24, 8) == 6 && number(passed, 3, 1) == 0, "the one actor");
      check(rest.substr(4).starts_with("@<>+troupe::mesh_batch"), "the one type");
    }
    if (operation == 4)
      check(number(passed, 24, 8) == 6 && rest == there + here, "a watch");
    passed.remove_prefix(std::min<std::size_t>(passed.size(), 32 + payload));
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0)
    return 0;
  basp_rules rules;
  rules.own_node = here;
  rules.peer_node = there;
  rules.own_actor = 6;
  rules.peer_accepted = (data[0] & 1) != 0;
  rules.batch_bytes_max = batch_bytes_max;
  const std::string_view bytes{reinterpret_cast<const char*>(data) + 1, size - 1};
  basp_check whole{rules};
  basp_check parted{rules};
  std::string passed;
  std::string passed_parted;
  const auto why = whole.take(bytes, passed);
  std::optional<basp_refusal> why_parted;
  const std::size_t step = 1 + (data[0] >> 1) % 40;
  for (std::size_t at = 0; at < bytes.size(); at += step)
    why_parted = parted.take(bytes.substr(at, step), passed_parted);
  check(why == why_parted && passed == passed_parted, "the same however it is split");
  check(bytes.starts_with(passed), "nothing invented");
  check_passed(passed, rules.peer_accepted);
  return 0;
}
