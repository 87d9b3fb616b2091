#include "tests/mesh/witness.hpp"

using namespace troupe;
using namespace troupe::mesh;

std::string as_message(const std::string& sender, std::uint64_t count) { return sender + '#' + std::to_string(count); }

void witness::require(bool holds, const std::string& promise, const std::string& where) {
  if (!holds)
    BOOST_FAIL(promise << ": " << where);
}

void witness::numbered(const std::string& room, const epoch_id& epoch, std::uint64_t seq, const std::string& what) {
  const bool first = numbered_.emplace(place{room, epoch, seq}, what).second;
  epochs_.emplace(room, epoch);
  require(first, "a number of an epoch is given once", room + " " + text_of(epoch) + " " + std::to_string(seq));
}

void witness::acts_by(const node_life& who, const view& v) {
  const auto [known, first] = views_.emplace(v.id, v);
  require(known->second == v, "a view's name is given once", std::to_string(v.id.number));
  auto& last = acting_[who];
  require(last < v.id, "a node's views rise", who.name);
  last = v.id;
}

std::string witness::sealed(std::string state) {
  tokens_.push_back(std::move(state));
  return std::to_string(tokens_.size() - 1);
}

std::string witness::unsealed(const std::string& token) {
  require(spent_.insert(token).second, "a room is handed over to one home", token);
  return tokens_.at(std::stoull(token));
}

void witness::listener::moved(witness&, const std::string& room, const epoch_id& epoch, std::uint64_t seq,
                              bool recovered) {
  if (begun_ && epoch != epoch_) {
    require(!recovered, "another epoch is told as a loss", room);
    left_.insert(epoch_);
  }
  require(!left_.contains(epoch), "a fan-out never returns to an epoch", room + " " + text_of(epoch));
  require(!begun_ || epoch != epoch_ || seq >= seq_, "numbers rise", room);
  losses_ += begun_ && !recovered ? 1 : 0;
  begun_ = true;
  epoch_ = epoch;
  seq_ = seq;
}

void witness::listener::heard(witness& by, const std::string& room, const epoch_id& epoch, const mesh::numbered& what) {
  const auto where = room + " " + text_of(epoch) + " " + std::to_string(what.seq) + " after " + std::to_string(seq_);
  require(begun_ && epoch == epoch_, "an epoch begins before its messages", where);
  require(what.seq > seq_, "numbers rise", where);
  const auto at = by.numbered_.find({room, epoch, what.seq});
  require(at != by.numbered_.end() && at->second == *what.what, "a number means the same message everywhere", where);
  const auto next = by.numbered_.upper_bound({room, epoch, seq_});
  require(next == at, "nothing is missed without a word", where);
  seq_ = what.seq;
  const auto mark = what.what->find('#');
  const auto count = std::stoull(what.what->substr(mark + 1)) + 1;
  auto& last = senders_[what.what->substr(0, mark)];
  require(count > last, "a sender's messages keep their order", where + ": " + *what.what);
  last = count;
  messages_.insert(*what.what);
}
