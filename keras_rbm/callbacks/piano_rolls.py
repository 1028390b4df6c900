"""Piano rolls in TensorBoard while a machine of sequences trains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import plots
from keras_rbm.arguments import positive_integer
from keras_rbm.models.sequence.generator import Generator


class PianoRolls(keras.callbacks.Callback):
    """Writes a training roll, and under it one that the machine generates, as a TensorBoard image, each n epochs.

    Args:
        log_dir: the folder that TensorBoard reads.
        roll: a training sequence, 0 and 1, `(frames, visible)`.
        dt: seconds a frame.
        lowest: the MIDI note number of the first column.
        every: epochs between two writings.
        num_frames: frames to generate, and to show of `roll`; as many as `roll` has by default.

    Raises:
        ValueError: for counts that are not positive, a `roll` that is none, or a machine that does not generate.

    Example:

    ```python
    tunes = keras_rbm.datasets.folk_tunes()
    rolls = keras_rbm.callbacks.PianoRolls("logs", tunes.rolls[0], tunes.dt, tunes.notes[0], every=10)
    ```
    """

    def __init__(
        self,
        log_dir: str | Path,
        roll: Any,
        dt: float,
        lowest: int,
        every: int = 1,
        num_frames: int | None = None,
    ) -> None:
        super().__init__()
        self.every = positive_integer(every, "every")
        plots.piano_rolls({"training": roll}, dt, lowest)  # refuses what is no roll now, not after an epoch
        self.num_frames = len(roll) if num_frames is None else positive_integer(num_frames, "num_frames")
        self.roll, self.dt, self.lowest = np.asarray(roll)[: self.num_frames], dt, lowest
        self.log_dir = Path(log_dir)
        self._writer = tf.summary.create_file_writer(str(log_dir))

    def set_model(self, model: Any) -> None:
        if not isinstance(model, Generator):
            raise ValueError(f"PianoRolls needs a machine that generates sequences. Received: {type(model).__name__}")
        super().set_model(model)

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        if (epoch + 1) % self.every:
            return
        with self.model.set_aside("piano rolls"):
            (generated,) = np.asarray(self.model.generate(self.num_frames, num_sequences=1))
        figure = plots.piano_rolls({"training": self.roll, "generated": generated}, self.dt, self.lowest)
        with self._writer.as_default(step=epoch):
            tf.summary.image("piano_rolls", plots.to_array(figure)[None])
        self._writer.flush()

    def on_train_end(self, logs: dict | None = None) -> None:
        self._writer.flush()
