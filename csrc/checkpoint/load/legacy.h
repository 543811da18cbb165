#pragma once
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint/load/read_assignments.h"
#include "storage/storage.h"

namespace lamina::checkpoint {

/// A layer as legacy HDF5 files know it: a name and a list of weights.
struct LegacyLayer {
  std::string name;
  std::vector<VariablePtr> weights;  ///< of all that is in it, the trainable ones first
};

struct LegacyModel {
  std::vector<LegacyLayer> layers;  ///< in the model's order
  std::vector<VariablePtr> own;     ///< of no layer of it
};

struct LegacyRequest {
  bool by_name = false;
  bool skip_mismatch = false;
  ReadRequest read = {};
};

/// Reads the weights of a legacy HDF5 file, which Keras 2 wrote as `.h5`, and Keras 3's
/// `model.save` still does: layers that have weights one by one in their order or, `by_name`, those
/// whose names the file has. All of them or none. Throws MismatchError that begins with Keras's
/// words, with a list of all that does not fit where that is more; FormatError for a layer or a
/// weight that the file lists and does not have; what `read_assignments` and opening the file
/// throw.
void load_legacy(const LegacyModel& model, const std::filesystem::path& path,
                 const LegacyRequest& request, storage::Storage& storage = storage::posix());

/// What a legacy file of a whole model says of it in Keras's attributes of these names: JSON, and
/// the version of Keras that wrote it.
struct LegacyDescription {
  std::optional<std::string> model_config, training_config, keras_version;
};
/// Throws what opening the file throws.
[[nodiscard]] LegacyDescription read_legacy_description(
    const std::shared_ptr<const storage::ReadableFile>& file);

/// Reads what such a file has of an optimizer into its variables, in their order: all of them or
/// none. False where it has nothing. Throws as `load_legacy`.
[[nodiscard]] bool load_legacy_optimizer(const std::vector<VariablePtr>& variables,
                                         const std::filesystem::path& path,
                                         storage::Storage& storage = storage::posix());

}  // namespace lamina::checkpoint
