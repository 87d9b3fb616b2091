#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace troupe {

/// A step of a recorded room that did not give again what it gave.
struct replay_difference {
  std::uint64_t index = 0; ///< Of the record with what the step gave.
  std::string room;
  std::string epoch;
  std::uint64_t step = 0; ///< Of its activation, from 1.
  std::string input;      ///< For example "message game:move of 3kq0".
  std::string what;       ///< What differs: "output", "state", "number", "failure".
  std::string expected;   ///< As recorded.
  std::string actual;     ///< As it came now.
};

/// What running recorded rooms again has found.
struct replay_report {
  std::uint64_t activations = 0; ///< That were run.
  std::uint64_t matched = 0;     ///< Steps that gave what they gave before.
  std::uint64_t differing = 0;   ///< Activations in which a step differs: the steps behind it are not compared.
  std::uint64_t skipped = 0;     ///< Those steps.
  /// Steps that cannot be run again: what they were given is not recorded (privacy, forgotten), or the beginning of
  /// their activation is not (retention), or the program has no such room.
  std::uint64_t not_replayable = 0;
  std::uint64_t unfinished = 0;           ///< Steps whose outcome is not recorded: the node ended in them.
  std::optional<replay_difference> first; ///< Of the lowest index.
  std::vector<std::string> notes;         ///< What else there is to know, a sentence each; at most `notes_max`.
  std::string cannot;                     ///< Why the log could not be read (to its end); empty: it could.

  static constexpr std::size_t notes_max = 100;
  /// 0: nothing differs; 1: something does; 2: the log could not be read.
  int exit_code() const noexcept { return !cannot.empty() ? 2 : differing != 0 ? 1 : 0; }
};

/// For a person, several lines.
std::string text_of(const replay_report& what);
/// One object on one line, members as above.
std::string json_of(const replay_report& what);

} // namespace troupe
