#include "graph/profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "graph/op_access.h"
#include "ops/op_info.h"

namespace lamina::graph {
namespace {

std::string size_text(const ops::Conv2D& op) {
  std::string text = fmt::format(" {}x{}", op.kernel[0], op.kernel[1]);
  if (op.strides != ops::Pair{1, 1}) text += fmt::format("/{}", op.strides[0]);
  if (op.groups > 1) text += op.groups == op.x.shape[-1] ? " depthwise" : " grouped";
  return text;
}
template <class Spec>
std::string size_text(const Spec&) {
  return {};
}

std::string kind_of(const Op& op) {
  std::string text(ops::op_name(op.spec));
  return text + std::visit([](const auto& spec) { return size_text(spec); }, op.spec);
}

std::string fusions_of(const Op& op) {
  ops::OpSpec spec = op.spec;
  std::string text;
  const ops::Activation* activation = trailing_activation(spec);
  if (activation != nullptr && activation->kind != ops::Unary::kLinear) text += " +act";
  if (const auto* conv = std::get_if<ops::Conv2D>(&spec); conv != nullptr && conv->residual) {
    text += " +residual";
  }
  return text;
}

std::string header() {
  return fmt::format("{:>8} {:>6} {:>7} {:>6}  {:<34} {:<30} {}\n", "ms", "%", "GFLOP/s", "GB/s",
                     "operation", "layer", "shapes");
}

std::string line(const ProfileRow& row, double total) {
  const double rate = row.seconds > 0 ? 1e-9 / row.seconds : 0;
  return fmt::format("{:8.3f} {:6.2f} {:7.1f} {:6.1f}  {:<34} {:<30} {}\n", row.seconds * 1e3,
                     total > 0 ? 100 * row.seconds / total : 0, row.flops * rate,
                     static_cast<double>(row.bytes) * rate, row.op, row.layer, row.shapes);
}

}  // namespace

ProfileRow profile_row(const Op& op) {
  ProfileRow row;
  row.op = kind_of(op) + fusions_of(op);
  row.layer = op.layer;
  for (const ops::TensorSpec& spec : ops::input_specs(op.spec)) {
    row.shapes += (row.shapes.empty() ? "" : ", ") + spec.shape.str();
    row.bytes += spec.nbytes();
  }
  row.shapes += " -> " + ops::output_spec(op.spec).shape.str();
  row.bytes += ops::output_spec(op.spec).nbytes();
  row.flops = ops::flops(op.spec);
  return row;
}

std::string profile_table(std::vector<ProfileRow> rows, std::size_t limit) {
  double total = 0;
  std::map<std::string, ProfileRow> kinds;
  for (const ProfileRow& row : rows) {
    total += row.seconds;
    ProfileRow& kind = kinds[row.op];
    kind.op = row.op;
    kind.flops += row.flops;
    kind.bytes += row.bytes;
    kind.seconds += row.seconds;
  }
  const auto slower = [](const ProfileRow& a, const ProfileRow& b) {
    return a.seconds > b.seconds;
  };
  std::stable_sort(rows.begin(), rows.end(), slower);
  std::string text = header();
  for (std::size_t i = 0; i < std::min(limit, rows.size()); ++i) text += line(rows[i], total);
  text += line({"total", "", "", 0, 0, 0, total}, total);
  std::vector<ProfileRow> sums;
  for (auto& [name, kind] : kinds) sums.push_back(std::move(kind));
  std::stable_sort(sums.begin(), sums.end(), slower);
  text += "\nby kind\n" + header();
  for (const ProfileRow& kind : sums) text += line(kind, total);
  return text;
}

}  // namespace lamina::graph
