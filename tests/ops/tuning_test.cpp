// The choice of engines by measurement: the file in which it is kept, the choice, and the timer on
// the fake device. The libraries' engines themselves need a GPU (tests/gpu).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <lamina/devices.h>
#include <lamina/error.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <random>
#include <thread>

#include "ops/cuda/engines.h"
#include "ops/cuda/host_engine.h"
#include "ops/cuda/tuner.h"
#include "tests/fakes/captured_warnings.h"
#include "tests/fakes/fake_gpu.h"
#include "tests/fakes/temporary_directory.h"
#include "tests/fresh_seed.h"

namespace lamina::ops::cuda {
namespace {

using lamina::testing::CapturedWarnings;
using lamina::testing::FakeGpu;
using lamina::testing::FakeRuntime;
using lamina::testing::TemporaryDirectory;
using lamina::testing::VirtualClock;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
namespace fs = std::filesystem;

class Tuning : public ::testing::Test {
 protected:
  Tuning() { RecordProperty("seed", std::to_string(seed_)); }

  std::size_t below(std::size_t n) { return random_() % n; }
  std::string any_word() {
    std::string out;
    while (out.size() < 8) out += static_cast<char>('!' + below(90));
    return out;
  }
  LibraryOp any_op() {
    const auto n = [&] { return static_cast<std::int64_t>(1 + below(9)); };
    constexpr DType kTypes[] = {DType::kFloat32, DType::kFloat16, DType::kBFloat16};
    const DType dtype = kTypes[below(3)];
    if (below(4) == 0) return LibraryNorm{.dtype = dtype, .rows = n(), .width = n()};
    if (below(2) == 0) {
      if (below(2) == 0) {
        return LibraryProduct{.dtype = dtype,
                              .rows = n(),
                              .columns = n(),
                              .depth = n(),
                              .matrices = n(),
                              .wide = below(2) == 0};
      }
      return LibraryProduct{
          .dtype = dtype, .rows = n(), .columns = n(), .depth = n(), .bias = below(2) == 0};
    }
    LibraryConvolution op;
    op.direction = static_cast<LibraryConvolution::Direction>(below(3));
    op.dtype = dtype;
    op.groups = n();
    op.x = {n(), 5, 7, n() * op.groups};
    op.y = {op.x[0], 3, 5, n() * op.groups};
    op.kernel = {3, 3};
    op.bias = op.direction == LibraryConvolution::Direction::kForward && below(2) == 0;
    return op;
  }
  [[nodiscard]] fs::path file() const { return directory_ / "engines.txt"; }
  [[nodiscard]] std::string text() const {
    std::ifstream in(file(), std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void put(const std::string& text) const { std::ofstream(file(), std::ios::binary) << text; }
  [[nodiscard]] std::vector<std::string> files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_.path())) {
      names.push_back(entry.path().filename());
    }
    return names;
  }

