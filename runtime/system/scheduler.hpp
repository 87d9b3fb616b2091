#pragma once

#include <caf/actor_system.hpp>

namespace troupe {

/// CAF's work-sharing scheduler, with a clock that the end of an actor costs nothing: for `module_factories` of
/// caf::actor_system_config. In CAF 0.17.6 each actor that ends tells the clock to forget its timeouts, which wakes the
/// clock's thread: for each connection, though none has timeouts.
caf::actor_system::module* make_scheduler(caf::actor_system& system);

} // namespace troupe
