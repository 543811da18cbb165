#pragma once
#include <lamina/model.h>

#include <optional>

#include "checkpoint/save_job.h"
#include "models/kept_names.h"
#include "storage/storage.h"

namespace lamina::models {

/// The part of a save that the caller waits for: names, checks, and takes hold of the values.
[[nodiscard]] std::optional<checkpoint::SaveJob> begin_save(const Model& model, KeptNames& names,
                                                            const std::filesystem::path& path,
                                                            const AsyncSaveOptions& options,
                                                            storage::Storage& storage);

void load(Model& model, KeptNames& names, const std::filesystem::path& path,
          const LoadOptions& options, storage::Storage& storage);

}  // namespace lamina::models
