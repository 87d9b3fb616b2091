#pragma once

#include "runtime/wire/basp_check.hpp"

#include <caf/meta/type_name.hpp>

#include <string>

namespace troupe::mesh {

/// The one message that crosses the mesh: a frame of a `reliable_link`. CAF's network layer is slow by the message and
/// fast by the byte, and what the gate lets through is this type alone.
struct mesh_batch {
  std::string bytes;
};

/// As CAF writes it; the name is what `basp_check` compares.
template <class Inspector>
typename Inspector::result_type inspect(Inspector& f, mesh_batch& x) {
  return f(caf::meta::type_name("troupe::mesh_batch"), x.bytes);
}

} // namespace troupe::mesh