  unsigned seed_ = lamina::test::fresh_seed();
  std::mt19937 random_{seed_};
  TemporaryDirectory directory_;
};

using TunedEnginesFile = Tuning;

TEST_F(TunedEnginesFile, IsReadByTheNextProcess) {
  std::map<std::pair<std::string, std::string>, std::string> wanted;
  {
    TunedEngines tuned(file());
    for (int i = 0; i < 20; ++i) {
      const auto key = std::pair(any_word() + " " + any_word(), describe(any_op()));
      wanted[key] = any_word();
      tuned.keep(key.first, key.second, "replaced by what is measured later");
      tuned.keep(key.first, key.second, wanted[key]);
    }
  }
  const TunedEngines next(file());
  for (const auto& [key, engine] : wanted) {
    EXPECT_EQ(next.find(key.first, key.second), engine);
    EXPECT_EQ(next.find(key.first + "+", key.second), std::nullopt) << "another device";
  }
}

TEST_F(TunedEnginesFile, TakesAnyName) {
  TunedEngines(file()).keep("a\tb\nc", "d\re\t", "f\tg");
  EXPECT_EQ(TunedEngines(file()).find("a\tb\nc", "d\re\t"), "f g");
}

TEST_F(TunedEnginesFile, KeepsWhatOtherProcessesPutThere) {
  TunedEngines one(file()), other(file());
  one.keep("gpu", "a", "1");
  other.keep("gpu", "b", "2");
  const TunedEngines all(file());
  EXPECT_EQ(all.find("gpu", "a"), "1");
  EXPECT_EQ(all.find("gpu", "b"), "2");
  EXPECT_EQ(other.find("gpu", "a"), std::nullopt) << "it is read once";
}

TEST_F(TunedEnginesFile, IsWholeAtEveryMomentWhoeverWrites) {
  const CapturedWarnings warnings;  // one for each file that was not whole
  std::atomic<bool> writing = true;
  std::thread reader([&] {
    while (writing) {
      const TunedEngines seen(file());
      for (int i = 0; i < 20; ++i) {
        const std::string op = std::to_string(i);
        EXPECT_EQ(seen.find("gpu", op).value_or(op), op);
      }
    }
  });
  std::vector<std::thread> writers;
  for (int w = 0; w < 4; ++w) {
    writers.emplace_back([&] {
      for (int i = 0; i < 20; ++i) {
        TunedEngines(file()).keep("gpu", std::to_string(i), std::to_string(i));
      }
    });
  }
  for (std::thread& each : writers) each.join();
  writing = false;
  reader.join();
  EXPECT_THAT(warnings.all, IsEmpty());
  EXPECT_EQ(TunedEngines(file()).find("gpu", "19"), "19") << "all four kept it last";
  EXPECT_THAT(files(), ElementsAre("engines.txt"));
}

TEST_F(TunedEnginesFile, IsMadeAnewWhenItIsDamaged) {
  TunedEngines(file()).keep("gpu", "op", "engine");
  const std::string whole = text();
  const std::size_t title = whole.find('\n') + 1;
  std::vector<std::string> damaged{"", whole.substr(0, title)};
  for (int i = 0; i < 50; ++i) {
    std::string flipped = whole;
    flipped[title + below(whole.size() - title)] ^= static_cast<char>(1 << below(8));
    damaged.push_back(flipped);
    damaged.push_back(whole.substr(0, title + below(whole.size() - title)));
  }
  for (const std::string& each : damaged) {
    put(each);
    const CapturedWarnings warnings;
    TunedEngines tuned(file());
    EXPECT_EQ(tuned.find("gpu", "op"), std::nullopt) << each;
    EXPECT_THAT(warnings.all, ElementsAre(HasSubstr(file().string() + " is damaged"))) << each;
    tuned.keep("gpu", "op", "another");
    EXPECT_EQ(TunedEngines(file()).find("gpu", "op"), "another");
    EXPECT_EQ(warnings.all.size(), 2U) << "also by what keeps, and no longer then";
  }
}

TEST_F(TunedEnginesFile, IsLeftAloneWhenItIsNotOurs) {
  for (const char* theirs : {"lamina engines 2\nof a later version\n", "{\"json\": true}", "\n"}) {
    put(theirs);
    const CapturedWarnings warnings;
    TunedEngines tuned(file());
    EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("is not a table of engines")));
    tuned.keep("gpu", "op", "engine");
    EXPECT_EQ(tuned.find("gpu", "op"), "engine") << "known to this process";
    EXPECT_EQ(text(), theirs);
  }
}

TEST_F(TunedEnginesFile, IsDoneWithoutWhereItCannotBeWritten) {
  put("in the place of a folder");
  const CapturedWarnings warnings;
  TunedEngines tuned(file() / "engines.txt");
  tuned.keep("gpu", "a", "1");
  tuned.keep("gpu", "b", "2");
  EXPECT_EQ(tuned.find("gpu", "a"), "1");
  EXPECT_EQ(tuned.find("gpu", "b"), "2");
  EXPECT_THAT(warnings.all, ElementsAre(HasSubstr("What was measured is not kept")));
}

/// A variable of the environment for as long as this lives.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* old = std::getenv(name)) old_ = old;
    set(value);
  }
  ~Environment() { set(old_ ? old_->c_str() : nullptr); }
  Environment(const Environment&) = delete;
  Environment& operator=(const Environment&) = delete;

 private:
  void set(const char* value) const {
    (void)(value == nullptr ? ::unsetenv(name_) : ::setenv(name_, value, 1));
  }
  const char* name_;
  std::optional<std::string> old_;
};

TEST_F(TunedEnginesFile, LiesInTheUsersCache) {
  {
    const Environment cache("XDG_CACHE_HOME", "/c"), home("HOME", "/home/u");
    EXPECT_EQ(tuned_engines_file("/here"), "/here/engines.txt");
    EXPECT_EQ(tuned_engines_file({}), "/c/lamina/engines.txt");
  }
  for (const char* none : {static_cast<const char*>(nullptr), "", "not/absolute"}) {
    const Environment cache("XDG_CACHE_HOME", none), home("HOME", "/home/u");
    EXPECT_EQ(tuned_engines_file({}), "/home/u/.cache/lamina/engines.txt");
    const Environment homeless("HOME", nullptr);
    EXPECT_EQ(tuned_engines_file({}), "");
  }
}

