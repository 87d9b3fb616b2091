#include "transports/http/console.hpp"

#include "transports/http/server.hpp"

#include <algorithm>

namespace troupe::http {

namespace {

std::string_view type_of(std::string_view name) noexcept {
  static constexpr std::pair<std::string_view, std::string_view> types[] = {{".html", "text/html; charset=utf-8"},
                                                                            {".js", "text/javascript; charset=utf-8"},
                                                                            {".css", "text/css; charset=utf-8"},
                                                                            {".svg", "image/svg+xml"},
                                                                            {".png", "image/png"},
                                                                            {".ico", "image/x-icon"}};
  for (const auto& [ending, type] : types)
    if (name.ends_with(ending))
      return type;
  return "application/octet-stream";
}

const embedded_file* find_file(std::string_view path) noexcept {
  constexpr std::string_view folder = "/console";
  if (path.starts_with(folder))
    path.remove_prefix(folder.size());
  if (path.empty() || path == "/")
    path = "/index.html";
  const auto files = console_files();
  const auto found = std::find_if(files.begin(), files.end(), [&](const auto& f) { return f.name == path.substr(1); });
  return found == files.end() ? nullptr : &*found;
}

class console final : public route {
public:
  bool matches(std::string_view path) const noexcept override {
    return path == "/" || path == "/console" || (path.starts_with("/console/") && find_file(path) != nullptr);
  }

  void serve(std::shared_ptr<exchange> x) override {
    const auto* file = find_file(x->request().path);
    if (file == nullptr)
      return x->reply(problem(404, error_code::unknown_target, "this build has no demo page"));
    response out;
    out.content_type = type_of(file->name);
    out.headers.emplace_back("Cache-Control", "no-cache");
    out.headers.emplace_back("X-Frame-Options", "DENY");
    out.static_body = file->bytes;
    x->reply(std::move(out));
  }
};

} // namespace

std::shared_ptr<route> console_route() { return std::make_shared<console>(); }

} // namespace troupe::http
