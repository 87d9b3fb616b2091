#include "apps/troupe/terminal.hpp"

#include "apps/troupe/command.hpp"
#include "runtime/model/utf8.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <sys/ioctl.h>
#include <unistd.h>

namespace troupe::cli {
namespace {

constexpr std::size_t buffer_bytes = 64 * 1024;
constexpr std::chrono::milliseconds bar_after{400};
constexpr std::chrono::milliseconds bar_interval{100};
constexpr std::size_t bar_cells = 30;

volatile std::sig_atomic_t was_interrupted = 0;

void on_interrupt(int) { was_interrupted = 1; }

/// Controls of ASCII and of Latin-1 (U+0080 to U+009F), and those that turn the direction of the text round.
bool is_harmful(std::string_view sequence) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(sequence[i]); };
  if (sequence.size() == 1)
    return at(0) < 0x20 || at(0) == 0x7F;
  if (sequence.size() == 2)
    return at(0) == 0xC2 && at(1) < 0xA0;
  if (sequence.size() != 3 || at(0) != 0xE2)
    return false;
  const bool embedding = at(1) == 0x80 && ((at(2) >= 0xAA && at(2) <= 0xAE) || at(2) == 0x8E || at(2) == 0x8F ||
                                           at(2) == 0xA8 || at(2) == 0xA9);
  const bool isolate = at(1) == 0x81 && at(2) >= 0xA6 && at(2) <= 0xA9;
  return embedding || isolate;
}

} // namespace

bool is_terminal(int fd) noexcept { return ::isatty(fd) == 1; }

std::size_t columns_or(std::size_t otherwise) noexcept {
  winsize size{};
  if (::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
    return otherwise;
  return size.ws_col;
}

void watch_for_interrupt() {
  struct sigaction how {};
  how.sa_handler = on_interrupt;
  how.sa_flags = static_cast<int>(SA_RESETHAND);
  ::sigaction(SIGINT, &how, nullptr);
  ::sigaction(SIGTERM, &how, nullptr);
}

bool interrupted() noexcept { return was_interrupted != 0; }

void line_output::line(std::string_view text) {
  buffer_ += text;
  buffer_ += '\n';
  if (buffer_.size() >= buffer_bytes)
    flush();
}

void line_output::flush() {
  for (std::size_t written = 0; written < buffer_.size();) {
    const auto n = ::write(fd_, buffer_.data() + written, buffer_.size() - written);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      throw command_failed{exit_cannot, std::string{"cannot write the output: "} + std::strerror(errno)};
    written += static_cast<std::size_t>(n);
  }
  buffer_.clear();
}

progress_bar::progress_bar(std::string_view what)
    : what_{what}
    , on_{is_terminal(STDERR_FILENO)}
    , next_{clock::now() + bar_after} {}

progress_bar::~progress_bar() {
  if (drawn_)
    std::fputs("\r\x1b[K", stderr);
}

bool progress_bar::is_due() {
  if (!on_)
    return false;
  const auto now = clock::now();
  if (now < next_)
    return false;
  next_ = now + bar_interval;
  drawn_ = true;
  return true;
}

void progress_bar::show_count(std::uint64_t done) {
  if (is_due())
    std::fprintf(stderr, "\r%s: %llu\x1b[K", what_.c_str(), static_cast<unsigned long long>(done));
}

void progress_bar::show(std::uint64_t done, std::uint64_t all) {
  if (all == 0 || !is_due())
    return;
  const auto share = std::min(1.0, static_cast<double>(done) / static_cast<double>(all));
  const auto filled = static_cast<std::size_t>(share * bar_cells);
  const auto bar = std::string(filled, '#') + std::string(bar_cells - filled, '.');
  std::fprintf(stderr, "\r%s [%s] %3d %%\x1b[K", what_.c_str(), bar.c_str(), static_cast<int>(share * 100));
}

std::string printable(std::string_view text, std::size_t characters_max) {
  std::string out;
  std::size_t count = 0;
  const char* const end = text.data() + text.size();
  std::size_t last = 0; // where the character that an ellipsis would replace begins
  for (const char* p = text.data(); p != end; ++count) {
    if (count == characters_max) {
      out.resize(last);
      return characters_max == 0 ? out : out + "\xE2\x80\xA6";
    }
    const auto length = utf8_sequence(p, end);
    const std::string_view sequence{p, std::max<std::size_t>(length, 1)};
    last = out.size();
    out += length == 0 || is_harmful(sequence) ? replacement_character : sequence;
    p += sequence.size();
  }
  return out;
}

std::size_t characters_of(std::string_view text) noexcept {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

} // namespace troupe::cli
