// A run of layers that carry states on, that stops anywhere, goes on with what they were.
#include "tests/training/resume/resume_scene.h"

namespace lamina {
namespace {

using namespace test;

constexpr std::int64_t kRows = 8;

ModelPtr reader(std::uint64_t seed) {
  set_random_seed(seed);
  const auto x = layers::Input({.batch_shape = Shape{kRows, 2, 2}});
  const auto h = layers::LSTM({.units = 4, .stateful = true})(x);
  ModelPtr model = Functional::create(x, layers::Dense({.units = 3, .activation = "softmax"})(h));
  model->compile({.optimizer = optimizers::Adam({.learning_rate = 0.05}),
                  .loss = "sparse_categorical_crossentropy"});
  return model;
}

TEST(ResumeOfStates, AfterACrashAtAnyStepGivesTheSameBits) {
  Random random;
  const Spokes data(random, 6 * kRows), held_out(random, 2 * kRows);
  const auto sequences = [](const Spokes& of) { return of.x.reshape({of.x.shape()[0], 2, 2}); };
  const Scratch scratch;
  const auto fit = [&](Model& model, std::int64_t crash) {
    FitOptions with =
        options({std::make_shared<Crash>(crash),
                 callbacks::BackupAndRestore({.backup_dir = scratch / "backup", .save_freq = 1})});
    with.batch_size = kRows;
    with.validation_split = 0;
    with.validation_data = DataSet(sequences(held_out), held_out.y);
    with.shuffle = false;
    return model.fit(sequences(data), data.y, with);
  };
  const ModelPtr undisturbed = reader(1);
  const History whole = fit(*undisturbed, 1000);
  for (const std::int64_t crash : {1, 5, 6, 7, 15}) {
    EXPECT_EQ(message_of([&] { (void)fit(*reader(1), crash); }), "crash");
    const ModelPtr resumed = reader(2);
    const History rest = fit(*resumed, 1000);
    expect_same_bits(*undisturbed, *resumed);
    EXPECT_EQ(rest.history.at("val_loss").back(), whole.history.at("val_loss").back()) << crash;
    const auto states = layers::states(*undisturbed), others = layers::states(*resumed);
    for (std::size_t i = 0; i < states.size(); ++i) {
      EXPECT_TRUE(bitwise_equal(states[i]->value(), others[i]->value())) << crash;
    }
  }
}

}  // namespace
}  // namespace lamina
