#include "transports/mesh/greeting.hpp"

#include <chrono>
#include <utility>

namespace troupe::mesh {

using outcome_of = socket_stream::outcome;

greeting::greeting(asio::io_context& io, std::unique_ptr<socket_stream> stream,
                   std::shared_ptr<const credentials> proof, preface own, on_done done)
    : stream_{std::move(stream)}
    , proof_{std::move(proof)}
    , own_{std::move(own)}
    , done_{std::move(done)}
    , deadline_{io} {}

void greeting::start(std::int64_t ms_max) {
  deadline_.expires_after(std::chrono::milliseconds{ms_max});
  deadline_.async_wait([weak = weak_from_this()](const boost_error& failed) {
    if (const auto self = weak.lock(); self && !failed)
      self->refuse("timeout", "its handshake took too long");
  });
  to_say_ = own_.encode();
  shake_hands();
}

void greeting::abandon() noexcept {
  done_ = nullptr;
  deadline_.cancel();
  if (stream_)
    stream_->close();
}

void greeting::shake_hands() {
  if (!done_)
    return;
  switch (stream_->handshake()) {
  case outcome_of::done:
    return say();
  case outcome_of::would_block:
    return stream_->wait_readable([self = shared_from_this()](bool) { self->shake_hands(); });
  default: {
    const char* why = socket_stream::tls_error();
    refuse("tls", std::string{"the TLS handshake failed: "} + (why != nullptr ? why : "the connection was lost"));
  }
  }
}

/// Both sides say their preface at once, so that both know what the other speaks even where one of them refuses.
void greeting::say() {
  if (!done_)
    return;
  const iovec part{to_say_.data(), to_say_.size()};
  const auto sent = stream_->send({&part, to_say_.empty() ? std::size_t{0} : std::size_t{1}});
  to_say_.erase(0, sent.bytes);
  if (sent.what == outcome_of::would_block)
    return stream_->wait_writable([self = shared_from_this()](bool) { self->say(); });
  if (sent.what != outcome_of::done)
    return refuse("lost", "the connection was lost in the handshake");
  listen();
}

void greeting::listen() {
  if (!done_)
    return;
  const auto into = socket_stream::loop_buffer();
  const auto got = stream_->receive(into);
  heard_.append(into.data(), got.bytes);
  if (got.bytes > 0)
    return judge();
  if (got.what == outcome_of::would_block)
    return stream_->wait_readable([self = shared_from_this()](bool) { self->listen(); });
  // In TLS 1.3 a client is done before the server has judged its proof: this is how it learns.
  refuse("tls", "it closed the connection: its side may have refused this node's proof");
}

void greeting::judge() {
  auto found = read_preface(heard_, own_.version);
  switch (found.what) {
  case preface_outcome::state::more:
    return listen();
  case preface_outcome::state::refused:
    return refuse(found.reason, std::move(found.detail));
  case preface_outcome::state::done:
    break;
  }
  if (auto why = proof_->refuse(stream_->session(), found.said.who.name))
    return refuse("proof", std::move(*why));
  finish({{}, {}, std::move(stream_), std::move(found.said), heard_.substr(found.bytes)});
}

void greeting::refuse(std::string_view reason, std::string detail) {
  if (stream_)
    stream_->shutdown_send();
  finish({reason, std::move(detail), nullptr, {}, {}});
}

void greeting::finish(outcome result) {
  deadline_.cancel();
  if (const auto done = std::exchange(done_, nullptr))
    done(std::move(result));
  stream_.reset();
}

} // namespace troupe::mesh
