#pragma once
#include <lamina/model.h>

#include <string>

namespace lamina::cli {

/// Whether `out` names an archive, which holds the whole model rather than its weights.
[[nodiscard]] bool is_archive(const std::string& out);

// Both show on standard error how far they are, in the place of `options.progress`.

/// Writes the whole model where `out` ends in `.keras`, else its weights.
void save_model(const Model& model, const std::string& out, SaveOptions options = {});
/// As `Model::load_weights`.
void load_weights(Model& model, const std::string& path, LoadOptions options = {});

/// What `save_model` would throw for such a name, or for a place that cannot be written to, throws
/// this before there is anything to be saved. `sharded`: by a size of shards.
void require_place_for_model(const std::string& out, bool sharded);
/// Throws what `save_model` would throw for a model that cannot be written to `out`, or of which a
/// variable is larger than a shard may be.
void require_savable(const Model& model, const std::string& out, const SaveOptions& options = {});
/// Without `overwrite`, asks before a file at `out` is replaced, and where there is no terminal
/// throws ValueError, before there is anything to be saved. False: the user said no; who says yes
/// is not asked again.
[[nodiscard]] bool may_replace(const std::string& out, SaveOptions& options);

}  // namespace lamina::cli
