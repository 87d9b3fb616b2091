#pragma once

#include "actors/fan_out.hpp"
#include "actors/membership.hpp"
#include "actors/news_writer.hpp"
#include "actors/node.hpp"
#include "tests/actors/kernel_world.hpp"

#include <condition_variable>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::testing {

/// Stands where the actor of a channel, or of a room, would: keeps what it is asked and says what a test says. Calls
/// that wait throw after ten seconds.
class scripted_home {
public:
  scripted_home(std::uint32_t id, place_view what, overflow policy);

  /// The next operation, in order; throws where it is another one than expected.
  room_op next(room_verb expected);
  /// The next operation, if one comes within a moment.
  std::optional<room_op> poll();
  /// Takes a subscription, or a rebind, and says so. @returns the operation
  room_op let_in(room_verb verb = room_verb::join, bool recovered = true);
  /// A message for all, which `say` sends.
  void frame(std::uint64_t offset, std::string_view fill = {});
  void frames(std::uint64_t first, std::uint64_t last, std::string_view fill = {});
  /// Stored messages for one member, as one piece.
  void piece(const room_op& to, std::uint64_t first, std::uint64_t last, std::string_view fill = {});
  void answer(const room_op& to, std::string_view type, std::string_view payload);
  void tell(room_event::kind what, const room_op& whom, bool recovered = false);
  /// Sends what was written since the last call to every loop that has asked for it.
  void say() { send(false); }
  /// As `say`; and there is credit again.
  void wake() { send(true); }
  /// Sends what another voice has said.
  void pass_on(const room_news_ptr& news);
  std::uint32_t id() const noexcept { return id_; }
  /// The home has died, and another one stands in its place.
  void rebirth();

  news_writer voice;

private:
  friend class channel_stage;
  friend class home_actor;
  friend class supervisor_actor;

  void send(bool credit) { pass_on(voice.seal(credit)); }
  void arrive(const fan_out_handle& at, bool reborn);
  std::shared_ptr<const std::string> text_of(std::uint64_t offset, std::string_view fill, std::uint8_t encoder);

  std::mutex lock_;
  std::condition_variable changed_;
  std::deque<room_op> ops_;
  std::map<std::uint32_t, fan_out_handle> fans_;
  std::shared_ptr<credit_gate> gate_;
  room_handle actor_;
  std::function<room_handle()> spawn_;
  const std::uint32_t id_;
  const bool channel_;
  const std::string name_;
  const overflow policy_;
};

/// What a fan-out needs of a node, with connections, and scripted homes in place of rooms and channels.
class channel_stage {
public:
  explicit channel_stage(config settings = world::defaults(), std::function<void(local_node&)> prepare = {},
                         overflow policy = overflow::spill);
  ~channel_stage();

  /// Users have every right, but "reader" and "writer", of channels.
  client connect(std::optional<std::string> user = {}, std::size_t loop = 0, std::size_t capacity_bytes = 256 * 1024);
  scripted_home& channel(const std::string& name) { return home(a_channel(name)); }
  scripted_home& room(const std::string& name) { return home(a_room(name)); }
  /// Waits until the loop has done all that it was told before.
  void settle(std::size_t loop = 0);

private:
  struct stage_host;
  friend class supervisor_actor;

  /// Waits until somebody has asked for it.
  scripted_home& home(place_view what);

  struct parts;
  std::unique_ptr<parts> parts_;
};

/// The offsets of all messages that a client was given, in order.
std::vector<std::uint64_t> offsets(client& c);
/// All numbers from `first` to `last`.
std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last);

} // namespace troupe::testing
