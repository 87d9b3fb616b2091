// Confidential payloads: sealed wherever they are stored, gone everywhere once their subject is forgotten.

#include "tests/actors/channel_bench.hpp"

#include "actors/audit_journal.hpp"
#include "actors/audit_trail.hpp"
#include "actors/channel_log.hpp"
#include "actors/inbox_name.hpp"
#include "actors/node.hpp"
#include "actors/room_audit.hpp"
#include "runtime/log/verify.hpp"
#include "tests/actors/audit_bench.hpp"
#include "tests/actors/silent_journal.hpp"
#include "tests/log/log_world.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/send.hpp>
#include <caf/typed_event_based_actor.hpp>

#include <algorithm>
#include <chrono>
#include <future>
#include <thread>

using namespace troupe;
using namespace troupe::testing;

namespace {

constexpr std::string_view secret = "TOP-SECRET-4711";

message_ptr about(const std::string& subject, const std::string& id, qos kind = qos::at_least_once) {
  const auto privacy = R"({"subject":")" + subject + R"("})";
  message_fields f;
  f.type = "say";
  f.id = id;
  f.target = target_kind::channel;
  f.target_name = "c";
  const auto payload = '"' + std::string{secret} + id + '"';
  f.payload = payload;
  f.privacy = privacy;
  f.subject = subject;
  f.qos = kind;
  return message::make(f, nullptr, 1'000);
}

/// Files below a folder that hold these bytes.
std::vector<std::string> files_with(const std::filesystem::path& folder, std::string_view bytes) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::recursive_directory_iterator{folder})
    if (entry.is_regular_file() && read_all(entry.path()).find(bytes) != std::string::npos)
      out.push_back(entry.path().filename().string());
  return out;
}

/// A log on a disk, with one channel.
struct sealed_log {
  explicit sealed_log(log::file_ops& ops = log::system_files(), std::string channel = "c")
      : files(ops)
      , name(std::move(channel)) {
    reopen();
    settings.dedupe_messages = 100;
    epoch = open().epoch;
  }
  void reopen() {
    log.reset();
    channel_log::setup how;
    how.folder = where.path();
    how.node = "n";
    auto opened = channel_log::open(how, files);
    if (const auto* why = std::get_if<failure>(&opened))
      BOOST_FAIL(why->message);
    log = std::move(std::get<0>(opened));
  }
  channel_opened open() { return log->open_channel(name, settings, "e1", 1); }
  /// `subjects` of the messages, in order; empty: nobody's.
  channel_log::outcome store(const std::vector<std::string>& subjects, qos kind = qos::at_least_once) {
    auto what = std::make_shared<channel_entries>();
    what->name = name;
    what->epoch = epoch;
    for (const auto& subject : subjects) {
      ++last;
      what->messages.push_back({last, about(subject, "m" + std::to_string(last), kind)});
    }
    log->append(std::move(what), 1);
    return log->commit(true).front();
  }
  channel_found read(bool reverse = false, std::size_t many = 100) {
    channel_log_reader reader{*log};
    return reader.read({name, epoch, {1, 1, last, reverse, many, std::size_t{1} << 20}});
  }
  /// The payloads, "-" for what was forgotten.
  lines payloads(bool reverse = false) {
    log->catch_up_index(); // as the journal does before
    const auto found = read(reverse);
    BOOST_TEST_REQUIRE(!found.why.has_value());
    lines out;
    for (const auto& m : found.messages)
      out.push_back(m.what == nullptr ? "-" : std::string{m.what->payload_text()});
    return out;
  }
  static std::string text(int n) { return '"' + std::string{secret} + "m" + std::to_string(n) + '"'; }

  scratch where;
  log::file_ops& files;
  std::string name;
  std::unique_ptr<channel_log> log;
  channel_settings settings;
  std::string epoch;
  std::uint64_t last = 0;
};

} // namespace

BOOST_AUTO_TEST_SUITE(forgetting_suite)

// -- the log of channels

BOOST_AUTO_TEST_CASE(a_log_holds_no_plaintext_and_gives_it_back_until_it_is_forgotten) {
  sealed_log s;
  BOOST_TEST(s.store({"ann", "bob", "ann"}).stored == 3u);
  BOOST_TEST(files_with(s.where.path(), secret).empty());
  BOOST_TEST(s.payloads() == (lines{s.text(1), s.text(2), s.text(3)}), boost::test_tools::per_element());
  BOOST_TEST(!s.log->forget_subject("ann", 7).has_value());
  BOOST_TEST(s.payloads() == (lines{"-", s.text(2), "-"}), boost::test_tools::per_element());
  BOOST_TEST(s.payloads(true) == (lines{"-", s.text(2), "-"}), boost::test_tools::per_element());
  BOOST_TEST(s.store({"ann"}).stored == 4u); // under a key of its own
  BOOST_TEST(s.payloads() == (lines{"-", s.text(2), "-", s.text(4)}), boost::test_tools::per_element());
  BOOST_TEST(!s.log->forget_subject("nobody", 8).has_value());
  BOOST_TEST(must(log::verify(s.log->folder())).intact());
  std::vector<std::string> forgotten;
  auto at = must(log::cursor::open(s.log->folder(), 0));
  while (at.next() == log::cursor::step::ready)
    if (at.at().what.kind == log::record_kind::forgotten)
      forgotten.emplace_back(at.at().what.subject);
  BOOST_TEST(forgotten == (std::vector<std::string>{"ann", "nobody"}), boost::test_tools::per_element());
}

