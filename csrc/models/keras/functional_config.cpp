#include <lamina/layers.h>

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>

#include "layers/access.h"
#include "layers/input.h"
#include "layers/operations/operations.h"
#include "models/keras/json_text.h"
#include "models/keras/keras_config.h"
#include "models/keras/nested_functional.h"

namespace lamina::models {
namespace {

using nlohmann::json;

struct Entry;

// An output of some call: the layer, which of its calls, which of its outputs.
struct Reference {
  Entry* entry;
  std::size_t call, output;
};

struct Call {
  std::vector<Reference> inputs;      // by places, then by names
  std::vector<std::string> keywords;  // these names
  std::vector<std::string> flags;     // what is true
  json operands;                      // of an operation: its arguments, tensors by number
  json named = json::object();        // of an operation: those that it is given by name
};

struct Entry {
  std::string name, class_name;
  LayerPtr layer;                       // null for an operation before its first call
  std::vector<std::string> input_keys;  // of a nested Functional: what its inputs are called
  std::vector<Call> calls;
  json config;                        // of an operation
  std::vector<SymbolicTensors> made;  // outputs of the calls made so far
  bool waiting = false;
};

class FunctionalReader {
 public:
  explicit FunctionalReader(std::string where) : where_(std::move(where)) {}

  ModelPtr read(const json& config) {
    const json& layers = array_member(config, "layers", where_);
    entries_.reserve(layers.size());  // References point into it
    for (const json& object : layers) add_layer(object);
    for (std::size_t i = 0; i < entries_.size(); ++i) add_calls(entries_[i], layers[i]);
    for (Entry& entry : entries_) make_calls(entry);
    const auto trainable = config.find("trainable");
    SymbolicTensors inputs, outputs;
    NestedFunctional::Nesting nesting{
        flatten(member(config, "input_layers", where_), "input_layers", inputs),
        flatten(member(config, "output_layers", where_), "output_layers", outputs)};
    const auto model = std::make_shared<NestedFunctional>(
        std::move(inputs), std::move(outputs),
        Functional::Options{.name = optional_string(config, "name", where_),
                            .trainable = trainable == config.end() || !trainable->is_boolean() ||
                                         trainable->get<bool>()},
        std::move(nesting));
    (void)model->name();
    model->prepare_saving();
    return model;
  }

 private:
  [[noreturn]] void invalid(const std::string& what) const {
    throw FormatError(where_ + ": invalid Functional model configuration: " + what);
  }

  void add_layer(const json& object) {
    Entry entry;
    entry.name = string_member(object, "name", where_);
    entry.class_name = string_member(object, "class_name", where_);
    entry.layer = layer_from_object(object, where_);
    if (!entry.layer) entry.config = member(object, "config", where_);
    if (entry.layer && entry.layer->class_name() == "InputLayer") {
      entry.made.push_back({layers::input_placeholder(*entry.layer)});
    }
    if (const auto* model = dynamic_cast<const Functional*>(entry.layer.get())) {
      entry.input_keys = input_keys(*model, object);
    }
    entries_.push_back(std::move(entry));
    if (!by_name_.emplace(entries_.back().name, &entries_.back()).second) {
      invalid("the name '" + entries_.back().name + "' is used twice.");
    }
  }

  // The keys of the dict that the model was made with, or the names of its inputs.
  static std::vector<std::string> input_keys(const Functional& model, const json& object) {
    std::vector<std::string> keys;
    if (const json& made_with = object.at("config").at("input_layers"); made_with.is_object()) {
      for (const auto& item : made_with.items()) keys.push_back(item.key());
      return keys;
    }
    for (const SymbolicTensor& input : model.inputs()) {
      keys.push_back(layers::Access::node(input)->layer->name());
    }
    return keys;
  }

  void add_calls(Entry& entry, const json& object) {
    for (const json& node : array_member(object, "inbound_nodes", where_)) {
      if (!node.is_object()) {
        throw UnsupportedError(where_ + ": layer '" + entry.name +
                               "': configurations of Keras 2 are not supported.");
      }
      Call call;
      const json& args = array_member(node, "args", where_);
      const json& keywords = member(node, "kwargs", where_);
      if (entry.layer) {
        add_arguments(entry, call, args, keywords);
      } else {
        call.operands = operands(entry, call, args);
        for (const std::string& key : set_keywords(entry, keywords)) {
          json operand = operands(entry, call, keywords.at(key));
          const bool good = operand.is_number() || layers::is_tensor_argument(operand);
          if (!good) refuse_keyword(entry, key);
          call.named[key] = std::move(operand);
        }
      }
      entry.calls.push_back(std::move(call));
    }
    if (!entry.made.empty() && !entry.calls.empty()) {
      invalid("the InputLayer '" + entry.name + "' has inputs.");
    }
  }

  // What an operation is called with, each tensor by its number among the call's.
  json operands(const Entry& entry, Call& call, const json& value) {
    if (value.is_array()) {
      json list = json::array();
      for (const json& item : value) list.push_back(operands(entry, call, item));
      return list;
    }
    if (!value.is_object()) return value;
    if (string_member(value, "class_name", where_) != "__keras_tensor__") return value;
    add_argument(entry, call, value, 0);
    return layers::tensor_argument(call.inputs.size() - 1);
  }

