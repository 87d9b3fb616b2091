#include "apps/troupe/line_input.hpp"

#include "apps/troupe/command.hpp"

#include <cerrno>
#include <cstring>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace troupe::cli {
namespace {

constexpr std::size_t piece_bytes = 64 * 1024;

}

bool line_input::take_line(std::string& line) {
  const auto end = buffer_.find('\n', at_);
  if (end == std::string::npos && (!ended_ || at_ == buffer_.size())) {
    buffer_.erase(0, at_);
    at_ = 0;
    if (buffer_.size() > bytes_max_)
      throw command_failed{exit_usage, "line " + std::to_string(lines_ + 1) + " is longer than " +
                                           std::to_string(bytes_max_) + " bytes"};
    return false;
  }
  line.assign(buffer_, at_, end == std::string::npos ? end : end - at_);
  at_ = end == std::string::npos ? buffer_.size() : end + 1;
  if (line.ends_with('\r'))
    line.pop_back();
  ++lines_;
  return true;
}

line_input::step line_input::next(std::string& line) {
  if (take_line(line))
    return step::line;
  if (ended_)
    return step::end;
  pollfd ready{fd_, POLLIN, 0};
  if (::poll(&ready, 1, 0) <= 0)
    return step::nothing_yet;
  const auto before = buffer_.size();
  buffer_.resize(before + piece_bytes);
  const auto n = ::read(fd_, buffer_.data() + before, piece_bytes);
  buffer_.resize(before + static_cast<std::size_t>(n > 0 ? n : 0));
  if (n < 0 && errno != EINTR && errno != EAGAIN)
    throw command_failed{exit_cannot, std::string{"cannot read standard input: "} + std::strerror(errno)};
  if (n < 0)
    return step::nothing_yet;
  bytes_read_ += static_cast<std::uint64_t>(n);
  ended_ = n == 0;
  if (take_line(line))
    return step::line;
  return ended_ ? step::end : step::nothing_yet;
}

std::uint64_t line_input::bytes_all() const noexcept {
  struct stat info {};
  return ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode) ? static_cast<std::uint64_t>(info.st_size) : 0;
}

} // namespace troupe::cli
