// Parts of a tensor.
#include <algorithm>

#include "layers/operations/operations.h"
#include "layers/operations/parts.h"

namespace lamina::layers {
namespace {

using graph::Builder;
using graph::ValueId;
using nlohmann::json;

/// Of an axis the elements from `begin` on, `step` apart, backwards where it is negative: so many.
struct Range {
  std::int64_t begin, count, step;
};

std::optional<std::int64_t> bound(const json& slice, const char* key) {
  const json& value = slice.at("config").at(key);
  return value.is_null() ? std::nullopt : std::optional(value.get<std::int64_t>());
}

/// Python's slice.indices.
Range range_of(const json& slice, std::int64_t size) {
  const std::int64_t step = bound(slice, "step").value_or(1);
  const bool forward = step > 0;
  // Backwards, the place before the first one is an end.
  const std::int64_t least = forward ? 0 : -1, most = forward ? size : size - 1;
  const auto place = [&](const char* key, std::int64_t otherwise) {
    const std::optional<std::int64_t> at = bound(slice, key);
    return at ? std::clamp(*at < 0 ? *at + size : *at, least, most) : otherwise;
  };
  const std::int64_t begin = place("start", forward ? least : most);
  const std::int64_t end = place("stop", forward ? most : least);
  const std::int64_t way = forward ? end - begin : begin - end;
  if (way <= 0) return {begin, 0, step};
  const std::int64_t steps = (way - 1) / step;
  return {begin, (forward ? steps : -steps) + 1, step};
}

ValueId part(Builder& builder, ValueId x, std::size_t axis, const Range& range) {
  if (range.count > 1 && range.step < 0) {
    const std::int64_t last = range.begin + (range.count - 1) * range.step;
    return flipped(builder, part(builder, x, axis, {last, range.count, -range.step}), axis);
  }
  if (range.step == 1 || range.count <= 1) {
    return cropped(builder, x, axis, range.count == 0 ? 0 : range.begin, range.count);
  }
  // Rows of so many, of which the first element counts.
  x = cropped(builder, x, axis, range.begin, range.count * range.step);
  const Shape shape = builder.shape(x);
  std::vector<std::int64_t> dims = shape.dims();
  const auto at = dims.begin() + static_cast<std::ptrdiff_t>(axis);
  *at = range.step;
  dims.insert(at, range.count);
  x = cropped(builder, builder.reshape(x, Shape(dims)), axis + 1, 0, 1);
  dims.erase(dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1);
  return builder.reshape(x, Shape(std::move(dims)));
}

bool is_class(const json& item, const char* name) {
  return item.is_object() && item.value("class_name", json()) == name;
}

/// A subscript: indices, slices, `...` and None, or one index.
class GetItem final : public Operation {
 public:
  explicit GetItem(OperationForm form) : Operation(std::move(form), Operands::kOthers, {}) {
    const json& args = this->form().args;
    if (args.size() != 2 || !is_tensor_argument(args[0])) unsupported("what it is called with");
    for (const json& item : args[1].is_array() ? args[1] : json::array({args[1]})) {
      check(item);
      key_.push_back(item);
    }
    const auto ellipses = std::count_if(key_.begin(), key_.end(), is_ellipsis);
    if (ellipses > 1) fail("Slice should only have one ellipsis. Received: `" + text() + "`");
    if (ellipses == 0) key_.push_back({{"class_name", kEllipsis}});
  }

 protected:
  [[nodiscard]] Shape shape(const Shapes& x) const override {
    Shape out;
    walk(x.at(0), [&](const json& item, std::size_t axis) {
      if (item.is_null()) out.push_back(1);
      const std::int64_t size = item.is_null() ? 0 : x[0].dims()[axis];
      if (item.is_number()) (void)index(item, x[0], axis);
      if (is_class(item, kSlice)) {
        out.push_back(size == kNone ? kNone : range_of(item, size).count);
      }
    });
    return out;
  }
  [[nodiscard]] ValueId lower(Builder& builder, const Ids& x) const override {
    const Shape from = builder.shape(x[0]);
    ValueId y = x[0];
    walk(from, [&](const json& item, std::size_t axis) {
      if (item.is_number()) y = part(builder, y, axis, {index(item, from, axis), 1, 1});
      if (is_class(item, kSlice)) y = part(builder, y, axis, range_of(item, from.dims()[axis]));
    });
    return builder.reshape(y, shape({from}));
  }

