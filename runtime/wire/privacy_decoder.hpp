#pragma once

// The privacy object of an envelope (docs/protocol.md, "Privacy"), once for all wire formats. Private to runtime/wire.

#include "runtime/model/limits.hpp"
#include "runtime/model/message.hpp"
#include "runtime/wire/field_reader.hpp"

#include <cstddef>
#include <optional>
#include <string_view>
#include <utility>

namespace troupe::wire {

/// Reads `privacy`, `log`, `subject` and `audience` of a message. See field_reader for what a `Reader` is.
template <class Reader>
class privacy_decoder : field_reader<Reader> {
public:
  privacy_decoder(Reader& in, message_fields& out) noexcept
      : base{in}
      , out_{out} {}

  /// @returns false where the format itself is broken
  bool run() {
    if (in_.kind() != node_kind::object)
      return wrong("privacy", "must be an object");
    const char* start = in_.at();
    unsigned seen = 0;
    const auto once = [this, &seen](unsigned bit, std::string_view what) {
      if ((seen & bit) != 0)
        broken(what, "is given twice");
      seen |= bit;
    };
    const bool whole = each_member([this, &once](std::string_view key) {
      if (key == "log")
        return once(1, "privacy.log"), level();
      if (key == "subject")
        return once(2, "privacy.subject"), name("privacy.subject", out_.subject);
      if (key == "audience")
        return once(4, "privacy.audience"),
               names("privacy.audience", out_.audience, limits::audience_max, "has more than 100 names");
      std::string_view ignored;
      return in_.value(ignored);
    });
    out_.privacy = {start, static_cast<std::size_t>(in_.at() - start)};
    return whole;
  }

  /// The first rule that is broken, once; nothing where all is well.
  std::optional<failure> broken_rule() { return std::move(failed_); }

  /// Reads an object that stands alone. @returns whether it is one
  bool run_alone() { return run() && in_.end() && !failed_; }

private:
  using base = field_reader<Reader>;
  using base::broken;
  using base::each_member;
  using base::failed_;
  using base::in_;
  using base::name;
  using base::names;
  using base::text;
  using base::wrong;

  bool level() {
    const auto known = [](std::string_view t) { return t == "full" || t == "metadata" || t == "none"; };
    std::string_view what;
    if (!text("privacy.log", what, known, "must be full, metadata or none"))
      return false;
    out_.log = what == "none"       ? privacy_log::none
               : what == "metadata" ? privacy_log::metadata
               : what == "full"     ? privacy_log::full
                                    : privacy_log::unsaid;
    return true;
  }

  message_fields& out_;
};

} // namespace troupe::wire
