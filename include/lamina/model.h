#pragma once
#include <lamina/error.h>
#include <lamina/layer.h>
#include <lamina/sample_weights.h>
#include <lamina/save_handle.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <iosfwd>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

class DataLoader;
class Optimizer;
struct CompileArguments;
struct EvaluateOptions;
struct FitOptions;
struct History;

namespace models {
class Access;
class BatchRun;
struct Graph;
class PendingSaves;
struct TrainingParts;
}  // namespace models

struct SaveOptions {
  /// False: asks on the terminal before replacing a file ("[WARNING] ... already exists -
  /// overwrite? [y/n]"); without a terminal an existing file is a ValueError, as is one that
  /// another process has saved since.
  bool overwrite = true;
  /// Upper bound of one shard in GB (1024^3 bytes), by the variables' sizes. Needs a
  /// `.weights.json` path, or turns a `.weights.h5` path into one with a warning, as Keras does. To
  /// Keras, and here, infinity and NaN bound nothing, and no variable fits into 0 or less.
  std::optional<double> max_shard_size = {};
  /// Keeps every layer's variables within one shard (Keras 3.10 to 3.14 misread entries that span).
  bool keep_entries_together = false;
  /// Layers that are not saved, with what only they hold (Keras's objects_to_skip).
  std::vector<LayerPtr> objects_to_skip = {};
  /// Called with bytes written so far and in all; from any thread, one call at a time.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  /// Adds checksums and the save's id, which Keras ignores and `load_weights` verifies. False: the
  /// files hold nothing but what Keras writes.
  bool seal = true;
  /// Begins each tensor of 1 MiB and more at a multiple of 4096, past the page cache. False: the
  /// tensors lie one behind the other. Keras reads either.
  bool align = true;
};

struct SaveModelOptions {
  /// As of SaveOptions.
  bool overwrite = true;
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  bool seal = true;
};

struct AsyncSaveOptions {
  /// As for a save that is waited for. With `overwrite = false` it asks before it returns; and
  /// `progress` is called from the threads that save.
  SaveOptions save = {};
  /// What holds the values while they are written.
  SnapshotPolicy snapshot = SnapshotPolicy::kAutomatic;
};

struct LoadOptions {
  /// Leave layers whose count or shapes do not fit as they are, with one warning each, instead of
  /// throwing MismatchError.
  bool skip_mismatch = false;
  /// Layers that stay as they are, with what only they hold.
  std::vector<LayerPtr> objects_to_skip = {};
  /// Of a legacy `.h5` file: take what it has of layers of the model's names, and leave the others.
  bool by_name = false;
  /// Called with bytes read so far and in all; from any thread, one call at a time.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
  /// Throw CorruptionError for bytes that are not those that were saved, and for files of several
  /// saves; of what is not loaded, tensors go unverified. Files without checksums, such as Keras's,
  /// load in any case.
  bool verify = true;
};

struct PredictOptions {
  /// Of arrays. None: 32, or with `steps` what makes so many batches of all rows.
  std::optional<std::int64_t> batch_size = {};
  /// Draw a progress bar on standard error while work is long. Off unless asked for.
  bool verbose = false;
  /// Takes the first so many batches; fewer, with a warning, where there are fewer. None: all.
  std::optional<std::int64_t> steps = {};
};

/// Of `compile_inference`.
struct InferenceOptions {
  /// Free the variables' values once they are packed for the device (they come back with the next
  /// load_weights): prediction then needs about the weights' size in memory, once.
  bool release_weights = false;
};

struct LoadModelOptions {
  /// False: leaves the model uncompiled, and the optimizer's variables in the file; models within
  /// it likewise, which Keras compiles all the same.
  bool compile = true;
  /// As of LoadOptions.
  std::function<void(std::uint64_t done, std::uint64_t total)> progress = {};
};

class Model;
using ModelPtr = std::shared_ptr<Model>;

/// A layer with inputs and outputs of its own that can be run, saved and loaded. Made as
/// Functional, as Sequential, from a Keras configuration, or by deriving from SubclassedModel.
class Model : public Layer {
 public:
  ~Model() override;

