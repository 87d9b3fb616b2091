#include "transports/mesh/preface.hpp"

#include "runtime/wire/basp_check.hpp"
#include "runtime/wire/mesh_messages.hpp"

#include <algorithm>

namespace troupe::mesh {
namespace {

constexpr std::string_view magic = "TRPM";
constexpr std::size_t head_bytes = 8; // magic, versions, length
constexpr std::size_t fixed_bytes = 8 + node_id_bytes + 1;

static_assert(preface::name_bytes_max == node_name_bytes_max);

std::uint64_t number_at(std::string_view bytes, std::size_t at, std::size_t size) {
  std::uint64_t number = 0;
  for (std::size_t i = 0; i < size; ++i)
    number = number << 8 | static_cast<unsigned char>(bytes[at + i]);
  return number;
}

void put(std::string& out, std::uint64_t number, std::size_t size) {
  while (size-- > 0)
    out.push_back(static_cast<char>(number >> (8 * size)));
}

preface_outcome refuse(std::string_view reason, std::string detail) {
  preface_outcome result;
  result.what = preface_outcome::state::refused;
  result.reason = reason;
  result.detail = std::move(detail);
  return result;
}

} // namespace

bool is_node_name(std::string_view name) noexcept {
  return !name.empty() && name.size() <= preface::name_bytes_max && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
           c == '.';
  });
}

std::string preface::encode() const {
  std::string out{magic};
  put(out, version.major, 1);
  put(out, version.minor, 1);
  put(out, fixed_bytes + who.name.size(), 2);
  put(out, who.incarnation, 8);
  out += who.node;
  put(out, who.name.size(), 1);
  return out + who.name;
}

preface_outcome read_preface(std::string_view bytes, protocol_version own) {
  const auto seen = std::min(bytes.size(), magic.size());
  if (bytes.substr(0, seen) != magic.substr(0, seen))
    return refuse("preface", "it does not speak the protocol of the mesh");
  preface_outcome result;
  if (bytes.size() < head_bytes)
    return result;
  result.said.version = {static_cast<std::uint8_t>(bytes[4]), static_cast<std::uint8_t>(bytes[5])};
  if (result.said.version.major != own.major)
    return refuse("version", "it speaks version " + std::to_string(result.said.version.major) + "." +
                                 std::to_string(result.said.version.minor) + ", this node " +
                                 std::to_string(own.major) + "." + std::to_string(own.minor));
  const auto length = number_at(bytes, 6, 2);
  if (length < fixed_bytes + 1 || head_bytes + length > preface::bytes_max)
    return refuse("preface", "its length is out of bounds");
  if (bytes.size() < head_bytes + length)
    return result;
  auto& who = result.said.who;
  who.incarnation = number_at(bytes, 8, 8);
  who.node = bytes.substr(16, node_id_bytes);
  const auto name_bytes = number_at(bytes, head_bytes + fixed_bytes - 1, 1);
  if (fixed_bytes + name_bytes > length)
    return refuse("preface", "its name is cut");
  who.name = bytes.substr(head_bytes + fixed_bytes, name_bytes);
  if (!is_node_name(who.name))
    return refuse("preface", "its name is none");
  result.what = preface_outcome::state::done;
  result.bytes = head_bytes + length;
  return result;
}

} // namespace troupe::mesh
