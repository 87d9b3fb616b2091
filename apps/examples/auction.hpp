#pragma once

// An auction as a room with rules of its own. What clients send and get:
//
//   auction:open    {"item": "..."}   puts something up; who sends it is the seller
//   auction:bid     {"amount": n}     a whole number above 0; a bid that does not lead is a `conflict`
//   auction:hammer                    the seller ends it: whoever leads has won
//   auction:state                     what everybody gets after each change

#include <troupe/troupe.hpp>

#include <cstdint>
#include <string>

namespace examples {

/// A bid, or the best one so far: 0 of nobody where there is none.
struct bid {
  std::string bidder;
  std::int64_t amount = 0;
};

/// The rule that decides who wins: whether a new bid takes the lead. Each program below has its own.
bool takes_lead(const bid& next, const bid& best);

/// One auction after the other. Who bids is a user, or a connection without one; nobody has to stay to win.
class auction_room final : public troupe::room {
public:
  void on_message(const troupe::message& m, troupe::room_context& ctx) override {
    if (!m.from())
      return;
    const auto who = m.from()->user.value_or(m.from()->connection);
    const auto said = troupe::parse_payload(m);
    if (!said)
      return ctx.reject(said.error());
    if (m.type() == "auction:open")
      open(who, *said, ctx);
    else if (m.type() == "auction:bid")
      take(who, *said, ctx);
    else if (m.type() == "auction:hammer")
      end(who, ctx);
    else
      ctx.forward(m);
  }

  troupe::value snapshot() const override {
    return {{"leader", best_.bidder}, {"amount", best_.amount}, {"item", item_}, {"seller", seller_}, {"sold", sold_}};
  }

  void restore(const troupe::value& kept) override {
    const auto text = [&](const char* key) { return std::string{kept[key].as_string().value_or("")}; };
    item_ = text("item");
    seller_ = text("seller");
    best_ = {text("leader"), kept["amount"].as_int().value_or(0)};
    sold_ = kept["sold"].as_bool().value_or(true);
  }

private:
  void open(const std::string& who, const troupe::value& said, troupe::room_context& ctx) {
    const auto item = said["item"].as_string();
    if (!item || item->empty())
      return ctx.reject({troupe::error_code::bad_message, "an auction needs an item"});
    if (!sold_)
      return ctx.reject({troupe::error_code::conflict, "another auction is on"});
    item_ = *item;
    seller_ = who;
    best_ = {};
    sold_ = false;
    tell(ctx);
  }

  void take(const std::string& who, const troupe::value& said, troupe::room_context& ctx) {
    const auto amount = said["amount"].as_int();
    if (!amount || *amount <= 0)
      return ctx.reject({troupe::error_code::bad_message, "a bid needs an amount above 0"});
    if (sold_)
      return ctx.reject({troupe::error_code::conflict, "no auction is on"});
    const bid next{who, *amount};
    if (!takes_lead(next, best_))
      return ctx.reject({troupe::error_code::conflict, "somebody else leads"});
    best_ = next;
    tell(ctx);
  }

  void end(const std::string& who, troupe::room_context& ctx) {
    if (sold_ || who != seller_)
      return ctx.reject({troupe::error_code::forbidden, "this is for the seller of an auction that is on"});
    sold_ = true;
    tell(ctx);
  }

  void tell(troupe::room_context& ctx) const { ctx.broadcast({.type = "auction:state", .payload = snapshot()}); }

  std::string item_;
  std::string seller_;
  bid best_;
  bool sold_ = true; ///< Or nothing was put up yet.
};

/// The program around the room: `PROGRAM [LISTEN [DATA]]`. With a data folder every auction is recorded.
/// @param rules the version of `takes_lead`, which goes into the recording
/// @returns the exit status
int serve_auctions(int argc, char** argv, const char* rules);

} // namespace examples
