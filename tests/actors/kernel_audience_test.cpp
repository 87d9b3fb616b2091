// `privacy.audience`: for whom a message is.

#include "tests/model/seeded.hpp"

#include "tests/actors/kernel_world.hpp"
#include "tests/actors/log_folder.hpp"

#include <map>
#include <set>
#include <string>
#include <vector>

using namespace troupe;
using namespace troupe::testing;

namespace {

std::string whisper(const std::string& where, const std::string& name, const std::string& id,
                    const std::string& privacy, const std::string& extra = {}) {
  return R"({"type":"say",")" + where + R"(":")" + name + R"(","id":")" + id + R"(","payload":")" + id +
         R"(","privacy":)" + privacy + extra + "}";
}

std::set<std::string> said(client& c) {
  std::set<std::string> out;
  for (const auto& e : c.all("say"))
    out.insert(std::string{*e.payload().as_string()});
  return out;
}

} // namespace

BOOST_AUTO_TEST_SUITE(kernel_audience)

BOOST_AUTO_TEST_CASE(a_room_gives_a_message_to_its_audience_only) {
  world w;
  auto ann = w.connect("ann", 0);
  auto bob = w.connect("bob", 1);
  auto carl = w.connect("carl", 1);
  auto nobody = w.connect({}, 2);
  for (auto* c : {&ann, &bob, &carl, &nobody})
    c->join("r");
  BOOST_TEST(ann.ask(whisper("room", "r", "1", R"({"audience":["bob","dan"]})")).type() == "ack");
  BOOST_TEST(ann.ask(whisper("room", "r", "2", R"({"audience":["carl"]})", R"(,"headers":{"echo":"true"})")).type() ==
             "ack");
  ann.say("r", "\"3\"");
  for (auto* c : {&ann, &bob, &carl, &nobody})
    c->settle("r");
  BOOST_TEST((said(ann) == std::set<std::string>{"2"})); // its own echo
  BOOST_TEST((said(bob) == std::set<std::string>{"1", "3"}));
  BOOST_TEST((said(carl) == std::set<std::string>{"2", "3"}));
  BOOST_TEST((said(nobody) == std::set<std::string>{"3"}));
  // From the ring.
  const auto epoch = nobody.all("say").front().epoch();
  for (const auto& [user, expected] : std::map<std::string, std::set<std::string>>{
           {"bob", {"1", "3"}}, {"carl", {"2", "3"}}, {"dan", {"1", "3"}}, {"eve", {"3"}}}) {
    auto late = w.connect(user);
    late.join("r", R"({"since":{"epoch":")" + epoch + R"(","seq":0}})");
    late.settle("r");
    BOOST_TEST((said(late) == expected));
  }
}

BOOST_AUTO_TEST_CASE(an_audience_has_names_and_not_too_many) {
  world w;
  auto ann = w.connect("ann");
  ann.join("r");
  int id = 0;
  std::string many = R"(["a")";
  for (int i = 0; i < 100; ++i)
    many += R"(,"a")";
  for (const std::string& privacy :
       {std::string{R"({"audience":[]})"}, std::string{R"({"audience":"ann"})"}, std::string{R"({"audience":[7]})"},
        R"({"audience":)" + many + "]}", std::string{R"({"audience":["ann"],"audience":["bob"]})"},
        std::string{R"({"log":"some"})"}, std::string{R"({"subject":""})"}})
    BOOST_TEST(ann.ask(whisper("room", "r", std::to_string(++id), privacy)).code() == "bad_message");
  BOOST_TEST(ann.ask(whisper("room", "r", "good", R"({"audience":["ann"],"log":"metadata","other":[{}]})")).type() ==
             "ack");
}

BOOST_AUTO_TEST_CASE(a_channel_refuses_what_it_may_not_store) {
  const log_folder folder;
  world w{world::defaults(), [&](kernel& k) { k.keep_log(folder.path()); }};
  auto ann = w.connect("ann");
  BOOST_TEST(ann.ask(whisper("channel", "c", "1", R"({"log":"none"})")).code() == "forbidden");
}

