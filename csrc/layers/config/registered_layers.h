#pragma once

#include "layers/config/config.h"

// The registered layers, one line each: the factory's name, and the struct of its options.
#define LAMINA_LAYERS(X)                                       \
  X(InputLayer, InputOptions)                                  \
  X(Dense, DenseOptions)                                       \
  X(EinsumDense, EinsumDenseOptions)                           \
  X(Embedding, EmbeddingOptions)                               \
  X(ReversibleEmbedding, ReversibleEmbeddingOptions)           \
  X(Masking, MaskingOptions)                                   \
  X(Conv1D, Conv1DOptions)                                     \
  X(Conv2D, Conv2DOptions)                                     \
  X(Conv3D, Conv3DOptions)                                     \
  X(DepthwiseConv1D, DepthwiseConv1DOptions)                   \
  X(DepthwiseConv2D, DepthwiseConv2DOptions)                   \
  X(SeparableConv1D, SeparableConv1DOptions)                   \
  X(SeparableConv2D, SeparableConv2DOptions)                   \
  X(Conv1DTranspose, Conv1DTransposeOptions)                   \
  X(Conv2DTranspose, Conv2DTransposeOptions)                   \
  X(Conv3DTranspose, Conv3DTransposeOptions)                   \
  X(BatchNormalization, BatchNormalizationOptions)             \
  X(LayerNormalization, LayerNormalizationOptions)             \
  X(RMSNormalization, RMSNormalizationOptions)                 \
  X(GroupNormalization, GroupNormalizationOptions)             \
  X(UnitNormalization, UnitNormalizationOptions)               \
  X(SpectralNormalization, SpectralNormalizationOptions)       \
  X(Activation, ActivationOptions)                             \
  X(ReLU, ReLUOptions)                                         \
  X(LeakyReLU, LeakyReLUOptions)                               \
  X(PReLU, PReLUOptions)                                       \
  X(ELU, ELUOptions)                                           \
  X(Softmax, SoftmaxOptions)                                   \
  X(Dropout, DropoutOptions)                                   \
  X(SpatialDropout1D, SpatialDropout1DOptions)                 \
  X(SpatialDropout2D, SpatialDropout2DOptions)                 \
  X(SpatialDropout3D, SpatialDropout3DOptions)                 \
  X(AlphaDropout, AlphaDropoutOptions)                         \
  X(GaussianNoise, GaussianNoiseOptions)                       \
  X(GaussianDropout, GaussianDropoutOptions)                   \
  X(ActivityRegularization, ActivityRegularizationOptions)     \
  X(Identity, IdentityOptions)                                 \
  X(LayerScale, LayerScaleOptions)                             \
  X(StochasticDepth, StochasticDepthOptions)                   \
  X(MultiHeadAttention, MultiHeadAttentionOptions)             \
  X(GroupQueryAttention, GroupQueryAttentionOptions)           \
  X(Attention, AttentionOptions)                               \
  X(AdditiveAttention, AdditiveAttentionOptions)               \
  X(SimpleRNN, SimpleRNNOptions)                               \
  X(LSTM, LSTMOptions)                                         \
  X(GRU, GRUOptions)                                           \
  X(ConvLSTM1D, ConvLSTM1DOptions)                             \
  X(ConvLSTM2D, ConvLSTM2DOptions)                             \
  X(ConvLSTM3D, ConvLSTM3DOptions)                             \
  X(RNN, RNNOptions)                                           \
  X(SimpleRNNCell, SimpleRNNCellOptions)                       \
  X(LSTMCell, LSTMCellOptions)                                 \
  X(GRUCell, GRUCellOptions)                                   \
  X(StackedRNNCells, StackedRNNCellsOptions)                   \
  X(Bidirectional, BidirectionalOptions)                       \
  X(TimeDistributed, TimeDistributedOptions)                   \
  X(MaxPooling1D, MaxPooling1DOptions)                         \
  X(MaxPooling2D, MaxPooling2DOptions)                         \
  X(MaxPooling3D, MaxPooling3DOptions)                         \
  X(AveragePooling1D, AveragePooling1DOptions)                 \
  X(AveragePooling2D, AveragePooling2DOptions)                 \
  X(AveragePooling3D, AveragePooling3DOptions)                 \
  X(GlobalAveragePooling1D, GlobalAveragePooling1DOptions)     \
  X(GlobalAveragePooling2D, GlobalAveragePooling2DOptions)     \
  X(GlobalAveragePooling3D, GlobalAveragePooling3DOptions)     \
  X(GlobalMaxPooling1D, GlobalMaxPooling1DOptions)             \
  X(GlobalMaxPooling2D, GlobalMaxPooling2DOptions)             \
  X(GlobalMaxPooling3D, GlobalMaxPooling3DOptions)             \
  X(AdaptiveAveragePooling1D, AdaptiveAveragePooling1DOptions) \
  X(AdaptiveAveragePooling2D, AdaptiveAveragePooling2DOptions) \
  X(AdaptiveAveragePooling3D, AdaptiveAveragePooling3DOptions) \
  X(AdaptiveMaxPooling1D, AdaptiveMaxPooling1DOptions)         \
  X(AdaptiveMaxPooling2D, AdaptiveMaxPooling2DOptions)         \
  X(AdaptiveMaxPooling3D, AdaptiveMaxPooling3DOptions)         \
  X(ZeroPadding1D, ZeroPadding1DOptions)                       \
  X(ZeroPadding2D, ZeroPadding2DOptions)                       \
  X(ZeroPadding3D, ZeroPadding3DOptions)                       \
  X(Cropping1D, Cropping1DOptions)                             \
  X(Cropping2D, Cropping2DOptions)                             \
  X(Cropping3D, Cropping3DOptions)                             \
  X(UpSampling1D, UpSampling1DOptions)                         \
  X(UpSampling2D, UpSampling2DOptions)                         \
  X(UpSampling3D, UpSampling3DOptions)                         \
  X(Reshape, ReshapeOptions)                                   \
  X(Flatten, FlattenOptions)                                   \
  X(Permute, PermuteOptions)                                   \
  X(RepeatVector, RepeatVectorOptions)                         \
  X(Add, MergeOptions)                                         \
  X(Subtract, MergeOptions)                                    \
  X(Multiply, MergeOptions)                                    \
  X(Average, MergeOptions)                                     \
  X(Maximum, MergeOptions)                                     \
  X(Minimum, MergeOptions)                                     \
  X(Concatenate, ConcatenateOptions)                           \
  X(Dot, DotOptions)                                           \
  X(CustomScaleLayer, CustomScaleLayerOptions)                 \
  X(Rescaling, RescalingOptions)                               \
  X(Normalization, NormalizationOptions)                       \
  X(CategoryEncoding, CategoryEncodingOptions)                 \
  X(Discretization, DiscretizationOptions)                     \
  X(Resizing, ResizingOptions)                                 \
  X(CenterCrop, CenterCropOptions)                             \
  X(RandomCrop, RandomCropOptions)                             \
  X(RandomFlip, RandomFlipOptions)                             \
  X(RandomTranslation, RandomTranslationOptions)               \
  X(RandomRotation, RandomRotationOptions)                     \
  X(RandomZoom, RandomZoomOptions)                             \
  X(RandomBrightness, RandomBrightnessOptions)                 \
  X(RandomContrast, RandomContrastOptions)

namespace lamina::layers {
// What each one's options are called in its configuration, said beside the layer. What all layers
// have (name, dtype, trainable) is said once, in registry.cpp.
#define LAMINA_DECLARE(Name, Options) void describe(Config& config, Options& options);
LAMINA_LAYERS(LAMINA_DECLARE)
#undef LAMINA_DECLARE
}  // namespace lamina::layers
