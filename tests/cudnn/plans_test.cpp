// What cuDNN plans for GPUs that are not here, from descriptions of them: every convolution that
// the applications run, forward and backward, a table of edge cases, and what cuDNN would have for
// the nodes that kernels of ours do: norms and gradients of pooling. The table of engines goes
// to LAMINA_RESULTS; tests/cudnn/engines.md sums up the last one that was looked at.
#include <gtest/gtest.h>

#ifdef LAMINA_HAVE_CUDNN
#include <dlfcn.h>
#include <fmt/format.h>
#include <lamina/devices.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "asked.h"
#include "ops/cuda/libraries/cudnn_graph.h"
#include "ops/cuda/library_convolution.h"
#include "our_nodes.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::cuda {
namespace {

using Direction = LibraryConvolution::Direction;

struct Gpu {
  const char *name, *file;
};
constexpr Gpu kGpus[] = {{"sm_80", "a100.json"}, {"sm_90", "h200.json"}};

/// Lies under data/; LAMINA_DEVICE_DESCRIPTIONS names the folder where that is not there.
CudnnTarget described(const char* file) {
  const char* given = std::getenv("LAMINA_DEVICE_DESCRIPTIONS");
  std::ifstream in(std::filesystem::path(given == nullptr ? LAMINA_TEST_DATA : given) / file);
  return CudnnTarget::described({std::istreambuf_iterator<char>(in), {}});
}

/// How an operation comes to be done; kOurs: by a kernel of ours, or, where an activation was to be
/// fused, by a convolution and a kernel of ours behind it.
enum class Way { kBuilt, kSupported, kPadded, kOurs };

/// `known`: how it came to be done when engines.md was written.
struct Row {
  std::string gpu, op, engine;
  Way way, known = Way::kSupported;
};

const char* name_of(Way way) {
  switch (way) {
    case Way::kBuilt:
      return "built";
    case Way::kSupported:
      return "supported";
    case Way::kPadded:
      return "padded by us";
    case Way::kOurs:
      return "none";
  }
  return "";
}

Way way_of(const CudnnGraph& planned, bool padded) {
  if (!planned.supported()) return Way::kOurs;
  if (padded) return Way::kPadded;
  return planned.built ? Way::kBuilt : Way::kSupported;
}

std::string first_line(const std::string& text) {
  return text.substr(0, text.find('\n'));
}

/// The version that engines.md and `known_way` are about.
constexpr const char* kKnownVersion = "cuDNN 9.19.0";

/// What that version has: a plan for every convolution in each direction, but that we pad the input
/// where that is not equal and the gradient is of the kernel; for norms, what is compiled at run
/// time. To be changed by hand for another version, after a look at what `scripts/test.sh plans`
/// leaves.
Way known_way(const LibraryOp& op) {
  const auto* convolution = std::get_if<LibraryConvolution>(&op);
  if (convolution == nullptr) return Way::kSupported;
  const bool unequal = convolution->before != convolution->after;
  return convolution->direction == Direction::kKernel && unequal ? Way::kPadded : Way::kBuilt;
}

/// As the backend goes about it (see plan_convolution).
Row plan(const Gpu& gpu, const CudnnTarget& target, const LibraryOp& op) {
  const auto* convolution = std::get_if<LibraryConvolution>(&op);
  const bool misread = convolution != nullptr && padding_misread(*convolution);
  CudnnGraph planned;
  if (!misread) planned = plan_with_cudnn(target, op);
  bool padded = false;
  if (!planned.supported() && convolution != nullptr && convolution->before != convolution->after) {
    planned = plan_with_cudnn(target, with_padded_input(*convolution));
    padded = true;
  }
  const std::string engine = planned.built ? planned.engine : planned.problem;
  return {gpu.name, describe(op), first_line(engine), way_of(planned, padded), known_way(op)};
}

/// In float32 and bfloat16, and convolutions in all three directions.
std::vector<LibraryOp> variants(const LibraryOp& op) {
  std::vector<LibraryOp> out;
  for (const DType dtype : {DType::kFloat32, DType::kBFloat16}) {
    const LibraryOp typed = with(op, dtype);
    out.push_back(typed);
    if (const auto* convolution = std::get_if<LibraryConvolution>(&typed)) {
      for (const Direction direction :
           {Direction::kForward, Direction::kInput, Direction::kKernel}) {
        out.emplace_back(with(*convolution, direction));
      }
    }
  }
  return out;
}

/// One in so many: planning all of it takes minutes. LAMINA_CUDNN_SHARE=1 takes all.
constexpr std::size_t kShare = 24;

template <class Table>
Table some_of(const Table& asked) {
  const char* given = std::getenv("LAMINA_CUDNN_SHARE");
  const std::size_t share = given == nullptr ? kShare : std::strtoul(given, nullptr, 10);
  std::size_t at = lamina::test::fresh_seed() % share;
  std::printf("every operation of %zu, from number %zu on\n", share, at);
  Table some;
  for (const auto& entry : asked) {
    if (at++ % share == 0) some.insert(entry);
  }
  return some;
}

/// Kept: the driver's functions are looked up in it by its name, libcuda.so.1.
void load_driver() {
  if (dlopen("libcuda.so.1", RTLD_NOW) == nullptr) (void)dlopen(LAMINA_CUDA_STUB, RTLD_NOW);
}

std::vector<Row> plan_all(const Asked& asked) {
  load_driver();
  Asked all;
  for (const auto& [name, op] : asked) {
    for (const LibraryOp& each : variants(op)) all.emplace(describe(each), each);
  }
  std::vector<Row> rows;
  for (const Gpu& gpu : kGpus) {
    const CudnnTarget target = described(gpu.file);
    for (const auto& [name, op] : all) {
      if (!std::holds_alternative<LibraryProduct>(op)) rows.push_back(plan(gpu, target, op));
    }
  }
  return rows;
}

std::vector<Row> ask_all(const Nodes& nodes) {
  load_driver();
  std::vector<Row> rows;
  for (const Gpu& gpu : kGpus) {
    const CudnnTarget target = described(gpu.file);
    for (const auto& [name, ask] : nodes) {
      const Verdict verdict = ask(target);
      const Way way = !verdict.supported ? Way::kOurs
                      : verdict.built    ? Way::kBuilt
                                         : Way::kSupported;
      rows.push_back({gpu.name, name, first_line(verdict.words), way});
    }
  }
  return rows;
}

/// "sm_80 convolution forward float32 bias activation": what rows are counted by.
std::string kind_of(const Row& row) {
  std::string words;
  std::size_t at = 0;
  for (int i = 0; i < 3; ++i) {
    const std::size_t end = row.op.find(' ', at);
    words.append(1, ' ').append(row.op, at, end - at);
    at = end + 1;
  }
  for (const char* more : {" bias", " activation"}) {
    if (row.op.find(more) != std::string::npos) words += more;
  }
  return row.gpu + words;
}

void keep(const std::string& name, const std::vector<Row>& rows) {
  std::map<std::string, std::map<Way, int>> counts;
  for (const Row& row : rows) ++counts[kind_of(row)][row.way];
  for (const auto& [kind, ways] : counts) {
    std::string line = fmt::format("{:<52}", kind);
    for (const Way way : {Way::kBuilt, Way::kSupported, Way::kPadded, Way::kOurs}) {
      const auto found = ways.find(way);
      line += fmt::format(" {} {}", name_of(way), found == ways.end() ? 0 : found->second);
    }
    std::puts(line.c_str());
  }
  const char* results = std::getenv("LAMINA_RESULTS");
  if (results == nullptr) return;
  std::ofstream out(std::filesystem::path(results) / (name + ".tsv"));
  out << "gpu\toperation\tway\tengine\n";
  for (const Row& row : rows) {
    out << row.gpu << '\t' << row.op << '\t' << name_of(row.way) << '\t' << row.engine << '\n';
  }
}

void show(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    std::printf("%s %s: %s %s\n", row.gpu.c_str(), row.op.c_str(), name_of(row.way),
                row.engine.c_str());
  }
}

