#pragma once

#include "actors/audit_gatherer.hpp"
#include "actors/room_home.hpp"
#include "actors/room_witness.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace troupe {

class room_logic;

/// Records what happens in one room, as far as its level says (docs/audit.md). Without an actor.
class room_audit final : public room_witness {
public:
  struct setup {
    std::string room;
    std::string epoch;
    audit_level level = audit_level::metadata; ///< Not off: a room that is not recorded has none of this.
    audit_level floor = audit_level::off;      ///< As `room_settings::audit_floor`.
    bool custom = false;                       ///< A room with logic of its own.
    std::string code_version = {};
  };

  room_audit(setup what, audit_gatherer& into);

  /// The time of what follows.
  void at(wall_ms now) noexcept { now_ = now; }
  /// Whether the steps of its logic are recorded as well, so that they can be run again.
  bool records_steps() const noexcept { return what_.custom && what_.level == audit_level::full; }
  /// The log has fallen behind, and may miss nothing of this room: it is to take no more messages.
  bool behind() const noexcept { return what_.level == audit_level::full && into_.behind(); }

  /// The room, or its logic, begins. What its logic starts from is recorded with its steps.
  void activated(const room_home& home, const room_logic* logic, std::uint64_t seed);
  /// Its logic ends. @param state JSON; empty: unknown
  void ended(std::string_view state, std::uint64_t seq);

  // What the home tells.

  void published(const message& m, std::uint64_t seq);
  /// @param before the member as it was known; null: it was not
  void entered(const member_info* before, const member_info& now, std::uint64_t seq);
  void updated(const member_info& who);
  void left(const member_info& who, std::string_view why, std::uint64_t seq);

  // room_witness

  void given(const room_input& in) override;
  void gave(const room_input& in, const room_output& out) override;

private:
  log::record_view begin(log::record_kind kind) const;
  void add(const log::record_view& what) { into_.add(what, what_.level); }
  void add_member(log::record_view r, const member_info& who);
  void snapshot(std::string_view state, std::uint64_t seq, std::string_view detail);
  audit_level level_of(const message& m) const;

  setup what_;
  audit_gatherer& into_;
  wall_ms now_ = 0;
  std::uint64_t steps_ = 0;                    ///< Since the last snapshot.
  audit_level step_level_ = audit_level::full; ///< Of the message that is being handled,
  std::string step_subject_;                   ///< and whom it is about.
};

/// The names of inputs in records, in the order of room_input::kind.
std::string_view name_of(room_input::kind what) noexcept;

/// SHA-256 of a state, in hexadecimal digits; empty for none.
std::string state_hash(std::string_view state);

} // namespace troupe
