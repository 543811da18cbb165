// Masks that reach recurrent layers: a padded sentence is read as if its padding were not there.
#include <lamina/error.h>

#include <functional>
#include <string>
#include <vector>

#include "tests/layers/mask_scene.h"

using namespace lamina;
using namespace lamina::test;

namespace {

using RecurrentMasks = MaskScene;

constexpr std::int64_t kWords = 7, kLength = 6, kRows = 4;

/// A layer that reads words, as many as there are.
struct Reader {
  LayerRef words = L::Embedding({.input_dim = kWords, .output_dim = 3, .mask_zero = true});
  LayerRef layer;

  [[nodiscard]] ModelPtr model(std::int64_t rows, std::int64_t steps) const {
    const SymbolicTensor ids = L::Input({.dtype = "int32", .batch_shape = Shape{rows, steps}});
    return Functional::create({ids}, layer->apply({words(ids)}));
  }
};

Tensor of_words(const std::vector<std::int32_t>& words) {
  const auto count = static_cast<std::int64_t>(words.size());
  return Tensor::from<std::int32_t>(words, {1, count});
}

/// The words of a row, padding left out.
std::vector<std::int32_t> words_of(const Tensor& ids, std::int64_t row) {
  std::vector<std::int32_t> words;
  for (std::int64_t t = 0; t < ids.shape()[1]; ++t) {
    const auto word = static_cast<std::int32_t>(at(ids, {row, t}));
    if (word != 0) words.push_back(word);
  }
  return words;
}

template <class Options>
std::vector<LayerRef> both_ways(LayerRef (*make)(Options)) {
  std::vector<LayerRef> layers;
  for (const bool back : {false, true}) {
    Options options;
    options.units = 3;
    options.return_state = true;
    options.go_backwards = back;
    layers.push_back(make(options));
  }
  return layers;
}

}  // namespace

TEST_F(RecurrentMasks, PaddingIsAsIfItWereNotThere) {
  std::vector<LayerRef> all = both_ways<L::LSTMOptions>(L::LSTM);
  for (const LayerRef& layer : both_ways<L::GRUOptions>(L::GRU)) all.push_back(layer);
  for (const LayerRef& layer : both_ways<L::SimpleRNNOptions>(L::SimpleRNN)) all.push_back(layer);
  for (const char* mode : {"concat", "mul", ""}) {
    all.push_back(L::Bidirectional(
        {.layer = L::LSTM({.units = 2, .return_state = true}), .merge_mode = mode}));
  }
  for (const LayerRef& layer : all) {
    SCOPED_TRACE(layer->repr());
    const Reader reader{.layer = layer};
    const ModelPtr padded = reader.model(kRows, kLength);
    randomize(*padded);
    Tensor ids = sentences(kRows, kLength);
    const auto words_in = ids.data<std::int32_t>();
    words_in[1] = words_in[kLength] = 0;  // and one that is missing in the middle, and one in front
    words_in[2] = words_in[kLength + 1] = 3;
    const std::vector<Tensor> found = padded->predict(std::vector<Tensor>{ids});
    for (std::int64_t row = 0; row < kRows; ++row) {
      const std::vector<std::int32_t> words = words_of(ids, row);
      const ModelPtr alone = reader.model(1, static_cast<std::int64_t>(words.size()));
      const std::vector<Tensor> wanted = alone->predict(std::vector<Tensor>{of_words(words)});
      ASSERT_EQ(found.size(), wanted.size());
      for (std::size_t i = 0; i < found.size(); ++i) {
        for (std::int64_t k = 0; k < found[i].shape()[1]; ++k) {
          EXPECT_NEAR(at(found[i], {row, k}), at(wanted[i], {0, k}), 1e-11) << i << ", row " << row;
        }
      }
    }
  }
}

TEST_F(RecurrentMasks, GoOnWithSequences) {
  const auto mean_is_of_words = [this](const LayerRef& layer, std::size_t output) {
    const SymbolicTensor ids = input({kRows, kLength}, "int32");
    const SymbolicTensor x =
        L::Embedding({.input_dim = kWords, .output_dim = 3, .mask_zero = true})(ids);
    const SymbolicTensor y = layer->apply({x})[output];
    const auto model = Functional::create({ids}, {y, L::GlobalAveragePooling1D()(y)});
    randomize(*model);
    const Tensor given = sentences(kRows, kLength);
    const std::vector<Tensor> out = model->predict(std::vector<Tensor>{given});
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t f = 0; f < out[1].shape()[1]; ++f) {
        double sum = 0, count = 0;
        for (std::int64_t t = 0; t < kLength; ++t) {
          if (at(given, {row, t}) == 0) continue;
          sum += at(out[0], {row, t, f});
          ++count;
        }
        EXPECT_NEAR(at(out[1], {row, f}), sum / count, 1e-12);
      }
    }
  };
  mean_is_of_words(L::GRU({.units = 2, .return_sequences = true, .return_state = true}), 0);
  for (const char* mode : {"sum", "concat"}) {
    mean_is_of_words(L::Bidirectional({.layer = L::LSTM({.units = 2, .return_sequences = true}),
                                       .merge_mode = mode}),
                     0);
  }
  for (const std::size_t output : {0U, 1U}) {
    mean_is_of_words(
        L::Bidirectional(
            {.layer = L::SimpleRNN({.units = 2, .return_sequences = true}), .merge_mode = ""}),
        output);
  }
}

