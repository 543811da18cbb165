#include "cli/command.h"

int main(int argc, char** argv) {
  return lamina::cli::run(argc, argv);
}
