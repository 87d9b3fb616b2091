#pragma once

#include <string>

namespace troupe::testing {

/// Files with a self-signed certificate (P-256) for CN=`name` and its key, made when first asked for, in a folder that
/// goes with the process.
std::string certificate_file(const std::string& name);
std::string key_file(const std::string& name);

/// Makes a certificate with another name in the files of `name`.
void replace_certificate(const std::string& name, const std::string& common_name);

} // namespace troupe::testing
