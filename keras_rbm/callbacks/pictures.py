"""Pictures in TensorBoard while a machine trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import plots
from keras_rbm.arguments import positive_integer


class Pictures(keras.callbacks.Callback):
    """Writes filters, reconstructions and fantasy particles as TensorBoard images, each n epochs.

    The fantasy particles go on from one writing to the next. Training is not disturbed.

    Args:
        log_dir: the folder that TensorBoard reads.
        x: pictures to reconstruct, `(number, pixels)`: ten are enough.
        image_shape: height and width.
        every: epochs between two writings.
        num_steps: Gibbs sweeps of the fantasy particles between two writings.

    Raises:
        ValueError: for counts that are not positive, or pictures of another size than `image_shape`.

    Example:

    ```python
    rbm.fit(x, callbacks=[keras_rbm.callbacks.Pictures("logs", x[:10], (28, 28), every=5)])
    ```
    """

    def __init__(
        self, log_dir: str | Path, x: Any, image_shape: tuple[int, int], every: int = 1, num_steps: int = 200
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self.num_steps = positive_integer(num_steps, "num_steps")
        self.image_shape = image_shape
        self.x = np.asarray(x, dtype="float32")
        plots.tile(self.x, 10, image_shape)  # refuses pictures of another size now, not after an epoch
        self.log_dir = Path(log_dir)
        self._writer = tf.summary.create_file_writer(str(log_dir))
        self._particles: tf.Tensor | None = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        with self.model.set_aside("pictures"):
            if self._particles is None:
                self._particles = self.model.initial_states(10)
            self._particles, fantasies = self.model.run_chains(self._particles, self.num_steps)
        figures = {
            "filters": plots.filters(self.model._first_kernel(), self.image_shape),
            "reconstructions": plots.reconstructions(self.x, self.model.reconstruct(self.x), self.image_shape),
            "fantasies": plots.fantasies(np.asarray(fantasies)[None], self.image_shape),
        }
        with self._writer.as_default(step=epoch):
            for name, figure in figures.items():
                tf.summary.image(name, plots.to_array(figure)[None])
        self._writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._writer.flush()
