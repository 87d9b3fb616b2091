#include "apps/troupe/server_commands.hpp"

#include "apps/troupe/log_folder.hpp"
#include "apps/troupe/moment.hpp"
#include "apps/troupe/terminal.hpp"
#include "runtime/wire/parse.hpp"

#include <algorithm>
#include <cstdlib>
#include <utility>

namespace troupe::cli {
namespace {

constexpr std::chrono::milliseconds slice{50}; ///< So late Ctrl-C is seen, at most.
constexpr std::chrono::milliseconds retry_default{200};
constexpr unsigned tries_max = 10;
constexpr std::chrono::seconds goodbye_max{2};
constexpr std::size_t name_characters_max = 40;
constexpr std::size_t line_characters_max = 4096;
constexpr std::string_view own_ids = "troupe-";

std::string trimmed(std::string text) {
  const auto end = text.find_last_not_of(" \t\r\n");
  text.resize(end == std::string::npos ? 0 : end + 1);
  return text;
}

} // namespace

flag server_flag() {
  return {"--server", "URL", "the server; ws://127.0.0.1:8080/realtime where it is not given, wss:// is with TLS"};
}

flag ca_flag() { return {"--ca", "FILE", "certificates to trust besides the system's, for wss://"}; }

std::vector<flag> server_flags() {
  return {server_flag(),
          {"--token-file", "FILE", "a file with the token to show; - is standard input"},
          {"--token", "TOKEN", "the token itself: others on this machine may see it; TROUPE_TOKEN is safer"},
          {"--user", "NAME", "who to be, for a server without keys"},
          ca_flag()};
}

link_options server_of(const arguments& given) {
  link_options out;
  out.url = given.get("--server", server_default);
  out.user = given.get("--user");
  out.ca_file = given.get("--ca");
  if (given.has("--token") && given.has("--token-file"))
    throw command_failed{exit_usage, "--token and --token-file say the same thing: give one of them"};
  const char* const from_environment = std::getenv("TROUPE_TOKEN");
  if (given.has("--token-file"))
    out.token = trimmed(read_input(given.get("--token-file")));
  else
    out.token = trimmed(given.get("--token", from_environment != nullptr ? from_environment : ""));
  for (const char c : out.token) // anything else would end the header that it stands in
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7F)
      throw command_failed{exit_usage, "the token has characters that no token has"};
  return out;
}

stream_position position_from(std::string_view text, std::string_view flag) {
  const auto colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0)
    throw command_failed{exit_usage, std::string{flag} + " must be EPOCH:OFFSET, not \"" + std::string{text} + "\""};
  return {std::string{text.substr(0, colon)},
          number_from(text.substr(colon + 1), "the offset of " + std::string{flag})};
}

value to_value(const stream_position& where, std::string_view number_name) {
  auto out = value::object();
  out.set("epoch", where.epoch);
  out.set(number_name, where.offset);
  return out;
}

std::string error_text(const value& envelope) {
  const auto& payload = envelope["payload"];
  return std::string{payload["code"].as_string().value_or("error")} + ": " +
         std::string{payload["message"].as_string().value_or("it does not say why")};
}

std::string message_line(const value& envelope) {
  const auto& from = envelope["from"];
  const auto who = from["user"].as_string().value_or(from["connection"].as_string().value_or("-"));
  const auto& offset = envelope["offset"].is_null() ? envelope["seq"] : envelope["offset"];
  std::string out;
  if (const auto number = offset.as_uint())
    out += std::to_string(*number) + "  ";
  if (const auto ms = envelope["ts"].as_int())
    out += rfc3339(*ms * 1000).value_or("-").substr(0, 23) + "Z  ";
  out += printable(who, name_characters_max) + "  ";
  out += printable(envelope["type"].as_string().value_or("-"), name_characters_max);
  if (envelope.contains("payload")) {
    std::string payload;
    wire::write_json(payload, envelope["payload"]);
    out += "  " + printable(payload, line_characters_max);
  }
  return out;
}

server_client::server_client(const link_options& where, server_link::on_message other)
    : link_{loop_, where, [this, other = std::move(other)](const value& envelope, std::string_view text) {
              if (!waiting_for_.empty() && envelope["id"].as_string() == waiting_for_)
                answer_ = envelope;
              else
                other(envelope, text);
            }} {}

void server_client::check() const {
  if (interrupted())
    throw command_failed{exit_interrupted, "interrupted"};
  if (const auto& end = link_.ended())
    throw command_failed{end->come_back ? exit_cannot : exit_false, end->why};
}

void server_client::open() {
  while (!link_.is_open()) {
    check();
    loop_.run_for(slice);
  }
}

value server_client::ask(const value& request) {
  for (unsigned tries = 1;; ++tries) {
    auto answer = ask_once(request);
    if (answer["type"].as_string() != "error")
      return answer;
    const auto& payload = answer["payload"];
    if (payload["temporary"].as_bool() != true || tries == tries_max)
      throw command_failed{exit_false, "the server refused: " + error_text(answer)};
    const std::chrono::milliseconds wait{payload["retry_ms"].as_int().value_or(retry_default.count())};
    for (const auto until = std::chrono::steady_clock::now() + wait; std::chrono::steady_clock::now() < until; check())
      loop_.run_for(std::min(slice, wait));
  }
}

value server_client::ask_once(value request) {
  waiting_for_ = std::string{own_ids} + std::to_string(++asked_);
  request.set("id", waiting_for_);
  answer_.reset();
  link_.send(request);
  while (!answer_) {
    check();
    loop_.run_for(slice);
  }
  waiting_for_.clear();
  return *std::exchange(answer_, std::nullopt);
}

void server_client::close() {
  link_.close();
  const auto until = std::chrono::steady_clock::now() + goodbye_max;
  while (!link_.ended() && std::chrono::steady_clock::now() < until)
    loop_.run_for(slice);
}

} // namespace troupe::cli
