#include "apps/troupe/moment.hpp"

#include <array>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <limits>

namespace troupe::cli {
namespace {

constexpr std::int64_t second_us = 1'000'000;
constexpr std::int64_t day_us = 86'400 * second_us;

/// Takes digits and marks off the front of a text.
class time_reader {
public:
  explicit time_reader(std::string_view text)
      : left_{text} {}

  /// So many digits, the number between the bounds.
  int digits(std::size_t count, int low, int high) {
    int number = 0;
    ok_ = ok_ && left_.size() >= count;
    for (std::size_t i = 0; ok_ && i < count; ++i) {
      ok_ = left_[i] >= '0' && left_[i] <= '9';
      number = number * 10 + (left_[i] - '0');
    }
    ok_ = ok_ && number >= low && number <= high;
    if (ok_)
      left_.remove_prefix(count);
    return number;
  }

  /// One of these characters; 0 where none of them comes, which is a fault if it had to.
  char mark(std::string_view any_of, bool must = true) {
    if (!left_.empty() && any_of.find(left_.front()) != std::string_view::npos) {
      const char found = left_.front();
      left_.remove_prefix(1);
      return found;
    }
    ok_ = ok_ && !must;
    return 0;
  }

  /// Digits behind the point, as microseconds; what is finer is cut.
  std::int64_t fraction() {
    std::int64_t us = 0;
    std::size_t count = 0;
    for (; !left_.empty() && left_.front() >= '0' && left_.front() <= '9'; ++count, left_.remove_prefix(1))
      if (count < 6)
        us = us * 10 + (left_.front() - '0');
    ok_ = ok_ && count > 0;
    for (; count < 6; ++count)
      us *= 10;
    return us;
  }

  bool done() const { return ok_ && left_.empty(); }

private:
  std::string_view left_;
  bool ok_ = true;
};

std::optional<std::int64_t> parse_rfc3339(std::string_view text) {
  time_reader in{text};
  const int year = in.digits(4, 0, 9999);
  in.mark("-");
  const int month = in.digits(2, 1, 12);
  in.mark("-");
  const int day = in.digits(2, 1, 31);
  in.mark("Tt ");
  const int hour = in.digits(2, 0, 23);
  in.mark(":");
  const int minute = in.digits(2, 0, 59);
  in.mark(":");
  const int second = in.digits(2, 0, 60); // 60: a leap second, which Unix time counts as the next one
  const auto fraction = in.mark(".", false) != 0 ? in.fraction() : 0;
  const char zone = in.mark("Zz+-");
  std::int64_t ahead_s = 0;
  if (zone == '+' || zone == '-') {
    ahead_s = in.digits(2, 0, 23) * 3600;
    in.mark(":");
    ahead_s += in.digits(2, 0, 59) * 60;
  }
  const std::chrono::year_month_day date{std::chrono::year{year}, std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  if (!in.done() || !date.ok())
    return {};
  const std::int64_t days = std::chrono::sys_days{date}.time_since_epoch().count();
  const auto seconds = hour * 3600 + minute * 60 + second - (zone == '-' ? -ahead_s : ahead_s);
  return days * day_us + seconds * second_us + fraction;
}

/// "-5m"
std::optional<std::int64_t> parse_ago(std::string_view text, std::int64_t now) {
  if (text.size() < 3 || text.front() != '-')
    return {};
  constexpr std::array<std::pair<char, std::int64_t>, 4> units{
      std::pair{'s', second_us}, std::pair{'m', 60 * second_us}, std::pair{'h', 3600 * second_us},
      std::pair{'d', day_us}};
  std::int64_t count = 0;
  const auto [end, bad] = std::from_chars(text.data() + 1, text.data() + text.size() - 1, count);
  if (bad != std::errc{} || end != text.data() + text.size() - 1 || count < 0)
    return {};
  for (const auto& [letter, us] : units)
    if (letter == text.back() && count <= std::numeric_limits<std::int64_t>::max() / us)
      return now - count * us;
  return {};
}

} // namespace

std::optional<moment> parse_moment(std::string_view text, std::int64_t now) {
  std::uint64_t index = 0;
  const auto [end, bad] = std::from_chars(text.data(), text.data() + text.size(), index);
  if (!text.empty() && bad == std::errc{} && end == text.data() + text.size())
    return moment{index, {}};
  if (const auto ago = parse_ago(text, now))
    return moment{{}, ago};
  if (const auto time = parse_rfc3339(text))
    return moment{{}, time};
  return {};
}

std::optional<std::string> rfc3339(std::int64_t time_us) {
  constexpr std::int64_t year_0 = -62'167'219'200 * second_us;
  constexpr std::int64_t year_10000 = 253'402'300'800 * second_us;
  if (time_us < year_0 || time_us >= year_10000)
    return {};
  const std::chrono::sys_time<std::chrono::microseconds> time{std::chrono::microseconds{time_us}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  std::array<char, 64> out{};
  std::snprintf(out.data(), out.size(), "%04d-%02u-%02uT%02d:%02d:%02d.%06dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return out.data();
}

std::int64_t now_us() {
  return std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::system_clock::now().time_since_epoch())
      .count();
}

} // namespace troupe::cli
