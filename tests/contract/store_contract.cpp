#include "tests/contract/store_contract.hpp"

#include <algorithm>
#include <atomic>
#include <thread>

namespace troupe::testing {

using store::batch;
using store::direction;
using store::fault;
using store::scan_range;
using strings = std::vector<std::string>;

void store_model::put(batch& b, const std::string& key, const std::string& value) {
  b.put(key, value);
  held[key] = value;
}

void store_model::erase(batch& b, const std::string& key) {
  b.erase(key);
  held.erase(key);
}

void store_model::erase_range(batch& b, const std::string& from, const std::string& to) {
  b.erase_range(from, to);
  std::erase_if(held, [&](const auto& entry) { return entry.first >= from && entry.first < to; });
}

void store_model::erase_prefix(batch& b, const std::string& prefix) {
  b.erase_prefix(prefix);
  std::erase_if(held, [&](const auto& entry) { return entry.first.starts_with(prefix); });
}

void store_model::reach(batch& b, const std::string& log_class, std::uint64_t end) {
  b.applied(log_class, end);
  applied[log_class] = end;
}

std::string generated_key(dice& random) {
  static const std::string bytes{'\x00', '\x01', 'a', 'b', '\x7f', '\x80', '\xff', '\xff'};
  std::string key;
  for (auto left = random.below(5); left > 0; --left)
    key.push_back(bytes[random.below(bytes.size())]);
  return key;
}

void store_model::add_changes(dice& random, batch& b) {
  for (auto left = 1 + random.below(8); left > 0; --left) {
    const auto kind = random.below(20);
    const auto key = generated_key(random);
    if (kind < 14)
      put(b, key, std::string(random.below(40), static_cast<char>(random.below(256))));
    else if (kind < 17)
      erase(b, key);
    else if (kind < 19)
      erase_range(b, key, generated_key(random));
    else if (key.size() > 1)
      erase_prefix(b, key);
  }
}

store_model::entries all_of(const store::store& s) {
  store_model::entries found;
  const auto given = s.scan({}, [&](std::string_view key, std::string_view value) {
    found.emplace(key, value);
    return true;
  });
  BOOST_TEST_REQUIRE(given.ok(), (given.ok() ? std::string{} : given.why().message));
  BOOST_TEST(given.value() == found.size());
  return found;
}

namespace {

void apply(store::store& s, const batch& b) {
  const auto failed = s.apply(b);
  BOOST_TEST_REQUIRE(!failed.has_value(), (failed ? failed->message : std::string{}));
}

std::optional<std::string> value_of(const store::store& s, std::string_view key) {
  auto found = s.get(key);
  BOOST_TEST_REQUIRE(found.ok());
  return found.value();
}

strings keys_of(const store::store& s, const scan_range& range) {
  strings keys;
  const auto given = s.scan(range, [&](std::string_view key, std::string_view) {
    keys.emplace_back(key);
    return true;
  });
  BOOST_TEST_REQUIRE(given.ok());
  BOOST_TEST(given.value() == keys.size());
  return keys;
}

std::uint64_t applied_of(const store::store& s, std::string_view log_class) {
  const auto number = s.applied(log_class);
  BOOST_TEST_REQUIRE(number.ok());
  return number.value();
}

void put_all(store::store& s, const strings& keys) {
  batch b;
  for (const auto& key : keys)
    b.put(key, "of " + key);
  apply(s, b);
}

// The keys of a range as a map says, by looking at each.
strings keys_of(const store_model& model, const scan_range& range) {
  strings keys;
  const auto forward = range.way == direction::forward;
  for (const auto& [key, value] : model.held)
    if (key.starts_with(range.prefix) && (!range.from || (forward ? key >= *range.from : key <= *range.from)))
      keys.push_back(key);
  if (!forward)
    std::reverse(keys.begin(), keys.end());
  if (keys.size() > range.limit)
    keys.resize(range.limit);
  return keys;
}

} // namespace

namespace contract {

void starts_empty(store_world& world) {
  auto& s = world.open();
  BOOST_TEST(!value_of(s, "a").has_value());
  BOOST_TEST(!value_of(s, "").has_value());
  BOOST_TEST(all_of(s).empty());
  BOOST_TEST(applied_of(s, "channels") == 0u);
  apply(s, batch{});
  BOOST_TEST(!s.flush().has_value());
}

void holds_any_bytes(store_world& world) {
  const std::string zeros(3, '\0');
  const std::string large(300'000, 'x');
  batch b;
  b.put("", "of nothing");
  b.put(zeros, "");
  b.put("\xff\xff", zeros);
  b.put("large", large);
  apply(world.open(), b);
  world.reopen();
  auto& s = world.open();
  BOOST_TEST(value_of(s, "").value_or("-") == "of nothing");
  BOOST_TEST(value_of(s, zeros).value_or("-").empty());
  BOOST_TEST((value_of(s, "\xff\xff") == zeros));
  BOOST_TEST((value_of(s, "large") == large));
  BOOST_TEST(!value_of(s, zeros.substr(1)).has_value());
  BOOST_TEST((keys_of(s, {}) == strings{"", zeros, "large", "\xff\xff"}));
}

void later_changes_count(store_world& world) {
  auto& s = world.open();
  put_all(s, {"a", "b", "c"});
  batch b;
  b.put("a", "first");
  b.put("a", "second");
  b.erase("b");
  b.put("b", "again");
  b.put("ca", "gone");
  b.erase_prefix("c");
  b.put("cb", "stays");
  b.erase("not there");
  apply(s, b);
  const store_model::entries expected{{"a", "second"}, {"b", "again"}, {"cb", "stays"}};
  BOOST_TEST((all_of(s) == expected));
  b.clear();
  BOOST_TEST(b.empty());
  apply(s, b);
  BOOST_TEST((all_of(s) == expected));
}

void erases_prefixes_and_ranges(store_world& world) {
  auto& s = world.open();
  put_all(s, {"", "a", "a\xff", "a\xff\xff", "ab", "b", "\xff", "\xff\xff", "\xff\xff\x01"});
  batch b;
  b.erase_prefix("a\xff");
  b.erase_prefix("\xff\xff");
  b.erase_range("b", "b");
  b.erase_range("z", "a");
  apply(s, b);
  BOOST_TEST((keys_of(s, {}) == strings{"", "a", "ab", "b", "\xff"}));
  b.clear();
  b.erase_range("a", "ab");
  b.erase_range("b", "c");
  apply(s, b);
  world.reopen();
  BOOST_TEST((keys_of(world.open(), {}) == strings{"", "ab", "\xff"}));
  b.clear();
  b.erase_prefix("");
  apply(world.open(), b);
  BOOST_TEST(all_of(world.open()).empty());
}

void scans_in_order(store_world& world) {
  auto& s = world.open();
  put_all(s, {"a", "b1", "b2", "b2\xff", "b3", "c", "\xff\xff"});
  const auto back = direction::backward;
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = {}}) == strings{"b1", "b2", "b2\xff", "b3"}));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = {}, .way = back}) == strings{"b3", "b2\xff", "b2", "b1"}));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "b2"}) == strings{"b2", "b2\xff", "b3"}));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "b2", .way = back}) == strings{"b2", "b1"}));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "b25", .way = back, .limit = 1}) == strings{"b2"}));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "b20", .limit = 1}) == strings{"b2\xff"}));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "a"}).size() == 4));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "a", .way = back}).empty()));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "c"}).empty()));
  BOOST_TEST((keys_of(s, {.prefix = "b", .from = "c", .way = back}).size() == 4));
  BOOST_TEST((keys_of(s, {.prefix = "\xff", .from = {}, .way = back}) == strings{"\xff\xff"}));
  BOOST_TEST((keys_of(s, {.prefix = "d", .from = {}}).empty()));
  BOOST_TEST((keys_of(s, {.prefix = "", .from = {}, .limit = 0}).empty()));
  strings seen;
  const auto given = s.scan({}, [&](std::string_view key, std::string_view value) {
    BOOST_TEST((value == "of " + std::string{key}));
    seen.emplace_back(key);
    return seen.size() < 3;
  });
  BOOST_TEST_REQUIRE(given.ok());
  BOOST_TEST(given.value() == 3u);
  BOOST_TEST((seen == strings{"a", "b1", "b2"}));
}

