#include "ops/resize_weights.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace lamina::ops {
namespace {

double triangle(double x) {
  return std::max(0.0, 1.0 - x);
}

/// Keys's cubic with A = -0.5.
double keys(double x) {
  if (x >= 2) return 0;
  if (x >= 1) return ((-0.5 * x + 2.5) * x - 4) * x + 2;
  return (1.5 * x - 2.5) * x * x + 1;
}

double lanczos(double radius, double x) {
  if (x > radius) return 0;
  if (x <= 1e-3) return 1;
  const double angle = std::numbers::pi * x;
  return radius * std::sin(angle) * std::sin(angle / radius) / (angle * angle);
}

struct Filter {
  double radius;
  double (*weight)(double);
};

Filter filter_of(Resize2D::Kind kind) {
  switch (kind) {
    case Resize2D::Kind::kNearest:
      return {0, nullptr};
    case Resize2D::Kind::kBilinear:
      return {1, triangle};
    case Resize2D::Kind::kBicubic:
      return {2, keys};
    case Resize2D::Kind::kLanczos3:
      return {3, [](double x) { return lanczos(3, x); }};
    case Resize2D::Kind::kLanczos5:
      return {5, [](double x) { return lanczos(5, x); }};
  }
  __builtin_unreachable();
}

void normalise(std::vector<double>& weights) {
  double total = 0;
  for (const double weight : weights) total += weight;
  // Below this jax takes the sum for zero; its constant is float32's for every dtype.
  const bool vanishes = std::abs(total) <= 1000.0 * std::numeric_limits<float>::epsilon();
  for (double& weight : weights) weight = vanishes ? 0 : weight / total;
}

}  // namespace

std::vector<ResizeTaps> resize_taps(const Resize2D& op, std::int64_t axis) {
  const std::int64_t in = op.x.shape[axis], out = op.y.shape[axis];
  const Filter filter = filter_of(op.kind);
  const double shrunk = static_cast<double>(in) / static_cast<double>(out);
  const double width = op.antialias ? std::max(1.0, shrunk) : 1.0;  // of a pixel of the filter
  std::vector<ResizeTaps> taps(static_cast<std::size_t>(out));
  for (std::int64_t i = 0; i < out; ++i) {
    ResizeTaps& tap = taps[static_cast<std::size_t>(i)];
    if (filter.weight == nullptr) {
      tap = {(2 * i + 1) * in / (2 * out), {1.0}};
      continue;
    }
    const double centre =
        (static_cast<double>(i) + 0.5) * static_cast<double>(in) / static_cast<double>(out) - 0.5;
    const double reach = filter.radius * width;
    tap.first = std::max<std::int64_t>(0, static_cast<std::int64_t>(std::ceil(centre - reach)));
    const std::int64_t last =
        std::min<std::int64_t>(in - 1, static_cast<std::int64_t>(std::floor(centre + reach)));
    for (std::int64_t at = tap.first; at <= last; ++at) {
      tap.weights.push_back(filter.weight(std::abs(centre - static_cast<double>(at)) / width));
    }
    normalise(tap.weights);
  }
  return taps;
}

}  // namespace lamina::ops
