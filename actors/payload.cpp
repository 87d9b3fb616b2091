#include "actors/payload.hpp"

#include "runtime/wire/parse.hpp"

#include <string>

namespace troupe {

parsed_payload parse_payload(const message& m) {
  std::string why;
  if (auto read = wire::parse(m.payload(), &why))
    return std::move(*read);
  return failure{error_code::bad_message, "payload: " + why, {}};
}

} // namespace troupe