TEST(Float32PrecisionOption, IsStrictUntilAnotherIsAskedFor) {
  EXPECT_EQ(float32_precision(), Float32Precision::kStrict);
  set_float32_precision(Float32Precision::kTf32);
  EXPECT_EQ(float32_precision(), Float32Precision::kTf32);
  set_float32_precision(Float32Precision::kStrict);
  EXPECT_EQ(float32_precision(), Float32Precision::kStrict);
}

TEST(Float32PrecisionOption, HoldsForEnginesThatAreMadeFromThenOn) {
  const FakeGpu gpu;
  const auto context = runtime::devices().get(Device::cuda());
  const auto before = engine_of(context);
  set_float32_precision(Float32Precision::kTf32);
  EXPECT_NE(engine_of(context), before);
  set_float32_precision(Float32Precision::kStrict);
  EXPECT_EQ(engine_of(context), before);
}

TEST(AutotuningOption, IsOffUntilItIsAskedFor) {
  EXPECT_FALSE(autotuning().enabled);
  set_autotuning({.enabled = true, .directory = "/somewhere"});
  EXPECT_TRUE(autotuning().enabled);
  EXPECT_EQ(autotuning().directory, "/somewhere");
  set_autotuning({});
  EXPECT_FALSE(autotuning().enabled);
}

TEST(AutotuningOption, HoldsForEnginesThatAreMadeFromThenOn) {
  const FakeGpu gpu;
  const auto context = runtime::devices().get(Device::cuda());
  const auto before = engine_of(context);
  EXPECT_EQ(engine_of(context), before);
  set_autotuning({.enabled = true});
  EXPECT_NE(engine_of(context), before);
  set_autotuning({});
  EXPECT_EQ(engine_of(context), before);
}

/// Knows its number.
class Numbered final : public LibraryPlan {
 public:
  explicit Numbered(std::size_t number) : number(number) {}
  [[nodiscard]] std::size_t workspace_bytes() const override { return 0; }
  void run(runtime::Stream&, const LibraryArgs&) override {}
  const std::size_t number;
};

DeviceError broken() {
  return {"cudnnBackendExecute", "CUDNN_STATUS_EXECUTION_FAILED", "broken",
          SourceLocation::current()};
}

/// Engines that take times of the test's choosing.
class FakeLibrary {
 public:
  enum class Way { kWorks, kIsNotBuilt, kThrowsWhenBuilt, kThrowsWhenRun };
  struct Each {
    std::string name;
    double seconds;
    Way way = Way::kWorks;
  };
  std::vector<Each> engines;
  int asked = 0;
  std::vector<std::size_t> measured;

  [[nodiscard]] std::function<EngineChoices()> choices() {
    return [this] {
      ++asked;
      EngineChoices out;
      for (const Each& each : engines) out.engines.push_back(each.name);
      out.build = [this](std::size_t i) -> std::shared_ptr<LibraryPlan> {
        if (engines[i].way == Way::kThrowsWhenBuilt) throw broken();
        if (engines[i].way == Way::kIsNotBuilt) return nullptr;
        return std::make_shared<Numbered>(i);
      };
      return out;
    };
  }
  [[nodiscard]] Tuner::MakeTimer timer() {
    return [this](const LibraryOp&) -> PlanTimer {
      return [this](LibraryPlan& plan) {
        const std::size_t i = dynamic_cast<const Numbered&>(plan).number;
        if (engines[i].way == Way::kThrowsWhenRun) throw broken();
        measured.push_back(i);
        return engines[i].seconds;
      };
    };
  }
};

class EngineChoice : public Tuning {
 protected:
  /// Of different speeds, in any order.
  void make_engines(std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      library_.engines.push_back(
          {"engine " + std::to_string(i), 1e-3 * static_cast<double>(i + 1)});
    }
    std::shuffle(library_.engines.begin(), library_.engines.end(), random_);
  }
  [[nodiscard]] std::optional<std::string> choose(const LibraryOp& op,
                                                  const std::string& where = "gpu") {
    Tuner tuner(TunedEngines(file()), library_.timer());  // as in a process of its own
    return tuner.fastest(where, op, library_.choices());
  }
  FakeLibrary library_;
};

