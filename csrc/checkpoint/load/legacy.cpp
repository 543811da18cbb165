#include "checkpoint/load/legacy.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <lamina/error.h>
#include <lamina/log.h>

#include <deque>
#include <optional>
#include <unordered_map>
#include <utility>

#include "core/printable.h"
#include "h5/read/reader.h"

// As keras/src/legacy/saving/legacy_h5_format.py has it: a group a layer, whose attribute
// `weight_names` lists its datasets; `layer_names` of the group above lists the layers.
namespace lamina::checkpoint {
namespace {

using Names = std::vector<std::string>;

/// What the file holds, in its own words.
class LegacyFile {
 public:
  LegacyFile(const std::filesystem::path& path, storage::Storage& storage)
      : reader_(storage.open(path)) {}

  /// From now on groups are those of the model's layers.
  void enter_weights() {
    // The weights of a file that holds a whole model lie in a group of their own.
    if (!reader_.texts("/", kLayers) && reader_.has_root_member("model_weights"))
      root_ = "/model_weights";
    layers_ = list("", kLayers);
  }

  [[nodiscard]] const h5::Reader& reader() const { return reader_; }
  /// The layers that it lists; no value where it has no such list.
  [[nodiscard]] const std::optional<Names>& layers() const { return layers_; }
  /// The weights that it lists of a group that may be missing; no value likewise.
  [[nodiscard]] std::optional<Names> weights(const std::string& group) const {
    return list("/" + group, kWeights);
  }
  /// Those of a layer that it lists. Throws FormatError where that is not there.
  [[nodiscard]] Names weights_of_layer(const std::string& layer) const {
    if (std::optional<Names> names = weights(layer)) return *std::move(names);
    const std::string path = root_ + "/" + layer;
    if (!reader_.look_at(path)) missing(path, "layer");
    return {};
  }
  /// Throws FormatError where there is no such dataset.
  [[nodiscard]] h5::Dataset dataset(const std::string& layer, const std::string& weight) const {
    const std::string path = root_ + "/" + layer + "/" + weight;
    if (std::optional<h5::Dataset> found = reader_.dataset(path)) return *std::move(found);
    missing(path, "dataset");
  }

 private:
  static constexpr const char *kLayers = "layer_names", *kWeights = "weight_names";

  [[noreturn]] void missing(const std::string& path, const char* what) const {
    throw FormatError(fmt::format("{}: {}: this {} is listed, but not there",
                                  reader_.file().path().string(), core::printable(path), what));
  }

  /// A list that passes what an object header holds is in parts, with numbers behind its name.
  [[nodiscard]] std::optional<Names> list(const std::string& group, const std::string& name) const {
    const std::string path = root_ + group;
    std::optional<Names> all = reader_.texts(path, name);
    if (all) return all;
    for (int part = 0;; ++part) {
      const std::optional<Names> more = reader_.texts(path, name + std::to_string(part));
      if (!more) return all;
      if (!all) all.emplace();
      all->insert(all->end(), more->begin(), more->end());
    }
  }

  h5::Reader reader_;
  std::string root_;
  std::optional<Names> layers_;
};

/// Weights that are to be read, and what stands against it.
class Matching {
 public:
  Matching(const LegacyFile& file, bool skip_mismatch)
      : file_(file), skip_mismatch_(skip_mismatch) {}

  /// As many datasets as variables. `who` is whose they are: "layer #3 (named dense)".
  void add(const std::string& layer, const Names& names, const std::vector<VariablePtr>& variables,
           const std::string& who) {
    for (std::size_t i = 0; i < names.size(); ++i) {
      const h5::Dataset& dataset = datasets_.emplace_back(file_.dataset(layer, names[i]));
      const Variable& variable = *variables[i];
      if (!dataset.type.dtype) {
        misfit(fmt::format("No cast function available. '{}' holds {}, which becomes no {}.",
                           core::printable(dataset.path), dataset.type.description,
                           dtype_name(variable.dtype())),
               fmt::format("Skipping loading weights for {}: ", who));
      } else if (dataset.shape != variable.shape()) {
        const std::string shapes = fmt::format(
            "for weight {}. Weight expects shape {}. Received saved weight with shape {}",
            variable.path(), variable.shape().str(), dataset.shape.str());
        misfit(skip_mismatch_ ? "due to mismatch in shape " + shapes : shapes,
               (skip_mismatch_ ? "Skipping loading weights for " : "Shape mismatch in ") + who);
      } else {
        assignments_.push_back({variables[i], {&dataset, &file_.reader()}});
      }
    }
  }
  /// Numbers of weights that differ: Keras's words for it.
  void count_misfit(std::string words) { misfits_.push_back(std::move(words)); }
  void warn_of(std::string warning) { warnings_.push_back(std::move(warning)); }

  /// Throws MismatchError where anything does not fit.
  [[nodiscard]] const std::vector<Assignment>& assignments() const {
    if (misfits_.size() == 1) throw MismatchError(misfits_.front() + in_file());
    if (!misfits_.empty()) {
      throw MismatchError(fmt::format("{}{}\nAll {} that do not fit:\n- {}", misfits_.front(),
                                      in_file(), misfits_.size(), fmt::join(misfits_, "\n- ")));
    }
    return assignments_;
  }
  [[nodiscard]] const Names& warnings() const { return warnings_; }

 private:
  void misfit(const std::string& words, const std::string& before) {
    (skip_mismatch_ ? warnings_ : misfits_).push_back(before + words);
  }
  [[nodiscard]] std::string in_file() const {
    return ". In '" + file_.reader().file().path().string() + "'.";
  }

