// How it works: the bytes are a batch that a peer has sent. Reading it must end without a fault of memory, and each
// message that comes out of it, encoded again, must give the same bytes each time and be read as one message. The
// corpus (corpus/mesh_messages) is a message of each kind, and a batch of all of them.

#include "runtime/wire/mesh_messages.hpp"
#include "tests/fuzz/check.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace troupe::mesh;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  batch_reader in{{reinterpret_cast<const char*>(data), size}};
  std::size_t bytes = 0;
  while (const auto got = in.next()) {
    std::string once;
    check(encode(*got, once).empty(), "what was read can be said");
    bytes += once.size();
    batch_reader again{once};
    const auto twice = again.next();
    check(twice.has_value() && twice->index() == got->index(), "what is said can be read");
    std::string second;
    check(encode(*twice, second).empty() && second == once, "and means the same");
    check(!again.next() && again.fault().empty() && again.skipped() == 0, "it is one message");
  }
  check(bytes <= size, "nothing invented");
  return 0;
}
