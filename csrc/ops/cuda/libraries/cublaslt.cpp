#include "ops/cuda/libraries/cublaslt.h"

#include <cublasLt.h>
#include <dlfcn.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <lamina/error.h>

#include <algorithm>
#include <limits>

#include "core/compute_dtype.h"
#include "runtime/cuda/cuda_call.h"

namespace lamina::ops::cuda {
namespace {

constexpr std::size_t kWorkspace = std::size_t{32} << 20;  ///< at most, for one product
constexpr std::uint32_t kAlignment = kOperandAlignment;    ///< cuBLAS takes 256 for granted

/// What is used of the library, by the names of its functions.
struct Functions {
#define LAMINA_CUBLASLT(name) decltype(&::name) name = nullptr;
#define LAMINA_CUBLASLT_ALL                             \
  LAMINA_CUBLASLT(cublasLtCreate)                       \
  LAMINA_CUBLASLT(cublasLtDestroy)                      \
  LAMINA_CUBLASLT(cublasLtGetVersion)                   \
  LAMINA_CUBLASLT(cublasLtGetStatusName)                \
  LAMINA_CUBLASLT(cublasLtGetStatusString)              \
  LAMINA_CUBLASLT(cublasLtMatmulDescCreate)             \
  LAMINA_CUBLASLT(cublasLtMatmulDescDestroy)            \
  LAMINA_CUBLASLT(cublasLtMatmulDescSetAttribute)       \
  LAMINA_CUBLASLT(cublasLtMatrixLayoutCreate)           \
  LAMINA_CUBLASLT(cublasLtMatrixLayoutDestroy)          \
  LAMINA_CUBLASLT(cublasLtMatrixLayoutSetAttribute)     \
  LAMINA_CUBLASLT(cublasLtMatmulPreferenceCreate)       \
  LAMINA_CUBLASLT(cublasLtMatmulPreferenceDestroy)      \
  LAMINA_CUBLASLT(cublasLtMatmulPreferenceSetAttribute) \
  LAMINA_CUBLASLT(cublasLtMatmulAlgoGetHeuristic)       \
  LAMINA_CUBLASLT(cublasLtMatmul)
  LAMINA_CUBLASLT_ALL
#undef LAMINA_CUBLASLT

  [[nodiscard]] bool load() {
    void* const library = dlopen("libcublasLt.so.13", RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) return false;
#define LAMINA_CUBLASLT(name)                                     \
  name = reinterpret_cast<decltype(name)>(dlsym(library, #name)); \
  if (name == nullptr) return false;
    LAMINA_CUBLASLT_ALL
#undef LAMINA_CUBLASLT
#undef LAMINA_CUBLASLT_ALL
    return true;
  }
  void check(cublasStatus_t status, const char* call,
             SourceLocation where = SourceLocation::current()) const {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    throw DeviceError(call, cublasLtGetStatusName(status), cublasLtGetStatusString(status), where);
  }
};

using Algorithm = cublasLtMatmulHeuristicResult_t;

/// The same in every process, by what the library lets be stored.
std::string name_of(const Algorithm& algorithm) {
  return fmt::format("{:x}", fmt::join(algorithm.algo.data, "-"));
}

template <class T>
using Owned = std::shared_ptr<std::remove_pointer_t<T>>;

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::kFloat16:
      return CUDA_R_16F;
    case DType::kBFloat16:
      return CUDA_R_16BF;
    case DType::kFloat64:
      return CUDA_R_64F;
    case DType::kFloat32:
      return CUDA_R_32F;
    case DType::kInt8:
    case DType::kInt16:
    case DType::kInt32:
    case DType::kInt64:
    case DType::kUInt8:
    case DType::kUInt16:
    case DType::kUInt32:
    case DType::kUInt64:
    case DType::kBool:
      break;
  }
  throw UnsupportedError(fmt::format("cuBLASLt has no products of {}.", dtype_name(dtype)));
}

/// The type that products are summed in.
cudaDataType_t scale_type(DType dtype) {
  return dtype == DType::kFloat64 ? CUDA_R_64F : CUDA_R_32F;
}

/// Whether what it gives is narrower than what it is summed in.
bool is_rounded(const LibraryProduct& op) {
  return op.result() != core::compute_dtype(op.dtype);
}

/// The factors of a product and of what it is added to, in the type that it is summed in.
class Scale {
 public:
  Scale(DType dtype, double factor)
      : is_wide_(dtype == DType::kFloat64), wide_(factor), narrow_(static_cast<float>(factor)) {}
  [[nodiscard]] const void* factor() const {
    return is_wide_ ? static_cast<const void*>(&wide_) : &narrow_;
  }
  [[nodiscard]] const void* none() const {
    return is_wide_ ? static_cast<const void*>(&wide_none_) : &narrow_none_;
  }

