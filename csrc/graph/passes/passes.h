#pragma once
#include "graph/program.h"

// Each pass makes a program that computes the same from another; none touches a variable. They are
// independent of each other: `optimize` gives the order in which they pay.
namespace lamina::graph {

/// Removes operations that change nothing (linear activations, no-op reshapes, pads, casts, ...),
/// makes one of transposes in a row, and reshapes of transposes and reductions that only move or
/// drop dimensions of size one.
[[nodiscard]] Program drop_identities(Program program);

/// Removes what no output depends on.
[[nodiscard]] Program drop_dead(Program program);

/// Moves activations and normalisations before transposes, or over the last axis before reshapes,
/// beside the operation that can take them in (Conv1D is a Conv2D between reshapes, Conv3D one
/// between transposes and reshapes).
[[nodiscard]] Program sink_reshapes(Program program);

/// Zero padding of rows and columns becomes padding of the convolutions that read it.
[[nodiscard]] Program fold_padding(Program program);

/// Inference batch normalisation becomes part of the kernel and bias of the Conv2D, Conv2DTranspose
/// or Dense before it, where that has no other reader. Folded in double; float32 and float64 only,
/// for a folded half-precision kernel could overflow where the unfolded did not.
[[nodiscard]] Program fold_batch_norm(Program program);

/// Elementwise functions become the activation of the operation before them.
[[nodiscard]] Program fuse_activations(Program program);

/// The same only where a gradient can still be had: behind convolutions and Dense those functions
/// whose value gives their derivative, behind batch normalisation in training mode all.
[[nodiscard]] Program fuse_differentiable_activations(Program program);

/// `conv + residual` and `dense + residual` become one operation, where the residual is there
/// before the convolution or Dense.
[[nodiscard]] Program fuse_residuals(Program program);

/// Sums of nothing but pieces in zeros, which fill them, become what joins the pieces: gradients of
/// what was cut up and is all of use. Changes only operations from `first` on.
[[nodiscard]] Program join_pads(Program program, std::size_t first);

/// Gives every output of the program a value of its own that is not an input of it.
[[nodiscard]] Program separate_outputs(Program program);

/// What pays before prediction.
[[nodiscard]] Program optimize(Program program);

/// What pays before differentiation, and leaves what `differentiate` knows.
[[nodiscard]] Program optimize_for_training(Program program);

}  // namespace lamina::graph
