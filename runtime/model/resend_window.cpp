#include "runtime/model/resend_window.hpp"

#include <functional>
#include <string_view>
#include <utility>

namespace troupe {
namespace {

std::size_t content_hash(const message& m) {
  const std::hash<std::string_view> hash;
  return hash(m.type()) * 31 + hash(m.payload_text());
}

/// Begins with the length of the sender's name, so that no other pair of name and id gives the same key.
std::string key_of(const message& m) {
  std::string key;
  if (m.from() != nullptr) {
    const auto& name = m.from()->user ? *m.from()->user : m.from()->connection;
    key = std::to_string(name.size()) + (m.from()->user ? 'u' : 'c') + name;
  }
  key += m.id();
  return key;
}

} // namespace

std::optional<resend_window::original> resend_window::find(const message& m) const {
  if (known_.empty())
    return std::nullopt;
  const auto at = known_.find(key_of(m));
  if (at == known_.end())
    return std::nullopt;
  return original{at->second.number, at->second.hash == content_hash(m)};
}

void resend_window::expect(const message& m, std::uint64_t number) { known_[key_of(m)] = {content_hash(m), number}; }

void resend_window::settle(const message& m, std::uint64_t number) {
  auto key = key_of(m);
  known_[key] = {content_hash(m), number};
  settled_.push_back(std::move(key));
  while (settled_.size() > messages_max_) {
    known_.erase(settled_.front());
    settled_.pop_front();
  }
}

void resend_window::forget(const message& m) { known_.erase(key_of(m)); }

} // namespace troupe