BOOST_AUTO_TEST_CASE(a_history_has_as_many_as_were_asked_for_though_most_are_for_others) {
  const log_folder folder;
  world w{world::defaults(), [&](kernel& k) { k.keep_log(folder.path()); }};
  auto ann = w.connect("ann");
  const auto say = [&](int i, const std::string& privacy) {
    return ann.ask(whisper("channel", "c", "m" + std::to_string(i), privacy)).type();
  };
  for (int i = 0; i < 600; ++i)
    BOOST_TEST(say(i, i == 10 || i == 590 ? "{}" : R"({"audience":["bob"]})") == "ack");
  auto carl = w.connect("carl");
  const auto history = [&](const std::string& id, const std::string& how) {
    std::vector<std::string> ids;
    const auto answer =
        carl.ask(R"({"type":"channel:history","channel":"c","id":")" + id + R"(","payload":)" + how + "}");
    for (const auto& m : answer.payload()["messages"].elements())
      ids.emplace_back(*m["id"].as_string());
    return ids;
  };
  using ids = std::vector<std::string>;
  BOOST_TEST((history("1", R"({"limit":1})") == ids{"m10"}));
  BOOST_TEST((history("2", R"({"limit":2})") == ids{"m10", "m590"}));
  BOOST_TEST((history("3", R"({"limit":2,"reverse":true})") == ids{"m590", "m10"}));
  BOOST_TEST((history("4", R"({"limit":9})") == ids{"m10", "m590"}));
}

BOOST_AUTO_TEST_CASE(a_handler_sees_the_audience) {
  std::vector<std::string> seen;
  latch done;
  world w{world::defaults(), [&](kernel& k) {
            k.on("say", [&](const message& m, context&, toolkit&) {
              for (const auto user : m.fields().audience)
                seen.emplace_back(user);
              done.open();
            });
          }};
  auto ann = w.connect("ann");
  ann.ask(whisper("room", "r", "1", R"({"audience":["carl","b\u006fb"]})"));
  BOOST_TEST(done.wait());
  BOOST_TEST((seen == std::vector<std::string>{"bob", "carl"}));
}

BOOST_AUTO_TEST_CASE(to_reaches_nobody_outside_of_the_audience) {
  world w;
  auto ann = w.connect("ann");
  auto bob = w.connect("bob");
  bob.settle();
  const auto to = [](const std::string& id, const std::string& whom) {
    return R"({"type":"say","to":)" + whom + R"(,"id":")" + id + R"(","payload":")" + id +
           R"(","privacy":{"audience":["carl"]}})";
  };
  BOOST_TEST(to_json(ann.ask(to("1", R"({"user":"bob"})")).payload()) == R"({"connections":0})");
  BOOST_TEST(to_json(ann.ask(to("2", R"({"connection":")" + bob.id() + "\"}")).payload()) == R"({"connections":0})");
  bob.settle();
  BOOST_TEST(said(bob).empty());
}

namespace {

/// A client that does anything, and looks at all it is given.
class listener {
public:
  listener(world& w, dice& random, std::string user)
      : world_(w)
      , random_(random)
      , user_(std::move(user))
      , link_(w.connect(user_, random.below(3))) {
    ids_.insert(link_.id());
    enter();
  }

  void begin_anew() {
    look();
    link_.close();
    connect();
    enter();
  }
  /// The link is lost; the session goes on, some of what was seen comes again.
  void come_back() {
    look();
    const auto session = link_.session();
    link_.drop();
    connect();
    link_.ask(R"({"type":"session:resume","id":"r","payload":{"session":")" + session + R"(","rooms":{"r":)" +
              place(room_, "seq") + R"(},"channels":{"c":)" + place(channel_, "offset") + "}}}");
    enter();
  }
  void read_history() {
    link_.ask(R"({"type":"channel:history","channel":"c","id":"h)" + next() + R"(","payload":{"limit":)" +
              std::to_string(1 + random_.below(20)) + (random_.once_in(2) ? R"(,"reverse":true}})" : "}}"));
  }
  void send(const std::string& where, const std::string& name, const std::string& id,
            const std::set<std::string>& audience) {
    std::string list;
    for (const auto& user : audience)
      list += (list.empty() ? "\"" : ",\"") + user + "\"";
    const auto echo = random_.once_in(2) ? R"(,"headers":{"echo":"true"})" : "";
    link_.ask(whisper(where, name, id, audience.empty() ? "{}" : "{\"audience\":[" + list + "]}", echo));
  }
  /// Checks that all it was given is for it: each message names its audience in `sent`.
  void look() {
    for (const auto& e : link_.all()) {
      if (e.type() == "say") {
        check(e.all);
        if (e.room().empty())
          channel_ = {e.epoch(), *e.all["offset"].as_uint()};
        else
          room_ = {e.epoch(), e.seq()};
      }
      for (const auto& m : e.payload()["messages"].elements())
        check(m);
    }
  }
  void finish() {
    link_.settle("r");
    look();
  }

