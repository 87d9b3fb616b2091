#include "runtime/log/proof.hpp"

#include "runtime/log/base64.hpp"
#include "runtime/log/cursor.hpp"

#include <algorithm>
#include <bit>
#include <charconv>
#include <numeric>

namespace troupe::log {
namespace {

constexpr std::string_view first_line = "c2sp.org/tlog-proof@v1\n";
constexpr std::string_view extra = "extra ";
constexpr std::string_view index_word = "index ";

fault refused(std::string why) { return {fault_kind::refused, 0, std::move(why)}; }

std::string_view take_line(std::string_view& left) {
  const auto end = left.find('\n');
  const auto line = left.substr(0, end);
  left.remove_prefix(end == std::string_view::npos ? left.size() : end + 1);
  return line;
}

/// The tree over the front of `wanted` as far as a compact range has it; empty where it has no hash that begins there,
/// or only such as reach beyond.
compact_range kept_front(const compact_range& range, const leaf_range& wanted) {
  std::vector<tree_hash> hashes;
  std::uint64_t begin = 0;
  std::uint64_t size = 0;
  for (const auto& hash : range.hashes()) {
    const auto end = begin + std::bit_floor(range.size() - begin);
    if (begin >= wanted.begin && end <= wanted.end) {
      hashes.push_back(hash);
      size += end - begin;
    } else if (begin >= wanted.begin || end > wanted.begin) {
      break;
    }
    begin = end;
  }
  compact_range result;
  result.restore(size, std::move(hashes));
  return result;
}

/// Goes on with `tree`, which has the front of the range, up to its end.
result<tree_hash> read_root(cursor& records, const leaf_range& range, compact_range tree) {
  while (tree.size() < range.end - range.begin) {
    const auto step = records.next();
    if (step == cursor::step::failed)
      return records.why();
    if (step == cursor::step::end || records.at().index > range.begin + tree.size())
      return fault{fault_kind::lost, 0, "the log does not have record " + std::to_string(range.begin + tree.size())};
    if (records.at().index == range.begin + tree.size())
      tree.append(leaf_hash(records.at().body));
  }
  return tree.root();
}

} // namespace

std::string text_of(const inclusion_proof& proof) {
  std::string out{first_line};
  out += std::string{extra} + base64(proof.body) + "\n";
  out += std::string{index_word} + std::to_string(proof.index) + "\n";
  for (const auto& hash : proof.hashes)
    out += base64({reinterpret_cast<const char*>(hash.data()), hash.size()}) + "\n";
  return out + "\n" + proof.checkpoint.note;
}

result<inclusion_proof> parse_proof(std::string_view text) {
  if (!text.starts_with(first_line))
    return refused("this is no proof: it does not begin with c2sp.org/tlog-proof@v1");
  text.remove_prefix(first_line.size());
  inclusion_proof result;
  auto line = take_line(text);
  if (line.starts_with(extra)) {
    const auto body = from_base64(line.substr(extra.size()));
    if (!body)
      return refused("the record in this proof is not base64");
    result.body = *body;
    line = take_line(text);
  }
  if (!line.starts_with(index_word))
    return refused("this proof names no index");
  line.remove_prefix(index_word.size());
  auto [end, bad] = std::from_chars(line.data(), line.data() + line.size(), result.index);
  if (bad != std::errc{} || end != line.data() + line.size())
    return refused("the index of this proof is no number");
  while (!(line = take_line(text)).empty()) {
    const auto bytes = from_base64(line);
    if (!bytes || bytes->size() != sizeof(tree_hash) || result.hashes.size() == 64)
      return refused("a line of this proof is no hash");
    std::copy(bytes->begin(), bytes->end(), result.hashes.emplace_back().begin());
  }
  auto note = parse_checkpoint(text);
  if (!note)
    return note.error();
  result.checkpoint = std::move(*note);
  return result;
}

status check(const inclusion_proof& proof, const public_key& key) {
  if (!is_signed_by(proof.checkpoint, key))
    return refused("the checkpoint of this proof is not signed with this key");
  const auto& said = proof.checkpoint.said;
  if (!verify_inclusion(proof.index, said.size, leaf_hash(proof.body), proof.hashes, said.root))
    return fault{fault_kind::damaged, 0, "the record is not in the tree of the checkpoint"};
  return {};
}

result<std::vector<tree_hash>> subtree_roots(const std::filesystem::path& folder, std::span<const leaf_range> ranges) {
  std::vector<tree_hash> result(ranges.size());
  std::vector<std::size_t> order(ranges.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return ranges[a].begin < ranges[b].begin; });
  auto records = cursor::open(folder, 0);
  if (!records)
    return records.error();
  if (!records->segment())
    return fault{fault_kind::lost, 0, "there is no segment in " + folder.string()};
  const auto before = records->segment()->header.before;
  for (const auto i : order) {
    const auto& range = ranges[i];
    auto front = range.begin < before.size() ? kept_front(before, range) : compact_range{};
    if (range.begin < before.size() && range.begin + front.size() < std::min(range.end, before.size()))
      return fault{fault_kind::lost, 0, "the log has dropped records that the proof needs"};
    auto root = read_root(*records, range, std::move(front));
    if (!root)
      return root.error();
    result[i] = *root;
  }
  return result;
}

result<inclusion_proof> prove_inclusion(const std::filesystem::path& folder, std::uint64_t index,
                                        const signed_checkpoint& in) {
  if (index >= in.said.size)
    return refused("the checkpoint speaks of " + std::to_string(in.said.size) + " records, record " +
                   std::to_string(index) + " came later");
  inclusion_proof result{index, {}, {}, in};
  auto here = cursor::open(folder, index);
  if (!here)
    return here.error();
  const auto step = here->next();
  if (step == cursor::step::failed)
    return here->why();
  if (step == cursor::step::end || here->at().index != index)
    return fault{fault_kind::lost, 0, "the log does not have record " + std::to_string(index)};
  result.body = here->at().body;
  auto hashes = subtree_roots(folder, inclusion_ranges(index, in.said.size));
  if (!hashes)
    return hashes.error();
  result.hashes = std::move(*hashes);
  if (!verify_inclusion(index, in.said.size, leaf_hash(result.body), result.hashes, in.said.root))
    return fault{fault_kind::damaged, 0, "the log is not the one that this checkpoint was signed for"};
  return result;
}

result<std::vector<tree_hash>> prove_consistency(const std::filesystem::path& folder, std::uint64_t old_size,
                                                 std::uint64_t size) {
  if (old_size == 0 || old_size > size)
    return refused("a tree of " + std::to_string(size) + " records has no beginning of " + std::to_string(old_size));
  return subtree_roots(folder, consistency_ranges(old_size, size));
}

} // namespace troupe::log
