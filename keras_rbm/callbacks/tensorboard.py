"""TensorBoard that knows machines."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import plots
from keras_rbm.arguments import positive_integer
from keras_rbm.files import replacing

#: The heading under which a value stands; what is not named here stands under "quality".
_GROUPS = {
    **dict.fromkeys(("loss", "wake_loss", "sleep_loss", "learning_rate", "steps_per_second"), "learning"),
    **dict.fromkeys(("effective_sample_size", "potential_scale_reduction", "mean_field_residual"), "sampling"),
    **dict.fromkeys(("swap_acceptance", "swap_acceptance_min"), "sampling"),
    **dict.fromkeys(("log_partition", "log_partition_ais", "log_partition_reverse_ais", "num_rungs"), "sampling"),
}


class TensorBoard(keras.callbacks.TensorBoard):
    """Keras's, with what a machine has: grouped scalars, all weights, fields, codes in the Projector, HParams.

    Scalars stand under "learning", "quality" and "sampling", training and validation in one chart. Histograms are of
    every weight and, given rows, of the hidden units' fields. Codes of the rows (`encode`; of sequences, means over
    time) are written for the Projector when training ends. Put it after callbacks that log. For pictures, put
    `Pictures` beside it with the same folder.

    Args:
        log_dir: the folder that TensorBoard reads; each trial of a sweep has its own below one of the sweep's.
        x: rows to encode, `(number, visible)`; a few thousand are enough. `None` for none.
        labels: of the rows, `(number,)`: colours in the Projector.
        image_shape: height and width, if rows are pictures to be shown in the Projector.
        hparams: numbers, words and booleans by name, for the HParams tab: what differs between trials of a sweep.
        histogram_freq: epochs between two histograms; 0 for none.
        options: of Keras's callback.

    Raises:
        ValueError: if labels or `image_shape` do not fit the rows, or hyper-parameters are no scalars.

    Example:

    ```python
    board = keras_rbm.callbacks.TensorBoard("logs/rate-0.1", x_validation, y_validation, hparams={"rate": 0.1})
    rbm.fit(x, callbacks=[board])
    ```
    """

    def __init__(
        self,
        log_dir: str | Path = "logs",
        x: Any = None,
        labels: Any = None,
        image_shape: tuple[int, int] | None = None,
        hparams: Mapping[str, float | str | bool] | None = None,
        histogram_freq: int = 1,
        **options: Any,
    ) -> None:
        if histogram_freq != 0:
            positive_integer(histogram_freq, "histogram_freq")
        super().__init__(str(log_dir), histogram_freq, **options)
        self._x = None if x is None else np.asarray(x)
        self._labels = None if labels is None else np.asarray(labels)
        if self._labels is not None and (self._x is None or self._labels.shape != self._x.shape[:1]):
            rows = None if self._x is None else len(self._x)
            raise ValueError(
                f"`labels` must be one a row of `x`. Received: labels of shape {self._labels.shape}, rows={rows}"
            )
        self._sprite = None
        if image_shape is not None and self._x is not None:
            columns = int(np.ceil(np.sqrt(len(self._x))))
            self._sprite = plots.tile(self._x, columns, image_shape, gap=0)
        self.image_shape = image_shape
        self.hparams = dict(hparams or {})
        if wrong := {
            name: value for name, value in self.hparams.items() if not isinstance(value, (bool, int, float, str))
        }:
            raise ValueError(f"Hyper-parameters must be numbers, words or booleans. Received: {wrong}")

    def on_train_begin(self, logs: dict | None = None) -> None:
        super().on_train_begin(logs)
        if self.hparams:
            from tensorboard.plugins.hparams import api

            with tf.summary.create_file_writer(self.log_dir).as_default():
                api.hparams(self.hparams, trial_id=Path(self.log_dir).name)

    def on_test_end(self, logs: dict | None = None) -> None:
        """Nothing more: validation stands beside training already."""
        self._pop_writer()

    def on_train_end(self, logs: dict | None = None) -> None:
        super().on_train_end(logs)
        if self._x is not None:
            self._write_codes(Path(self.log_dir))

    # --- what Keras's calls

    def _write_keras_model_train_graph(self) -> None:
        """The graph of what the machine computes as a layer: Keras finds one in a train function of its own only."""
        shape = (None, *self._x.shape[1:]) if self._x is not None else (None, self.model.visible.width)
        graph = tf.function(self.model.call, autograph=False).get_concrete_function(tf.TensorSpec(shape, tf.float32))
        with self._train_writer.as_default():
            tf.summary.graph(graph.graph)

    def _log_epoch_metrics(self, epoch: int, logs: dict | None) -> None:
        values = self._collect_learning_rate(dict(logs or {}))
        if self.write_steps_per_second:
            values["steps_per_second"] = self._compute_steps_per_second()
        for name, value in values.items():
            writer = self._val_writer if name.startswith("val_") else self._train_writer
            name = name.removeprefix("val_")
            with writer.as_default(step=epoch):
                tf.summary.scalar(f"{_GROUPS.get(name, 'quality')}/{name}", value)

    def _log_weights(self, epoch: int) -> None:
        with self._train_writer.as_default(step=epoch):
            for weight in self.model.trainable_weights:  # without the model's name, which differs between trials
                tf.summary.histogram(f"weights/{weight.path.removeprefix(f'{self.model.name}/')}", weight)
            if self._x is not None:
                tf.summary.histogram("codes", self.model.encode(self._x))
        self._train_writer.flush()

    # --- the Projector

    def _write_codes(self, folder: Path) -> None:
        from tensorboard.plugins import projector

        codes = np.asarray(self.model.encode(self._x), dtype="float32")
        codes = codes.mean(1) if codes.ndim == 3 else codes
        config = projector.ProjectorConfig()
        embedding = config.embeddings.add(tensor_name="codes", tensor_path="codes.tsv")
        with replacing(folder / "codes.tsv") as part:
            np.savetxt(part, codes, fmt="%.5g", delimiter="\t")
        if self._labels is not None:
            embedding.metadata_path = "labels.tsv"
            with replacing(folder / "labels.tsv") as part:
                part.write_text("".join(f"{label}\n" for label in self._labels))
        if self._sprite is not None and self.image_shape is not None:
            embedding.sprite.image_path = "sprite.png"
            embedding.sprite.single_image_dim.extend(self.image_shape[::-1])
            with replacing(folder / "sprite.png") as part:
                keras.utils.save_img(part, 1 - np.nan_to_num(self._sprite)[..., None], file_format="png")
        projector.visualize_embeddings(str(folder), config)
