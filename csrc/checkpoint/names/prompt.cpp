#include "checkpoint/names/prompt.h"

#include <lamina/error.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <iostream>
#include <string>

namespace lamina::checkpoint {
namespace {

std::string stripped_lower(std::string text) {
  const auto space = [](unsigned char c) { return std::isspace(c) != 0; };
  text.erase(text.begin(), std::find_if_not(text.begin(), text.end(), space));
  text.erase(std::find_if_not(text.rbegin(), text.rend(), space).base(), text.end());
  std::transform(text.begin(), text.end(), text.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return text;
}

}  // namespace

Terminal terminal() {
  return {std::cin, std::cout, ::isatty(STDIN_FILENO) == 1};
}

bool may_overwrite(const std::filesystem::path& path, const Terminal& terminal) {
  const std::string name = path.string();
  if (!terminal.interactive) {
    throw ValueError("'" + name +
                     "' already exists, overwriting was not asked for, and standard input is no "
                     "terminal on which to ask. Specify overwrite=true to replace it.");
  }
  terminal.out << "[WARNING] " << name << " already exists - overwrite? [y/n]" << std::flush;
  for (std::string line; std::getline(terminal.in, line);) {
    const std::string answer = stripped_lower(line);
    if (answer == "n") return false;
    if (answer == "y") {
      terminal.out << "[TIP] Next time specify overwrite=True!" << std::endl;
      return true;
    }
    terminal.out << "Enter \"y\" (overwrite) or \"n\" (cancel)." << std::flush;
  }
  throw ValueError("'" + name + "' already exists, and the input ended without an answer.");
}

}  // namespace lamina::checkpoint
