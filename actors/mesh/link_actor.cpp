#include "actors/mesh/link_actor.hpp"

#include "runtime/system/logger.hpp"

#include <caf/io/basp_broker.hpp>

#include <chrono>
#include <set>
#include <utility>

namespace troupe::mesh {
namespace {

constexpr std::chrono::seconds connect_max{5};
constexpr std::uint16_t published_port = 1; // of no network: CAF wants a number

constexpr std::size_t frame_overhead_bytes = 256; // of a message in a mailbox

} // namespace

link_actor::link_actor(caf::actor_config& cfg, link_setup setup)
    : base(cfg)
    , setup_(std::move(setup))
    , link_(setup_.limits, setup_.draw) {}

template <class Event, class... Args>
void link_actor::tell(const Event& event, const Args&... args) const noexcept {
  if (!event)
    return;
  try {
    event(setup_.peer, args...);
  } catch (const std::exception& thrown) {
    process_log().error("mesh.event_failed", "peer={} error={}", setup_.peer, thrown.what());
  } catch (...) {
    process_log().error("mesh.event_failed", "peer={} error=unknown", setup_.peer);
  }
}

link_handle::behavior_type link_actor::make_behavior() {
  set_error_handler([](caf::error&) {});
  set_default_handler(caf::drop);
  set_exception_handler([this](std::exception_ptr&) -> caf::error {
    process_log().error("actor_failed", "actor=mesh_link peer={}", setup_.peer);
    return caf::exit_reason::unhandled_exception;
  });
  set_down_handler([this](caf::down_msg& down) {
    if (remote_ && down.source == remote_->address())
      detach();
  });
  return {
      [this](const mesh_batch& frame) { take(frame); },
      [this](connect_atom, caf::io::scribe_ptr way) { connect(std::move(way)); },
      [this](offer_atom, std::string& batch) {
        const bool taken =
            !batch.empty() && link_.offer(std::move(batch), setup_.clock()) == reliable_link::offered::queued;
        flush();
        return taken;
      },
      [this](tick_atom) {
        ticks_at_.reset();
        check();
        flush();
      },
  };
}

void link_actor::enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) {
  if (what->content().match_elements<mesh_batch>()) {
    const auto bytes = what->content().get_as<mesh_batch>(0).bytes.size() + frame_overhead_bytes;
    const auto bound = 2 * (setup_.limits.receive_bytes_max + setup_.limits.batch_bytes_max +
                            setup_.limits.receive_batches_max * frame_overhead_bytes);
    if (waiting_bytes_.fetch_add(bytes, std::memory_order_relaxed) + bytes > bound) {
      waiting_bytes_.fetch_sub(bytes, std::memory_order_relaxed);
      if (!flooded_.exchange(true))
        cut("a flood of frames");
      return;
    }
  }
  base::enqueue(std::move(what), from);
}

// -- the connection

void link_actor::connect(caf::io::scribe_ptr way) {
  request(setup_.broker, connect_max, connect_atom::value, std::move(way), published_port)
      .then(
          [this](caf::node_id&, caf::strong_actor_ptr& remote, std::set<std::string>&) {
            if (remote)
              attach(std::move(remote));
            else
              cut("the peer publishes no link");
            flush();
          },
          [this](caf::error&) { cut("CAF's handshake failed"); });
}

void link_actor::attach(caf::strong_actor_ptr remote) {
  detach();
  remote_ = std::move(remote);
  flooded_ = false;
  monitor(caf::actor_cast<caf::actor>(remote_));
  link_.connected(setup_.clock());
}

void link_actor::detach() {
  if (!remote_)
    return;
  demonitor(remote_->address());
  remote_ = nullptr;
  link_.cut(setup_.clock());
  if (std::exchange(up_, false))
    tell(setup_.events.down);
  flush(); // for its deadline
}

/// From any thread: `events.cut` is.
void link_actor::cut(std::string_view why) { tell(setup_.events.cut, why); }

// -- frames

void link_actor::take(const mesh_batch& frame) {
  waiting_bytes_.fetch_sub(frame.bytes.size() + frame_overhead_bytes, std::memory_order_relaxed);
  const auto& from = current_sender();
  if (!from || from->node() == system().node())
    return;
  if (from != remote_)
    attach(from); // the peer has connected to this node, or anew
  const auto got = link_.receive(frame.bytes, setup_.clock());
  switch (got.what) {
  case reliable_link::arrival::nothing:
    break;
  case reliable_link::arrival::batch:
    tell(setup_.events.batch, got.batch);
    link_.consumed(got.stream, got.batch.size());
    break;
  case reliable_link::arrival::lost:
    tell(setup_.events.lost, got.dropped);
    break;
  case reliable_link::arrival::broken:
    process_log().warn("mesh.broken_link", "peer={} why={}", setup_.peer, got.why);
    cut(got.why);
    return detach();
  }
  if (link_.now() == reliable_link::phase::open && !std::exchange(up_, true))
    tell(setup_.events.up);
  flush();
}

void link_actor::check() {
  const auto batches = link_.window_batches();
  const auto what = link_.check(setup_.clock());
  if (what == reliable_link::overdue::nothing)
    return;
  tell(setup_.events.lost, batches);
  if (what == reliable_link::overdue::slow) {
    cut("slow");
    detach();
  }
}

/// Writes what may be written, and sees to it that time passes.
void link_actor::flush() {
  const auto now = setup_.clock();
  for (std::string frame; remote_ && link_.next_frame(frame, now);)
    send(caf::actor_cast<link_handle>(remote_), mesh_batch{std::move(frame)});
  const auto next = link_.next_deadline();
  if (!next || (ticks_at_ && *ticks_at_ <= *next))
    return;
  ticks_at_ = *next;
  delayed_send(this, std::chrono::milliseconds{std::max<mono_ms>(*next - now, 1)}, tick_atom::value);
}

} // namespace troupe::mesh
