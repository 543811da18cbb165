#include <fmt/format.h>
#include <lamina/error.h>
#include <lamina/npy.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "cli/arrays.h"
#include "cli/command.h"
#include "cli/model_files.h"
#include "cli/model_spec.h"
#include "cli/output_place.h"

namespace lamina::cli {
namespace {

struct Arguments {
  std::string model, weights, device = "cpu";
  std::vector<std::string> inputs, outputs;
  std::int64_t batch_size = 32, decode = 0;
  bool skip_mismatch = false;
};

void require_count(std::string_view option, std::size_t given, std::size_t expected) {
  if (given != expected) {
    throw ValueError(fmt::format("The model has {0} {2}{3}, and --{2} was given {1} time{4}",
                                 expected, given, option, expected == 1 ? "" : "s",
                                 given == 1 ? "" : "s"));
  }
}

void require_one_output(const Model& model) {
  if (model.outputs().size() == 1) return;
  throw ValueError(
      fmt::format("--decode is for models with one output; this has {}", model.outputs().size()));
}

void require_places(const std::vector<std::string>& outputs) {
  std::set<std::string> names;
  for (const std::string& output : outputs) {
    require_place_for(output);
    if (names.insert(output).second) continue;
    throw ValueError(
        fmt::format("--output names '{}' twice: each output needs a file of its own", output));
  }
}

void load(Model& model, const Arguments& arguments) {
  if (arguments.weights.empty()) {
    if (carries_weights(arguments.model)) return;
    throw ValueError(
        "--weights is required: only a .keras or .h5 file and an application with weights have "
        "their own");
  }
  load_weights(model, arguments.weights, {.skip_mismatch = arguments.skip_mismatch});
}

/// "2  n02123045  0.731  tabby" for each of a row's likeliest classes.
void print_classes(const Tensor& predictions, std::int64_t top) {
  const auto rows = applications::decode_predictions(predictions, top);
  for (std::size_t row = 0; row < rows.size(); ++row) {
    for (const applications::ClassScore& best : rows[row]) {
      fmt::print("{}  {}  {:.3f}  {}\n", row, best.class_name, best.score, best.class_description);
    }
  }
}

void predict(const Arguments& arguments) {
  const Device device = Device::from_name(arguments.device);
  const ModelPtr model = make_model(arguments.model);
  require_count("input", arguments.inputs.size(), model->inputs().size());
  if (arguments.decode > 0) require_one_output(*model);
  if (arguments.decode == 0 || !arguments.outputs.empty()) {
    require_count("output", arguments.outputs.size(), model->outputs().size());
  }
  require_places(arguments.outputs);
  std::vector<Tensor> inputs = read_arrays(arguments.inputs);
  model->to(device);
  load(*model, arguments);
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    // As Keras does: an array of another dtype is converted to the placeholder's.
    inputs[i] = inputs[i].cast(model->inputs()[i].dtype());
  }
  const std::vector<Tensor> outputs =
      model->predict(inputs, {.batch_size = arguments.batch_size, .verbose = true});
  for (std::size_t i = 0; i < arguments.outputs.size(); ++i) {
    write_npy(arguments.outputs[i], outputs[i]);
  }
  if (arguments.decode > 0) print_classes(outputs.front(), arguments.decode);
}

}  // namespace

void add_predict(CLI::App& app) {
  CLI::App* command = app.add_subcommand("predict", "Run a model on arrays of .npy and HDF5 files");
  const auto arguments = std::make_shared<Arguments>();
  command->add_option("MODEL", arguments->model, kModelHelp)->required();
  command
      ->add_option("--weights", arguments->weights,
                   "weights to load: .weights.h5, .weights.json, .keras, or a legacy .h5 file")
      ->type_name("W");
  command
      ->add_option("--input", arguments->inputs,
                   "an array; once for each input, in the model's order")
      ->required()
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name(kArray);
  command
      ->add_option("--output", arguments->outputs,
                   "where to write; once for each output, or with --decode not at all")
      ->expected(1)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll)
      ->type_name("Y.npy");
  command->add_option("--batch-size", arguments->batch_size, "rows computed at a time")
      ->capture_default_str()
      ->transform(whole_number(1))
      ->type_name("N");
  command
      ->add_option("--decode", arguments->decode,
                   "print the N likeliest classes of ImageNet for each row: row, WordNet's number, "
                   "score, word; their names are read where Keras keeps them")
      ->transform(whole_number(1))
      ->type_name("N");
  command->add_flag("--skip-mismatch", arguments->skip_mismatch,
                    "leave layers that do not fit as they are, with a warning");
  command->add_option("--device", arguments->device, "where to compute: cpu, or cuda:0 and so on")
      ->capture_default_str()
      ->type_name("NAME");
  command->callback([arguments] { predict(*arguments); });
}

}  // namespace lamina::cli
