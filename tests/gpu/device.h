#pragma once
#include <gtest/gtest.h>
#include <lamina/devices.h>

#include <cstdio>

/// Skips the test where there is no GPU; ctest counts the program as skipped by what is printed.
#define LAMINA_NEED_GPU()                                                \
  if (const auto found = lamina::cuda_devices(); found.usable.empty()) { \
    std::printf("no GPU here: %s\n", found.problem.c_str());             \
    GTEST_SKIP() << found.problem;                                       \
  }
