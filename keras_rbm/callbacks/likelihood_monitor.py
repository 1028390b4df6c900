"""How good is the machine, while it trains?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras

from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.likelihood import log_likelihood
from keras_rbm.likelihood.bounds import check_scoring


class LikelihoodMonitor(keras.callbacks.Callback):
    """Logs the log-likelihood of data, by AIS, by reverse AIS and by both joined, each n epochs.

    Logs `log_likelihood_joined`, `log_likelihood_lower` and `log_likelihood_upper` (nats a case; of a DBN or a DBM, its
    variational bound) and `log_partition_ais` and `log_partition_reverse_ais`; exact where `log Z` is. In the epochs
    between, the last figures are logged again, so that every callback finds them in every epoch. Put it before those
    that read the logs: `keras.callbacks.TensorBoard` and `CSVLogger` write them; `EarlyStopping` and `ModelCheckpoint`
    go by them. The `patience` of `EarlyStopping` counts epochs, not measurements: give a multiple of
    `every`. In `DBN.pretrain` each layer would need a monitor, and data, of its own.

    Training is not disturbed: chains and random state are left alone.

    Args:
        x: cases to score, an array or a `tf.data.Dataset` of batches; validation data for whatever decides by it.
        data: training data, where annealing starts; `x` by default.
        every: epochs between two measurements; the first epoch is measured.
        num_samples, num_chains, num_temperatures, burn_in, seed: as in `likelihood.log_likelihood`.

    Raises:
        TypeError, ValueError: as `likelihood.log_likelihood` does, or if `x` or `data` can be read only once; before
            the first step.

    Example:

    ```python
    callbacks = [
        keras_rbm.callbacks.LikelihoodMonitor(x_validation, x_train, every=5),
        keras.callbacks.EarlyStopping("log_likelihood_joined", patience=20),
        keras.callbacks.CSVLogger("log.csv"),
        keras.callbacks.TensorBoard("logs"),
    ]
    ```
    """

    def __init__(
        self,
        x: Any,
        data: Any = None,
        every: int = 1,
        num_samples: int = 10,
        num_chains: int = 100,
        num_temperatures: int = 1000,
        burn_in: int = 1000,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self._x, self._data = x, data
        if x is None:
            raise ValueError("LikelihoodMonitor needs cases to score. Received: x=None")
        for name, rows in (("x", x), ("data", data)):
            if isinstance(rows, Iterator):
                raise TypeError(
                    f"`{name}` is read more than once. Received: {type(rows).__name__}. Give an array or a "
                    "tf.data.Dataset."
                )
        counts = {
            "num_samples": num_samples,
            "num_chains": num_chains,
            "num_temperatures": num_temperatures,
            "burn_in": burn_in,
        }
        self._options: dict[str, Any] = {
            **{name: positive_integer(count, name) for name, count in counts.items()},
            "seed": checked_seed(seed),
        }
        self._last: dict[str, float] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuses, before the first step, what `log_likelihood` would refuse after it."""
        check_scoring(self.model, self._x, self._data, **self._options)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch % self.every == 0 or not self._last:
            result = log_likelihood(self.model, self._x, self._data, **self._options, verbose=0)
            self._last = {
                "log_likelihood_joined": result.joined,
                "log_likelihood_lower": result.lower,
                "log_likelihood_upper": result.upper,
                "log_partition_ais": result.log_partition.lower.log_z,
                "log_partition_reverse_ais": result.log_partition.upper.log_z,
            }
        if logs is not None:
            logs.update(self._last)
