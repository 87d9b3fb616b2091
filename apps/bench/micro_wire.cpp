#include "apps/bench/micro.hpp"

#include "runtime/model/message.hpp"
#include "runtime/wire/json.hpp"

#include <cstdio>
#include <memory>
#include <optional>
#include <string>

namespace troupe::bench {
namespace {

/// What the profile of the load generator publishes: 128 bytes of payload.
std::string sample_frame() { return R"({"type":"m","room":"r000042","payload":")" + std::string(126, 'x') + R"("})"; }

bool wanted(std::string_view name, std::string_view only) { return name.find(only) != std::string_view::npos; }

} // namespace

void print_result(std::string_view name, double ns) {
  std::printf("{\"name\":\"%.*s\",\"ns\":%.2f}\n", static_cast<int>(name.size()), name.data(), ns);
  std::fflush(stdout);
}

void measure_wire(std::string_view only) {
  const auto frame = sample_frame();
  message_fields fields;
  std::string scratch;
  const auto measure = [&](std::string_view name, auto one) {
    if (!wanted(name, only))
      return;
    print_result(name, nanoseconds_of([&](std::size_t n) {
                   for (std::size_t i = 0; i < n; ++i)
                     one();
                 }));
  };
  measure("decode a JSON envelope, 128-byte payload", [&] {
    const auto failure = wire::decode_json(frame, fields, scratch);
    keep(failure);
  });
  if (wire::decode_json(frame, fields, scratch)) {
    std::fputs("bench micro: the sample is no envelope\n", stderr);
    return;
  }
  auto who = std::make_shared<sender>();
  who->json = R"("from":{"connection":"c-0123456789abcdef"},"node":"node-1")";
  const std::shared_ptr<const sender> from = who;
  measure("copy it into a message", [&] {
    const auto made = message::make(fields, from, 1'700'000'000'000);
    keep(made);
  });
  const auto made = message::make(fields, from, 1'700'000'000'000);
  std::string out;
  measure("encode it as a JSON envelope", [&] {
    out.clear();
    wire::encode_json(out, *made, {4711, "e-0123456789abcdef"});
    keep(out);
  });
}

int run_micro(std::string_view only) {
  measure_wire(only);
  measure_mailboxes(only);
  measure_log(only);
  measure_channels(only);
  return 0;
}

} // namespace troupe::bench
