// The auction as it was shipped. docs/tutorial-incident.md tells what happened then.

#include "apps/examples/auction.hpp"

// quote: rule
bool examples::takes_lead(const bid& next, const bid& best) { return next.amount >= best.amount; }
// end quote: rule

int main(int argc, char** argv) { return examples::serve_auctions(argc, argv, "auction 1"); }
