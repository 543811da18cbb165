// lamina_interop: answers one JSON request a line, so that the Python tests drive Lamina in one
// process.
#include <iostream>
#include <nlohmann/json.hpp>

#include "session.h"

int main() {
  lamina::interop::Session session;
  std::string line;
  while (std::getline(std::cin, line)) {
    const nlohmann::json reply = session.answer(nlohmann::json::parse(line));
    // Messages may quote bytes of damaged files, which are not always UTF-8.
    std::cout << reply.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) << std::endl;
  }
  return 0;
}
