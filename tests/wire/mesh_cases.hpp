#pragma once

#include "runtime/model/mesh/messages.hpp"
#include "tests/model/seeded.hpp"

#include <algorithm>
#include <array>
#include <concepts>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

/// Messages of nodes: all their fields, filled by a seed and compared by value. Written apart from the encoding: a
/// field that is added to a message does not compile until it is here.
namespace mesh_testing {

using namespace troupe;
using namespace troupe::mesh;

template <class Value, class T>
concept is = std::same_as<std::remove_const_t<Value>, T>;

// The fields of whatever has more than one value in it.

auto parts(is<node_life> auto& x) {
  auto& [name, incarnation] = x;
  return std::tie(name, incarnation);
}
auto parts(is<view_id> auto& x) {
  auto& [number, issuer] = x;
  return std::tie(number, issuer);
}
auto parts(is<view> auto& x) {
  auto& [id, members, hosts] = x;
  return std::tie(id, members, hosts);
}
auto parts(is<epoch_id> auto& x) {
  auto& [view, serial] = x;
  return std::tie(view, serial);
}
auto parts(is<hearing_row> auto& x) {
  auto& [who, version, age_ms, leaving, hears] = x;
  return std::tie(who, version, age_ms, leaving, hears);
}
auto parts(is<numbered> auto& x) {
  auto& [seq, what] = x;
  return std::tie(seq, what);
}
auto parts(is<place_in_room> auto& x) {
  auto& [epoch, seq] = x;
  return std::tie(epoch, seq);
}
auto parts(is<room_state> auto& x) {
  auto& [epoch, seq, bytes] = x;
  return std::tie(epoch, seq, bytes);
}
auto parts(is<claim> auto& x) {
  auto& [name, owner, term, epoch] = x;
  return std::tie(name, owner, term, epoch);
}
auto parts(is<member> auto& x) {
  auto& [connection, user, state, node, since, incarnation, version, told, gone] = x;
  return std::tie(connection, user, state, node, since, incarnation, version, told, gone);
}
auto parts(is<heartbeat> auto& x) {
  auto& [rows, installed] = x;
  return std::tie(rows, installed);
}
auto parts(is<agreed> auto& x) {
  auto& [id, before] = x;
  return std::tie(id, before);
}
auto parts(is<settled> auto& x) {
  auto& [id] = x;
  return std::tie(id);
}
auto parts(is<goodbye> auto& /*x*/) { return std::tuple<>{}; }
auto parts(is<attach> auto& x) {
  auto& [room, view, ticket, seen] = x;
  return std::tie(room, view, ticket, seen);
}
auto parts(is<attached> auto& x) {
  auto& [room, ticket, epoch, seq, recovered, missed] = x;
  return std::tie(room, ticket, epoch, seq, recovered, missed);
}
auto parts(is<detach> auto& x) {
  auto& [room] = x;
  return std::tie(room);
}
auto parts(is<frames> auto& x) {
  auto& [room, epoch, what] = x;
  return std::tie(room, epoch, what);
}
auto parts(is<renewed> auto& x) {
  auto& [room, epoch] = x;
  return std::tie(room, epoch);
}
auto parts(is<mesh::publish> auto& x) {
  auto& [room, view, id, what] = x;
  return std::tie(room, view, id, what);
}
auto parts(is<refused> auto& x) {
  auto& [room, id] = x;
  return std::tie(room, id);
}
auto parts(is<hand_over> auto& x) {
  auto& [room, view, state] = x;
  return std::tie(room, view, state);
}
auto parts(is<snapshot> auto& x) {
  auto& [room, state] = x;
  return std::tie(room, state);
}
auto parts(is<claims_digest> auto& x) {
  auto& [hashes] = x;
  return std::tie(hashes);
}
auto parts(is<claims_page> auto& x) {
  auto& [claims, bucket, more] = x;
  return std::tie(claims, bucket, more);
}
auto parts(is<claims_request> auto& x) {
  auto& [bucket, after] = x;
  return std::tie(bucket, after);
}
auto parts(is<roster_page> auto& x) {
  auto& [number, from, to, full, more, after, entries] = x;
  return std::tie(number, from, to, full, more, after, entries);
}
auto parts(is<roster_receipt> auto& x) {
  auto& [page, version, after] = x;
  return std::tie(page, version, after);
}

/// Whether two values are equal; what a cargo points to counts.
struct same_values {
  bool operator()(const cargo& a, const cargo& b) const { return *a == *b; }
  template <class T>
  bool operator()(const std::vector<T>& a, const std::vector<T>& b) const {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), *this);
  }
  template <class T>
  bool operator()(const std::optional<T>& a, const std::optional<T>& b) const {
    return a.has_value() == b.has_value() && (!a || (*this)(*a, *b));
  }
  template <class T>
  bool operator()(const T& a, const T& b) const {
    if constexpr (requires { parts(a); })
      return equal(parts(a), parts(b), std::make_index_sequence<std::tuple_size_v<decltype(parts(a))>>{});
    else
      return a == b;
  }