 private:
  bool is_wide_;
  double wide_, wide_none_ = 0;
  float narrow_, narrow_none_ = 0;
};

cublasComputeType_t compute_type(DType dtype, Float32Precision precision) {
  if (dtype == DType::kFloat64) return CUBLAS_COMPUTE_64F;
  const bool tf32 = precision == Float32Precision::kTf32 && dtype == DType::kFloat32;
  return tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F;
}

/// Products of row-major matrices. cuBLAS counts by columns, so it is told of the transposed ones:
/// c' = b' a'.
class Product final : public LibraryPlan {
 public:
  Product(std::shared_ptr<const Functions> functions, Owned<cublasLtHandle_t> handle,
          const LibraryProduct& op, Float32Precision precision)
      : lt_(std::move(functions)), handle_(std::move(handle)), op_(op), scale_(op.dtype, op.scale) {
    describe_product(precision);
    b_ = layout(op.dtype, op.transpose_b ? op.depth : op.columns,
                op.transpose_b ? op.columns : op.depth);
    a_ = layout(op.dtype, op.transpose_a ? op.rows : op.depth, op.transpose_a ? op.depth : op.rows);
    c_ = layout(op.result(), op.columns, op.rows);
  }

  /// At most so many, by the library's estimate the fastest first.
  [[nodiscard]] std::vector<Algorithm> algorithms(std::size_t most) {
    if (op_.matrices > std::numeric_limits<std::int32_t>::max()) return {};
    cublasLtMatmulPreference_t raw = nullptr;
    lt_->check(lt_->cublasLtMatmulPreferenceCreate(&raw), "cublasLtMatmulPreferenceCreate");
    const Owned<cublasLtMatmulPreference_t> preference(
        raw, [lt = lt_](auto* owned) { (void)lt->cublasLtMatmulPreferenceDestroy(owned); });
    const auto prefer = [&](cublasLtMatmulPreferenceAttributes_t attribute, const auto& value) {
      lt_->check(lt_->cublasLtMatmulPreferenceSetAttribute(raw, attribute, &value, sizeof(value)),
                 "cublasLtMatmulPreferenceSetAttribute");
    };
    prefer(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspace);
    if (is_rounded(op_)) {  // once, and not the parts of a sum each
      constexpr std::uint32_t kWide =
          CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE;
      prefer(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, kWide);
    }
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, kAlignment);
    prefer(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, kAlignment);
    std::vector<Algorithm> out(most);
    int found = 0;
    const cublasStatus_t status = lt_->cublasLtMatmulAlgoGetHeuristic(
        handle_.get(), product_.get(), b_.get(), a_.get(), c_.get(), c_.get(), raw,
        static_cast<int>(most), out.data(), &found);
    if (status == CUBLAS_STATUS_NOT_SUPPORTED) return {};
    lt_->check(status, "cublasLtMatmulAlgoGetHeuristic");
    out.resize(static_cast<std::size_t>(found));
    std::erase_if(out, [](const Algorithm& each) { return each.state != CUBLAS_STATUS_SUCCESS; });
    return out;
  }
  void take(const Algorithm& algorithm) { result_ = algorithm; }

  [[nodiscard]] std::size_t workspace_bytes() const override { return result_.workspaceSize; }

  void run(runtime::Stream& stream, const LibraryArgs& args) override {
    if (op_.bias) set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, args.bias);
    lt_->check(
        lt_->cublasLtMatmul(handle_.get(), product_.get(), scale_.factor(), args.second, b_.get(),
                            args.first, a_.get(), scale_.none(), args.result, c_.get(), args.result,
                            c_.get(), &result_.algo, args.workspace, result_.workspaceSize,
                            static_cast<cudaStream_t>(stream.native())),
        "cublasLtMatmul");
  }

