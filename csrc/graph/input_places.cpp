#include "graph/input_places.h"

#include <algorithm>
#include <span>
#include <utility>

#include "core/device_memory.h"
#include "graph/placed_tensors.h"

namespace lamina::graph {

SentTensors::~SentTensors() {
  if (stage_ && stage_->holds(number_)) stage_->settle(number_);
}

InputPlaces::InputPlaces(Device device, std::vector<DType> dtypes,
                         std::shared_ptr<runtime::UploadStage> stage)
    : runner_(device), dtypes_(std::move(dtypes)), stage_(std::move(stage)) {}

InputPlaces::~InputPlaces() {
  if (stage_) stage_->forget();  // it may hold what was sent for these
}

std::vector<Tensor> InputPlaces::made_ready(const std::vector<Tensor>& inputs) const {
  std::vector<Tensor> out = inputs;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (!on_host()) {
      require_defined(out[i], i);
      if (out[i].device() == runner_.device()) continue;
      out[i] = out[i].to(Device::cpu());
    }
    if (i < dtypes_.size()) out[i] = out[i].cast(dtypes_[i]);
  }
  return out;
}

InputPlaces::FromHost InputPlaces::place(const std::vector<Tensor>& tensors, std::size_t inputs) {
  places_.resize(tensors.size());
  FromHost out;
  std::vector<runtime::Copy> within;
  std::vector<kernels::Job> casts;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& given = tensors[i];
    Tensor& place = places_[i];
    const DType dtype = i < std::min(inputs, dtypes_.size()) ? dtypes_[i] : given.dtype();
    make_place(place, given.shape(), dtype, runner_.device());
    if (given.device() != runner_.device()) {
      out.from.push_back(given);
      out.to.push_back(place);
    } else if (given.dtype() == dtype) {
      within.push_back(copy_of(given, place));
    } else if (given.size() > 0) {
      casts.push_back(
          kernels::CastJob{given.dtype(), dtype, given.raw(), place.raw(), given.size()});
    }
  }
  copy_within(runner_.device(), within);
  for (const kernels::Job& cast : casts) runner_.run(cast);
  return out;
}

const std::vector<Tensor>& InputPlaces::put(const std::vector<Tensor>& inputs) {
  const std::vector<Tensor> ready = made_ready(inputs);
  if (on_host()) return places_ = ready;
  FromHost from_host = place(ready, ready.size());
  core::copy_into(from_host.to, from_host.from);
  return places_;
}

std::shared_ptr<SentTensors> InputPlaces::send(const std::vector<Tensor>& inputs,
                                               const std::vector<Tensor>& beside) {
  auto sent = std::make_shared<SentTensors>();
  sent->places_ = this;
  sent->tensors_ = made_ready(inputs);
  sent->inputs_ = inputs.size();
  sent->tensors_.insert(sent->tensors_.end(), beside.begin(), beside.end());
  if (!stage_) return sent;
  std::vector<std::span<const std::byte>> parts;
  for (const Tensor& tensor : std::as_const(sent->tensors_)) {
    if (tensor.device() != runner_.device()) parts.push_back(tensor.bytes());
  }
  sent->number_ = stage_->send(parts);
  sent->stage_ = stage_;
  return sent;
}

bool InputPlaces::holds(const SentTensors& sent) const {
  // Others may have come to lie where those were that sent it.
  return sent.places_ == this && sent.stage_ == stage_ && (!stage_ || stage_->holds(sent.number_));
}

const std::vector<Tensor>& InputPlaces::take(const SentTensors& sent) {
  if (!stage_) return places_ = sent.tensors_;
  FromHost from_host = place(sent.tensors_, sent.inputs_);
  std::vector<std::byte*> to;
  for (Tensor& tensor : from_host.to) to.push_back(static_cast<std::byte*>(tensor.raw()));
  stage_->take(sent.number_, to);
  return places_;
}

}  // namespace lamina::graph
