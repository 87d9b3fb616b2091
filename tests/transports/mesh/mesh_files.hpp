#pragma once

#include "transports/mesh/credentials.hpp"

#include <string>
#include <vector>

namespace mesh_testing {

/// A file in a folder that goes with the process. @returns its path
std::string write_file(const std::string& name, const std::string& content, unsigned mode);

/// A secret file with rights as they should be; the same content for the same name.
troupe::mesh::security by_secret(const std::string& name = "secret");

/// A certificate with these DNS names, signed by the CA of that name (made when first asked for), for a node that
/// allows peers with `allowed`. An empty list of names gives it the common name alone.
troupe::mesh::security by_certificate(const std::string& ca, const std::string& common_name,
                                      const std::vector<std::string>& names, const std::vector<std::string>& allowed);

} // namespace mesh_testing