 private:
  static constexpr const char* kSlice = "__slice__";
  static constexpr const char* kEllipsis = "__ellipsis__";
  [[nodiscard]] static bool is_ellipsis(const json& item) { return is_class(item, kEllipsis); }

  void check(const json& item) const {
    if (item.is_null() || item.is_number_integer() || is_ellipsis(item)) return;
    if (!is_class(item, kSlice)) unsupported("a subscript by tensors");
    for (const char* key : {"start", "stop", "step"}) {
      const json& value = item.at("config").at(key);
      if (!value.is_null() && !value.is_number_integer()) unsupported("a slice by tensors");
    }
    if (bound(item, "step").value_or(1) == 0) fail("slice step cannot be zero");
  }
  [[nodiscard]] std::string text() const { return form().args[1].dump(); }

  /// Calls f with each item of the key and the axis that it is of; `...` is slices of all. None has
  /// no axis.
  template <class F>
  void walk(const Shape& x, const F& f) const {
    static const json kAll = {
        {"class_name", kSlice},
        {"config", {{"start", nullptr}, {"stop", nullptr}, {"step", nullptr}}}};
    const auto axes =
        static_cast<std::size_t>(std::count_if(key_.begin(), key_.end(), [](const json& item) {
          return !item.is_null() && !is_ellipsis(item);
        }));
    if (axes > x.rank()) {
      fail("Array has shape " + x.str() + " but slice has to many indices. Received: `" + text() +
           "`");
    }
    std::size_t axis = 0;
    for (const json& item : key_) {
      if (is_ellipsis(item)) {
        for (const std::size_t end = axis + x.rank() - axes; axis < end; ++axis) f(kAll, axis);
      } else {
        f(item, axis);
        if (!item.is_null()) ++axis;
      }
    }
  }
  /// Not negative, where the size of the axis is known.
  [[nodiscard]] std::int64_t index(const json& item, const Shape& x, std::size_t axis) const {
    const std::int64_t size = x.dims()[axis], given = item.get<std::int64_t>();
    if (size == kNone) return given;
    if (given < -size || given >= size) {
      fail("Array has shape " + x.str() + " but out-of-bounds index " + text() + " was requested.");
    }
    return given < 0 ? given + size : given;
  }

  std::vector<json> key_;
};

}  // namespace

OperationRows slicing_operations() {
  return {operation_row<GetItem>("GetItem", kNumpyOps)};
}

}  // namespace lamina::layers

namespace lamina::ops {
namespace {

using nlohmann::json;

json number_or_null(const std::optional<std::int64_t>& number) {
  return number ? json(*number) : json();
}

/// As Keras serialises it.
json index_to_config(const Index& index) {
  if (const auto* number = std::get_if<std::int64_t>(&index.value())) return *number;
  if (std::holds_alternative<NewAxis>(index.value())) return nullptr;
  if (std::holds_alternative<Ellipsis>(index.value())) {
    return {{"class_name", "__ellipsis__"}, {"config", json::object()}};
  }
  const Slice& slice = std::get<Slice>(index.value());
  const json config = {{"start", number_or_null(slice.start)},
                       {"stop", number_or_null(slice.stop)},
                       {"step", number_or_null(slice.step)}};
  return {{"class_name", "__slice__"}, {"config", config}};
}

}  // namespace

SymbolicTensor get_item(const SymbolicTensor& x, const std::vector<Index>& key) {
  json list = json::array();
  for (const Index& index : key) list.push_back(index_to_config(index));
  return layers::call_operation("GetItem", SymbolicTensors{x}, json::object(),
                                json::array({layers::tensor_argument(0), std::move(list)}));
}

}  // namespace lamina::ops
