#pragma once

#include "actors/directory.hpp"
#include "actors/interfaces.hpp"
#include "runtime/log/record.hpp"
#include "runtime/model/inbox.hpp"
#include "runtime/system/metrics.hpp"

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

namespace troupe {

struct local_node;

/// What an inbox has for one of its user's connections, in order.
struct inbox_piece {
  struct item {
    message_ptr what;
    std::uint64_t offset = 0; ///< 0: none.
  };
  std::string user;
  std::string epoch;
  std::uint64_t ticket = 0; ///< To be named when all of it is sent.
  std::vector<item> items;
};

/// What a connection tells an inbox.
struct inbox_reply {
  std::string user;
  member_key who = 0;
  std::uint64_t ticket = 0;       ///< All of this piece is sent; 0: none is.
  std::uint64_t acknowledged = 0; ///< The client has everything up to here; 0: it says nothing.
};

/// The inboxes of a node's users, and what is sent to users: part of the hub, on its thread. An inbox (runtime/model)
/// is awake while it holds something and for a minute after; what it holds with qos >= 1 is in the log, where there is
/// one, under a name of its own (inbox_name.hpp). Who is there and has no inbox awake is sent qos 0 by the direct way.
/// Where the bounds of all inboxes are reached, those of users who are away make way for those of who is there.
class inboxes {
public:
  /// Called once for each delivery: how many connections it reached, or why it was refused.
  using answer = std::function<void(const delivery& what, std::size_t connections, std::optional<failure> why)>;

  inboxes(local_node& of, answer then);
  ~inboxes();

  /// Routes a message to users.
  void deliver(const std::shared_ptr<const delivery>& what, const std::vector<std::string_view>& users);
  /// A connection of the user has come or gone.
  void changed(const std::string& user);
  void replied(const inbox_reply& what);

  /// Lets go of what waits and is about this user.
  void forget(std::string_view subject);

  // From the log.

  void opened(const channel_opened& what);
  void outcome(const channel_outcome& what);

  void pass_time();
  /// When `pass_time` will have something to do.
  std::optional<mono_ms> next_time() const noexcept;

private:
  /// A delivery whose answer is open.
  struct asked {
    std::shared_ptr<const delivery> what;
    std::size_t connections = 0;
    std::size_t open = 1; ///< Inboxes that have not said yet; and one for the routing itself.
    std::optional<failure> why;
  };
  /// What came while the log was asked.
  struct held {
    message_ptr what;
    member_key except = 0;
    inbox::asker asker = 0;
  };
  enum class log_state : std::uint8_t { none, opening, open };
  struct awake {
    explicit awake(inbox_limits bounds)
        : box(bounds) {}

    inbox box;
    std::uint32_t id = 0;
    std::uint64_t run = 0; ///< Rises when the log has refused something; below the id.
    std::string epoch;
    log_state log = log_state::none;
    std::vector<held> waiting;
    std::size_t waiting_bytes = 0;
    std::unordered_map<member_key, connection_handle> readers;
    std::size_t counted_bytes = 0;
    mono_ms due = 0;        ///< In `due_`; 0: not.
    mono_ms idle_since = 0; ///< 0: it holds something.
    mono_ms ask_again = 0;  ///< The log could not serve it: when to ask again.
  };
  using awake_map = std::unordered_map<std::string, awake>;

  void give(const std::string& user, inbox::asker number, std::unordered_set<member_key>& reached);
  void hold_or_put(const std::string& user, awake& a, held what);
  void put(const std::string& user, awake& a, const held& what);
  std::optional<failure> lacks_room(const std::string& user, const awake& a, std::size_t bytes);
  bool has_place(std::size_t more, std::size_t bytes) const noexcept;
  bool make_place(std::size_t more, std::size_t bytes);
  bool may_sleep(const awake& a, bool with_reliable) const noexcept;
  void put_to_sleep(const std::string& user);
  void end(awake_map::iterator at);
  awake* wake(const std::string& user, bool is_there);
  void ask_the_log(const std::string& user, awake& a);
  std::vector<directory::entry> attached(const std::string& user) const;
  void settle_readers(awake& a, const std::vector<directory::entry>& present);
  void settle(const std::string& user, awake& a);
  void count(const std::string& user, awake& a);
  void count_drops(const std::string& user, awake& a);
  void store(const std::string& user, awake& a);
  void record(log::record_kind kind, const std::string& user, std::string_view connection, std::size_t count,
              std::string_view detail);
  std::string connection_of(const std::string& user, member_key key) const;
  void send_piece(const std::string& user, const awake& a, const connection_handle& to, const inbox::piece& what);
  void reschedule(const std::string& user, awake& a);
  void fail(inbox::asker number, failure why);
  void done(inbox::asker number);

  local_node& node_;
  answer answer_;
  inbox_limits bounds_;
  counter& queued_;
  std::array<counter*, inbox_drop_kinds> dropped_;
  gauge& awake_count_;
  gauge& bytes_gauge_;
  awake_map awake_;
  std::unordered_map<std::uint32_t, std::string> by_id_;
  std::unordered_set<std::string> stored_;  ///< Users for whom the log has something that nobody has looked at yet.
  std::unordered_set<std::string> unwoken_; ///< Of these, users who are there and for whom there was no place.
  mono_ms wake_again_ = 0;                  ///< When to look after them; 0: there are none.
  std::unordered_map<inbox::asker, asked> asked_;
  std::set<std::pair<mono_ms, std::string>> due_;
  std::size_t bytes_ = 0;
  mono_ms no_place_until_ = 0; ///< All inboxes were looked at, and none could make way.
  inbox::asker last_asked_ = 0;
  std::uint32_t last_id_ = 0;
};

} // namespace troupe
