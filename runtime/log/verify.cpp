#include "runtime/log/verify.hpp"

#include "runtime/log/recovery.hpp"
#include "runtime/log/segment_check.hpp"

#include <algorithm>
#include <atomic>
#include <limits>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

namespace troupe::log {
namespace {

/// One verification: the evidence is read first, then the segments, so that a writer beside it is never ahead.
class verification {
public:
  verification(const std::filesystem::path& folder, const verify_options& options)
      : folder_{folder}
      , options_{options} {}

  result<verify_report> run() {
    mark_ = read_sync_mark(folder_);
    auto notes = read_checkpoints(folder_);
    if (!notes)
      return notes.error();
    notes_ = std::move(*notes);
    const auto firsts = list_segments(folder_);
    if (!firsts)
      return firsts.error();
    read_segments(*firsts);
    join_segments();
    segments_damaged_ = !report_.problems.empty();
    if (notes_.damage)
      problem(*notes_.damage);
    for (std::size_t i = 0; i < notes_.notes.size(); ++i)
      local_checkpoint(notes_.notes[i], i);
    if (options_.expect)
      expected_checkpoint(*options_.expect);
    return report_; // what the segments say comes first: it names the record, a checkpoint only a range
  }

private:
  void read_segments(const std::vector<std::uint64_t>& firsts) {
    std::set<std::uint64_t> sizes;
    for (const auto& note : notes_.notes)
      sizes.insert(note.said.size);
    if (options_.expect)
      sizes.insert(options_.expect->said.size);
    const std::vector<std::uint64_t> wanted{sizes.begin(), sizes.end()};

    std::uint64_t all_bytes = 0;
    std::error_code code;
    for (const auto first : firsts)
      if (const auto bytes = std::filesystem::file_size(folder_ / segment_name(first), code); !code)
        all_bytes += bytes;
    std::mutex one_at_a_time;
    std::uint64_t done = 0;
    const auto progress = [&](std::uint64_t bytes) {
      if (!options_.progress)
        return;
      const std::scoped_lock lock{one_at_a_time};
      done += bytes;
      options_.progress(done, std::max(done, all_bytes));
    };

    segments_.resize(firsts.size());
    std::atomic<std::size_t> next = 0;
    const auto work = [&] {
      for (auto i = next++; i < firsts.size(); i = next++)
        segments_[i] = check_segment(folder_, firsts[i], i + 1 == firsts.size(), wanted, mark_, progress);
    };
    const auto cpus = options_.threads > 0 ? options_.threads : std::max(1U, std::thread::hardware_concurrency());
    std::vector<std::jthread> threads;
    for (std::size_t i = 1; i < std::min<std::size_t>(cpus, firsts.size()); ++i)
      threads.emplace_back(work);
    work();
  }

  /// Each segment has to begin where the one before it ends, with the same tree.
  void join_segments() {
    const segment_check* before = nullptr;
    for (const auto& segment : segments_) {
      ++report_.segments;
      report_.records += segment.records;
      report_.bytes += segment.bytes;
      if (segment.header) {
        const auto& header = segment.header->header;
        boundary_.try_emplace(header.origin, 0);
        for (auto& [origin, until] : boundary_)
          if (origin == header.origin)
            until = std::numeric_limits<std::uint64_t>::max();
          else
            until = std::min(until, segment.first);
        if (before != nullptr)
          compare(*before, segment);
      }
      if (segment.problem)
        problem(*segment.problem);
      for (const auto& [size, root] : segment.roots)
        roots_.try_emplace(size, root);
      before = &segment;
    }
    if (before == nullptr) {
      report_.root = empty_root();
      if (mark_ && mark_->next > 0)
        problem({fault_kind::lost, 0, "there is no segment, and there were some"});
      roots_.try_emplace(0, report_.root);
      return;
    }
    report_.first = segments_.front().first;
    report_.size = before->header ? before->through.size() : before->first;
    report_.root = before->through.root();
    if (!before->problem)
      report_.torn_bytes = before->surplus;
  }

  void compare(const segment_check& before, const segment_check& segment) {
    const place here{segment_name(segment.first), segment.first, 0};
    if (before.problem || !before.header)
      return; // Said already.
    if (before.through.size() != segment.first)
      problem({fault_kind::lost, 0,
               "records " + std::to_string(before.through.size()) + " to " + std::to_string(segment.first) +
                   " (without the last) are missing",
               place{segment_name(before.through.size()), before.through.size(), 0}});
    else if (before.through != segment.header->header.before)
      problem({fault_kind::damaged, 0, "the records before this segment are not those that it was written after",
               place{segment_name(before.first), before.first, 0}});
    else if (before.header->header.class_name != segment.header->header.class_name)
      problem({fault_kind::damaged, 0, "the segment is of another class", here});
  }

