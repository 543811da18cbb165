#include <gtest/gtest.h>
#include <lamina/error.h>

#include <string>

#include "layers/activation_function.h"

namespace lamina::layers {
namespace {

TEST(ActivationNames, EveryElementwiseOperationThatKerasNamesIsAnActivation) {
#define LAMINA_UNARY(enumerator, name, functor)             \
  if (ops::Unary::enumerator != ops::Unary::kGeluTanh &&    \
      ops::Unary::enumerator != ops::Unary::kScaleShift &&  \
      ops::Unary::enumerator != ops::Unary::kInverseRoot) { \
    EXPECT_NO_THROW(check_activation(name)) << name;        \
  }
#include "kernels/elementwise.def"
#undef LAMINA_UNARY
  for (const char* alias : {"", "relu6", "leaky_relu", "swish", "hard_swish", "softmax"}) {
    EXPECT_NO_THROW(check_activation(alias)) << alias;
  }
}

TEST(ActivationNames, WhatKerasDoesNotNameIsRefusedWithTheNamesThatThereAre) {
  for (const std::string name : {"gelu_tanh", "scale_shift", "inverse_root", "swoosh"}) {
    try {
      check_activation(name);
      ADD_FAILURE() << name << " was taken";
    } catch (const ValueError& error) {
      const std::string text = error.what();
      EXPECT_NE(text.find("identifier: " + name + "; there are linear, relu, "), std::string::npos)
          << text;
      EXPECT_EQ(text.find(name), text.rfind(name)) << "it is among the names that there are";
    }
  }
}

}  // namespace
}  // namespace lamina::layers
