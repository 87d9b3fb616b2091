#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::store {

/// The smallest key above every key that begins with `prefix`; nothing where there is none ("" and "\xff\xff").
std::optional<std::string> after_prefix(std::string_view prefix);

/// Changes that a store makes all together or not at all. What comes later in a batch counts over what came before it.
/// Keys and values are copied into one buffer; `clear` keeps the buffer, so that a writer allocates nothing per batch.
class batch {
public:
  enum class operation : std::uint8_t { put, erase, erase_range };

  /// What a batch does to the number of a log class.
  struct progress {
    std::string log_class;
    std::optional<std::uint64_t> applied; ///< Nothing: the number is forgotten.
  };

  void put(std::string_view key, std::string_view value);
  void erase(std::string_view key);
  /// Erases every key in [from, to). Nothing happens when from >= to. Costs a step for each key that is there, all in
  /// memory at once: whoever erases millions does it in several batches.
  void erase_range(std::string_view from, std::string_view to);
  /// Erases every key that begins with `prefix`; with an empty one, every key.
  void erase_prefix(std::string_view prefix);

  /// With this batch the store holds what the records [0, end) of a log class led to. A store refuses a batch that
  /// would make the number smaller.
  /// @param log_class names one log; a log that starts anew under another origin is another class
  void applied(std::string_view log_class, std::uint64_t end);
  /// The store holds nothing of this class any more: the number is 0 after it. With `erase_prefix` of the keys of the
  /// class this begins a rebuild, in one step.
  void forget(std::string_view log_class);

  void clear() noexcept;
  bool empty() const noexcept { return steps_.empty() && progress_.empty(); }
  /// Bytes of keys and values.
  std::size_t bytes() const noexcept { return bytes_.size(); }

  /// Calls `f(operation, key, value)` for each change in order. For `erase_range` the key is the begin, the value the
  /// end of the range, and an empty end means that there is no end.
  template <class F>
  void each(F&& f) const {
    for (const auto& s : steps_) {
      const auto* at = bytes_.data() + s.at;
      f(s.what, std::string_view{at, s.key_bytes}, std::string_view{at + s.key_bytes, s.value_bytes});
    }
  }
  const std::vector<progress>& changed_progress() const noexcept { return progress_; }

private:
  struct step {
    operation what;
    std::size_t at;
    std::size_t key_bytes;
    std::size_t value_bytes;
  };
  void add(operation what, std::string_view key, std::string_view value);

  std::string bytes_;
  std::vector<step> steps_;
  std::vector<progress> progress_;
};

} // namespace troupe::store
