#include "training/fit/data.h"

#include <fmt/format.h>

#include <cmath>
#include <cstring>
#include <numeric>

#include "core/parallel_ranges.h"
#include "core/rows.h"
#include "kernels/philox.h"

namespace lamina::training {
namespace {

std::size_t row_bytes(const Tensor& tensor) {
  return tensor.nbytes() / static_cast<std::size_t>(tensor.shape()[0]);
}

Tensor gather_rows(const Tensor& all, std::span<const std::int64_t> rows) {
  if (!all.defined()) return all;
  Shape shape = all.shape();
  shape[0] = static_cast<std::int64_t>(rows.size());
  Tensor out = Tensor::empty(std::move(shape), all.dtype());
  const std::size_t bytes = row_bytes(all);
  const auto weight = static_cast<std::int64_t>(bytes / 4 + 1);
  core::parallel_ranges(
      static_cast<std::int64_t>(rows.size()), weight, [&](std::int64_t begin, std::int64_t end) {
        for (auto i = static_cast<std::size_t>(begin); i < static_cast<std::size_t>(end); ++i) {
          std::memcpy(out.bytes().data() + i * bytes,
                      all.bytes().data() + static_cast<std::size_t>(rows[i]) * bytes, bytes);
        }
      });
  return out;
}

template <class F>
DataSet map_tensors(const DataSet& set, const F& f) {
  DataSet out;
  for (const Tensor& x : set.x) out.x.push_back(f(x));
  for (const Tensor& y : set.y) out.y.push_back(f(y));
  out.sample_weight = set.sample_weight;
  for (Tensor& weight : out.sample_weight.arrays) weight = f(weight);
  return out;
}

/// The class of each sample: the label, or the place of the greatest of its labels. Throws
/// ValueError where a sample has several classes.
std::vector<std::int64_t> classes_of(const Tensor& labels) {
  const Tensor values = labels.cast(DType::kFloat64);
  const auto data = values.data<double>();
  const auto rows = static_cast<std::size_t>(labels.shape()[0]);
  const std::size_t each = data.size() / rows;
  if (each != 1 && static_cast<std::int64_t>(each) != labels.shape().dims().back()) {
    throw ValueError(
        fmt::format("`class_weight` needs labels of one class a sample; received labels of the "
                    "shape {}.",
                    labels.shape().str()));
  }
  std::vector<std::int64_t> out(rows);
  for (std::size_t i = 0; i < rows; ++i) {
    const auto* row = data.data() + i * each;
    out[i] = each == 1 ? std::llrint(row[0]) : std::max_element(row, row + each) - row;
  }
  return out;
}

/// As Keras, which leaves it to the losses where there are no labels.
void require_weights_of_labels(const DataSet& set, const std::string& what) {
  const std::size_t weights = set.sample_weight.arrays.size();
  if (!set.sample_weight.by_output || set.y.empty() || weights == set.y.size()) return;
  throw ValueError(
      fmt::format("You should provide one `sample_weight` array per output in `y`. The two "
                  "structures did not match: in {}, there are {} label arrays and {} of "
                  "`sample_weight`.",
                  what, set.y.size(), weights));
}

/// All that there are, as messages call them.
std::vector<std::pair<std::string, const Tensor*>> named_arrays(const DataSet& set) {
  std::vector<std::pair<std::string, const Tensor*>> all;
  for (std::size_t i = 0; i < set.x.size(); ++i)
    all.emplace_back(fmt::format("input {}", i), &set.x[i]);
  for (std::size_t i = 0; i < set.y.size(); ++i)
    all.emplace_back(fmt::format("label array {}", i), &set.y[i]);
  const SampleWeights& weights = set.sample_weight;
  for (std::size_t i = 0; i < weights.arrays.size(); ++i) {
    if (!weights.arrays[i].defined()) continue;
    all.emplace_back(
        weights.by_output ? fmt::format("`sample_weight` {}", i) : std::string("`sample_weight`"),
        &weights.arrays[i]);
  }
  return all;
}

}  // namespace

std::string Origin::sample(std::int64_t i) const {
  const std::int64_t row = rows.empty() ? i : rows[static_cast<std::size_t>(i)];
  return fmt::format("sample {} of {}", first + row, what);
}

Data::Data(DataSet set, std::string what)
    : set_(std::move(set)), what_(std::move(what)), given_as_(what_) {
  if (set_.x.empty()) throw ValueError(fmt::format("There are no inputs in {}.", what_));
  require_weights_of_labels(set_, what_);
  for (const auto& [name, tensor] : named_arrays(set_)) {
    if (!tensor->defined() || tensor->shape().rank() == 0) {
      throw ValueError(fmt::format("In {}, {} is {}; its first axis has to be the samples.", what_,
                                   name, tensor->defined() ? "a scalar" : "undefined"));
    }
    if (tensor->shape()[0] != set_.x.front().shape()[0]) {
      throw ValueError(
          fmt::format("Data cardinality is ambiguous: in {}, input 0 has {} samples and {} has {}.",
                      what_, set_.x.front().shape()[0], name, tensor->shape()[0]));
    }
  }
  rows_ = set_.x.front().shape()[0];
  if (rows_ == 0) {
    throw ValueError(fmt::format("There are no samples in {}: input 0 has the shape {}.", what_,
                                 set_.x.front().shape().str()));
  }
}

Batch Data::slice(std::int64_t begin, std::int64_t count) const {
  DataSet part = map_tensors(set_, [&](const Tensor& t) { return core::rows_of(t, begin, count); });
  return {std::move(part.x),
          std::move(part.y),
          std::move(part.sample_weight),
          {given_as_, first_ + begin}};
}

Batch Data::gather(std::span<const std::int64_t> rows) const {
  DataSet part = map_tensors(set_, [&](const Tensor& t) { return gather_rows(t, rows); });
  return {std::move(part.x),
          std::move(part.y),
          std::move(part.sample_weight),
          {given_as_, first_, {rows.begin(), rows.end()}}};
}

std::pair<Data, Data> Data::split(double fraction) const {
  // As Keras: the first int(rows * (1 - fraction)) samples train.
  const auto first =
      static_cast<std::int64_t>(std::floor(static_cast<double>(rows_) * (1.0 - fraction)));
  if (first <= 0 || first >= rows_) {
    throw ValueError(fmt::format(
        "Training data contains {} samples, which is not sufficient to split it into a validation "
        "and training set as specified by `validation_split={}`. Either provide more data, or a "
        "different value for the `validation_split` argument.",
        rows_, fraction));
  }
  const auto part = [&](std::int64_t begin, std::int64_t count, const std::string& what) {
    Data made(map_tensors(set_, [&](const Tensor& t) { return core::rows_of(t, begin, count); }),
              what);
    made.given_as_ = given_as_;
    made.first_ = first_ + begin;
    return made;
  };
  return {part(0, first, what_), part(first, rows_ - first, "the validation data")};
}

void Data::weigh(const std::map<std::int64_t, double>& class_weight) {
  if (class_weight.empty()) return;
  if (set_.y.size() != 1) {
    throw ValueError("`class_weight` is only supported for Models with a single output.");
  }
  const std::vector<std::int64_t> classes = classes_of(set_.y.front());
  Tensor weights = Tensor::empty({rows_});
  for (std::size_t i = 0; i < classes.size(); ++i) {
    const auto it = class_weight.find(classes[i]);
    weights.data<float>()[i] = it == class_weight.end() ? 1.0F : static_cast<float>(it->second);
  }
  if (const Tensor given = set_.sample_weight.of(0); given.defined()) {
    if (given.size() != rows_) {
      throw ValueError(
          "`class_weight` needs one `sample_weight` a sample; received weights of "
          "shape " +
          given.shape().str() + ".");
    }
    const Tensor factors = given.cast(DType::kFloat32);
    for (std::size_t i = 0; i < classes.size(); ++i)
      weights.data<float>()[i] *= factors.data<float>()[i];
  }
  set_.sample_weight = weights;
}

DataSet standardized(DataSet set, const Standardize& standardize, const std::string& what) {
  try {
    set.x = standardize(set.x);
  } catch (const ValueError& error) {
    throw ValueError(fmt::format("In {}: {}", what, error.what()));
  }
  return set;
}

std::vector<std::int64_t> shuffled(std::int64_t count, std::uint64_t seed, std::int64_t epoch) {
  std::vector<std::int64_t> order(static_cast<std::size_t>(count));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  const auto half = [](std::uint64_t x, int which) {
    return static_cast<std::uint32_t>(x >> (32 * which));
  };
  for (std::size_t i = order.size(); i > 1; --i) {
    const auto bits = kernels::philox(
        {static_cast<std::uint32_t>(i), half(i, 1), static_cast<std::uint32_t>(epoch), 0x5u},
        {half(seed, 0), half(seed, 1)});
    const std::uint64_t draw = (std::uint64_t{bits[1]} << 32) | bits[0];
    std::swap(order[i - 1], order[draw % i]);
  }
  return order;
}

}  // namespace lamina::training
