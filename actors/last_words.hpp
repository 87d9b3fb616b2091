#pragma once

#include "actors/interfaces.hpp"

#include <caf/mailbox_element.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace troupe {

/// Speaks for a room or channel that has ended: answers what it was asked and did not live to do.
class last_words final : public dead_letters {
public:
  /// @param fans by loop
  last_words(std::uint32_t id, target_kind kind, std::string name, std::vector<fan_out_handle> fans);

  void answer(const std::vector<room_op>& ops) const noexcept override;

private:
  std::uint32_t id_;
  target_kind kind_;
  std::string name_;
  std::vector<fan_out_handle> fans_;
};

/// Whatever becomes of the operations in this mailbox element, `letters` answers them.
void stamp_letters(caf::mailbox_element& what, const std::shared_ptr<const dead_letters>& letters);

} // namespace troupe
