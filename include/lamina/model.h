#pragma once
#include <lamina/layer.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

struct SaveOptions {
  /// False: asks on the terminal before replacing a file ("[WARNING] ... already exists - overwrite?
  /// [y/n]"); without a terminal an existing file is a ValueError.
  bool overwrite = true;
  /// Upper bound of one shard in GB (1024^3 bytes), by the variables' sizes. Needs a `.weights.json`
  /// path, or turns a `.weights.h5` path into one with a warning, as Keras does.
  std::optional<double> max_shard_size = {};
  /// Keeps every layer's variables within one shard (Keras 3.10 to 3.14 misread entries that span).
  bool keep_entries_together = false;
  /// Layers that are not saved, with what only they hold (Keras's objects_to_skip).
  std::vector<LayerPtr> objects_to_skip = {};
  /// Called with bytes written so far and in all; from any thread, one call at a time.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

struct LoadOptions {
  /// Leave layers whose count or shapes do not fit as they are, with one warning each, instead of
  /// throwing MismatchError.
  bool skip_mismatch = false;
  std::vector<LayerPtr> objects_to_skip = {};
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

struct PredictOptions {
  std::int64_t batch_size = 32;
  /// Draw a progress bar on standard error while work is long. Off unless asked for.
  bool verbose = false;
};

struct CompileOptions {
  /// Free the variables' values once they are packed for the device (they come back with the next
  /// load_weights): prediction then needs about the weights' size in memory, once.
  bool release_weights = false;
};

class Model;
using ModelPtr = std::shared_ptr<Model>;

/// A layer with inputs and outputs of its own that can be run, saved and loaded. Made as Functional,
/// as Sequential, from a Keras configuration, or by deriving and overriding `call`.
class Model : public Layer {
 public:
  ~Model() override;

  /// Reads what Keras's `model.to_json()` writes. Throws FormatError for text that is no such thing,
  /// UnsupportedError naming the class or option and its layer.
  [[nodiscard]] static ModelPtr from_json(const std::filesystem::path& path);
  [[nodiscard]] static ModelPtr from_json_text(std::string_view json);
  /// Reads a `.keras` archive: configuration and weights.
  [[nodiscard]] static ModelPtr load(const std::filesystem::path& path);

  /// Writes the weights as Keras 3 does; `path` ends in `.weights.h5`, or in `.weights.json` with
  /// `max_shard_size`. Nothing is replaced before the new checkpoint is complete and on stable storage.
  /// Throws ValueError for a bad name, an unbuilt model or an oversized variable; StorageError.
  void save_weights(const std::filesystem::path& path, const SaveOptions& options = {}) const;
  /// Reads `.weights.h5`, `.weights.json` with its shards, or the weights inside a `.keras` archive.
  /// Throws FileNotFoundError, FormatError, MismatchError (listing every mismatch), StorageError; the
  /// model is then as it was.
  void load_weights(const std::filesystem::path& path, const LoadOptions& options = {});

  /// Runs the model on arrays of equal length along their first axis, batch by batch.
  /// One call at a time for each model. Throws ValueError naming the input that does not fit.
  [[nodiscard]] Tensor predict(const Tensor& input, const PredictOptions& options = {});
  [[nodiscard]] std::vector<Tensor> predict(const std::vector<Tensor>& inputs,
                                            const PredictOptions& options = {});
  /// Lowers the model for input shapes ahead of the first predict.
  void compile_inference(const std::vector<Shape>& input_shapes, const CompileOptions& options = {});

  /// Keras's table of layers, output shapes and parameter counts.
  [[nodiscard]] std::string summary() const;
  [[nodiscard]] std::int64_t count_params() const;

  /// The model's layers in Keras's order (`model.layers`).
  [[nodiscard]] virtual std::vector<LayerPtr> layers() const = 0;
  [[nodiscard]] LayerPtr get_layer(std::string_view name) const;
  /// Placeholders of the graph, empty until the model is built.
  [[nodiscard]] virtual SymbolicTensors inputs() const = 0;
  [[nodiscard]] virtual SymbolicTensors outputs() const = 0;

 protected:
  explicit Model(Base base);

 private:
  struct Runtime;
  std::unique_ptr<Runtime> runtime_;
};

/// A model between placeholders (keras.Model(inputs, outputs)).
class Functional : public Model {
 public:
  struct Options {
    std::string name = {};
    bool trainable = true;
  };
  static std::shared_ptr<Functional> create(SymbolicTensors inputs, SymbolicTensors outputs,
                                            Options options);
  static std::shared_ptr<Functional> create(SymbolicTensors inputs, SymbolicTensors outputs) {
    return create(std::move(inputs), std::move(outputs), Options{});
  }
  static std::shared_ptr<Functional> create(SymbolicTensor input, SymbolicTensor output) {
    return create(SymbolicTensors{std::move(input)}, SymbolicTensors{std::move(output)}, Options{});
  }
};

/// A stack of layers (keras.Sequential).
class Sequential : public Model {
 public:
  struct Options {
    std::string name = {};
    bool trainable = true;
  };
  static std::shared_ptr<Sequential> create(std::vector<LayerRef> layers, Options options);
  static std::shared_ptr<Sequential> create(std::vector<LayerRef> layers) {
    return create(std::move(layers), Options{});
  }
  virtual void add(LayerRef layer) = 0;
};

/// The base of models written by hand: derive, `track` sublayers in the constructor under the names
/// that a Keras class would give its attributes, override `call`. Until it is called on placeholders or
/// on data (or `build` is called), it has no graph and cannot be saved.
class SubclassedModel : public Model {
 public:
  [[nodiscard]] virtual SymbolicTensors call(const SymbolicTensors& inputs) = 0;

 protected:
  struct Options {
    std::string name = {};
    std::string dtype = {};
  };
  SubclassedModel();
  explicit SubclassedModel(Options options);
};

}  // namespace lamina
