#include "runtime/system/config_keys.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <fmt/format.h>
#include <iterator>

namespace troupe::settings {

namespace {

constexpr std::int64_t kib = 1024;
constexpr std::int64_t mib = 1024 * kib;
constexpr std::int64_t tib = 1024 * 1024 * mib;
constexpr std::int64_t second = 1000;
constexpr std::int64_t hour = 3600 * second;
constexpr std::int64_t day = 24 * hour;
constexpr bool reloads = true;
constexpr bool restarts = false;

bool all_of(std::string_view text, std::string_view allowed) {
  return text.find_first_not_of(allowed) == std::string_view::npos;
}

constexpr std::string_view name_characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-";

complaint check_node_name(std::string_view text) {
  if (text.empty() || text.size() > 64 || !all_of(text, name_characters))
    return "must be 1 to 64 of A-Z a-z 0-9 _ . -";
  return {};
}

complaint check_listen(std::string_view text) {
  if (!parse_listen_address(text))
    return R"(must be a numeric address and a port, such as "127.0.0.1:8080" or "[::1]:8080")";
  return {};
}

complaint check_not_empty(std::string_view text) {
  if (text.empty())
    return "must not be empty";
  return {};
}

complaint check_path(std::string_view text) {
  if (text.empty() || text.front() != '/' || text.find_first_of(" ?#") != std::string_view::npos)
    return R"(must be a path that begins with "/", without query)";
  return {};
}

complaint check_origin(std::string_view text) {
  const auto colon = text.find("://");
  if (text == "*")
    return {};
  if (colon == std::string_view::npos || colon == 0 || colon + 3 >= text.size() ||
      text.find('/', colon + 3) != std::string_view::npos || text.find_first_of(" \t\r\n\"'") != std::string_view::npos)
    return R"(must be an origin such as "https://example.org" or "*")";
  return {};
}

complaint check_network(std::string_view text) {
  const auto slash = text.find('/');
  const std::string address{text.substr(0, slash)};
  unsigned char bytes[16];
  const bool v4 = inet_pton(AF_INET, address.c_str(), bytes) == 1;
  const bool v6 = !v4 && inet_pton(AF_INET6, address.c_str(), bytes) == 1;
  bool good = v4 || v6;
  if (good && slash != std::string_view::npos) {
    const auto digits = text.substr(slash + 1);
    unsigned bits = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
    good = error == std::errc{} && end == digits.data() + digits.size() && bits <= (v4 ? 32u : 128u);
  }
  if (!good)
    return R"(must be an address or a block such as "10.0.0.0/8")";
  return {};
}

template <std::size_t N>
complaint check_choice(std::string_view text, const std::string_view (&choices)[N]) {
  if (std::find(std::begin(choices), std::end(choices), text) != std::end(choices))
    return {};
  return fmt::format("must be one of {}", fmt::join(choices, ", "));
}

complaint check_overflow(std::string_view text) {
  std::string_view choices[std::size(overflows)];
  std::transform(std::begin(overflows), std::end(overflows), std::begin(choices),
                 [](overflow o) { return to_string(o); });
  return check_choice(text, choices);
}

complaint check_room_overflow(std::string_view text) {
  std::string_view choices[std::size(overflows) - 1];
  std::transform(std::begin(overflows) + 1, std::end(overflows), std::begin(choices),
                 [](overflow o) { return to_string(o); });
  return check_choice(text, choices);
}

complaint check_audit(std::string_view text) { return check_choice(text, audit_levels); }

complaint check_fsync(std::string_view text) { return check_choice(text, fsync_policies); }

complaint check_level(std::string_view text) {
  static constexpr std::string_view choices[] = {"debug", "info", "warn", "error", "off"};
  return check_choice(text, choices);
}

complaint check_format(std::string_view text) {
  static constexpr std::string_view choices[] = {"text", "json"};
  return check_choice(text, choices);
}

complaint check_channel_audit(std::string_view text) {
  static constexpr std::string_view choices[] = {"off", "metadata"};
  return check_choice(text, choices);
}

complaint check_user_pattern(std::string_view text) {
  const auto star = text.find('*');
  if (text.empty() || (star != std::string_view::npos && star + 1 != text.size()))
    return R"(must be a user's id, or what it begins with followed by "*")";
  return {};
}

#define AT(member) [](config& c) -> field { return &c.member; }

const key table[] = {
    {"loops", AT(loops),
     "Threads that own sockets and the actors of their connections; 0: one per core that the process may use.",
     restarts, unit::none, 0, 1024},
    {"listen", AT(listen),
     "Addresses to listen on, for WebSocket and HTTP. Any that is not loopback needs `auth.keys`.", restarts,
     unit::none, 1, 64, check_listen},
    {"data", AT(data), "Folder for what outlives the process. Made with mode 0700 where it is missing.", restarts,
     unit::none, 0, 0, check_not_empty},

    {"node.name", AT(node.name), "Name of this node: in `hello`, presence and metrics; unique in a cluster.", restarts,
     unit::none, 0, 0, check_node_name},

    {"websocket.paths", AT(websocket.paths), "Paths that accept WebSocket connections.", restarts, unit::none, 1, 64,
     check_path},
    {"websocket.compression", AT(websocket.compression),
     "Offer permessage-deflate (RFC 7692). Costs memory and time for each connection.", restarts},
    {"websocket.compression_min_bytes", AT(websocket.compression_min_bytes),
     "Messages shorter than this are sent uncompressed.", restarts, unit::bytes, 0, 16 * mib},
    {"websocket.inflated_bytes_max", AT(websocket.inflated_bytes_max),
     "Longest message after inflating; a longer one closes the connection with 1009.", restarts, unit::bytes, 1 * kib,
     64 * mib},
    {"websocket.max_message_bytes", AT(websocket.max_message_bytes),
     "Longest message from a client; a longer one closes the connection with 1009.", restarts, unit::bytes, 1 * kib,
     64 * mib},
    {"websocket.max_frame_bytes", AT(websocket.max_frame_bytes),
     "Longest frame from a client; a longer one closes the connection with 1009.", restarts, unit::bytes, 1 * kib,
     64 * mib},
    {"websocket.handshake_timeout", AT(websocket.handshake_timeout),
     "Time from accepting a connection to the end of its TLS and HTTP handshake.", restarts, unit::none, 100, hour},
    {"websocket.heartbeat", AT(websocket.heartbeat),
     "A client that was silent this long gets a ping; after twice that it is closed with 3009.", restarts, unit::none,
     100, hour},
    {"websocket.idle_timeout", AT(websocket.idle_timeout),
     "A client that sends no message (pongs do not count) for this long is closed with 1001; 0: never.", restarts,
     unit::none, 0, 24 * hour},
    {"websocket.origins", AT(websocket.origins),
     "Origins that browsers may connect from; `*`: any; empty: only the host that they connect to.", restarts,
     unit::none, 0, 1024, check_origin},
    {"websocket.backlog", AT(websocket.backlog),
     "Connections that the kernel holds before they are accepted (listen(2)).", restarts, unit::none, 1, 65535},

    {"tls.certificate", AT(tls.certificate),
     "PEM file with the certificate chain; empty: no TLS. The file's content is read again on a reload.", restarts},
    {"tls.key", AT(tls.key),
     "PEM file with the certificate's private key. The file's content is read again on a reload.", restarts},

    {"http.trusted_proxies", AT(http.trusted_proxies),
     "Addresses or blocks of proxies whose `X-Forwarded-For` and `Forwarded` count.", restarts, unit::none, 0, 1024,
     check_network},
    {"http.max_header_bytes", AT(http.max_header_bytes), "Longest request head; a longer one is answered with 431.",
     restarts, unit::bytes, 1 * kib, 1 * mib},
    {"http.idle_timeout", AT(http.idle_timeout), "Time that a kept-alive connection may wait for its next request.",
     restarts, unit::none, 100, hour},
    {"http.request_timeout", AT(http.request_timeout),
     "Time that a request may take from its first byte to its answer's last.", restarts, unit::none, 100, hour},

    {"limits.connections", AT(limits.connections), "Connections to this node; one more is answered with 503.", restarts,
     unit::none, 1, 10'000'000},
    {"limits.connections_per_address", AT(limits.connections_per_address),
     "Connections from one address; one more is answered with 429.", restarts, unit::none, 1, 10'000'000},
    {"limits.message_rate", AT(limits.message_rate),
     "Messages from one connection; past it `rate_limited`, and in the end 3029.", restarts},
    {"limits.rate_limited_seconds", AT(limits.rate_limited_seconds),
     "Seconds in a row with more than `limits.message_rate` that are borne; one more closes with 3029.", restarts,
     unit::none, 0, 3600},
    {"limits.handshake_rate_per_address", AT(limits.handshake_rate_per_address),
     "New connections from one address; past it they are answered with 429.", restarts},
    {"limits.park_messages", AT(limits.park_messages),
     "Messages without credit that wait at their connection; a full park stops reading from the client.", restarts,
     unit::none, 1, 65536},
    {"limits.park_bytes", AT(limits.park_bytes), "Bytes that wait so.", restarts, unit::bytes, 1 * kib, 64 * mib},
    {"limits.park_wait", AT(limits.park_wait), "A message that waits longer is answered with `unavailable`.", restarts,
     unit::none, 10, hour},
    {"limits.outbox_messages", AT(limits.outbox_messages),
     "Messages that wait for a client to take them; past it the room's `overflow` applies.", restarts, unit::none, 1,
     10'000'000},
    {"limits.outbox_bytes", AT(limits.outbox_bytes), "Bytes that wait so.", restarts, unit::bytes, 4 * kib, 1024 * mib},
    {"limits.control_messages", AT(limits.control_messages),
     "Control messages (acks, errors, presence) that wait for a client; past it 3008.", restarts, unit::none, 16,
     1'000'000},
    {"limits.presence_state_bytes", AT(limits.presence_state_bytes),
     "Size of a member's presence state, as JSON; a larger one is `too_large`.", restarts, unit::bytes, 16, 64 * kib},
    {"limits.rooms_per_connection", AT(limits.rooms_per_connection), "Rooms that a connection may be in.", restarts,
     unit::none, 1, 1'000'000},
    {"limits.rooms_per_user", AT(limits.rooms_per_user), "Rooms that a user's connections may be in, counted together.",
     restarts, unit::none, 1, 10'000'000},
    {"limits.detached_sessions_per_user", AT(limits.detached_sessions_per_user),
     "Lost connections of one user that are kept for a return; past it the oldest leaves.", restarts, unit::none, 0,
     1'000'000},
    {"limits.detached_sessions_per_address", AT(limits.detached_sessions_per_address),
     "Lost connections from one address that are kept for a return; past it the oldest leaves.", restarts, unit::none,
     0, 10'000'000},
    {"limits.rooms", AT(limits.rooms), "Rooms on this node; joining one more is answered with `unavailable`.", restarts,
     unit::none, 1, 100'000'000},
    {"limits.channels", AT(limits.channels),
     "Channels awake on this node; using one more is answered with `unavailable`.", restarts, unit::none, 1,
     100'000'000},
    {"limits.channels_per_user", AT(limits.channels_per_user),
     "Of these, such that one user has woken or made, by publishing, subscribing or asking for history; they count "
     "until they have slept (`channels.idle_timeout`). One more is answered with `unavailable`.",
     restarts, unit::none, 1, 100'000'000},
    {"limits.channels_per_address", AT(limits.channels_per_address),
     "The same of the clients from one address, with or without a user.", restarts, unit::none, 1, 100'000'000},
    {"limits.inboxes", AT(limits.inboxes),
     "Users whose inbox is awake: messages wait for them, or they were sent some with `qos` >= 1 lately. For one more "
     "user such a message is answered with `unavailable`; but for who is there those of users who are away make way, "
     "what waits with `qos` 0 alone first: that is lost, the rest is read from the log again.",
     restarts, unit::none, 1, 100'000'000},
    {"limits.inbox_bytes", AT(limits.inbox_bytes),
     "Memory for all inboxes together; past it what would have to wait is answered with `unavailable`, or makes way "
     "as with `limits.inboxes`.",
     restarts, unit::bytes, 64 * kib, 1024 * tib},

    {"session.resume_window", AT(session.resume_window),
     "Time in which a client may come back to its session; 0: none may.", restarts, unit::none, 0, 24 * hour},

    {"rooms.overflow", AT(rooms.overflow),
     "What happens to a member whose outbox is full: `disconnect`, `drop_oldest`, `drop_newest`, `conflate`.", restarts,
     unit::none, 0, 0, check_room_overflow},
    {"rooms.ring_messages", AT(rooms.ring_messages), "Messages that a room keeps for members who come back.", restarts,
     unit::none, 0, 1'000'000},
    {"rooms.ring_bytes", AT(rooms.ring_bytes), "Bytes that it keeps.", restarts, unit::bytes, 0, 1024 * mib},
    {"rooms.ring_age", AT(rooms.ring_age), "Time for which it keeps them.", restarts, unit::none, 0, 24 * hour},
    {"rooms.credit_messages", AT(rooms.credit_messages),
     "Messages that a room takes from one loop before it has worked on them.", restarts, unit::none, 1, 1'000'000},
    {"rooms.credit_bytes", AT(rooms.credit_bytes), "Bytes that it takes so.", restarts, unit::bytes, 4 * kib,
     1024 * mib},
    {"rooms.dedupe_messages", AT(rooms.dedupe_messages), "Ids of qos 2 messages that a room remembers.", restarts,
     unit::none, 0, 1'000'000},
    {"rooms.idle_timeout", AT(rooms.idle_timeout), "A room without members for this long is put to rest.", restarts,
     unit::none, 100, 24 * hour},
    {"rooms.presence_immediate_members_max", AT(rooms.presence_immediate_members_max),
     "Joins and leaves of larger rooms are merged into one `presence:diff` an interval.", restarts, unit::none, 0,
     1'000'000},
    {"rooms.presence_interval", AT(rooms.presence_interval), "Time between merged presence messages.", restarts,
     unit::none, 50, hour},
    {"rooms.audit", AT(rooms.audit),
     "What the audit log keeps of a room: `off`: nothing; `metadata`: who did what and when, without payloads; `full`: "
     "payloads as well, and of rooms with logic of their own all that `troupe replay --check` needs. See "
     "docs/audit.md.",
     restarts, unit::none, 0, 0, check_audit},
    {"rooms.audit_floor", AT(rooms.audit_floor),
     "Least level that a message's `privacy.log` can ask for; `off`: a message may ask not to be recorded.", restarts,
     unit::none, 0, 0, check_audit},
    {"rooms.patterns", AT(rooms.patterns),
     "Overrides by room name: tables with `name` (a trailing `*` matches any rest) and any of `overflow`, "
     "`ring_messages`, `ring_bytes`, `ring_age`, `idle_timeout`, `presence_immediate_members_max`, "
     "`presence_interval`, `audit`, `audit_floor`. The first that matches counts.",
     restarts, unit::none, 0, 1024},

    {"channels.fsync", AT(channels.fsync),
     "When a message counts as stored, and so is acknowledged and delivered: `always`: once it is synced to disk; "
     "`interval`: once it is written, with a sync at least every `journal.sync_interval`; `never`: once it is written, "
     "and the kernel syncs when it likes. With the last two a crash of the machine may lose the newest messages.",
     restarts, unit::none, 0, 0, check_fsync},
    {"channels.overflow", AT(channels.overflow),
     "What happens to a subscriber whose outbox is full: `spill` (it gets the rest from the log as it catches up), "
     "`disconnect`, `drop_oldest`, `drop_newest`, `conflate`.",
     restarts, unit::none, 0, 0, check_overflow},
    {"channels.history_messages", AT(channels.history_messages),
     "Messages that a channel keeps for subscribers who catch up and for `channel:history`.", restarts, unit::none, 1,
     1'000'000'000'000},
    {"channels.history_bytes", AT(channels.history_bytes), "Bytes that it keeps.", restarts, unit::bytes, 4 * kib, tib},
    {"channels.history_age", AT(channels.history_age),
     "Time for which it keeps them. `journal.retention_age` and `journal.retention_bytes` may end it sooner.", restarts,
     unit::none, second, 3650 * day},
    {"channels.qos_floor", AT(channels.qos_floor),
     "Least qos with which a channel delivers: at 1 also what was published with qos 0 is sent again until the "
     "subscriber acknowledges it.",
     restarts, unit::none, 0, 1},
    {"channels.ring_messages", AT(channels.ring_messages),
     "Newest messages that a channel has in memory, so that catching up need not read the log.", restarts, unit::none,
     0, 1'000'000},
    {"channels.ring_bytes", AT(channels.ring_bytes), "Bytes that it has so.", restarts, unit::bytes, 0, 1024 * mib},
    {"channels.window", AT(channels.window),
     "Messages of qos 1 and 2 that a subscriber may have without acknowledging them; then it gets no more until it "
     "does.",
     restarts, unit::none, 1, 100'000},
    {"channels.redeliver_after", AT(channels.redeliver_after),
     "Time without an acknowledgement after which a subscriber is sent again what it has not acknowledged.", restarts,
     unit::none, 100, 24 * hour},
    {"channels.dedupe_messages", AT(channels.dedupe_messages),
     "Ids of qos 2 messages that a channel remembers, so that a resend is stored once.", restarts, unit::none, 0,
     1'000'000},
    {"channels.durables", AT(channels.durables),
     "Durable subscriptions that a channel keeps positions of; one more is answered with `unavailable`.", restarts,
     unit::none, 0, 10'000'000},
    {"channels.durables_per_user", AT(channels.durables_per_user),
     "Those of one user in a channel; one more is answered with `rate_limited`.", restarts, unit::none, 0, 1'000'000},
    {"channels.histories", AT(channels.histories),
     "Answers to `channel:history` that a channel reads at a time; one more is answered with `rate_limited`.", restarts,
     unit::none, 1, 100'000},
    {"channels.readers", AT(channels.readers),
     "Users who may subscribe to a channel and read its history: their ids, or what those begin with followed by `*`; "
     "anonymous clients are never among them. Empty: everybody. It narrows what a token allows; admins may all.",
     restarts, unit::none, 0, 10'000, check_user_pattern},
    {"channels.writers", AT(channels.writers), "The same of who may publish.", restarts, unit::none, 0, 10'000,
     check_user_pattern},
    {"channels.audit", AT(channels.audit),
     "What the audit log keeps of a channel: `off`: nothing; `metadata`: who subscribed, who left, who read its "
     "history. What is published is in the log of channels, in full, at any level. See docs/audit.md.",
     restarts, unit::none, 0, 0, check_channel_audit},
    {"channels.idle_timeout", AT(channels.idle_timeout),
     "A channel without subscribers for this long leaves memory; what it has stored stays.", restarts, unit::none, 100,
     24 * hour},
    {"channels.credit_messages", AT(channels.credit_messages),
     "Messages that a channel takes before it has stored them.", restarts, unit::none, 1, 1'000'000},
    {"channels.credit_bytes", AT(channels.credit_bytes), "Bytes that it takes so.", restarts, unit::bytes, 4 * kib,
     1024 * mib},
    {"channels.patterns", AT(channels.patterns),
     "Overrides by channel name: tables with `name` (a trailing `*` matches any rest) and any of `fsync`, `overflow`, "
     "`history_messages`, `history_bytes`, `history_age`, `qos_floor`, `ring_messages`, `ring_bytes`, `window`, "
     "`redeliver_after`, `dedupe_messages`, `idle_timeout`, `readers`, `writers`, `audit`. The first that matches "
     "counts.",
     restarts, unit::none, 0, 1024},

    {"journal.segment_bytes", AT(journal.segment_bytes),
     "The log is a row of files; one that would grow beyond this is sealed and the next begun.", restarts, unit::bytes,
     1 * mib, 1024 * mib},
    {"journal.sync_interval", AT(journal.sync_interval),
     "Time after which what channels with `fsync` = `interval` have written is synced at the latest.", restarts,
     unit::none, 10, hour},
    {"journal.checkpoint_records", AT(journal.checkpoint_records),
     "Records after which the log's state is signed, so that later changes to it can be proven.", restarts, unit::none,
     1, 1'000'000'000},
    {"journal.checkpoint_interval", AT(journal.checkpoint_interval),
     "Time after which new records are signed even if they are fewer.", restarts, unit::none, second, 24 * hour},
    {"journal.retention_age", AT(journal.retention_age),
     "Files of the log whose records are all older than this are deleted, with the channel messages in them; 0: none.",
     restarts, unit::none, 0, 3650 * day},
    {"journal.retention_bytes", AT(journal.retention_bytes),
     "While the log is larger than this its oldest file is deleted, but never the one being written; 0: no bound.",
     restarts, unit::bytes, 0, 1024 * tib},
    {"journal.key", AT(journal.key),
     "File with the Ed25519 key that signs checkpoints; empty: `log.key` in the folder `data`, made at the first "
     "start.",
     restarts},
    {"journal.store_cache_bytes", AT(journal.store_cache_bytes),
     "Memory for what was read of the store, which holds the log's indexes, positions and queues.", restarts,
     unit::bytes, 1 * mib, 64 * 1024 * mib},
    {"journal.index_lag_bytes", AT(journal.index_lag_bytes),
     "What the store may lack of the log, because its disk has no room or fails; past it what is published in channels "
     "is answered with `unavailable`.",
     restarts, unit::bytes, 64 * kib, 64 * 1024 * mib},

    {"journal.audit_buffer_bytes", AT(journal.audit_buffer_bytes),
     "Bytes of audit records of one loop that may wait to be written. Past it records of rooms with `audit` = "
     "`metadata` are dropped and counted, and rooms with `full` take no messages until it has been written.",
     restarts, unit::bytes, 4 * kib, 1024 * mib},
    {"journal.audit_retention_age", AT(journal.audit_retention_age),
     "Files of the audit log whose records are all older than this are deleted; 0: none.", restarts, unit::none, 0,
     3650 * day},
    {"journal.audit_retention_bytes", AT(journal.audit_retention_bytes),
     "While the audit log is larger than this its oldest file is deleted, but never the one being written; 0: no "
     "bound.",
     restarts, unit::bytes, 0, 1024 * tib},

    {"direct.audit", AT(direct.audit),
     "Whether the audit log has who sent messages to users and connections (`metadata`) or not (`off`).", restarts,
     unit::none, 0, 0, check_channel_audit},

    {"offline.queue_messages", AT(offline.queue_messages),
     "Messages in a user's inbox: those that wait for the user to come back, and those with `qos` >= 1 that were not "
     "acknowledged. Of more the oldest go, and a `gap` says so.",
     restarts, unit::none, 1, 1'000'000},
    {"offline.queue_bytes", AT(offline.queue_bytes), "The same in bytes.", restarts, unit::bytes, 64 * kib, tib},
    {"offline.queue_ttl", AT(offline.queue_ttl),
     "Time for which they are kept; a shorter `ttl_ms` of a message holds as well.", restarts, unit::none, 100,
     365 * day},
    {"offline.redeliver_after", AT(offline.redeliver_after),
     "What a user was sent with `qos` >= 1 and has not acknowledged for this long is sent again.", restarts, unit::none,
     100, 24 * hour},

    {"auth.keys", AT(auth.keys),
     "Files with keys that verify tokens: PEM public keys, JWK sets, or secrets for HS256. Empty: anonymous clients, "
     "on loopback only.",
     reloads, unit::none, 0, 64, check_not_empty},
    {"auth.audience", AT(auth.audience), "The `aud` that a token must have; empty: not checked.", reloads},
    {"auth.issuer", AT(auth.issuer), "The `iss` that a token must have; empty: not checked.", reloads},
    {"auth.default_caps", AT(auth.default_caps),
     "Rights of a token without `caps`: patterns with letters of `rwp` (read, write, presence).", reloads, unit::none,
     0, 256},
    {"auth.leeway", AT(auth.leeway), "How far the clock of who made a token may be off.", reloads, unit::none, 0, hour},
    {"auth.timeout", AT(auth.timeout),
     "Time in which a client must send `auth` where keys are configured and the handshake had no token.", restarts,
     unit::none, 100, hour},

    {"supervision.restarts_max", AT(supervision.restarts_max),
     "Restarts within the window after which a supervisor gives up and escalates.", restarts, unit::none, 0, 1'000'000},
    {"supervision.restart_window", AT(supervision.restart_window), "The window in which restarts are counted.",
     restarts, unit::none, 100, 24 * hour},
    {"supervision.backoff_min", AT(supervision.backoff_min),
     "Wait before the first restart; it doubles with each that follows, with jitter.", restarts, unit::none, 1, hour},
    {"supervision.backoff_max", AT(supervision.backoff_max), "Longest wait before a restart.", restarts, unit::none, 1,
     hour},

    {"scheduler.threads", AT(scheduler.threads),
     "Threads for actors that are not bound to a loop, such as off-loop handlers; 0: one per core, at least two.",
     restarts, unit::none, 0, 1024},
    {"handlers.queue_max", AT(handlers.queue_max),
     "Messages of one connection that wait for an off-loop handler; past it nothing more is read from the client.",
     restarts, unit::none, 1, 1'000'000},

    {"shutdown.drain", AT(shutdown.drain), "Time from SIGTERM to the end of the process at the latest.", restarts,
     unit::none, 0, hour},
    {"shutdown.jitter", AT(shutdown.jitter), "Time over which clients are advised to spread their return.", restarts,
     unit::none, 0, hour},

    {"log.level", AT(log.level), "Least level of log lines: debug, info, warn, error, off.", reloads, unit::none, 0, 0,
     check_level},
    {"log.format", AT(log.format), "`text` or `json`, one line each on standard error.", reloads, unit::none, 0, 0,
     check_format},
};

#undef AT

#define OVERRIDE(pattern, section, member)                                                                             \
  {                                                                                                                    \
#section "." #member, [](pattern& p, const config& c) { p.member = c.section.member; },                            \
        [](const pattern& p, config& c) {                                                                              \
          if (p.member)                                                                                                \
            c.section.member = *p.member;                                                                              \
          return p.member.has_value();                                                                                 \
        }   \
  }

#define ROOM(member) OVERRIDE(room_pattern, rooms, member)
#define CHANNEL(member) OVERRIDE(channel_pattern, channels, member)

const override_key<room_pattern> room_overrides[] = {
    ROOM(overflow),          ROOM(ring_messages), ROOM(ring_bytes),
    ROOM(ring_age),          ROOM(idle_timeout),  ROOM(presence_immediate_members_max),
    ROOM(presence_interval), ROOM(audit),         ROOM(audit_floor),
};

const override_key<channel_pattern> channel_overrides[] = {
    CHANNEL(fsync),           CHANNEL(overflow),        CHANNEL(history_messages),
    CHANNEL(history_bytes),   CHANNEL(history_age),     CHANNEL(qos_floor),
    CHANNEL(ring_messages),   CHANNEL(ring_bytes),      CHANNEL(window),
    CHANNEL(redeliver_after), CHANNEL(dedupe_messages), CHANNEL(idle_timeout),
    CHANNEL(readers),         CHANNEL(writers),         CHANNEL(audit),
};

#undef CHANNEL
#undef ROOM
#undef OVERRIDE

} // namespace

std::span<const key> all_keys() noexcept { return table; }

const key* find_key(std::string_view name) noexcept {
  const auto found = std::find_if(std::begin(table), std::end(table), [&](const key& k) { return k.name == name; });
  return found == std::end(table) ? nullptr : found;
}

std::string last_part(std::string_view name) { return std::string{name.substr(name.rfind('.') + 1)}; }

template <>
std::span<const override_key<room_pattern>> all_overrides<room_pattern>() noexcept {
  return room_overrides;
}

template <>
std::span<const override_key<channel_pattern>> all_overrides<channel_pattern>() noexcept {
  return channel_overrides;
}

} // namespace troupe::settings
