#pragma once
#include <lamina/layers/activation.h>
#include <lamina/layers/applications.h>
#include <lamina/layers/attention.h>
#include <lamina/layers/conv_lstm.h>
#include <lamina/layers/convolution.h>
#include <lamina/layers/core.h>
#include <lamina/layers/images.h>
#include <lamina/layers/merging.h>
#include <lamina/layers/normalization.h>
#include <lamina/layers/pooling.h>
#include <lamina/layers/preprocessing.h>
#include <lamina/layers/recurrent.h>
#include <lamina/layers/reshaping.h>
#include <lamina/layers/types.h>

/// Keras's layers. Each has an options struct with Keras's argument names, order and defaults, to
/// be filled with designated initialisers, and a factory of the class's name:
///
///     auto x = layers::Input({.shape = {480, 480, 3}});
///     auto y = layers::Conv2D({.filters = 32, .kernel_size = 3, .strides = {2, 2},
///                              .padding = "same", .activation = "silu", .name = "stem"})(x);
///
/// The factories throw ValueError for options that Keras refuses, in its words and naming the
/// layer. Applying a layer throws ValueError when the inputs' ranks or sizes do not suit it. Shapes
/// below include the batch. Any layer may have an activity regularizer
/// (Layer::set_activity_regularizer); those that name it in Keras have it as an option. Seeds of
/// dropout and of what else is random in training are ignored.
namespace lamina::layers {}
