#pragma once
#include "graph/program.h"

namespace lamina::graph {

/// Holds a program against its own rules: each value is written once and before it is read, specs
/// agree with the values they name, parameters are complete. Throws ValueError naming operation and
/// layer.
void verify(const Program& program);

}  // namespace lamina::graph
