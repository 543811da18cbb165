#include "training/graph/sent_inputs.h"

#include <algorithm>
#include <span>

#include "training/graph/placed_tensors.h"
#include "training/graph/train_graph.h"

namespace lamina::training {

SentInputs::~SentInputs() {
  if (stage_ && stage_->holds(number_)) stage_->settle(number_);
}

TrainGraph::~TrainGraph() {
  if (stage_) stage_->forget();  // it may hold what was sent for this one
}

std::shared_ptr<SentInputs> TrainGraph::send(const std::vector<Tensor>& inputs, RandomState state,
                                             const std::vector<Tensor>& beside) {
  auto sent = std::make_shared<SentInputs>();
  sent->graph_ = this;
  sent->state_ = state;
  sent->inputs_ = inputs.size();
  sent->beside_ = beside.size();
  std::vector<Tensor>& given = sent->given_;
  given = inputs;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (stage_) {
      require_defined(given[i], i);
      if (given[i].device() == device()) continue;  // and is cast there
      given[i] = given[i].to(Device::cpu());
    }
    if (i < input_dtypes_.size()) given[i] = given[i].cast(input_dtypes_[i]);
  }
  if (plan_->draws()) given.push_back(graph::tensor_of(state));
  given.insert(given.end(), beside.begin(), beside.end());
  if (!stage_) return sent;
  std::vector<std::span<const std::byte>> parts;
  for (const Tensor& tensor : given) {
    if (tensor.device() != device()) parts.push_back(tensor.bytes());
  }
  sent->number_ = stage_->send(parts);
  sent->stage_ = stage_;
  return sent;
}

bool TrainGraph::holds(const SentInputs& sent, RandomState state) const {
  // Another graph may have come to lie where the one that sent it was.
  return sent.graph_ == this && sent.stage_ == stage_ && sent.state_.seed == state.seed &&
         sent.state_.counter == state.counter && (!stage_ || stage_->holds(sent.number_));
}

const std::vector<Tensor>& TrainGraph::arrived(const SentInputs& sent) {
  if (!stage_) return input_places_ = sent.given_;
  take_to_places(sent);
  return input_places_;
}

void TrainGraph::take_to_places(const SentInputs& sent) {
  input_places_.resize(sent.given_.size());
  std::vector<std::byte*> to;
  std::vector<runtime::Copy> within;
  std::vector<kernels::Job> casts;
  for (std::size_t i = 0; i < sent.given_.size(); ++i) {
    const Tensor& given = sent.given_[i];
    Tensor& place = input_places_[i];
    const DType dtype =
        i < std::min(sent.inputs_, input_dtypes_.size()) ? input_dtypes_[i] : given.dtype();
    make_place(place, given.shape(), dtype, device());
    if (given.device() != device()) {
      to.push_back(static_cast<std::byte*>(place.raw()));
    } else if (given.dtype() == dtype) {
      within.push_back(copy_of(given, place));
    } else if (given.size() > 0) {
      casts.push_back(
          kernels::CastJob{given.dtype(), dtype, given.raw(), place.raw(), given.size()});
    }
  }
  stage_->take(sent.number_, to);
  copy_within(device(), within);
  for (const kernels::Job& cast : casts) runner_.run(cast);
}

}  // namespace lamina::training
