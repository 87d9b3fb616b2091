#include "actors/edge.hpp"
#include "transports/http/server.hpp"

namespace troupe::http {

namespace {

/// What a prober or a scraper asks: one path, answered at once and never from a cache.
class status_route final : public route {
public:
  status_route(std::string_view path, std::function<response()> answer)
      : path_{path}
      , answer_{std::move(answer)} {}

  bool matches(std::string_view path) const noexcept override { return path == path_; }
  void serve(std::shared_ptr<exchange> x) override {
    auto answer = answer_();
    answer.headers.emplace_back("Cache-Control", "no-store");
    x->reply(std::move(answer));
  }

private:
  std::string_view path_;
  std::function<response()> answer_;
};

response health_answer(edge::host::health found, bool well) {
  response out;
  out.status = well ? 200 : 503;
  out.content_type = "application/json";
  out.body = std::move(found.json);
  return out;
}

} // namespace

route_list status_routes(edge::host& host) {
  const auto alive = [&host] {
    auto found = host.check();
    const bool well = found.alive;
    return health_answer(std::move(found), well);
  };
  const auto ready = [&host] {
    auto found = host.check();
    const bool well = found.ready;
    return health_answer(std::move(found), well);
  };
  const auto numbers = [&host] {
    response out;
    out.content_type = "text/plain; version=0.0.4; charset=utf-8";
    out.body = host.render_metrics();
    return out;
  };
  return {std::make_shared<status_route>("/healthz", alive), std::make_shared<status_route>("/readyz", ready),
          std::make_shared<status_route>("/metrics", numbers)};
}

} // namespace troupe::http