  // A tensor, a list or a dict of tensors.
  void add_argument(const Entry& entry, Call& call, const json& value, std::size_t position) {
    if (value.is_null()) return;
    if (value.is_array()) {
      for (const json& item : value) add_argument(entry, call, item, position);
      return;
    }
    if (value.is_object() && !value.contains("class_name") && !entry.input_keys.empty()) {
      add_dictionary(entry, call, value, position);
      return;
    }
    if (!value.is_object() || optional_string(value, "class_name", where_) != "__keras_tensor__") {
      unsupported(entry, "argument " + std::to_string(position) + " of its call");
    }
    const json& config = member(value, "config", where_);
    call.inputs.push_back(reference(array_member(config, "keras_history", where_)));
  }

  // Keras has the tensors of a dict in the order of its keys where it walks the graph. A model that
  // takes them in another order would have to be told so.
  void add_dictionary(const Entry& entry, Call& call, const json& value, std::size_t position) {
    std::vector<std::string> given;
    for (const auto& item : value.items()) given.push_back(item.key());
    if (given != entry.input_keys) {
      unsupported(entry,
                  "argument " + std::to_string(position) +
                      " of its call, a dict whose sorted keys are not the names of its inputs,");
    }
    for (const json& item : value) add_argument(entry, call, item, position);
  }

  // By their places, and by names in Keras's order, which is that of a set.
  void add_arguments(const Entry& entry, Call& call, const json& args, const json& keywords) {
    const CallSignature signature = entry.layer->call_signature();
    const bool listed = signature.inputs.size() == 1;  // one argument, which may be a list
    const auto is_list = [&](const std::string& name) {
      return signature.ends_in_list && name == signature.inputs.back();
    };
    std::vector<std::string> taken;
    for (std::size_t i = 0; i < args.size(); ++i) {
      if (args[i].is_null()) continue;
      if (listed && i == 0) {
        add_argument(entry, call, args[i], i);
      } else {
        const std::string what = "argument " + std::to_string(i);
        if (i >= signature.inputs.size()) unsupported(entry, what + " of its call");
        add_tensors(entry, call, args[i], what, is_list(signature.inputs[i]));
        taken.push_back(signature.inputs[i]);
      }
    }
    const auto has = [](const std::vector<std::string>& names, const std::string& name) {
      return std::find(names.begin(), names.end(), name) != names.end();
    };
    std::set<std::string> given = set_keywords(entry, keywords);
    const std::string& first = signature.inputs.front();  // so Keras calls the first argument
    if (listed && given.erase(first) > 0) {
      if (!args.empty()) refuse_keyword(entry, first);
      add_argument(entry, call, keywords.at(first), 0);
    }
    for (const std::string& key : given) {
      const json& value = keywords.at(key);
      if (key == "mask" && !signature.mask_list.empty()) {
        add_mask_list(entry, call, value, signature.mask_list);
      } else if (has(signature.inputs, key) || has(signature.tensors, key)) {
        const bool fits = value.is_object() || (value.is_array() && is_list(key));
        if (has(taken, key) || !fits) refuse_keyword(entry, key);
        const std::size_t count =
            add_tensors(entry, call, value, "argument '" + key + "'", is_list(key));
        call.keywords.insert(call.keywords.end(), count, key);
      } else {
        if (value != json(true) || !has(signature.flags, key)) refuse_keyword(entry, key);
        call.flags.push_back(key);
      }
    }
  }

  // A list of tensors, or null for those that are not given.
  void add_mask_list(const Entry& entry, Call& call, const json& value,
                     const std::vector<std::string>& names) {
    if (!value.is_array()) refuse_keyword(entry, "mask");
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (value[i].is_null()) continue;
      if (i >= names.size() || !value[i].is_object()) refuse_keyword(entry, "mask");
      add_tensors(entry, call, value[i], "argument 'mask'", false);
      call.keywords.push_back(names[i]);
    }
  }

  // One tensor, or where `many` any number of them. Returns how many.
  std::size_t add_tensors(const Entry& entry, Call& call, const json& value,
                          const std::string& what, bool many) {
    const std::size_t before = call.inputs.size();
    add_argument(entry, call, value, 0);
    const std::size_t count = call.inputs.size() - before;
    if (count != 1 && (count == 0 || !many)) {
      unsupported(entry, what + " of its call, no tensor,");
    }
    return count;
  }

  // Null and false, and the masks of several inputs of which none has one.
  static bool is_unset(const json& value) {
    if (value.is_structured()) return std::all_of(value.begin(), value.end(), is_unset);
    return value.is_null() || value == json(false);
  }

  // The names of those that are set.
  std::set<std::string> set_keywords(const Entry& entry, const json& keywords) const {
    if (!keywords.is_object()) invalid("the 'kwargs' of '" + entry.name + "' are no object.");
    std::set<std::string> names;
    for (const auto& [key, value] : keywords.items()) {
      // Keras's predict and fit say themselves whether they train, whatever a call was given.
      if (key == "training" && value.is_boolean()) continue;
      if (!is_unset(value)) names.insert(key);
    }
    return names;
  }