BOOST_AUTO_TEST_CASE(windows_and_inboxes_pass_over_what_was_forgotten) {
  sealed_log channel;
  channel.store({"ann", "bob"}, qos::once);
  BOOST_TEST(channel.open().window.size() == 2u);
  channel.log->forget_subject("ann", 7);
  const auto window = channel.open().window;
  BOOST_TEST_REQUIRE(window.size() == 1u);
  BOOST_TEST(window.front().offset == 2u);

  sealed_log box{log::system_files(), inbox_name("eve")};
  box.store({"ann", "bob"});
  BOOST_TEST(files_with(box.where.path(), secret).empty());
  box.log->forget_subject("ann", 7);
  const auto newest = box.open().window;
  BOOST_TEST_REQUIRE(newest.size() == 2u);
  BOOST_TEST((newest.front().what == nullptr));
  BOOST_TEST(newest.back().what->payload_text() == box.text(2));
}

BOOST_AUTO_TEST_CASE(a_key_that_cannot_be_stored_refuses_the_message) {
  failing_files ops;
  sealed_log s{ops};
  ops.room = 0;
  const auto refused = s.store({"ann"});
  BOOST_TEST(refused.stored == 0u);
  BOOST_TEST_REQUIRE(refused.why.has_value());
  BOOST_TEST((refused.why->code == error_code::unavailable));
  ops.room = -1;
  BOOST_TEST(files_with(s.where.path(), secret).empty());
}

BOOST_AUTO_TEST_CASE(a_ciphertext_under_a_wrong_key_is_damage_and_is_named) {
  sealed_log s;
  s.store({"ann", "", "ann"});
  std::filesystem::path file;
  for (const auto& entry : std::filesystem::directory_iterator{s.where.path() / "subject-keys"})
    file = entry.path();
  auto bytes = read_all(file);
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  write_over(file, bytes);
  s.reopen();
  for (const bool reverse : {false, true}) { // and costs nobody anything else
    const auto found = s.read(reverse);
    BOOST_TEST_REQUIRE(!found.why.has_value());
    BOOST_TEST_REQUIRE(found.messages.size() == 1u);
    BOOST_TEST(found.messages.front().what->payload_text() == sealed_log::text(2));
    BOOST_TEST_REQUIRE(found.damaged.size() == 2u);
    BOOST_TEST(found.damaged.front().last == (reverse ? 3u : 1u));
    const auto& why = found.damaged_why[reverse ? 1 : 0];
    BOOST_TEST(why.find("record 1: this payload was not encrypted with the key that it names") != std::string::npos);
  }
}

// -- the audit log

namespace {

/// Asks the audit log to forget, and hears whether that lasts.
class asking_journal final : public silent_journal {
public:
  asking_journal(caf::actor_config& cfg, std::promise<bool>& told)
      : silent_journal(cfg)
      , told_(told) {}

private:
  void forgotten(const std::string&, bool lasts) override { told_.set_value(lasts); }

  std::promise<bool>& told_;
};

} // namespace

BOOST_AUTO_TEST_CASE(a_record_that_was_on_its_way_while_its_subject_was_forgotten_has_no_payload) {
  const data_scratch where;
  metrics numbers;
  logger quiet{-1};
  authenticator identities{config{}.auth};
  local_node node{config{}, numbers, quiet, identities};
  node.wall_clock = [] { return wall_ms{5000}; };
  node.keys = std::make_shared<log::subject_keys>(log::subject_keys_folder(where.path()));
  caf::actor_system_config settings;
  caf::actor_system system{settings};
  start_audit(system, node, where.path(), false);
  std::promise<bool> told;
  const auto asker = system.spawn<asking_journal>(std::ref(told));
  caf::anon_send(node.audit_journal, forget_atom::value, std::string{"ann"}, asker);
  BOOST_TEST(told.get_future().get());
  audit_gatherer gatherer{{.bytes_max = 1 << 20, .hand_over = [&](audit_batch_ptr batch) {
                             caf::anon_send(node.audit_journal, std::move(batch));
                           }}};
  for (const std::int64_t at : {4'999'000, 5'001'000}) {
    log::record_view r;
    r.time_us = at;
    r.kind = log::record_kind::message_published;
    r.subject = "ann";
    r.payload = secret;
    gatherer.add(r, audit_level::full);
  }
  gatherer.flush();
  caf::anon_send_exit(asker, caf::exit_reason::user_shutdown);
  stop_audit(system, node);
  node.audit_journal = nullptr;
  std::vector<log::record> said;
  for (const auto& r : audit_of(where))
    if (r.kind == log::record_kind::message_published)
      said.push_back(r);
  BOOST_TEST_REQUIRE(said.size() == 2u);
  BOOST_TEST(said[0].key_id == log::no_key_id);
  BOOST_TEST(said[0].payload.empty());
  BOOST_TEST(said[1].payload.size() == secret.size() + 16);
  BOOST_TEST(files_with(where.path(), secret).empty());
}