  inline static std::map<std::string, std::set<std::string>> sent; ///< Audiences by id.

private:
  void connect() {
    link_ = world_.connect(user_, random_.below(3));
    ids_.insert(link_.id());
  }
  void enter() {
    const bool since = random_.once_in(2) && !room_.epoch.empty();
    link_.ask(R"({"type":"room:join","room":"r","id":"j)" + next() + R"(","payload":)" +
              (since ? R"({"since":)" + place(room_, "seq") + "}" : "null") + "}");
    link_.ask(R"({"type":"channel:subscribe","channel":"c","id":"s)" + next() + R"(","payload":)" +
              (random_.once_in(2) ? R"({"from":"earliest"}})" : "null}"));
  }
  void check(const value& m) {
    const auto& audience = sent.at(std::string{*m["payload"].as_string()});
    const bool own = ids_.contains(std::string{m["from"]["connection"].as_string().value_or("")});
    BOOST_TEST((audience.empty() || audience.contains(user_) || own));
  }
  std::string place(const position& at, const std::string& number) {
    return R"({"epoch":")" + at.epoch + R"(",")" + number + R"(":)" + std::to_string(random_.below(at.seq + 1)) + "}";
  }
  std::string next() { return std::to_string(++asked_); }

  world& world_;
  dice& random_;
  std::string user_;
  client link_;
  std::set<std::string> ids_; ///< Of all connections that it had.
  position room_;
  position channel_;
  int asked_ = 0;
};

} // namespace

// Users with several connections join, subscribe, send with random audiences, lose their links, resume, begin anew
// behind what they saw, and read histories. Nobody ever gets another's message, and in the end everybody finds in the
// channel exactly what is theirs.
BOOST_AUTO_TEST_CASE(generated_nobody_gets_what_is_not_for_them) {
  for_seeds(8, [](dice& random) {
    const log_folder folder;
    auto settings = world::defaults();
    settings.channels.ring_messages = 4; // what is older comes from the log
    world w{settings, [&](kernel& k) { k.keep_log(folder.path()); }};
    const std::vector<std::string> users{"u0", "u1", "u2", "u3"};
    listener::sent.clear();
    std::vector<std::unique_ptr<listener>> all;
    for (std::size_t i = 0; i < 6; ++i)
      all.push_back(std::make_unique<listener>(w, random, users[random.below(users.size())]));
    std::map<std::string, std::set<std::string>> published; // in the channel, by user
    const auto publish = [&](listener& who, const std::set<std::string>& audience) {
      const auto id = "m" + std::to_string(listener::sent.size());
      const bool channel = audience.empty() || random.once_in(2);
      listener::sent[id] = audience;
      for (const auto& user : users)
        if (channel && (audience.empty() || audience.contains(user)))
          published[user].insert(id);
      who.send(channel ? "channel" : "room", channel ? "c" : "r", id, audience);
      return id;
    };
    for (int step = 0; step < 150; ++step) {
      auto& who = *all[random.below(all.size())];
      switch (random.below(10)) {
      case 0:
        who.come_back();
        break;
      case 1:
        who.begin_anew();
        break;
      case 2:
        who.read_history();
        break;
      default: {
        std::set<std::string> audience;
        for (const auto& user : users)
          if (random.once_in(3))
            audience.insert(user);
        publish(who, audience);
      }
      }
    }
    const auto last = publish(*all.front(), {});
    for (auto& who : all)
      who->finish();
    for (const auto& user : users) {
      auto late = w.connect(user);
      late.ask(R"({"type":"channel:subscribe","channel":"c","id":"s","payload":{"from":"earliest"}})");
      late.until([&](const envelope& e) { return e.type() == "say" && e.payload().as_string() == last; });
      BOOST_TEST((said(late) == published[user]));
      const auto history = late.ask(R"({"type":"channel:history","channel":"c","id":"h","payload":{"limit":1000}})");
      BOOST_TEST(history.payload()["messages"].elements().size() == published[user].size());
    }
  });
}

BOOST_AUTO_TEST_SUITE_END()
