#include "apps/bench/streams.hpp"

#include "apps/bench/frames.hpp"

#include <charconv>
#include <fmt/format.h>

namespace troupe::bench {
namespace {

constexpr std::string_view line_end = "\r\n";

class troupe_stream final : public stream_protocol {
public:
  troupe_stream(std::uint16_t port, std::size_t bytes)
      : port_(port)
      , payload_(bytes - 2, 'x') {}

  std::string opening() const override { return upgrade_request("127.0.0.1", port_, "/realtime"); }

  void append_publish(std::string& out, std::uint64_t number) const override {
    append_frame(out, 1, fmt::format(R"({{"type":"m","channel":"bench","id":"{}","payload":"{}"}})", number, payload_));
  }

  std::string subscribe() const override {
    std::string out;
    append_frame(out, 1, R"({"type":"channel:subscribe","channel":"bench","payload":{"from":"earliest"}})");
    return out;
  }

  answers take(std::string& in) override {
    answers found;
    std::size_t used = 0;
    if (!upgraded_) {
      const auto end = in.find("\r\n\r\n");
      if (end == std::string::npos)
        return found;
      if (!in.starts_with("HTTP/1.1 101"))
        found.error = in.substr(0, in.find('\r'));
      upgraded_ = true;
      used = end + 4;
    }
    while (const auto one = take_frame(in, used)) {
      if (one->opcode == 9)
        append_frame(found.reply, 10, one->payload);
      else if (one->opcode == 8)
        found.error = "the server closed a connection";
      else if (one->payload.starts_with(R"({"type":"m")"))
        ++found.delivered;
      else if (one->payload.starts_with(R"({"type":"ack")"))
        ++found.accepted;
      else if (one->payload.starts_with(R"({"type":"hello")"))
        found.ready = true;
      else
        found.error = one->payload;
    }
    in.erase(0, used);
    return found;
  }

private:
  std::uint16_t port_;
  std::string payload_;
  bool upgraded_ = false;
};

/// RESP: https://redis.io/docs/latest/develop/reference/protocol-spec/
class redis_stream final : public stream_protocol {
public:
  explicit redis_stream(std::size_t bytes)
      : publish_(fmt::format("*5\r\n$4\r\nXADD\r\n$5\r\nbench\r\n$1\r\n*\r\n$1\r\np\r\n${}\r\n{}\r\n", bytes,
                             std::string(bytes, 'x'))) {}

  std::string opening() const override { return "PING\r\n"; }
  void append_publish(std::string& out, std::uint64_t) const override { out += publish_; }
  std::string subscribe() const override { return "XRANGE bench - +\r\n"; }

  answers take(std::string& in) override {
    answers found;
    std::size_t used = 0;
    for (auto end = in.find(line_end); end != std::string::npos; end = in.find(line_end, used)) {
      const auto kind = in[used];
      const auto next = end + line_end.size();
      if (kind == '$') { // the id of an entry
        const auto value_end = in.find(line_end, next);
        if (value_end == std::string::npos)
          break;
        ++found.accepted;
        used = value_end + line_end.size();
        continue;
      }
      if (kind == '+')
        found.ready = true;
      else
        found.error = in.substr(used, end - used);
      used = next;
    }
    in.erase(0, used);
    return found;
  }

private:
  std::string publish_;
};

/// https://docs.nats.io/reference/reference-protocols/nats-protocol and .../nats_api_reference for `$JS.API`
class nats_stream final : public stream_protocol {
public:
  explicit nats_stream(std::size_t bytes)
      : publish_(request("bench", std::string(bytes, 'x'))) {}

  std::string opening() const override {
    return "CONNECT {\"verbose\":false,\"pedantic\":false}\r\nSUB _INBOX." + inbox_ + " 1\r\nPING\r\n";
  }
  std::string setup() const override {
    return request("$JS.API.STREAM.CREATE.bench",
                   R"({"name":"bench","subjects":["bench"],"retention":"limits","storage":"file","num_replicas":1})");
  }
  void append_publish(std::string& out, std::uint64_t) const override { out += publish_; }
  std::string subscribe() const override {
    return "SUB caught.up 2\r\n" +
           request("$JS.API.CONSUMER.CREATE.bench",
                   R"({"stream_name":"bench","config":{"deliver_subject":"caught.up","deliver_policy":"all",)"
                   R"("ack_policy":"none","replay_policy":"instant"}})");
  }

  answers take(std::string& in) override {
    answers found;
    std::size_t used = 0;
    for (auto end = in.find(line_end); end != std::string::npos; end = in.find(line_end, used)) {
      const auto line = std::string_view{in}.substr(used, end - used);
      auto next = end + line_end.size();
      if (line.starts_with("MSG ")) {
        std::size_t size = 0;
        const auto digits = line.substr(line.rfind(' ') + 1);
        std::from_chars(digits.data(), digits.data() + digits.size(), size);
        if (in.size() < next + size + line_end.size())
          break;
        const auto text = std::string_view{in}.substr(next, size);
        const auto sid = line.substr(line.find(' ', 4) + 1, 1);
        if (sid == "2")
          ++found.delivered;
        else if (text.find("\"error\"") == std::string_view::npos)
          ++found.accepted;
        else
          found.error = text;
        next += size + line_end.size();
      } else if (line == "PING") {
        found.reply += "PONG\r\n";
      } else if (line == "PONG") {
        found.ready = true;
      } else if (line.starts_with("-ERR")) {
        found.error = line;
      }
      used = next;
    }
    in.erase(0, used);
    return found;
  }

private:
  std::string request(std::string_view subject, std::string_view body) const {
    return fmt::format("PUB {} _INBOX.{} {}\r\n{}\r\n", subject, inbox_, body.size(), body);
  }

  static std::string next_inbox() {
    static std::uint64_t last = 0;
    return std::to_string(++last);
  }

  std::string inbox_ = next_inbox();
  std::string publish_;
};

} // namespace

std::unique_ptr<stream_protocol> make_protocol(std::string_view name, std::uint16_t port, std::size_t bytes) {
  if (name == "troupe")
    return std::make_unique<troupe_stream>(port, bytes);
  if (name == "redis")
    return std::make_unique<redis_stream>(bytes);
  if (name == "nats")
    return std::make_unique<nats_stream>(bytes);
  return nullptr;
}

} // namespace troupe::bench
