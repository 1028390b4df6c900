"""Pictures while a machine trains: in TensorBoard, and as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import plots
from keras_rbm.arguments import positive_integer
from keras_rbm.files import replacing


class Pictures(keras.callbacks.Callback):
    """Draws filters, reconstructions and fantasy particles, each n epochs: TensorBoard images, PNG files, or both.

    The fantasy particles go on from one writing to the next. Training is not disturbed.

    Args:
        log_dir: the folder that TensorBoard reads; `None` for files alone.
        x: pictures to reconstruct, `(number, pixels)`: ten are enough.
        image_shape: height and width.
        every: epochs between two writings.
        num_steps: Gibbs sweeps of the fantasy particles between two writings.
        folder: where PNG files go: `filters-0001.png` is of the first epoch. `None` for none.

    Raises:
        ValueError: if there is neither `log_dir` nor `folder`, for counts that are not positive, or pictures of another
            size than `image_shape`.

    Example:

    ```python
    rbm.fit(x, callbacks=[keras_rbm.callbacks.Pictures("logs", x[:10], (28, 28), every=5, folder="pictures")])
    ```
    """

    def __init__(
        self,
        log_dir: str | Path | None,
        x: Any,
        image_shape: tuple[int, int],
        every: int = 1,
        num_steps: int = 200,
        folder: str | Path | None = None,
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        self.num_steps = positive_integer(num_steps, "num_steps")
        self.image_shape = image_shape
        self.x = np.asarray(x, dtype="float32")
        plots.tile(self.x, 10, image_shape)  # refuses pictures of another size now, not after an epoch
        if log_dir is None and folder is None:
            raise ValueError("Pictures need a place. Received: log_dir=None, folder=None. Give one of them.")
        self.log_dir, self.folder = (None if place is None else Path(place) for place in (log_dir, folder))
        self._writer = None if log_dir is None else tf.summary.create_file_writer(str(log_dir))
        self._particles: tf.Tensor | None = None

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        with self.model.set_aside("pictures"):
            if self._particles is None:
                self._particles = self.model.initial_states(10)
            self._particles, fantasies = self.model.run_chains(self._particles, self.num_steps)
        fantasies = np.asarray(fantasies).reshape(2, 5, -1)
        figures = {
            "filters": plots.filters(np.asarray(self.model._first_kernel()), self.image_shape),
            "reconstructions": plots.reconstructions(
                self.x, self.model.reconstruct(self.x), self.image_shape, per_row=5
            ),
            "fantasies": plots.fantasies(fantasies, self.image_shape),
        }
        if self._writer is not None:
            with self._writer.as_default(step=epoch):
                for name, figure in figures.items():
                    tf.summary.image(name, plots.to_array(figure, dpi=200)[None])
            self._writer.flush()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            for name, figure in figures.items():
                with replacing(self.folder / f"{name}-{epoch + 1:04d}.png") as part:
                    figure.savefig(part, dpi=200, format="png")
