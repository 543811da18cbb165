#include "zoo.h"

#include <lamina/ops.h>

#include <map>

#include "hand_written.h"
#include "own_layers.h"

namespace lamina::interop::zoo {
namespace {

LayerRef dense(std::int64_t units = 4, const std::string& name = {}) {
  return layers::Dense({.units = units, .name = name});
}

std::vector<LayerRef> denses(int count) {
  std::vector<LayerRef> made;
  for (int i = 0; i < count; ++i) made.push_back(dense());
  return made;
}

ModelPtr written(const std::string& class_name, const Attributes& attributes, Call call) {
  return std::make_shared<HandWrittenModel>(class_name, attributes, std::move(call));
}

ModelPtr attribute_alphabet() {
  const std::vector<LayerRef> d = denses(4);
  return written("AttributeAlphabet", {{"z", d[0]}, {"_p", d[1]}, {"Z", d[2]}, {"a", d[3]}},
                 chain({d[3], d[2], d[1], d[0]}));
}

ModelPtr nested_containers() {
  std::vector<LayerRef> d = denses(8);
  d.push_back(layers::BatchNormalization());
  Attributes order;
  for (const LayerRef& layer : d) order.push_back(item(layer));
  return written("NestedContainers",
                 {list("blocks", {item(d[0]), list({item(d[1]), list({item(d[2])})}),
                                  list({item(d[3]), item(d[4])})}),
                  list("heads", {item(d[5]), list({item(d[6])})}),
                  list("zero", {list({item(d[7])}), item(d[8])}), list("order", order)},
                 chain(d));
}

ModelPtr deep_containers() {
  const std::vector<LayerRef> d = denses(3);
  return written(
      "DeepContainers",
      {{"first", d[0]},
       {"second", d[1]},
       {"third", d[2]},
       list("deep", {list({list({item(d[0])}), item(d[1])}), list({list({list({item(d[2])})})})})},
      chain(d));
}

ModelPtr list_of_tuples() {
  const LayerRef a = dense(), relu = layers::ReLU(), b = dense(), leaky = layers::LeakyReLU(),
                 end = dense(2);
  return written("ListOfTuples",
                 {list("blocks", {list({item(a), item(relu)}), list({item(b), item(leaky)})}),
                  list("end", {item(end)})},
                 chain({a, relu, b, leaky, end}));
}

// A list that holds itself, and lets go of itself with the model.
class CyclicContainer : public SubclassedModel {
 public:
  CyclicContainer() : blocks_(std::make_shared<AttributeList>()) {
    inner_ = track("inner", dense());
    blocks_->items = {item(inner_), {"", blocks_}};
    track("blocks", *blocks_);
    out_ = track("out", dense(2));
  }
  ~CyclicContainer() override { blocks_->items.clear(); }
  CyclicContainer(const CyclicContainer&) = delete;
  CyclicContainer& operator=(const CyclicContainer&) = delete;
  [[nodiscard]] std::string class_name() const override { return "CyclicContainer"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override {
    return {(*out_)((*inner_)(inputs.at(0)))};
  }

 private:
  std::shared_ptr<AttributeList> blocks_;
  LayerPtr inner_, out_;
};

ModelPtr shared_everywhere() {
  const std::vector<LayerRef> d = denses(4);
  return written("SharedEverywhere",
                 {{"first", d[0]},
                  {"again", d[0]},
                  list("items", {item(d[0]), item(d[1]), item(d[0]), item(d[2])}),
                  list("late", {item(d[1]), item(d[3])})},
                 chain({d[0], d[0], d[1], d[0], d[2], d[1], d[3], d[0]}));
}

LayerRef block() {
  const LayerRef h = dense(), d1 = dense(), norm = layers::LayerNormalization();
  const LayerRef more0 = dense(), more1 = dense();
  return LayerRef(std::make_shared<HandWrittenLayer>(
      "Block",
      Attributes{
          {"_h", h}, {"d1", d1}, {"norm", norm}, list("more", {item(more0), list({item(more1)})})},
      chain({d1, h, norm, more0, more1})));
}

ModelPtr plain_layers() {
  const LayerRef one = block(), stem = dense(), two = block(), three = block();
  return written("PlainLayers",
                 {{"block", one}, {"stem", stem}, list("blocks", {item(two), item(three)})},
                 chain({stem, one, two, three}));
}

ModelPtr block_in_functional() {
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const LayerRef end = dense(2), middle = block(), start = dense();
  return Functional::create(x, end(middle(start(x))));
}

ModelPtr functional_with_attributes() {
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const LayerRef body = dense();
  const SymbolicTensor y = dense(2)(body(x));
  const LayerRef extra = dense(3), hidden = dense(2);
  extra->build({{kNone, 4}});
  hidden->build({{kNone, 4}});
  return std::make_shared<FunctionalWithAttributes>(
      x, y, Attributes{{"alias", body}, {"extra", extra}, {"_hidden", hidden}});
}

ModelPtr models_inside() {
  const LayerRef stack = Sequential::create({dense(), layers::Dropout({.rate = 0.5}), dense()});
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const LayerRef d = dense(), half = layers::Rescaling({.scale = 0.5});
  const LayerRef graph = Functional::create(x, d(half(x)));
  const LayerRef written_model = attribute_alphabet();
  const LayerRef zz = Sequential::create({layers::InputLayer({.shape = {4}}), dense(2)});
  return written("ModelsInside",
                 {{"stack", stack}, {"graph", graph}, {"written", written_model}, {"zz", zz}},
                 chain({stack, graph, written_model, zz}));
}

ModelPtr sequential_of_written() {
  const LayerRef first = attribute_alphabet(), middle = block(), second = attribute_alphabet();
  return Sequential::create({layers::InputLayer({.shape = {4}}), first, middle, second, dense(1)});
}

LayerRef recurrent() {
  const LayerRef cell = block();
  return LayerRef(
      std::make_shared<HandWrittenLayer>("Recurrent", Attributes{{"cell", cell}}, chain({cell})));
}

ModelPtr cell_paths() {
  const LayerRef forward = recurrent(), backward = recurrent();
  return written("CellPaths", {{"forward_layer", forward}, {"backward_layer", backward}},
                 chain({forward, backward}));
}

ModelPtr property_aliases() {
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const LayerRef query = dense(), key = dense(), softmax = layers::Softmax();
  const LayerRef attention(std::make_shared<HandWrittenLayer>("Attention",
                                                              Attributes{{"_query_dense", query},
                                                                         {"_key_dense", key},
                                                                         {"_softmax", softmax},
                                                                         {"query_dense", query},
                                                                         {"key_dense", key}},
                                                              chain({query, key, softmax})));
  return Functional::create(x, attention(x));
}

ModelPtr renamed(const std::string& class_name, const std::string& attribute) {
  const LayerRef d = dense();
  return written(class_name, {{attribute, d}}, chain({d}));
}

ModelPtr non_ascii_attributes() {
  const LayerRef size = dense(4, "größe"), layer = dense(), a = dense(), b = dense(4, "ü😀");
  return written("NonAsciiAttributes",
                 {{"größe", size}, {"层", layer}, list("Ä", {item(a), item(b)})},
                 chain({size, layer, a, b}));
}

Tensor zeros(const Shape& shape, DType dtype) {
  return Tensor::zeros(shape, dtype);
}

// Variables of the model itself.
class OwnWeights : public HandWrittenModel {
 public:
  explicit OwnWeights(const LayerRef& body)
      : HandWrittenModel("OwnWeights", {{"body", body}}, chain({body})) {
    add_weight("frozen_first", {2}, zeros, false);
    add_weight("scale", {}, zeros);
  }
};

// Variables of each dtype.
class EveryType : public Layer {
 public:
  EveryType() : Layer({}) {}
  [[nodiscard]] std::string class_name() const override { return "EveryType"; }
  [[nodiscard]] SymbolicTensors call(const SymbolicTensors& inputs) override { return inputs; }

