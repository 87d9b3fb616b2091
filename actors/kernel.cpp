#include "actors/kernel.hpp"

#include "actors/audit_journal.hpp"
#include "actors/connection.hpp"
#include "actors/fan_out.hpp"
#include "actors/hub.hpp"
#include "actors/journal.hpp"
#include "actors/node.hpp"
#include "actors/room_replay.hpp"
#include "actors/room_supervisor.hpp"
#include "actors/signaling.hpp"
#include "actors/supervisor.hpp"
#include "runtime/model/json_text.hpp"
#include "runtime/system/scheduler.hpp"
#include "runtime/wire/make.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/scoped_actor.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <set>
#include <stdexcept>
#include <thread>

namespace troupe {
namespace {

constexpr std::chrono::seconds supervisor_stop_max{5};
constexpr std::int64_t scheduler_messages_max =
    64; // a turn of an actor on the scheduler, so that none starves the rest

struct system_settings : caf::actor_system_config {
  explicit system_settings(const config& settings) {
    module_factories.emplace_back(make_scheduler);
    set("scheduler.max-threads", scheduler_threads(settings));
    set("scheduler.max-throughput", scheduler_messages_max);
  }
};

} // namespace

struct kernel::impl final : edge::host {
  explicit impl(config settings)
      : identities(settings.auth)
      , of(std::move(settings), numbers, process_log(), identities) {
    of.give_up = [this](const std::string& why) { give_up(why); };
  }

  // edge::host

  const config& settings() const noexcept override { return of.settings; }
  metrics& counters() noexcept override { return numbers; }
  std::size_t loop_count() const noexcept override { return of.loops.size(); }
  loop& loop_at(std::size_t index) noexcept override { return *of.loops[index]; }
  std::variant<edge::grant, edge::refusal> admit(const edge::handshake& request) override;
  std::shared_ptr<edge::ingress> open(loop& on, std::shared_ptr<edge::link> out, const edge::handshake& request,
                                      edge::grant right) override;
  void failed(edge::transport& who, std::string why) override;
  void pressure(std::string_view reason, std::string_view subject) override { of.pressure_at_door(reason, subject); }
  health check() override;
  std::string render_metrics() override { return numbers.render(); }

  // Life

  void start();
  void start_loops();
  void start_actors();
  void start_transports();
  void supervise();
  void stop_accepting();
  void settle_loops();
  void drain();
  int wait();
  void stop();
  void give_up(const std::string& why);
  void finish(int code);

  metrics numbers;
  authenticator identities;
  std::mutex reload_lock;
  std::mutex life_lock; ///< Of the handles of fan-outs, which end before the loops.
  local_node of;
  std::vector<std::unique_ptr<edge::transport>> transports;
  std::vector<std::string> names; ///< Of transports, unique.
  std::string log_folder;         ///< Empty: no log.
  bool accept_loss = false;
  std::unique_ptr<system_settings> system_config;
  std::unique_ptr<caf::actor_system> system;
  supervisor_handle root;
  std::atomic<std::size_t> transports_up{0};
  bool started = false;
  std::atomic<int> drains{0};

  std::mutex end_lock;
  std::condition_variable ended;
  std::optional<int> code;
  bool telling = false; ///< A drain is under way.
};

// -- the door

std::variant<edge::grant, edge::refusal> kernel::impl::admit(const edge::handshake& request) {
  if (of.draining)
    return edge::refusal{503, {error_code::unavailable, "this node is going away", 1000}};
  edge::grant right;
  if (request.bearer) {
    auto verified = of.verify(*request.bearer);
    if (auto* why = std::get_if<failure>(&verified))
      return edge::refusal{401, *why};
    right.who = std::make_shared<identity>(std::get<identity>(std::move(verified)));
    return right;
  }
  if (identities.keyed())
    return right; // the first message must be auth
  // Behind a proxy everybody is loopback, and a page whose name resolves to it has another Host (DNS rebinding).
  if (!request.loopback || !request.local_host || request.forwarded)
    return edge::refusal{
        403, {error_code::forbidden, "without a configured key only clients on this machine are accepted", {}}};
  right.who = std::make_shared<identity>(identities.anonymous(request.user));
  return right;
}

std::shared_ptr<edge::ingress> kernel::impl::open(loop& on, std::shared_ptr<edge::link> out,
                                                  const edge::handshake& request, edge::grant right) {
  const auto handle = spawn_pinned<connection>(*system, &on, of, request, std::move(right));
  auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle);
  auto* actor = static_cast<connection*>(caf::actor_cast<caf::abstract_actor*>(handle));
  actor->open(std::move(out));
  return {static_cast<edge::ingress*>(actor), [strong](edge::ingress*) {}};
}

