#include "tests/actors/channel_stage.hpp"

#include "actors/connection.hpp"
#include "actors/hub.hpp"
#include "actors/room_actor.hpp"
#include "actors/room_supervisor.hpp"
#include "actors/signaling.hpp"
#include "runtime/wire/make.hpp"
#include "tests/actors/silent_journal.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <future>
#include <stdexcept>

namespace troupe::testing {

namespace {

constexpr std::chrono::seconds patience{10};

std::string number_of(room_verb verb) { return std::to_string(static_cast<int>(verb)); }

} // namespace

/// The mailbox of a scripted home.
class home_actor final : public ordered_actor<room_handle::base> {
public:
  home_actor(caf::actor_config& cfg, scripted_home& of)
      : ordered_actor<room_handle::base>(cfg)
      , of_(of) {}
  room_handle::behavior_type make_behavior() override {
    return {[this](const room_ops_ptr& ops) { take(*ops); },
            [](attach_atom, std::uint32_t, const fan_out_handle&) {},
            [](tick_atom) {},
            [](timer_atom, std::uint64_t, std::uint64_t) {},
            [](restart_atom) {},
            [](retire_atom, bool) {},
            [](forget_atom, const std::string&) {},
            [](describe_atom) { return std::make_shared<const room_report>(); }};
  }

private:
  void take(room_ops& ops) {
    std::lock_guard guard{of_.lock_};
    for (auto& op : ops.ops) {
      if (op.verb == room_verb::detach)
        continue;
      of_.gate_->give(1, op.bytes());
      of_.ops_.push_back(std::move(op));
    }
    of_.changed_.notify_all();
  }

  scripted_home& of_;
};

scripted_home::scripted_home(std::uint32_t id, place_view what, overflow policy)
    : voice(id, what.kind(), std::string{what.name})
    , id_(id)
    , channel_(what.channel)
    , name_(what.name)
    , policy_(policy) {}

room_op scripted_home::next(room_verb expected) {
  std::unique_lock guard{lock_};
  if (!changed_.wait_for(guard, patience, [this] { return !ops_.empty(); }))
    throw std::runtime_error{"nothing was asked in time, awaited verb " + number_of(expected)};
  if (ops_.front().verb != expected)
    throw std::runtime_error{"asked for verb " + number_of(ops_.front().verb) + ", awaited " + number_of(expected)};
  auto op = std::move(ops_.front());
  ops_.pop_front();
  return op;
}

room_op scripted_home::let_in(room_verb verb, bool recovered) {
  auto op = next(verb);
  voice.reader_came(op.more->member->encoder);
  tell(verb == room_verb::rebind ? room_event::kind::rebound : room_event::kind::added, op, recovered);
  if (op.answer)
    answer(op, "ack", "{\"epoch\":\"E\",\"offset\":0,\"recovered\":true}");
  say();
  return op;
}

std::shared_ptr<const std::string> scripted_home::text_of(std::uint64_t offset, std::string_view fill,
                                                          std::uint8_t encoder) {
  auto text = std::make_shared<std::string>();
  const auto m = wire::make_message({.type = "say", .payload = value(fill)}, target_kind::channel, name_);
  wire::encoder_at(encoder).append(*text, *m, {offset, "E"});
  return text;
}

void scripted_home::frame(std::uint64_t offset, std::string_view fill) {
  batch_frame f;
  f.seq = offset;
  f.message = wire::make_message({.type = fill.empty() ? "say" : "long", .payload = value(fill)},
                                 channel_ ? target_kind::channel : target_kind::room, name_);
  voice.frame(std::move(f), {offset, "E"});
}

void scripted_home::frames(std::uint64_t first, std::uint64_t last, std::string_view fill) {
  for (; first <= last; ++first)
    frame(first, fill);
}

void scripted_home::piece(const room_op& to, std::uint64_t first, std::uint64_t last, std::string_view fill) {
  std::string bytes;
  for (; first <= last; ++first)
    bytes += *text_of(first, fill, to.encoder);
  voice.speak_to(to.incarnation);
  voice.single(to.who, std::move(bytes), true);
}

void scripted_home::answer(const room_op& to, std::string_view type, std::string_view payload) {
  voice.speak_to(to.incarnation);
  voice.answer(to.who, to.encoder, type, to.message != nullptr ? to.message->id() : std::string_view{to.id}, payload,
               {});
}

void scripted_home::tell(room_event::kind what, const room_op& whom, bool recovered) {
  voice.speak_to(whom.incarnation);
  voice.tell(what, whom.who, recovered);
}

std::optional<room_op> scripted_home::poll() {
  std::unique_lock guard{lock_};
  if (!changed_.wait_for(guard, std::chrono::milliseconds{1}, [this] { return !ops_.empty(); }))
    return std::nullopt;
  auto op = std::move(ops_.front());
  ops_.pop_front();
  return op;
}

void scripted_home::pass_on(const room_news_ptr& news) {
  if (news == nullptr)
    return;
  std::lock_guard guard{lock_};
  for (const auto& [loop, fan] : fans_)
    caf::anon_send(fan, news);
}

void scripted_home::arrive(const fan_out_handle& at, bool reborn) {
  auto arrival = std::make_shared<room_arrival>();
  arrival->name = name_;
  arrival->channel = channel_;
  arrival->id = id_;
  arrival->home = actor_;
  arrival->gate = gate_;
  arrival->policy = policy_;
  arrival->reborn = reborn;
  caf::anon_send(at, std::shared_ptr<const room_arrival>{std::move(arrival)});
}

void scripted_home::rebirth() {
  std::lock_guard guard{lock_};
  caf::anon_send_exit(actor_, caf::exit_reason::kill);
  ops_.clear();
  gate_ = std::make_shared<credit_gate>(64, 1024 * 1024);
  actor_ = spawn_();
  for (const auto& [loop, fan] : fans_)
    arrive(fan, true);
}

struct channel_stage::parts {
  explicit parts(config what)
      : identities(what.auth)
      , node(std::move(what), numbers, quiet, identities) {}

