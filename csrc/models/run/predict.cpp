#include <lamina/model.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "core/rows.h"
#include "core/terminal_progress.h"
#include "layers/access.h"
#include "models/run/batch_run.h"
#include "models/run/batching.h"
#include "models/run/input_check.h"
#include "models/run/plans.h"

namespace lamina {
namespace {

std::string input_name(const SymbolicTensors& placeholders, std::size_t i) {
  return i < placeholders.size() ? "'" + layers::Access::node(placeholders[i])->layer->name() + "'"
                                 : "number " + std::to_string(i);
}

// The same elements with a last axis of size 1 added or dropped, where the model expects it so.
Tensor adjust_rank(const Tensor& input, const Shape& expected) {
  std::vector<std::int64_t> dims = input.shape().dims();
  if (dims.size() == expected.rank() + 1 && dims.back() == 1) {
    dims.pop_back();
    return input.reshape(Shape(std::move(dims)));
  }
  if (dims.size() + 1 == expected.rank() && expected[-1] == 1) {
    dims.push_back(1);
    return input.reshape(Shape(std::move(dims)));
  }
  return input;
}

std::int64_t row_count(const std::vector<Tensor>& inputs, const SymbolicTensors& placeholders) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = "Input " + input_name(placeholders, i);
    if (!inputs[i].defined()) throw ValueError(name + " is undefined.");
    if (inputs[i].shape().rank() == 0) {
      throw ValueError(name + " is a scalar; its first axis has to be the batch.");
    }
    const std::int64_t rows = inputs[i].shape()[0];
    if (rows == 0)
      throw ValueError(name + " holds no samples: shape " + inputs[i].shape().str() + ".");
    if (rows != inputs[0].shape()[0]) {
      throw ValueError("Data cardinality is ambiguous: input " + input_name(placeholders, 0) +
                       " has " + std::to_string(inputs[0].shape()[0]) + " samples and input " +
                       input_name(placeholders, i) + " has " + std::to_string(rows) + ".");
    }
  }
  return inputs.empty() ? 0 : inputs[0].shape()[0];
}

// Puts the batches of each output one after another.
class Collector {
 public:
  Collector(std::int64_t rows, const std::string& model) : rows_(rows), model_(model) {}

  void add(std::vector<Tensor> outputs, std::int64_t begin, std::int64_t count,
           std::int64_t computed) {
    if (count == rows_ && computed == count) {
      out_ = std::move(outputs);
      return;
    }
    out_.resize(outputs.size());
    for (std::size_t i = 0; i < outputs.size(); ++i)
      copy(outputs[i], out_[i], i, begin, count, computed);
  }

  std::vector<Tensor> take() { return std::move(out_); }

 private:
  void copy(const Tensor& from, Tensor& to, std::size_t i, std::int64_t begin, std::int64_t count,
            std::int64_t computed) {
    if (from.shape().rank() == 0 || from.shape()[0] != computed) {
      throw ValueError("Output " + std::to_string(i) + " of model '" + model_ + "' has shape " +
                       from.shape().str() + " for a batch of " + std::to_string(computed) +
                       ": run all samples in one batch (batch_size >= " + std::to_string(rows_) +
                       ").");
    }
    if (!to.defined()) {
      Shape shape = from.shape();
      shape[0] = rows_;
      to = Tensor::empty(std::move(shape), from.dtype());
    }
    const std::size_t row = from.nbytes() / static_cast<std::size_t>(computed);
    std::memcpy(to.bytes().data() + row * static_cast<std::size_t>(begin), from.raw(),
                row * static_cast<std::size_t>(count));
  }

  std::int64_t rows_;
  const std::string& model_;
  std::vector<Tensor> out_;
};

}  // namespace

// The dtype in which the model takes an input: its placeholder's; a subclassed model takes integers
// as they are, since its placeholders are only a guess.
DType Model::input_dtype(std::size_t index, DType given) const {
  const DType expected = inputs().at(index).dtype();
  if (dynamic_cast<const SubclassedModel*>(this) == nullptr) return expected;
  if (!is_floating(given)) return given;
  return is_floating(expected) ? expected : dtype_policy().compute;
}

