#include "runtime/model/message.hpp"

#include <algorithm>
#include <cstring>
#include <new>
#include <utility>

namespace troupe {

namespace {

/// Allocates what std::allocate_shared asks for and `extra` bytes behind it, for the text.
template <class T>
struct trailing_allocator {
  using value_type = T;

  trailing_allocator(std::size_t extra_bytes, char** where) noexcept
      : extra{extra_bytes}
      , text{where} {}
  template <class U>
  trailing_allocator(const trailing_allocator<U>& other) noexcept
      : extra{other.extra}
      , text{other.text} {}

  T* allocate(std::size_t n) {
    static_assert(alignof(T) <= __STDCPP_DEFAULT_NEW_ALIGNMENT__);
    auto* block = static_cast<char*>(::operator new(n * sizeof(T) + extra));
    *text = block + n * sizeof(T);
    return reinterpret_cast<T*>(block);
  }
  void deallocate(T* block, std::size_t) noexcept { ::operator delete(block); }

  friend bool operator==(const trailing_allocator&, const trailing_allocator&) noexcept { return true; }

  std::size_t extra;
  char** text; ///< Written by `allocate` only, which is called while `make` runs.
};

template <class Fields, class F>
void for_each_text(Fields& fields, F f) {
  f(fields.type);
  f(fields.id);
  f(fields.target_name);
  f(fields.payload);
  f(fields.headers);
  f(fields.privacy);
  f(fields.traceparent);
  f(fields.subject);
  for (auto& user : fields.users)
    f(user);
  for (auto& user : fields.audience)
    f(user);
}

} // namespace

message::message(passkey, const message_fields& fields, std::shared_ptr<const sender> from, wall_ms ts,
                 char* const& text)
    : fields_{fields}
    , from_{std::move(from)}
    , ts_{ts} {
  char* p = text;
  for_each_text(fields_, [&p](std::string_view& view) {
    if (!view.empty())
      std::memcpy(p, view.data(), view.size());
    view = {p, view.size()};
    p += view.size();
  });
  text_bytes_ = static_cast<std::size_t>(p - text);
  std::sort(fields_.audience.begin(), fields_.audience.end());
  if (fields_.payload.empty())
    fields_.payload = fields_.format == encoding::json ? std::string_view{"null"} : std::string_view{"\xC0"};
}

std::shared_ptr<const message> message::make(const message_fields& fields, std::shared_ptr<const sender> from,
                                             wall_ms ts) {
  std::size_t bytes = 0;
  for_each_text(fields, [&bytes](std::string_view view) { bytes += view.size(); });
  char* text = nullptr;
  return std::allocate_shared<message>(trailing_allocator<message>{bytes, &text}, passkey{}, fields, std::move(from),
                                       ts, text);
}

bool message::audience_has(const sender& who) const noexcept {
  return (who.user && audience_has(std::string_view{*who.user})) ||
         (from_ != nullptr && from_->connection == who.connection);
}

bool message::audience_has(std::string_view user) const noexcept {
  return std::binary_search(fields_.audience.begin(), fields_.audience.end(), user);
}

} // namespace troupe