  metrics numbers;
  logger quiet{-1};
  authenticator identities;
  local_node node;
  loopback_transport door;
  std::unique_ptr<caf::actor_system_config> settings;
  std::unique_ptr<caf::actor_system> system;
  std::unique_ptr<edge::host> host;
  std::mutex lock;
  std::condition_variable changed;
  std::map<place, std::unique_ptr<scripted_home>, place_less> homes;
  overflow policy;
};

/// Stands where rooms and channels would be spawned.
class supervisor_actor final : public ordered_actor<room_supervisor_handle::base> {
public:
  supervisor_actor(caf::actor_config& cfg, channel_stage::parts& of)
      : ordered_actor<room_supervisor_handle::base>(cfg)
      , of_(of) {}
  room_supervisor_handle::behavior_type make_behavior() override {
    return {[this](const std::shared_ptr<const room_claim>& what, const fan_out_handle& fan) { claim(*what, fan); },
            [](const std::shared_ptr<const room_failure>&) {},
            [](const std::shared_ptr<const room_retiring>&) {},
            [](forget_atom, const std::string&) {},
            [](restart_atom, std::uint32_t) {},
            [](describe_atom, const std::string&) { return std::make_shared<const room_report>(); },
            [](describe_atom) { return std::vector<std::string>{}; }};
  }

private:
  void claim(const room_claim& what, const fan_out_handle& fan) {
    std::lock_guard guard{of_.lock};
    auto& home = of_.homes[place{{what.channel, what.name}}];
    if (home == nullptr) {
      home = std::make_unique<scripted_home>(static_cast<std::uint32_t>(of_.homes.size()),
                                             place_view{what.channel, what.name}, of_.policy);
      home->gate_ = std::make_shared<credit_gate>(64, 1024 * 1024);
      home->spawn_ = [this, h = home.get()] { return system().spawn<home_actor>(std::ref(*h)); };
      home->actor_ = home->spawn_();
    }
    std::lock_guard inner{home->lock_};
    home->fans_[what.loop] = fan;
    home->arrive(fan, false);
    of_.changed.notify_all();
  }

  channel_stage::parts& of_;
};

struct channel_stage::stage_host final : edge::host {
  explicit stage_host(parts& p)
      : of(p) {}

  const config& settings() const noexcept override { return of.node.settings; }
  metrics& counters() noexcept override { return of.numbers; }
  std::size_t loop_count() const noexcept override { return of.node.loops.size(); }
  loop& loop_at(std::size_t index) noexcept override { return *of.node.loops[index]; }
  std::variant<edge::grant, edge::refusal> admit(const edge::handshake& request) override {
    auto who = of.identities.anonymous(request.user);
    const std::string letters = request.user == "reader" ? "r" : "w";
    const std::vector<std::pair<std::string, std::string>> pairs{{"channel:*", letters}};
    if (request.user == "reader" || request.user == "writer")
      who.rights = std::get<caps>(caps::parse(pairs));
    return edge::grant{std::make_shared<identity>(std::move(who))};
  }
  std::shared_ptr<edge::ingress> open(loop& on, std::shared_ptr<edge::link> out, const edge::handshake& request,
                                      edge::grant right) override {
    const auto handle = spawn_pinned<connection>(*of.system, &on, of.node, request, std::move(right));
    auto strong = caf::actor_cast<caf::strong_actor_ptr>(handle);
    auto* actor = static_cast<connection*>(caf::actor_cast<caf::abstract_actor*>(handle));
    actor->open(std::move(out));
    return {static_cast<edge::ingress*>(actor), [strong](edge::ingress*) {}};
  }
  void failed(edge::transport&, std::string) override {}
  void pressure(std::string_view reason, std::string_view subject) override {
    of.node.pressure_at_door(reason, subject);
  }
  health check() override { return {}; }
  std::string render_metrics() override { return {}; }

