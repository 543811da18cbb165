#include "contract.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <memory>

#include "ops/op_info.h"
#include "ops/params.h"
#include "ops/reference/reference_backend.h"

namespace lamina::ops::contract {
namespace {

struct SetDType {
  DType dtype;
  void operator()(MatMul& op) const { op.x0.dtype = op.x1.dtype = op.y.dtype = dtype; }
  void operator()(BinaryOp& op) const { op.x0.dtype = op.x1.dtype = op.y.dtype = dtype; }
  void operator()(Concat& op) const {
    for (TensorSpec& x : op.xs) x.dtype = dtype;
    op.y.dtype = dtype;
  }
  void operator()(Gather& op) const { op.y.dtype = dtype; }
  void operator()(Argsort& op) const { op.x.dtype = dtype; }
  void operator()(ParamValue& op) const { op.y.dtype = dtype; }
  void operator()(BatchNormStatistics& op) const {
    op.x.dtype = dtype;
    op.y.dtype = wide();
  }
  void operator()(BatchNormTraining& op) const {
    op.x.dtype = op.y.dtype = dtype;
    op.statistics.dtype = wide();
  }
  void operator()(BatchNormSums& op) const {
    (*this)(op.of);
    op.y.dtype = wide();
  }
  void operator()(LayerNormSums& op) const {
    (*this)(op.of);
    op.y.dtype = wide();
  }
  void operator()(BatchNormGradient& op) const {
    (*this)(op.of);
    op.sums.dtype = wide();
    op.y.dtype = dtype;
  }
  template <class Op>
  void operator()(Op& op) const {
    if constexpr (requires { op.of; }) {
      (*this)(op.of);
      op.y.dtype = dtype;
    } else {
      op.x.dtype = op.y.dtype = dtype;
    }
  }

 private:
  [[nodiscard]] DType wide() const {
    return dtype == DType::kFloat64 ? DType::kFloat64 : DType::kFloat32;
  }
};

/// Relative to the largest element: what rounding in the output and in sums over a few thousand
/// allows.
double tolerance(DType dtype) {
  switch (dtype) {
    case DType::kFloat32:
      return 1e-5;
    case DType::kFloat64:
      return 1e-12;
    case DType::kFloat16:
      return 1.0 / 1024;
    case DType::kBFloat16:
      return 1.0 / 128;
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt64:
    case DType::kBool:
      return 0;
  }
  return 0;
}

/// As large as a sum of numbers near 1 becomes on its way to the result, which may be near 0.
struct PartialSum {
  const std::vector<Tensor>& inputs;
  const Tensor& result;
  [[nodiscard]] double walk() const {
    return std::sqrt(static_cast<double>(inputs.back().size()) /
                     static_cast<double>(std::max<std::int64_t>(result.size(), 1)));
  }
  double operator()(const Reduce& op) const { return op.kind == Reduce::Kind::kSum ? walk() : 0; }
  double operator()(const BatchNormSums&) const { return walk(); }
  double operator()(const LayerNormSums&) const { return walk(); }
  double operator()(const Conv2DKernelGradient&) const { return walk(); }
  double operator()(const DenseKernelGradient&) const { return walk(); }
  double operator()(const GatherGradient&) const { return walk(); }
  template <class Op>
  double operator()(const Op&) const {
    return 0;
  }
};

/// Errors are measured against the element itself and, as sums cancel, against its neighbours and
/// what was summed; not against a single outlier among them, which an exponential easily makes.
void expect_close(const Tensor& got, const Tensor& wanted, double relative, double summed) {
  ASSERT_EQ(got.size(), wanted.size());
  const Tensor wide = got.cast(DType::kFloat64);
  // What overflows in the result's type does so in the definition rounded to it.
  const Tensor rounded = wanted.cast(got.dtype()).cast(DType::kFloat64);
  double typical = 0;
  for (const double value : wanted.data<double>()) typical = std::max(typical, std::abs(value));
  typical = std::max(std::clamp(typical, 0.25, 16.0), summed);
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted.size()); ++i) {
    const double expected = wanted.data<double>()[i];
    const double value = wide.data<double>()[i];
    if (value == rounded.data<double>()[i]) continue;
    const double allowed = relative * (std::abs(expected) + typical);
    // Negated, so that NaN fails.
    ASSERT_FALSE(!(std::abs(value - expected) <= allowed))
        << "element " << i << ": " << value << ", expected " << expected << " +- " << allowed;
  }
}

