#pragma once

#include <array>
#include <string_view>

namespace troupe {

/// SHA-256 (FIPS 180-4). OpenSSL's one-shot functions look the algorithm up each time; these do it once.
std::array<unsigned char, 32> sha256(std::string_view text);

/// SHA-1 (FIPS 180-4): for the accept key of RFC 6455 only, where it is no protection.
std::array<unsigned char, 20> sha1(std::string_view text);

} // namespace troupe
