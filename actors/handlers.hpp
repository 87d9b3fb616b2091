#pragma once

#include "actors/payload.hpp"
#include "actors/toolkit.hpp"
#include "runtime/model/message.hpp"
#include "runtime/model/patterns.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <vector>

namespace troupe {

/// What a middleware says of a message. A message that it has answered goes no further either way.
enum class verdict {
  pass,
  stop, ///< The message goes no further; its `id` is answered with `forbidden` unless the middleware has answered.
};

using middleware = std::function<verdict(const message&, context&, toolkit&)>;
using handler = std::function<void(const message&, context&, toolkit&)>;

/// How a handler is run.
struct handler_options {
  /// Run on the scheduler instead of the connection's loop: for work that takes long or blocks. In order for each
  /// connection, with at most `handlers.queue_max` waiting; past it the connection is not read.
  bool off_loop = false;
};

/// The handlers of a kernel by type. Filled before the kernel starts, then read from every loop.
class handler_table {
public:
  struct entry {
    handler run;
    handler_options options;
  };

  /// @param pattern "*" or a type, or a prefix followed by `*`
  void add_middleware(std::string_view pattern, middleware m) {
    chain_.push_back({std::string{pattern}, std::move(m)});
  }
  void add_handler(std::string_view pattern, entry e) { by_type_.set(pattern, std::move(e)); }

  bool empty() const noexcept { return chain_.empty() && by_type_.empty(); }
  const entry* find(std::string_view type) const noexcept { return by_type_.empty() ? nullptr : by_type_.find(type); }

  /// Runs the middleware that concerns the message, in the order of registration.
  verdict run_middleware(const message& m, context& ctx, toolkit& kit) const;

private:
  struct link {
    std::string pattern;
    middleware run;
  };

  std::vector<link> chain_;
  pattern_table<entry> by_type_;
};

} // namespace troupe