Tensor random_ids(const TensorSpec& input, std::int64_t rows, Random& random) {
  Tensor ids = Tensor::empty(input.shape, DType::kInt64);
  for (std::int64_t& id : ids.data<std::int64_t>()) id = pick(random, 0, rows - 1);
  return ids.cast(input.dtype);
}

/// A mean and a positive variance for each channel.
Tensor random_statistics(const TensorSpec& input, Random& random) {
  Tensor values = random_tensor(input.shape, DType::kFloat64, random);
  const auto elements = values.data<double>();
  for (std::size_t i = elements.size() / 2; i < elements.size(); ++i) {
    elements[i] = elements[i] * elements[i] + 0.1;
  }
  return values.cast(input.dtype);
}

/// Of which numbers a function has values.
enum class Domain : std::uint8_t { kAll, kPositive, kAboveOne, kBelowOne };

Domain domain_of(Unary kind) {
  switch (kind) {
    case Unary::kLog:
    case Unary::kLog1p:
    case Unary::kSqrt:
    case Unary::kRsqrt:
    case Unary::kPower:
      return Domain::kPositive;
    case Unary::kArccosh:
      return Domain::kAboveOne;
    case Unary::kArcsin:
    case Unary::kArccos:
    case Unary::kArctanh:
      return Domain::kBelowOne;  // by size
    default:
      return Domain::kAll;
  }
}

/// What an operation can be given: for most, anything.
struct InputFor {
  const std::vector<TensorSpec>& inputs;
  const std::vector<Tensor>& before;  ///< the inputs made so far
  Random& random;

  [[nodiscard]] const TensorSpec& spec() const { return inputs[before.size()]; }
  [[nodiscard]] Tensor any() const { return random_tensor(spec().shape, spec().dtype, random); }
  /// What the operation itself makes of such inputs.
  static Tensor defined(const OpSpec& op, const std::vector<Tensor>& given) {
    ReferenceBackend reference;
    const KernelPtr kernel = reference.make(op);
    return run(reference, *kernel, op, given);
  }
  /// Not near 0; with the signs that it has, or without.
  [[nodiscard]] Tensor away_from_zero(bool positive) const {
    Tensor values = random_tensor(spec().shape, DType::kFloat64, random);
    for (double& value : values.data<double>()) {
      value += std::copysign(0.5, value);
      if (positive) value = std::abs(value);
    }
    return values.cast(spec().dtype);
  }
  [[nodiscard]] Tensor argument_of(Unary kind) const {
    const Domain domain = domain_of(kind);
    if (!before.empty() || domain == Domain::kAll) return any();
    if (domain == Domain::kPositive) return away_from_zero(true);
    Tensor values = random_tensor(spec().shape, DType::kFloat64, random);
    for (double& value : values.data<double>()) {
      const double size = std::abs(value);
      value = domain == Domain::kAboveOne ? 1.25 + size : value / (1.25 + size);
    }
    return values.cast(spec().dtype);
  }
  Tensor operator()(const UnaryOp& op) const { return argument_of(op.activation.kind); }
  Tensor operator()(const UnaryGradient& op) const { return argument_of(op.of.activation.kind); }
  [[nodiscard]] Tensor statistics() const {
    return before.size() == 1 ? random_statistics(spec(), random) : any();
  }
  Tensor operator()(const Gather& op) const {
    return before.empty() ? random_ids(spec(), op.rows, random) : any();
  }
  Tensor operator()(const GatherGradient& op) const {
    return before.empty() ? random_ids(spec(), op.of.rows, random) : any();
  }
  Tensor operator()(const BatchNormTraining&) const { return statistics(); }
  Tensor operator()(const BatchNormSums&) const { return statistics(); }
  Tensor operator()(const BatchNormGradient&) const { return statistics(); }
  Tensor operator()(const ReduceGradient& op) const {
    if (op.of.kind != Reduce::Kind::kMax || before.size() != 1) return any();
    return defined(op.of, before);
  }
  /// A divisor is not near 0, and only of positive numbers is there any power.
  [[nodiscard]] Tensor operand_of(Binary kind) const {
    if (kind == Binary::kPower) return before.empty() ? away_from_zero(true) : any();
    return kernels::needs_floats(kind) && before.size() == 1 ? away_from_zero(false) : any();
  }
  Tensor operator()(const BinaryOp& op) const { return operand_of(op.kind); }
  Tensor operator()(const BinaryGradient& op) const { return operand_of(op.of.kind); }
  /// Of anything else than a softmax the sums grow with its length, and their rounding with them.
  Tensor operator()(const SoftmaxGradient& op) const {
    return before.empty() ? defined(op.of, {any()}) : any();
  }
  template <class Op>
  Tensor operator()(const Op&) const {
    return any();
  }
};