 private:
  template <class T>
  void set(cublasLtMatmulDescAttributes_t attribute, const T& value) {
    lt_->check(lt_->cublasLtMatmulDescSetAttribute(product_.get(), attribute, &value, sizeof(T)),
               "cublasLtMatmulDescSetAttribute");
  }
  void describe_product(Float32Precision precision) {
    cublasLtMatmulDesc_t raw = nullptr;
    lt_->check(lt_->cublasLtMatmulDescCreate(&raw, compute_type(op_.dtype, precision),
                                             scale_type(op_.dtype)),
               "cublasLtMatmulDescCreate");
    product_ = {raw, [lt = lt_](auto* owned) { (void)lt->cublasLtMatmulDescDestroy(owned); }};
    set(CUBLASLT_MATMUL_DESC_TRANSA, op_.transpose_b ? CUBLAS_OP_T : CUBLAS_OP_N);
    set(CUBLASLT_MATMUL_DESC_TRANSB, op_.transpose_a ? CUBLAS_OP_T : CUBLAS_OP_N);
    cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
    if (op_.bias) epilogue = op_.relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_BIAS;
    if (!op_.bias && op_.relu) epilogue = CUBLASLT_EPILOGUE_RELU;
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  }
  /// Rows and columns as cuBLAS counts them, without gaps, nor any between matrices.
  [[nodiscard]] Owned<cublasLtMatrixLayout_t> layout(DType dtype, std::int64_t rows,
                                                     std::int64_t columns) {
    cublasLtMatrixLayout_t raw = nullptr;
    lt_->check(
        lt_->cublasLtMatrixLayoutCreate(&raw, data_type(dtype), static_cast<std::uint64_t>(rows),
                                        static_cast<std::uint64_t>(columns), rows),
        "cublasLtMatrixLayoutCreate");
    Owned<cublasLtMatrixLayout_t> owner{
        raw, [lt = lt_](auto* owned) { (void)lt->cublasLtMatrixLayoutDestroy(owned); }};
    const auto set_layout = [&](cublasLtMatrixLayoutAttribute_t attribute, const auto& value) {
      lt_->check(lt_->cublasLtMatrixLayoutSetAttribute(raw, attribute, &value, sizeof(value)),
                 "cublasLtMatrixLayoutSetAttribute");
    };
    if (op_.matrices != 1) {
      set_layout(CUBLASLT_MATRIX_LAYOUT_BATCH_COUNT, static_cast<std::int32_t>(op_.matrices));
      set_layout(CUBLASLT_MATRIX_LAYOUT_STRIDED_BATCH_OFFSET, rows * columns);
    }
    return owner;
  }

  std::shared_ptr<const Functions> lt_;
  Owned<cublasLtHandle_t> handle_;
  LibraryProduct op_;
  Scale scale_;
  Owned<cublasLtMatmulDesc_t> product_;
  Owned<cublasLtMatrixLayout_t> a_, b_, c_;
  Algorithm result_{};
};

}  // namespace

/// Its functions, and a handle of the device.
struct CublasLt::Library {
  Library(std::shared_ptr<const Functions> functions, int device) : lt(std::move(functions)) {
    cublasLtHandle_t raw = nullptr;
    lt->check(lt->cublasLtCreate(&raw), "cublasLtCreate");
    handle = {raw, [lt = lt, device](auto* owned) {
                if (runtime::cuda_has_gone()) return;
                runtime::try_make_current(device);
                (void)lt->cublasLtDestroy(owned);
              }};
  }

  std::shared_ptr<const Functions> lt;
  Owned<cublasLtHandle_t> handle;
};

std::optional<CublasLt> CublasLt::start(int device) {
  auto functions = std::make_shared<Functions>();
  if (!functions->load()) return {};
  return CublasLt(std::make_shared<const Library>(std::move(functions), device));
}

std::shared_ptr<LibraryPlan> CublasLt::plan(const LibraryProduct& op, Float32Precision precision,
                                            const std::string& engine) const {
  const auto product = std::make_shared<Product>(library_->lt, library_->handle, op, precision);
  const auto all = product->algorithms(engine.empty() ? 1 : Tuner::kMostTried);
  if (all.empty()) return nullptr;
  const auto named = std::find_if(all.begin(), all.end(),
                                  [&](const Algorithm& each) { return name_of(each) == engine; });
  product->take(named == all.end() ? all.front() : *named);
  return product;
}

EngineChoices CublasLt::choices(const LibraryProduct& op, Float32Precision precision) const {
  const auto all =
      Product(library_->lt, library_->handle, op, precision).algorithms(Tuner::kMostTried);
  EngineChoices out;
  for (const Algorithm& each : all) out.engines.push_back(name_of(each));
  out.build = [=, library = library_](std::size_t i) {
    auto product = std::make_shared<Product>(library->lt, library->handle, op, precision);
    product->take(all.at(i));
    return product;
  };
  return out;
}

std::string CublasLt::name() const {
  return fmt::format("cuBLASLt {}", library_->lt->cublasLtGetVersion());
}

}  // namespace lamina::ops::cuda
