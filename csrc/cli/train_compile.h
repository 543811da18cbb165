#pragma once
#include <lamina/model.h>

#include <string>
#include <vector>

namespace lamina::cli {

/// What the command line says of how a model is compiled; empty where it says nothing.
struct CompileWords {
  std::string loss, optimizer;
  std::vector<std::string> metrics;
};

/// Compiles a model by these words, and for what they leave out as it was compiled by what it was
/// read from: with that one's optimizer and its state unless `other_weights` are to be loaded,
/// which may hold a state of their own. `source` names what it was read from. Says on standard
/// error what becomes of an optimizer that had begun. Throws ValueError where neither says what the
/// loss is, and for names that there are not.
void compile_by(const CompileWords& words, Model& model, const std::string& source,
                bool other_weights);

}  // namespace lamina::cli