  [[noreturn]] void refuse_keyword(const Entry& entry, const std::string& key) const {
    unsupported(entry, "argument '" + key + "' of its call");
  }

  [[noreturn]] void unsupported(const Entry& entry, const std::string& what) const {
    throw UnsupportedError("layer '" + entry.name + "' (" + entry.class_name + "): " + what +
                           " is not supported.");
  }

  Reference reference(const json& history) {
    const bool good = history.size() == 3 && history[0].is_string() &&
                      history[1].is_number_unsigned() && history[2].is_number_unsigned();
    if (!good) invalid("a tensor's origin is not [layer, call, output].");
    const auto it = by_name_.find(history[0].get<std::string>());
    if (it == by_name_.end()) invalid("unknown layer '" + history[0].get<std::string>() + "'.");
    return {it->second, history[1].get<std::size_t>(), history[2].get<std::size_t>()};
  }

  // Makes the calls of a layer, and first those that they need; with a stack of its own, since a
  // chain may be long. Calls of one layer are made in their order, by which configurations number
  // them.
  void make_calls(Entry& first) {
    struct Frame {
      Entry* entry;
      std::size_t until, next_input = 0;
    };
    std::vector<Frame> stack;
    const auto enter = [&](Entry& entry, std::size_t until) {
      if (entry.waiting) invalid("the graph has a loop through '" + entry.name + "'.");
      entry.waiting = true;
      stack.push_back({&entry, until});
    };
    enter(first, first.calls.size());
    while (!stack.empty()) {
      Frame& frame = stack.back();
      Entry& entry = *frame.entry;
      if (entry.made.size() >= frame.until) {
        entry.waiting = false;
        stack.pop_back();
        continue;
      }
      const Call& call = entry.calls[entry.made.size()];
      if (frame.next_input < call.inputs.size()) {
        const Reference& input = call.inputs[frame.next_input];
        if (input.call < input.entry->made.size()) {
          ++frame.next_input;
        } else if (input.call < input.entry->calls.size()) {
          enter(*input.entry, input.call + 1);
        } else {
          invalid("layer '" + input.entry->name + "' has no call " + std::to_string(input.call) +
                  ".");
        }
        continue;
      }
      make_call(entry, call);
      frame.next_input = 0;
    }
  }

  void make_call(Entry& entry, const Call& call) {
    SymbolicTensors inputs;
    std::map<std::string, SymbolicTensors> named;
    const std::size_t by_place = call.inputs.size() - call.keywords.size();
    for (std::size_t i = 0; i < by_place; ++i) inputs.push_back(tensor(call.inputs[i]));
    for (std::size_t i = 0; i < call.keywords.size(); ++i) {
      named[call.keywords[i]].push_back(tensor(call.inputs[by_place + i]));
    }
    CallArguments arguments(named.begin(), named.end());
    for (const std::string& flag : call.flags) arguments[flag] = true;
    LayerPtr layer = entry.layer;
    if (!layer) {
      if (!entry.made.empty()) invalid("the operation '" + entry.name + "' is called twice.");
      layer = layers::make_operation({entry.class_name, entry.name, entry.config, call.operands,
                                      call.inputs.size(), call.named});
      if (!layer) unsupported(entry, "this operation of keras.ops");
      entry.layer = layer;
    }
    entry.made.push_back(layer->apply(inputs, arguments));
  }

  const SymbolicTensor& tensor(const Reference& reference) const {
    const std::vector<SymbolicTensors>& made = reference.entry->made;
    if (reference.call >= made.size() || reference.output >= made[reference.call].size()) {
      invalid("layer '" + reference.entry->name + "' has no output " +
              std::to_string(reference.output) + " of call " + std::to_string(reference.call) +
              ".");
    }
    return made[reference.call][reference.output];
  }

  // `input_layers` and `output_layers`: one origin, or lists and dicts of them, flattened as Keras
  // does. Returns how they are nested.
  json flatten(const json& value, const char* key, SymbolicTensors& out) {
    if (!value.is_array() && !value.is_object())
      invalid(std::string("'") + key + "' holds no tensors.");
    if (value.is_array() && value.size() == 3 && value[0].is_string()) {
      Reference origin = reference(value);
      // A nested Functional counts here the call by which it was made.
      if (dynamic_cast<const Functional*>(origin.entry->layer.get()) != nullptr) {
        if (origin.call == 0) invalid("'" + origin.entry->name + "' has no call -1.");
        --origin.call;
      }
      out.push_back(tensor(origin));
      return out.size() - 1;
    }
    json nesting = value;
    for (json& item : nesting) item = flatten(item, key, out);  // objects: by key, as Keras does
    return nesting;
  }

  std::string where_;
  std::vector<Entry> entries_;
  std::unordered_map<std::string, Entry*> by_name_;
};

}  // namespace

ModelPtr functional_from_config(const json& config, const std::string& where) {
  const std::string name = optional_string(config, "name", where);
  return FunctionalReader(name.empty() ? where : "model '" + name + "'").read(config);
}

}  // namespace lamina::models
