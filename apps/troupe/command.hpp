#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

/// What all commands of `troupe` have in common: their arguments, their help, how they end.
namespace troupe::cli {

inline constexpr int exit_good = 0;
inline constexpr int exit_false = 1;  ///< Damage was found, a proof is wrong, a node is not ready.
inline constexpr int exit_usage = 2;  ///< The command line makes no sense.
inline constexpr int exit_cannot = 3; ///< Something cannot be opened, read or written.
inline constexpr int exit_interrupted = 130;

/// Ends a command: with this exit status, and this line on standard error.
class command_failed : public std::runtime_error {
public:
  command_failed(int status, const std::string& why)
      : std::runtime_error{why}
      , status_{status} {}
  int status() const noexcept { return status_; }

private:
  int status_;
};

/// A flag of a command.
struct flag {
  std::string_view name;    ///< "--data"
  std::string_view value;   ///< What it takes, as the help shows it; empty: nothing.
  std::string_view meaning; ///< One line.
  char letter = 0;          ///< Its short form, 'n' for -n; 0: none.
  unsigned count = 1;       ///< How many values it takes, where it takes any.
  bool takes_rest = false;  ///< What follows its value is not looked at: all of it are words.
};

class arguments;

/// One command: what it is called with, and what it does.
struct command {
  std::string_view name; ///< Its words: "log cat".
  std::string_view takes;
  std::string_view summary; ///< One line, without a full stop.
  std::size_t words_min = 0;
  std::size_t words_max = 0;
  std::vector<flag> flags;
  int (*run)(const arguments&) = nullptr; ///< @returns the exit status; may throw command_failed
  std::string_view notes = {};            ///< Stands below the flags in its help.
  std::string_view examples = {};         ///< Stands below that; a line each.
};

/// What a command was called with, checked against its flags.
class arguments {
public:
  /// Throws command_failed where a flag is unknown (and names the nearest), lacks its value, has one too many, or where
  /// the words are too few or too many.
  arguments(const command& of, std::span<const std::string> given);

  bool has(std::string_view flag) const { return given_.contains(flag); }
  /// The value given last.
  std::string get(std::string_view flag, std::string_view otherwise = {}) const;
  /// All values, in their order.
  std::vector<std::string> all(std::string_view flag) const;
  const std::vector<std::string>& words() const noexcept { return words_; }

private:
  std::map<std::string, std::vector<std::string>, std::less<>> given_;
  std::vector<std::string> words_;
};

/// The usage line, the flags and the notes of a command.
std::string help_of(const command& one);

/// A whole number without a sign; throws command_failed that says what it is for.
std::uint64_t number_from(std::string_view text, std::string_view what);

} // namespace troupe::cli
