#pragma once

#include "runtime/model/inbox.hpp"
#include "tests/model/seeded.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::testing {

/// What a message of a test says of itself.
struct say {
  troupe::qos qos = qos::at_most_once;
  offline_policy offline = offline_policy::queue;
  std::int64_t ttl_ms = 0;
  std::string subject = {};
};

/// An inbox with its clocks and a log that takes what it is given.
struct inbox_stage {
  explicit inbox_stage(inbox_limits bounds = {})
      : box(bounds) {}

  message_ptr message(const std::string& id, say how = {}) const {
    message_fields f;
    f.type = "say";
    f.id = id;
    f.payload = std::string_view{id}.substr(0, id.find('!'));
    f.qos = how.qos;
    f.offline = how.offline;
    f.ttl_ms = how.ttl_ms;
    f.subject = how.subject;
    return message::make(f, from, wall);
  }
  inbox::verdict take(const std::string& id, say how = {}, inbox::reader_key except = 0) {
    return box.take(message(id, how), except, ++asker, wall);
  }
  /// The log takes all.
  std::vector<inbox::asker> store() {
    box.take_appends();
    return box.stored(box.given_out());
  }
  void pass(std::int64_t ms) {
    wall += ms;
    mono += ms;
    box.pass_time(wall, mono);
  }
  /// All that a reader is given now, piece by piece.
  std::vector<std::string> read(inbox::reader_key who) {
    std::vector<std::string> out;
    while (const auto piece = box.next_piece(who, wall, mono)) {
      for (const auto& i : piece->items) {
        if (i.what == nullptr)
          out.push_back("gap " + std::string{to_string(i.why)} + " " + std::to_string(i.count) +
                        (i.from == 0 ? "" : " of " + std::to_string(i.from) + "-" + std::to_string(i.to)));
        else
          out.push_back(std::string{i.what->id()} + (i.offset == 0 ? "" : " at " + std::to_string(i.offset)));
      }
      if (piece->flushed)
        out.push_back("flushed " + std::to_string(piece->flushed->first) + " " +
                      std::to_string(piece->flushed->second));
      box.drained(who, piece->ticket);
    }
    return out;
  }

  inbox box;
  wall_ms wall = 1'000'000;
  mono_ms mono = 5'000;
  inbox::asker asker = 0;
  std::shared_ptr<const sender> from =
      std::make_shared<const sender>(sender{"c", std::optional<std::string>{"ann"}, "n", "", ""});
};

constexpr say reliable{qos::at_least_once};
constexpr say once{qos::once};

inline void check(const std::vector<std::string>& found, const std::vector<std::string>& expected) {
  BOOST_TEST(found == expected, boost::test_tools::per_element());
}

} // namespace troupe::testing