  /// Reads what Keras's `model.to_json()` writes, and compiles the model, and models within it, as
  /// it says, if it does: what Lamina lacks of that leaves a model uncompiled, with a warning.
  /// Throws FormatError for text that is no such thing, UnsupportedError naming the class or option
  /// and its layer.
  [[nodiscard]] static ModelPtr from_json(const std::filesystem::path& path);
  /// The same for text; `source` names it in messages.
  [[nodiscard]] static ModelPtr from_json_text(std::string_view json,
                                               const std::string& source = "JSON text");
  /// Writes what Keras's `model.to_json()` writes: `keras.models.model_from_json` and
  /// `from_json_text` make the same model of it, compiled alike; of losses, metrics and optimizers
  /// of one's own it says, with a warning, nothing. Throws UnsupportedError, naming the layer, for
  /// subclassed models, classes of one's own and initializers that are functions; and for layers
  /// with variables that models within the model share, of which Keras would make one for each.
  [[nodiscard]] std::string to_json() const;
  /// Reads a `.keras` archive, or a whole model that Keras 2 or 3 saved as legacy `.h5` or `.hdf5`:
  /// configuration and weights, and how the model was compiled, with the optimizer's variables, so
  /// that training goes on. A model that was compiled with what Lamina lacks is left uncompiled,
  /// with a warning; of a legacy file an optimizer whose variables do not fit begins anew, with
  /// Keras's warning. Throws what `from_json` and `load_weights` throw, ValueError for a file of
  /// weights alone.
  [[nodiscard]] static ModelPtr load(const std::filesystem::path& path,
                                     const LoadModelOptions& options = {});

  /// Writes a `.keras` archive, as Keras's `model.save`: the configuration that `to_json` gives,
  /// and the weights with the optimizer's variables, for `load` here
  /// and `keras.models.load_model` there. The archive takes the old one's place when it is complete
  /// and on stable storage. Throws ValueError for a name that does not end in `.keras` and for a
  /// model that is not built; what `to_json` and `save_weights` throw.
  void save(const std::filesystem::path& path, const SaveModelOptions& options = {}) const;
  /// Writes the weights as Keras 3 does; `path` ends in `.weights.h5`, or in `.weights.json` with
  /// `max_shard_size`. Nothing is replaced before the new checkpoint is complete and on stable
  /// storage. Waits for asynchronous saves to the same path first, while `fit` runs for all of this
  /// model. Throws ValueError for a bad name, an unbuilt model, an oversized variable, or a single
  /// file that an index beside it lists as a shard; StorageError; and, before it does anything,
  /// what made an asynchronous save of this model fail.
  void save_weights(const std::filesystem::path& path, const SaveOptions& options = {}) const;
  /// The same in the background, of the values that the variables have now: they may be assigned
  /// while the save runs. Returns within some milliseconds at any model size, unless it has to ask
  /// before it replaces a file. Saves to one path happen in the order of the calls, as do those of
  /// a running `fit`; others may overlap. Each holds the values that it has yet to write. Throws
  /// ValueError at once for a bad name, an unbuilt model or an oversized or released variable, and
  /// what made an earlier asynchronous save of this model fail; what fails later, `wait` throws.
  SaveHandle save_weights_async(const std::filesystem::path& path,
                                const AsyncSaveOptions& options = {}) const;
  /// `SaveHandle::wait_until_copied` for all saves of this model by this process: what an optimizer
  /// calls before it changes values in place. Costs nothing when none runs.
  void wait_until_copied() const;
  /// Does ahead what the first save of a model does besides saving: names its variables, a
  /// microsecond each. Models do so themselves when they are created and when `fit` or
  /// `train_on_batch` begins; a subclassed model that is trained by hand may do it once it is
  /// built. Before it is, nothing is done; what cannot be saved, the save says.
  void prepare_saving() const;
  /// Reads `.weights.h5`, `.weights.json` with its shards, or the weights inside a `.keras`
  /// archive; of any other `.h5` or `.hdf5`, which Keras 2 wrote and in which Keras publishes
  /// trained weights, those of the layers in their order. Throws FileNotFoundError, FormatError
  /// (CorruptionError for what was damaged since it was saved), MismatchError (listing every
  /// mismatch), StorageError; the model is then as it was. The new values lie beside the old ones
  /// until all are verified: on a device without room for both, in host memory, from which they are
  /// then written over the old ones. Throws DeviceError where there is room in neither (the model
  /// is as it was), and for a device that breaks down, which may lose its values.
  void load_weights(const std::filesystem::path& path, const LoadOptions& options = {});

