#pragma once

#include "runtime/model/limits.hpp"
#include "runtime/system/config_targets.hpp"

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

/// So many of something in a span of time; written "1000/15m", "10000/s" or "off".
struct rate {
  std::uint64_t count = 0; ///< 0: no limit.
  milliseconds per{1000};

  bool limited() const noexcept { return count != 0; }
  friend bool operator==(const rate&, const rate&) = default;
};

/// Pairs of a pattern and its rights, as in a token's `caps`: {"room:chat.*", "rwp"}.
using capability_list = std::vector<std::pair<std::string, std::string>>;

/// Everything that an operator can set. A member is named like its key: `websocket.heartbeat` of a file is
/// `cfg.websocket.heartbeat`. The defaults here are the defaults; meanings, bounds and whether a reload
/// applies them stand in the table of config.cpp, from which docs/configuration.md is generated.
struct config {
  struct {
    std::string name = "node-1";
  } node;

  std::size_t loops = 0; ///< 0: one per core, see `loop_count`.
  std::vector<std::string> listen{"127.0.0.1:8080"};
  std::string data = "./data";

  struct {
    std::vector<std::string> paths{"/realtime", "/ws"};
    bool compression = false;
    std::size_t compression_min_bytes = 512;
    std::size_t inflated_bytes_max = limits::message_bytes_max;
    std::size_t max_message_bytes = limits::message_bytes_max;
    std::size_t max_frame_bytes = limits::message_bytes_max;
    milliseconds handshake_timeout{10'000};
    milliseconds heartbeat{25'000};
    milliseconds idle_timeout{0}; ///< 0: off.
    std::vector<std::string> origins;
    std::size_t backlog = 1024;
  } websocket;

  struct {
    std::string certificate;
    std::string key;
    bool enabled() const noexcept { return !certificate.empty(); }
  } tls;

  struct {
    std::vector<std::string> trusted_proxies; ///< Addresses or CIDR blocks, valid.
    std::size_t max_header_bytes = 16 * 1024;
    milliseconds idle_timeout{60'000};
    milliseconds request_timeout{30'000};
  } http;

  struct {
    std::size_t connections = 100'000;
    std::size_t connections_per_address = 20'000;
    rate message_rate{10'000, milliseconds{1000}};
    std::size_t rate_limited_seconds = troupe::limits::rate_limited_seconds_max;
    rate handshake_rate_per_address{};
    std::size_t park_messages = troupe::limits::park_messages_max;
    std::size_t park_bytes = troupe::limits::park_bytes_max;
    milliseconds park_wait{troupe::limits::park_wait_ms_max};
    std::size_t outbox_messages = 4096;
    std::size_t outbox_bytes = 1024 * 1024;
    std::size_t control_messages = 1024;
    std::size_t presence_state_bytes = 4096;
    std::size_t rooms_per_connection = 1000;
    std::size_t rooms_per_user = 10'000;
    std::size_t detached_sessions_per_user = 16;
    std::size_t detached_sessions_per_address = 20'000;
    std::size_t rooms = 1'000'000;
    std::size_t channels = 1'000'000;
    std::size_t channels_per_user = 100'000;
    std::size_t channels_per_address = 100'000;
    std::size_t inboxes = 100'000;
    std::size_t inbox_bytes = 256 * 1024 * 1024;
  } limits;

  struct {
    milliseconds resume_window{30'000};
  } session;

  struct rooms_section : room_settings {
    std::size_t credit_messages = 256;
    std::size_t credit_bytes = 1024 * 1024;
    std::size_t dedupe_messages = 1024;
    std::vector<room_pattern> patterns;

    /// The settings of the room with this name.
    room_settings of(std::string_view name) const;
  } rooms;

  struct {
    audit_level audit = audit_level::metadata; ///< Never `full`.
  } direct;                                    ///< Messages to users and connections.

  struct channels_section : channel_settings {
    std::size_t credit_messages = 4096;
    std::size_t credit_bytes = 4 * 1024 * 1024;
    std::vector<channel_pattern> patterns;

    /// The settings of the channel with this name.
    channel_settings of(std::string_view name) const;
    /// Whether its `readers` have this user (nothing: an anonymous one), or are everybody.
    bool may_read(std::string_view name, const std::optional<std::string>& user) const noexcept;
    bool may_write(std::string_view name, const std::optional<std::string>& user) const noexcept;
  } channels;

  struct {
    std::size_t segment_bytes = 64 * 1024 * 1024;
    milliseconds sync_interval{1000};
    std::size_t checkpoint_records = 10'000;
    milliseconds checkpoint_interval{60'000};
    milliseconds retention_age{30LL * 24 * 3600 * 1000}; ///< 0: for ever.
    std::size_t retention_bytes = 0;                     ///< 0: no bound.
    std::string key;                                     ///< Empty: `log.key` in the folder `data`.
    std::size_t store_cache_bytes = 32 * 1024 * 1024;
    std::size_t audit_buffer_bytes = 4 * 1024 * 1024;
    milliseconds audit_retention_age{30LL * 24 * 3600 * 1000}; ///< 0: for ever.
    std::size_t audit_retention_bytes = 0;                     ///< 0: no bound.
    std::size_t index_lag_bytes = 64 * 1024 * 1024;
  } journal;

  struct {
    std::size_t queue_messages = 1000;
    std::size_t queue_bytes = 16 * 1024 * 1024;
    milliseconds queue_ttl{300'000};
    milliseconds redeliver_after{30'000};
  } offline;

  struct auth_section {
    std::vector<std::string> keys; ///< Files; none: keyless.
    std::string audience;
    std::string issuer;
    capability_list default_caps{{"channel:*", "rw"}, {"room:*", "rwp"}, {"user:*", "w"}};
    milliseconds leeway{30'000};
    milliseconds timeout{10'000};
  } auth;

  struct {
    std::size_t restarts_max = 10;
    milliseconds restart_window{60'000};
    milliseconds backoff_min{100};
    milliseconds backoff_max{30'000};
  } supervision;

  struct {
    std::size_t threads = 0; ///< 0: one per core, at least two; see `scheduler_threads`.
  } scheduler;

  struct {
    std::size_t queue_max = 1024;
  } handlers;

  struct {
    milliseconds drain{10'000};
    milliseconds jitter{5'000};
  } shutdown;

  struct {
    std::string level = "info";
    std::string format = "text";
  } log;
};

/// How many loops to start: `loops`, or one per core that the process may use (sched_getaffinity(2)).
std::size_t loop_count(const config& settings) noexcept;

/// How many threads CAF's scheduler gets: `scheduler.threads`, or one per core, at least two.
std::size_t scheduler_threads(const config& settings) noexcept;

/// An address to listen on, split: "127.0.0.1:8080", "[::1]:8080", ":8080" (every address).
struct listen_address {
  std::string host;       ///< A numeric address; "0.0.0.0" where none was given.
  std::uint16_t port = 0; ///< 0: the system chooses.
};
std::optional<listen_address> parse_listen_address(std::string_view text);

/// Where settings come from. Later ones win: defaults, file, environment, `sets`.
struct config_sources {
  std::string file{};                     ///< Path of a TOML file; empty: none.
  std::vector<std::string> environment{}; ///< "NAME=value"; only names that begin with TROUPE_ count.
  std::vector<std::string> sets{};        ///< "key=value", as given to `--set`.
};

/// Each is one line that names its source (file:line, variable or flag), the key and what is wrong.
using config_errors = std::vector<std::string>;

/// Reads all sources and checks every bound. Reports every error that it finds, not only the first.
std::variant<config, config_errors> load_config(const config_sources& sources);

/// What cannot hold together whatever the source, for example a certificate without its key.
config_errors check_config(const config& settings);

/// Every key with its value, default and meaning, as TOML that `load_config` reads back to the same settings.
std::string print_config_toml(const config& settings);

/// Every key with its default and meaning, as a page of Markdown: docs/configuration.md.
std::string print_config_markdown();

/// How `before` and `after` differ, by key.
struct config_changes {
  std::vector<std::string> reloadable; ///< These apply at once.
  std::vector<std::string> restart;    ///< These only when the process starts again.
};
config_changes compare_config(const config& before, const config& after);

/// `after` with every key that a reload cannot apply kept as in `before`.
config merge_reload(const config& before, const config& after);

} // namespace troupe
