#include "runtime/model/value.hpp"

#include "runtime/model/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

namespace troupe {

namespace {

template <class... F>
struct overloaded : F... {
  using F::operator()...;
};
template <class... F>
overloaded(F...) -> overloaded<F...>;

const value null_value;
const value::array_type no_elements;
const value::object_type no_members;

bool is_member(const value& v) { return v.is_array() && v.size() == 2 && v.elements()[0].is_string(); }

std::optional<double> double_of(std::string_view text) noexcept {
  double result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size())
    return std::nullopt;
  return result;
}

/// The double as an integer where it is a whole number of at most 53 bits, below which no digit is lost.
std::optional<std::int64_t> whole(double v) noexcept {
  constexpr double exact_max = 9007199254740992.0;
  if (!(std::fabs(v) <= exact_max) || v != std::floor(v))
    return std::nullopt;
  return static_cast<std::int64_t>(v);
}

} // namespace

void value::set_unsigned(std::uint64_t v) noexcept {
  if (v <= static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max()))
    data_ = static_cast<std::int64_t>(v);
  else
    data_ = v;
}

value::value(std::initializer_list<value_init> list) {
  const bool all_members = list.size() != 0 && std::all_of(list.begin(), list.end(), [](const value_init& entry) {
                             return is_member(entry.peek());
                           });
  *this = all_members ? value::object(list) : array(list);
}

value value::array(std::initializer_list<value_init> elements) {
  array_type result;
  result.reserve(elements.size());
  for (const auto& element : elements)
    result.push_back(element.take());
  return value(std::move(result));
}

value value::object(std::initializer_list<value_init> members) {
  object_type result;
  result.reserve(members.size());
  for (const auto& entry : members) {
    value pair = entry.take();
    if (!is_member(pair))
      continue;
    auto& both = std::get<array_type>(pair.data_);
    result.emplace_back(std::move(std::get<std::string>(both[0].data_)), std::move(both[1]));
  }
  return value(std::move(result));
}

std::optional<bool> value::as_bool() const noexcept {
  const auto* v = std::get_if<bool>(&data_);
  return v != nullptr ? std::optional{*v} : std::nullopt;
}

std::optional<std::int64_t> value::as_int() const noexcept {
  if (const auto* v = std::get_if<std::int64_t>(&data_))
    return *v;
  if (holds<std::uint64_t>())
    return std::nullopt;
  const auto v = as_double();
  return v ? whole(*v) : std::nullopt;
}

std::optional<std::uint64_t> value::as_uint() const noexcept {
  if (const auto* v = std::get_if<std::uint64_t>(&data_))
    return *v;
  const auto v = as_int();
  return v && *v >= 0 ? std::optional{static_cast<std::uint64_t>(*v)} : std::nullopt;
}

std::optional<double> value::as_double() const noexcept {
  if (const auto* d = std::get_if<double>(&data_))
    return *d;
  if (const auto* i = std::get_if<std::int64_t>(&data_))
    return static_cast<double>(*i);
  if (const auto* u = std::get_if<std::uint64_t>(&data_))
    return static_cast<double>(*u);
  if (const auto* n = std::get_if<number>(&data_))
    return double_of(n->text);
  return std::nullopt;
}

std::optional<std::string_view> value::as_string() const noexcept {
  const auto* v = std::get_if<std::string>(&data_);
  return v != nullptr ? std::optional<std::string_view>{*v} : std::nullopt;
}

std::optional<raw_payload> value::as_raw() const noexcept {
  const auto* v = std::get_if<raw>(&data_);
  return v != nullptr ? std::optional{raw_payload{v->text, v->format}} : std::nullopt;
}

std::size_t value::size() const noexcept { return is_object() ? members().size() : elements().size(); }

const value* value::find(std::string_view key) const noexcept {
  const auto& all = members();
  const auto found = std::find_if(all.rbegin(), all.rend(), [key](const member& m) { return m.first == key; });
  return found != all.rend() ? &found->second : nullptr;
}

value* value::find(std::string_view key) noexcept { return const_cast<value*>(std::as_const(*this).find(key)); }

const value& value::operator[](std::string_view key) const noexcept {
  const auto* found = find(key);
  return found != nullptr ? *found : null_value;
}

const value& value::operator[](std::size_t index) const noexcept {
  const auto& all = elements();
  return index < all.size() ? all[index] : null_value;
}

const value::array_type& value::elements() const noexcept {
  const auto* v = std::get_if<array_type>(&data_);
  return v != nullptr ? *v : no_elements;
}

const value::object_type& value::members() const noexcept {
  const auto* v = std::get_if<object_type>(&data_);
  return v != nullptr ? *v : no_members;
}

value& value::set(std::string_view key, value v) {
  if (!is_object())
    data_ = object_type{};
  if (auto* existing = find(key)) {
    *existing = std::move(v);
    return *existing;
  }
  return std::get<object_type>(data_).emplace_back(std::string{key}, std::move(v)).second;
}

value& value::push_back(value v) {
  if (!is_array())
    data_ = array_type{};
  return std::get<array_type>(data_).emplace_back(std::move(v));
}

bool value::erase(std::string_view key) {
  auto* all = std::get_if<object_type>(&data_);
  return all != nullptr && std::erase_if(*all, [key](const member& m) { return m.first == key; }) != 0;
}

bool operator==(const value& a, const value& b) {
  if (a.data_.index() == b.data_.index())
    return a.data_ == b.data_;
  return a.is_number() && b.is_number() && to_json(a) == to_json(b);
}

void to_json(std::string& out, const value& v, foreign_writer foreign) {
  const auto list = [&out](const auto& items, char open, char close, auto write) {
    out.push_back(open);
    bool first = true;
    for (const auto& item : items) {
      if (!first)
        out.push_back(',');
      first = false;
      write(item);
    }
    out.push_back(close);
  };
  std::visit(overloaded{
                 [&](std::monostate) { out += "null"; },
                 [&](bool b) { out += b ? "true" : "false"; },
                 [&](const std::string& s) { append_json_string(out, s); },
                 [&](const value::number& n) { out += n.text; },
                 [&](const value::array_type& elements) {
                   list(elements, '[', ']', [&](const value& e) { to_json(out, e, foreign); });
                 },
                 [&](const value::object_type& members) {
                   list(members, '{', '}', [&](const value::member& m) {
                     append_json_string(out, m.first);
                     out.push_back(':');
                     to_json(out, m.second, foreign);
                   });
                 },
                 [&](const value::raw& r) {
                   if (r.format == encoding::json)
                     out += r.text;
                   else if (foreign != nullptr)
                     foreign(out, {r.text, r.format});
                   else
                     out += "null";
                 },
                 [&](auto number) { append_json_number(out, number); },
             },
             v.data());
}

std::string to_json(const value& v, foreign_writer foreign) {
  std::string out;
  to_json(out, v, foreign);
  return out;
}

} // namespace troupe
