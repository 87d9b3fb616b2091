// How it works: the input is a binary WebSocket frame, an envelope in MessagePack. Decoding must end without a
// fault of memory. What is accepted is made a message, encoded and decoded again: receivers must see the same
// fields and, byte for byte, the same payload and headers. It also goes to JSON, which must be a valid envelope
// with the same fields, and the payload once more through both formats, which must change nothing more.
// The corpus (corpus/envelope_msgpack) is one frame a file.

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

namespace {

/// Whether the text is an envelope; only its headers can have grown past their bound, by escapes.
bool json_takes(std::string_view text) {
  message_fields ignored;
  std::string scratch;
  const auto failed = wire::decode_json(text, ignored, scratch);
  return !failed || failed->why.message.find("8192 bytes") != std::string::npos;
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view frame{reinterpret_cast<const char*>(data), size};
  message_fields fields;
  if (const auto failed = wire::decode_msgpack(frame, fields)) {
    TROUPE_FUZZ_CHECK(!failed->why.message.empty());
    return 0;
  }
  const auto m = message::make(fields, wire::make_sender("c", "u", "n"), 1);
  std::string packed;
  wire::encode_msgpack(packed, *m, {1, "e"});
  message_fields again;
  TROUPE_FUZZ_CHECK(!wire::decode_msgpack(packed, again));
  TROUPE_FUZZ_CHECK(fuzz::same_for_receivers(fields, again));
  TROUPE_FUZZ_CHECK(fields.payload == again.payload && fields.headers == again.headers);

  std::string text, scratch;
  wire::encode_json(text, *m, {1, "e"});
  TROUPE_FUZZ_CHECK(json_takes(text));
  message_fields as_json;
  if (!wire::decode_json(text, as_json, scratch)) {
    TROUPE_FUZZ_CHECK(fuzz::same_for_receivers(fields, as_json));
    std::string first, back, second;
    wire::to_msgpack_text(first, {as_json.payload, encoding::json});
    wire::to_json_text(back, {first, encoding::msgpack});
    wire::to_msgpack_text(second, {back, encoding::json});
    TROUPE_FUZZ_CHECK(first == second);
  }
  TROUPE_FUZZ_CHECK(wire::parse(m->payload()).has_value());
  return 0;
}
