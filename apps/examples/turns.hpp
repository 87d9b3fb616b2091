#pragma once

// Tic-tac-toe as a room with rules of its own: two play, the others watch. What clients send and get:
//
//   game:move   {"cell": 0..8, "turn": n}   `turn` as in the state that the player looks at; the `ack` has the next one
//   game:again                              a player wants another game
//   game:state                              what everybody gets after each change
//
// Everything else that members send to the room is passed on.

#include "apps/examples/board.hpp"

#include <troupe/troupe.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace examples {

/// One table. The first two to join play, who comes later watches and moves up when a seat is free between games. A
/// seat belongs to a user (or to a connection without one), so a player may have several tabs.
///
/// A move names the turn that it is meant for: of two moves for one turn the one that the room gets first counts, the
/// other is a `conflict`. Nothing here asks a clock or a die but the room's context, so the same inputs in the same
/// order always give the same game.
class game_room final : public troupe::room {
public:
  /// @param move_time how long a player may think; who takes longer loses
  explicit game_room(std::chrono::milliseconds move_time = std::chrono::seconds{30})
      : move_time_(move_time) {}

  // quote: hooks
  void on_start(troupe::room_context& ctx) override {
    const auto kept = state();
    for (auto& seat : seats_) // the snapshot may be older than the last join or leave
      if (!present(seat, ctx))
        seat.clear();
    std::erase_if(watching_, [&](const auto& who) { return !present(who, ctx); });
    for (const auto& who : ctx.members())
      watch(name_of(who));
    if (phase_ == phase::playing)
      ctx.after(move_time_, turn_); // timers end with the activation
    seat_watchers(ctx);
    if (state() != kept)
      tell(ctx);
  }

  void on_join(const troupe::room_member& who, troupe::room_context& ctx) override {
    watch(name_of(who));
    seat_watchers(ctx);
    tell(ctx);
  }

  void on_leave(const troupe::room_member& who, troupe::room_context& ctx) override {
    const auto name = name_of(who);
    if (present(name, ctx))
      return; // with another tab
    std::erase(watching_, name);
    if (const auto seat = seat_of(name)) {
      if (phase_ == phase::playing)
        finish(marks[1 - *seat], "left");
      seats_[*seat].clear();
      seat_watchers(ctx);
    }
    tell(ctx);
  }

  void on_message(const troupe::message& m, troupe::room_context& ctx) override {
    if (m.type() == "game:move")
      move(m, ctx);
    else if (m.type() == "game:again")
      again(m, ctx);
    else
      ctx.forward(m);
  }

  void on_timer(std::uint64_t token, troupe::room_context& ctx) override {
    if (phase_ != phase::playing || token != turn_)
      return; // the move came in time
    finish(marks[1 - mover_], "time");
    tell(ctx);
  }
  // end quote: hooks

  // quote: snapshot
  troupe::value snapshot() const override {
    auto kept = state();
    kept.set("watching", troupe::value::array_type(watching_.begin(), watching_.end()));
    return kept;
  }

  void restore(const troupe::value& kept) override {
    const auto text = [](const troupe::value& v) { return std::string{v.as_string().value_or("")}; };
    board_ = board{text(kept["board"])};
    phase_ = static_cast<phase>(std::find(phases.begin(), phases.end(), text(kept["phase"])) - phases.begin());
    turn_ = kept["turn"].as_uint().value_or(0);
    mover_ = kept["next"].as_string() == marks[1] ? 1 : 0;
    winner_ = text(kept["winner"]);
    by_ = text(kept["by"]);
    for (std::size_t seat = 0; seat < seats_.size(); ++seat)
      seats_[seat] = text(kept["players"][seat]);
    for (const auto& who : kept["watching"].elements())
      watching_.push_back(text(who));
  }
  // end quote: snapshot

private:
  enum class phase : std::uint8_t { waiting, playing, over };
  static constexpr std::array<std::string_view, 3> phases{"waiting", "playing", "over"};
  static constexpr std::array<const char*, 2> marks{"X", "O"};

