#pragma once

#include "runtime/model/payload.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace troupe {

class value_init;

/// What programs build payloads with, and what `wire::parse` makes of a payload: null, a boolean, a
/// number, a string, an array, an object whose members keep their order, or a raw payload that is
/// spliced unchanged.
///
///     value v = {{"from", ctx.id()}, {"body", m.payload()}, {"tags", value::array({"a", "b"})}};
///
/// A braced list of two-element lists that begin with a string is an object, any other list an array;
/// so `value{x}` is an array of one element, and `value(x)` is x.
class value {
public:
  using array_type = std::vector<value>;
  using member = std::pair<std::string, value>;
  using object_type = std::vector<member>;

  /// A number as its JSON text, of any size; kept verbatim.
  struct number {
    std::string text;
    friend bool operator==(const number&, const number&) = default;
  };

  /// A payload of its own, spliced as it is.
  struct raw {
    std::string text;
    encoding format = encoding::json;
    friend bool operator==(const raw&, const raw&) = default;
  };

  value() noexcept = default;
  value(std::nullptr_t) noexcept {}
  value(std::same_as<bool> auto v) noexcept
      : data_{v} {}
  template <std::integral T>
  requires(!std::same_as<T, bool> && !std::same_as<T, char>) value(T v)
  noexcept {
    if constexpr (std::is_signed_v<T>)
      data_ = static_cast<std::int64_t>(v);
    else
      set_unsigned(v);
  }
  value(std::floating_point auto v) noexcept
      : data_{static_cast<double>(v)} {}
  value(const char* v)
      : data_{std::string{v}} {}
  value(std::string_view v)
      : data_{std::string{v}} {}
  value(std::string v) noexcept
      : data_{std::move(v)} {}
  /// Copies the text. Precondition: it is one valid value in its format.
  value(raw_payload v)
      : data_{raw{std::string{v.text}, v.format}} {}
  value(raw v) noexcept
      : data_{std::move(v)} {}
  /// Precondition: a number by RFC 8259, section 6.
  value(number v) noexcept
      : data_{std::move(v)} {}
  value(array_type v) noexcept
      : data_{std::move(v)} {}
  value(object_type v) noexcept
      : data_{std::move(v)} {}
  template <class T>
  value(const std::optional<T>& v) {
    if (v)
      *this = value(*v);
  }
  value(std::initializer_list<value_init> list);

  static value array(std::initializer_list<value_init> elements);
  static value array() { return value(array_type{}); }
  /// Precondition: each element is a list of a string and a value; others are left out.
  static value object(std::initializer_list<value_init> members);
  static value object() { return value(object_type{}); }

  bool is_null() const noexcept { return holds<std::monostate>(); }
  bool is_bool() const noexcept { return holds<bool>(); }
  bool is_number() const noexcept {
    return holds<std::int64_t>() || holds<std::uint64_t>() || holds<double>() || holds<number>();
  }
  bool is_string() const noexcept { return holds<std::string>(); }
  bool is_array() const noexcept { return holds<array_type>(); }
  bool is_object() const noexcept { return holds<object_type>(); }
  /// A splice is not looked into: the functions below see nothing in it (`wire::parse` reads it).
  bool is_raw() const noexcept { return holds<raw>(); }

  std::optional<bool> as_bool() const noexcept;
  /// The number where it is whole and fits; 7.0 counts as 7, as JSON makes no difference.
  std::optional<std::int64_t> as_int() const noexcept;
  std::optional<std::uint64_t> as_uint() const noexcept;
  /// The nearest double; none where the number is out of its range.
  std::optional<double> as_double() const noexcept;
  /// Lives as long as the value does unchanged.
  std::optional<std::string_view> as_string() const noexcept;

  /// How many elements or members; 0 for anything else.
  std::size_t size() const noexcept;
  bool empty() const noexcept { return size() == 0; }

  /// The member of this name, the last one where there are several; null pointer where there is none.
  const value* find(std::string_view key) const noexcept;
  value* find(std::string_view key) noexcept;
  bool contains(std::string_view key) const noexcept { return find(key) != nullptr; }
  /// The member or element; a null value where there is none.
  const value& operator[](std::string_view key) const noexcept;
  const value& operator[](const char* key) const noexcept { return (*this)[std::string_view{key}]; }
  const value& operator[](std::size_t index) const noexcept;
  const value& operator[](int index) const noexcept { return (*this)[static_cast<std::size_t>(index)]; }

  /// Elements or members to iterate over; empty for anything else.
  const array_type& elements() const noexcept;
  const object_type& members() const noexcept;
  /// The splice; nothing where it is none.
  std::optional<raw_payload> as_raw() const noexcept;

  /// Adds or replaces a member; anything else than an object becomes one.
  value& set(std::string_view key, value v);
  /// Adds an element; anything else than an array becomes one.
  value& push_back(value v);
  /// Removes all members of this name. @returns whether there were any
  bool erase(std::string_view key);

  /// Numbers are equal when their JSON text is; members count in their order; splices are equal by byte.
  friend bool operator==(const value& a, const value& b);

  using data_type = std::variant<std::monostate, bool, std::int64_t, std::uint64_t, double, std::string, number,
                                 array_type, object_type, raw>;
  const data_type& data() const noexcept { return data_; }

private:
  template <class T>
  bool holds() const noexcept {
    return std::holds_alternative<T>(data_);
  }
  void set_unsigned(std::uint64_t v) noexcept;

  data_type data_;
};

/// An element of a braced list on its way into a `value`; moves where the list holds a temporary.
class value_init {
public:
  template <class T>
  requires(!std::same_as<std::remove_cvref_t<T>, value_init> && std::constructible_from<value, T>) value_init(T&& v)
      : held_(std::forward<T>(v)) {}
  value_init(std::initializer_list<value_init> list)
      : held_(list) {}

  value take() const { return std::move(held_); }
  const value& peek() const noexcept { return held_; }

private:
  mutable value held_;
};

/// Writes splices whose format is not the text's own.
using foreign_writer = void (*)(std::string& out, raw_payload foreign);

/// Appends the value as JSON.
/// @param foreign writes MessagePack splices; without it they become null (`wire::write_json` has it)
void to_json(std::string& out, const value& v, foreign_writer foreign = nullptr);
std::string to_json(const value& v, foreign_writer foreign = nullptr);

} // namespace troupe
