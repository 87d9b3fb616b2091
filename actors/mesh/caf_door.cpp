#include "actors/mesh/caf_door.hpp"

#include "runtime/wire/basp_check.hpp"

#include <caf/binary_serializer.hpp>
#include <caf/io/basp_broker.hpp>
#include <caf/io/middleman.hpp>
#include <caf/io/network/multiplexer.hpp>
#include <caf/send.hpp>

#include <cassert>
#include <cerrno>
#include <cstring>
#include <set>
#include <sys/socket.h>
#include <utility>
#include <vector>

namespace troupe::mesh {
namespace {

constexpr std::uint16_t published_port = 1; // of no network: CAF wants a number

std::string node_id_of(caf::actor_system& system) {
  std::vector<char> bytes;
  caf::binary_serializer sink{system, bytes};
  auto id = system.node();
  if (sink(id) || bytes.size() != node_id_bytes)
    throw std::runtime_error("mesh: CAF writes its node id in another way than expected");
  return {bytes.begin(), bytes.end()};
}

} // namespace

void configure_network(caf::actor_system_config& settings, const heartbeat_settings& heartbeats) {
  settings.add_message_type<mesh_batch>(std::string{batch_type_name});
  settings.load<caf::io::middleman>();
  settings.set("middleman.app-identifiers", std::vector<std::string>{std::string{basp_application}});
  settings.set("middleman.enable-automatic-connections", false);
  settings.set("middleman.workers", std::size_t{0});
  settings.set("middleman.heartbeat-interval", caf::timespan{heartbeats.interval});
  settings.set("middleman.connection-timeout", caf::timespan{heartbeats.timeout});
}

caf_door::caf_door(caf::actor_system& system, setup what)
    : system_(system)
    , setup_(std::move(what))
    , self_{setup_.name, setup_.incarnation, node_id_of(system)}
    , broker_(system.middleman().named_broker<caf::io::basp_broker>(caf::atom("BASP"))) {}

caf_door::~caf_door() {
  for (const auto& [name, each] : links_)
    caf::anon_send_exit(each.link, caf::exit_reason::user_shutdown);
}

std::variant<line, std::string> caf_door::open(const peer& who) {
  const auto link = link_for(who.who.name);
  if (!link)
    return "too many peers are known";
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) != 0)
    return std::string{"no socket pair: "} + std::strerror(errno);
  // CAF looks for the receivers of remote messages in its registry; an actor that ends leaves it by itself.
  auto strong = caf::actor_cast<caf::strong_actor_ptr>(link);
  system_.registry().put(strong->id(), strong);
  auto way = system_.middleman().backend().new_scribe(ends[1]);
  if (who.accepted)
    caf::anon_send(broker_, caf::publish_atom::value, std::move(way), published_port, strong, std::set<std::string>{});
  else
    caf::anon_send(link, connect_atom::value, std::move(way));
  return line{ends[0], strong->id()};
}

void caf_door::closed(const peer& who, std::string_view) {
  std::lock_guard guard{lock_};
  if (const auto found = links_.find(who.who.name); found != links_.end())
    found->second.closed_at = setup_.clock();
}

void caf_door::turned_away(std::string_view reason, std::string_view who, std::string_view detail) {
  if (setup_.turned_away)
    setup_.turned_away(reason, who, detail);
}

link_handle caf_door::link_to(const std::string& name) const {
  std::lock_guard guard{lock_};
  const auto found = links_.find(name);
  return found == links_.end() ? link_handle{} : found->second.link;
}

/// A link that was cut for longer than it can resume has nothing left to keep.
void caf_door::forget_old(mono_ms now) {
  std::erase_if(links_, [&](const auto& each) {
    const auto& at = each.second.closed_at;
    if (!at || now - *at <= 2 * setup_.limits.resume_ms_max)
      return false;
    caf::anon_send_exit(each.second.link, caf::exit_reason::user_shutdown);
    return true;
  });
}

link_handle caf_door::link_for(const std::string& name) {
  std::lock_guard guard{lock_};
  forget_old(setup_.clock());
  if (const auto found = links_.find(name); found != links_.end()) {
    found->second.closed_at.reset();
    return found->second.link;
  }
  if (links_.size() >= links_max)
    return {};
  link_setup what{name, setup_.limits, setup_.events, setup_.draw, setup_.clock, broker_};
  auto link = caf::actor_cast<link_handle>(system_.spawn<link_actor>(std::move(what)));
  links_[name] = {link, {}};
  return link;
}

} // namespace troupe::mesh