// -- channels

BOOST_AUTO_TEST_CASE(who_catches_up_is_told_of_each_stretch_that_was_forgotten) {
  channel_bench s{with(100), 1, 7};
  for (const auto offset : {1, 3, 4, 7})
    s.disk[static_cast<std::uint64_t>(offset)] = nullptr;
  s.join_earliest(1);
  s.read();
  check(s.heard_over_time(1), lines{"ack j at e:0 recovered", "gap forgotten 1-1"} + says(2, 2) +
                                  lines{"gap forgotten 3-4"} + says(5, 6) + lines{"gap forgotten 7-7"});
  BOOST_TEST(s.listener.at(1).live);
  s.ask_history(100);
  s.read();
  BOOST_TEST_REQUIRE(s.heard(1).size() == 1u);
}

BOOST_AUTO_TEST_CASE(what_is_forgotten_as_a_whole_is_one_gap_and_what_was_lost_is_none_of_it) {
  channel_bench all{with(100), 1, 3};
  for (auto& [offset, what] : all.disk)
    what = nullptr;
  all.join_earliest(1);
  all.read();
  check(all.heard_over_time(1), {"ack j at e:0 recovered", "gap forgotten 1-3"});
  BOOST_TEST(all.listener.at(1).live);

  channel_bench some{with(100), 1, 5};
  some.disk[2] = nullptr;
  some.disk.erase(3);
  some.disk[4] = nullptr;
  some.join_earliest(1);
  some.read();
  check(some.heard_over_time(1), lines{"ack j at e:0 recovered"} + says(1, 1) +
                                     lines{"gap forgotten 2-2", "gap lost 3-3", "gap forgotten 4-4"} + says(5, 5));
}

BOOST_AUTO_TEST_CASE(the_ring_of_a_channel_lets_go) {
  channel_bench s{with(100)};
  s.join(1);
  for (int i = 1; i <= 3; ++i) {
    auto op = say_op(9, {}, "1");
    op.message = about(i == 2 ? "ann" : "bob", "m" + std::to_string(i));
    s.home.publish(op, s.now);
  }
  s.store();
  BOOST_TEST(s.heard(1).size() == 4u); // live it comes as it is
  s.home.forget("ann");
  s.join_since(2, 0);
  const auto heard = s.heard_over_time(2);
  BOOST_TEST_REQUIRE(heard.size() == 4u);
  BOOST_TEST(heard[2] == "gap forgotten 2-2");
}

BOOST_AUTO_TEST_CASE(what_was_read_before_its_key_went_is_not_given_after) {
  channel_bench s{with(100), 1, 3};
  s.disk[2] = about("ann", "2");
  s.join_earliest(1);
  s.ask_history(100);
  const auto reads = s.home.take_reads();
  BOOST_TEST_REQUIRE(reads.size() == 2u);
  const auto catch_up = s.look_up(reads[0]);
  const auto history = s.look_up(reads[1]);
  s.home.forget("ann");
  s.home.read_done(reads[0].ticket, catch_up, nullptr, s.now);
  s.home.read_done(reads[1].ticket, history, nullptr, s.now);
  s.read();
  const auto heard = s.heard_over_time(1);
  BOOST_TEST(std::count(heard.begin(), heard.end(), "gap forgotten 2-2") == 1);
  for (const auto& line : heard)
    BOOST_TEST(line.find(secret) == std::string::npos);
  // What is published about them later is given.
  s.disk[2] = about("ann", "later");
  s.join_since(2, 1);
  s.read();
  const auto again = s.heard_over_time(2);
  BOOST_TEST_REQUIRE(again.size() == 3u);
  BOOST_TEST(again[1].find(secret) != std::string::npos);
}

// -- a whole node

namespace {

config confidential() { return audited(audit_level::full); }

std::string saying(const std::string& to, int n) {
  const auto id = std::to_string(n);
  return R"({"type":"say",)" + to + R"(,"id":"m)" + id + R"(","payload":")" + std::string{secret} + "-" + id +
         R"(","privacy":{"subject":"ann"}})";
}

