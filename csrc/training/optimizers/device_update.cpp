#include "training/optimizers/device_update.h"

#include <algorithm>
#include <cmath>

#include "core/device_memory.h"
#include "training/optimizers/update.h"

namespace lamina::training {
namespace {

void add_pieces(std::vector<kernels::Piece>& pieces, std::size_t array, std::int64_t size) {
  for (std::int64_t begin = 0; begin < size; begin += kernels::kPieceSize) {
    pieces.push_back(
        {static_cast<std::int64_t>(array), begin, std::min(begin + kernels::kPieceSize, size)});
  }
}

}  // namespace

std::vector<DeviceUpdate::Group> DeviceUpdate::groups(const Update& update, DeviceTable& arrays) {
  std::vector<kernels::UpdateArray> rows;
  std::vector<Group> groups;
  for (const UpdateItem& item : update.items) {
    auto group = std::find_if(groups.begin(), groups.end(),
                              [&](const Group& each) { return each.dtype == item.dtype; });
    if (group == groups.end()) group = groups.insert(group, {item.dtype, {}, {}});
    add_pieces(group->pieces, rows.size(), item.size);
    rows.push_back(item);
  }
  const kernels::UpdateArray* const there = arrays.put(rows);
  while (pieces_.size() < groups.size()) pieces_.emplace_back(runner_.device());
  for (std::size_t i = 0; i < groups.size(); ++i) {
    groups[i].all = {there, pieces_[i].put(groups[i].pieces),
                     static_cast<std::int64_t>(groups[i].pieces.size())};
  }
  return groups;
}

void DeviceUpdate::step(Update& update, const DeviceRule& rule) {
  std::int32_t* const lost = lost_.put<std::int32_t>({0});
  for (const Group& group : groups(update, arrays_)) {
    runner_.run(kernels::UpdateJob{group.dtype, rule.rule, rule.wide, update, group.all, lost});
  }
  fetch_finite(update);
}

void DeviceUpdate::accumulate(Update& update) {
  std::int32_t* const lost = lost_.put<std::int32_t>({0});
  for (const Group& group : groups(update, arrays_)) {
    runner_.run(kernels::AccumulateJob{group.dtype, update, group.all, lost});
  }
  fetch_finite(update);
}

void DeviceUpdate::fetch_finite(Update& update) {
  const Tensor lost = lost_.tensor(DType::kInt32).to(Device::cpu());
  update.finite = lost.data<std::int32_t>()[0] == 0;
  if (!update.finite) lost_.forget();
}

template <class Sum, class Job>
std::vector<Sum> DeviceUpdate::sums_of(const Update& update, Measured& measured, const Job& job) {
  static_assert(sizeof(Sum) % sizeof(double) == 0);
  const std::vector<Group> all = groups(update, measured.arrays);
  measured.sums.resize(all.size());
  for (std::size_t k = 0; k < all.size(); ++k) {
    const Group& group = all[k];
    const Shape shape{group.all.count * static_cast<std::int64_t>(sizeof(Sum) / sizeof(double))};
    Tensor& sums = measured.sums[k];
    if (group.all.count == 0) {  // a launch of nothing is an error
      sums = Tensor();
      continue;
    }
    // Kept: to allocate makes a device wait and map memory, at each step.
    if (!sums.defined() || sums.shape() != shape) {
      sums = Tensor::empty(shape, DType::kFloat64, runner_.device());
    }
    runner_.run(job(group, static_cast<Sum*>(sums.raw())));
  }
  const std::vector<Tensor> fetched =
      core::copies_on(Device::cpu(), measured.sums);  // one wait for all
  std::vector<Sum> of_items(update.items.size(), Sum{});
  for (std::size_t k = 0; k < all.size(); ++k) {
    if (!fetched[k].defined()) continue;
    const auto* const sums = static_cast<const Sum*>(fetched[k].raw());
    for (std::size_t i = 0; i < all[k].pieces.size(); ++i) {
      of_items[static_cast<std::size_t>(all[k].pieces[i].array)] += sums[i];
    }
  }
  return of_items;
}

std::vector<double> DeviceUpdate::squared_norms(const Update& update) {
  return sums_of<double>(update, gradients_, [&update](const Group& group, double* sums) {
    return kernels::SquaresJob{group.dtype, update, group.all, sums};
  });
}

std::vector<kernels::NormSquares> DeviceUpdate::norm_squares(
    const Update& update, const kernels::LambStep<float>& rule,
    const kernels::LambStep<double>& wide_rule) {
  return sums_of<kernels::NormSquares>(
      update, norms_, [&](const Group& group, kernels::NormSquares* sums) {
        return kernels::NormsJob{group.dtype, rule, wide_rule, update, group.all, sums};
      });
}

bool DeviceUpdate::all_finite(const std::vector<Tensor>& tensors) {
  Update update;
  for (const Tensor& tensor : tensors) {
    if (!tensor.defined()) continue;
    UpdateItem item;
    item.dtype = tensor.dtype();
    item.size = tensor.size();
    item.gradient = tensor.raw();
    update.items.push_back(std::move(item));
  }
  const std::vector<double> norms = squared_norms(update);
  return std::all_of(norms.begin(), norms.end(), [](double norm) { return std::isfinite(norm); });
}

}  // namespace lamina::training
