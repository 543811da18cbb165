#include "checkpoint/load/whole_open.h"

#include <lamina/error.h>

#include <cerrno>
#include <string>

#include "checkpoint/commit/recovery.h"
#include "checkpoint/index/index.h"

namespace lamina::checkpoint {

void open_whole(const std::filesystem::path& index, storage::Storage& storage,
                const std::function<void(const std::string& text)>& open,
                const std::function<bool()>& replaced) {
  // Where files seem to be others each time they are looked at, there is no end.
  constexpr int kAttempts = 1000;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    settle(index, storage);
    const std::string text = read_index(index, storage);
    // The record first: without one, a save whose files are among those that are open has put all
    // of them in place by now, so that every file opened before it is seen to be replaced. The text
    // tells nothing of that where saves are not sealed and the structure is the same.
    const auto was_replaced = [&] {
      return is_unsettled(index, storage) || read_index(index, storage) != text || replaced();
    };
    try {
      open(text);
    } catch (const Error&) {
      if (was_replaced()) continue;
      throw;
    }
    if (!was_replaced()) return;
  }
  throw StorageError("'" + index.string() + "' was replaced each of the " +
                         std::to_string(kAttempts) + " times that it was opened.",
                     EAGAIN);
}

}  // namespace lamina::checkpoint
