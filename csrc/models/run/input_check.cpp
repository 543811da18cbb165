#include "models/run/input_check.h"

#include "layers/access.h"

namespace lamina::models {

void check_input_shapes(const std::string& class_name, const SymbolicTensors& placeholders,
                        const std::vector<Shape>& shapes) {
  if (placeholders.size() != shapes.size()) {
    throw ValueError(class_name + " expects " + std::to_string(placeholders.size()) +
                     " input(s), but it received " + std::to_string(shapes.size()) + ".");
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& expected = placeholders[i].shape();
    bool fits = expected.rank() == shapes[i].rank();
    for (std::size_t d = 0; fits && d < expected.rank(); ++d) {
      const std::int64_t a = expected.dims()[d], b = shapes[i].dims()[d];
      fits = a == b || a == kNone || b == kNone;
    }
    if (fits) continue;
    throw ValueError(class_name + " was passed incompatible inputs. For input '" +
                     layers::Access::node(placeholders[i])->layer->name() + "', expected shape " +
                     expected.str() + ", but received instead a tensor with shape " +
                     shapes[i].str() + ".");
  }
}

}  // namespace lamina::models