void kernel::impl::failed(edge::transport& who, std::string why) {
  for (std::size_t i = 0; i < transports.size(); ++i)
    if (transports[i].get() == &who)
      return caf::anon_send(root, failed_atom::value, names[i], std::move(why));
}

edge::host::health kernel::impl::check() {
  health result;
  const bool all_up = transports_up == transports.size();
  result.ready = all_up && !of.draining;
  std::string json = result.ready ? "{\"status\":\"ready\"" : "{\"status\":\"unready\"";
  json += ",\"node\":";
  append_json_string(json, of.name);
  json += of.draining ? ",\"draining\":true" : ",\"draining\":false";
  json += ",\"parts\":{\"loops\":";
  append_json_number(json, std::uint64_t{of.loops.size()});
  json += ",\"transports\":{\"up\":";
  append_json_number(json, std::uint64_t{transports_up});
  json += ",\"configured\":";
  append_json_number(json, std::uint64_t{transports.size()});
  json += "},\"connections\":";
  append_json_number(json, std::int64_t{of.counts.connections.value()});
  json += ",\"rooms\":";
  append_json_number(json, std::int64_t{of.counts.rooms.value()});
  result.json = json + "}}";
  return result;
}

// -- life

void kernel::impl::start_loops() {
  system_config = std::make_unique<system_settings>(of.settings);
  system = std::make_unique<caf::actor_system>(*system_config);
  for (std::size_t i = 0; i < troupe::loop_count(of.settings); ++i)
    of.loops.push_back(std::make_unique<loop>(*system, i));
}

void kernel::impl::start_actors() {
  // On a loop, where telling them something wakes no other thread: each connection does.
  auto* first = of.loops.front().get();
  if (!log_folder.empty()) {
    start_log(*system, of, log_folder, accept_loss);
    start_audit(*system, of, log_folder, accept_loss);
  }
  of.rooms = spawn_pinned<room_supervisor>(*system, first, of);
  of.signaling = spawn_pinned<signaling>(*system, first, of);
  of.hub = spawn_pinned<troupe::hub>(*system, first, of);
  for (auto& l : of.loops) {
    of.fan_handles.push_back(spawn_pinned<fan_out>(*system, l.get(), of));
    of.fans.push_back(static_cast<fan_out*>(caf::actor_cast<caf::abstract_actor*>(of.fan_handles.back())));
  }
  for (auto& l : of.loops)
    l->start();
  if (of.journal != nullptr)
    caf::anon_send(of.journal, forget_atom::value);
}

void kernel::impl::start_transports() {
  for (std::size_t i = 0; i < transports.size(); ++i) {
    names.push_back(std::string{transports[i]->name()} + "-" + std::to_string(i));
    transports[i]->start(*this);
    ++transports_up;
  }
}

void kernel::impl::supervise() {
  supervisor_setup setup;
  const auto& s = of.settings.supervision;
  setup.settings.restarts_max = s.restarts_max;
  setup.settings.window_ms = s.restart_window.count();
  setup.settings.delays = {s.backoff_min.count(), s.backoff_max.count(), jitter::equal};
  for (std::size_t i = 0; i < transports.size(); ++i)
    setup.children.push_back(
        {names[i], [this, i] { transports[i]->start(*this); }, [this, i] { transports[i]->stop(); }});
  setup.vital = {caf::actor_cast<caf::strong_actor_ptr>(of.rooms), caf::actor_cast<caf::strong_actor_ptr>(of.hub),
                 caf::actor_cast<caf::strong_actor_ptr>(of.signaling)};
  if (of.journal != nullptr) {
    setup.vital.push_back(caf::actor_cast<caf::strong_actor_ptr>(of.journal));
    setup.vital.push_back(caf::actor_cast<caf::strong_actor_ptr>(of.log_reader));
    setup.vital.push_back(caf::actor_cast<caf::strong_actor_ptr>(of.audit_journal));
  }
  for (const auto& fan : of.fan_handles)
    setup.vital.push_back(caf::actor_cast<caf::strong_actor_ptr>(fan));
  setup.clock = of.mono_clock;
  setup.random = [](std::uint64_t bound) { return local_node::random_bits() % bound; };
  // A start that fails is told as well, so what is up is a set and no count.
  setup.told = [this, up = std::set<std::string>{names.begin(), names.end()}](
                   const std::string& child, const std::string& why, bool running) mutable {
    if (running) {
      up.insert(child);
      of.counts.transport_restarts.add();
      of.log.warn("supervisor.restarted", "child={}", child);
    } else {
      up.erase(child);
      of.log.error("child_failed", "child={} reason={}", child, why);
    }
    transports_up = up.size();
    of.tell_event(running ? "supervisor.restarted" : "error", child, why);
  };
  setup.escalated = [this](const std::string& why) {
    of.log.error("gave_up", "reason={}", why);
    finish(1);
  };
  root = system->spawn<supervisor>(std::move(setup));
}

