#include "models/weights/saves.h"

#include "checkpoint/background/save_queue.h"

namespace lamina::models {

std::string key_of_saves(const std::filesystem::path& file, bool sharded) {
  return checkpoint::save_key(file, sharded);
}

void wait_for_saves(const std::string& key) {
  checkpoint::save_queue().wait_for(key);
}

bool wait_for_all_saves() {
  return checkpoint::save_queue().wait_for_all();
}

}  // namespace lamina::models
