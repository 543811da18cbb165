#include "graph/parameters.h"

#include <lamina/error.h>
#include <malloc.h>

#include <algorithm>

#include "core/variable_access.h"

namespace lamina::graph {
namespace {
// glibc keeps freed memory below its (growing) mmap threshold. With `release` the point is that the
// peak stays low, so it goes back all along.
constexpr std::size_t kTrimEvery = std::size_t{4} << 20;
}  // namespace

void Parameters::add(ops::Kernel& kernel, const std::vector<Param>& params) {
  Entry entry{&kernel, &params, {}, {}, false};
  entry.conversions.resize(params.size());
  for (const Param& param : params) {
    for (const VariablePtr& variable : param.sources) {
      const auto known = [&](const Source& source) { return source.variable == variable.get(); };
      if (std::none_of(entry.sources.begin(), entry.sources.end(), known)) {
        entry.sources.push_back({variable.get(), 0});
      }
    }
  }
  entries_.push_back(std::move(entry));
}

bool Parameters::stale(const Entry& entry) {
  return !entry.packed ||
         std::any_of(entry.sources.begin(), entry.sources.end(), [](const Source& source) {
           return source.packed_version != core::VariableAccess::version(*source.variable);
         });
}

void Parameters::require_reachable(const Entry& entry) const {
  for (const Source& source : entry.sources) {
    const Device device = source.variable->device();
    if (device.kind == Device::Kind::kCpu || device == backend_->device()) continue;
    throw UnsupportedError("The variable '" + source.variable->path() + "' is on " +
                           source.variable->device().str() + ", and what is computed on " +
                           backend_->device().str() +
                           " cannot use it there: move the model with to().");
  }
}

bool Parameters::is_there(const Param& param) const {
  return param.variable && param.variable->device() == backend_->device() &&
         backend_->device() != Device::cpu();
}

Tensor Parameters::value_there(const Param& param, Conversion& conversion) {
  const Tensor value = param.variable->value().reshape(param.as.shape);
  if (value.dtype() == param.as.dtype) return value;
  if (!conversion.kernel) {
    conversion.kernel = backend_->make(ops::Cast{{value.shape(), value.dtype()}, param.as});
    conversion.result = Tensor::empty(param.as.shape, param.as.dtype, backend_->device());
  }
  const void* const input = value.raw();
  void* const output = conversion.result.raw();
  conversion.kernel->run({{&input, 1}, {&output, 1}});
  return conversion.result;
}

void Parameters::pack(Entry& entry) {
  require_reachable(entry);
  entry.packed = false;  // until every step below has succeeded
  std::vector<Tensor> values;
  for (std::size_t i = 0; i < entry.params->size(); ++i) {
    const Param& param = (*entry.params)[i];
    values.push_back(is_there(param) ? value_there(param, entry.conversions[i]) : param.value());
  }
  entry.kernel->load_parameters(values);
  for (Source& source : entry.sources)
    source.packed_version = core::VariableAccess::version(*source.variable);
  entry.packed = true;
}

Parameters::Counts Parameters::stale_readers() const {
  Counts counts;
  for (const Entry& entry : entries_) {
    for (const Source& source : entry.sources) {
      if (!kept_.contains(source.variable)) counts[source.variable] += stale(entry);
    }
  }
  return counts;
}

void Parameters::release_read(const Entry& entry, Counts& waiting) const {
  for (const Source& source : entry.sources) {
    if (kept_.contains(source.variable)) continue;
    if (--waiting[source.variable] == 0) core::VariableAccess::release(*source.variable);
  }
}

std::size_t Parameters::source_bytes(const Entry& entry) {
  std::size_t sum = 0;
  for (const Source& source : entry.sources) sum += source.variable->nbytes();
  return sum;
}

// A kernel's parameters are there twice while they are packed, and what has been packed may have
// become larger: the largest come first, while nothing has.
std::vector<Parameters::Entry*> Parameters::stale_by_size() {
  std::vector<Entry*> entries;
  for (Entry& entry : entries_) {
    if (stale(entry)) entries.push_back(&entry);
  }
  std::stable_sort(entries.begin(), entries.end(), [](const Entry* a, const Entry* b) {
    return source_bytes(*a) > source_bytes(*b);
  });
  return entries;
}

void Parameters::refresh(bool release) {
  if (!release) {
    for (Entry& entry : entries_) {
      if (stale(entry)) pack(entry);
    }
    return;
  }
  Counts waiting = stale_readers();
  for (const auto& [variable, readers] : waiting) {
    if (readers == 0) core::VariableAccess::release(*variable);
  }
  std::size_t packed = 0;
  for (Entry* entry : stale_by_size()) {
    pack(*entry);
    release_read(*entry, waiting);
    packed += source_bytes(*entry);
    if (packed < kTrimEvery) continue;
    malloc_trim(0);
    packed = 0;
  }
  malloc_trim(0);
}

}  // namespace lamina::graph
