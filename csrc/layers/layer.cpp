#include <lamina/error.h>
#include <lamina/layer.h>

#include <algorithm>
#include <unordered_set>

#include "graph/builder.h"
#include "layers/access.h"
#include "layers/arguments.h"
#include "layers/distinct.h"
#include "layers/dtype_policy.h"
#include "layers/naming.h"
#include "layers/trace.h"

namespace lamina {
namespace {

std::vector<Shape> shapes_of(const SymbolicTensors& tensors) {
  std::vector<Shape> shapes;
  for (const SymbolicTensor& tensor : tensors) shapes.push_back(tensor.shape());
  return shapes;
}

std::vector<ops::TensorSpec> specs_of(const SymbolicTensors& tensors) {
  std::vector<ops::TensorSpec> specs;
  for (const SymbolicTensor& tensor : tensors) specs.push_back({tensor.shape(), tensor.dtype()});
  return specs;
}

/// What is given by name; its tensors go behind `tensors`. An undefined one is Python's None.
layers::CallForm form_of(const CallArguments& arguments, SymbolicTensors& tensors) {
  layers::CallForm form;
  for (const auto& [name, value] : arguments) {
    if (const auto* tensor = std::get_if<SymbolicTensor>(&value)) {
      if (!tensor->defined()) continue;
      tensors.push_back(*tensor);
      form.keywords.push_back(name);
    } else if (const auto* list = std::get_if<SymbolicTensors>(&value)) {
      tensors.insert(tensors.end(), list->begin(), list->end());
      form.keywords.insert(form.keywords.end(), list->size(), name);
    } else if (std::get<bool>(value)) {
      form.flags.insert(name);
    }
  }
  return form;
}

/// Tells the building of a layer for which call it is.
class BuildingFor {
 public:
  BuildingFor(const layers::CallSpecs*& place, const layers::CallSpecs& call) : place_(place) {
    place_ = &call;
  }
  ~BuildingFor() { place_ = nullptr; }
  BuildingFor(const BuildingFor&) = delete;
  BuildingFor& operator=(const BuildingFor&) = delete;

