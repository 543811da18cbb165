#include "cli/save_model.h"

namespace lamina::cli {

void save_model(const Model& model, const std::string& out, const SaveOptions& options) {
  if (out.ends_with(".keras") && !options.max_shard_size) {
    model.save(out, {options.overwrite, options.progress, options.seal});
  } else {
    model.save_weights(out, options);
  }
}

}  // namespace lamina::cli
