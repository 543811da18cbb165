#include "core/variable_snapshot.h"

#include "core/first_value.h"
#include "core/tensor_access.h"

namespace lamina::core {

VariableSnapshot::VariableSnapshot(const Variable& variable) : variable_(&variable) {
  const Variable* holder = &variable;
  while (!holder->value_.defined()) {
    holder->require_value();
    const Variable* const from = holder->first_->from();
    if (from == nullptr) {
      owner_ = holder->first_;
      in_the_making_ = true;
      return;
    }
    holder = from;
  }
  replace(holder->value_);
}

const Tensor& VariableSnapshot::first_value() const {
  return static_cast<FirstValue*>(owner_.get())->get();
}

Tensor VariableSnapshot::value() const {
  if (variable_ == nullptr) return {};
  if (in_the_making_) return first_value();
  return Tensor::view(const_cast<void*>(data_), variable_->shape_, variable_->dtype_, owner_,
                      device_);
}

std::span<const std::byte> VariableSnapshot::bytes() const {
  if (variable_ == nullptr) return {};
  if (!in_the_making_) return {static_cast<const std::byte*>(data_), variable_->nbytes()};
  const Tensor& value = first_value();
  return {static_cast<const std::byte*>(value.raw()), value.nbytes()};
}

Device VariableSnapshot::device() const {
  return in_the_making_ ? first_value().device() : device_;
}

void VariableSnapshot::replace(const Tensor& value) {
  in_the_making_ = false;
  owner_ = TensorAccess::owner(value);
  data_ = value.raw();
  device_ = value.device();
}

}  // namespace lamina::core