/// Convolutions alone, without what could be fused with them, forward: libraries have to have
/// those, or the applications would be slow.
void expect_no_slow_forward(const std::vector<Row>& rows) {
  for (const Row& row : rows) {
    const bool plain = row.op.find(" bias") == std::string::npos &&
                       row.op.find(" activation") == std::string::npos;
    if (!plain || row.op.find("forward") == std::string::npos) continue;
    EXPECT_NE(row.way, Way::kOurs) << row.gpu << ": " << row.op << ": " << row.engine;
  }
}

/// The same, and of the version that is known every single one, in all directions.
void expect_as_known(const std::vector<Row>& rows) {
  expect_no_slow_forward(rows);
  if (cudnn_name() != kKnownVersion) {
    std::printf("%s: not compared with what %s plans\n", cudnn_name().c_str(), kKnownVersion);
    return;
  }
  for (const Row& row : rows) {
    // A GPU's driver compiles what only passes its support check without one.
    const bool compiled = row.known == Way::kSupported && row.way == Way::kBuilt;
    if (compiled && !cuda_devices().usable.empty()) continue;
    EXPECT_STREQ(name_of(row.way), name_of(row.known))
        << row.gpu << ": " << row.op << ": " << row.engine;
  }
}

/// True of "batch_norm training float32 (8, 28, 28, 44)" for channels that fill 16 bytes: cuDNN's
/// engines take no others.
bool fills_16_bytes(const std::string& op) {
  const std::size_t channels = op.rfind(", ", op.find(')')) + 2;
  return std::stoi(op.substr(channels)) % (op.find("float32") == std::string::npos ? 8 : 4) == 0;
}

/// Of nodes that kernels of ours do: what engines.md and csrc/ops/cuda/normalization.cpp say.
void expect_ours_as_known(const std::vector<Row>& rows) {
  if (cudnn_name() != kKnownVersion) return;
  for (const Row& row : rows) {
    SCOPED_TRACE(row.gpu + " " + row.op + ": " + row.engine);
    const bool lacking =
        row.op.starts_with("batch_norm inference") || row.op.starts_with("batch_norm statistics");
    const bool none = lacking || (row.op.starts_with("batch_norm") && !fills_16_bytes(row.op));
    EXPECT_EQ(row.way, none ? Way::kOurs : Way::kSupported);
  }
}

