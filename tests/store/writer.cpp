// Opens the store in a folder and goes on with a script where the store is, until it is killed. Says "ready", then
// "a N" when N batches are applied, "f N" when they are flushed.
//   store_writer FOLDER SEED

#include "runtime/store/rocks_store.hpp"
#include "tests/store/script.hpp"

#include <cstdio>
#include <unistd.h>

namespace {

bool say(const std::string& line) {
  return ::write(STDOUT_FILENO, line.data(), line.size()) == static_cast<ssize_t>(line.size());
}

int fail(const troupe::store::store_failure& why) {
  std::fprintf(stderr, "store_writer: %s\n", why.message.c_str());
  return 1;
}

} // namespace

int main(int count, char** words) {
  using namespace troupe;
  if (count != 3)
    return 2;
  auto opened = store::open_rocks_store(words[1], {.memtable_bytes = 64 * 1024});
  if (!opened.ok())
    return fail(opened.why());
  auto& s = *opened.value();
  const auto applied = s.applied(testing::store_script::log_class);
  if (!applied.ok())
    return fail(applied.why());
  testing::store_script script{std::stoull(words[2])};
  script.advance_to(applied.value());
  store::batch b;
  for (auto going = say("ready\n"); going;) {
    script.next(b);
    if (auto failed = s.apply(b))
      return fail(*failed);
    going = say("a " + std::to_string(script.end()) + "\n");
    if (script.end() % 211 == 0) {
      if (auto failed = s.flush())
        return fail(*failed);
      going = going && say("f " + std::to_string(script.end()) + "\n");
    }
  }
  return 0;
}