  static std::string name_of(const troupe::room_member& who) { return who.user.value_or(who.connection); }
  static bool present(const std::string& name, const troupe::room_context& ctx) {
    const auto members = ctx.members();
    return std::any_of(members.begin(), members.end(), [&](const auto& who) { return name_of(who) == name; });
  }
  void watch(const std::string& name) {
    if (!seat_of(name) && std::find(watching_.begin(), watching_.end(), name) == watching_.end())
      watching_.push_back(name);
  }
  std::optional<std::size_t> seat_of(const std::string& name) const {
    for (std::size_t seat = 0; seat < seats_.size(); ++seat)
      if (seats_[seat] == name)
        return seat;
    return {};
  }
  /// The seat of who sent the message; who has none gets an `error`.
  std::optional<std::size_t> seat_of(const troupe::message& m, troupe::room_context& ctx) const {
    const auto seat = m.from() ? seat_of(m.from()->user.value_or(m.from()->connection)) : std::nullopt;
    if (!seat)
      ctx.reject({troupe::error_code::forbidden, "who watches does not play"});
    return seat;
  }

  // quote: move
  void move(const troupe::message& m, troupe::room_context& ctx) {
    const auto refuse = [&](const char* why) { ctx.reject({troupe::error_code::conflict, why}); };
    const auto seat = seat_of(m, ctx);
    if (!seat)
      return;
    const auto wanted = troupe::parse_payload(m);
    if (!wanted)
      return ctx.reject(wanted.error());
    const auto cell = (*wanted)["cell"].as_int();
    if (!cell || *cell < 0 || *cell >= board::cells)
      return ctx.reject({troupe::error_code::bad_message, "a move needs a cell from 0 to 8"});
    if (phase_ != phase::playing)
      return refuse("no game is on");
    if ((*wanted)["turn"].as_uint() != turn_)
      return refuse("this turn is over");
    if (*seat != mover_)
      return refuse("it is the other player's turn");
    if (!board_.put(static_cast<std::size_t>(*cell), *marks[*seat]))
      return refuse("this cell is taken");

    next_turn(ctx);
    if (board_.winner())
      finish(marks[*seat], "line");
    else if (board_.full())
      finish("draw", "board");
    ctx.reply({{"turn", turn_}});
    tell(ctx);
  }
  // end quote: move

  void again(const troupe::message& m, troupe::room_context& ctx) {
    if (!seat_of(m, ctx))
      return;
    if (phase_ != phase::over)
      return ctx.reject({troupe::error_code::conflict, "this game is not over"});
    phase_ = phase::waiting;
    seat_watchers(ctx);
    tell(ctx);
  }

  void next_turn(troupe::room_context& ctx) {
    mover_ = 1 - mover_;
    ++turn_; // never starts anew, so it tells the timers of all games apart
    ctx.after(move_time_, turn_);
  }

  void finish(std::string winner, std::string by) {
    phase_ = phase::over;
    winner_ = std::move(winner);
    by_ = std::move(by);
  }

  /// Between games: fills free seats in the order of joining and begins where there are two players.
  void seat_watchers(troupe::room_context& ctx) {
    if (phase_ == phase::playing)
      return;
    for (auto& seat : seats_)
      if (seat.empty() && !watching_.empty()) {
        seat = watching_.front();
        watching_.erase(watching_.begin());
      }
    if (phase_ == phase::over && seats_[0].empty() && seats_[1].empty())
      phase_ = phase::waiting; // nobody is left to ask for another game
    if (phase_ == phase::over || seats_[0].empty() || seats_[1].empty())
      return;
    phase_ = phase::playing;
    board_ = board{};
    winner_.clear();
    by_.clear();
    mover_ = ctx.random() & 1;
    next_turn(ctx);
  }

  troupe::value state() const {
    const auto or_null = [](const std::string& text) { return text.empty() ? troupe::value{} : troupe::value(text); };
    return {{"board", board_.text()},
            {"phase", phases[static_cast<std::size_t>(phase_)]},
            {"turn", turn_},
            {"next", phase_ == phase::playing ? troupe::value(marks[mover_]) : troupe::value{}},
            {"players", troupe::value::array({or_null(seats_[0]), or_null(seats_[1])})},
            {"watchers", watching_.size()},
            {"winner", or_null(winner_)},
            {"by", or_null(by_)}};
  }

  void tell(troupe::room_context& ctx) const { ctx.broadcast({.type = "game:state", .payload = state()}); }

  std::chrono::milliseconds move_time_;
  board board_;
  phase phase_ = phase::waiting;
  std::uint64_t turn_ = 0;
  std::size_t mover_ = 0;             ///< Index into `seats_` and `marks`.
  std::array<std::string, 2> seats_;  ///< Empty: free.
  std::vector<std::string> watching_; ///< In the order of joining.
  std::string winner_;                ///< "X", "O", "draw".
  std::string by_;                    ///< "line", "board", "time", "left".
};

} // namespace examples
