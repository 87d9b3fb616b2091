#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

/// Frames of CAF 0.17.6, byte by byte as a capture of two real systems shows them, and those with which a peer attacks.
namespace basp_testing {

inline std::string number(std::uint64_t value, std::size_t bytes) {
  std::string out;
  for (std::size_t i = bytes; i > 0; --i)
    out.push_back(static_cast<char>(value >> (8 * (i - 1))));
  return out;
}

inline std::string length(std::uint64_t value) {
  std::string out;
  for (; value >= 0x80; value >>= 7)
    out.push_back(static_cast<char>((value & 0x7F) | 0x80));
  return out + static_cast<char>(value);
}

struct header {
  std::uint8_t operation = 0;
  std::uint8_t flags = 0;
  std::uint64_t data = 0;
  std::uint64_t source = 0;
  std::uint64_t destination = 0;
};

/// A frame whose header may say another length than its payload has.
inline std::string frame_of_length(const header& h, std::uint64_t says, std::string_view payload) {
  return std::string{static_cast<char>(h.operation), '\0', '\0', static_cast<char>(h.flags)} + number(says, 4) +
         number(h.data, 8) + number(h.source, 8) + number(h.destination, 8) + std::string{payload};
}

inline std::string frame(const header& h, std::string_view payload = {}) {
  return frame_of_length(h, payload.size(), payload);
}

/// The id of a node: the atom "default", a process, a hash.
inline std::string node(std::uint32_t process) {
  return number(0x3E9AAB9BAC79, 8) + number(process, 4) + std::string(20, 'h');
}

inline constexpr std::uint64_t asynchronous = std::uint64_t{1} << 60;
inline constexpr std::uint64_t spawn_server = 0x3ddd66f3376adfb; // the atom "SpawnServ"

inline std::string server_handshake(const std::string& who, std::uint64_t actor,
                                    std::string_view application = "troupe.mesh") {
  return frame({0, 0, 3, 0, 0},
               who + length(1) + length(application.size()) + std::string{application} + number(actor, 8) + length(0));
}
inline std::string client_handshake(const std::string& who, std::uint8_t flags = 0) {
  return frame({1, flags, 0, 0, 0}, who);
}
inline std::string monitor(const std::string& from, const std::string& to, std::uint64_t actor) {
  return frame({4, 0, 0, 0, actor}, from + to);
}
inline std::string down(const std::string& from, const std::string& to, std::uint64_t actor,
                        std::string_view context = "@<>") {
  return frame({5, 0, 0, actor, 0}, from + to + number(0, 1) + number(0xF, 8) + number(0, 2) + length(context.size()) +
                                        std::string{context});
}
inline std::string heartbeat() { return frame({6, 0, 0, 0, 0}); }

/// A message with the types by name, and its elements as they are.
inline std::string message(std::string_view types, std::string_view elements) {
  return length(0) + number(0, 2) + length(types.size()) + std::string{types} + std::string{elements};
}
inline std::string batch_payload(std::string_view bytes) {
  return message("@<>+troupe::mesh_batch", length(bytes.size()) + std::string{bytes});
}
inline std::string batch(std::uint64_t from, std::uint64_t to, std::string_view bytes) {
  return frame({2, 0, asynchronous, from, to}, batch_payload(bytes));
}
/// What CAF sends of its own accord after a handshake.
inline std::string spawn_server_request(std::uint64_t from) {
  return frame({2, 1, asynchronous, from, spawn_server},
               message("@<>+@atom+@atom+@str", number(0x3F8FB8, 8) + number(0x3ECAB9, 8) + length(4) + "info"));
}

struct attack {
  std::string name;
  std::string frame;
  std::string why; ///< The refusal, by name.
};

/// What a peer may try once its handshake is done, as a client: `self` is its node, `target` the one it attacks.
inline std::vector<attack> attacks_after_handshake(const std::string& self, const std::string& target,
                                                   std::uint64_t from, std::uint64_t to, int nested_levels = 50) {
  const auto direct = [&](std::string_view payload) { return frame({2, 0, asynchronous, from, to}, payload); };
  std::string nested;
  for (int i = 0; i < nested_levels; ++i)
    nested += std::string{number(0, 2)} + length(12) + "@<>+@message";
  return {
      {"a length of 0xFFFFFFF0", frame_of_length({2, 0, asynchronous, from, to}, 0xFFFFFFF0, "x"), "length"},
      {"a huge length in a monitor", frame_of_length({4, 0, 0, 0, to}, 0xFFFFFFF0, "x"), "length"},
      {"nested messages", direct(message("@<>+@message", nested)), "content"},
      {"a huge vector", direct(message("@<>+@strvec", length(0xFFFFFFFFFF) + std::string(40, 'x'))), "content"},
      {"a huge count of stages", direct(length(0xFFFFFFFFFF) + std::string(40, 'x')), "content"},
      {"a batch that says to be longer", direct(message("@<>+troupe::mesh_batch", length(0xFFFFFFFF) + "x")), "length"},
      {"a batch that says to be shorter", direct(message("@<>+troupe::mesh_batch", length(1) + "xy")), "length"},
      {"a batch of nothing", direct(message("@<>+troupe::mesh_batch", length(0))), "length"},
      {"link to a local actor",
       direct(message("@<>+@atom+@strong_actor_ptr", number(0x3B2D9F, 8) + number(to, 8) + target)), "content"},
      {"an exit message", direct(message("@<>+@exit_msg", number(from, 8) + self + number(0, 1))), "content"},
      {"a down message to an actor", direct(message("@<>+@down_msg", number(from, 8) + self)), "content"},
      {"a request", frame({2, 0, asynchronous | 7, from, to}, batch_payload("x")), "content"},
      {"the spawn server", spawn_server_request(from), "destination"},
      {"another local actor", batch(from, to + 1, "x"), "destination"},
      {"an actor by number 0", batch(from, 0, "x"), "destination"},
      {"a watch over another actor", monitor(self, target, to + 1), "destination"},
      {"a watch for a third node", monitor(node(99), target, to), "destination"},
      {"no sender", batch(0, to, "x"), "source"},
      {"a second sender", batch(from, to, "x") + batch(from + 1, to, "x"), "source"},
      {"an end of an unknown actor", down(self, target, from + 9), "source"},
      {"an end with a context", batch(from, to, "x") + down(self, target, from, "@<>+@message"), "length"},
      {"a routed message", frame({3, 0, asynchronous, from, to}, self + target + batch_payload("x")), "operation"},
      {"an unknown operation", frame({7, 0, 0, 0, 0}), "operation"},
      {"a second handshake", client_handshake(self), "header"},
      {"a server's handshake", server_handshake(self, from), "order"},
      {"a heartbeat with a payload", frame({6, 0, 0, 0, 0}, "x"), "length"},
      {"a heartbeat with a flag", frame({6, 1, 0, 0, 0}), "header"},
  };
}

/// What a peer may try instead of a handshake, as a client.
inline std::vector<attack> attacks_instead_of_handshake(const std::string& self, const std::string& target,
                                                        std::uint64_t from, std::uint64_t to) {
  return {
      {"a handshake without a payload", frame({1, 0, 0, 0, 0}), "length"},
      {"a server's handshake without a payload", frame({0, 0, 3, 0, 0}), "order"},
      {"a handshake of 4 GiB", frame_of_length({1, 0, 0, 0, 0}, 0xFFFFFFF0, ""), "length"},
      {"a handshake of another node", client_handshake(node(99)), "handshake"},
      {"a handshake of the node itself", client_handshake(target), "handshake"},
      {"a batch before the handshake", batch(from, to, "x"), "order"},
      {"a heartbeat before the handshake", heartbeat(), "order"},
      {"a request of HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", "operation"},
      {"self before the handshake", monitor(self, target, to), "order"},
  };
}

} // namespace basp_testing
