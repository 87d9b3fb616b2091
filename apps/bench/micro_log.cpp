#include "apps/bench/micro.hpp"

#include "runtime/log/cursor.hpp"
#include "runtime/log/verify.hpp"
#include "runtime/log/writer.hpp"

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <string>
#include <unistd.h>
#include <vector>

namespace troupe::bench {
namespace {

constexpr std::uint64_t records = 500'000;

/// CPU time of the process, in the kernel too: what verifying costs, however fast the disk is.
double cpu_ns() {
  timespec t{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
  return static_cast<double>(t.tv_sec) * 1e9 + static_cast<double>(t.tv_nsec);
}

template <class Work>
double nanoseconds_a_record(Work work) {
  double best = 0;
  for (int i = 0; i < 5; ++i) {
    const auto begin = cpu_ns();
    work();
    const auto took = cpu_ns() - begin;
    best = i == 0 ? took : std::min(best, took);
  }
  return best / static_cast<double>(records);
}

/// Messages of 128 bytes, as a channel logs them. @returns false where the disk does not take them
bool write_log(const std::filesystem::path& folder) {
  auto log = troupe::log::writer::open({folder, "channels", "node-1"});
  if (!log)
    return false;
  const std::string payload(128, 'x');
  for (std::uint64_t i = 0; i < records; ++i) {
    troupe::log::record_view r;
    r.time_us = 1'700'000'000'000'000;
    r.kind = troupe::log::record_kind::channel_published;
    r.channel = "orders";
    r.connection = "c-0123456789abcdef";
    r.node = "node-1";
    r.epoch = "0123456789";
    r.type = "m";
    r.payload = payload;
    r.offset = i + 1;
    r.format = 0;
    if (!(*log)->append(r))
      return false;
  }
  return !(*log)->sync();
}

} // namespace

void measure_log(std::string_view only) {
  constexpr std::string_view hashing = "hash leaf and nodes of a log's record in memory, CPU";
  constexpr std::string_view verifying = "verify a log's record, one thread, CPU";
  if (hashing.find(only) == std::string_view::npos && verifying.find(only) == std::string_view::npos)
    return;
  const auto folder = std::filesystem::temp_directory_path() / ("troupe-bench-" + std::to_string(::getpid()));
  std::vector<std::string> bodies;
  if (write_log(folder))
    if (auto at = troupe::log::cursor::open(folder, 0))
      while (at->next() == troupe::log::cursor::step::ready)
        bodies.emplace_back(at->at().body);
  if (bodies.size() == records) {
    print_result(hashing, nanoseconds_a_record([&] {
                   troupe::log::compact_range tree;
                   for (const auto& body : bodies)
                     tree.append(troupe::log::leaf_hash(body));
                   keep(tree);
                 }));
    print_result(verifying, nanoseconds_a_record([&] {
                   troupe::log::verify_options alone;
                   alone.threads = 1;
                   const auto found = troupe::log::verify(folder, alone);
                   keep(found);
                 }));
  } else {
    std::fputs("bench micro: the log cannot be written\n", stderr);
  }
  std::error_code ignored;
  std::filesystem::remove_all(folder, ignored);
}

} // namespace troupe::bench
