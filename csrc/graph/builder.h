#pragma once
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "graph/program.h"

namespace lamina::graph {

/// What a layer writes its operations into.
class Builder {
 public:
  /// Evaluation is inference with what activities add to the loss.
  enum class Mode : std::uint8_t { kInference, kEvaluation, kTraining };

  explicit Builder(Program& program, Mode mode = Mode::kInference)
      : program_(program), mode_(mode) {}

  /// Whether layers that behave differently in training do so.
  [[nodiscard]] bool training() const { return mode_ == Mode::kTraining; }
  /// Whether activity penalties are wanted.
  [[nodiscard]] bool penalizes() const { return mode_ != Mode::kInference; }
  void add_penalty(ValueId scalar) { program_.activity_penalties.push_back(scalar); }

  [[nodiscard]] const ops::TensorSpec& spec(ValueId id) const { return program_.values[id]; }
  [[nodiscard]] const Shape& shape(ValueId id) const { return program_.values[id].shape; }
  [[nodiscard]] DType dtype(ValueId id) const { return program_.values[id].dtype; }

  /// Appends `spec`, whose TensorSpecs the caller has filled, and returns its output (the spec's
  /// `y`).
  ValueId emit(ops::OpSpec spec, std::vector<ValueId> inputs, std::vector<Param> params = {});

  // Shorthands that fill in the specs.
  ValueId activation(ValueId x, ops::Activation activation);
  ValueId binary(ops::Binary kind, ValueId x0, ValueId x1);
  /// x0 times x1 as `how` says, whose specs are filled in here; of `dtype`.
  ValueId matmul(ValueId x0, ValueId x1, ops::MatMul how, DType dtype);
  ValueId reshape(ValueId x, Shape shape);
  ValueId transpose(ValueId x, std::vector<std::size_t> perm);
  ValueId cast(ValueId x, DType dtype);

  /// The mask that a value carries (Keras's `_keras_mask`): true where there is something. It says
  /// how those that know of masks read the value, and is no part of it.
  [[nodiscard]] std::optional<ValueId> mask(ValueId id) const {
    const auto it = masks_.find(id);
    return it == masks_.end() ? std::nullopt : std::optional(it->second);
  }
  /// Nothing takes it away.
  void set_mask(ValueId id, std::optional<ValueId> mask) {
    if (mask) {
      masks_[id] = *mask;
    } else {
      masks_.erase(id);
    }
  }

  /// Row `index` of a value (rows, ...), under `shape`.
  ValueId row(ValueId x, std::int64_t index, Shape shape);
  /// x summed over `axes` (sorted).
  ValueId sum(ValueId x, std::vector<std::size_t> axes, Shape shape);

  /// The value of a variable that calls carry on: what it was before the run or, behind a
  /// `set_state`, what it is then.
  [[nodiscard]] ValueId state(const VariablePtr& variable);
  /// Has a value of the variable's shape be its own from here on.
  void set_state(const VariablePtr& variable, ValueId value);

  // Training mode.
  /// A Dropout with a stream of its own.
  ValueId dropout(ValueId x, double rate);
  /// Noise with a stream of its own.
  ValueId noise(ValueId x, ops::Noise::Kind kind, double stddev);
  /// Has `variable` follow a row of `statistics` (see MovingAverage).
  void moving_average(VariablePtr variable, ValueId statistics, std::int64_t row, double momentum) {
    program_.moving_averages.push_back({std::move(variable), statistics, row, momentum});
  }

  /// Until the end of it what operations make of `variable`, their first parameter, in which they
  /// are linear, is made of its value times `scale`, of one element.
  void begin_scaling(VariablePtr variable, ValueId scale) {
    scaled_.emplace_back(std::move(variable), scale);
  }
  void end_scaling() { scaled_.pop_back(); }

  /// Whose operations follow; returns the previous name.
  std::string set_layer(std::string name) { return std::exchange(layer_, std::move(name)); }

 private:
  ValueId random_state();
  [[nodiscard]] StateUpdate* update_of(const VariablePtr& variable);
  ValueId append(ops::OpSpec spec, std::vector<ValueId> inputs, std::vector<Param> params);
  ValueId emit_scaled(ops::OpSpec spec, std::vector<ValueId> inputs, std::vector<Param> params);

  Program& program_;
  Mode mode_;
  std::uint32_t draws_ = 0;  ///< those that have a stream
  std::string layer_;
  std::unordered_map<ValueId, ValueId> masks_;
  std::vector<std::pair<VariablePtr, ValueId>> scaled_;
};

}  // namespace lamina::graph
