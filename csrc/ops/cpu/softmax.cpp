#include "ops/cpu/blocks.h"
#include "ops/cpu/kernels.h"
#include "ops/cpu/simple_kernel.h"

namespace lamina::ops::cpu {
namespace {

template <class Forward>
KernelPtr make(const dnnl::engine& engine, const Softmax& op, const Blocks& blocks) {
  const typename Forward::desc desc(dnnl::prop_kind::forward_inference,
                                    dense({blocks.outer, blocks.middle, blocks.inner}), 1);
  const typename Forward::primitive_desc primitive(desc, attributes(), engine);
  return std::make_unique<SimpleKernel<Forward>>(op, primitive, engine, true);
}

}  // namespace

KernelPtr make_softmax(const dnnl::engine& engine, const Softmax& op) {
  const auto split = blocks(op.x.shape, op.axes);
  if (!split) return nullptr;
  // Of one element it is 0, of which oneDNN's is off by some 1e-6, with nothing larger beside it.
  if (op.log && split->middle == 1) return nullptr;
  return op.log ? make<dnnl::logsoftmax_forward>(engine, op, *split)
                : make<dnnl::softmax_forward>(engine, op, *split);
}

}  // namespace lamina::ops::cpu