  /// Runs the model on arrays of equal length along their first axis, batch by batch: one on host
  /// memory for each of `inputs()`, to which dtypes they are cast; a missing or an extra last axis
  /// of size 1 is added or dropped. Returns an array on host memory for each of `outputs()`, of as
  /// many rows. A subclassed model that has not been built is built by its first data. One call at
  /// a time for each model. Throws ValueError naming the input that does not fit, and for variables
  /// on several devices; for a single input when the model has several outputs; DeviceError.
  [[nodiscard]] Tensor predict(const Tensor& input, const PredictOptions& options = {});
  [[nodiscard]] std::vector<Tensor> predict(const std::vector<Tensor>& inputs,
                                            const PredictOptions& options = {});
  /// The same on the batches of a loader (<lamina/data_loader.h>), whose labels are not looked at:
  /// what the model's outputs are for each, one after the other.
  [[nodiscard]] std::vector<Tensor> predict(const std::shared_ptr<DataLoader>& loader,
                                            const PredictOptions& options = {});
  /// `predict` on these rows at once.
  [[nodiscard]] Tensor predict_on_batch(const Tensor& input);
  [[nodiscard]] std::vector<Tensor> predict_on_batch(const std::vector<Tensor>& inputs);
  /// Lowers the model for input shapes (batch first, all known) ahead of the first predict; builds
  /// it if need be. Throws ValueError for shapes that do not suit the model or are not known, and
  /// for variables on several devices; UnsupportedError for an operation that the device lacks.
  void compile_inference(const std::vector<Shape>& input_shapes,
                         const InferenceOptions& options = {});

  // Training: include <lamina/training.h>, and <lamina/callbacks.h>. Data are arrays of equal
  // length along their first axis, on host memory. On the CPU, the same data, options and seed give
  // the same bits.

  /// Says how the model is trained: `model->compile({.optimizer = "adam", .loss = "mse", .metrics =
  /// {"mae"}})`. Weights files then hold the optimizer's variables as well. Throws ValueError for
  /// names that there are not, and UnsupportedError for regularizers and constraints of the model's
  /// configuration that Lamina lacks.
  void compile(CompileArguments arguments);
  /// Trains for some epochs. Throws ValueError for a model that was not compiled, for no samples,
  /// for data that do not suit the model and labels that do not suit the loss, naming what was
  /// expected and found; what the callbacks throw.
  History fit(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
              const FitOptions& options);
  History fit(const Tensor& x, const Tensor& y, const FitOptions& options);
  History fit(const Tensor& x, const Tensor& y);
  /// The same on batches of a loader (<lamina/data_loader.h>), which says what a batch is:
  /// `batch_size` means nothing here, and `shuffle` is of the batches, not of the samples in them.
  /// Throws ValueError for `validation_split` and `sample_weight`, which need arrays.
  History fit(const std::shared_ptr<DataLoader>& loader, const FitOptions& options);
  /// Loss and metrics of these data. Throws as `fit` does.
  std::map<std::string, double> evaluate(const std::vector<Tensor>& x, const std::vector<Tensor>& y,
                                         const EvaluateOptions& options);
  std::map<std::string, double> evaluate(const Tensor& x, const Tensor& y,
                                         const EvaluateOptions& options);
  std::map<std::string, double> evaluate(const Tensor& x, const Tensor& y);
  /// The same on batches of a loader, each with its weights: `sample_weight` is a ValueError.
  std::map<std::string, double> evaluate(const std::shared_ptr<DataLoader>& loader,
                                         const EvaluateOptions& options);
  std::map<std::string, double> evaluate(const std::shared_ptr<DataLoader>& loader);
  /// One step on one batch: its own loss and metrics, before the update, whatever went before; as
  /// Keras 3.15 with `return_dict=True`, which resets its metrics first. Throws as `fit` does.
  std::map<std::string, double> train_on_batch(const std::vector<Tensor>& x,
                                               const std::vector<Tensor>& y,
                                               const SampleWeights& sample_weight = {});
  std::map<std::string, double> train_on_batch(const Tensor& x, const Tensor& y,
                                               const SampleWeights& sample_weight = {});
  /// Loss and metrics of one batch, by itself. Throws as `fit` does.
  std::map<std::string, double> test_on_batch(const std::vector<Tensor>& x,
                                              const std::vector<Tensor>& y,
                                              const SampleWeights& sample_weight = {});
  std::map<std::string, double> test_on_batch(const Tensor& x, const Tensor& y,
                                              const SampleWeights& sample_weight = {});
  /// The optimizer that `compile` was given; null before.
  [[nodiscard]] std::shared_ptr<Optimizer> optimizer() const;

  /// Keras's table of layers, output shapes and parameter counts, 76 columns wide; of a model that
  /// is not built, with "?" for what is not known yet.
  [[nodiscard]] std::string summary() const;