 protected:
  void on_build(const std::vector<Shape>&) override {
    const std::vector<Shape> shapes = {{3}, {2, 3}, {}, {0, 3}};
    const char* const names[] = {"bool",     "int8",    "int16",  "int32",  "int64",
                                 "uint8",    "uint16",  "uint32", "uint64", "float16",
                                 "bfloat16", "float32", "float64"};
    std::size_t index = 0;
    for (const char* name : names) {
      add_weight("v_" + std::string(name), shapes[index % 4], zeros, index % 2 == 0,
                 dtype_from_name(name));
      ++index;
    }
  }
};

ModelPtr all_types() {
  const LayerRef types(std::make_shared<EveryType>()), normalization = layers::Normalization();
  return written("AllTypes", {{"types", types}, {"normalization", normalization}},
                 chain({types, normalization}));
}

ModelPtr never_called() {
  const LayerRef used = dense(), idle = dense();
  return written("NeverCalled", {{"used", used}, {"idle", idle}}, chain({used}));
}

ModelPtr two_digits() {
  std::vector<LayerRef> d = denses(12);
  Attributes many;
  for (const LayerRef& layer : d) many.push_back(item(layer));
  const LayerRef types(std::make_shared<EveryType>());
  d.push_back(types);
  return written("TwoDigits", {list("many", many), {"types", types}}, chain(d));
}

// The graph's tensors of Keras's test: the task starts where the backbone does.
ModelPtr task() {
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const LayerRef decoder = dense(2, "decoder"), encoder = dense(4, "encoder");
  const SymbolicTensor y = encoder(x);
  const LayerRef backbone = std::make_shared<FunctionalWithAttributes>(
      x, y, Attributes{{"decoder", decoder}}, "Backbone", "backbone");
  const SymbolicTensor end = decoder(backbone(x));
  return std::make_shared<FunctionalWithAttributes>(x, end, Attributes{{"backbone", backbone}},
                                                    "Task");
}

ModelPtr normal_model() {
  const LayerRef d = dense(3);
  return written("NormalModel", {{"dense", d}}, chain({d}));
}

ModelPtr weird_model() {
  const LayerRef d = dense(3);
  return written("WeirdModel", {{"a_dense", d}, {"dense", d}}, chain({d}));
}

ModelPtr blocks_before_315() {
  std::vector<LayerRef> d;
  Attributes blocks;
  for (int i = 0; i < 3; ++i) {
    d.push_back(layers::Dense({.units = 4, .use_bias = false}));
    blocks.push_back(list({item(d.back())}));
  }
  d.push_back(dense(2));
  return written("BlocksBefore315", {list("blocks", blocks), {"out", d.back()}}, chain(d));
}

ModelPtr collision() {
  const LayerRef a = dense(), b = dense(), inner = dense();
  const LayerRef c(
      std::make_shared<HandWrittenLayer>("Dense_1", Attributes{{"inner", inner}}, chain({inner})));
  return written("Collision", {list("items", {item(a), item(b), item(c)})}, chain({a, b, c}));
}

/// A statement an operation where C++ leaves open which of several is made first, and so named.
ModelPtr operators() {
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const SymbolicTensor h = dense()(x);
  const SymbolicTensor n = h / ops::sqrt(ops::mean(ops::square(h), -1, true) + 1e-3);
  const SymbolicTensor gate = ops::sigmoid(dense()(n));
  const SymbolicTensor left = gate * n, open = 1 - gate, right = open * ops::gelu(-h);
  SymbolicTensor y = left + right;
  const SymbolicTensor chosen = ops::where(x > 0.25, x, 2.0), clipped = ops::clip(h, -1, 0.5);
  y = ops::concatenate({y, chosen, clipped}, 1);
  const SymbolicTensor rows = ops::reshape(y, {-1, 3, 4});
  const SymbolicTensor columns = ops::transpose(rows, std::vector<std::int64_t>{0, 2, 1});
  const SymbolicTensor mixed = ops::matmul(ops::softmax(ops::matmul(rows, columns) * 0.5), rows);
  const SymbolicTensor first = ops::get_item(mixed, {ops::Slice{}, 0});
  const SymbolicTensor last = ops::take(mixed, 2, 1);
  const SymbolicTensor odd =
      ops::get_item(mixed, {ops::Slice{}, ops::Slice{.start = 1, .step = 2}});
  return Functional::create(x, dense(2)(ops::stack({first, last, ops::max(odd, 1)}, 1)));
}

/// A layer of one's own that computes with operations.
LayerRef root_mean_square() {
  const LayerRef d = dense();
  return std::make_shared<HandWrittenLayer>(
      "RootMeanSquare", Attributes{{"dense", d}}, [d](const SymbolicTensor& x) {
        const SymbolicTensor h = d(x);
        return x + 2 * h / ops::sqrt(1e-3 + ops::mean(h * h, -1, true));
      });
}

ModelPtr operators_in_a_layer() {
  const SymbolicTensor x = layers::Input({.shape = {4}});
  const LayerRef end = dense(2), outer = root_mean_square(), inner = root_mean_square();
  return Functional::create(x, end(ops::abs(outer(inner(x)))));
}

ModelPtr unbuilt(std::string_view name) {
  static const std::map<std::string_view, std::function<ModelPtr()>> makers = {
      {"AttributeAlphabet", attribute_alphabet},
      {"NestedContainers", nested_containers},
      {"DeepContainers", deep_containers},
      {"ListOfTuples", list_of_tuples},
      {"CyclicContainer", [] { return std::make_shared<CyclicContainer>(); }},
      {"SharedEverywhere", shared_everywhere},
      {"PlainLayers", plain_layers},
      {"BlockInFunctional", block_in_functional},
      {"FunctionalWithAttributes", functional_with_attributes},
      {"ModelsInside", models_inside},
      {"SequentialOfWritten", sequential_of_written},
      {"CellPaths", cell_paths},
      {"PropertyAliases", property_aliases},
      {"RenamedLate", [] { return renamed("RenamedLate", "zz"); }},
      {"RenamedEarly", [] { return renamed("RenamedEarly", "aa"); }},
      {"NonAsciiAttributes", non_ascii_attributes},
      {"OwnWeights", [] { return std::make_shared<OwnWeights>(dense()); }},
      {"AllTypes", all_types},
      {"NeverCalled", never_called},
      {"TwoDigits", two_digits},
      {"Task", task},
      {"NormalModel", normal_model},
      {"WeirdModel", weird_model},
      {"BlocksBefore315", blocks_before_315},
      {"Collision", collision},
      {"LayersWithWeights", layers_with_weights},
      {"WeightsInFunctional", weights_in_functional},
      {"OwnMasks", own_masks},
      {"OwnArguments", own_arguments},
      {"Operators", operators},
      {"OperatorsInALayer", operators_in_a_layer},
  };
  const auto found = makers.find(name);
  if (found == makers.end())
    throw ValueError("no hand-written model is named " + std::string(name));
  return found->second();
}

}  // namespace

ModelPtr make(std::string_view name, const std::string& dtype) {
  set_dtype_policy(dtype);
  ModelPtr model = unbuilt(name);
  set_dtype_policy("float32");
  if (!model->built()) model->build({{kNone, 4}});
  return model;
}

}  // namespace lamina::interop::zoo
