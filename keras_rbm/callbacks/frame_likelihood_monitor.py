"""How good is the sequence model, while it trains?"""

from __future__ import annotations

from typing import Any

import keras

from keras_rbm.arguments import checked_seed, positive_integer
from keras_rbm.likelihood import frame_log_likelihood
from keras_rbm.likelihood.frames import ScoredFrames, checked_frames


class FrameLikelihoodMonitor(keras.callbacks.Callback):
    """Logs the log-likelihood of sequences a frame, between AIS and reverse AIS, and the accuracy, each n epochs.

    Logs `log_likelihood_joined`, `log_likelihood_lower` and `log_likelihood_upper` (nats a frame) and, for visible
    units with states 0 and 1, `accuracy` and `frame_accuracy`, as `likelihood.frame_log_likelihood` finds them:
    `EarlyStopping` and `ModelCheckpoint` go by them, `TensorBoard` and `CSVLogger` write them. In the epochs between,
    the last figures are logged again. Put it before the callbacks that read the logs. Training is not disturbed.

    Args:
        x, mask: validation sequences, `(batch, time, visible)` and `(batch, time)`.
        every: epochs between two measurements; the first epoch is measured.
        num_frames, num_chains, num_temperatures, burn_in, seed: as in `likelihood.frame_log_likelihood`.

    Raises:
        ValueError: if a count is not positive, or sequences do not fit the model: before the first step.
        TypeError: if the model is no sequence model.

    Example:

    ```python
    monitor = keras_rbm.callbacks.FrameLikelihoodMonitor(x_validation, mask_validation, every=5)
    stop = keras.callbacks.EarlyStopping("log_likelihood_joined", patience=20, restore_best_weights=True)
    model.fit(x, mask, epochs=200, callbacks=[monitor, stop])
    ```
    """

    def __init__(
        self,
        x: Any,
        mask: Any = None,
        every: int = 1,
        num_frames: int = 2000,
        num_chains: int = 10,
        num_temperatures: int = 100,
        burn_in: int = 50,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self._x, self._mask = x, mask
        counts = {
            "num_frames": num_frames,
            "num_chains": num_chains,
            "num_temperatures": num_temperatures,
            "burn_in": burn_in,
        }
        self._options: dict[str, Any] = {
            **{name: positive_integer(count, name) for name, count in counts.items()},
            "seed": checked_seed(seed),
            "verbose": 0,
        }
        self._last: dict[str, float] = {}

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuses sequences that the model cannot take before the first step."""
        if not isinstance(self.model, ScoredFrames):
            raise TypeError(
                f"Frames have likelihoods in an RNNRBM or an RTRBM. Received: {type(self.model).__name__}. Use "
                "LikelihoodMonitor."
            )
        checked_frames(self.model, self._x, self._mask)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch % self.every == 0 or not self._last:
            result = frame_log_likelihood(self.model, self._x, self._mask, **self._options)
            self._last = {
                "log_likelihood_joined": result.joined,
                "log_likelihood_lower": result.lower,
                "log_likelihood_upper": result.upper,
            }
            if result.accuracy is not None and result.frame_accuracy is not None:
                self._last |= {"accuracy": result.accuracy, "frame_accuracy": result.frame_accuracy}
        if logs is not None:
            logs.update(self._last)
