"""Block Gibbs sampling for TensorFlow Probability."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow_probability as tfp

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer
from keras_rbm.random import Draws
from keras_rbm.samplers.chains import sweep
from keras_rbm.scored import checked_model
from keras_rbm.units.unit import as_dtype


class BlockGibbs(tfp.mcmc.TransitionKernel):
    """Block Gibbs sweeps of an RBM as a `TransitionKernel`, so that `tfp.mcmc.sample_chain` runs on it.

    States are visible states, `(chains, visible)`. Random numbers come from the seed that TensorFlow Probability hands
    over (give it a pair of integers: a single one is stateful there); the machine's own stream is not touched.

    Args:
        rbm: a built RBM.
        num_steps: sweeps a transition, at least 1.
        beta: inverse temperature, from 0 up.

    Raises:
        TypeError: if it is no RBM.
        ValueError: if the RBM is not built, not finite or not tied, or an argument is out of range.

    Example:

    ```python
    kernel = keras_rbm.samplers.BlockGibbs(rbm)
    start = rbm.initial_states(4)
    v = tfp.mcmc.sample_chain(1000, start, kernel=kernel, trace_fn=None, seed=(0, 1))  # (1000, 4, visible)
    ```
    """

    def __init__(self, rbm: AbstractRBM, num_steps: int = 1, beta: float = 1.0) -> None:
        model = checked_model(rbm)
        if model.undirected() is not rbm:
            raise TypeError(f"Block Gibbs sampling is that of an RBM. Received: {type(rbm).__name__}")
        if isinstance(beta, str) or not beta >= 0:
            raise ValueError(f"`beta` must be at least 0. Received: beta={beta!r}")
        self.rbm, self._as_states = rbm, model._as_states
        self._parameters: dict[str, Any] = {
            "rbm": rbm,
            "num_steps": positive_integer(num_steps, "num_steps"),
            "beta": beta,
        }

    @property
    def parameters(self) -> dict[str, Any]:
        return self._parameters

    @property
    def is_calibrated(self) -> bool:
        return True

    def bootstrap_results(self, init_state: tf.Tensor) -> tuple:
        return ()

    def one_step(
        self, current_state: tf.Tensor, previous_kernel_results: tuple, seed: tf.Tensor | tuple[int, int] | None = None
    ) -> tuple:
        v = self._as_states(current_state)
        draws = Draws(tfp.random.sanitize_seed(seed))
        for _ in range(self._parameters["num_steps"]):
            v = sweep(self.rbm, v, as_dtype(self._parameters["beta"], v.dtype), draws=draws)
        return tf.cast(v, current_state.dtype), previous_kernel_results
