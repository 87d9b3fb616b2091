#undef BOOST_TEST_MODULE
#include "tests/contract/link_contract.hpp"
#include "tests/transports/beast_client.hpp"
#include "tests/transports/certificates.hpp"
#include "transports/loopback.hpp"
#include "transports/websocket.hpp"

#include <boost/test/unit_test.hpp>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>

namespace {

using namespace troupe;
using namespace troupe::testing;

class loopback_contract_client final : public contract_client {
public:
  explicit loopback_contract_client(loopback_transport& to)
      : seen_{std::make_shared<seen>()}
      , client_{to.connect({},
                           {[s = seen_](std::string_view text) { s->add(text); },
                            [s = seen_](troupe::close_code code, std::string_view reason) { s->end(code, reason); }})} {
  }

  bool send(std::string json) override { return client_->send(std::move(json)); }
  void stop_reading() override { client_->read(false); }
  std::optional<std::string> receive() override {
    client_->read(true);
    std::unique_lock guard{seen_->lock};
    seen_->changed.wait_for(guard, std::chrono::seconds{10}, [&] { return !seen_->texts.empty() || seen_->ended; });
    if (seen_->texts.empty())
      return std::nullopt;
    auto first = std::move(seen_->texts.front());
    seen_->texts.pop_front();
    return first;
  }
  std::uint16_t close_code() override { return static_cast<std::uint16_t>(seen_->code); }
  std::string close_reason() override { return seen_->reason; }
  void close(std::uint16_t code, std::string reason) override {
    client_->close(static_cast<troupe::close_code>(code), std::move(reason));
  }
  void drop() override { client_->drop(); }

private:
  struct seen {
    void add(std::string_view text) {
      std::lock_guard guard{lock};
      texts.emplace_back(text);
      changed.notify_all();
    }
    void end(troupe::close_code how, std::string_view why) {
      std::lock_guard guard{lock};
      code = how;
      reason = why;
      ended = true;
      changed.notify_all();
    }
    std::mutex lock;
    std::condition_variable changed;
    std::deque<std::string> texts;
    bool ended = false;
    troupe::close_code code = troupe::close_code::abnormal;
    std::string reason;
  };
  std::shared_ptr<seen> seen_;
  std::unique_ptr<loopback_client> client_;
};

class loopback_world final : public link_world {
public:
  loopback_world() { transport_.start(host_); }
  recording_host& host() override { return host_; }
  std::unique_ptr<contract_client> connect() override { return std::make_unique<loopback_contract_client>(transport_); }

private:
  recording_host host_;
  loopback_transport transport_;
};

class websocket_contract_client final : public contract_client {
public:
  explicit websocket_contract_client(std::uint16_t port, client_options options)
      : client_{port, std::move(options)} {}

  bool send(std::string json) override {
    try {
      client_.send_text(json);
    } catch (const std::exception&) { // the server may have closed already
    }
    return true;
  }
  void stop_reading() override {}
  std::optional<std::string> receive() override { return client_.receive(); }
  std::uint16_t close_code() override { return client_.close_code(); }
  std::string close_reason() override { return client_.close_reason(); }
  void close(std::uint16_t code, std::string reason) override { client_.close(code, reason); }
  void drop() override { client_.drop(); }

private:
  beast_client client_;
};

class websocket_world : public link_world {
public:
  explicit websocket_world(websocket_options options = {}, client_options client = {})
      : transport_{with_address(std::move(options))}
      , client_{std::move(client)} {
    transport_.start(host_);
  }
  ~websocket_world() override { transport_.stop(); }
  recording_host& host() override { return host_; }
  std::unique_ptr<contract_client> connect() override {
    return std::make_unique<websocket_contract_client>(transport_.port(), client_);
  }

private:
  static websocket_options with_address(websocket_options options) {
    options.listen = "127.0.0.1:0";
    return options;
  }
  recording_host host_;
  websocket_transport transport_;
  client_options client_;
};

struct tls_world final : websocket_world {
  tls_world()
      : websocket_world{{.certificate = certificate_file("contract"), .key = key_file("contract")}, {.tls = true}} {}
};

struct deflate_world final : websocket_world {
  deflate_world()
      : websocket_world{{.compression = true}, {.deflate = true}} {}
};

struct fragmented_world final : websocket_world {
  fragmented_world()
      : websocket_world{{}, {.fragment = true}} {}
};

} // namespace

TROUPE_LINK_CONTRACT(loopback, loopback_world)
TROUPE_LINK_CONTRACT(websocket, websocket_world)
TROUPE_LINK_CONTRACT(websocket_over_tls, tls_world)
TROUPE_LINK_CONTRACT(websocket_deflated, deflate_world)
TROUPE_LINK_CONTRACT(websocket_fragmented, fragmented_world)