  parts& of;
};

channel_stage::channel_stage(config settings, std::function<void(local_node&)> prepare, overflow policy)
    : parts_(std::make_unique<parts>(std::move(settings))) {
  auto& p = *parts_;
  auto& node = p.node;
  p.policy = policy;
  p.settings = std::make_unique<caf::actor_system_config>();
  p.settings->set("scheduler.max-threads", std::size_t{2});
  p.system = std::make_unique<caf::actor_system>(*p.settings);
  for (std::size_t i = 0; i < node.settings.loops; ++i)
    node.loops.push_back(std::make_unique<loop>(*p.system, i));
  node.rooms = p.system->spawn<supervisor_actor>(std::ref(p));
  // A node with a log has channels; what is in it is nobody's business here.
  node.journal = p.system->spawn<silent_journal>();
  node.signaling = spawn_pinned<signaling>(*p.system, node.loops.front().get(), node);
  node.hub = spawn_pinned<troupe::hub>(*p.system, node.loops.front().get(), node);
  for (auto& l : node.loops) {
    node.fan_handles.push_back(spawn_pinned<fan_out>(*p.system, l.get(), node));
    node.fans.push_back(static_cast<fan_out*>(caf::actor_cast<caf::abstract_actor*>(node.fan_handles.back())));
  }
  if (prepare)
    prepare(node);
  for (auto& l : node.loops)
    l->start();
  p.host = std::make_unique<stage_host>(p);
  p.door.start(*p.host);
}

channel_stage::~channel_stage() {
  auto& p = *parts_;
  auto& node = p.node;
  node.draining = true;
  p.door.stop();
  const auto end = [](auto& handle) { caf::anon_send_exit(handle, caf::exit_reason::user_shutdown); };
  for (const auto& who : node.people.all())
    end(who);
  for (auto& fan : node.fan_handles)
    end(fan);
  end(node.rooms);
  end(node.journal);
  end(node.hub);
  end(node.signaling);
  {
    std::lock_guard guard{p.lock};
    for (auto& [what, home] : p.homes) {
      std::lock_guard inner{home->lock_};
      end(home->actor_);
    }
  }
  p.system->await_all_actors_done();
  order_after(&all_actors_done);
  for (auto& l : node.loops)
    l->stop();
  p.homes.clear();
  node.fan_handles.clear();
  node.rooms = nullptr;
  node.journal = nullptr;
  node.hub = nullptr;
  node.signaling = nullptr;
  node.people.clear();
  p.system.reset();
  node.fans.clear();
}

client channel_stage::connect(std::optional<std::string> user, std::size_t loop, std::size_t capacity_bytes) {
  loopback_client_options options;
  options.user = std::move(user);
  options.loop = loop;
  options.capacity_bytes = capacity_bytes;
  return client{parts_->door, std::move(options)};
}

scripted_home& channel_stage::home(place_view what) {
  std::unique_lock guard{parts_->lock};
  if (!parts_->changed.wait_for(guard, patience, [&] { return parts_->homes.contains(what); }))
    throw std::runtime_error{"nobody has asked for " + std::string{what.name}};
  return *parts_->homes.find(what)->second;
}

void channel_stage::settle(std::size_t loop) {
  // Twice: what lay in a mailbox at the first time is done at the second.
  for (int round = 0; round < 2; ++round) {
    std::promise<void> reached;
    parts_->node.loops[loop]->post([&] { reached.set_value(); });
    reached.get_future().wait();
  }
}

std::vector<std::uint64_t> offsets(client& c) {
  std::vector<std::uint64_t> result;
  for (const auto& e : c.all())
    if (const auto offset = e.all["offset"].as_uint())
      result.push_back(*offset);
  return result;
}

std::vector<std::uint64_t> numbers(std::uint64_t first, std::uint64_t last) {
  std::vector<std::uint64_t> result;
  for (; first <= last; ++first)
    result.push_back(first);
  return result;
}

} // namespace troupe::testing