std::vector<Tensor> random_inputs(const OpSpec& spec, Random& random) {
  const std::vector<TensorSpec> specs = input_specs(spec);
  std::vector<Tensor> inputs;
  for (std::size_t i = 0; i < specs.size(); ++i) {
    inputs.push_back(std::visit(InputFor{specs, inputs, random}, spec));
  }
  return inputs;
}

std::vector<Tensor> random_params(const OpSpec& spec, Random& random) {
  std::vector<Tensor> params;
  for (const Shape& shape : param_shapes(spec)) {
    Tensor values = random_tensor(shape, DType::kFloat64, random);
    // Sums over a kernel's taps stay near 1: an exponential behind them would enlarge their
    // rounding.
    const double terms = shape.rank() < 2 ? 1.0 : static_cast<double>(shape.size() / shape[-1]);
    for (double& value : values.data<double>()) value /= std::sqrt(terms);
    params.push_back(values.cast(output_spec(spec).dtype));
  }
  if (std::holds_alternative<BatchNorm>(spec)) {  // a variance is positive
    Tensor variance = params.back().cast(DType::kFloat64).clone();
    for (double& value : variance.data<double>()) value = value * value + 0.1;
    params.back() = variance.cast(output_spec(spec).dtype);
  }
  return params;
}

std::vector<Tensor> as_double(const std::vector<Tensor>& tensors) {
  std::vector<Tensor> result;
  for (const Tensor& tensor : tensors) {
    result.push_back(is_floating(tensor.dtype()) ? tensor.cast(DType::kFloat64) : tensor);
  }
  return result;
}

Tensor bytes_of(std::size_t size) {
  Tensor bytes = Tensor::empty({static_cast<std::int64_t>(size)}, DType::kUInt8);
  std::memset(bytes.raw(), 0xff, size);
  return bytes;
}

/// The arena that a plan would lend: 64-byte aligned, full of NaNs, guarded behind its end.
class Workspace {
 public:
  Workspace(std::size_t bytes, Device device)
      : bytes_(bytes), memory_(bytes_of(bytes + 64).to(device)) {}
  [[nodiscard]] void* data() { return memory_.raw(); }
  void expect_guard_untouched() const {
    const Tensor here = memory_.to(Device::cpu());
    const auto guard = here.data<std::uint8_t>().subspan(bytes_);
    EXPECT_TRUE(std::all_of(guard.begin(), guard.end(), [](std::uint8_t byte) {
      return byte == 0xff;
    })) << "written behind the end of the workspace";
  }

 private:
  std::size_t bytes_;
  Tensor memory_;
};

