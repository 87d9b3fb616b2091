#undef BOOST_TEST_MODULE
#include "runtime/system/config.hpp"

#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <unistd.h>

using namespace troupe;
using namespace std::chrono_literals;

namespace {

/// A file that goes with its test.
class scratch_file {
public:
  explicit scratch_file(const std::string& text) {
    char name[] = "/tmp/troupe-config-XXXXXX";
    const int fd = mkstemp(name);
    BOOST_REQUIRE(fd >= 0);
    close(fd);
    path = name;
    std::ofstream{path} << text;
  }
  ~scratch_file() { std::filesystem::remove(path); }
  std::string path;
};

config good(const config_sources& sources) {
  const auto loaded = load_config(sources);
  if (const auto* errors = std::get_if<config_errors>(&loaded))
    BOOST_FAIL(errors->front());
  return std::get<config>(loaded);
}

config_errors bad(const config_sources& sources) {
  const auto loaded = load_config(sources);
  BOOST_REQUIRE(std::holds_alternative<config_errors>(loaded));
  return std::get<config_errors>(loaded);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

BOOST_AUTO_TEST_SUITE(config_suite)

BOOST_AUTO_TEST_CASE(defaults_hold_together) {
  BOOST_TEST(check_config(config{}).empty());
  BOOST_TEST(compare_config(config{}, good({})).restart.empty());
}

BOOST_AUTO_TEST_CASE(every_type_is_read_from_a_file) {
  const scratch_file file{R"(
loops = 3
listen = ["127.0.0.1:1", "[::1]:2"]
[websocket]
heartbeat = "5m"
compression = true
max_message_bytes = "128KiB"
max_frame_bytes = 2048
inflated_bytes_max = "1MiB"
[limits]
message_rate = "1000/15m"
handshake_rate_per_address = "20/s"
[auth]
default_caps = { "room:chat.*" = "rwp" }
[[rooms.patterns]]
name = "game:*"
overflow = "conflate"
ring_messages = 7
ring_age = "1h"
)"};
  const auto c = good({.file = file.path});
  BOOST_TEST(c.loops == 3u);
  BOOST_TEST(c.listen.size() == 2u);
  BOOST_TEST((c.websocket.heartbeat == 5min));
  BOOST_TEST(c.websocket.compression);
  BOOST_TEST(c.websocket.max_message_bytes == 128u * 1024);
  BOOST_TEST(c.websocket.max_frame_bytes == 2048u);
  BOOST_TEST((c.limits.message_rate == rate{1000, 15min}));
  BOOST_TEST((c.limits.handshake_rate_per_address == rate{20, 1s}));
  BOOST_TEST((c.auth.default_caps == capability_list{{"room:chat.*", "rwp"}}));
  BOOST_TEST((c.rooms.of("game:1").overflow == overflow::conflate));
  BOOST_TEST(c.rooms.of("game:1").ring_messages == 7u);
  BOOST_TEST((c.rooms.of("game:1").ring_age == 1h));
  BOOST_TEST(c.rooms.of("game:1").ring_bytes == limits::ring_bytes_max);
  BOOST_TEST((c.rooms.of("lobby").overflow == overflow::disconnect));
}

BOOST_AUTO_TEST_CASE(who_may_read_and_write_a_channel) {
  const scratch_file file{R"(
[channels]
writers = ["ann", "team-*"]
[[channels.patterns]]
name = "open"
writers = []
[[channels.patterns]]
name = "members.*"
readers = "*"
audit = "off"
)"};
  const auto c = good({.file = file.path}).channels;
  BOOST_TEST(c.may_read("news", std::nullopt));
  BOOST_TEST(c.may_write("news", "ann"));
  BOOST_TEST(c.may_write("news", "team-7"));
  BOOST_TEST(!c.may_write("news", "anna"));
  BOOST_TEST(!c.may_write("news", std::nullopt));
  BOOST_TEST(c.may_write("open", std::nullopt));
  BOOST_TEST(c.may_read("members.1", "bob"));
  BOOST_TEST(!c.may_read("members.1", std::nullopt));
  BOOST_TEST(!c.may_write("members.1", "bob"));
  BOOST_TEST((c.of("members.1").readers == std::vector<std::string>{"*"}));
  BOOST_TEST((c.of("members.1").writers == c.writers));
  BOOST_TEST((c.of("members.1").audit == audit_level::off));
  BOOST_TEST((c.of("news").audit == audit_level::metadata));
  const channel_settings all = config{}.channels;
  BOOST_TEST((all.readers.empty() && all.writers.empty()));
}

BOOST_AUTO_TEST_CASE(every_override_of_a_channel_is_read) {
  const scratch_file file{R"(
[channels]
fsync = "never"
history_age = "168h"
window = 3
credit_bytes = "8MiB"
[[channels.patterns]]
name = "trades.*"
fsync = "interval"
overflow = "drop_newest"
history_messages = 11
history_bytes = "12KiB"
history_age = "13d"
qos_floor = 1
ring_messages = 14
ring_bytes = 15
window = 16
redeliver_after = "17s"
dedupe_messages = 18
idle_timeout = "19s"
[[channels.patterns]]
name = "trades.big"
window = 1
[[rooms.patterns]]
name = "war"
audit = "full"
[rooms]
audit = "off"
[journal]
retention_age = "0s"
retention_bytes = "2GiB"
key = "k.pem"
[offline]
queue_ttl = "1d"
)"};
  const auto c = good({.file = file.path});
  for (const auto* name : {"trades.", "trades.big"}) { // the first that matches counts
    const auto s = c.channels.of(name);
    BOOST_TEST((s.fsync == fsync_policy::interval));
    BOOST_TEST((s.overflow == overflow::drop_newest));
    BOOST_TEST(s.history_messages == 11u);
    BOOST_TEST(s.history_bytes == 12u * 1024);
    BOOST_TEST((s.history_age == 13 * 24h));
    BOOST_TEST(s.qos_floor == 1u);
    BOOST_TEST(s.ring_messages == 14u);
    BOOST_TEST(s.ring_bytes == 15u);
    BOOST_TEST(s.window == 16u);
    BOOST_TEST((s.redeliver_after == 17s));
    BOOST_TEST(s.dedupe_messages == 18u);
    BOOST_TEST((s.idle_timeout == 19s));
  }
  const auto other = c.channels.of("trades");
  BOOST_TEST((other.fsync == fsync_policy::never));
  BOOST_TEST((other.overflow == overflow::spill));
  BOOST_TEST((other.history_age == 7 * 24h));
  BOOST_TEST(other.window == 3u);
  BOOST_TEST(c.channels.credit_bytes == 8u * 1024 * 1024);
  BOOST_TEST((c.rooms.of("war").audit == audit_level::full));
  BOOST_TEST((c.rooms.of("peace").audit == audit_level::off));
  BOOST_TEST((c.journal.retention_age == 0s));
  BOOST_TEST(c.journal.retention_bytes == 2048u * 1024 * 1024);
  BOOST_TEST(c.journal.key == "k.pem");
  BOOST_TEST((c.offline.queue_ttl == 24h));
  BOOST_TEST(has(print_config_toml(c), "history_age = \"13d\""));
}

BOOST_AUTO_TEST_CASE(settings_of_the_audit_log) {
  const scratch_file file{R"([rooms]
audit = "off"
audit_floor = "metadata"
[[rooms.patterns]]
name = "war"
audit = "full"
audit_floor = "full"
[journal]
audit_buffer_bytes = "1MiB"
audit_retention_age = "1d"
audit_retention_bytes = "1GiB"
)"};
  // How a program is told to check is no setting.
  const auto c = good(
      {.file = file.path, .environment = {"TROUPE_REPLAY_CHECK=/data", "TROUPE_REPLAY_FORMAT=json", "TROUPE_TOKEN=x"}});
  BOOST_TEST((c.rooms.of("war").audit == audit_level::full));
  BOOST_TEST((c.rooms.of("war").audit_floor == audit_level::full));
  BOOST_TEST((c.rooms.of("peace").audit == audit_level::off));
  BOOST_TEST((c.rooms.of("peace").audit_floor == audit_level::metadata));
  BOOST_TEST(c.journal.audit_buffer_bytes == 1024u * 1024);
  BOOST_TEST((c.journal.audit_retention_age == 24h));
  BOOST_TEST(c.journal.audit_retention_bytes == 1024u * 1024 * 1024);
}

BOOST_AUTO_TEST_CASE(later_sources_win) {
  const scratch_file file{"[websocket]\nheartbeat = \"1s\"\nbacklog = 1\nidle_timeout = \"1s\"\n"};
  const auto c = good({.file = file.path,
                       .environment = {"TROUPE_WEBSOCKET_BACKLOG=2", "TROUPE_WEBSOCKET_IDLE_TIMEOUT=2s", "HOME=/"},
                       .sets = {"websocket.idle_timeout=3s"}});
  BOOST_TEST((c.websocket.heartbeat == 1s));
  BOOST_TEST(c.websocket.backlog == 2u);
  BOOST_TEST((c.websocket.idle_timeout == 3s));
}

BOOST_AUTO_TEST_CASE(flags_take_lists_tables_and_toml) {
  const auto c = good({.sets = {"http.trusted_proxies=10.0.0.0/8,::1", "auth.default_caps=room:a*=rw,user:*=w",
                                "websocket.paths=[\"/x\"]", "rooms.patterns=[{name = \"a*\", ring_bytes = \"4KiB\"}]",
                                "limits.message_rate=off", "websocket.origins="}});
  BOOST_TEST(c.http.trusted_proxies.size() == 2u);
  BOOST_TEST((c.auth.default_caps == capability_list{{"room:a*", "rw"}, {"user:*", "w"}}));
  BOOST_TEST(c.websocket.paths.front() == "/x");
  BOOST_TEST(c.rooms.of("abc").ring_bytes == 4096u);
  BOOST_TEST(!c.limits.message_rate.limited());
  BOOST_TEST(c.websocket.origins.empty());
  BOOST_TEST(good({.sets = {"listen=[::1]:5"}}).listen.front() == "[::1]:5");
}

BOOST_AUTO_TEST_CASE(texts_may_stand_in_quotes_as_in_toml) {
  const auto c =
      good({.environment = {"TROUPE_DATA='/tmp/its'", "TROUPE_AUTH_ISSUER='a \"b\"'"},
            .sets = {"rooms.audit=\"off\"", "websocket.heartbeat='10s'", "websocket.compression_min_bytes=\"8KiB\"",
                     "limits.message_rate='7/s'", "websocket.paths=\"/a,b\", '/c'", "auth.audience=\"tab\\t\"",
                     "auth.default_caps=\"room:a,*\" = 'rw', 'user:*'=\"w\""}});
  BOOST_TEST((c.auth.default_caps == capability_list{{"room:a,*", "rw"}, {"user:*", "w"}}));
  BOOST_TEST((c.rooms.audit == audit_level::off));
  BOOST_TEST((c.websocket.heartbeat == 10s));
  BOOST_TEST(c.websocket.compression_min_bytes == 8192u);
  BOOST_TEST(c.limits.message_rate.count == 7u);
  BOOST_TEST((c.websocket.paths == std::vector<std::string>{"/a,b", "/c"}));
  BOOST_TEST(c.auth.audience == "tab\t");
  BOOST_TEST(c.auth.issuer == "a \"b\"");
  BOOST_TEST(c.data == "/tmp/its");
  BOOST_TEST(has(bad({.environment = {"TROUPE_DATA='/tmp/it''s'"}}).front(), "begins with a quote"));
  BOOST_TEST(has(bad({.sets = {"rooms.audit=\"of\""}}).front(), "rooms.audit: \"of\" must be one of off"));
  BOOST_TEST(has(bad({.sets = {"websocket.heartbeat=\"ten\""}}).front(), "\"ten\" is not a duration"));
  BOOST_TEST(has(bad({.sets = {"loops=\"2\""}}).front(), "\"2\" is not a whole number"));
}

BOOST_AUTO_TEST_CASE(errors_name_line_key_and_a_near_key) {
  const scratch_file file{
      "loops = 1\n\n[websocket]\nhearbeat = \"1s\"\nbacklog = 0\nhandshake_timeout = \"9 parsecs\"\n"
      "[rooms]\npatterns = [{name = \"a\", ring_mesages = 1}]\n[nonsense]\nx = 1\n"};
  const auto errors = bad({.file = file.path});
  BOOST_REQUIRE(errors.size() == 5u);
  const auto find = [&](const std::string& part) {
    for (const auto& e : errors)
      if (has(e, part))
        return e;
    BOOST_FAIL("no error with " + part);
    return std::string{};
  };
  BOOST_TEST(has(find("hearbeat"), file.path + ":4: "));
  BOOST_TEST(has(find("hearbeat"), "did you mean websocket.heartbeat?"));
  BOOST_TEST(has(find("backlog"), file.path + ":5: websocket.backlog: must be from 1 to 65535"));
  BOOST_TEST(has(find("parsecs"), ":6: websocket.handshake_timeout: \"9 parsecs\" is not a duration"));
  BOOST_TEST(has(find("ring_mesages"), ":8: rooms.patterns: "));
  BOOST_TEST(has(find("nonsense"), ":9: unknown key nonsense"));
}

BOOST_AUTO_TEST_CASE(errors_in_patterns_name_the_line_of_what_is_wrong) {
  const auto error_of = [](const std::string& pattern) {
    const scratch_file file{"[[channels.patterns]]\nname = \"good*\"\nwindow = 2\n\n" + pattern};
    auto error = bad({.file = file.path}).front();
    BOOST_REQUIRE(error.substr(0, file.path.size() + 1) == file.path + ":");
    return error.substr(file.path.size() + 1);
  };
  BOOST_TEST(error_of("[[channels.patterns]]\nname = \"a\"\nwindow = 0\n") ==
             "7: channels.patterns: window: must be from 1 to 100000");
  BOOST_TEST(error_of("[[channels.patterns]]\nname = \"a\"\nfsync = \"often\"\n") ==
             "7: channels.patterns: fsync: \"often\" must be one of always, interval, never");
  BOOST_TEST(error_of("[[channels.patterns]]\nname = \"a\"\ncredit_bytes = 4096\n") ==
             "7: channels.patterns: has no key \"credit_bytes\"; a pattern may set name, fsync, overflow, "
             "history_messages, history_bytes, history_age, qos_floor, ring_messages, ring_bytes, window, "
             "redeliver_after, dedupe_messages, idle_timeout, readers, writers, audit");
  BOOST_TEST(error_of("[[channels.patterns]]\nwindow = 1\n") ==
             "5: channels.patterns: needs a \"name\": a whole name, or a prefix followed by \"*\"");
  BOOST_TEST(error_of("[[rooms.patterns]]\nname = \"a\"\naudit = \"some\"\n") ==
             "7: rooms.patterns: audit: \"some\" must be one of off, metadata, full");
  BOOST_TEST(error_of("[[rooms.patterns]]\nname = \"a\"\noverflow = \"spill\"\n") ==
             "7: rooms.patterns: overflow: \"spill\" must be one of disconnect, drop_oldest, drop_newest, conflate");
}

BOOST_AUTO_TEST_CASE(syntax_errors_and_missing_files_are_named) {
  const scratch_file file{"loops = 1\nlisten = [\n"};
  const auto errors = bad({.file = file.path});
  BOOST_REQUIRE(errors.size() == 1u);
  BOOST_TEST(has(errors.front(), file.path + ":"));
  BOOST_TEST(has(bad({.file = "/nonexistent/x.toml"}).front(),
                 "/nonexistent/x.toml: cannot be read: No such file or directory"));
  BOOST_TEST(bad({.file = "/tmp"}).front() == "/tmp: cannot be read: Is a directory");
}

BOOST_AUTO_TEST_CASE(variables_and_flags_are_named_in_errors) {
  BOOST_TEST(has(bad({.environment = {"TROUPE_HTTP_TRUSTED_PROXYS=::1"}}).front(),
                 "environment TROUPE_HTTP_TRUSTED_PROXYS: unknown key; did you mean TROUPE_HTTP_TRUSTED_PROXIES?"));
  BOOST_TEST(
      has(bad({.environment = {"TROUPE_LOOPS=many"}}).front(), "environment TROUPE_LOOPS: loops: \"many\" is not"));
  BOOST_TEST(
      has(bad({.sets = {"log.level=loud"}}).front(), "--set log.level=loud: log.level: \"loud\" must be one of"));
  BOOST_TEST(has(bad({.sets = {"loops"}}).front(), "must be key=value"));
  BOOST_TEST(has(bad({.sets = {"rooms.heartbeat=1s"}}).front(), "did you mean websocket.heartbeat?"));
  BOOST_TEST(has(bad({.sets = {"channel.overflow=spill"}}).front(), "did you mean channels.overflow?"));
  BOOST_TEST(has(bad({.sets = {"rooms.fsync=always"}}).front(), "did you mean channels.fsync?"));
}

BOOST_AUTO_TEST_CASE(bad_values_are_refused) {
  for (const std::string set : {"listen=8080",
                                "listen=localhost:80",
                                "listen=127.0.0.1:65536",
                                "listen=",
                                "websocket.paths=ws",
                                "websocket.origins=example.org",
                                "websocket.origins=https://a/b",
                                "websocket.origins=https://a b",
                                "websocket.origins=https://a.b,\"https://c.d\"",
                                "websocket.origins=\"https://a.b\"] garbage [",
                                "http.trusted_proxies=10.0.0.0/33",
                                "http.trusted_proxies=proxy",
                                "auth.default_caps=room:*=x",
                                "auth.default_caps=rooms:*=r",
                                "auth.default_caps=room:*",
                                "limits.message_rate=0/s",
                                "limits.message_rate=5",
                                "limits.message_rate=5/0s",
                                "websocket.heartbeat=25",
                                "websocket.heartbeat=-1s",
                                "websocket.heartbeat=99999999999999999999h",
                                "websocket.heartbeat=9000000000000000h",
                                "websocket.max_message_bytes=64MB",
                                "websocket.max_message_bytes=1B",
                                "websocket.compression=maybe",
                                "loops=-1",
                                "loops=1.5",
                                "loops=1\nlisten=[]",
                                "rooms.overflow=spill",
                                "node.name=a b",
                                "node.name=",
                                "data=",
                                "rooms.patterns=[{ring_bytes = 1}]",
                                "rooms.patterns=[{name = \"a*b\"}]",
                                "rooms.patterns=[{name = \"a\", fsync = \"always\"}]",
                                "rooms.audit=all",
                                "channels.fsync=",
                                "channels.overflow=block",
                                "channels.audit=full",
                                "channels.readers=a*b",
                                "channels.history_messages=0",
                                "channels.history_age=7",
                                "channels.history_age=1w",
                                "channels.history_age=0s",
                                "channels.qos_floor=2",
                                "channels.window=0",
                                "channels.window=100001",
                                "channels.credit_bytes=32KiB",
                                "channels.patterns=x",
                                "channels.patterns=[{name = \"a\", audit = \"full\"}]",
                                "channels.patterns=[{name = \"a\", history_age = 5}]",
                                "limits.channels=0",
                                "journal.segment_bytes=1KiB",
                                "journal.segment_bytes=2GiB",
                                "journal.sync_interval=0s",
                                "journal.checkpoint_records=0",
                                "journal.retention_age=-1d",
                                "journal.store_cache_bytes=0B",
                                "offline.queue_messages=0",
                                "offline.queue_ttl=0s",
                                "tls.certificate=x",
                                "supervision.backoff_min=31s",
                                "websocket.max_frame_bytes=1MiB",
                                "limits.outbox_bytes=8KiB"})
    BOOST_TEST(std::holds_alternative<config_errors>(load_config({.sets = {set}})), set);
}

BOOST_AUTO_TEST_CASE(what_is_printed_reads_back) {
  config c;
  c.node.name = "berlin-1";
  c.websocket.heartbeat = 1500ms;
  c.websocket.origins = {"https://a.example", "*"};
  c.tls.certificate = "we\"ird\\\n.pem";
  c.tls.key = "k";
  c.limits.message_rate = {5, 90s};
  c.limits.park_bytes = 100'001;
  c.auth.default_caps = {};
  c.rooms.patterns = {{.name = "a*", .overflow = overflow::drop_oldest, .ring_age = 3s},
                      {.name = "b", .ring_messages = 0, .audit = audit_level::off}};
  c.rooms.audit = audit_level::full;
  c.channels.overflow = overflow::conflate;
  c.channels.history_age = 36h;
  c.channels.patterns = {{.name = "c*",
                          .fsync = fsync_policy::interval,
                          .overflow = overflow::spill,
                          .history_messages = 1,
                          .history_bytes = 5000,
                          .history_age = 48h,
                          .qos_floor = 1,
                          .ring_messages = 0,
                          .ring_bytes = 0,
                          .window = 1,
                          .redeliver_after = 1500ms,
                          .dedupe_messages = 0,
                          .idle_timeout = 100ms,
                          .readers = std::vector<std::string>{},
                          .writers = std::vector<std::string>{"ann", "b*"},
                          .audit = audit_level::off},
                         {.name = "d"}};
  c.limits.channels = 5;
  c.journal.retention_age = 0ms;
  c.journal.retention_bytes = 1;
  c.journal.key = "/etc/\"k\"";
  c.offline.queue_ttl = 90s;
  const scratch_file file{print_config_toml(c)};
  const auto back = good({.file = file.path});
  BOOST_TEST(print_config_toml(back) == print_config_toml(c));
  const auto changes = compare_config(c, back);
  BOOST_TEST(changes.restart.empty());
  BOOST_TEST(changes.reloadable.empty());
}

BOOST_AUTO_TEST_CASE(printed_defaults_change_nothing) {
  const scratch_file file{print_config_toml(config{})};
  const auto changes = compare_config(config{}, good({.file = file.path}));
  BOOST_TEST(changes.restart.empty());
  BOOST_TEST(changes.reloadable.empty());
}

BOOST_AUTO_TEST_CASE(reload_takes_only_what_it_can) {
  config after;
  after.loops = 7;
  after.log.level = "debug";
  const auto changes = compare_config(config{}, after);
  BOOST_TEST((changes.restart == std::vector<std::string>{"loops"}));
  BOOST_TEST((changes.reloadable == std::vector<std::string>{"log.level"}));
  const auto merged = merge_reload(config{}, after);
  BOOST_TEST(merged.loops == 0u);
  BOOST_TEST(merged.log.level == "debug");
}

BOOST_AUTO_TEST_CASE(zero_means_one_per_core) {
  config c;
  BOOST_TEST(loop_count(c) >= 1u);
  BOOST_TEST(scheduler_threads(c) >= 2u);
  c.loops = 5;
  BOOST_TEST(loop_count(c) == 5u);
}

BOOST_AUTO_TEST_CASE(listen_addresses_split) {
  BOOST_TEST(parse_listen_address("[::1]:80")->host == "::1");
  BOOST_TEST(parse_listen_address(":80")->host == "0.0.0.0");
  BOOST_TEST(parse_listen_address("1.2.3.4:0")->port == 0u);
  BOOST_TEST(!parse_listen_address("::1:80").has_value());
  BOOST_TEST(!parse_listen_address("1.2.3.4:").has_value());
}

BOOST_AUTO_TEST_CASE(no_text_breaks_the_reader) {
  const auto seed = std::random_device{}();
  BOOST_TEST_MESSAGE("seed " << seed);
  std::mt19937 random{seed};
  const std::string letters = "\"'[]{}=,.\n#0123456789abskKiB/*-\\\x01\xff";
  const std::string keys[] = {
      "listen", "auth.default_caps", "rooms.patterns", "channels.patterns", "limits.message_rate", "loops", "data"};
  for (int i = 0; i < 3000; ++i) {
    std::string text = keys[random() % std::size(keys)] + "=";
    for (auto n = random() % 12; n > 0; --n)
      text += letters[random() % letters.size()];
    const auto loaded = load_config({.sets = {text}});
    if (const auto* c = std::get_if<config>(&loaded))
      BOOST_TEST(check_config(*c).empty(), text << " with seed " << seed);
  }
}

BOOST_AUTO_TEST_CASE(the_page_of_the_documentation_is_current) {
  std::ifstream in{TROUPE_SOURCE_DIR "/docs/configuration.md"};
  const std::string page{std::istreambuf_iterator<char>{in}, {}};
  BOOST_TEST((page == print_config_markdown()),
             "docs/configuration.md is not what `trouped --print-config --format markdown` prints");
}

BOOST_AUTO_TEST_SUITE_END()
