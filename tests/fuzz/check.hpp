#pragma once

#include <cstdio>
#include <cstdlib>

/// Ends the process where something does not hold: the fuzzer then keeps the input.
inline void check(bool holds, const char* what) {
  if (holds)
    return;
  std::fprintf(stderr, "broken: %s\n", what);
  std::abort();
}