void kernel::impl::start() {
  if (std::exchange(started, true))
    throw std::logic_error{"the kernel was started before"};
  end_if_only_checked(of.room_types);
  start_loops();
  try {
    start_actors();
    start_transports();
  } catch (...) {
    stop();
    throw;
  }
  supervise();
}

// The supervisor first, so that it starts nothing again.
void kernel::impl::stop_accepting() {
  if (root) {
    caf::scoped_actor self{*system};
    self->request(root, supervisor_stop_max, drain_atom::value).receive([](bool) {}, [](const caf::error&) {});
  }
  for (auto& t : transports)
    t->stop();
}

// What a room has said is on its way to every loop at once, but one loop may be later than another: after two rounds
// each has handed out what was acknowledged anywhere before.
void kernel::impl::settle_loops() {
  for (int round = 0; round < 2; ++round)
    for (auto& l : of.loops) {
      const auto reached = std::make_shared<std::promise<void>>();
      l->post([reached] { reached->set_value(); });
      reached->get_future().wait_for(of.settings.shutdown.drain);
    }
}

void kernel::impl::drain() {
  if (drains++ > 0)
    return finish(0);
  {
    std::lock_guard guard{end_lock};
    telling = true; // `wait` of another thread does not end the system beneath this one
  }
  of.draining = true;
  stop_accepting();
  const auto until = std::chrono::steady_clock::now() + of.settings.shutdown.drain;
  settle_loops();
  for (const auto& who : of.people.all())
    caf::anon_send(who, drain_atom::value);
  for (std::size_t i = 0; i < of.loops.size(); ++i) // those who have not said yet who they are
    of.loops[i]->post([fan = of.fans[i], held = of.fan_handles[i]] { fan->drain(); });
  const auto over = [&] { return std::chrono::steady_clock::now() >= until || drains > 1; };
  const auto clients = [&] {
    std::size_t sum = 0;
    for (const auto& t : transports)
      sum += t->clients();
    return sum;
  };
  while ((of.counts.connections.value() > 0 || clients() > 0) && !over())
    std::this_thread::sleep_for(std::chrono::milliseconds{5});
  {
    std::lock_guard guard{end_lock};
    telling = false;
  }
  finish(0);
}

// Clients are told to come back while there is still a loop to tell them.
void kernel::impl::give_up(const std::string& why) {
  of.log.error("gave_up", "reason={}", why);
  of.draining = true;
  for (const auto& who : of.people.all())
    caf::anon_send(who, close_atom::value, static_cast<std::uint16_t>(close_code::restart),
                   "the node has to start anew");
  settle_loops();
  finish(1);
}

void kernel::impl::finish(int with) {
  std::lock_guard guard{end_lock};
  if (!code)
    code = with;
  ended.notify_all();
}

int kernel::impl::wait() {
  std::unique_lock guard{end_lock};
  ended.wait(guard, [&] { return code.has_value() && !telling; });
  const int result = *code;
  guard.unlock();
  stop();
  return result;
}

