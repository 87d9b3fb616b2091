#include "actors/channel_log.hpp"

#include "runtime/log/retention.hpp"
#include "runtime/store/keys.hpp"
#include "runtime/store/rebuild.hpp"
#include "runtime/store/rocks_store.hpp"
#include "runtime/wire/make.hpp"

#include <algorithm>
#include <utility>

namespace troupe {
namespace {

constexpr char run_tag = 'r';
constexpr char epoch_tag = 'e';
constexpr char position_tag = 'p';
constexpr std::size_t batch_bytes_max = std::size_t{4} << 20;
constexpr std::uint64_t run_messages_max = 4096; // of one entry of the index
constexpr std::uint64_t records_per_progress = 65'536;

failure unavailable(std::string why) { return {error_code::unavailable, std::move(why), 1000}; }
failure unavailable(const log::fault& why) { return unavailable(why.text()); }
failure unavailable(const store::store_failure& why) { return unavailable("the index: " + why.message); }

std::string epoch_key(std::string_view channel) { return store::key(epoch_tag).text(channel).bytes(); }

std::string position_prefix(std::string_view channel) { return store::key(position_tag).text(channel).bytes(); }

std::string position_key(std::string_view channel, std::string_view durable) {
  return store::key(position_tag).text(channel).text(durable).bytes();
}

std::string run_value(const channel_log::run& r) {
  return store::u64_bytes(r.last) + store::u64_bytes(r.segment) + store::u64_bytes(r.at) + store::u64_bytes(r.index) +
         store::u64_bytes(r.bytes);
}

} // namespace

// -- keys of the index

std::string channel_log::run_prefix(std::string_view channel, std::string_view epoch) {
  return store::key(run_tag).text(channel).text(epoch).bytes();
}

std::string channel_log::run_key(std::string_view channel, std::string_view epoch, std::uint64_t first) {
  return store::key(run_tag).text(channel).text(epoch).number(first).bytes();
}

std::optional<channel_log::run> channel_log::run_from(std::string_view key, std::string_view value) {
  constexpr std::size_t number = 8;
  if (key.size() < number || value.size() != 5 * number)
    return std::nullopt;
  const auto at = [&](std::size_t i) { return store::u64_from(value.substr(i * number, number)).value_or(0); };
  run r;
  r.first = store::u64_from(key.substr(key.size() - number)).value_or(0);
  r.last = at(0);
  r.segment = at(1);
  r.at = at(2);
  r.index = at(3);
  r.bytes = at(4);
  return r;
}

// -- records

log::record_view record_of(std::string_view channel, std::string_view epoch, const stored_message& m) {
  const auto& f = m.what->fields();
  log::record_view r;
  r.kind = log::record_kind::channel_published;
  r.time_us = m.what->ts() * 1000;
  r.channel = channel;
  r.epoch = epoch;
  r.offset = m.offset;
  r.id = f.id;
  r.type = f.type;
  r.payload = f.payload;
  r.headers = f.headers;
  r.traceparent = f.traceparent;
  r.privacy = f.privacy;
  r.format = static_cast<std::uint64_t>(f.format);
  if (f.qos != qos::at_most_once)
    r.qos = static_cast<std::uint64_t>(f.qos);
  if (f.ttl_ms > 0)
    r.expires_ms = static_cast<std::uint64_t>(m.what->ts() + f.ttl_ms);
  if (const auto& from = m.what->from()) {
    r.connection = from->connection;
    r.node = from->node;
    if (from->user)
      r.user = *from->user;
  }
  return r;
}

message_ptr message_from(const log::record_view& r) {
  message_fields f;
  f.type = r.type;
  f.id = r.id;
  f.target = target_kind::channel;
  f.target_name = r.channel;
  f.payload = r.payload;
  f.headers = r.headers;
  f.traceparent = r.traceparent;
  f.privacy = r.privacy;
  f.format = static_cast<encoding>(r.format.value_or(0));
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

// -- opening

std::variant<std::unique_ptr<channel_log>, failure> channel_log::open(const setup& how, log::file_ops& ops) {
  std::unique_ptr<channel_log> out{new channel_log};
  log::writer_options options;
  options.folder = how.folder / "log" / class_name;
  options.class_name = class_name;
  options.node = how.node;
  options.segment_bytes = how.segment_bytes;
  auto writer = log::writer::open(options, ops);
  if (!writer)
    return unavailable(writer.error());
  out->writer_ = std::move(*writer);
  out->log_name_ = out->writer_->origin();
  out->started_ = out->writer_->next();
  store::rocks_options bounds;
  bounds.cache_bytes = how.store_cache_bytes;
  const auto place = (how.folder / "store").string();
  auto index = store::open_rocks_store(place, bounds);
  if (!index.ok() && index.why().kind == store::fault::corrupted) { // it is derived: made again from the log
    if (const auto why = store::remove_rocks_store(place))
      return unavailable(*why);
    index = store::open_rocks_store(place, bounds);
  }
  if (!index.ok())
    return unavailable(index.why());
  out->index_ = std::move(index.value());
  if (auto why = out->catch_up(how))
    return *std::move(why);
  return out;
}

std::optional<failure> channel_log::catch_up(const setup& how) {
  const auto segments = log::list_segments(writer_->folder());
  if (!segments)
    return unavailable(segments.error());
  first_segment_ = segments->empty() ? 0 : segments->front();
  const auto plan = store::needs_catch_up(*index_, log_name_, {first_segment_, writer_->next()});
  if (!plan.ok())
    return unavailable(plan.why());
  store::batch changes;
  if (plan.value().what == store::catch_up::rebuild) {
    changes.erase_prefix({});
    changes.forget(log_name_);
    if (const auto why = index_->apply(changes))
      return unavailable(*why);
    changes.clear();
  }
  // One record more than the index asks for: the last one tells whether the stop was clean.
  auto from = plan.value().what == store::catch_up::nothing ? writer_->next() : plan.value().records.begin;
  const auto asked = from;
  if (writer_->next() > first_segment_)
    from = std::min(from, writer_->next() - 1);
  auto opened = log::cursor::open(writer_->folder(), from);
  if (!opened)
    return unavailable(opened.error());
  auto& at = *opened;
  const auto all = writer_->next() - from;
  std::uint64_t done = 0;
  for (auto step = at.next(); step != log::cursor::step::end; step = at.next()) {
    if (step == log::cursor::step::failed)
      return unavailable(at.why());
    const auto& e = at.at();
    unclean_ = e.what.kind != log::record_kind::node_stopped;
    if (e.index >= asked) {
      if (run_channel_ != e.what.channel || run_epoch_ != e.what.epoch || e.what.offset != run_.last + 1 ||
          e.what.kind != log::record_kind::channel_published || e.segment != run_.segment ||
          run_.last - run_.first >= run_messages_max)
        note_run(changes);
      if (changes.bytes() > batch_bytes_max && run_.last == 0) {
        changes.applied(log_name_, e.index);
        if (const auto why = index_->apply(changes))
          return unavailable(*why);
        changes.clear();
      }
      if (e.what.kind == log::record_kind::channel_published) {
        note(e.what, e.segment, e.offset, e.index);
      } else if (e.what.kind == log::record_kind::channel_epoch) {
        changes.put(epoch_key(e.what.channel), std::string{e.what.epoch} + '\n' + std::to_string(e.index));
      } else if (e.what.kind == log::record_kind::position_acked) {
        changes.put(position_key(e.what.channel, channel_home::durable_key(e.what.user, e.what.durable)),
                    store::u64_bytes(e.what.offset.value_or(0)));
      }
    }
    if (++done % records_per_progress == 0 && how.progress)
      how.progress(done, all);
  }
  note_run(changes);
  changes.applied(log_name_, writer_->next());
  if (const auto why = index_->apply(changes))
    return unavailable(*why);
  return std::nullopt;
}

/// Another message of the run that is being gathered, or the first of one.
void channel_log::note(const log::record_view& what, std::uint64_t segment, std::uint64_t at, std::uint64_t index) {
  if (run_.last == 0) {
    run_channel_ = what.channel;
    run_epoch_ = what.epoch;
    run_ = {what.offset.value_or(0), 0, segment, at, index, 0};
  }
  run_.last = what.offset.value_or(0);
  run_.bytes += what.payload.size();
}

void channel_log::note_run(store::batch& into) {
  if (run_.last != 0)
    into.put(run_key(run_channel_, run_epoch_, run_.first), run_value(run_));
  run_ = {};
}

// -- channels

std::optional<failure> channel_log::begin_epoch(std::string_view name, const std::string& epoch, std::int64_t now_us) {
  log::record_view r;
  r.time_us = now_us;
  r.kind = log::record_kind::channel_epoch;
  r.channel = name;
  r.epoch = epoch;
  const auto index = writer_->append(r);
  if (!index)
    return unavailable(index.error());
  group g;
  g.number = ++last_group_;
  g.end = *index + 1;
  g.changes.put(epoch_key(name), epoch + '\n' + std::to_string(*index));
  groups_.push_back(std::move(g));
  std::optional<failure> why;
  for (const auto& became : commit(true))
    if (became.why)
      why = became.why;
  return why;
}

channel_opened channel_log::open_channel(std::string_view name, const channel_settings& settings, std::string new_epoch,
                                         std::int64_t now_us) {
  channel_opened out;
  commit(false); // gives the index what it has not taken yet
  if (index_behind_->load()) {
    out.why = unavailable("the index is behind the log: its disk has no room, or failed");
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
    fresh = unclean_ && settings.fsync != fsync_policy::always && born < started_;
  }
  if (fresh) {
    out.why = begin_epoch(name, new_epoch, now_us);
    out.epoch = std::move(new_epoch);
  } else {
    const auto prefix = run_prefix(name, out.epoch);
    std::optional<run> oldest;
    std::optional<run> newest;
    const auto last = index_->scan({.prefix = prefix, .from = {}, .way = store::direction::backward, .limit = 1},
                                   [&](auto key, auto value) { return (newest = run_from(key, value)), true; });
    const auto first = index_->scan({.prefix = prefix, .from = {}}, [&](auto key, auto value) {
      oldest = run_from(key, value);
      return oldest && oldest->segment < first_segment_; // of a segment that was dropped
    });
    if (!last.ok() || !first.ok())
      out.why = unavailable(last.ok() ? first.why() : last.why());
    if (newest)
      out.last = newest->last;
    out.first = oldest && oldest->segment >= first_segment_ ? oldest->first : out.last + 1;
  }
  const auto prefix = position_prefix(name);
  const auto found = index_->scan({.prefix = prefix, .from = {}}, [&](auto key, auto value) {
    store::key_reader parts{key};
    parts.tag();
    parts.text();
    if (const auto durable = parts.text())
      out.positions[*durable] = store::u64_from(value).value_or(0);
    return true;
  });
  if (!found.ok())
    out.why = unavailable(found.why());
  if (out.last != 0 && settings.dedupe_messages != 0 && !out.why) {
    channel_reading window;
    window.name = name;
    window.epoch = out.epoch;
    const auto many = std::min<std::uint64_t>(settings.dedupe_messages, out.last);
    window.what = {0, out.last - many + 1, out.last, false, settings.dedupe_messages, std::size_t{64} << 20};
    auto read = channel_log_reader{writer_->folder(), *index_, index_behind_}.read(window);
    out.window = std::move(read.messages);
    if (read.why)
      out.why = std::move(read.why);
  }
  return out;
}

std::uint64_t channel_log::append(const channel_entries& what, std::int64_t now_us) {
  auto& g = groups_.emplace_back();
  g.number = ++last_group_;
  run r;
  const auto end_run = [&] {
    if (r.last != 0)
      g.changes.put(run_key(what.name, what.epoch, r.first), run_value(r));
    r = {};
  };
  for (const auto& m : what.messages) {
    const auto index = writer_->append(record_of(what.name, what.epoch, m));
    if (!index) {
      g.why = unavailable(index.error());
      return g.number;
    }
    if (r.last != 0 && r.segment != writer_->segment_first())
      end_run();
    if (r.last == 0)
      r = {m.offset, 0, writer_->segment_first(), writer_->last_offset(), *index, 0};
    r.last = m.offset;
    r.bytes += m.what->size();
    g.end = *index + 1;
  }
  end_run();
  for (const auto& p : what.positions) {
    log::record_view ack;
    ack.time_us = now_us;
    ack.kind = log::record_kind::position_acked;
    ack.channel = what.name;
    ack.epoch = what.epoch;
    const auto cut = p.key.find('\0');
    ack.user = std::string_view{p.key}.substr(0, cut);
    ack.durable = std::string_view{p.key}.substr(cut + 1);
    ack.offset = p.offset;
    const auto index = writer_->append(ack);
    if (!index) {
      g.why = unavailable(index.error());
      return g.number;
    }
    g.changes.put(position_key(what.name, p.key), store::u64_bytes(p.offset));
    g.end = *index + 1;
  }
  return g.number;
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
  for (auto& g : groups_) {
    if (!g.why && why && g.end > safe)
      g.why = unavailable(*why);
    out.push_back({g.number, g.why});
    if (g.why)
      continue;
    g.changes.each(
        [&](store::batch::operation, std::string_view key, std::string_view value) { changes_.put(key, value); });
  }
  groups_.clear();
  if (!changes_.empty()) {
    changes_.applied(log_name_, writer_->written());
    const bool failed = index_->apply(changes_).has_value();
    index_behind_->store(failed);
    if (!failed)
      changes_.clear();
  }
  return out;
}

bool channel_log::sync() { return !writer_->sync(); }

void channel_log::close(std::int64_t now_us) {
  if (writer_->is_dead())
    return;
  log::record_view r;
  r.time_us = now_us;
  r.kind = log::record_kind::node_stopped;
  if (writer_->append(r) && !writer_->sync())
    index_->close();
}

void channel_log::retain(std::int64_t age_us_max, std::uint64_t bytes_max, std::int64_t now_us) {
  if (index_->flush()) // what is dropped cannot be applied again
    return;
  const auto gone = log::drop_old_segments(writer_->folder(), {age_us_max, bytes_max}, now_us);
  if (gone)
    first_segment_ = std::max(first_segment_, gone->first_kept);
}

} // namespace troupe
