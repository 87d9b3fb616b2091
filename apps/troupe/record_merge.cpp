#include "apps/troupe/record_merge.hpp"

#include <algorithm>
#include <cstdio>

namespace troupe::cli {

std::vector<flag> decrypt_flags() {
  return {{"--decrypt", "", "shows confidential payloads too, where their key has not been destroyed"}};
}

record_merge::record_merge(const std::vector<log_folder>& where, const record_filter& filter, const arguments& given) {
  const auto& index = filter.from().index ? filter.from().index : filter.to().index;
  if (index && where.size() > 1) {
    std::string names;
    for (const auto& one : where)
      names += (names.empty() ? "" : ", ") + one.name();
    throw command_failed{exit_usage, std::to_string(*index) +
                                         " is an index, and each log has its own: name one with --class (" + names +
                                         "), or give a time"};
  }
  if (given.has("--decrypt") && !where.empty())
    keys_.emplace(log::subject_keys_folder(where.front().data));
  for (const auto& one : where)
    sources_.push_back({one.name(), std::make_unique<record_stream>(one, filter, given)});
  current_ = &sources_.front();
}

record_merge::step record_merge::next() {
  source* earliest = nullptr;
  for (auto& one : sources_) {
    if (one.fresh) {
      one.state = one.records->next();
      one.fresh = false;
    }
    if (one.state == step::interrupted) {
      one.fresh = true;
      return step::interrupted;
    }
    if (one.state == step::ready &&
        (earliest == nullptr || one.records->at().what.time_us < earliest->records->at().what.time_us))
      earliest = &one;
  }
  if (earliest == nullptr)
    return ended();
  current_ = earliest;
  earliest->fresh = true; // its record stays valid until it is asked again
  if (keys_)
    opened(current_->records->at());
  return step::ready;
}

const log::entry& record_merge::opened(const log::entry& one) {
  if (!keys_)
    return one;
  opened_ = one;
  const auto can = log::open_payload(*keys_, opened_.what, payload_);
  if (!can) {
    std::fprintf(stderr, "troupe: record %llu: %s\n", static_cast<unsigned long long>(one.index),
                 can.error().text().c_str());
    bad_payload_ = true;
  } else if (!*can) {
    opened_.what.payload = opened_.what.nonce = {};
  }
  return opened_;
}

record_merge::step record_merge::ended() const {
  const auto has = [&](step state) {
    return std::any_of(sources_.begin(), sources_.end(), [&](const source& one) { return one.state == state; });
  };
  return has(step::interrupted) ? step::interrupted
         : has(step::damaged)   ? step::damaged
         : has(step::end)       ? step::end
                                : step::done;
}

void record_merge::look_again() {
  for (auto& one : sources_)
    if (one.state == step::end) {
      one.records->look_again();
      one.fresh = true;
    }
}

const log::fault& record_merge::why() const noexcept {
  const auto damaged =
      std::find_if(sources_.begin(), sources_.end(), [](const source& one) { return one.state == step::damaged; });
  return damaged->records->why();
}

bool record_merge::passed_damage() const noexcept {
  return bad_payload_ ||
         std::any_of(sources_.begin(), sources_.end(), [](const source& one) { return one.records->passed_damage(); });
}

std::uint64_t record_merge::read() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& one : sources_)
    sum += one.records->read();
  return sum;
}

std::uint64_t record_merge::all() const noexcept {
  std::uint64_t sum = 0;
  for (const auto& one : sources_) {
    const auto some = one.records->all();
    if (some == 0 && one.state != step::done && one.state != step::end)
      return 0;
    sum += some;
  }
  return sum;
}

std::vector<record_merge::kept> record_merge::last(std::size_t count, step& how) {
  std::vector<kept> out;
  kept_.clear();
  for (auto& one : sources_) {
    kept_.push_back(one.records->last(count, one.state));
    one.fresh = one.state == step::end;
  }
  std::vector<std::size_t> taken(sources_.size());
  for (;;) {
    kept earliest;
    std::size_t of = 0;
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (taken[i] == kept_[i].size())
        continue;
      const auto& head = kept_[i][taken[i]];
      if (earliest.what == nullptr || head.entry.what.time_us < earliest.what->entry.what.time_us) {
        earliest = {&head, sources_[i].name};
        of = i;
      }
    }
    if (earliest.what == nullptr)
      break;
    ++taken[of];
    out.push_back(earliest);
  }
  if (out.size() > count)
    out.erase(out.begin(), out.end() - static_cast<std::ptrdiff_t>(count));
  how = ended();
  return out;
}

} // namespace troupe::cli
