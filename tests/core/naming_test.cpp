#include "core/naming.h"

#include <gtest/gtest.h>

#include <map>

namespace lamina::core {
namespace {

// As Keras itself answers.
TEST(Naming, SnakeCaseIsKeras) {
  const std::map<std::string, std::string> samples = {
      {"Conv2DTranspose", "conv2d_transpose"},
      {"PReLU", "p_re_lu"},
      {"ReLU", "re_lu"},
      {"LeakyReLU", "leaky_re_lu"},
      {"ELU", "elu"},
      {"LSTM", "lstm"},
      {"LSTMCell", "lstm_cell"},
      {"SimpleRNN", "simple_rnn"},
      {"RNN", "rnn"},
      {"ConvLSTM2D", "conv_lstm2d"},
      {"GRUv2", "gr_uv2"},
      {"RMSNormalization", "rms_normalization"},
      {"GroupedQueryAttention", "grouped_query_attention"},
      {"ABCLayer", "abc_layer"},
      {"MyHTTPServer2Layer", "my_http_server2_layer"},
      {"TF32Dense", "tf32_dense"},
      {"LoRADense", "lo_ra_dense"},
      {"my_Layer", "my__layer"},
      {"_Private", "__private"},
      {"T5Encoder", "t5_encoder"},
      {"BERTLayer2B", "bert_layer2b"},
      {"AveragePooling1D", "average_pooling1d"},
      {"MaxPooling2D", "max_pooling2d"},
      {"GlobalAveragePooling2D", "global_average_pooling2d"},
      {"Conv2D", "conv2d"},
      {"UpSampling2D", "up_sampling2d"},
      {"ZeroPadding2D", "zero_padding2d"},
      {"SeparableConv2D", "separable_conv2d"},
      {"TFSMLayer", "tfsm_layer"},
      {"AdamW", "adam_w"},
      {"RMSprop", "rm_sprop"},
      {"SGD", "sgd"},
      {"", ""},
      {"My Layer-2", "my_layer2"},
      {"ÜberDense", "über_dense"},
      {"СлойDense", "слой_dense"},
      {"ŁDense×2", "ł_dense2"},
      {"Ωmega", "ωmega"},
      {"层Dense", "层_dense"},
  };
  for (const auto& [name, expected] : samples) EXPECT_EQ(to_snake_case(name), expected) << name;
}

TEST(Naming, BytesThatAreNoUtf8PassThrough) {
  EXPECT_EQ(to_snake_case("My\xFFLayer"), "my\xFF_layer");
  EXPECT_EQ(to_snake_case("Cut\xE2\x82"), "cut\xE2\x82");
}

TEST(Naming, TableAppendsUniqueNamesToAText) {
  NameTable names;
  std::string text = "layers/";
  names.append("dense", text);
  for (int i = 0; i < 1234; ++i) (void)names.unique("dense");
  names.append("conv", text += " layers/");
  NameTable same = names;
  names.append("dense", text += " layers/");
  EXPECT_EQ(text, "layers/dense layers/conv layers/dense_1235");
  EXPECT_EQ(same.unique("dense"), "dense_1235");
}

TEST(Naming, TableCountsEveryUse) {
  NameTable names;
  EXPECT_EQ(names.unique("dense"), "dense");
  EXPECT_EQ(names.unique("dense"), "dense_1");
  EXPECT_EQ(names.unique("dense_1"), "dense_1");
  EXPECT_EQ(names.unique("dense"), "dense_2");
  EXPECT_EQ(names.unique("container"), "container");
}

}  // namespace
}  // namespace lamina::core
