// How it works: the input is a WebSocket text frame. Whatever it is, decoding must end without a fault of
// memory; a refusal must say why and judge UTF-8 right. What is accepted is made a message, encoded and decoded
// again: receivers must see the same fields and, byte for byte, the same payload and headers. It also goes
// through MessagePack, where a second trip must change nothing more, and through wire::parse.
// The corpus (corpus/envelope_json) is one frame a file.

#include "runtime/model/utf8.hpp"
#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/msgpack.hpp"
#include "runtime/wire/parse.hpp"
#include "runtime/wire/transcode.hpp"
#include "tests/fuzz/same_fields.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace troupe;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view frame{reinterpret_cast<const char*>(data), size};
  message_fields fields;
  std::string scratch;
  if (const auto failed = wire::decode_json(frame, fields, scratch)) {
    TROUPE_FUZZ_CHECK(!failed->why.message.empty());
    TROUPE_FUZZ_CHECK(failed->not_utf8 == !is_utf8(frame));
    TROUPE_FUZZ_CHECK(is_utf8(failed->id) || failed->not_utf8);
    return 0;
  }
  TROUPE_FUZZ_CHECK(is_utf8(frame));
  const auto m = message::make(fields, wire::make_sender("c", "u", "n"), 1);
  std::string text, second_scratch;
  wire::encode_json(text, *m, {1, "e"});
  message_fields again;
  TROUPE_FUZZ_CHECK(!wire::decode_json(text, again, second_scratch));
  TROUPE_FUZZ_CHECK(fuzz::same_for_receivers(fields, again));
  TROUPE_FUZZ_CHECK(fields.payload == again.payload && fields.headers == again.headers);

  std::string packed, back, packed_again;
  wire::encode_msgpack(packed, *m, {1, "e"});
  message_fields unpacked;
  TROUPE_FUZZ_CHECK(!wire::decode_msgpack(packed, unpacked));
  TROUPE_FUZZ_CHECK(fuzz::same_for_receivers(fields, unpacked));
  wire::to_json_text(back, {unpacked.payload, encoding::msgpack});
  wire::to_msgpack_text(packed_again, {back, encoding::json});
  TROUPE_FUZZ_CHECK(packed_again == unpacked.payload);

  if (const auto v = wire::parse(m->payload())) {
    std::string written;
    wire::write_json(written, *v);
    TROUPE_FUZZ_CHECK(wire::parse({written}) == v);
  }
  return 0;
}
