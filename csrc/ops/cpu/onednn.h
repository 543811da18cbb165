#pragma once
#include <lamina/tensor.h>

#include <dnnl.hpp>
#include <string>
#include <unordered_map>

#include "ops/cpu/one_thread.h"
#include "ops/spec.h"

namespace lamina::ops::cpu {

using Dims = dnnl::memory::dims;

[[noreturn]] void rethrow(const OpSpec& spec, const dnnl::error& error);

/// Runs `f`; oneDNN's errors become BackendErrors that name the operation and its shapes.
template <class F>
decltype(auto) checked(const OpSpec& spec, F&& f) {
  try {
    return f();
  } catch (const dnnl::error& error) {
    rethrow(spec, error);
  }
}

/// The logical dims of an NHWC shape, in oneDNN's order N, C, H, W.
[[nodiscard]] Dims nchw(const Shape& shape);
[[nodiscard]] dnnl::memory::desc nhwc(const Shape& shape);
[[nodiscard]] dnnl::memory::desc any(const Dims& dims);
[[nodiscard]] dnnl::memory::desc dense(const Dims& dims);

/// Attributes of every primitive here: scratch memory is the caller's.
[[nodiscard]] dnnl::primitive_attr attributes(const dnnl::post_ops& post_ops = {});

/// Appends the activation to `ops`. False, and nothing appended, when oneDNN has no such function.
[[nodiscard]] bool append_activation(dnnl::post_ops& ops, const Activation& activation);

/// A primitive with its arguments, ready to be pointed at buffers.
class Primitive {
 public:
  template <class Kind>
  Primitive(const typename Kind::primitive_desc& desc, const dnnl::engine& engine, Kind*)
      : Primitive(Kind(desc), engine) {
    scratchpad_bytes_ = desc.scratchpad_desc().get_size();
    bind(DNNL_ARG_SCRATCHPAD, desc.scratchpad_desc());
  }

  /// An argument whose buffer is given before each run, or that is loaded.
  void bind(int argument, const dnnl::memory::desc& desc) {
    arguments_[argument] = dnnl::memory(desc, engine_, DNNL_MEMORY_NONE);
  }
  /// Input, parameters and output of a layer's forward pass, as `desc` has them.
  template <class Desc>
  void bind_layer(const Desc& desc) {
    bind(DNNL_ARG_SRC, desc.src_desc());
    bind(DNNL_ARG_WEIGHTS, desc.weights_desc());
    if (desc.bias_desc().get_size() != 0) bind(DNNL_ARG_BIAS, desc.bias_desc());
    bind(DNNL_ARG_DST, desc.dst_desc());
  }
  /// Copies `source`, laid out as `from`, into memory of the argument's own, laid out as was bound.
  void load(int argument, const dnnl::memory::desc& from, const Tensor& source);
  /// An argument with memory of its own.
  void own(int argument, const dnnl::memory::desc& desc) {
    arguments_[argument] = dnnl::memory(desc, engine_);
  }
  /// Copies an argument's memory to `data`, laid out as `to`.
  void store(int argument, const dnnl::memory::desc& to, void* data);
  void set(int argument, const void* data) {
    arguments_.at(argument).set_data_handle(const_cast<void*>(data));
  }
  /// By one thread where it was made for one (see OneThread).
  void execute(void* workspace);
  /// The same for a primitive whose threads wait for each other. Within a parallel region of the
  /// user's oneDNN takes one thread, which would wait for ever: there another thread runs it.
  void execute_together(void* workspace);
  [[nodiscard]] std::size_t scratchpad_bytes() const { return scratchpad_bytes_; }

 private:
  Primitive(dnnl::primitive primitive, const dnnl::engine& engine)
      : engine_(engine),
        stream_(engine),
        primitive_(std::move(primitive)),
        threads_(omp_get_max_threads()) {}

  dnnl::engine engine_;
  dnnl::stream stream_;
  dnnl::primitive primitive_;
  int threads_;  ///< that it was made for
  enum class Way : bool { kIn, kOut };
  /// Copies the user's `data`, laid out as `desc`, into an argument's memory or out of it.
  void reorder(int argument, const dnnl::memory::desc& desc, void* data, Way way);
  /// With denormal numbers flushed by all threads, if they are by this one.
  void execute(const dnnl::primitive& primitive,
               const std::unordered_map<int, dnnl::memory>& arguments);

  /// A change of layout. Kept from the second time on, when it is likely to be made again and
  /// again.
  struct Reorder {
    dnnl::memory user;
    dnnl::reorder primitive;
  };
  std::unordered_map<int, dnnl::memory> arguments_;
  std::unordered_map<int, Reorder> reorders_;
  std::size_t scratchpad_bytes_ = 0;
};

/// The primitive of kind `Kind` that `desc` describes.
template <class Kind>
[[nodiscard]] Primitive primitive(const typename Kind::primitive_desc& desc,
                                  const dnnl::engine& engine) {
  return Primitive(desc, engine, static_cast<Kind*>(nullptr));
}

}  // namespace lamina::ops::cpu