TEST_F(RecurrentMasks, GivePaddingTheOutputBeforeItOrZeros) {
  for (const bool zeros : {false, true}) {
    const SymbolicTensor ids = input({kRows, kLength}, "int32");
    const SymbolicTensor x =
        L::Embedding({.input_dim = kWords, .output_dim = 3, .mask_zero = true})(ids);
    const LayerRef layer =
        L::LSTM({.units = 2, .return_sequences = true, .zero_output_for_mask = zeros});
    const auto model = Functional::create(ids, layer(x));
    randomize(*model);
    const Tensor given = sentences(kRows, kLength), y = model->predict(given);
    for (std::int64_t row = 0; row < kRows; ++row) {
      for (std::int64_t t = 1; t < kLength; ++t) {
        for (std::int64_t k = 0; k < 2; ++k) {
          const double before = zeros ? 0 : at(y, {row, t - 1, k});
          if (at(given, {row, t}) == 0) {
            EXPECT_EQ(at(y, {row, t, k}), before);
          } else {
            EXPECT_NE(at(y, {row, t, k}), 0);
          }
        }
      }
    }
  }
}

// Keras fills in a call's mask where it has but one tensor.
TEST_F(RecurrentMasks, AreGivenByNameBesideInitialStates) {
  const SymbolicTensor x = input({2, 4, 3}), h = input({2, 2}), m = input({2, 4}, "int32");
  const SymbolicTensor carried = L::Masking()(x);
  const LayerRef layer = L::GRU({.units = 2});
  const auto model = Functional::create(
      {x, h, m},
      {layer({carried, h}), layer({x, h}), layer({x, h}, {{"mask", m}}),
       layer(x, {{"initial_state", h}, {"mask", m}}),
       layer(SymbolicTensors{}, {{"sequences", x}, {"initial_state", SymbolicTensors{h}}})});
  randomize(*model);
  Tensor value = normal({2, 4, 3}), mask = Tensor::zeros({2, 4}, DType::kInt32);
  for (std::size_t k = 0; k < 3; ++k) value.data<double>()[9 + k] = 0;  // the first row's last step
  for (const std::size_t i : {0U, 1U, 2U, 5U, 7U}) mask.data<std::int32_t>()[i] = 2;
  const std::vector<Tensor> out = model->predict({value, normal({2, 2}), mask});
  expect_near(out[0], out[1]);
  expect_near(out[3], out[2]);
  expect_near(out[4], out[1]);
  for (std::int64_t row = 0; row < 2; ++row) EXPECT_NE(at(out[1], {row, 0}), at(out[2], {row, 0}));
  EXPECT_EQ(model->to_json(), Model::from_json_text(model->to_json())->to_json());
}

TEST_F(RecurrentMasks, RefuseWhatIsNoneOfTheSteps) {
  const SymbolicTensor x = input({2, 4, 3}), m = input({2, 3}, "bool"), h = input({2, 2});
  const LayerRef layer = L::LSTM({.units = 2, .name = "memory"});
  const auto words = [](const std::function<void()>& run) {
    try {
      run();
    } catch (const ValueError& error) {
      return std::string(error.what());
    }
    return std::string("nothing was thrown");
  };
  const auto model = Functional::create({x, m}, {layer(x, {{"mask", m}})});
  EXPECT_NE(words([&] {
              (void)model->predict({normal({2, 4, 3}), flags({2, 3})});
            })
                .find("Layer 'memory' (LSTM): A mask of the shape (2, 4) (batch, time) is "
                      "expected. Received: (2, 3)"),
            std::string::npos);
  EXPECT_EQ(words([&] {
              (void)layer(x, {{"mask", SymbolicTensors{m, m}}});
            }),
            "Layer 'memory' (LSTM): takes one tensor, and no list, as its argument 'mask'.");
  EXPECT_EQ(words([&] {
              (void)layer({x, h, h}, {{"initial_state", h}});
            }),
            "Layer 'memory' (LSTM): got multiple values for argument 'initial_state'.");
}