private:
  template <class Tuple, std::size_t... I>
  bool equal(const Tuple& a, const Tuple& b, std::index_sequence<I...>) const {
    return ((*this)(std::get<I>(a), std::get<I>(b)) && ...);
  }
};

inline bool same(const message& a, const message& b) {
  return a.index() == b.index() &&
         std::visit([&](const auto& x) { return same_values{}(x, std::get<std::remove_cvref_t<decltype(x)>>(b)); }, a);
}

/// Fills every field, with nothing, the least, the most and whatever else there is.
struct filler {
  dice& random;

  void operator()(bool& x) { x = random.once_in(2); }
  void operator()(std::uint8_t& x) { x = static_cast<std::uint8_t>(random.below(256)); }
  void operator()(std::uint64_t& x) {
    constexpr std::array<std::uint64_t, 6> edges{0, 1, 127, 128, 16'384, std::numeric_limits<std::uint64_t>::max()};
    x = random.once_in(3) ? edges[random.below(edges.size())]
                          : random.below(std::numeric_limits<std::uint64_t>::max()) >> random.below(64);
  }
  void operator()(std::int64_t& x) {
    std::uint64_t bits = 0;
    (*this)(bits);
    x = static_cast<std::int64_t>(bits);
  }
  void operator()(std::string& x) { x = text(64); }
  void operator()(cargo& x) { x = std::make_shared<const std::string>(text(random.once_in(50) ? 40'000 : 200)); }
  template <std::size_t N>
  void operator()(std::array<std::uint64_t, N>& x) {
    for (auto& entry : x)
      (*this)(entry);
  }
  template <class T>
  void operator()(std::vector<T>& x) {
    x.resize(random.once_in(100) ? 64 : random.once_in(3) ? 1 : random.below(6));
    for (auto& entry : x)
      (*this)(entry);
  }
  template <class T>
  void operator()(std::optional<T>& x) {
    x.reset();
    if (random.once_in(2))
      (*this)(x.emplace());
  }
  template <class T>
  requires requires(T& x) { parts(x); }
  void operator()(T& x) {
    std::apply([this](auto&... part) { ((*this)(part), ...); }, parts(x));
  }

private:
  std::string text(std::size_t bytes_max) {
    const auto bytes = random.once_in(4) ? random.below(2) : random.once_in(6) ? bytes_max : random.below(bytes_max);
    std::string out(bytes, '\0');
    for (auto& c : out)
      c = static_cast<char>(random.below(256));
    return out;
  }
};

template <std::size_t I = 0>
message any_of_kind(std::size_t index, dice& random) {
  if constexpr (I + 1 < std::variant_size_v<message>)
    if (index != I)
      return any_of_kind<I + 1>(index, random);
  std::variant_alternative_t<I, message> result;
  filler{random}(result);
  return result;
}

inline message any_message(dice& random) { return any_of_kind(random.below(std::variant_size_v<message>), random); }

} // namespace mesh_testing
