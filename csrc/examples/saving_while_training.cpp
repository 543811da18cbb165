#include <lamina/lamina.h>

#include <cstdio>

using namespace lamina;

// Stands for forward, backward and the optimizer, which assign new values to the variables.
void train_one_step(Model& model) {
  for (const VariablePtr& variable : model.variables()) {
    Tensor value = variable->value().clone();
    for (float& x : value.data<float>()) x *= 0.999f;
    variable->assign(value);
  }
}

int main() {
  auto model =
      Sequential::create({layers::InputLayer({.shape = {64}}), layers::Dense({.units = 10})});

  // run/step_00000010/model.weights.h5 and so on: the newest three, and every hundredth for good.
  CheckpointManager checkpoints({.directory = "run", .max_to_keep = 3, .keep_every_n = 100});
  std::int64_t step = checkpoints.restore_latest(*model).value_or(0);

  SaveHandle saving;
  for (const std::int64_t end = step + 50; step < end;) {
    train_one_step(*model);
    if (++step % 10 != 0) continue;
    saving.wait();                                  // one at a time; throws if it failed
    saving = checkpoints.save_async(step, *model);  // the values of now; training goes on at once
  }
  saving.wait();

  // The same without a manager, into one file.
  SaveHandle last = model->save_weights_async("final.weights.h5");
  last.wait();
  std::printf("step %lld of %zu checkpoints\n", static_cast<long long>(*checkpoints.latest()),
              checkpoints.steps().size());
}
