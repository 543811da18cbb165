#pragma once
#include <functional>
#include <string>
#include <string_view>

namespace lamina {

/// Receives each warning (Keras's `warnings.warn`). May be called from any thread, one call at a
/// time, until the very end of the process: what it uses has to live as long.
using WarningHandler = std::function<void(std::string_view message)>;

/// Replaces the handler and returns the previous one. The default writes "lamina: warning: ..." and
/// a newline to standard error. An empty handler restores the default.
WarningHandler set_warning_handler(WarningHandler handler);

/// Emits a warning through the current handler.
void warn(std::string_view message);

}  // namespace lamina