  const LegacyFile& file_;
  const bool skip_mismatch_;
  std::deque<h5::Dataset> datasets_;  // stay where they are
  std::vector<Assignment> assignments_;
  Names warnings_, misfits_;
};

std::string numbered(std::size_t index, const LegacyLayer& layer) {
  return fmt::format("layer #{} (named {})", index, layer.name);
}

/// One by one, of those that have weights.
void match_in_order(const LegacyFile& file, const LegacyModel& model, Matching& matching) {
  std::vector<const LegacyLayer*> wanted;
  for (const LegacyLayer& layer : model.layers) {
    if (!layer.weights.empty()) wanted.push_back(&layer);
  }
  std::vector<std::pair<std::string, Names>> found;
  for (const std::string& name : file.layers().value_or(Names())) {
    Names names = file.weights_of_layer(name);
    if (!names.empty()) found.emplace_back(name, std::move(names));
  }
  if (wanted.size() != found.size()) {
    return matching.count_misfit(fmt::format(
        "Layer count mismatch when loading weights from file. Model expected {} layers, found {} "
        "saved layers{}",
        wanted.size(), found.size(),
        file.layers()
            ? ""
            : ". The file has no `layer_names`, as legacy HDF5 files have; what Keras 3's "
              "`save_weights` writes is loaded under names that end in `.weights.h5`"));
  }
  for (std::size_t k = 0; k < wanted.size(); ++k) {
    const LegacyLayer& layer = *wanted[k];
    const auto& [name, names] = found[k];
    if (names.size() != layer.weights.size()) {
      matching.count_misfit(fmt::format(
          "Weight count mismatch for layer #{} (named {} in the current model, {} in the save "
          "file). Layer expects {} weight(s). Received {} saved weight(s)",
          k, layer.name, core::printable(name), layer.weights.size(), names.size()));
    } else {
      matching.add(name, names, layer.weights, numbered(k, layer));
    }
  }
}

/// What the file has of layers of the model's names; the others stay as they are.
void match_by_name(const LegacyFile& file, const LegacyModel& model, bool skip_mismatch,
                   Matching& matching) {
  std::unordered_multimap<std::string, const LegacyLayer*> named;
  for (const LegacyLayer& layer : model.layers) named.emplace(layer.name, &layer);
  const Names saved = file.layers().value_or(Names());
  for (std::size_t k = 0; k < saved.size(); ++k) {
    const Names names = file.weights_of_layer(saved[k]);
    const auto [begin, end] = named.equal_range(saved[k]);
    for (auto at = begin; at != end; ++at) {
      const LegacyLayer& layer = *at->second;
      const std::string counts =
          fmt::format("Layer expects {} weight(s). Received {} saved weight(s)",
                      layer.weights.size(), names.size());
      if (names.size() == layer.weights.size()) {
        matching.add(saved[k], names, layer.weights, numbered(k, layer));
      } else if (skip_mismatch) {
        matching.warn_of(fmt::format(
            "Skipping loading of weights for {} due to mismatch in number of weights. {}",
            numbered(k, layer), counts));
      } else {
        matching.count_misfit(
            fmt::format("Weight count mismatch for {}. {}", numbered(k, layer), counts));
      }
    }
  }
}

/// The model's own weights, where the file speaks of them.
void match_own(const LegacyFile& file, const LegacyModel& model, const LegacyRequest& request,
               Matching& matching) {
  const std::string group = "top_level_model_weights";
  const std::optional<Names> names = file.weights(group);
  if (!names) return;
  if (names->size() == model.own.size())
    return matching.add(group, *names, model.own, "top-level model");
  const std::string counts =
      fmt::format("Model expects {} top-level weight(s). Received {} saved top-level weight(s)",
                  model.own.size(), names->size());
  if (!request.by_name) {
    matching.count_misfit(
        "Weight count mismatch for top-level weights when loading weights from file. " + counts);
  } else if (request.skip_mismatch) {
    matching.warn_of(
        "Skipping loading top-level weights for model due to mismatch in number of weights. " +
        counts);
  } else {
    matching.count_misfit("Weight count mismatch for top-level weights of model. " + counts);
  }
}

}  // namespace

void load_legacy(const LegacyModel& model, const std::filesystem::path& path,
                 const LegacyRequest& request, storage::Storage& storage) {
  LegacyFile file(path, storage);
  file.enter_weights();
  Matching matching(file, request.skip_mismatch);
  if (request.by_name) {
    match_by_name(file, model, request.skip_mismatch, matching);
  } else {
    match_in_order(file, model, matching);
  }
  match_own(file, model, request, matching);
  ReadValues values = read_assignments(matching.assignments(), Seals(), path, request.read);
  for (const std::string& warning : matching.warnings()) warn(warning);
  std::move(values).assign();
}

LegacyDescription read_legacy_description(
    const std::shared_ptr<const storage::ReadableFile>& file) {
  const h5::Reader reader(file);
  return {reader.text("/", "model_config"), reader.text("/", "training_config"),
          reader.text("/", "keras_version")};
}

bool load_legacy_optimizer(const std::vector<VariablePtr>& variables,
                           const std::filesystem::path& path, storage::Storage& storage) {
  const std::string group = "optimizer_weights";
  const LegacyFile file(path, storage);
  const std::optional<Names> names = file.weights(group);
  if (!names) return false;
  Matching matching(file, false);
  if (names->size() == variables.size()) {
    matching.add(group, *names, variables, "optimizer");
  } else {
    matching.count_misfit(
        fmt::format("Weight count mismatch for the optimizer. It has {} variable(s). Received {} "
                    "saved variable(s)",
                    variables.size(), names->size()));
  }
  read_assignments(matching.assignments(), Seals(), path, {}).assign();
  return true;
}

}  // namespace lamina::checkpoint