/// `inputs` and `output` are on the backend's device.
void run_into(Backend& backend, Kernel& kernel, const std::vector<Tensor>& inputs, void* output) {
  std::vector<const void*> pointers;
  for (const Tensor& input : inputs) pointers.push_back(input.raw());
  Workspace workspace(kernel.workspace_bytes(), backend.device());
  kernel.run({pointers, {&output, 1}, workspace.data()});
  backend.settle();
  workspace.expect_guard_untouched();
}

/// A copy on `device` that begins where tensors do, or an element behind.
Tensor placed(const Tensor& tensor, Device device, Operands operands) {
  if (operands == Operands::kAligned) return tensor.clone().to(device);
  const std::size_t element = dtype_size(tensor.dtype());
  Tensor memory = Tensor::empty({tensor.size() + 1}, tensor.dtype());
  if (tensor.nbytes() != 0) {
    std::memcpy(static_cast<std::byte*>(memory.raw()) + element, tensor.raw(), tensor.nbytes());
  }
  const auto there = std::make_shared<Tensor>(memory.to(device));
  return Tensor::view(static_cast<std::byte*>(there->raw()) + element, tensor.shape(),
                      tensor.dtype(), there, device);
}

std::vector<Tensor> placed(const std::vector<Tensor>& tensors, Device device, Operands operands) {
  std::vector<Tensor> out;
  for (const Tensor& tensor : tensors) out.push_back(placed(tensor, device, operands));
  return out;
}

Tensor run_on(Backend& backend, Kernel& kernel, const OpSpec& spec,
              const std::vector<Tensor>& inputs, Operands operands) {
  Tensor poisoned = Tensor::empty(output_spec(spec).shape, output_spec(spec).dtype);
  if (poisoned.nbytes() != 0) std::memset(poisoned.raw(), 0xff, poisoned.nbytes());
  Tensor output = placed(poisoned, backend.device(), operands);
  run_into(backend, kernel, placed(inputs, backend.device(), operands), output.raw());
  return output.to(Device::cpu());
}

/// Ids that are floats are widened with the rest.
struct WidenIds {
  void operator()(Gather& op) const {
    if (is_floating(op.ids.dtype)) op.ids.dtype = DType::kFloat64;
  }
  void operator()(GatherGradient& op) const { (*this)(op.of); }
  template <class Op>
  void operator()(Op&) const {}
};

Tensor reference_result(const OpSpec& spec, const std::vector<Tensor>& inputs,
                        const std::vector<Tensor>& params) {
  ReferenceBackend reference;
  OpSpec wide = with_dtype(spec, DType::kFloat64);
  std::vector<Tensor> wide_inputs = as_double(inputs);
  std::visit(WidenIds{}, wide);
  const KernelPtr kernel = reference.make(wide);
  kernel->load_parameters(as_double(params));
  return run(reference, *kernel, wide, wide_inputs).cast(DType::kFloat64);  // places are integers
}

void expect_in_place(Backend& backend, Kernel& kernel, const std::vector<Tensor>& inputs,
                     const Tensor& wanted, Operands operands) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!kernel.can_run_in_place(i)) continue;
    std::vector<Tensor> shared = placed(inputs, backend.device(), operands);
    run_into(backend, kernel, shared, shared[i].raw());
    const Tensor result = shared[i].to(Device::cpu());
    EXPECT_EQ(std::memcmp(result.raw(), wanted.raw(), wanted.nbytes()), 0)
        << "in place of input " << i;
  }
}

}  // namespace

OpSpec with_dtype(OpSpec spec, DType dtype) {
  std::visit(SetDType{dtype}, spec);
  return spec;
}

OpSpec widened_product(const std::vector<Row>& rows, DType dtype, Random& random) {
  const auto row =
      std::find_if(rows.begin(), rows.end(), [](const Row& each) { return each.name == "MatMul"; });
  MatMul op = std::get<MatMul>(with_dtype(row->make(random), dtype));
  op.y.dtype = DType::kFloat32;
  return op;
}

