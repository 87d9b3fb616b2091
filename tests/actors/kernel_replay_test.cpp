// Rooms with logic in a node that records them, run again.

#undef BOOST_TEST_MODULE
#include <boost/test/unit_test.hpp>

#include "runtime/log/subject_keys.hpp"
#include "tests/actors/audit_bench.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <thread>

using namespace troupe;
using namespace troupe::testing;

namespace {

/// How many activations have ended in order.
std::size_t ends(const std::vector<log::record>& all) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [](const auto& r) {
    return r.kind == log::record_kind::state_snapshot && r.detail == "end";
  }));
}

/// Adds up what it is told.
struct adder final : room {
  explicit adder(std::int64_t step = 1)
      : step_(step) {}
  void on_join(const room_member& who, room_context& ctx) override {
    ctx.broadcast({.type = "came", .payload = value::array({value(who.connection), ctx.random(), ctx.now()})});
  }
  void on_message(const message& m, room_context& ctx) override {
    if (m.type() == "fail")
      throw std::runtime_error{"on purpose"};
    if (m.type() == "later")
      ctx.after(std::chrono::milliseconds{1}, 3);
    if (m.type() == "outside")
      ctx.broadcast({.type = "outside", .payload = value(++asked_for)});
    sum_ += step_;
    ctx.forward(m);
    ctx.reply(value(sum_));
  }
  void on_timer(std::uint64_t token, room_context& ctx) override {
    ctx.broadcast({.type = "timer", .payload = value(token)});
  }
  value snapshot() const override { return {{"sum", sum_}}; }
  void restore(const value& kept) override { sum_ = kept["sum"].as_int().value_or(-1); }

  static std::atomic<int> asked_for;
  std::int64_t sum_ = 0;
  std::int64_t step_;
};
std::atomic<int> adder::asked_for{0};

std::function<void(kernel&)> adders(std::int64_t step = 1, bool off_loop = false) {
  return [=](kernel& k) {
    k.add_room("sum:*", [step] { return std::make_unique<adder>(step); },
               {.off_loop = off_loop, .code_version = "v" + std::to_string(step)});
  };
}

replay_report check(const data_scratch& where, std::int64_t step = 1) {
  kernel k;
  adders(step)(k);
  return k.check_log(where.path());
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_replay)

BOOST_AUTO_TEST_CASE(a_recorded_room_runs_again_with_all_that_happened_to_it) {
  for (const bool off_loop : {false, true}) {
    data_scratch where;
    auto settings = audited(audit_level::full);
    settings.rooms.idle_timeout = milliseconds{50};
    settings.supervision.backoff_min = settings.supervision.backoff_max = milliseconds{1};
    {
      const auto w = start(where, settings, adders(1, off_loop));
      auto ann = w->connect("ann", 0);
      auto bob = w->connect("bob", 1);
      ann.join("sum:1");
      bob.join("sum:1", R"({"state":{"seat":2}})");
      for (int i = 0; i < 30; ++i) {
        ann.say("sum:1", std::to_string(i));
        bob.say("sum:1", "{\"by\":\"bob\"}", R"(,"headers":{"echo":"true"})");
      }
      bob.ask(R"({"type":"presence:update","room":"sum:1","id":"p","payload":{"state":7}})");
      ann.ask(R"({"type":"later","room":"sum:1","id":"later"})");
      bob.until("timer");
      BOOST_TEST(ann.ask(R"({"type":"fail","room":"sum:1","id":"f"})").code() == "internal");
      ann.say("sum:1", "\"after the restart\"");
      ann.close();
    }
    const auto report = check(where);
    BOOST_TEST_INFO(text_of(report));
    BOOST_TEST(report.exit_code() == 0);
    BOOST_TEST(report.activations == 2u);
    BOOST_TEST(report.matched >= 66u);
    BOOST_TEST(report.not_replayable == 0u);
    BOOST_TEST(report.notes.empty());
    const auto changed = check(where, 2);
    BOOST_TEST(changed.exit_code() == 1);
    BOOST_TEST(changed.first->input.find("message say of ") == 0u);
    BOOST_TEST(changed.notes.at(0).find("\"v1\"") != std::string::npos);
    check_intact(where);
  }
}