  void local_checkpoint(const signed_checkpoint& note, std::size_t number) {
    const auto& said = note.said;
    const place where{"checkpoints", said.size, number};
    if (options_.key && !is_signed_by(note, *options_.key))
      return problem({fault_kind::damaged, 0, "a checkpoint is not signed with this key", where});
    const auto known = boundary_.find(said.origin);
    if (said.size < report_.first || (known == boundary_.end() && said.size <= report_.first)) {
      ++report_.checkpoints_dropped;
    } else if (known != boundary_.end() ? said.size > known->second : is_earlier(said.origin)) {
      ++report_.checkpoints_abandoned;
    } else if (is_unreadable(said.size)) {
      return;
    } else if (said.size > report_.size) {
      problem({fault_kind::lost, 0, "the log is shorter than a checkpoint of " + std::to_string(said.size) + " records",
               where});
    } else if (fits(said)) {
      ++report_.checkpoints;
      matched_ = std::max(matched_, said.size);
    } else {
      differs(said, "a checkpoint of this folder");
    }
  }

  void expected_checkpoint(const signed_checkpoint& note) {
    const auto& said = note.said;
    if (options_.key && !is_signed_by(note, *options_.key))
      return problem({fault_kind::refused, 0, "the expected checkpoint is not signed with this key"});
    const auto known = boundary_.find(said.origin);
    if (known == boundary_.end())
      return problem(
          {fault_kind::lost, 0, "the expected checkpoint is of \"" + said.origin + "\", and this log is not"});
    if (said.size < report_.first)
      return problem(
          {fault_kind::lost, 0, "the records of the expected checkpoint were dropped; it cannot be compared"});
    if (is_unreadable(said.size))
      return;
    if (said.size > std::min(known->second, report_.size))
      return problem({fault_kind::lost, 0,
                      "the log ends before the " + std::to_string(said.size) + " records of the expected checkpoint",
                      last_place()});
    report_.expected_fits = fits(said);
    if (!report_.expected_fits)
      differs(said, "the expected checkpoint");
  }

  /// There is no tree of this size to compare with, because of damage that was said already.
  bool is_unreadable(std::uint64_t size) const { return segments_damaged_ && !roots_.contains(size); }

  bool fits(const checkpoint& said) const {
    const auto found = roots_.find(said.size);
    return found != roots_.end() && found->second == said.root;
  }

  void differs(const checkpoint& said, const std::string& which) {
    const auto from = std::max(matched_ <= said.size ? matched_ : 0, report_.first);
    std::uint64_t segment = 0;
    for (const auto& one : segments_)
      if (one.first <= from)
        segment = one.first;
    problem({fault_kind::damaged, 0,
             "records " + std::to_string(from) + " to " + std::to_string(said.size) +
                 " (without the last) are not those of " + which,
             place{segment_name(segment), from, 0}});
  }

  /// Whether all kept segments are of later incarnations than this origin.
  bool is_earlier(std::string_view origin) const {
    return std::all_of(segments_.begin(), segments_.end(), [&](const segment_check& one) {
      if (!one.header)
        return true;
      const auto& header = one.header->header;
      const auto number = incarnation_of(origin, header.node, header.class_name);
      return number > 0 && number < incarnation_of(header.origin, header.node, header.class_name);
    });
  }

  std::optional<place> last_place() const {
    if (segments_.empty())
      return {};
    return place{segment_name(segments_.back().first), report_.size, segments_.back().bytes};
  }

  void problem(fault what) {
    if (report_.problems.size() < verify_report::problems_max)
      report_.problems.push_back(std::move(what));
  }

  const std::filesystem::path& folder_;
  const verify_options& options_;
  verify_report report_;
  std::optional<sync_mark> mark_;
  notes_read notes_;
  std::vector<segment_check> segments_;
  std::map<std::uint64_t, tree_hash> roots_;
  std::map<std::string, std::uint64_t> boundary_; ///< Up to which size an origin speaks of this log.
  bool segments_damaged_ = false;
  std::uint64_t matched_ = 0; ///< Size of the largest checkpoint that fits.
};

} // namespace

result<verify_report> verify(const std::filesystem::path& folder, const verify_options& options) {
  return verification{folder, options}.run();
}

} // namespace troupe::log