OpSpec with_forgiving_activation(OpSpec spec, Random& random) {
  const Activation chosen = one_of<Activation>(
      random, {{}, relu(), relu(0.2), {Unary::kSilu}, {Unary::kSigmoid}, {Unary::kTanh}});
  std::visit(
      [&]<class Op>(Op& op) {
        if constexpr (std::is_same_v<Op, Conv2D> || std::is_same_v<Op, Conv2DTranspose> ||
                      std::is_same_v<Op, Dense>) {
          op.activation = chosen;
        }
      },
      spec);
  return spec;
}

Tensor random_tensor(const Shape& shape, DType dtype, Random& random) {
  Tensor values = Tensor::empty(shape, DType::kFloat64);
  std::normal_distribution<double> normal;
  const double scale = is_floating(dtype) ? 1 : 40;
  for (double& value : values.data<double>()) value = scale * normal(random);
  return values.cast(dtype);
}

Tensor run(Backend& backend, Kernel& kernel, const OpSpec& spec,
           const std::vector<Tensor>& inputs) {
  return run_on(backend, kernel, spec, inputs, Operands::kAligned);
}

namespace {

/// Steps, poles and what is steep, which enlarge the rounding of what goes before them.
bool is_broken(Unary kind) {
  return kind == Unary::kFloor || kind == Unary::kCeil || kind == Unary::kRound ||
         kind == Unary::kSign || kind == Unary::kSignbit || kind == Unary::kTan ||
         kind == Unary::kCbrt;
}

}  // namespace

Activation random_activation(Random& random) {
  switch (one_of<int>(random, {0, 1, 2, 3})) {
    case 0:
      return {};
    case 1:
      return one_of<Activation>(
          random, {relu(), relu(0.2), relu(0, 1.5), relu(0.1, 1.0, 0.5), relu(0.3, 2.0)});
    case 2:
      return {Unary::kSilu};
    default: {
      auto kinds = std::vector<Unary>{
#define LAMINA_UNARY(enumerator, name, functor) Unary::enumerator,
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
      };
      std::erase_if(kinds, [](Unary kind) { return domain_of(kind) != Domain::kAll; });
      std::erase_if(kinds, is_broken);
      const Unary kind = one_of(random, kinds);
      return kind == Unary::kRelu ? relu() : Activation{kind, 0.7, 0.3, 0};
    }
  }
}

void expect_contract(Backend& backend, const OpSpec& spec, Random& random, double slack,
                     Operands operands) {
  SCOPED_TRACE(describe(spec));
  const std::vector<Tensor> inputs = random_inputs(spec, random);
  const KernelPtr kernel = backend.make(spec);
  // Loaded twice, with different values: the second must replace the first.
  kernel->load_parameters(random_params(spec, random));
  std::vector<Tensor> params = random_params(spec, random);
  kernel->load_parameters(params);
  const Tensor result = run_on(backend, *kernel, spec, inputs, operands);
  expect_close(result, reference_result(spec, inputs, params), slack * tolerance(result.dtype()),
               std::visit(PartialSum{inputs, result}, spec));
  EXPECT_TRUE(bitwise_equal(run_on(backend, *kernel, spec, inputs, operands), result))
      << "the second run differs";
  expect_in_place(backend, *kernel, inputs, result, operands);
}

double disagreement(Backend& backend, Backend& other, const OpSpec& spec, Random& random) {
  const std::vector<Tensor> inputs = random_inputs(spec, random);
  const std::vector<Tensor> params = random_params(spec, random);
  const auto result_of = [&](Backend& each) {
    const KernelPtr kernel = each.make(spec);
    kernel->load_parameters(params);
    return run(each, *kernel, spec, inputs).cast(DType::kFloat64);
  };
  const Tensor got = result_of(backend), wanted = result_of(other);
  double apart = 0, length = 0;
  for (std::size_t i = 0; i < static_cast<std::size_t>(wanted.size()); ++i) {
    apart += std::pow(got.data<double>()[i] - wanted.data<double>()[i], 2);
    length += std::pow(wanted.data<double>()[i], 2);
  }
  return apart == 0 ? 0 : std::sqrt(apart / length);
}

}  // namespace lamina::ops::contract
