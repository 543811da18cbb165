#include <gtest/gtest.h>
#include <lamina/error.h>

#include <set>
#include <string>
#include <vector>

#include "layers/activation_function.h"

namespace lamina::layers {
namespace {

/// What no activation of Keras's is the name of: of some, operations are.
const std::set<std::string> kUnnamed{
    "gelu_tanh", "scale_shift",   "inverse_root", "absolute", "square",  "sin",     "cos",
    "expm1",     "log",           "log1p",        "sqrt",     "rsqrt",   "power",   "erf",
    "tan",       "arctan",        "sinh",         "cosh",     "floor",   "ceil",    "round",
    "sign",      "stop_gradient", "arcsin",       "arccos",   "arcsinh", "arccosh", "arctanh",
    "cbrt",      "exp2",          "erfc",         "sinc",     "signbit"};

TEST(ActivationNames, EveryElementwiseOperationThatKerasNamesIsAnActivation) {
  const std::vector<std::string> names{
#define LAMINA_UNARY(enumerator, name, functor) name,
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
  };
  for (const std::string& name : names) {
    if (kUnnamed.contains(name)) continue;
    EXPECT_NO_THROW(check_activation(name)) << name;
  }
  for (const char* alias : {"", "relu6", "leaky_relu", "swish", "hard_swish", "softmax"}) {
    EXPECT_NO_THROW(check_activation(alias)) << alias;
  }
}

TEST(ActivationNames, WhatKerasDoesNotNameIsRefusedWithTheNamesThatThereAre) {
  std::set<std::string> names = kUnnamed;
  names.insert("swoosh");
  for (const std::string& name : names) {
    try {
      check_activation(name);
      ADD_FAILURE() << name << " was taken";
    } catch (const ValueError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("identifier: " + name + "; there are linear, relu, "), std::string::npos)
          << text;
      EXPECT_EQ(text.find(", " + name + ","), std::string::npos)
          << "it is among the names that there are";
    }
  }
}

}  // namespace
}  // namespace lamina::layers
