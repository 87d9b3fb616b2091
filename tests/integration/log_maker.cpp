// Writes a log as a node does, but with known content: log_maker DATA COUNT SEGMENT_BYTES [SHIFT [CLASS]]
// Appends COUNT records to DATA/log/CLASS (channels), one for each minute from 2026-01-01T00:00:00Z on, and signs a
// checkpoint in the middle and at the end. Run again it goes on. With SHIFT each record has the content of the one so
// many places later. log_world.py says the same of what a record holds.

#include "runtime/log/checkpoint.hpp"
#include "runtime/log/files.hpp"
#include "runtime/log/key.hpp"
#include "runtime/log/writer.hpp"

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>

namespace {

using namespace troupe;

constexpr std::int64_t start_us = 1'767'225'600'000'000;
constexpr std::int64_t minute_us = 60'000'000;

[[noreturn]] void fail(const log::fault& why) {
  std::fprintf(stderr, "log_maker: %s\n", why.text().c_str());
  std::exit(1);
}

/// Ten kinds of content in turn, the awkward ones among them.
log::record record_number(std::uint64_t index) {
  log::record r;
  r.time_us = start_us + static_cast<std::int64_t>(index) * minute_us;
  r.kind = log::record_kind::channel_published;
  r.channel = index % 2 == 0 ? "news" : "alerts";
  r.user = index % 3 == 0 ? "ann" : "bob";
  r.connection = "c" + std::to_string(index % 4);
  r.node = "n1";
  r.id = "m" + std::to_string(index);
  r.type = "post";
  r.offset = index + 1;
  r.format = 0;
  r.payload = "{\"n\":" + std::to_string(index) + "}";
  switch (index % 10) {
  case 1:
    r.payload = "{\r\n  \"lines\": [1,\n 2]\n}"; // one value, several lines
    break;
  case 2: // the same value in MessagePack
    r.payload = std::string{"\x81\xA1n\xCD", 4} + static_cast<char>(index >> 8) + static_cast<char>(index & 0xFF);
    r.format = 1;
    break;
  case 3:
    r.key_id = "ann-1";
    r.nonce = std::string{"\x00\x01\xFE\xFF", 4};
    r.payload = std::string{"\x80\x00secret\xFF", 9};
    break;
  case 4:
    r.payload = "{broken";
    break;
  case 5: // what a terminal must not see
    r.type = "post\x1b[31m";
    r.payload = R"({"text":"\u001b[2J \u202e ü"})";
    break;
  case 6:
    r = {.time_us = r.time_us, .kind = log::record_kind::position_acked, .channel = "news", .user = "ann"};
    r.durable = "worker";
    r.offset = index;
    break;
  case 7:
    r = {.time_us = r.time_us, .kind = log::record_kind::room_joined, .room = "lobby", .user = "bob"};
    break;
  case 8:
    r = {.time_us = r.time_us, .kind = static_cast<log::record_kind>(999)};
    r.detail = "from the \xFF future";
    r.code = 18'446'744'073'709'551'615U;
    break;
  case 9:
    r.payload = "12345678901234567890123";
    r.headers = R"({"echo": "true"})";
    r.qos = 1;
    break;
  default:
    break;
  }
  return r;
}

void sign(log::checkpoint_file& into, const log::writer& of, const log::signing_key& key) {
  const auto note = log::sign(of.synced_checkpoint(), key);
  if (!note)
    fail(note.error());
  if (const auto failed = into.append(*note))
    fail(*failed);
}

} // namespace

int main(int argc, char** argv) {
  if (argc < 4 || argc > 6) {
    std::fputs("usage: log_maker DATA COUNT SEGMENT_BYTES [SHIFT [CLASS]]\n", stderr);
    return 2;
  }
  const std::filesystem::path data{argv[1]};
  const auto count = std::strtoull(argv[2], nullptr, 10);
  const auto shift = argc >= 5 ? std::strtoull(argv[4], nullptr, 10) : 0;
  std::uint64_t next = 0;
  log::writer_options how;
  how.class_name = argc == 6 ? argv[5] : "channels";
  how.folder = data / "log" / how.class_name;
  how.node = "n1";
  how.segment_bytes = std::strtoull(argv[3], nullptr, 10);
  how.clock_us = [&next] { return start_us + static_cast<std::int64_t>(next) * minute_us; };
  const auto writer = log::writer::open(how);
  if (!writer)
    fail(writer.error());
  auto& to = **writer;
  next = to.next();
  const auto key = log::signing_key::load_or_make(log::system_files(), data / "log.key");
  if (!key)
    fail(key.error());
  auto checkpoints = log::checkpoint_file::open(log::system_files(), how.folder);
  if (!checkpoints)
    fail(checkpoints.error());
  for (std::uint64_t i = 0; i < count; ++i) {
    const auto one = record_number(next + shift);
    const auto index = to.append(log::view_of(one));
    if (!index)
      fail(index.error());
    next = *index + 1;
    if (i + 1 == count / 2 || i + 1 == count) {
      if (const auto failed = to.sync())
        fail(*failed);
      sign(*checkpoints, to, *key);
    }
  }
  return 0;
}
