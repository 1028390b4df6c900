"""Is the machine overfitting?"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import positive_integer


class FreeEnergyGap(keras.callbacks.Callback):
    """Logs `free_energy_gap`: mean free energy of validation data less that of training data, nats a case.

    Both are taken at the same parameters, at the end of an epoch, so the partition function cancels. A gap that grows
    means that the machine prefers what it was trained on. Put it before callbacks that read the logs.

    Args:
        x_train: training data; a fixed part of `num_cases` rows, drawn with `seed`, is used.
        x_validation: validation data, of which as many are used.
        num_cases: rows of each at most.

    Raises:
        ValueError: if either is empty, `num_cases` is not positive, or the machine (a DBN or a DBM) has no free energy.

    Example:

    ```python
    gap = keras_rbm.callbacks.FreeEnergyGap(x_train, x_validation)
    rbm.fit(x_train, callbacks=[gap, keras.callbacks.TensorBoard("logs")])
    ```

    Reference:
        Hinton, 2012, "A practical guide to training restricted Boltzmann machines", section 6.
    """

    def __init__(self, x_train: Any, x_validation: Any, num_cases: int = 1000, seed: int = 0) -> None:
        super().__init__()
        num_cases = positive_integer(num_cases, "num_cases")
        rng = np.random.default_rng(seed)
        self._subsets = []
        for name, x in (("x_train", x_train), ("x_validation", x_validation)):
            if not len(x):
                raise ValueError(f"`{name}` must have at least one row. Received: none")
            rows = np.sort(rng.permutation(len(x))[:num_cases])
            self._subsets.append(np.asarray(x)[rows])

    def set_model(self, model: Any) -> None:
        if not isinstance(model, AbstractRBM) or not model.has_free_energy:
            raise ValueError(f"FreeEnergyGap needs a machine with a free energy. Received: {type(model).__name__}")
        super().set_model(model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        train, validation = (float(np.mean(self.model.free_energy(x))) for x in self._subsets)
        if logs is not None:
            logs["free_energy_gap"] = validation - train
