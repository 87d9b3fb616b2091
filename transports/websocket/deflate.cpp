#include "transports/websocket/deflate.hpp"

#include "transports/http/fields.hpp"

#include <algorithm>
#include <memory>
#include <zlib.h>

namespace troupe::websocket {

namespace {

constexpr std::string_view sync_tail{"\x00\x00\xff\xff", 4};
constexpr int raw_window = -15; // negative: no zlib header

// One compressor and one inflater a thread: without context takeover no message depends on the last.
struct deflater {
  deflater() { ready = deflateInit2(&stream, 6, Z_DEFLATED, raw_window, 8, Z_DEFAULT_STRATEGY) == Z_OK; }
  ~deflater() { deflateEnd(&stream); }
  z_stream stream{};
  bool ready = false;
};

struct inflater {
  inflater() { ready = inflateInit2(&stream, raw_window) == Z_OK; }
  ~inflater() { inflateEnd(&stream); }
  z_stream stream{};
  std::string out;
  bool ready = false;
};

/// Whether an offer's parameters are known, given once, well-formed and such that we can do them.
bool acceptable(std::string_view parameters) {
  bool seen[4] = {};
  while (!parameters.empty()) {
    const auto [name, value] = http::next_parameter(parameters);
    static constexpr std::string_view known[] = {"server_no_context_takeover", "client_no_context_takeover",
                                                 "server_max_window_bits", "client_max_window_bits"};
    const auto at = static_cast<std::size_t>(std::find(std::begin(known), std::end(known), name) - std::begin(known));
    if (at == std::size(known) || std::exchange(seen[at], true))
      return false;
    if (at < 2) {
      if (value)
        return false;
      continue;
    }
    if (!value) {
      if (at == 2)
        return false; // the server's window needs a value
      continue;
    }
    const bool in_range = *value == "8" || *value == "9" ||
                          (value->size() == 2 && (*value)[0] == '1' && (*value)[1] >= '0' && (*value)[1] <= '5');
    // Shared frames are compressed with the full window, so a smaller one cannot be promised.
    if (!in_range || (at == 2 && *value != "15"))
      return false;
  }
  return true;
}

} // namespace

std::optional<std::string> accept_deflate(std::string_view offers) {
  while (!offers.empty()) {
    auto offer = http::next_element(offers);
    const auto name = http::next_parameter(offer).first;
    if (name != "permessage-deflate" || !acceptable(offer))
      continue;
    std::string answer = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    // An offer that names the window is to hear that it is the one in use (RFC 7692 section 7.1.2.1).
    if (offer.find("server_max_window_bits") != std::string_view::npos)
      answer += "; server_max_window_bits=15";
    return answer;
  }
  return std::nullopt;
}

bool deflate_message(std::string& out, std::string_view message) {
  thread_local deflater d;
  if (!d.ready || deflateReset(&d.stream) != Z_OK)
    return false;
  const auto before = out.size();
  out.resize(before + deflateBound(&d.stream, static_cast<uLong>(message.size())) + 16);
  d.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(message.data()));
  d.stream.avail_in = static_cast<uInt>(message.size());
  d.stream.next_out = reinterpret_cast<Bytef*>(out.data() + before);
  d.stream.avail_out = static_cast<uInt>(out.size() - before);
  const bool ok = deflate(&d.stream, Z_SYNC_FLUSH) == Z_OK && d.stream.avail_in == 0 && d.stream.avail_out > 0;
  out.resize(ok ? out.size() - d.stream.avail_out : before);
  if (ok && std::string_view{out}.ends_with(sync_tail))
    out.resize(out.size() - sync_tail.size());
  return ok;
}

inflated inflate_message(std::string_view compressed, std::size_t bytes_max) {
  thread_local inflater i;
  if (!i.ready || inflateReset(&i.stream) != Z_OK)
    return {inflate_result::invalid, {}};
  i.out.resize(std::max<std::size_t>(i.out.size(), 4096));
  std::size_t have = 0;
  bool ended = false;
  for (const auto part : {compressed, sync_tail}) {
    i.stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(part.data()));
    i.stream.avail_in = static_cast<uInt>(part.size());
    for (;;) {
      if (have == i.out.size())
        i.out.resize(std::min(i.out.size() * 2, bytes_max + 1));
      i.stream.next_out = reinterpret_cast<Bytef*>(i.out.data() + have);
      i.stream.avail_out = static_cast<uInt>(i.out.size() - have);
      const int result = inflate(&i.stream, Z_SYNC_FLUSH);
      have = i.out.size() - i.stream.avail_out;
      if (have > bytes_max)
        return {inflate_result::too_large, {}};
      if (result == Z_STREAM_END) {
        ended = true; // a final block is allowed (RFC 7692 section 7.2.3.5); what follows it is not looked at
        break;
      }
      if (result != Z_OK && result != Z_BUF_ERROR)
        return {inflate_result::invalid, {}};
      if (i.stream.avail_out > 0)
        break; // all input is used up
    }
    if (ended)
      break;
  }
  return {inflate_result::ok, {i.out.data(), have}};
}

} // namespace troupe::websocket
