#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace troupe::mesh {

/// Bytes that CAF 0.17.6 writes for a node id: the name of its kind, a process id, a hash.
inline constexpr std::size_t node_id_bytes = 32;
/// The one message type that crosses the mesh, by the name that CAF knows it by.
inline constexpr std::string_view batch_type_name = "troupe::mesh_batch";
/// What CAF's handshake gives as the application (`middleman.app-identifiers`).
inline constexpr std::string_view basp_application = "troupe.mesh";

/// What a peer may say on one connection. Everything in its frames is known beforehand, but for the actor that it
/// speaks with and the bytes of its batches.
struct basp_rules {
  std::string own_node;                    ///< `node_id_bytes`, as CAF writes them.
  std::string peer_node;                   ///< As it told before, inside TLS; another than `own_node`.
  std::uint64_t own_actor = 0;             ///< The only local actor that it may name.
  bool peer_accepted = false;              ///< The peer accepted this connection, so it greets first.
  std::size_t batch_bytes_max = 1u << 20u; ///< At most; 4 GiB less one.
};

/// Why a frame was refused; the label of a counter.
enum class basp_refusal : std::uint8_t {
  operation,   ///< None that the mesh uses: routed or unknown.
  order,       ///< A frame before the handshake, a second handshake, or the other side's.
  header,      ///< A field, flag or filler that is not as it must be.
  length,      ///< A payload that is missing, too long, or not as long as its frame can be.
  handshake,   ///< Another node, application or version than was agreed.
  destination, ///< A local actor that is none of the peer's business, or one by name.
  source,      ///< A second actor of the peer, or none.
  content,     ///< A message that is no batch, for example `link`, an exit, or one with stages.
};

std::string_view to_string(basp_refusal why) noexcept;

/// The gate's check of what a peer sends in CAF's Binary Actor System Protocol, before CAF sees any of it: CAF believes
/// its peers, and one frame can end the process (a handshake without a payload is a null pointer, a length is
/// allocated, nested messages are read recursively, `link` locks up). Each frame is compared with the one form that
/// the mesh needs; a batch is opaque bytes of a known length, so nothing that CAF reads is up to the peer. Holds the
/// head of one frame, at most; a batch's bytes pass through as they come.
class basp_check {
public:
  explicit basp_check(basp_rules rules);

  /// Takes bytes as they came and appends to `out` those that may go on; of a frame that is refused nothing does.
  /// @returns why the peer is to be cut off, from then on for good
  std::optional<basp_refusal> take(std::string_view bytes, std::string& out);

  /// Whether the handshake is done.
  bool greeted() const noexcept { return greeted_; }
  std::uint64_t frames() const noexcept { return frames_; }
  std::uint64_t batches() const noexcept { return batches_; }

private:
  struct header;
  using verdict = std::optional<basp_refusal>;

  verdict check_header(const header& h);
  verdict check_greeting(const header& h);
  verdict check_batch_header(const header& h);
  verdict check_payload(const header& h, std::string_view payload);
  verdict check_greeting_payload(const header& h, std::string_view payload);
  verdict check_batch(const header& h, std::string_view head);
  std::size_t head_bytes(const header& h) const noexcept;

  basp_rules rules_;
  std::string application_; ///< As the handshake has it.
  std::string held_;        ///< The head of a frame that is not complete.
  std::uint64_t rest_ = 0;  ///< Bytes of a batch that are still to come.
  std::uint64_t peer_actor_ = 0;
  std::uint64_t frames_ = 0;
  std::uint64_t batches_ = 0;
  bool greeted_ = false;
  bool selected_ = false; ///< The client has said that it uses this connection.
  verdict refused_;
};

/// Takes out of what the local CAF writes what no peer would accept: its own requests to the peer's spawn server,
/// which CAF sends after each handshake. All else passes.
class basp_trim {
public:
  void take(std::string_view bytes, std::string& out);
  std::uint64_t trimmed() const noexcept { return trimmed_; }

private:
  std::string held_;
  std::uint64_t rest_ = 0;
  bool skip_ = false;
  std::uint64_t trimmed_ = 0;
};

} // namespace troupe::mesh
