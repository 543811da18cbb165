#pragma once
#include <gtest/gtest.h>
#include <lamina/tensor.h>

#include <cmath>
#include <cstdio>
#include <random>
#include <string>
#include <vector>

#include "tests/fresh_seed.h"

namespace lamina::test {

/// A generator whose seed is printed.
class Random {
 public:
  Random() : seed_(lamina::test::fresh_seed()), engine_(seed_) { std::printf("seed %u\n", seed_); }
  double uniform(double low, double high) {
    return std::uniform_real_distribution<double>(low, high)(engine_);
  }
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(engine_);
  }
  Tensor tensor(const Shape& shape, double low = -1, double high = 1) {
    Tensor out = Tensor::empty(shape);
    for (float& x : out.data<float>()) x = static_cast<float>(uniform(low, high));
    return out;
  }
  Tensor classes(const Shape& shape, std::int64_t count) {
    Tensor out = Tensor::empty(shape, DType::kInt64);
    for (std::int64_t& x : out.data<std::int64_t>()) x = integer(0, count - 1);
    return out;
  }

 private:
  unsigned seed_;
  std::mt19937_64 engine_;
};

template <class F>
std::string message_of(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "nothing was thrown";
}

}  // namespace lamina::test
