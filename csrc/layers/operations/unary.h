#pragma once
#include "layers/operations/operations.h"

// What `<lamina/ops.h>` declares of one tensor and no options: a call of the operation of this
// class.
#define LAMINA_UNARY_OPERATION(function, class_name) \
  SymbolicTensor function(const SymbolicTensor& x) { \
    return layers::call_operation(class_name, x);    \
  }