void progress_comes_with_the_batch(store_world& world) {
  batch b;
  b.put("k", "v");
  b.applied("channels", 7);
  b.applied("state", 3);
  b.applied("state", 4);
  apply(world.open(), b);
  world.reopen();
  auto& s = world.open();
  BOOST_TEST(applied_of(s, "channels") == 7u);
  BOOST_TEST(applied_of(s, "state") == 4u);
  BOOST_TEST(applied_of(s, "channel") == 0u);
  BOOST_TEST(all_of(s).size() == 1u); // Numbers are no entries.
  b.clear();
  b.erase_prefix("");
  apply(s, b);
  BOOST_TEST(applied_of(s, "channels") == 7u);
  b.clear();
  b.forget("channels");
  apply(s, b);
  world.reopen();
  BOOST_TEST(applied_of(world.open(), "channels") == 0u);
  BOOST_TEST(applied_of(world.open(), "state") == 4u);
}

void progress_goes_not_back(store_world& world) {
  batch b;
  b.put("k", "v");
  b.applied("channels", 7);
  apply(world.open(), b);
  world.reopen();
  auto& s = world.open();
  b.clear();
  b.put("k", "other");
  b.applied("state", 1);
  b.applied("channels", 6);
  const auto refused = s.apply(b);
  BOOST_TEST_REQUIRE(refused.has_value());
  BOOST_TEST((refused->kind == fault::invalid));
  BOOST_TEST(value_of(s, "k").value_or("-") == "v");
  BOOST_TEST(applied_of(s, "state") == 0u);
  BOOST_TEST(applied_of(s, "channels") == 7u);
  b.clear();
  b.applied("channels", 7);
  b.forget("channels");
  b.applied("channels", 2);
  apply(s, b);
  BOOST_TEST(applied_of(s, "channels") == 2u);
}

