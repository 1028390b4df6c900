"""How good are the machine's samples, while it trains?"""

from __future__ import annotations

from typing import Any

import keras

from keras_rbm.arguments import positive_integer
from keras_rbm.quality import Quality, sample_quality
from keras_rbm.quality.rows import checked_rows


class QualityMonitor(keras.callbacks.Callback):
    """Compares samples with data each n epochs, logs the figures, and keeps all that was found in `last`.

    Logs `aats_truth` and `aats_syn` (how often the nearest neighbour of a row is a row, that of a sample a sample: 0.5
    when the machine is done), `aats_distance` (of the worse of both from 0.5) and `spectrum_distance`; with labels or a
    classifier `class_distance`, and with validation data `privacy_loss`. In the epochs between, the last figures are
    logged again. Put it before callbacks that read the logs. The `patience` of `EarlyStopping` counts epochs, not
    measurements: give a multiple of `every`. Training is not disturbed.

    Args:
        x, validation, labels, classifier, num_samples, num_steps, seed: as in `keras_rbm.sample_quality`; fewer chains
            and sweeps by default.
        every: epochs between two measurements; the first epoch is measured.

    Raises:
        TypeError, ValueError: as `keras_rbm.sample_quality` does, before the first step.

    Example:

    ```python
    monitor = keras_rbm.callbacks.QualityMonitor(x_train, every=10)
    best = keras.callbacks.ModelCheckpoint("best.keras", monitor="aats_distance", save_best_only=True)
    rbm.fit(x_train, epochs=200, callbacks=[monitor, best])
    monitor.last.figure().savefig("samples.png")
    ```
    """

    def __init__(
        self,
        x: Any,
        validation: Any = None,
        labels: Any = None,
        classifier: Any = None,
        every: int = 10,
        num_samples: int = 500,
        num_steps: int = 200,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self._options: dict[str, Any] = {
            "x": x,
            "validation": validation,
            "labels": labels,
            "classifier": classifier,
            "num_samples": positive_integer(num_samples, "num_samples"),
            "num_steps": positive_integer(num_steps, "num_steps"),
            "seed": seed,
        }
        self.last: Quality | None = None
        self._figures: dict[str, float] = {}  # plain: it is saved with a checkpoint

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Refuses a machine that has no samples, or rows that it cannot take."""
        checked_rows(self.model, **self._options)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if epoch % self.every == 0 or not self._figures:
            self.last = found = sample_quality(self.model, **self._options)
            self._figures = {
                "aats_truth": found.aats.truth,
                "aats_syn": found.aats.syn,
                "aats_distance": found.aats.distance,
                "spectrum_distance": found.spectra.distance,
            }
            if found.classes is not None:
                self._figures["class_distance"] = found.classes.distance
            if found.privacy_loss is not None:
                self._figures["privacy_loss"] = found.privacy_loss
        if logs is not None:
            logs.update(self._figures)
