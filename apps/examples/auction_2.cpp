// The auction, repaired: of two equal bids the first one leads.

#include "apps/examples/auction.hpp"

// quote: rule
bool examples::takes_lead(const bid& next, const bid& best) { return next.amount > best.amount; }
// end quote: rule

int main(int argc, char** argv) { return examples::serve_auctions(argc, argv, "auction 2"); }
