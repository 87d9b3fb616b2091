#include "actors/signals.hpp"

#include "actors/kernel.hpp"

#include <cerrno>
#include <cstdlib>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <system_error>
#include <unistd.h>
#include <utility>

namespace troupe {
namespace {

int checked(int descriptor) {
  if (descriptor < 0)
    throw std::system_error{errno, std::generic_category(), "cannot wait for signals"};
  return descriptor;
}

} // namespace

signal_watch::signal_watch(signal_actions what)
    : what_(std::move(what)) {
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGINT);
  sigaddset(&awaited, SIGTERM);
  if (what_.reload)
    sigaddset(&awaited, SIGHUP);
  leave_ = checked(::eventfd(0, EFD_CLOEXEC));
  signals_ = ::signalfd(-1, &awaited, SFD_CLOEXEC);
  if (signals_ < 0)
    ::close(leave_);
  checked(signals_);
  pthread_sigmask(SIG_BLOCK, &awaited, &before_);
}

signal_watch::~signal_watch() {
  ::eventfd_write(leave_, 1);
  if (watcher_.joinable())
    watcher_.join();
  if (drainer_.joinable())
    drainer_.join();
  pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  ::close(signals_);
  ::close(leave_);
}

void signal_watch::begin() {
  watcher_ = std::thread{[this] { run(); }};
}

void signal_watch::run() {
  pollfd watched[] = {{signals_, POLLIN, 0}, {leave_, POLLIN, 0}};
  for (;;) {
    if (::poll(watched, 2, -1) < 0)
      continue; // interrupted
    if (watched[1].revents != 0)
      return;
    signalfd_siginfo got{};
    if (::read(signals_, &got, sizeof got) != static_cast<ssize_t>(sizeof got))
      continue;
    const bool draining = drainer_.joinable();
    if (got.ssi_signo != SIGHUP && draining)
      std::_Exit(128 + static_cast<int>(got.ssi_signo));
    if (got.ssi_signo != SIGHUP)
      drainer_ = std::thread{what_.drain};
    else if (!draining)
      what_.reload();
  }
}

int run_until_signal(kernel& of) {
  signal_watch signals{{.drain = [&of] { of.drain(); }}};
  of.start();
  signals.begin();
  return of.wait();
}

} // namespace troupe