BOOST_AUTO_TEST_CASE(a_member_that_comes_back_and_a_room_that_sleeps_run_again) {
  data_scratch where;
  auto settings = audited(audit_level::full);
  settings.rooms.idle_timeout = milliseconds{1};
  {
    const auto w = start(where, settings, adders());
    auto ann = w->connect("ann", 0);
    ann.join("sum:1", R"({"state":1})");
    ann.say("sum:1", "1");
    ann.drop();
    auto again = w->connect("ann", 1);
    again.ask(R"({"type":"session:resume","id":"r","payload":{"session":")" + ann.session() + "\"}}");
    again.ask(R"({"type":"presence:update","room":"sum:1","id":"p","payload":{"state":2}})");
    again.join("sum:1", R"({"state":3})"); // once more: another state, and no hook
    again.say("sum:1", "2");
    again.close();
    while (ends(audit_of(where)) == 0) // it sleeps
      std::this_thread::yield();
    auto bob = w->connect("bob");
    bob.join("sum:1");
    BOOST_TEST(bob.say("sum:1", "3").payload().as_int().value_or(0) == 3);
    bob.close();
    while (ends(audit_of(where)) == 1)
      std::this_thread::yield();
  }
  const auto report = check(where);
  BOOST_TEST_INFO(text_of(report));
  BOOST_TEST(report.activations == 2u);
  BOOST_TEST(report.matched == 9u); // two starts, two joins, three messages, two leaves
  BOOST_TEST(report.exit_code() == 0);
  BOOST_TEST(ends(audit_of(where)) == 2u);
}

BOOST_AUTO_TEST_CASE(a_room_that_asks_what_is_not_recorded_is_named) {
  data_scratch where;
  {
    const auto w = start(where, audited(audit_level::full), adders());
    auto ann = w->connect("ann");
    ann.join("sum:1");
    ann.say("sum:1", "1");
    ann.ask(R"({"type":"outside","room":"sum:1","id":"o"})");
    ann.say("sum:1", "1");
  }
  const auto report = check(where);
  BOOST_TEST(report.exit_code() == 1);
  BOOST_REQUIRE(report.first.has_value());
  BOOST_TEST(report.first->room == "sum:1");
  BOOST_TEST(report.first->what == "output");
  BOOST_TEST(report.first->input.find("message outside of ") == 0u);
  const auto all = audit_of(where);
  BOOST_TEST((all.at(report.first->index).kind == log::record_kind::room_output));
  BOOST_TEST(all.at(report.first->index).payload.find("\"outside\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(what_was_forgotten_cannot_be_run_again_and_is_no_difference) {
  data_scratch where;
  const std::string secret = "SECRET-4711";
  {
    const auto w = start(where, audited(audit_level::full), adders());
    auto ann = w->connect("ann");
    ann.join("sum:1");
    ann.say("sum:1", "1");
    ann.say("sum:1", '"' + secret + '"', R"(,"privacy":{"subject":"ann"})");
    ann.say("sum:1", "3");
  }
  for (const auto& r : audit_of(where)) {
    BOOST_TEST(r.payload.find(secret) == std::string::npos);
    if (r.subject == "ann") // the step, its output, and what it has published
      BOOST_TEST(!r.key_id.empty());
  }
  const auto before = check(where);
  BOOST_TEST_INFO(text_of(before));
  BOOST_TEST(before.exit_code() == 0);
  BOOST_TEST(before.not_replayable == 0u);
  log::subject_keys keys{log::subject_keys_folder(where.path())};
  const auto gone = keys.forget("ann");
  BOOST_TEST_REQUIRE((gone && *gone));
  const auto after = check(where);
  BOOST_TEST(after.exit_code() == 0);
  BOOST_TEST(after.differing == 0u);
  BOOST_TEST(after.not_replayable >= 2u); // it, and what follows from it
  BOOST_TEST(after.matched == before.matched - after.not_replayable);
  BOOST_TEST(text_of(after).find("what it was given has been forgotten") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(at_metadata_a_room_with_logic_has_no_steps) {
  data_scratch where;
  {
    const auto w = start(where, audited(), adders());
    auto ann = w->connect("ann");
    ann.join("sum:1");
    ann.say("sum:1", "\"hidden\"");
  }
  for (const auto& r : audit_of(where)) {
    BOOST_TEST(r.payload.empty());
    BOOST_TEST((r.kind != log::record_kind::room_step));
    if (r.kind == log::record_kind::room_activated)
      BOOST_TEST(r.code_version == "v1");
  }
  BOOST_TEST(check(where).matched == 0u);
  BOOST_TEST(check(where).exit_code() == 0);
}

BOOST_AUTO_TEST_SUITE_END()
