"""Imports Keras the way these tests need it: on JAX, on the CPU, with 64-bit types. Import this first.

Compiling dominates when each small model runs once, so XLA is told not to optimise and to make of a fusion what it
makes soonest; Keras's random initialisers, whose values every test overwrites, give zeros instead of compiling a
generator a shape, and zeros and ones are made by numpy, without compiling."""

import os

os.environ["KERAS_BACKEND"] = "jax"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["JAX_ENABLE_X64"] = "1"
if os.environ.get("LAMINA_OPTIMIZE_XLA") != "1":
    os.environ["XLA_FLAGS"] = ("--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true "
                               "--xla_cpu_use_fusion_emitters=false")

import keras
import numpy as np
from keras.src.initializers import constant_initializers, random_initializers


def _filled(make, shape, dtype):
    return keras.ops.convert_to_tensor(make(shape, keras.backend.standardize_dtype(dtype)))


def _zeros(shape, *args, dtype=None, **kwargs):
    del args, kwargs
    return _filled(np.zeros, shape, dtype)


for _name in ("normal", "uniform", "truncated_normal"):
    setattr(random_initializers.random, _name, _zeros)
constant_initializers.Zeros.__call__ = lambda self, shape, dtype=None: _filled(np.zeros, shape, dtype)
constant_initializers.Ones.__call__ = lambda self, shape, dtype=None: _filled(np.ones, shape, dtype)