  /// The model's layers in Keras's order (`model.layers`).
  [[nodiscard]] virtual std::vector<LayerPtr> layers() const = 0;
  /// The first of `layers()` of this name. Throws ValueError naming those there are.
  [[nodiscard]] LayerPtr get_layer(std::string_view name) const;
  /// `layers()[index]`; -1 is the last. Throws ValueError when there are not as many.
  [[nodiscard]] LayerPtr get_layer(std::int64_t index) const;
  /// Placeholders of the graph and what is computed from them; empty until the model is built.
  [[nodiscard]] SymbolicTensors inputs() const override = 0;
  [[nodiscard]] SymbolicTensors outputs() const override = 0;

  /// The model's own variables, then those of all layers, each once.
  [[nodiscard]] std::vector<VariablePtr> variables() const override;
  /// The layers of the graph, then those under attribute names: Keras's `_layers`.
  [[nodiscard]] std::vector<LayerPtr> sublayers() const override;
  void set_trainable(bool trainable) override;
  /// `mask` is that of its input, where it has but one.
  [[nodiscard]] CallSignature call_signature() const override {
    return {.inputs = {"inputs"}, .tensors = {"mask"}};
  }
  /// Moves all variables to `device`, those that have no value yet when they get one; what is saved
  /// and loaded then comes from there and goes there. All of them or, when it throws, none: the
  /// values are there twice meanwhile. `predict` and training then compute there; the optimizer's
  /// own variables follow at its next step. Throws ValueError when this build does not know the
  /// device; DeviceError when there is no such device, no driver for it, or no memory left on it.
  /// The model is then as usable as before.
  void to(Device device);

 protected:
  explicit Model(Base base);
  /// Forgets what was compiled: the model computes something else from now on.
  void invalidate_plans() noexcept;

 private:
  friend class models::Access;
  friend class models::BatchRun;
  struct Plans;
  /// The list that `layers` copies, of models that keep one: null of others.
  [[nodiscard]] virtual const std::vector<LayerPtr>* layer_list() const noexcept { return nullptr; }
  /// The calls that `summary` shows; null when there are none yet.
  [[nodiscard]] virtual const models::Graph* graph() const { return nullptr; }
  /// The InputLayer that is none of `layers`: a Sequential's, if it has one.
  [[nodiscard]] virtual LayerPtr input_layer() const { return nullptr; }
  [[nodiscard]] std::vector<graph::ValueId> on_lower_call(graph::Builder& builder,
                                                          const std::vector<graph::ValueId>& inputs,
                                                          const layers::CallValues& call) final;
  Plans& plans();
  [[nodiscard]] DType input_dtype(std::size_t index, DType given) const;
  [[nodiscard]] std::vector<Tensor> standardize(const std::vector<Tensor>& inputs);
  std::unique_ptr<Plans> plans_;
  std::uint64_t graph_version_ = 1;  // grows whenever plans are invalidated
  std::unique_ptr<models::PendingSaves> saves_;
  std::shared_ptr<models::TrainingParts> training_;
};

namespace models {

/// A model of the same configuration, with the same names and new weights, on the CPU; compiled as
/// the other one is, if it is, with an optimizer that begins (keras.models.clone_model). Losses,
/// metrics and optimizers of one's own leave it uncompiled, with a warning. Throws UnsupportedError
/// for what `Model::to_json` throws it for.
[[nodiscard]] ModelPtr clone_model(const Model& model);

}  // namespace models

/// A model between placeholders (keras.Model(inputs, outputs)). May be derived from: sublayers that
/// are `track`ed are saved beside those of the graph.
class Functional : public Model {
 public:
  struct Options {
    std::string name = {};  ///< empty: made from the class name
    bool trainable = true;
  };
  /// Throws ValueError when an output does not depend on `inputs` alone, or two layers share a
  /// name. An input may be the output of a layer: a new placeholder then takes its place.
  static std::shared_ptr<Functional> create(SymbolicTensors inputs, SymbolicTensors outputs,
                                            Options options);
  static std::shared_ptr<Functional> create(SymbolicTensors inputs, SymbolicTensors outputs) {
    return create(std::move(inputs), std::move(outputs), Options{});
  }
  static std::shared_ptr<Functional> create(SymbolicTensor input, SymbolicTensor output) {
    return create(SymbolicTensors{std::move(input)}, SymbolicTensors{std::move(output)}, Options{});
  }
  ~Functional() override;

