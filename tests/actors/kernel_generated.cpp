// Clients on three loops do anything in any order: join, leave, send, lose their link, come back or begin anew. What
// each hears must be without a hole, a repeat or a foreign order, and whatever carries an id must be answered once.

#include "tests/model/seeded.hpp"

#include "tests/actors/kernel_world.hpp"

#include <map>
#include <set>

using namespace troupe;
using namespace troupe::testing;

namespace {

const std::vector<std::string> room_names{"red", "green", "blue"};

/// What one room said under each number, in the eyes of all who heard it.
using record = std::map<std::pair<std::string, std::uint64_t>, std::string>;

struct place {
  std::string epoch;
  std::uint64_t seq = 0;
  bool whole = true; ///< The next number must be the next one.
};

class wanderer {
public:
  wanderer(world& w, dice& random, record& all, std::string name)
      : world_(w)
      , random_(random)
      , all_(all)
      , name_(std::move(name))
      , link_(connect()) {}

  void step() {
    switch (random_.below(10)) {
    case 0:
    case 1:
      return join(any());
    case 2:
      return leave(any());
    case 3:
      return come_back();
    case 4:
      if (random_.once_in(3))
        begin_anew();
      return;
    default:
      return publish(any());
    }
  }

  /// Everything that was sent is numbered after this.
  void finish_sending() {
    for (const auto& [room, at] : rooms_)
      BOOST_TEST(link_.say(room, "\"last\"", R"(,"headers":{"echo":"true"})").type() == "ack");
  }
  /// Everything that was numbered is here after this.
  void finish_hearing() {
    for (const auto& [room, at] : rooms_)
      link_.settle(room);
    take_in();
  }
  void check_end(const std::map<std::string, std::uint64_t>& last) {
    for (const auto& [room, at] : rooms_)
      BOOST_TEST(at.seq == last.at(room));
    for (const auto& id : sent_)
      BOOST_TEST(answers_[id] == 1u);
  }
  void note_last(std::map<std::string, std::uint64_t>& last) {
    for (const auto& [room, at] : rooms_)
      last[room] = std::max(last[room], at.seq);
  }

private:
  client connect() { return world_.connect(name_, random_.below(3)); }
  const std::string& any() { return room_names[random_.below(room_names.size())]; }

  void join(const std::string& room) {
    take_in();
    const auto known = rooms_.find(room);
    std::string payload = "null";
    if (known == rooms_.end() && left_.contains(room) && random_.once_in(2))
      payload = R"({"since":{"epoch":")" + left_[room].epoch + R"(","seq":)" + std::to_string(left_[room].seq) + "}}";
    const auto ack = link_.join(room, payload);
    BOOST_REQUIRE(ack.type() == "ack");
    if (known != rooms_.end())
      return;
    place at{std::string{*ack.payload()["epoch"].as_string()}, *ack.payload()["seq"].as_uint(), true};
    if (payload != "null" && *ack.payload()["recovered"].as_bool())
      at = left_[room];
    rooms_[room] = at;
    take_in();
  }

  void leave(const std::string& room) {
    const auto id = "leave-" + std::to_string(++ids_);
    const auto answer = link_.ask(R"({"type":"room:leave","room":")" + room + R"(","id":")" + id + "\"}");
    take_in();
    BOOST_TEST((answer.type() == "ack") == rooms_.contains(room));
    if (const auto at = rooms_.find(room); at != rooms_.end()) {
      left_[room] = at->second;
      rooms_.erase(at);
    }
    over_.insert(room);
  }