// Actors end while their loops still run; then the loops, then the system, then what lay on the loops.
void kernel::impl::stop() {
  if (system == nullptr)
    return;
  of.draining = true;
  stop_accepting();
  const auto end = [](auto& handle) {
    if (handle)
      caf::anon_send_exit(handle, caf::exit_reason::user_shutdown);
  };
  end(root);
  for (const auto& who : of.people.all())
    caf::anon_send_exit(who, caf::exit_reason::user_shutdown);
  for (auto& fan : of.fan_handles)
    end(fan);
  end(of.rooms);
  end(of.hub);
  end(of.signaling);
  end(of.log_reader);
  system->await_all_actors_done(); // until here others read the handles
  order_after(&all_actors_done);
  root = nullptr;
  {
    std::lock_guard guard{life_lock};
    of.fan_handles.clear();
  }
  stop_audit(*system, of);
  stop_log(*system, of); // until here the journal reads them
  order_after(&all_actors_done);
  of.rooms = nullptr;
  of.hub = nullptr;
  of.signaling = nullptr;
  of.log_reader = nullptr;
  of.audit_journal = nullptr;
  for (auto& l : of.loops)
    l->stop();
  of.people.clear();
  system.reset();
  of.fans.clear();
}

// -- the façade

kernel::kernel(config settings)
    : impl_(std::make_unique<impl>(std::move(settings))) {}

// The loops stay until here: after `wait` others may still hold them, for example a watchdog.
kernel::~kernel() {
  impl_->stop();
  impl_->of.loops.clear();
}

void kernel::add_transport(std::unique_ptr<edge::transport> transport) {
  if (impl_->started)
    throw std::logic_error{"transports are added before the kernel starts"};
  impl_->transports.push_back(std::move(transport));
}

void kernel::add_middleware(std::string_view pattern, middleware m, handler_options options) {
  if (impl_->started || options.off_loop)
    throw std::logic_error{impl_->started ? "handlers are added before the kernel starts"
                                          : "middleware runs on the loop: it decides over the order of messages"};
  impl_->of.handlers.add_middleware(pattern, std::move(m));
}

void kernel::add_handler(std::string_view pattern, handler h, handler_options options) {
  if (impl_->started)
    throw std::logic_error{"handlers are added before the kernel starts"};
  impl_->of.handlers.add_handler(pattern, {std::move(h), options});
}

void kernel::add_room(std::string_view pattern, std::function<std::unique_ptr<room>()> make, room_options options) {
  if (impl_->started)
    throw std::logic_error{"rooms are added before the kernel starts"};
  impl_->of.room_types.set(pattern, {std::move(make), options});
}

void kernel::on_event(std::function<void(const event&)> sink) { impl_->of.on_event(std::move(sink)); }

void kernel::keep_log(std::string data_folder, bool accept_loss) {
  if (impl_->started)
    throw std::logic_error{"the kernel was started before"};
  impl_->log_folder = std::move(data_folder);
  impl_->accept_loss = accept_loss;
}

replay_report kernel::check_log(const std::string& data_folder) const {
  return replay_log(data_folder, impl_->of.room_types);
}

void kernel::accept_admin_token(std::string token) { impl_->of.admin_token = std::move(token); }

void kernel::start() { impl_->start(); }

int kernel::run() {
  start();
  return wait();
}

int kernel::wait() { return impl_->wait(); }

void kernel::drain() { impl_->drain(); }

void kernel::reload(const config& settings) {
  std::lock_guard guard{impl_->reload_lock};
  const authenticator readable{settings.auth}; // throws before anything has changed
  for (auto& t : impl_->transports)
    t->reload();
  impl_->identities.reload(settings.auth);
}

hub_kit kernel::hub() { return hub_kit{impl_->of}; }

void kernel::broadcast(const outgoing& what, std::string_view room) {
  auto m = wire::make_message(what, target_kind::room, room, nullptr, impl_->of.wall_clock());
  std::lock_guard guard{impl_->life_lock};
  if (impl_->of.fan_handles.empty())
    return; // ended, or not started
  impl_->of.loops.front()->post([fan = impl_->of.fans.front(), held = impl_->of.fan_handles.front(), m = std::move(m)] {
    room_op op;
    op.message = m;
    fan->submit_anyway(*fan->reach(m->room()), std::move(op));
  });
}

void kernel::forget(std::string_view subject) {
  if (impl_->log_folder.empty() || subject.empty())
    throw std::logic_error{"only a node that keeps a log can forget somebody, who has a name"};
  log::forget_requests asked{log::subject_keys_folder(impl_->log_folder)};
  if (const auto why = asked.put(subject))
    throw std::runtime_error{"cannot ask to forget: " + why->text()};
}

std::size_t kernel::loop_count() const noexcept { return impl_->of.loops.size(); }

loop& kernel::loop_at(std::size_t index) { return *impl_->of.loops.at(index); }

} // namespace troupe
