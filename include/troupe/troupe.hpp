#pragma once

// All that a program needs: `#include <troupe/troupe.hpp>`. Comes to no header of CAF, Asio, Beast or json.hpp.

#include "actors/kernel.hpp"
#include "actors/signaling_bridge.hpp"
#include "actors/signals.hpp"
#include "runtime/wire/parse.hpp"
#include "transports/loopback.hpp"
#include "transports/websocket.hpp"
