#include "actors/channel_log.hpp"

#include "actors/channel_log_keys.hpp"
#include "actors/inbox_name.hpp"
#include "actors/message_record.hpp"
#include "actors/unavailable.hpp"
#include "runtime/log/retention.hpp"
#include "runtime/store/rocks_store.hpp"
#include "runtime/wire/json.hpp"
#include "runtime/wire/make.hpp"
#include "runtime/wire/msgpack.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

namespace troupe {
namespace {

constexpr std::size_t index_batch_bytes = std::size_t{16} << 10; // given to the index at once, while nobody asks it

/// A durable subscription, or an inbox, was acknowledged up to and including an offset.
/// @param durable as channel_home::durable_key makes it
/// @param offset  nothing: the position is forgotten
log::record_view position_record(std::string_view channel, std::string_view epoch, std::string_view durable,
                                 std::optional<std::uint64_t> offset, std::int64_t now_us) {
  const auto inbox = inbox_user(channel);
  const auto cut = std::min(durable.find('\0'), durable.size());
  log::record_view r;
  r.time_us = now_us;
  r.kind = inbox ? log::record_kind::inbox_acked : log::record_kind::position_acked;
  r.target = inbox.value_or(std::string_view{});
  r.channel = channel;
  r.epoch = epoch;
  r.user = durable.substr(0, cut);
  r.durable = durable.substr(std::min(cut + 1, durable.size()));
  r.offset = offset;
  r.detail = offset ? std::string_view{} : "forgotten";
  return r;
}

} // namespace

// -- records

log::record_view record_of(std::string_view channel, std::string_view epoch, const stored_message& m) {
  const auto& f = m.what->fields();
  log::record_view r;
  const auto user = inbox_user(channel);
  r.kind = user ? log::record_kind::inbox_queued : log::record_kind::channel_published;
  r.time_us = m.what->ts() * 1000;
  r.channel = channel;
  r.target = user.value_or(std::string_view{});
  r.epoch = epoch;
  r.offset = m.offset;
  set_message(r, f);
  set_content(r, f);
  if (f.ttl_ms > 0)
    r.expires_ms = static_cast<std::uint64_t>(m.what->ts() + f.ttl_ms);
  set_sender(r, *m.what);
  return r;
}

message_ptr message_from(const log::record_view& r) {
  message_fields f;
  f.type = r.type;
  f.id = r.id;
  const auto user = inbox_user(r.channel);
  f.target = user ? target_kind::user : target_kind::channel;
  f.target_name = user.value_or(r.channel);
  f.payload = r.payload;
  f.headers = r.headers;
  f.traceparent = r.traceparent;
  f.privacy = r.privacy;
  f.format = static_cast<encoding>(r.format.value_or(0));
  std::string scratch;
  if (!r.privacy.empty()) {
    const bool read = f.format == encoding::json ? wire::decode_json_privacy(r.privacy, f, scratch)
                                                 : wire::decode_msgpack_privacy(r.privacy, f);
    if (!read) // nobody knows for whom it is
      f.audience.assign(1, {});
  }
  f.qos = static_cast<qos>(r.qos.value_or(0));
  const auto ts = r.time_us / 1000;
  if (r.expires_ms)
    f.ttl_ms = std::max<std::int64_t>(static_cast<std::int64_t>(*r.expires_ms) - ts, 1);
  std::shared_ptr<const sender> from;
  if (!r.connection.empty())
    from = wire::make_sender(std::string{r.connection},
                             r.user.empty() ? std::nullopt : std::optional<std::string>{r.user}, std::string{r.node});
  return message::make(f, std::move(from), ts);
}

log::result<message_ptr> opened_message(log::subject_keys& keys, const log::entry& e) {
  auto r = e.what;
  std::string payload;
  const auto can = log::open_payload(keys, r, payload);
  if (!can)
    return log::fault{can.error().kind, can.error().number,
                      "record " + std::to_string(e.index) + ": " + can.error().message};
  return *can ? message_from(r) : nullptr;
}

// -- opening

std::variant<std::unique_ptr<channel_log>, failure> channel_log::open(const setup& how, log::file_ops& ops) {
  std::unique_ptr<channel_log> out{new channel_log};
  log::writer_options options;
  options.folder = how.folder / "log" / class_name;
  options.class_name = class_name;
  options.node = how.node;
  options.segment_bytes = how.segment_bytes;
  options.clock_us = how.clock_us;
  options.accept_loss = how.accept_loss;
  auto writer = log::writer::open(options, ops);
  if (!writer)
    return advised(writer.error());
  out->writer_ = std::move(*writer);
  out->log_name_ = out->writer_->origin();
  out->started_ = out->writer_->next();
  out->index_lag_bytes_ = how.index_lag_bytes;
  out->keys_ =
      how.keys != nullptr ? how.keys : std::make_shared<log::subject_keys>(log::subject_keys_folder(how.folder), ops);
  if (auto why = out->open_index(how))
    return *std::move(why);
  if (auto why = out->catch_up(how))
    return *std::move(why);
  if (auto why = out->note_loss(how))
    return *std::move(why);
  if (auto why = out->note_boot(how, ops))
    return *std::move(why);
  return out;
}

/// A process that was killed loses nothing that it has written: the kernel has it. So as long as the machine runs, no
/// order is broken.
std::optional<failure> channel_log::note_boot(const setup& how, log::file_ops& ops) {
  constexpr std::size_t bytes_max = 100;
  const auto path = writer_->folder() / "boot";
  auto now = how.boot;
  if (now.empty())
    if (const auto id = log::read_file("/proc/sys/kernel/random/boot_id", bytes_max))
      now = id->substr(0, id->find('\n'));
  if (now.empty())
    return std::nullopt; // unknown: the worst is taken for true
  const auto before = log::read_file(path, bytes_max);
  if (before && *before == now) {
    unclean_ = false;
    return std::nullopt;
  }
  const auto failed = log::replace_file(ops, path, now);
  return failed ? std::optional{unavailable(*failed)} : std::nullopt;
}

std::optional<failure> channel_log::open_index(const setup& how) {
  const auto place = (how.folder / "store").string();
  const auto open = [&]() -> store::outcome<std::unique_ptr<store::store>> {
    if (how.index)
      return how.index();
    store::rocks_options bounds;
    bounds.cache_bytes = how.store_cache_bytes;
    return store::open_rocks_store(place, bounds);
  };
  auto index = open();
  if (!index.ok() && index.why().kind == store::fault::corrupted && !how.index) { // derived: made again from the log
    if (const auto why = store::remove_rocks_store(place))
      return unavailable(*why);
    index = open();
  }
  if (!index.ok())
    return unavailable(index.why());
  index_ = std::move(index.value());
  return std::nullopt;
}

channel_opened channel_log::open_channel(std::string_view name, const channel_settings& settings, std::string new_epoch,
                                         std::int64_t now_us) {
  channel_opened out;
  refused_.erase(std::string{name});
  if (!catch_up_index()) {
    out.why = index_lags();
    return out;
  }
  const auto known = index_->get(epoch_key(name));
  if (!known.ok()) {
    out.why = unavailable(known.why());
    return out;
  }
  bool fresh = !known.value();
  if (!fresh) {
    const auto cut = known.value()->find('\n');
    out.epoch = known.value()->substr(0, cut);
    const auto born = std::stoull(known.value()->substr(cut + 1));
    // What was not synced may be lost, so its order cannot be continued.
    const bool lost = born < order_lost_before_;
    fresh = (unclean_ && settings.fsync != fsync_policy::always && born < started_) || lost;
    if (lost && inbox_user(name))
      out.lost = unacknowledged(name, out.epoch);
  }
  if (fresh) {
    out.why = begin_epoch(name, new_epoch, now_us);
    out.epoch = std::move(new_epoch);
  } else {
    out.why = find_kept(name, settings, now_us, out);
  }
  if (!out.why)
    out.why = find_positions(name, out);
  if (!out.why && settings.dedupe_messages != 0)
    out.why =
        inbox_user(name) ? find_newest(name, settings, now_us, out) : find_window(name, settings.dedupe_messages, out);
  return out;
}

/// Not synced by itself: the sync for the epoch's first message is one for this as well, and without a message nothing
/// can be lost with the epoch.
std::optional<failure> channel_log::begin_epoch(std::string_view name, const std::string& epoch, std::int64_t now_us) {
  log::record_view r;
  r.time_us = now_us;
  r.kind = log::record_kind::channel_epoch;
  r.channel = name;
  r.target = inbox_user(name).value_or(std::string_view{});
  r.epoch = epoch;
  const auto index = writer_->append(r);
  if (!index)
    return not_taken(index.error());
  if (const auto failed = writer_->flush()) {
    writer_->discard();
    return unavailable(*failed);
  }
  changes_.put(epoch_key(name), epoch_value(epoch, *index));
  if (!catch_up_index())
    return index_lags();
  return std::nullopt;
}

std::vector<std::string> channel_log::unacknowledged_inboxes(const std::function<void(std::size_t)>& looked_at) const {
  std::vector<std::string> users;
  auto prefix = store::key(index_tag::epoch).bytes();
  prefix += inbox_prefix;
  std::size_t scanned_inboxes = 0;
  const auto scanned = index_->scan({.prefix = prefix, .from = {}}, [&](auto key, auto value) {
    ++scanned_inboxes;
    store::key_reader parts{key};
    parts.tag();
    const auto name = parts.text().value_or("");
    const auto epoch = value.substr(0, value.find('\n'));
    const auto newest = run_before(name, epoch, std::numeric_limits<std::uint64_t>::max());
    const auto acknowledged = index_->get(position_key(name, channel_home::durable_key({}, inbox_durable)));
    const bool known = newest.ok() && acknowledged.ok();
    const auto last = known && newest.value() ? newest.value()->last : 0;
    const auto upto = known && acknowledged.value() ? position_from(*acknowledged.value()) : std::pair{0UL, epoch};
    if (!known || upto.second != epoch || upto.first < last)
      users.emplace_back(*inbox_user(name));
    return true;
  });
  if (!scanned.ok())
    throw std::runtime_error{"the index: " + scanned.why().message};
  if (looked_at)
    looked_at(scanned_inboxes);
  return users;
}

// -- appending

std::uint64_t channel_log::append(std::shared_ptr<const channel_entries> what, std::int64_t now_us) {
  auto& g = groups_.emplace_back();
  g.number = ++last_group_;
  g.what = std::move(what);
  const auto known = refused_.find(g.what->name);
  if (known != refused_.end() && !g.what->messages.empty()) {
    if (g.what->run <= known->second.run)
      g.why = known->second.why;
    else
      refused_.erase(known); // it has heard of the refusal: nothing of that run follows
  }
  if (!g.why && changes_.bytes() > index_lag_bytes_ && !catch_up_index())
    g.why.emplace(index_lags());
  if (!g.why)
    append_messages(g);
  if (g.why && !g.what->messages.empty()) // of what follows nothing may be stored: a hole would stay
    refused_.insert_or_assign(g.what->name, refusal{g.what->run, *g.why});
  if (changes_.bytes() <= index_lag_bytes_)
    append_positions(g, now_us);
  return g.number;
}

void channel_log::append_messages(group& g) {
  for (const auto& m : g.what->messages) {
    auto r = record_of(g.what->name, g.what->epoch, m);
    log::subject_keys::sealed secret;
    if (log::is_confidential(r))
      if (const auto failed = log::seal_payload(*keys_, r, secret)) {
        g.why = unavailable("the key of its subject cannot be stored or read: " + failed->text());
        return;
      }
    const auto index = writer_->append(r);
    if (!index) {
      g.why = not_taken(index.error());
      return;
    }
    if (g.runs.empty() || g.runs.back().segment != writer_->segment_first())
      g.runs.push_back({m.offset, 0, writer_->segment_first(), writer_->last_offset(), *index, 0, 0, 0});
    auto& newest = g.runs.back();
    newest.last = m.offset;
    newest.bytes += m.what->size();
    newest.time_ms = static_cast<std::uint64_t>(std::max<wall_ms>(m.what->ts(), 0));
    if (m.what->fields().qos == qos::once && !m.what->id().empty())
      g.unique.push_back({m.offset, writer_->segment_first(), writer_->last_offset(), *index});
  }
}

void channel_log::append_positions(group& g, std::int64_t now_us) {
  for (const auto& p : g.what->positions) {
    const auto index = writer_->append(position_record(g.what->name, g.what->epoch, p.key, p.offset, now_us));
    if (!index)
      return; // it is acknowledged again by and by; until then it is sent again
    if (g.positions++ == 0)
      g.positions_at = *index;
  }
}

std::vector<channel_log::outcome> channel_log::commit(bool sync) {
  auto why = sync ? writer_->sync() : writer_->flush();
  if (why && !writer_->is_dead()) {
    writer_->discard();
    if (sync) // what was written before the failure is not synced yet
      if (auto again = writer_->sync())
        why = std::move(again);
  }
  const auto safe = writer_->is_dead() ? 0 : sync ? writer_->synced() : writer_->written();
  std::vector<outcome> out;
  for (auto& g : groups_)
    out.push_back(settle(g, safe, why));
  groups_.clear();
  if (changes_.bytes() >= index_batch_bytes)
    catch_up_index();
  else if (!changes_.empty())
    index_behind_->store(true);
  return out;
}

/// Notes what of a group lies before `safe`: records that are written, and synced where that was wanted.
channel_log::outcome channel_log::settle(group& g, std::uint64_t safe, const log::status& why) {
  outcome out{g.number, 0, std::move(g.why)};
  const auto& what = *g.what;
  for (auto r : g.runs) {
    if (r.index >= safe)
      break;
    r.last = std::min(r.last, r.first + (safe - r.index) - 1);
    note_run(changes_, what.name, what.epoch, r);
    out.stored = r.last;
  }
  for (const auto& u : g.unique)
    if (u.index < safe)
      note_unique(changes_, what.name, what.epoch, u);
  for (std::size_t i = 0; i < g.positions && g.positions_at + i < safe; ++i)
    note_position(changes_, what.name, what.epoch, what.positions[i]);
  if (!what.messages.empty() && out.stored != what.messages.back().offset) {
    if (!out.why && why)
      out.why.emplace(unavailable(*why));
    else if (!out.why)
      out.why.emplace(unavailable("the log did not take it"));
    refused_.insert_or_assign(what.name, refusal{what.run, *out.why});
  }
  return out;
}

bool channel_log::catch_up_index() {
  if (changes_.empty())
    return true;
  changes_.applied(log_name_, writer_->written());
  index_fault_ = index_->apply(changes_);
  index_behind_->store(index_fault_.has_value());
  if (!index_fault_)
    changes_.clear();
  return !index_fault_;
}

bool channel_log::sync() { return !writer_->sync(); }

std::optional<failure> channel_log::close(std::int64_t now_us) {
  if (writer_->is_dead())
    return std::nullopt;
  log::record_view r;
  r.time_us = now_us;
  r.kind = log::record_kind::node_stopped;
  if (const auto index = writer_->append(r); !index)
    return not_taken(index.error());
  if (const auto failed = writer_->sync())
    return unavailable(*failed);
  catch_up_index();
  index_->close();
  return std::nullopt;
}

// What nobody can read any more first: a crash between the two is made up for by who asks again.
std::optional<failure> channel_log::forget_subject(std::string_view subject, std::int64_t now_us) {
  if (const auto gone = keys_->forget(subject); !gone)
    return unavailable(gone.error());
  log::record_view r;
  r.time_us = now_us;
  r.kind = log::record_kind::forgotten;
  r.subject = subject;
  if (const auto index = writer_->append(r); !index)
    return not_taken(index.error());
  if (const auto failed = writer_->sync()) {
    if (!writer_->is_dead())
      writer_->discard();
    return unavailable(*failed);
  }
  return std::nullopt;
}

std::optional<failure> channel_log::retain(std::int64_t age_us_max, std::uint64_t bytes_max, std::int64_t now_us) {
  const log::retention keep{age_us_max, bytes_max};
  const auto old = log::count_old_segments(writer_->folder(), keep, now_us);
  if (!old)
    return unavailable(old.error());
  if (*old == 0)
    return std::nullopt;
  if (!catch_up_index())
    return index_lags();
  if (auto why = carry_positions(now_us))
    return why;
  if (const auto why = index_->flush()) // what is dropped cannot be applied again
    return unavailable(*why);
  const auto gone = log::drop_old_segments(writer_->folder(), keep, now_us);
  if (!gone)
    return unavailable(gone.error());
  first_segment_ = std::max(first_segment_, gone->first_kept);
  drop_again_ = true;
  return std::nullopt;
}

/// Says again what was acknowledged, at the end of the log: without the index it is known from there only.
std::optional<failure> channel_log::carry_positions(std::int64_t now_us) {
  std::optional<failure> why;
  const auto prefix = store::key(index_tag::position).bytes();
  const auto found = index_->scan({.prefix = prefix, .from = {}}, [&](auto key, auto value) {
    store::key_reader parts{key};
    parts.tag();
    const auto name = parts.text();
    const auto durable = parts.text();
    const auto [offset, epoch] = position_from(value);
    if (name && durable)
      if (const auto said = writer_->append(position_record(*name, epoch, *durable, offset, now_us)); !said)
        why = not_taken(said.error());
    return !why;
  });
  if (!found.ok())
    return unavailable(found.why());
  if (!why)
    if (const auto failed = writer_->sync())
      why = unavailable(*failed);
  if (why && !writer_->is_dead())
    writer_->discard();
  return why;
}

} // namespace troupe