class CudnnPlans : public ::testing::TestWithParam<std::int64_t> {};

TEST_P(CudnnPlans, AreThereForWhatTheApplicationsRun) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  const std::vector<Row> rows = plan_all(some_of(asked_by_applications(GetParam())));
  EXPECT_GT(rows.size(), 40U);
  keep("cudnn_applications_" + std::to_string(GetParam()), rows);
  expect_as_known(rows);
}

TEST_P(CudnnPlans, OfNormsThatTheApplicationsTrainAreKnown) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  const std::vector<Row> rows = ask_all(some_of(norms_of_applications(GetParam())));
  EXPECT_GT(rows.size(), 20U);
  keep("cudnn_norms_" + std::to_string(GetParam()), rows);
  expect_ours_as_known(rows);
}
INSTANTIATE_TEST_SUITE_P(Batch, CudnnPlans, ::testing::Values(1, 8));

/// A 3x3 convolution of 64 channels, and what may compute it on an H200.
LibraryConvolution middling() {
  LibraryConvolution op;
  op.x = op.y = {8, 56, 56, 64};
  op.kernel = {3, 3};
  op.before = op.after = {1, 1};
  return op;
}

CudnnGraph middling_convolution(Float32Precision precision, const std::string& engine = {}) {
  return plan_with_cudnn(described("h200.json"), middling(), precision, engine);
}

TEST(CudnnPlans, UseOtherEnginesWhereTf32IsAskedFor) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  const CudnnGraph strict = middling_convolution(Float32Precision::kStrict);
  const CudnnGraph tf32 = middling_convolution(Float32Precision::kTf32);
  ASSERT_TRUE(strict.built) << strict.problem;
  ASSERT_TRUE(tf32.built) << tf32.problem;
  EXPECT_NE(strict.engine, tf32.engine) << "tensor cores are the first choice where they may be";
}

/// As a choice that was measured is taken up by another process.
TEST(CudnnPlans, AreOfTheEngineThatIsNamed) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  constexpr auto kStrict = Float32Precision::kStrict;
  const EngineChoices choices = cudnn_choices(described("h200.json"), middling(), kStrict);
  const CudnnGraph first = middling_convolution(kStrict);
  ASSERT_EQ(choices.engines.size(), static_cast<std::size_t>(first.configurations));
  EXPECT_EQ(choices.engines.at(static_cast<std::size_t>(first.configuration)), first.engine);
  int others = 0;
  for (const std::string& engine : choices.engines) {
    const CudnnGraph named = middling_convolution(kStrict, engine);
    ASSERT_TRUE(named.built) << engine << ": " << named.problem;
    // One that rounds its inputs, or cannot be built here, is not taken even by name.
    EXPECT_TRUE(named.engine == engine || named.engine == first.engine) << named.engine;
    if (named.engine != first.engine) ++others;
  }
  EXPECT_GT(others, 0);
  EXPECT_LT(others, first.configurations - 1);
  EXPECT_EQ(middling_convolution(kStrict, "of another version").engine, first.engine);
}

/// cuDNN's interface would look for one to ask the driver, and throw where there is none.
TEST(CudnnPlans, NeedNoRuntimeLibraryOfCudas) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  (void)middling_convolution(Float32Precision::kStrict);
  for (const char* library : {"libcudart.so.12", "libcudart.so.13"}) {
    EXPECT_EQ(dlopen(library, RTLD_NOW | RTLD_NOLOAD), nullptr) << library;
  }
}

TEST(CudnnPlans, OfEdgeCasesAreKnown) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  const std::vector<Row> rows = plan_all(edge_cases());
  keep("cudnn_edge_cases", rows);
  show(rows);
  EXPECT_GT(rows.size(), 80U);
  std::set<std::string> kinds, wanted;
  for (const Row& row : rows) kinds.insert(kind_of(row));
  for (const Gpu& gpu : kGpus) {
    for (const char* kind :
         {"convolution forward", "convolution input", "convolution kernel", "layer_norm forward"}) {
      for (const char* dtype : {"float32", "bfloat16"}) {
        wanted.insert(fmt::format("{} {} {}", gpu.name, kind, dtype));
      }
    }
  }
  EXPECT_EQ(kinds, wanted);
  expect_as_known(rows);
}

TEST(CudnnPlans, OfNodesThatAreOursAreAsTheyWere) {
  if (!have_cudnn()) GTEST_SKIP() << "cuDNN cannot be loaded";
  Nodes nodes = norm_edge_cases();
  nodes.merge(pool_gradients());
  const std::vector<Row> rows = ask_all(nodes);
  keep("cudnn_ours", rows);
  show(rows);
  EXPECT_GT(rows.size(), 60U);
  expect_ours_as_known(rows);
}

}  // namespace
}  // namespace lamina::ops::cuda

#else

TEST(CudnnPlans, NeedABuildWithCudnn) {
  GTEST_SKIP() << "built without cuDNN";
}

#endif
