#include "ops/cuda/dense.h"

#include "core/compute_dtype.h"
#include "ops/cuda/kernels.h"
#include "ops/jobs/layouts.h"

namespace lamina::ops::cuda {
namespace {

bool is_plain_relu(const Activation& activation) {
  return activation == relu();
}

LibraryProduct product_of(const Dense& op) {
  LibraryProduct out;
  out.dtype = op.y.dtype;
  out.transpose_b = op.transposed;
  out.columns = op.y.shape[-1];
  out.rows = op.y.shape.size() / out.columns;
  out.depth = op.x.shape[-1];
  out.bias = op.bias;
  out.relu = is_plain_relu(op.activation);
  return out;
}

/// By a kernel of ours, for what no library has.
Recipe direct(const Dense& op) {
  const LibraryProduct shape = product_of(op);
  kernels::ProductJob job{};
  job.dtype = op.y.dtype;
  job.transpose_b = op.transposed;
  job.function = jobs::function(op.activation);
  job.rows = shape.rows;
  job.columns = shape.columns;
  job.depth = shape.depth;
  std::vector<std::size_t> in_place;
  if (op.residual) in_place.push_back(1);
  return {.run =
              [job, op](const Call& call) mutable {
                job.a = call.input(0);
                job.b = call.param(0);
                job.bias = op.bias ? call.param(1) : nullptr;
                job.residual = op.residual ? call.input(1) : nullptr;
                job.c = call.output();
                call.launch(job);
              },
          .in_place = in_place};
}

/// A library's product, and what it leaves to a kernel of ours.
struct PlannedProduct {
  std::shared_ptr<LibraryPlan> plan;
  LibraryProduct op;
};

PlannedProduct planned(Engine& engine, LibraryProduct op) {
  if (auto plan = plan_product(engine, op)) return {std::move(plan), op};
  op.bias = op.relu = false;
  return {plan_product(engine, op), op};
}

}  // namespace

std::shared_ptr<LibraryPlan> plan_product(Engine& engine, const LibraryProduct& op) {
  return op.depth == 0 ? nullptr : engine.plan(op);
}

Recipe product_recipe(const Site& site, const Dense& op) {
  const PlannedProduct product = planned(*site.engine, product_of(op));
  if (product.plan == nullptr) return direct(op);
  const bool bias_left = op.bias && !product.op.bias;
  kernels::EpilogueJob rest{};
  rest.dtype = op.y.dtype;
  rest.function = product.op.relu ? kernels::Function{} : jobs::function(op.activation);
  rest.size = op.y.shape.size();
  rest.channels = product.op.columns;
  const bool more = op.residual || bias_left || rest.function.kind != kernels::UnaryKind::kLinear;
  const DType bias_dtype = bias_left ? core::compute_dtype(op.y.dtype) : op.y.dtype;
  return {.run =
              [product, rest, more, bias_left, bias = op.bias,
               residual = op.residual](const Call& call) mutable {
                const void* at = bias ? call.param(1) : nullptr;
                product.plan->run(call.stream(),
                                  {call.input(0), call.param(0), bias_left ? nullptr : at,
                                   call.output(), call.workspace()});
                if (!more) return;
                rest.bias = bias_left ? at : nullptr;
                rest.residual = residual ? call.input(1) : nullptr;
                rest.y = call.output();
                call.launch(rest);
              },
          .workspace = product.plan->workspace_bytes(),
          .packing = {{op.y.dtype}, {bias_dtype}}};
}

Recipe product_recipe(const Site& site, const DenseKernelGradient& op) {
  LibraryProduct wanted;
  wanted.dtype = op.y.dtype;
  wanted.transpose_a = true;
  wanted.rows = op.y.shape[0];
  wanted.columns = op.y.shape[1];
  wanted.depth = op.of.y.shape.size() / wanted.columns;
  if (const auto plan = plan_product(*site.engine, wanted)) {
    return {.run =
                [plan](const Call& call) {
                  plan->run(call.stream(), {call.input(0), call.input(1), nullptr, call.output(),
                                            call.workspace()});
                },
            .workspace = plan->workspace_bytes()};
  }
  kernels::ProductJob job{};
  job.dtype = op.y.dtype;
  job.transpose_a = true;
  job.b_like_a = true;
  job.rows = wanted.rows;
  job.columns = wanted.columns;
  job.depth = wanted.depth;
  return {.run = [job](const Call& call) mutable {
    job.a = call.input(0);
    job.b = call.input(1);
    job.c = call.output();
    call.launch(job);
  }};
}

KernelPtr make(const Site& site, const Dense& op) {
  return device_kernel(site, op, product_recipe(site, op));
}

KernelPtr make(const Site& site, const DenseKernelGradient& op) {
  return device_kernel(site, op, product_recipe(site, op));
}

}  // namespace lamina::ops::cuda
