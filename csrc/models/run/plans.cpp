#include "models/run/plans.h"

#include <algorithm>
#include <cstring>
#include <span>

#include "core/device_memory.h"
#include "models/run/lowering.h"
#include "runtime/devices.h"

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
  const Tensor here = rows.to(Device::cpu());
  std::memcpy(out.raw(), here.raw(), here.nbytes());
  return out;
}

std::vector<DType> dtypes_of(const std::vector<ops::TensorSpec>& signature) {
  std::vector<DType> dtypes;
  for (const ops::TensorSpec& spec : signature) dtypes.push_back(spec.dtype);
  return dtypes;
}

}  // namespace

void Model::Plans::compute_on(Device device) {
  if (device == device_) return;
  entries_.clear();
  stage_.reset();
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
  if (!stage_ && device_ != Device::cpu()) {
    stage_ = std::make_shared<runtime::UploadStage>(runtime::devices().get(device_));
  }
  graph::Program program = models::lower_model(model, signature);
  const models::CarriedStates states(program);
  auto plan = std::make_unique<graph::Plan>(std::move(program), backend_);
  if (released) plan->refresh();  // before it takes the place of one that has its weights
  if (entries_.size() >= kPlans) entries_.pop_back();
  auto inputs = std::make_unique<graph::InputPlaces>(device_, dtypes_of(signature), stage_);
  entries_.push_front(
      {signature, std::move(inputs), {}, states, model.outputs().size(), std::move(plan)});
  return entries_.front();
}

const Model::Plans::Entry* Model::Plans::with_batch_at_least(const Signature& signature) const {
  for (const Entry& entry : entries_) {
    if (entry.states.empty() &&  // which are those of a whole batch
        entry.signature.front().shape[0] >= signature.front().shape[0] &&
        std::equal(signature.begin(), signature.end(), entry.signature.begin(),
                   entry.signature.end(), same_but_batch)) {
      return &entry;
    }
  }
  return nullptr;
}

std::shared_ptr<models::ReadyBatch> Model::Plans::ready(std::vector<Tensor> batch,
                                                        const std::vector<DType>& dtypes,
                                                        bool released) const {
  auto out = std::make_shared<models::ReadyBatch>();
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (batch[i].device() != device_) batch[i] = batch[i].to(Device::cpu());
    if (batch[i].device() == Device::cpu()) batch[i] = batch[i].cast(dtypes[i]);
    out->signature.push_back({batch[i].shape(), dtypes[i]});
  }
  if (released) {
    if (const Entry* entry = with_batch_at_least(out->signature)) out->signature = entry->signature;
  }
  for (Tensor& input : batch) out->inputs.push_back(padded(input, out->computed()));
  return out;
}

void Model::Plans::send(models::ReadyBatch& batch) {
  for (const Entry& entry : entries_) {
    if (entry.signature == batch.signature) batch.sent = entry.inputs->send(batch.inputs);
  }
}

std::vector<Tensor> Model::Plans::run(Model& model, const models::ReadyBatch& batch, bool released,
                                      const std::function<void()>& meanwhile) {
  forget_outdated(model);
  Entry& found = entry(model, batch.signature, released);
  if (device_ != Device::cpu()) return run_there(found, batch, meanwhile);
  std::vector<Tensor> outputs = found.plan->run(batch.inputs);
  carry(found, outputs);
  outputs.resize(found.own_outputs);
  return outputs;
}

void Model::Plans::carry(const Entry& entry, const std::vector<Tensor>& outputs) const {
  if (entry.states.empty()) return;
  entry.states.assign(core::copies_on(device_, entry.states.among(outputs)));
}

std::vector<Tensor> Model::Plans::run_there(Entry& entry, const models::ReadyBatch& batch,
                                            const std::function<void()>& meanwhile) {
  if (entry.outputs.empty()) entry.outputs = entry.plan->allocate_outputs();
  const bool is_there = batch.sent && entry.inputs->holds(*batch.sent);
  entry.plan->run_into(is_there ? entry.inputs->take(*batch.sent) : entry.inputs->put(batch.inputs),
                       entry.outputs);
  meanwhile();
  std::vector<Tensor> outputs =
      core::copies_on(Device::cpu(), std::span(entry.outputs).first(entry.own_outputs));
  backend_->complain();  // the copies have waited for all that the plan computes
  carry(entry, entry.outputs);
  return outputs;
}

}  // namespace lamina