void forget(world& w, const data_scratch& where, const std::string& subject) {
  w.node.forget(subject);
  const log::forget_requests asked{log::subject_keys_folder(where.path())};
  for (int i = 0; asked.has(subject); ++i) {
    BOOST_TEST_REQUIRE(i < 10'000);
    std::this_thread::sleep_for(std::chrono::milliseconds{1});
  }
}

std::size_t count_of(const std::vector<log::record>& all, log::record_kind kind) {
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const auto& r) { return r.kind == kind; }));
}

} // namespace

BOOST_AUTO_TEST_CASE(a_running_node_forgets_in_logs_rings_and_inboxes) {
  data_scratch where;
  {
    const auto w = start(where, confidential());
    auto ann = w->connect("ann", 0);
    auto bob = w->connect("bob", 1);
    const auto joined = bob.join("lobby");
    ann.join("lobby");
    BOOST_TEST(ann.ask(saying(R"("room":"lobby")", 1)).type() == "ack");
    BOOST_TEST(ann.ask(saying(R"("channel":"c","qos":1)", 2)).type() == "ack");
    for (const int n : {3, 4})
      BOOST_TEST(ann.ask(saying(R"("to":{"user":"eve"},"offline":"queue","qos":)" + std::to_string(n - 3), n)).type() ==
                 "ack");
    BOOST_TEST(to_json(bob.until("say").payload()).find(secret) != std::string::npos);
    const auto before = bob.ask(R"({"type":"channel:history","channel":"c","id":"h1"})");
    BOOST_TEST(before.text.find(secret) != std::string::npos);
    forget(*w, where, "ann");
    const auto after = bob.ask(R"({"type":"channel:history","channel":"c","id":"h2"})");
    BOOST_TEST(after.type() == "channel:history");
    BOOST_TEST(after.text.find(secret) == std::string::npos);
    // From rings nothing comes back either.
    auto carl = w->connect("carl", 2);
    const auto since = to_json(joined.payload()["seq"]);
    const auto epoch = to_json(joined.payload()["epoch"]);
    carl.join("lobby", R"({"since":{"epoch":)" + epoch + R"(,"seq":)" + since + "}}");
    carl.ask(R"({"type":"channel:subscribe","channel":"c","id":"s","payload":{"from":"earliest"}})");
    BOOST_TEST(to_json(carl.until("gap").payload()["reason"]) == "\"forgotten\"");
    for (const auto& e : carl.all())
      BOOST_TEST(e.text.find(secret) == std::string::npos);
    auto eve = w->connect("eve", 1);
    const auto gap = eve.until("gap");
    BOOST_TEST(to_json(gap.payload()["reason"]) == "\"forgotten\"");
    BOOST_TEST(to_json(gap.payload()["count"]) == "2");
    eve.until("offline.queue.flushed");
    for (const auto& e : eve.all())
      BOOST_TEST(e.text.find(secret) == std::string::npos);
  }
  BOOST_TEST(files_with(where.path(), secret).empty());
  const auto all = audit_of(where);
  BOOST_TEST(count_of(all, log::record_kind::forgotten) == 1u);
  BOOST_TEST(count_of(all, log::record_kind::message_published) == 1u);
  check_intact(where);
  // And it stays so.
  const auto again = start(where, confidential());
  auto bob = again->connect("bob");
  BOOST_TEST(bob.ask(R"({"type":"channel:history","channel":"c","id":"h"})").text.find(secret) == std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_request_that_outlived_its_node_is_done_at_the_next_start) {
  data_scratch where;
  {
    const auto w = start(where, confidential());
    auto ann = w->connect("ann", 0);
    BOOST_TEST(ann.ask(saying(R"("channel":"c","qos":1)", 1)).type() == "ack");
  }
  log::forget_requests asked{log::subject_keys_folder(where.path())};
  must(asked.put("ann"));
  must(asked.begin("ann")); // it had been begun
  {
    const auto w = start(where, confidential());
    auto bob = w->connect("bob");
    const auto found = bob.ask(R"({"type":"channel:history","channel":"c","id":"h"})");
    BOOST_TEST(found.type() == "channel:history");
    BOOST_TEST(found.text.find(secret) == std::string::npos);
    forget(*w, where, "ann"); // again, behind the first one
  }
  BOOST_TEST(asked.waiting().empty());
  BOOST_TEST(count_of(audit_of(where), log::record_kind::forgotten) == 2u);
}

BOOST_AUTO_TEST_CASE(without_a_log_there_is_nothing_to_forget) {
  world w;
  BOOST_CHECK_THROW(w.node.forget("ann"), std::logic_error);
}

BOOST_AUTO_TEST_SUITE_END()
