"""Random values for variables and inputs, in ranges that keep activations alive: every variable is
written, moving statistics and integers too."""

import numpy as np


def variable_value(rng, variable, gain=1.0):
    """Float64 (or integer) values for a Keras variable, by the part it plays."""
    name, shape = variable.name, tuple(variable.shape)
    if "int" in variable.dtype:
        return rng.integers(0, 1000, shape)
    if "kernel" in name:
        # A depthwise kernel sums over its window only; the others over all but their outputs.
        spread = shape[:-2] if "depthwise" in name or "depthwise" in variable.path else shape[:-1]
        return rng.normal(0, gain / np.sqrt(max(1, np.prod(spread))), shape)
    if "variance" in name:
        return rng.uniform(0.5, 2.0, shape)
    if "gamma" in name:
        return rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape)
    if name == "alpha":
        return rng.uniform(-0.5, 0.9, shape)
    if name == "embeddings":
        return rng.normal(0, 1, shape)
    return rng.normal(0, 0.3, shape)  # bias, beta, means


def randomize(model, rng, gain=1.0):
    """Gives every variable of the model a new value; dropout's random state is no weight."""
    for variable in model.variables:
        if variable.name == "seed_generator_state":
            continue
        value = variable_value(rng, variable, gain)
        variable.assign(np.asarray(value).astype(variable.dtype))  # here, not by JAX, which compiles it a shape
    for layer in model._flatten_layers():
        if hasattr(layer, "finalize_state") and layer.built:
            layer.finalize_state()


def random_input(rng, shape, dtype):
    """An array for an input of this shape (batch included); indices stay below 10."""
    if "int" in dtype:
        return rng.integers(0, 10, shape).astype(dtype)
    return rng.normal(0, 1, shape).astype("float64" if dtype in ("float", "float64") else "float32")
