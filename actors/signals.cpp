#include "actors/signals.hpp"

#include "actors/kernel.hpp"

#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>

namespace troupe {
namespace {

int checked(int descriptor) {
  if (descriptor < 0)
    throw std::system_error{errno, std::generic_category(), "cannot wait for signals"};
  return descriptor;
}

} // namespace

drain_on_signals::drain_on_signals(kernel& of)
    : kernel_(of) {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGINT);
  sigaddset(&awaited, SIGTERM);
  leave_ = checked(::eventfd(0, EFD_CLOEXEC));
  signals_ = ::signalfd(-1, &awaited, SFD_CLOEXEC);
  if (signals_ < 0)
    ::close(leave_);
  checked(signals_);
  pthread_sigmask(SIG_BLOCK, &awaited, &before_);
  watcher_ = std::thread{[this] { watch(); }};
}

drain_on_signals::~drain_on_signals() {
  ::eventfd_write(leave_, 1);
  watcher_.join();
  if (drainer_.joinable())
    drainer_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  ::close(signals_);
  ::close(leave_);
}

void drain_on_signals::watch() {
  pollfd watched[] = {{signals_, POLLIN, 0}, {leave_, POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0)
      continue; // interrupted
    if (watched[1].revents != 0)
      return;
    signalfd_siginfo got{};
    if (::read(signals_, &got, sizeof got) != static_cast<ssize_t>(sizeof got))
      continue;
    if (drainer_.joinable())
      std::_Exit(128 + static_cast<int>(got.ssi_signo));
    drainer_ = std::thread{[this] { kernel_.drain(); }};
  }
}

int run_until_signal(kernel& of) {
  const drain_on_signals guard{of};
  return of.run();
}

} // namespace troupe
