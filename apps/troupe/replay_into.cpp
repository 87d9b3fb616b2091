#include "apps/troupe/record_merge.hpp"
#include "apps/troupe/replay_commands.hpp"
#include "apps/troupe/replay_player.hpp"
#include "apps/troupe/server_commands.hpp"
#include "apps/troupe/terminal.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <utility>

// troupe replay --into

namespace troupe::cli {
namespace {

using clock = std::chrono::steady_clock;
using step = record_merge::step;

constexpr std::chrono::milliseconds slice{50};
constexpr std::chrono::seconds patience{30}; ///< Without any answer.
constexpr std::chrono::seconds goodbye_max{3};
constexpr std::size_t waiting_max = 1024; ///< Messages and requests without an answer.
constexpr std::uint64_t records_per_look = 1024;

/// 0: as fast as the server takes it.
double speed_of(const arguments& given) {
  const auto text = given.get("--speed", "1");
  if (text == "max")
    return 0;
  double speed = 0;
  const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), speed);
  if (failed != std::errc{} || end != text.data() + text.size() || !std::isfinite(speed) || speed <= 0)
    throw command_failed{exit_usage, "--speed must be a number above 0, or max, not \"" + text + "\""};
  return speed;
}

/// One run through the recording.
class performance {
public:
  explicit performance(const arguments& given)
      : where_{replay_folders(given)}
      , scope_{scope_of(given)}
      , from_{stop_from(given.get("--from", "end"), given, where_)}
      , to_{stop_from(given.get("--to", "end"), given, where_)}
      , begun_{!given.has("--from")}
      , speed_{speed_of(given)}
      , records_{where_, record_filter{}, given}
      , player_{target(given)} {}

  /// @returns the exit status
  int run() {
    auto how = step::ready;
    for (std::uint64_t n = 1; (how = records_.next()) == step::ready && !is_behind_end(); ++n) {
      if (!begun_ && !begins_here())
        before_.take(records_.log_name(), records_.at());
      else if (!play())
        break;
      if (n % records_per_look == 0)
        bar_.show(records_.read(), records_.all());
    }
    if (how == step::damaged)
      std::fprintf(stderr, "troupe: %s\n", records_.why().text().c_str());
    finish();
    return interrupted() ? exit_interrupted
           : how == step::damaged || records_.passed_damage() || player_.counted().refused > 0 ||
                   player_.counted().requests_refused > 0
               ? exit_false
               : exit_good;
  }

  const replay_player& player() const noexcept { return player_; }

private:
  static link_options target(const arguments& given) {
    auto out = server_of(given);
    out.url = given.get("--into");
    return out;
  }

  bool is_at(const replay_stop& place) const {
    if (place.time_us)
      return records_.at().what.time_us >= *place.time_us;
    return place.index && records_.log_name() == place.log_name && records_.at().index >= *place.index;
  }
  bool is_behind_end() const { return is_at(to_); }

  /// Whether this record is the first of the stretch: then those who were there before come in.
  bool begins_here() {
    if (!is_at(from_))
      return false;
    begun_ = true;
    for (const auto& [room, in] : before_.rooms())
      if (scope_.has_room(room))
        for (const auto& [connection, who] : in.members)
          player_.join(connection, who.user, room, who.state);
    drain(0);
    return true;
  }

  bool concerns_scope(const log::record_view& what) const {
    if (!what.room.empty())
      return scope_.has_room(what.room);
    return what.channel.empty() || scope_.has_channel(what.channel);
  }

  /// @returns false after Ctrl-C
  bool play() {
    const auto& what = records_.at().what;
    if (!concerns_scope(what))
      return true;
    if (speed_ > 0 && !wait_for(what.time_us))
      return false;
    // What different connections send would overtake each other: the order is that of the recording.
    if (what.connection != last_connection_ && !drain(0))
      return false;
    last_connection_ = what.connection;
    player_.play(what);
    return drain(waiting_max);
  }

  /// Waits until at most so much is under way. @returns false after Ctrl-C
  bool drain(std::size_t most) {
    auto last = clock::now();
    while (player_.waiting() > most && !interrupted()) {
      const auto before = player_.waiting();
      player_.work(slice);
      last = player_.waiting() < before ? clock::now() : last;
      if (clock::now() - last > patience)
        throw command_failed{exit_cannot, "the server has not answered for " + std::to_string(patience.count()) + " s"};
    }
    return !interrupted();
  }

  /// Until the moment that a record of this time has in the performance.
  bool wait_for(std::int64_t time_us) {
    if (!first_us_) {
      first_us_ = time_us;
      start_ = clock::now();
    }
    const auto after = std::chrono::duration<double, std::micro>(static_cast<double>(time_us - *first_us_) / speed_);
    const auto moment = start_ + std::chrono::duration_cast<clock::duration>(after);
    for (auto now = clock::now(); now < moment; now = clock::now()) {
      bar_.show(records_.read(), records_.all());
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(moment - now);
      player_.work(std::min(slice, left));
      if (interrupted())
        return false;
    }
    return true;
  }

  /// What is under way is waited for, unless Ctrl-C wants an end; then all leave.
  void finish() {
    drain(0);
    player_.end();
    for (const auto until = clock::now() + goodbye_max; player_.present() > 0 && clock::now() < until;)
      player_.work(slice);
  }

  std::vector<log_folder> where_;
  replay_scope scope_;
  replay_stop from_;
  replay_stop to_;
  bool begun_;
  double speed_;
  record_merge records_;
  replay_player player_;
  replay_state before_; ///< What was when the stretch begins.
  std::string last_connection_;
  std::optional<std::int64_t> first_us_;
  clock::time_point start_;
  progress_bar bar_{"replaying"};
};

void say(const replay_player& player, bool json) {
  const auto& c = player.counted();
  for (const auto& line : player.refusals())
    std::fprintf(stderr, "troupe: %s\n", line.c_str());
  if (json) {
    const value out = {{"sent", c.sent},
                       {"acknowledged", c.acknowledged},
                       {"refused", c.refused},
                       {"requests_refused", c.requests_refused},
                       {"without_payload", c.without_payload},
                       {"of_program", c.of_program},
                       {"connections", c.connections}};
    std::printf("%s\n", to_json(out).c_str());
    return;
  }
  const auto number = [](std::uint64_t n) { return std::to_string(n); };
  const auto text = "sent " + number(c.sent) + " over " + number(c.connections) +
                    " connections: " + number(c.acknowledged) + " acknowledged, " + number(c.refused) +
                    " refused\nnot replayable: " + number(c.without_payload) + " without a payload in the log, " +
                    number(c.of_program) + " by the program itself\n";
  std::fputs(text.c_str(), stdout);
}

} // namespace

int replay_into(const arguments& given) {
  watch_for_interrupt();
  performance run{given};
  const auto status = [&] {
    try {
      return run.run();
    } catch (const command_failed&) {
      say(run.player(), given.has("--json")); // what was done before is done
      throw;
    }
  }();
  say(run.player(), given.has("--json"));
  return status;
}

} // namespace troupe::cli
