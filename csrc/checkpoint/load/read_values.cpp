#include "checkpoint/load/read_values.h"

#include <lamina/error.h>

#include <algorithm>
#include <map>

#include "checkpoint/background/save_queue.h"
#include "checkpoint/transfer/device_errors.h"
#include "core/buffer.h"
#include "core/device_memory.h"
#include "core/tensor_access.h"

namespace lamina::checkpoint {
namespace {

/// True when the variable's value may be written over: it is there, and nothing else sees it.
bool can_be_written_over(const Variable& variable) {
  return variable.materialized() && !variable.released() &&
         core::is_exclusive(core::TensorAccess::owner(variable.value()).use_count());
}

std::vector<Tensor> picked(const std::vector<Tensor>& tensors, const std::vector<std::size_t>& at) {
  std::vector<Tensor> out;
  out.reserve(at.size());
  for (const std::size_t i : at) out.push_back(tensors[i]);
  return out;
}

}  // namespace

ReadValues::ReadValues(std::string doing, std::vector<VariablePtr> variables,
                       std::vector<Tensor> values)
    : doing_(std::move(doing)), variables_(std::move(variables)), values_(std::move(values)) {
  move_to_devices();
}

void ReadValues::move_to_devices() {
  std::map<Device, std::vector<std::size_t>> moving;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Device device = variables_[i]->device();
    if (values_[i].device() != device) moving[device].push_back(i);
  }
  for (auto& [device, indices] : moving) {
    const auto move = [&, to = device](const std::vector<std::size_t>& some) {
      std::vector<Tensor> there = core::copies_on(to, picked(values_, some));
      for (std::size_t k = 0; k < some.size(); ++k) values_[some[k]] = std::move(there[k]);
    };
    try {
      move(indices);
    } catch (const DeviceError& error) {
      if (!error.out_of_memory()) throw;
      (void)save_queue().wait_for_all();  // which may hold what could be written over
      std::erase_if(indices, [&](std::size_t i) { return can_be_written_over(*variables_[i]); });
      move(indices);
    }
  }
}

const Tensor* ReadValues::find(const Variable& variable) const {
  for (std::size_t i = 0; i < variables_.size(); ++i) {
    if (variables_[i].get() == &variable) return &values_[i];
  }
  return nullptr;
}

void ReadValues::write_over(const std::vector<std::size_t>& values) {
  std::vector<Tensor> there;
  there.reserve(values.size());
  for (const std::size_t i : values) there.push_back(variables_[i]->value());
  core::copy_into(there, picked(values_, values));
  for (std::size_t k = 0; k < values.size(); ++k) values_[values[k]] = std::move(there[k]);
}

void ReadValues::assign() && {
  std::map<Device, std::vector<std::size_t>> over;
  for (std::size_t i = 0; i < values_.size(); ++i) {
    const Device device = variables_[i]->device();
    if (values_[i].device() != device) over[device].push_back(i);
  }
  naming_device_errors(doing_, [&] {
    for (const auto& [device, values] : over) write_over(values);
  });
  for (std::size_t i = 0; i < values_.size(); ++i) variables_[i]->assign(std::move(values_[i]));
}

}  // namespace lamina::checkpoint
