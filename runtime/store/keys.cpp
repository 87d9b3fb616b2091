#include "runtime/store/keys.hpp"

namespace troupe::store {
namespace {

constexpr std::size_t u64_size = 8;
constexpr char escape = '\0';
constexpr char escaped_zero = '\xff';
// Below `escaped_zero`, so that a text orders before every text that it begins.
constexpr char end_of_text = '\x01';

void append_u64(std::string& to, std::uint64_t number) {
  for (int shift = 56; shift >= 0; shift -= 8)
    to.push_back(static_cast<char>(number >> shift));
}

} // namespace

std::string u64_bytes(std::uint64_t number) {
  std::string bytes;
  append_u64(bytes, number);
  return bytes;
}

std::optional<std::uint64_t> u64_from(std::string_view bytes) noexcept {
  if (bytes.size() != u64_size)
    return std::nullopt;
  std::uint64_t number = 0;
  for (auto byte : bytes)
    number = number << 8 | static_cast<unsigned char>(byte);
  return number;
}

key& key::text(std::string_view part) & {
  for (auto byte : part) {
    bytes_.push_back(byte);
    if (byte == escape)
      bytes_.push_back(escaped_zero);
  }
  bytes_.push_back(escape);
  bytes_.push_back(end_of_text);
  return *this;
}

key& key::number(std::uint64_t part) & {
  append_u64(bytes_, part);
  return *this;
}

std::nullopt_t key_reader::fail() noexcept {
  failed_ = true;
  rest_ = {};
  return std::nullopt;
}

std::optional<char> key_reader::tag() noexcept {
  if (rest_.empty())
    return fail();
  const auto first = rest_.front();
  rest_.remove_prefix(1);
  return first;
}

std::optional<std::string> key_reader::text() {
  std::string part;
  for (std::size_t at = 0; at < rest_.size(); ++at) {
    if (rest_[at] != escape) {
      part.push_back(rest_[at]);
      continue;
    }
    if (++at == rest_.size())
      break;
    if (rest_[at] == end_of_text) {
      rest_.remove_prefix(at + 1);
      return part;
    }
    if (rest_[at] != escaped_zero)
      break;
    part.push_back(escape);
  }
  return fail();
}

std::optional<std::uint64_t> key_reader::number() noexcept {
  if (rest_.size() < u64_size)
    return fail();
  const auto part = u64_from(rest_.substr(0, u64_size));
  rest_.remove_prefix(u64_size);
  return part;
}

} // namespace troupe::store
