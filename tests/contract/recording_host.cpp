#include "tests/contract/recording_host.hpp"

#include "runtime/system/loop.hpp"
#include "runtime/system/metrics.hpp"

#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>

#include <chrono>
#include <deque>
#include <future>

namespace troupe::testing {

namespace {

constexpr std::chrono::seconds patience{10};

} // namespace

recorder::recorder(loop& on, std::shared_ptr<edge::link> out, edge::handshake who)
    : loop_{on}
    , out_{std::move(out)}
    , who_{std::move(who)} {}

edge::flow recorder::received(const message_fields& fields, std::size_t bytes) {
  {
    std::lock_guard guard{lock_};
    messages_.push_back(
        {std::string{fields.type}, std::string{fields.id}, std::string{fields.payload}, fields.format, bytes});
  }
  changed_.notify_all();
  return on_received ? on_received(*this, fields) : edge::flow::more;
}

edge::flow recorder::malformed(const failure&, std::string_view) {
  std::lock_guard guard{lock_};
  ++malformed_;
  changed_.notify_all();
  return edge::flow::more;
}

void recorder::writable() {
  {
    std::lock_guard guard{lock_};
    ++writable_;
    changed_.notify_all();
  }
  if (on_writable)
    on_writable(*this);
}

void recorder::closed(const edge::close_info& info) {
  std::lock_guard guard{lock_};
  closings_.push_back(info);
  changed_.notify_all();
}

template <class Ready>
bool recorder::wait(Ready ready) const {
  std::unique_lock guard{lock_};
  return changed_.wait_for(guard, patience, ready);
}

bool recorder::wait_messages(std::size_t count) {
  return wait([&] { return messages_.size() >= count; });
}

bool recorder::wait_malformed(std::size_t count) {
  return wait([&] { return malformed_ >= count; });
}

bool recorder::wait_writable(std::size_t count) {
  return wait([&] { return writable_ >= count; });
}

bool recorder::wait_closed() {
  return wait([&] { return !closings_.empty(); });
}

std::vector<received_message> recorder::messages() const {
  std::lock_guard guard{lock_};
  return messages_;
}

std::size_t recorder::malformed_count() const {
  std::lock_guard guard{lock_};
  return malformed_;
}

std::vector<edge::close_info> recorder::closings() const {
  std::lock_guard guard{lock_};
  return closings_;
}

void recorder::on_loop(const std::function<void(edge::link&)>& f) {
  std::promise<void> done;
  loop_.post([&] {
    f(*out_);
    done.set_value();
  });
  done.get_future().wait();
}

wire::slice recorder::slice_of(std::string_view type, std::string_view payload, std::size_t frames) const {
  message_fields fields;
  fields.type = type;
  fields.payload = payload;
  const auto m = message::make(fields, nullptr, 1);
  auto bytes = std::make_shared<std::string>();
  for (std::size_t i = 0; i < frames; ++i)
    out_->format().append(*bytes, *m, {});
  return {bytes, *bytes};
}

std::size_t recorder::write(std::string_view type, std::string_view payload) {
  const auto slice = slice_of(type, payload);
  std::size_t taken = 0;
  on_loop([&](edge::link& out) { taken = out.write({&slice, 1}); });
  return taken;
}

struct recording_host::impl {
  config settings;
  caf::actor_system_config caf_settings;
  std::unique_ptr<caf::actor_system> system;
  metrics numbers;
  std::vector<std::unique_ptr<loop>> loops;
  std::mutex lock;
  std::condition_variable changed;
  std::deque<std::shared_ptr<recorder>> opened;
  std::vector<std::weak_ptr<recorder>> all;
  std::deque<std::string> failures;
  std::vector<std::string> pressures;
  std::vector<edge::handshake> handshakes;
};

recording_host::recording_host(config settings, std::size_t loops)
    : impl_{std::make_unique<impl>()} {
  impl_->settings = std::move(settings);
  impl_->caf_settings.set("scheduler.max-threads", 1);
  impl_->system = std::make_unique<caf::actor_system>(impl_->caf_settings);
  for (std::size_t i = 0; i < loops; ++i)
    impl_->loops.push_back(std::make_unique<loop>(*impl_->system, i));
  for (auto& l : impl_->loops)
    l->start();
}

recording_host::~recording_host() {
  for (auto& l : impl_->loops)
    l->stop();
  for (auto& weak : impl_->all)
    if (const auto r = weak.lock())
      r->release();
}

const config& recording_host::settings() const noexcept { return impl_->settings; }

metrics& recording_host::counters() noexcept { return impl_->numbers; }

std::size_t recording_host::loop_count() const noexcept { return impl_->loops.size(); }

loop& recording_host::loop_at(std::size_t index) noexcept { return *impl_->loops[index]; }

std::variant<edge::grant, edge::refusal> recording_host::admit(const edge::handshake& request) {
  std::lock_guard guard{impl_->lock};
  impl_->handshakes.push_back(request);
  if (refuse)
    return *refuse;
  return edge::grant{};
}

std::shared_ptr<edge::ingress> recording_host::open(loop& on, std::shared_ptr<edge::link> out,
                                                    const edge::handshake& request, edge::grant) {
  auto made = std::make_shared<recorder>(on, std::move(out), request);
  if (on_open)
    on_open(*made);
  std::lock_guard guard{impl_->lock};
  impl_->all.push_back(made);
  impl_->opened.push_back(made);
  impl_->changed.notify_all();
  return made;
}

void recording_host::failed(edge::transport&, std::string why) {
  std::lock_guard guard{impl_->lock};
  impl_->failures.push_back(std::move(why));
  impl_->changed.notify_all();
}

void recording_host::pressure(std::string_view reason, std::string_view) {
  std::lock_guard guard{impl_->lock};
  impl_->pressures.emplace_back(reason);
}

std::vector<std::string> recording_host::pressures() const {
  std::lock_guard guard{impl_->lock};
  return impl_->pressures;
}

edge::host::health recording_host::check() {
  return {ready.load(), true, ready ? R"({"ready":true})" : R"({"ready":false})"};
}

std::string recording_host::render_metrics() { return impl_->numbers.render(); }

std::shared_ptr<recorder> recording_host::next_connection() {
  std::unique_lock guard{impl_->lock};
  if (!impl_->changed.wait_for(guard, patience, [&] { return !impl_->opened.empty(); }))
    return nullptr;
  auto first = std::move(impl_->opened.front());
  impl_->opened.pop_front();
  return first;
}

std::string recording_host::wait_failed() {
  std::unique_lock guard{impl_->lock};
  if (!impl_->changed.wait_for(guard, patience, [&] { return !impl_->failures.empty(); }))
    return {};
  auto first = std::move(impl_->failures.front());
  impl_->failures.pop_front();
  return first;
}

std::vector<edge::handshake> recording_host::handshakes() const {
  std::lock_guard guard{impl_->lock};
  return impl_->handshakes;
}

void recording_host::settle() {
  for (int round = 0; round < 3; ++round) // what a loop posts to itself is done as well
    for (auto& l : impl_->loops) {
      std::promise<void> done;
      l->post([&] { done.set_value(); });
      done.get_future().wait();
    }
}

} // namespace troupe::testing
