#pragma once

// ThreadSanitizer follows the order of memory accesses only through code that was compiled for it, and Debian's CAF
// was not: what one actor hands to another in a message looks unordered to it. Where CAF orders, Troupe's actors say
// so. Without ThreadSanitizer there is nothing of this in the program.

#if defined(__SANITIZE_THREAD__)
#define TROUPE_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define TROUPE_THREAD_SANITIZER 1
#endif
#endif

#ifdef TROUPE_THREAD_SANITIZER
#include <caf/error.hpp>
#include <caf/execution_unit.hpp>
#include <caf/invoke_message_result.hpp>
#include <caf/mailbox_element.hpp>
#include <caf/resumable.hpp>

#include <cstddef>
#include <sanitizer/tsan_interface.h>
#include <utility>
#endif

namespace troupe {

#ifdef TROUPE_THREAD_SANITIZER

/// All that this thread did so far is before what another one does after `order_after` with the same place.
inline void order_before(void* place) { __tsan_release(place); }
inline void order_after(void* place) { __tsan_acquire(place); }

/// The place of `await_all_actors_done`.
inline char all_actors_done = 0;

/// An actor whose mailbox ThreadSanitizer understands: a sender is before the receiver, one run before the next, and
/// the last run before whoever waits for all actors.
template <class Base>
class ordered_actor : public Base {
public:
  using Base::Base;
  using Base::consume;
  using Base::enqueue;

  void launch(caf::execution_unit* from, bool lazy, bool hide) override {
    order_before(this);
    Base::launch(from, lazy, hide);
  }

  void enqueue(caf::mailbox_element_ptr what, caf::execution_unit* from) override {
    order_before(this);
    Base::enqueue(std::move(what), from);
  }

  caf::invoke_message_result consume(caf::mailbox_element& what) override {
    order_after(this);
    return Base::consume(what);
  }

  caf::resumable::resume_result resume(caf::execution_unit* on, std::size_t messages_max) override {
    order_after(this);
    const auto result = Base::resume(on, messages_max);
    order_before(this);
    return result;
  }

  bool cleanup(caf::error&& why, caf::execution_unit* on) override {
    order_before(&all_actors_done);
    return Base::cleanup(std::move(why), on);
  }
};

#else

inline void order_before(void*) {}
inline void order_after(void*) {}
inline char all_actors_done = 0;

template <class Base>
using ordered_actor = Base;

#endif

} // namespace troupe
