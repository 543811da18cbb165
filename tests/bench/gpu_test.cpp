// What bench/gpu makes of what it measures.
#include <gmock/gmock.h>

#include "bench/gpu/floors.h"
#include "bench/gpu/report.h"

namespace lamina::bench {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

graph::Program program_of(const ops::Conv2D& op) {
  graph::Program out;
  out.inputs = {out.add_value(op.x)};
  out.outputs = {out.add_value(op.y)};
  out.ops.push_back({op, out.inputs, {}, out.outputs[0], "conv"});
  return out;
}

TEST(ConvolutionFloor, IsThatOfTheProductsWhereTheyTakeLonger) {
  const graph::Program program =
      program_of({.x = {{2, 10, 10, 8}}, .y = {{2, 10, 10, 16}}, .kernel = {3, 3}});
  const double flops = 2.0 * (2 * 10 * 10 * 16) * 9 * 8;
  EXPECT_DOUBLE_EQ(convolution_floor(program, {.flops = 1e9, .bytes = 1e12}), flops / 1e9);
}

TEST(ConvolutionFloor, IsThatOfTheBytesWhereTheyTakeLonger) {
  const graph::Program program =
      program_of({.x = {{2, 10, 10, 8}}, .y = {{2, 10, 10, 8}}, .kernel = {3, 3}, .groups = 8});
  const double bytes = 4.0 * (2 * 10 * 10 * 8 * 2 + 9 * 8);
  EXPECT_DOUBLE_EQ(convolution_floor(program, {.flops = 1e15, .bytes = 1e9}), bytes / 1e9);
}

TEST(ConvolutionFloor, HalvesTheBytesOfHalfTheWidth) {
  const graph::Program program =
      program_of({.x = {{1, 4, 4, 8}, DType::kBFloat16}, .y = {{1, 4, 4, 4}, DType::kBFloat16}});
  const double bytes = 2.0 * (4 * 4 * 8 + 4 * 4 * 4 + 8 * 4);
  EXPECT_DOUBLE_EQ(convolution_floor(program, {.flops = 1e15, .bytes = 1e9}), bytes / 1e9);
}

TEST(ConvolutionFloor, AddsUpAndCountsNothingElse) {
  graph::Program program = program_of({.x = {{1, 4, 4, 8}}, .y = {{1, 4, 4, 8}}});
  const Speeds speeds{1e9, 1e9};
  const double one = convolution_floor(program, speeds);
  program.ops.push_back(program.ops[0]);
  program.ops.push_back({ops::UnaryOp{}, {}, {}, 0, "relu"});
  EXPECT_DOUBLE_EQ(convolution_floor(program, speeds), 2 * one);
}

json lamina_row(int batch, double rate) {
  return {{"engine", "lamina"},   {"precision", "TF32"}, {"batch", batch},
          {"images_per_s", rate}, {"latency_ms", 4.25},  {"of_floor", 1.75}};
}
json eager_row(int batch, double rate) {
  return {
      {"engine", "torch eager"}, {"precision", "TF32"}, {"batch", batch}, {"images_per_s", rate}};
}

std::string report_of(const char* what, const json& rows) {
  return gpu_report({{"device", "GPU X"}, {"date", "2026-01-02"}, {what, rows}});
}

TEST(GpuReport, HoldsInferenceAgainstPyTorchByBatch) {
  const std::string text =
      report_of("inference", {lamina_row(1, 130), lamina_row(8, 130), lamina_row(64, 90),
                              eager_row(1, 110), eager_row(8, 110), eager_row(64, 100)});
  EXPECT_THAT(text, HasSubstr("GPU X, 2026-01-02"));
  EXPECT_THAT(text, HasSubstr("| TF32, 1 | 130.0 | 4.25 ms | 1.8 | 110.0 | - | 1.18 (1.2: "
                              "**missed**) |"));
  EXPECT_THAT(text, HasSubstr("| TF32, 8 | 130.0 | 4.25 ms | 1.8 | 110.0 | - | 1.18 (1: met) |"));
  EXPECT_THAT(text, HasSubstr("0.90 (1: **missed**)"));
}

TEST(GpuReport, SaysNothingOfPyTorchWhereThatWasNotMeasured) {
  EXPECT_THAT(report_of("inference", json::array({lamina_row(8, 130)})),
              HasSubstr("| TF32, 8 | 130.0 | 4.25 ms | 1.8 | - | - | - |"));
}

TEST(GpuReport, HoldsTheRingAgainstThePeak) {
  const auto rows = [](double ring) {
    return json{{{"what", "device to page-locked memory, peak"}, {"gb_per_s", 50}},
                {{"what", "device to host through the ring"}, {"gb_per_s", ring}}};
  };
  EXPECT_THAT(report_of("copies", rows(48)), HasSubstr("(0.95: met) | 0.960 |"));
  EXPECT_THAT(report_of("copies", rows(47)), HasSubstr("(0.95: **missed**) | 0.940 |"));
}

TEST(GpuReport, HoldsSavesAgainstTheSlowerOfCopyAndWrite) {
  json row{{"engine", "lamina"}, {"model", "large"}, {"where", "disk"}, {"save_s", 2.1},
           {"load_s", 1},        {"write_s", 2},     {"copy_s", 0.2}};
  EXPECT_THAT(report_of("saves", json::array({row})), HasSubstr("1.05: met"));
  row["save_s"] = 2.2;
  EXPECT_THAT(report_of("saves", json::array({row})), HasSubstr("1.10: **missed**"));
  row.erase("write_s");
  EXPECT_THAT(report_of("saves", json::array({row})), HasSubstr("1.000 s | - |"));
}

TEST(GpuReport, HoldsTheStallAndTheCallAgainstTheirLimits) {
  const auto rows = [](double step, double returns) {
    return json::array({{{"what", "predict"},
                         {"step_ms", 100},
                         {"step_while_saving_ms", step},
                         {"returns_ms", returns},
                         {"save_s", 0.25}}});
  };
  const std::string good = report_of("stall", rows(100.9, 9)),
                    bad = report_of("stall", rows(102, 11));
  EXPECT_THAT(good, HasSubstr("| predict | 100.00 ms | 0.90 %: met |"));
  EXPECT_THAT(good, HasSubstr("9.00 ms: met | 0.25 s |"));
  EXPECT_THAT(bad, HasSubstr("2.00 %: **missed**"));
  EXPECT_THAT(bad, HasSubstr("11.00 ms: **missed**"));
}

TEST(GpuReport, LeavesOutWhatWasNotMeasured) {
  EXPECT_THAT(gpu_report({{"device", "GPU X"}, {"date", "2026-01-02"}}), Not(HasSubstr("|")));
  EXPECT_THAT(gpu_report({{"device", "GPU X"}, {"date", "2026-01-02"}, {"autotuned", true}}),
              HasSubstr("engines measured"));
}

}  // namespace
}  // namespace lamina::bench
