#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

struct sockaddr_storage;

namespace troupe::http {

/// An IPv6 address; an IPv4 one is mapped into it (RFC 4291 section 2.5.5.2).
struct ip_address {
  std::array<std::uint8_t, 16> bytes{};

  static std::optional<ip_address> parse(std::string_view text);
  static ip_address of(const sockaddr_storage& from) noexcept;

  bool is_v4() const noexcept;
  bool is_loopback() const noexcept;
  std::string text() const;
  friend bool operator==(const ip_address&, const ip_address&) = default;
};

/// Blocks of addresses: "10.0.0.0/8", "::1", "192.0.2.7".
class address_list {
public:
  address_list() = default;
  /// Throws std::runtime_error that names an entry that is none.
  explicit address_list(const std::vector<std::string>& blocks);

  bool contains(const ip_address& address) const noexcept;

private:
  struct block {
    ip_address base;
    unsigned bits;
  };
  std::vector<block> blocks_;
};

/// The client's address: the last one of `X-Forwarded-For` that no trusted proxy holds, where the peer is a trusted
/// proxy; else the peer's own. An entry that is no address ends the search at the hop before it.
ip_address client_address(const ip_address& peer, std::string_view forwarded_for, const address_list& trusted);

/// The addresses of a `Forwarded` header's `for` parameters (RFC 7239), as `X-Forwarded-For` would list them.
std::string forwarded_for(std::string_view forwarded);

/// Whether a Host header names this machine by a name or address that only it has: localhost, *.localhost or a
/// loopback address. A page of another site cannot send it (DNS rebinding).
bool is_local_host(std::string_view host) noexcept;

} // namespace troupe::http