TEST_F(EngineChoice, IsTheFastestAndIsMeasuredOnce) {
  make_engines(2 + below(Tuner::kMostTried - 1));
  const LibraryOp op = any_op();
  EXPECT_EQ(choose(op), "engine 0");
  EXPECT_EQ(library_.measured.size(), library_.engines.size());
  EXPECT_EQ(choose(op), "engine 0");
  EXPECT_EQ(library_.asked, 1) << "the second process took it from the file";
}

TEST_F(EngineChoice, IsMadeForEachDeviceLibraryAndOperation) {
  make_engines(3);
  LibraryProduct op{.rows = 3, .columns = 4, .depth = 5};
  (void)choose(op);
  (void)choose(op, "another gpu");
  op.relu = true;
  (void)choose(op);
  op.relu = false;
  op.matrices = 2;
  (void)choose(op);
  op.scale = 0.5;
  (void)choose(op);
  op.dtype = DType::kFloat16;
  (void)choose(op);
  op.wide = true;
  (void)choose(op);
  EXPECT_EQ(library_.asked, 7);
}

TEST_F(EngineChoice, LeavesOutWhatFails) {
  using Way = FakeLibrary::Way;
  make_engines(8);
  for (auto& each : library_.engines) {
    if (each.name == "engine 0") each.way = Way::kIsNotBuilt;
    if (each.name == "engine 1") each.way = Way::kThrowsWhenBuilt;
    if (each.name == "engine 2") each.way = Way::kThrowsWhenRun;
  }
  EXPECT_EQ(choose(any_op()), "engine 3");
}

TEST_F(EngineChoice, IsLeftToTheLibraryWhereThereIsNone) {
  const LibraryOp op = any_op();
  EXPECT_EQ(choose(op), std::nullopt);
  make_engines(1);
  EXPECT_EQ(choose(op), std::nullopt);
  library_.engines.push_back({"broken", 0, FakeLibrary::Way::kThrowsWhenRun});
  EXPECT_EQ(choose(op), std::nullopt);
  EXPECT_THAT(files(), IsEmpty()) << "nothing to keep";
  library_.engines.push_back({"faster", 1e-6});
  EXPECT_EQ(choose(op), "faster") << "asked anew";
}

TEST_F(EngineChoice, StopsWhereTheLibraryExpectsLittle) {
  make_engines(3 * Tuner::kMostTried);
  (void)choose(any_op());
  ASSERT_EQ(library_.measured.size(), Tuner::kMostTried);
  for (std::size_t i = 0; i < Tuner::kMostTried; ++i) EXPECT_EQ(library_.measured[i], i);
}

TEST_F(EngineChoice, SaysWhyItIsNotMade) {
  make_engines(3);
  const CapturedWarnings warnings;
  const FakeGpu gpu({.memory = 1});
  const LibraryOp op = any_op();
  Tuner tuner(TunedEngines(file()), timer_on(runtime::devices().get(Device::cuda())));
  EXPECT_EQ(tuner.fastest("gpu", op, library_.choices()), std::nullopt);
  EXPECT_THAT(warnings.all, ElementsAre(::testing::AllOf(HasSubstr(describe(op)),
                                                         HasSubstr("cudaErrorMemoryAllocation"))));
}

/// Copies so many bytes from page-locked memory into its workspace, which takes virtual time.
class Copying final : public LibraryPlan {
 public:
  Copying(FakeRuntime& gpu, std::size_t size) : gpu_(gpu), from_(gpu.allocate_pinned(size)) {}
  [[nodiscard]] std::size_t workspace_bytes() const override { return from_->size(); }
  void run(runtime::Stream& stream, const LibraryArgs& args) override {
    used = gpu_.used();
    ++runs;
    stream.copy(std::vector<runtime::Copy>{
        {static_cast<std::byte*>(args.workspace), from_->address(), from_->size()}});
  }
  std::size_t used = 0;
  int runs = 0;

 private:
  FakeRuntime& gpu_;
  std::unique_ptr<runtime::PinnedMemory> from_;
};

class EngineTimer : public Tuning {
 protected:
  [[nodiscard]] PlanTimer timer(const LibraryOp& op) const {
    return timer_on(runtime::devices().get(Device::cuda()))(op);
  }
  VirtualClock clock_;
  FakeGpu gpu_{{.seed = seed_, .bytes_per_second = 1e6, .clock = &clock_}};
};

