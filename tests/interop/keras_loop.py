"""The loop of Keras's guide to training with JAX. A model's gradients are compiled once for all optimizers, which
`train_on_batch` would compile anew for each."""

import jax
import numpy as np


class Network:
    """Keras's model with a loss, and the two's gradients as a compiled function."""

    def __init__(self, model, loss):
        self.model, self.loss, self.json = model, loss, model.to_json()

        def scaled_loss(trainable, others, scale, x, y):
            outputs, others = model.stateless_call(trainable, others, x, training=True)
            value = loss(y, outputs)
            return value * scale, (value, others)

        self.gradients = jax.jit(jax.grad(scaled_loss, has_aux=True))


class Run:
    """A run of a network with one optimizer, which the model is compiled with, so that it is saved and loaded."""

    def __init__(self, network, optimizer):
        self.network, self.model, self.optimizer = network, network.model, optimizer
        self.model.compile(optimizer, network.loss)
        optimizer.build(self.model.trainable_variables)
        self.apply = jax.jit(optimizer.stateless_apply)

    def train(self, x, y, batch):
        """One step a batch; the loss of each. The new values are the model's and the optimizer's afterwards."""
        variables = [self.model.trainable_variables, self.model.non_trainable_variables, self.optimizer.variables]
        trainable, others, state = ([v.value for v in group] for group in variables)
        scale = np.float32(self.optimizer.scale_loss(np.float32(1)))  # a constant: a LossScaleOptimizer needs more
        losses = []
        for first in range(0, len(x), batch):
            rows = slice(first, first + batch)
            gradients, (loss, others) = self.network.gradients(trainable, others, scale, x[rows], y[rows])
            trainable, state = self.apply(state, gradients, trainable)
            losses.append(float(loss))
        for group, new in zip(variables, (trainable, others, state)):
            for variable, value in zip(group, new, strict=True):
                variable.assign(value)
        return np.array(losses)

    def finalize(self):
        self.optimizer.finalize_variable_values(self.model.trainable_variables)