  [[nodiscard]] std::string class_name() const override { return "Functional"; }
  [[nodiscard]] std::vector<LayerPtr> layers() const final;
  [[nodiscard]] SymbolicTensors inputs() const override;
  [[nodiscard]] SymbolicTensors outputs() const override;
  [[nodiscard]] std::vector<Shape> compute_output_shape(const std::vector<Shape>& inputs) override;
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs) override;

 protected:
  Functional(SymbolicTensors inputs, SymbolicTensors outputs, Options options);
  Functional(SymbolicTensors inputs, SymbolicTensors outputs)
      : Functional(std::move(inputs), std::move(outputs), Options{}) {}
  void on_build(const std::vector<Shape>&) override {}

 private:
  [[nodiscard]] const std::vector<LayerPtr>* layer_list() const noexcept final;
  [[nodiscard]] const models::Graph* graph() const final { return graph_.get(); }
  [[nodiscard]] std::vector<graph::ValueId> on_lower(
      graph::Builder& builder, const std::vector<graph::ValueId>& inputs) final;
  [[nodiscard]] bool autocast() const final { return false; }
  [[nodiscard]] bool traces_call() const final { return false; }

  std::unique_ptr<models::Graph> graph_;
  std::vector<LayerPtr> layers_;
};

/// A stack of layers (keras.Sequential). Built at once when it begins with an InputLayer, which
/// `layers::Input` gives as well, or a built model; else when it is first applied, built or run.
class Sequential : public Model {
 public:
  struct Options {
    std::string name = {};  ///< empty: made from the class name
    bool trainable = true;
  };
  /// Throws ValueError for two layers of one name, for an InputLayer that is not the first, and
  /// what a layer throws that does not suit the one before it.
  static std::shared_ptr<Sequential> create(std::vector<LayerRef> layers, Options options);
  static std::shared_ptr<Sequential> create(std::vector<LayerRef> layers = {}) {
    return create(std::move(layers), Options{});
  }
  ~Sequential() override;

  /// Puts a layer on top. Throws ValueError when its name is taken or it does not fit.
  void add(LayerRef layer);
  /// Takes the last layer off, which keeps its variables, and returns it; the InputLayer stays, and
  /// the model is no longer built when nothing else is left. A model that has been trained needs a
  /// new optimizer if the layer had variables that were. Throws ValueError when there is no layer.
  LayerPtr pop();

  [[nodiscard]] std::string class_name() const override { return "Sequential"; }
  /// Without the InputLayer, as in Keras.
  [[nodiscard]] std::vector<LayerPtr> layers() const final;
  [[nodiscard]] SymbolicTensors inputs() const override;
  [[nodiscard]] SymbolicTensors outputs() const override;
  [[nodiscard]] std::vector<Shape> compute_output_shape(const std::vector<Shape>& inputs) override;
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs) override;

 protected:
  explicit Sequential(std::vector<LayerRef> layers, Options options);
  void on_build(const std::vector<Shape>& input_shapes) override;

 private:
  struct Stack;
  [[nodiscard]] const std::vector<LayerPtr>* layer_list() const noexcept final;
  [[nodiscard]] const models::Graph* graph() const final;
  [[nodiscard]] LayerPtr input_layer() const final;
  [[nodiscard]] std::vector<graph::ValueId> on_lower(
      graph::Builder& builder, const std::vector<graph::ValueId>& inputs) final;
  [[nodiscard]] bool autocast() const final { return false; }
  [[nodiscard]] bool traces_call() const final { return false; }
  void push(const LayerPtr& layer);
  void build_if_possible();
  void build_on(const LayerPtr& input_layer);
  std::unique_ptr<Stack> stack_;
};

/// The base of models written by hand, as layers are (see Layer): derive, `track` sublayers in the
/// constructor under the names that a Keras class would give its attributes, override `call`. Until
/// it is applied to placeholders or data (or `build` is called), it has no variables but those made
/// in the constructor, and cannot be saved.
class SubclassedModel : public Model {
 public:
  ~SubclassedModel() override;

  /// Tracked sublayers in the order in which they were tracked, lists flattened.
  [[nodiscard]] std::vector<LayerPtr> layers() const override;
  [[nodiscard]] SymbolicTensors inputs() const override;
  [[nodiscard]] SymbolicTensors outputs() const override;
  [[nodiscard]] std::vector<DType> compute_output_dtype(const std::vector<DType>& inputs) override;

 protected:
  struct Options {
    std::string name = {};
    std::string dtype = {};
  };
  SubclassedModel();
  explicit SubclassedModel(Options options);

 private:
  void finish_build(const std::vector<Shape>& input_shapes) final;
  [[nodiscard]] const models::Graph* graph() const final { return graph_.get(); }

  std::unique_ptr<models::Graph> graph_;
};

}  // namespace lamina
