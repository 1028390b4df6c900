"""Do the chains mix, while a machine trains?"""

from __future__ import annotations

from typing import Any

import keras

from keras_rbm.arguments import positive_integer
from keras_rbm.samplers import mixing
from keras_rbm.scored import checked_model


class MixingMonitor(keras.callbacks.Callback):
    """Logs `effective_sample_size` and `potential_scale_reduction` of the sampler's chains, each n epochs.

    See `keras_rbm.samplers.mixing`. In the epochs between, the last figures are logged again. Put it before callbacks
    that read the logs.

    Args:
        every: epochs between two measurements; the first epoch is measured.
        num_steps: states of each chain that are looked at.

    Raises:
        ValueError: if a count is not positive.

    Example:

    ```python
    rbm.fit(x, callbacks=[keras_rbm.callbacks.MixingMonitor(every=10), keras.callbacks.TensorBoard("logs")])
    ```
    """

    def __init__(self, every: int = 1, num_steps: int = 1000) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self.num_steps = positive_integer(num_steps, "num_steps")
        self._last: dict[str, Any] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuses, before the first step, a machine whose chains cannot be diagnosed."""
        checked_model(self.model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch % self.every == 0 or not self._last:
            self._last = mixing(self.model, self.num_steps)._asdict()
        if logs is not None:
            logs.update(self._last)
