#pragma once
#include <lamina/training.h>

#include <cstdint>
#include <optional>
#include <string>

namespace lamina::training {

/// "weights.{epoch:02d}-{val_loss:.2f}.weights.h5" with its fields filled in, as Python's
/// str.format does for integers and numbers. Throws ValueError for a field that there is not,
/// listing those there are.
[[nodiscard]] std::string fill_pattern(const std::string& pattern, std::int64_t epoch,
                                       const std::optional<std::int64_t>& batch, const Logs& logs);

}  // namespace lamina::training
