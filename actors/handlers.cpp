#include "actors/handlers.hpp"

namespace troupe {
namespace {

bool concerns(std::string_view pattern, std::string_view type) {
  return pattern.ends_with('*') ? type.starts_with(pattern.substr(0, pattern.size() - 1)) : pattern == type;
}

} // namespace

verdict handler_table::run_middleware(const message& m, context& ctx, toolkit& kit) const {
  for (const auto& step : chain_)
    if (concerns(step.pattern, m.type()) && step.run(m, ctx, kit) == verdict::stop)
      return verdict::stop;
  return verdict::pass;
}

} // namespace troupe
