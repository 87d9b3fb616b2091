#pragma once

#include "runtime/model/mesh/messages.hpp"
#include "tests/model/seeded.hpp"

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <queue>
#include <string>
#include <utility>
#include <vector>

/// What happens in the order of a virtual clock; of two things at the same time the one that was planned first.
class calendar {
public:
  troupe::mono_ms now() const noexcept { return now_; }
  void at(troupe::mono_ms when, std::function<void()> what) { events_.push({when, ++planned_, std::move(what)}); }
  void in(troupe::mono_ms delay, std::function<void()> what) { at(now_ + delay, std::move(what)); }

  /// Lets everything happen that is due by then. @param after each of them
  void run_until(troupe::mono_ms end, const std::function<void()>& after) {
    while (!events_.empty() && events_.top().when <= end) {
      auto next = std::move(const_cast<event&>(events_.top()));
      events_.pop();
      now_ = std::max(now_, next.when);
      next.what();
      after();
    }
    now_ = std::max(now_, end);
  }

private:
  struct event {
    troupe::mono_ms when;
    std::uint64_t order;
    std::function<void()> what;
    bool operator<(const event& other) const { return std::tie(when, order) > std::tie(other.when, other.order); }
  };
  troupe::mono_ms now_ = 1'000;
  std::uint64_t planned_ = 0;
  std::priority_queue<event> events_;
};

/// Who is told of links and messages.
class network_user {
public:
  virtual void link_up(std::size_t at, std::size_t peer) = 0;
  virtual void link_lost(std::size_t at, std::size_t peer) = 0;
  virtual void arrived(std::size_t at, std::size_t from, troupe::mesh::message what) = 0;
  /// Whether what arrives is taken now: a stopped process takes nothing.
  virtual bool takes(std::size_t at) const = 0;

protected:
  ~network_user() = default;
};

/// Links between machines, one a pair: in order each way, though heartbeats may overtake. A way can be cut: what is
/// on it waits, and is lost with all that follows once the link breaks; then both ends learn of it, soon or when the
/// link comes back, and begin anew. A way that is cut for a short time only delays. Messages travel as the bytes that
/// nodes send.
class network {
public:
  network(calendar& days, dice& random, network_user& user, std::size_t machines);

  void send(std::size_t from, std::size_t to, const troupe::mesh::message& what);

  /// Cuts one way. @param hold_ms how long nothing is lost
  void cut(std::size_t from, std::size_t to, troupe::mono_ms hold_ms);
  void heal(std::size_t from, std::size_t to);
  /// Holds all but heartbeats up for a while, as a full link does.
  void stall(std::size_t from, std::size_t to, troupe::mono_ms ms);
  void heal_all();
  /// The machine's process has ended, or another one begins: all its links break.
  void reset(std::size_t machine, bool alive);
  /// The machine takes messages again.
  void wake(std::size_t machine);
  /// Nothing that the machine sent is on its way.
  bool drained(std::size_t from) const;

  /// The longest that a message takes while nothing is wrong.
  static constexpr troupe::mono_ms delay_ms_max = 40;

private:
  struct parcel {
    troupe::mono_ms due;
    std::string bytes;
  };
  struct lane {
    std::deque<parcel> parcels;
    troupe::mono_ms last_due = 0;
  };
  struct way {
    bool cut = false;
    bool broken = false; ///< What is sent is lost until the link begins anew.
    std::uint64_t cuts = 0;
    troupe::mono_ms stalled_until = 0;
    lane ordered;
    lane urgent; ///< Heartbeats.
  };
  struct link {
    bool up = false;
    std::uint64_t session = 0;
  };

  way& way_of(std::size_t from, std::size_t to) { return ways_[from * machines_ + to]; }
  const way& way_of(std::size_t from, std::size_t to) const { return ways_[from * machines_ + to]; }
  link& link_of(std::size_t a, std::size_t b) { return links_[std::min(a, b) * machines_ + std::max(a, b)]; }
  void pump(std::size_t from, std::size_t to);
  bool pump_lane(std::size_t from, std::size_t to, lane& l, troupe::mono_ms not_before);
  void break_way(std::size_t from, std::size_t to);
  void end(std::size_t a, std::size_t b);
  void begin_soon(std::size_t a, std::size_t b);

  calendar& days_;
  dice& random_;
  network_user& user_;
  std::size_t machines_;
  std::vector<way> ways_;
  std::vector<link> links_;
  std::vector<char> alive_;
};
