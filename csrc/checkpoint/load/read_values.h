#pragma once
#include <lamina/variable.h>

#include <string>
#include <vector>

namespace lamina::checkpoint {

/// Values that have been read for variables, of their dtypes. No variable has changed yet.
class ReadValues {
 public:
  /// Takes a value for each variable, of its shape and dtype, from wherever it is to the variable's
  /// device. Where that has no memory for a second value, it stays on the host until it is written
  /// over the first one, which nothing else may hold then but saves in the background, which are
  /// waited for. Throws DeviceError where there is no other way. `doing` tells in messages what is
  /// being done.
  ReadValues(std::string doing, std::vector<VariablePtr> variables, std::vector<Tensor> values);

  /// Null where nothing was read for the variable. On the variable's device, or on the host.
  [[nodiscard]] const Tensor* find(const Variable& variable) const;
  /// Gives each variable its value. Throws DeviceError where a device fails while it is written to,
  /// whose values are lost then; on other devices each value is the old one or the new one.
  void assign() &&;

 private:
  void move_to_devices();
  void write_over(const std::vector<std::size_t>& values);

  std::string doing_;
  std::vector<VariablePtr> variables_;
  std::vector<Tensor> values_;
};

}  // namespace lamina::checkpoint