TEST_F(EngineTimer, GivesTheTimeOfOneRun) {
  Copying plan(*gpu_, 1 + below(5000));
  const double seconds = timer(any_op())(plan);
  EXPECT_NEAR(seconds, static_cast<double>(plan.workspace_bytes()) / 1e6, 1e-9);
  EXPECT_GE(plan.runs, 5);
}

std::size_t operand_bytes(const LibraryOp& op) {
  const auto bytes = [](std::int64_t elements, DType dtype) {
    return static_cast<std::size_t>(elements) * dtype_size(dtype);
  };
  if (const auto* norm = std::get_if<LibraryNorm>(&op)) {
    return bytes(2 * norm->rows * norm->width, norm->dtype) +
           bytes(2 * norm->width, DType::kFloat32);
  }
  if (const auto* product = std::get_if<LibraryProduct>(&op)) {
    const DType result = product->wide ? DType::kFloat32 : product->dtype;
    return bytes(product->matrices * product->depth * (product->rows + product->columns) +
                     (product->bias ? product->columns : 0),
                 product->dtype) +
           bytes(product->matrices * product->rows * product->columns, result);
  }
  const auto& conv = std::get<LibraryConvolution>(op);
  return bytes(conv.x.size() + conv.y.size() +
                   conv.y[3] * conv.kernel[0] * conv.kernel[1] * conv.x[3] / conv.groups +
                   (conv.bias ? conv.y[3] : 0),
               conv.dtype);
}

TEST_F(EngineTimer, HasRoomForWhatThePlanReadsAndWritesAndGivesItBack) {
  for (int i = 0; i < 20; ++i) {
    const LibraryOp op = any_op();
    Copying plan(*gpu_, 100);
    (void)timer(op)(plan);
    EXPECT_EQ(plan.used, operand_bytes(op) + 100) << describe(op);
    EXPECT_EQ(gpu_->used(), 0U);
  }
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(EngineTimer, RunsWhatTheBackendRuns) {
  HostEngine engine;
  for (int i = 0; i < 5; ++i) {
    LibraryOp op = LibraryProduct{.rows = 3, .columns = 4, .depth = 5, .bias = i % 2 == 0};
    const auto plan = engine.plan(op);
    ASSERT_NE(plan, nullptr);
    const std::size_t before = gpu_->calls();
    EXPECT_EQ(timer(op)(*plan), 0.0);  // on the device's clock, which the host's work does not move
    EXPECT_GE(gpu_->calls(), before + 2 + 3 * 50) << "a call for each run";
  }
}

TEST_F(EngineTimer, OutlivesEveryFailure) {
  using Fault = FakeRuntime::Fault;
  const LibraryOp op = any_op();
  for (const Fault fault : {Fault::kNow, Fault::kLater}) {
    bool failed = true;
    std::size_t failures = 0;
    for (std::size_t n = 0; failed; ++n) {
      ASSERT_LT(n, 1000U);
      failed = false;
      Copying sound(*gpu_, 100), plan(*gpu_, 100);
      gpu_->fail_at(n, "cudaErrorLaunchFailure", fault);
      try {
        const PlanTimer each = timer(op);
        try {
          (void)each(plan);
          failed = gpu_->calls() > n;
        } catch (const DeviceError&) {
          gpu_->fail_never();
          EXPECT_NEAR(each(sound), 1e-4, 1e-9) << "the next engine is measured all the same";
          failed = true;
        }
      } catch (const DeviceError& error) {
        EXPECT_THAT(error.what(), HasSubstr("injected fault"));
        failed = true;
      }
      gpu_->fail_never();
      ASSERT_EQ(gpu_->used(), 0U) << n;
      failures += failed;
    }
    EXPECT_GT(failures, 3U);
  }
  EXPECT_EQ(gpu_->disorders(), std::vector<std::string>{});
}

TEST_F(EngineTimer, LetsTheTunerTakeTheFastest) {
  std::vector<std::size_t> sizes{300, 700, 1100, 1900};
  std::shuffle(sizes.begin(), sizes.end(), random_);
  Tuner tuner(TunedEngines(file()), timer_on(runtime::devices().get(Device::cuda())));
  const auto choices = [&] {
    EngineChoices out;
    for (const std::size_t size : sizes) out.engines.push_back(std::to_string(size));
    out.build = [&](std::size_t i) { return std::make_shared<Copying>(*gpu_, sizes[i]); };
    return out;
  };
  EXPECT_EQ(tuner.fastest("gpu", any_op(), choices), "300");
}

}  // namespace
}  // namespace lamina::ops::cuda
