#include "models/run/plans.h"

#include <algorithm>
#include <cstring>

#include "core/device_memory.h"
#include "models/run/lowering.h"

namespace lamina {
namespace {

bool same_but_batch(const ops::TensorSpec& a, const ops::TensorSpec& b) {
  return a.dtype == b.dtype && a.shape.rank() == b.shape.rank() &&
         std::equal(a.shape.begin() + 1, a.shape.end(), b.shape.begin() + 1);
}

// `rows` and zeros behind them, `batch` rows in all.
Tensor padded(const Tensor& rows, std::int64_t batch) {
  if (rows.shape()[0] == batch) return rows;
  Shape shape = rows.shape();
  shape[0] = batch;
  Tensor out = Tensor::zeros(std::move(shape), rows.dtype());
  std::memcpy(out.raw(), rows.raw(), rows.nbytes());
  return out;
}

}  // namespace

void Model::Plans::compute_on(Device device) {
  if (device == device_) return;
  entries_.clear();
  backend_.reset();
  device_ = device;
}

void Model::Plans::compute_with(const std::vector<VariablePtr>& variables) {
  if (variables.empty()) return;
  const VariablePtr& first = variables.front();
  for (const VariablePtr& variable : variables) {
    if (variable->device() == first->device()) continue;
    throw ValueError("The variable '" + first->path() + "' is on " + first->device().str() +
                     " and '" + variable->path() + "' on " + variable->device().str() +
                     ": move the model with to().");
  }
  compute_on(first->device());
}

graph::Plan& Model::Plans::plan(Model& model, const Signature& signature, bool released) {
  forget_outdated(model);
  return *entry(model, signature, released).plan;
}

void Model::Plans::forget_outdated(const Model& model) {
  if (watch_.changed(model)) entries_.clear();
}

Model::Plans::Entry& Model::Plans::entry(Model& model, const Signature& signature, bool released) {
  const auto it = std::find_if(entries_.begin(), entries_.end(),
                               [&](const Entry& entry) { return entry.signature == signature; });
  if (it != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, it);
    return entries_.front();
  }
  if (!backend_) backend_ = ops::make_backend(device_);
  auto plan = std::make_unique<graph::Plan>(models::lower_model(model, signature), backend_);
  if (released) plan->refresh();  // before it takes the place of one that has its weights
  if (entries_.size() >= kPlans) entries_.pop_back();
  entries_.push_front({signature, {}, {}, std::move(plan)});
  return entries_.front();
}

const Model::Plans::Entry* Model::Plans::with_batch_at_least(const Signature& signature) const {
  for (const Entry& entry : entries_) {
    if (entry.signature.front().shape[0] >= signature.front().shape[0] &&
        std::equal(signature.begin(), signature.end(), entry.signature.begin(),
                   entry.signature.end(), same_but_batch)) {
      return &entry;
    }
  }
  return nullptr;
}

std::vector<Tensor> Model::Plans::run(Model& model, std::vector<Tensor> batch,
                                      const std::vector<DType>& dtypes, bool released,
                                      std::int64_t& computed) {
  forget_outdated(model);
  Signature signature;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    batch[i] = batch[i].cast(dtypes[i]);
    signature.push_back({batch[i].shape(), dtypes[i]});
  }
  if (released) {
    if (const Entry* entry = with_batch_at_least(signature)) signature = entry->signature;
  }
  computed = signature.front().shape[0];
  for (Tensor& input : batch) input = padded(input, computed);
  Entry& found = entry(model, signature, released);
  return device_ == Device::cpu() ? found.plan->run(batch) : run_there(found, batch);
}

std::vector<Tensor> Model::Plans::run_there(Entry& entry, const std::vector<Tensor>& batch) {
  if (entry.outputs.empty()) {
    entry.inputs.clear();
    for (const ops::TensorSpec& spec : entry.signature) {
      entry.inputs.push_back(Tensor::empty(spec.shape, spec.dtype, device_));
    }
    entry.outputs = entry.plan->allocate_outputs();
  }
  core::copy_into(entry.inputs, batch);
  entry.plan->run_into(entry.inputs, entry.outputs);
  std::vector<Tensor> outputs = core::copies_on(Device::cpu(), entry.outputs);
  backend_->complain();  // the copies have waited for all that the plan computes
  return outputs;
}

}  // namespace lamina