void readers_see_whole_batches(store_world& world) {
  auto& s = world.open();
  std::atomic<bool> done = false;
  std::atomic<std::uint64_t> torn = 0;
  std::atomic<std::uint64_t> seen = 0;
  std::thread reader{[&] {
    std::uint64_t last = 0;
    do {
      const auto number = s.applied("channels");
      strings values;
      const auto given = s.scan({}, [&](std::string_view, std::string_view value) {
        values.emplace_back(value);
        return true;
      });
      // Before the first batch there is nothing; later both have the same value, at least as new as the number before.
      const auto whole =
          given.ok() && number.ok() && number.value() >= last && (values.empty() || values.size() == 2) &&
          (values.empty() ? number.value() == 0 : values[0] == values[1] && std::stoull(values[0]) >= number.value());
      torn += whole ? 0 : 1;
      last = number.ok() ? number.value() : last;
      ++seen;
    } while (!done);
  }};
  batch b;
  for (std::uint64_t i = 1; i <= 2000 || seen < 10; ++i) {
    b.clear();
    b.put("x", std::to_string(i));
    b.put("y", std::to_string(i));
    b.applied("channels", i);
    if (s.apply(b))
      ++torn;
  }
  done = true;
  reader.join();
  BOOST_TEST(torn == 0u);
}

void does_what_a_map_does(store_world& world) {
  for_seeds(20, [&](dice& random) {
    store_model model;
    batch b;
    b.erase_prefix("");
    b.forget("channels");
    apply(world.open(), b);
    for (std::uint64_t i = 1; i <= 100; ++i) {
      b.clear();
      model.add_changes(random, b);
      model.reach(b, "channels", i);
      apply(world.open(), b);
      if (random.once_in(20))
        BOOST_TEST(!world.open().flush().has_value());
      if (random.once_in(40))
        world.reopen();
      const auto key = generated_key(random);
      const auto expected = model.held.find(key);
      BOOST_TEST((value_of(world.open(), key) ==
                  (expected == model.held.end() ? std::nullopt : std::optional{expected->second})));
      const auto prefix = generated_key(random).substr(0, random.below(3));
      const auto from = generated_key(random);
      const scan_range range{.prefix = prefix,
                             .from = random.once_in(3) ? std::nullopt : std::optional<std::string_view>{from},
                             .way = random.once_in(2) ? direction::forward : direction::backward,
                             .limit = random.below(12)};
      BOOST_TEST((keys_of(world.open(), range) == keys_of(model, range)));
    }
    BOOST_TEST((all_of(world.open()) == model.held));
    BOOST_TEST(applied_of(world.open(), "channels") == model.applied["channels"]);
  });
}

void closed_is_closed(store_world& world) {
  auto& s = world.open();
  put_all(s, {"a"});
  BOOST_TEST(!s.close().has_value());
  const auto is_closed = [](const store::store_failure& why) { return why.kind == fault::closed; };
  const auto get = s.get("a");
  BOOST_TEST((!get.ok() && is_closed(get.why())));
  const auto scan = s.scan({}, [](std::string_view, std::string_view) { return true; });
  BOOST_TEST((!scan.ok() && is_closed(scan.why())));
  const auto applied = s.applied("channels");
  BOOST_TEST((!applied.ok() && is_closed(applied.why())));
  for (const auto& answer : {s.apply(batch{}), s.flush(), s.close()})
    BOOST_TEST((answer && is_closed(*answer)));
}

} // namespace contract
} // namespace troupe::testing