  void publish(const std::string& room) {
    const auto id = name_ + "-" + std::to_string(++ids_);
    link_.send(R"({"type":"say","room":")" + room + R"(","id":")" + id + R"(","headers":{"echo":"true"},"payload":")" +
               id + "\"}");
    sent_.insert(id);
  }

  void lose_link() {
    take_in();
    link_.id();
    link_.drop();
    // Answers to what is on the way are lost with the link.
    for (auto id = sent_.begin(); id != sent_.end();)
      id = answers_[*id] == 0 ? sent_.erase(id) : std::next(id);
  }

  void come_back() {
    lose_link();
    const auto secret = session_.empty() ? link_.session() : session_;
    std::string seen;
    for (const auto& [room, at] : rooms_)
      seen += (seen.empty() ? "\"" : ",\"") + room + R"(":{"epoch":")" + at.epoch + R"(","seq":)" +
              std::to_string(at.seq) + "}";
    link_ = connect();
    read_ = 0;
    const auto ack = link_.ask(R"({"type":"session:resume","id":"back","payload":{"session":")" + secret +
                               R"(","rooms":{)" + seen + "}}}");
    BOOST_REQUIRE(*ack.payload()["resumed"].as_bool());
    session_ = *ack.payload()["session"].as_string();
    for (auto& [room, at] : rooms_)
      at.whole = *ack.payload()["rooms"][room]["recovered"].as_bool();
    take_in();
  }

  void begin_anew() {
    lose_link();
    left_ = rooms_;
    rooms_.clear();
    link_ = connect();
    session_.clear();
    read_ = 0;
  }

  void take_in() {
    const auto heard = link_.all();
    for (; read_ < heard.size(); ++read_) {
      const auto& e = heard[read_];
      if (e.type() == "ack" || e.type() == "error")
        ++answers_[e.id()];
      if (e.type() == "gap" || e.type() == "room:epoch")
        BOOST_ERROR("nothing was lost here: " << e.text);
      if (e.type() == "say")
        hear(e);
    }
  }

  void hear(const envelope& e) {
    const auto at = rooms_.find(e.room());
    if (at == rooms_.end())
      return; // behind a join whose ack is still to be looked at, or before a leave's: checked by its number there
    auto& here = at->second;
    const auto text = e.room() + " " + to_json(e.payload());
    BOOST_TEST(e.epoch() == here.epoch);
    if (e.seq() <= here.seq)
      BOOST_ERROR("again or out of order: " << e.text << " after " << here.seq);
    else if (here.whole && e.seq() != here.seq + 1)
      BOOST_ERROR("a hole before " << e.text << " after " << here.seq);
    here.seq = e.seq();
    here.whole = true;
    const auto known = all_.try_emplace({e.room() + e.epoch(), e.seq()}, text).first;
    BOOST_TEST(known->second == text);
  }

  world& world_;
  dice& random_;
  record& all_;
  std::string name_;
  client link_;
  std::string session_;
  std::size_t read_ = 0;
  std::uint64_t ids_ = 0;
  std::map<std::string, place> rooms_;
  std::map<std::string, place> left_;
  std::set<std::string> over_;
  std::set<std::string> sent_;
  std::map<std::string, std::size_t> answers_;
};

void play(dice& random, config settings) {
  world w{std::move(settings)};
  record all;
  std::vector<std::unique_ptr<wanderer>> crowd;
  for (int i = 0; i < 8; ++i)
    crowd.push_back(std::make_unique<wanderer>(w, random, all, "user" + std::to_string(i)));
  for (int i = 0; i < 400; ++i)
    crowd[random.below(crowd.size())]->step();
  for (auto& c : crowd)
    c->finish_sending();
  std::map<std::string, std::uint64_t> last;
  for (auto& c : crowd) {
    c->finish_hearing();
    c->note_last(last);
  }
  for (auto& c : crowd)
    c->check_end(last);
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_generated)

BOOST_AUTO_TEST_CASE(nothing_is_lost_repeated_or_reordered) {
  for_seeds(8, [](dice& random) { play(random, world::defaults()); });
}

BOOST_AUTO_TEST_CASE(the_same_with_little_credit_and_a_small_ring) {
  for_seeds(8, [](dice& random) {
    auto c = world::defaults();
    c.rooms.credit_messages = 2;
    c.rooms.ring_messages = 5;
    c.limits.park_messages = 2;
    play(random, c);
  });
}

BOOST_AUTO_TEST_SUITE_END()