 private:
  const layers::CallSpecs*& place_;
};

using SeenLists = std::unordered_set<const AttributeList*>;

/// A list may hold what is null, and itself.
template <class Visit>
void for_each_layer(const Attribute& attribute, const Visit& visit, SeenLists& seen) {
  if (const auto* layer = std::get_if<LayerPtr>(&attribute.value)) {
    if (*layer) visit(*layer);
    return;
  }
  const auto& list = std::get<std::shared_ptr<AttributeList>>(attribute.value);
  if (!list || !seen.insert(list.get()).second) return;
  for (const Attribute& item : list->items) for_each_layer(item, visit, seen);
}

template <class T>
void shorten(std::vector<T>& list, std::size_t size) {
  list.erase(list.begin() + static_cast<std::ptrdiff_t>(size), list.end());
}

template <class Visit>
void for_each_layer(const std::vector<Attribute>& attributes, const Visit& visit) {
  SeenLists seen;
  for (const Attribute& attribute : attributes) for_each_layer(attribute, visit, seen);
}

}  // namespace

Layer::Layer(Base base)
    : name_(std::move(base.name)),
      policy_(base.dtype.empty() ? layers::current_dtype_policy()
                                 : DTypePolicy::from_name(base.dtype)),
      trainable_(base.trainable) {
  if (name_.find('/') != std::string::npos) {
    throw ValueError(
        "Argument `name` must be a string and cannot contain character `/`. Received: name=" +
        name_);
  }
}

const std::string& Layer::name() const {
  if (name_.empty()) name_ = layers::auto_name(class_name());
  return name_;
}

std::string Layer::repr() const {
  const std::string class_name = this->class_name();
  std::string out;
  out.reserve(class_name.size() + name().size() + sizeof "< name=, built=False>");
  out.append(1, '<').append(class_name).append(" name=").append(name());
  return out.append(built_ ? ", built=True>" : ", built=False>");
}

void Layer::set_trainable(bool trainable) {
  trainable_ = trainable;
  for_each_layer(attributes_,
                 [trainable](const LayerPtr& layer) { layer->set_trainable(trainable); });
}

// What fails leaves nothing behind: the layer can still be built, for other shapes.
void Layer::build(const std::vector<Shape>& input_shapes) {
  if (built_) return;
  const std::size_t trained = trainable_variables_.size(), others = non_trainable_variables_.size(),
                    attributes = attributes_.size();
  const InputSpec spec = input_spec_;
  const Regularizer activity = activity_regularizer_;
  const layers::PolicyOfCall not_of_a_call(nullptr);
  try {
    on_build(input_shapes);
    if (traces_call()) finish_build(input_shapes);
  } catch (...) {
    shorten(trainable_variables_, trained);
    shorten(non_trainable_variables_, others);
    shorten(attributes_, attributes);
    input_spec_ = spec;
    activity_regularizer_ = activity;
    throw;
  }
  build_shapes_ = input_shapes;
  built_ = true;
}

SymbolicTensor Layer::operator()(const SymbolicTensor& input, const CallArguments& arguments) {
  return (*this)(SymbolicTensors{input}, arguments);
}

SymbolicTensor Layer::operator()(const SymbolicTensors& inputs, const CallArguments& arguments) {
  SymbolicTensors outputs = apply(inputs, arguments);
  if (outputs.size() != 1) {
    fail("has " + std::to_string(outputs.size()) + " outputs; use `apply` to get all of them.");
  }
  return std::move(outputs.front());
}

SymbolicTensors Layer::apply(const SymbolicTensors& inputs, const CallArguments& arguments) {
  SymbolicTensors given = inputs;
  layers::CallForm form = form_of(arguments, given);
  for (const SymbolicTensor& tensor : given) {
    if (!tensor.defined()) fail("was applied to an undefined tensor.");
  }
  const CallSignature signature = call_signature();
  for (const std::string& flag : form.flags) {
    if (std::find(signature.flags.begin(), signature.flags.end(), flag) == signature.flags.end()) {
      fail("got an unexpected keyword argument '" + flag + "'.");
    }
  }
  form.flags.insert(signature.always.begin(), signature.always.end());
  SymbolicTensors taken;
  for (const std::size_t at : layers::Access::places(*this, given.size(), form).inputs) {
    taken.push_back(given[at]);
  }
  const std::vector<Shape> shapes = shapes_of(taken);
  (void)name();
  check_inputs(shapes);
  const std::vector<ops::TensorSpec> specs = specs_of(given);
  if (!built_) {
    const layers::CallSpecs call = layers::Access::call_specs(*this, specs, form);
    const BuildingFor building(building_call_, call);
    build(shapes);
  }
  std::vector<Shape> output_shapes;
  std::vector<DType> output_dtypes;
  for (ops::TensorSpec& output : layers::Access::output_specs(*this, specs, form)) {
    for (const std::int64_t dim : output.shape) {
      if (dim > layers::kLargestDim) fail("Its output " + output.shape.str() + " is too large.");
    }
    output_shapes.push_back(std::move(output.shape));
    output_dtypes.push_back(output.dtype);
  }
  return layers::Access::outputs(layers::Access::make_node(shared_from_this(), std::move(given),
                                                           form, std::move(output_shapes),
                                                           std::move(output_dtypes)));
}

void Layer::on_build(const std::vector<Shape>&) {}

std::vector<VariablePtr> Layer::own_variables() const {
  std::vector<VariablePtr> all = trainable_variables_;
  all.insert(all.end(), non_trainable_variables_.begin(), non_trainable_variables_.end());
  return all;
}

std::vector<VariablePtr> Layer::variables() const {
  layers::Distinct<Variable> all;
  all.add(own_variables());
  for_each_layer(attributes_, [&all](const LayerPtr& layer) { all.add(layer->variables()); });
  return std::move(all).take();
}

std::vector<LayerPtr> Layer::sublayers() const {
  layers::Distinct<Layer> all;
  for_each_layer(attributes_, [&all](const LayerPtr& layer) { all.add(layer); });
  return std::move(all).take();
}

std::vector<VariablePtr> Layer::trainable_variables() const {
  if (!trainable_) return {};
  std::unordered_set<const Variable*> frozen;
  std::unordered_set<const Layer*> seen{this};
  std::vector<const Layer*> todo{this};
  while (!todo.empty()) {
    const Layer* layer = todo.back();
    todo.pop_back();
    for (const VariablePtr& variable : layer->trainable_variables_) {
      if (!layer->trainable_) frozen.insert(variable.get());
    }
    for (const LayerPtr& sublayer : layer->sublayers()) {
      if (seen.insert(sublayer.get()).second) todo.push_back(sublayer.get());
    }
  }
  std::vector<VariablePtr> all = variables();
  std::erase_if(all, [&](const VariablePtr& variable) {
    return !variable->trainable() || frozen.contains(variable.get());
  });
  return all;
}

std::vector<VariablePtr> Layer::non_trainable_variables() const {
  std::unordered_set<VariablePtr> trained;
  for (VariablePtr& variable : trainable_variables()) trained.insert(std::move(variable));
  std::vector<VariablePtr> all = variables();
  std::erase_if(all, [&](const VariablePtr& variable) { return trained.contains(variable); });
  return all;
}

void Layer::set_activity_regularizer(Regularizer regularizer) {
  if (regularizer.orthogonal()) {
    // Not name(), which would make one.
    throw UnsupportedError("Layer '" + (name_.empty() ? class_name() : name_) + "' (" +
                           class_name() +
                           "): activity_regularizer OrthogonalRegularizer is not supported; it is "
                           "of weights.");
  }
  activity_regularizer_ = std::move(regularizer);
}

LayerPtr Layer::track(std::string attribute, LayerPtr layer) {
  if (!layer) throw ValueError("The sublayer '" + attribute + "' is null.");
  (void)layer->name();
  attributes_.push_back({std::move(attribute), layer});
  return layer;
}

void Layer::track(std::string attribute, AttributeList list) {
  attributes_.push_back({std::move(attribute), std::make_shared<AttributeList>(std::move(list))});
}

void Layer::fail(const std::string& what) const {
  throw ValueError(layers::in_words(*this).append(": ").append(what));
}

void Layer::check_inputs(const std::vector<Shape>& shapes) const {
  const InputSpec& spec = input_spec_;
  if (spec.count && *spec.count != shapes.size()) {
    throw ValueError("Layer \"" + name() + "\" expects " + std::to_string(*spec.count) +
                     " input(s), but it received " + std::to_string(shapes.size()) +
                     " input tensors.");
  }
  for (std::size_t i = 0; i < shapes.size(); ++i) {
    const Shape& shape = shapes[i];
    const auto incompatible = [&](const std::string& what) {
      throw ValueError("Input " + std::to_string(i) + " of layer \"" + name() +
                       "\" is incompatible with the layer: expected " + what);
    };
    const std::string found =
        ", found ndim=" + std::to_string(shape.rank()) + ". Full shape received: " + shape.str();
    if (spec.ndim && shape.rank() != *spec.ndim) {
      incompatible("ndim=" + std::to_string(*spec.ndim) + found);
    }
    if (spec.min_ndim && shape.rank() < *spec.min_ndim) {
      incompatible("min_ndim=" + std::to_string(*spec.min_ndim) + found);
    }
    for (const auto& [axis, size] : spec.axes) {
      if (size != kNone && shape[axis] != size && shape[axis] != kNone) {
        incompatible("axis " + std::to_string(axis) + " of input shape to have value " +
                     std::to_string(size) + ", but received input with shape " + shape.str());
      }
    }
  }
}

}  // namespace lamina
