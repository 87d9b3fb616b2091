#include "transports/http/addresses.hpp"

#include "transports/http/fields.hpp"

#include <algorithm>
#include <arpa/inet.h>
#include <charconv>
#include <cstring>
#include <netinet/in.h>
#include <stdexcept>

namespace troupe::http {

namespace {

constexpr std::uint8_t v4_prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};

/// An address with an optional port: "192.0.2.1:4711", "[2001:db8::1]:4711".
std::optional<ip_address> parse_node(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    return end == std::string_view::npos ? std::nullopt : ip_address::parse(text.substr(1, end - 1));
  }
  if (std::count(text.begin(), text.end(), ':') == 1)
    text = text.substr(0, text.find(':'));
  return ip_address::parse(text);
}

} // namespace

std::optional<ip_address> ip_address::parse(std::string_view text) {
  char copy[INET6_ADDRSTRLEN + 1] = {};
  if (text.empty() || text.size() >= sizeof copy)
    return std::nullopt;
  std::memcpy(copy, text.data(), text.size());
  ip_address out;
  if (inet_pton(AF_INET6, copy, out.bytes.data()) == 1)
    return out;
  std::memcpy(out.bytes.data(), v4_prefix, sizeof v4_prefix);
  if (inet_pton(AF_INET, copy, out.bytes.data() + 12) == 1)
    return out;
  return std::nullopt;
}

ip_address ip_address::of(const sockaddr_storage& from) noexcept {
  ip_address out;
  if (from.ss_family == AF_INET6) {
    std::memcpy(out.bytes.data(), &reinterpret_cast<const sockaddr_in6&>(from).sin6_addr, 16);
  } else if (from.ss_family == AF_INET) {
    std::memcpy(out.bytes.data(), v4_prefix, sizeof v4_prefix);
    std::memcpy(out.bytes.data() + 12, &reinterpret_cast<const sockaddr_in&>(from).sin_addr, 4);
  }
  return out;
}

bool ip_address::is_v4() const noexcept {
  return std::equal(std::begin(v4_prefix), std::end(v4_prefix), bytes.begin());
}

bool ip_address::is_loopback() const noexcept {
  if (is_v4())
    return bytes[12] == 127;
  return bytes[15] == 1 && std::all_of(bytes.begin(), bytes.begin() + 15, [](std::uint8_t b) { return b == 0; });
}

std::string ip_address::text() const {
  char out[INET6_ADDRSTRLEN] = {};
  if (is_v4())
    inet_ntop(AF_INET, bytes.data() + 12, out, sizeof out);
  else
    inet_ntop(AF_INET6, bytes.data(), out, sizeof out);
  return out;
}

address_list::address_list(const std::vector<std::string>& blocks) {
  for (const auto& text : blocks) {
    const auto slash = std::min(text.find('/'), text.size());
    const auto base = ip_address::parse(std::string_view{text}.substr(0, slash));
    const unsigned width = base && base->is_v4() ? 32 : 128;
    unsigned bits = width;
    bool valid = base.has_value();
    if (slash < text.size()) {
      const auto* end = text.data() + text.size();
      const auto read = std::from_chars(text.data() + slash + 1, end, bits);
      valid = valid && read.ec == std::errc{} && read.ptr == end && bits <= width;
    }
    if (!valid)
      throw std::runtime_error("http.trusted_proxies: " + text + " is no address or CIDR block");
    blocks_.push_back({*base, bits + (128 - width)});
  }
}

bool address_list::contains(const ip_address& address) const noexcept {
  return std::any_of(blocks_.begin(), blocks_.end(), [&](const block& b) {
    const auto whole = b.bits / 8;
    if (!std::equal(address.bytes.begin(), address.bytes.begin() + whole, b.base.bytes.begin()))
      return false;
    const auto rest = b.bits % 8;
    return rest == 0 || ((address.bytes[whole] ^ b.base.bytes[whole]) >> (8 - rest)) == 0;
  });
}

ip_address client_address(const ip_address& peer, std::string_view forwarded_for, const address_list& trusted) {
  std::vector<std::string_view> hops;
  while (!forwarded_for.empty())
    if (const auto hop = next_element(forwarded_for); !hop.empty())
      hops.push_back(hop);
  auto client = peer;
  while (trusted.contains(client) && !hops.empty()) {
    const auto hop = parse_node(hops.back());
    if (!hop)
      break;
    client = *hop;
    hops.pop_back();
  }
  return client;
}

std::string forwarded_for(std::string_view forwarded) {
  std::string list;
  while (!forwarded.empty()) {
    auto hop = next_element(forwarded);
    std::string_view node = "unknown"; // a hop that does not say for whom ends the search
    while (!hop.empty())
      if (const auto [name, value] = next_parameter(hop); value && iequals(name, "for"))
        node = *value;
    list.append(list.empty() ? "" : ", ").append(node);
  }
  return list;
}

bool is_local_host(std::string_view host) noexcept {
  if (const auto address = parse_node(host))
    return address->is_loopback();
  host = host.substr(0, host.find(':'));
  if (host.ends_with('.'))
    host.remove_suffix(1);
  constexpr std::string_view suffix = ".localhost";
  return iequals(host, "localhost") ||
         (host.size() > suffix.size() && iequals(host.substr(host.size() - suffix.size()), suffix));
}

} // namespace troupe::http
