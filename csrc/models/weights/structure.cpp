#include "models/weights/structure.h"

#include <string_view>

#include "layers/access.h"
#include "models/weights/access.h"
#include "models/weights/layer_list.h"
#include "models/weights/model_cast.h"
#include "models/weights/object_ids.h"
#include "models/weights/training_parts.h"

namespace lamina::models {

/// Writes down what a walk comes across.
class StructureWriter {
 public:
  StructureWriter(Structure& out, const Model& root) : out_(out) {
    const std::size_t expected = LayerList(root).get().size() + 1;
    seen_.reserve(expected);
    out_.layers_.reserve(expected);
    out_.words_.reserve(4 * expected);
    seen_.add(&root);  // it may hold itself
  }

  bool put(std::uintptr_t word) {
    out_.words_.push_back(word);
    return true;
  }
  bool put(std::string_view name) {
    out_.attribute_names_ += name;
    return put(name.size());
  }
  bool put(const LayerPtr& layer) {
    if (layer && seen_.add(layer.get()).second) out_.layers_.push_back(layer);
    return put(reinterpret_cast<std::uintptr_t>(layer.get()));
  }
  /// Whether the walk comes across the list for the first time.
  bool enters(const AttributeList* list) {
    const bool fresh = list != nullptr && seen_.add(list).second;
    put(fresh ? 1 : 0);
    return fresh;
  }
  /// The layers come across so far.
  [[nodiscard]] const std::vector<LayerPtr>& layers() const noexcept { return out_.layers_; }

 private:
  Structure& out_;
  ObjectIds seen_;
};

/// Compares what a walk comes across to what was written down. As long as all is equal, the walk
/// is the same one: so it knows what it comes across for the first time without keeping account.
class StructureReader {
 public:
  explicit StructureReader(const Structure& in) : in_(in) {}

  bool put(std::uintptr_t word) { return at_ < in_.words_.size() && in_.words_[at_++] == word; }
  bool put(std::string_view name) {
    const std::string_view known = in_.attribute_names_;
    if (!put(name.size()) || known.substr(name_at_, name.size()) != name) return false;
    name_at_ += name.size();
    return true;
  }
  bool put(const LayerPtr& layer) { return put(reinterpret_cast<std::uintptr_t>(layer.get())); }
  bool enters(const AttributeList*) { return at_ < in_.words_.size() && in_.words_[at_++] == 1; }
  [[nodiscard]] const std::vector<LayerPtr>& layers() const noexcept { return in_.layers_; }

 private:
  const Structure& in_;
  std::size_t at_ = 0, name_at_ = 0;
};

namespace {

/// Goes through the model, breadth first, until the pen says that something is not the same.
template <class Pen>
class Walk {
 public:
  explicit Walk(Pen pen) : pen_(std::move(pen)) {}

  bool run(const Model& root) {
    if (!pen_.put(address(&root)) || !visit(root)) return false;
    for (std::size_t i = 0; i < pen_.layers().size(); ++i) {  // a writer's list grows meanwhile
      if (!visit(*pen_.layers()[i])) return false;
    }
    return true;
  }

 private:
  static std::uintptr_t address(const void* object) {
    return reinterpret_cast<std::uintptr_t>(object);
  }

  bool visit(const Layer& layer) {
    const std::uintptr_t built = layer.built() ? 1 : 0;
    if (!pen_.put(2 * layers::Access::own_variable_count(layer) + built)) return false;
    if (const Model* model = as_model_(layer); model != nullptr && !visit_parts(*model))
      return false;
    const std::vector<Attribute>& attributes = layer.attributes();
    if (!pen_.put(attributes.size())) return false;
    for (const Attribute& attribute : attributes) {
      if (!visit(attribute)) return false;
    }
    return true;
  }

  bool visit_parts(const Model& model) {
    const LayerList layers(model);
    if (!pen_.put(layers.get().size())) return false;
    for (const LayerPtr& layer : layers.get()) {
      if (!pen_.put(layer)) return false;
    }
    const TrainingParts* parts = Access::training_parts(model).get();
    if (!pen_.put(parts != nullptr ? 1 : 0)) return false;
    return parts == nullptr || visit(*parts);
  }

  /// The names keep these variables alive, and with them their addresses.
  bool visit(const TrainingParts& parts) {
    const std::vector<VariablePtr> variables = parts.optimizer->variables();
    if (!pen_.put(variables.size())) return false;
    for (const VariablePtr& variable : variables) {
      if (!pen_.put(address(variable.get()))) return false;
    }
    if (!pen_.put(parts.state.size())) return false;
    for (const weights::WeightVariable& entry : parts.state) {
      if (!pen_.put(address(entry.variable.get()))) return false;
    }
    return true;
  }

  bool visit(const Attribute& attribute) {
    if (!pen_.put(std::string_view(attribute.name)) || !pen_.put(attribute.value.index()))
      return false;
    if (const auto* layer = std::get_if<LayerPtr>(&attribute.value)) return pen_.put(*layer);
    const auto& list = std::get<std::shared_ptr<AttributeList>>(attribute.value);
    if (!pen_.put(address(list.get()))) return false;
    if (!pen_.enters(list.get())) return true;
    if (!pen_.put(list->items.size())) return false;
    for (const Attribute& item : list->items) {
      if (!visit(item)) return false;
    }
    return true;
  }

  Pen pen_;
  ModelCast as_model_;
};

}  // namespace

Structure::Structure(const Model& model) {
  (void)Walk(StructureWriter(*this, model)).run(model);
}

bool Structure::is_of(const Model& model) const {
  return Walk(StructureReader(*this)).run(model);
}

}  // namespace lamina::models