std::vector<Tensor> Model::standardize(const std::vector<Tensor>& inputs) {
  if (!built()) {
    std::vector<Shape> shapes;
    for (const Tensor& input : inputs) {
      shapes.push_back(input.shape());
      if (shapes.back().rank() > 0) shapes.back()[0] = kNone;
    }
    build(shapes);
  }
  const SymbolicTensors placeholders = this->inputs();
  std::vector<Tensor> out;
  std::vector<Shape> shapes;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    out.push_back(i < placeholders.size() ? adjust_rank(inputs[i], placeholders[i].shape())
                                          : inputs[i]);
    shapes.push_back(out.back().shape());
    shapes.back()[0] = kNone;  // rows come in batches of any size: so Keras, whatever was declared
  }
  models::check_input_shapes("Model '" + name() + "'", placeholders, shapes);
  return out;
}

std::vector<Tensor> Model::predict(const std::vector<Tensor>& inputs,
                                   const PredictOptions& options) {
  models::require_positive("batch_size", options.batch_size);
  models::require_positive("steps", options.steps);
  const std::int64_t given = row_count(inputs, this->inputs());
  const std::vector<Tensor> data = standardize(inputs);
  const models::BatchRun run(*this);
  const std::int64_t step =
      std::min(given, models::batch_size_of(options.batch_size, options.steps, given));
  const std::int64_t there = step == 0 ? 0 : (given + step - 1) / step;
  const std::int64_t batches = std::min(there, options.steps.value_or(there));
  const std::int64_t rows = std::min(given, batches * step);
  std::optional<core::TerminalProgress> progress;
  if (options.verbose) {
    progress.emplace("predict", static_cast<std::uint64_t>(batches),
                     core::TerminalProgress::Style::kCount, "batch");
  }
  const auto ready_at = [&](std::int64_t begin) {
    std::vector<Tensor> batch;
    for (const Tensor& input : data) {
      batch.push_back(core::rows_of(input, begin, std::min(step, rows - begin)));
    }
    return run.ready(std::move(batch));
  };
  Collector collector(rows, name());
  std::uint64_t done = 0;
  std::shared_ptr<models::ReadyBatch> next;
  for (std::int64_t begin = 0; begin < rows; begin += step) {
    const std::shared_ptr<models::ReadyBatch> batch =
        next ? std::exchange(next, nullptr) : ready_at(begin);
    std::vector<Tensor> outputs = run.run(*batch, [&]() -> models::ReadyBatch* {
      if (begin + step < rows) next = ready_at(begin + step);
      return next.get();
    });
    collector.add(std::move(outputs), begin, std::min(step, rows - begin), batch->computed());
    if (progress) progress->update(++done);
  }
  if (options.steps && batches < *options.steps) {
    models::warn_out_of_data("prediction", batches, *options.steps);
  }
  return collector.take();
}

Tensor Model::predict(const Tensor& input, const PredictOptions& options) {
  std::vector<Tensor> outputs = predict(std::vector<Tensor>{input}, options);
  if (outputs.size() != 1) {
    throw ValueError("Model '" + name() + "' has " + std::to_string(outputs.size()) +
                     " outputs; pass its inputs as a vector to get all of them.");
  }
  return std::move(outputs.front());
}

std::vector<Tensor> Model::predict_on_batch(const std::vector<Tensor>& inputs) {
  return predict(inputs, {.steps = 1});
}

Tensor Model::predict_on_batch(const Tensor& input) {
  return predict(input, {.steps = 1});
}

void Model::compile_inference(const std::vector<Shape>& input_shapes,
                              const InferenceOptions& options) {
  if (!built()) build(input_shapes);
  models::check_input_shapes("Model '" + name() + "'", inputs(), input_shapes);
  Plans::Signature signature;
  const SymbolicTensors placeholders = inputs();
  for (std::size_t i = 0; i < input_shapes.size(); ++i) {
    if (!input_shapes[i].is_known()) {
      throw ValueError("Input " + input_name(placeholders, i) +
                       " needs a shape without unknown dimensions; received " +
                       input_shapes[i].str() + ".");
    }
    signature.push_back({input_shapes[i], placeholders[i].dtype()});
  }
  const std::vector<VariablePtr> all = variables();
  plans().compute_with(all);
  plans().plan(*this, signature, models::any_released(all)).refresh(options.release_weights);
}

}  // namespace lamina
