"""The main job: from grey levels to a deployed classifier, in stages that a killed run takes up again."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import datasets
from keras_rbm.callbacks import Pictures
from keras_rbm.checks import as_rows, check_domain
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.jobs.files import replacing
from keras_rbm.models import DBN

#: What a run writes, and the only names that overwriting removes.
WRITTEN = (
    "dbn.keras",
    "classifier.keras",
    "saved_model",
    "figures",
    "logs",
    "card.md",
    "recipe.json",
    "progress.json",
    "checkpoints",
)


#: Cases of a step of the classifiers' validation.
_VALIDATED_TOGETHER = 1000


class DBNRun:
    """A configuration at work in a folder.

    Args:
        config: what to do.
        folder: where to write.
        verbose: as in `keras.Model.fit`.
    """

    def __init__(self, config: DBNConfig, folder: Path, verbose: Any = "auto") -> None:
        self.config, self.folder, self.verbose = config, folder, verbose
        self.dbn = DBN(config.layers, sampler=config.make_sampler(), seed=config.seed)
        self.classifier: keras.Model | None = None
        self.rival: keras.Model | None = None
        self.stage = "preparing"

    @classmethod
    def finished(cls, folder: Path) -> DBNRun:
        """The run in a folder, with its models.

        Raises:
            FileNotFoundError: if the folder holds no run.
        """
        run = cls(DBNConfig.load(folder / "recipe.json"), folder)
        run.dbn = keras.models.load_model(folder / "dbn.keras", compile=False)
        if (folder / "classifier.keras").exists():
            run.classifier = keras.models.load_model(folder / "classifier.keras")
        return run

    def check(self) -> None:
        """Refuses data that some stage would refuse, before anything is written or removed.

        Raises:
            ValueError: if the data cannot be trained on.
        """
        for name, x in (("x_train", self.data.x_train), ("x_test", self.data.x_test)):
            try:
                check_domain(as_rows(x, self.data.x_train.shape[1]), self.dbn.visible, "float32")
            except ValueError as error:
                raise ValueError(f"{name}: {error}") from error
        if len(self.training_rows) < 2:
            raise ValueError(f"`x_train` must have at least 3 cases. Received: {len(self.data.x_train)}")
        if self.data.y_train is not None and self.data.num_classes < 2:
            raise ValueError(f"Labels must name at least 2 classes. Received: {', '.join(self.data.classes)}")

    # --- data

    @cached_property
    def data(self) -> datasets.Data:
        """The arrays, read when they are first needed."""
        return datasets.load(self.config.dataset)

    @cached_property
    def _parts(self) -> list[np.ndarray]:
        order = np.random.default_rng(self.config.seed).permutation(len(self.data.x_train))
        return np.split(order, [max(1, len(order) // 10)])

    @property
    def validation_rows(self) -> np.ndarray:
        """A tenth of the training set, set apart by the seed."""
        return self._parts[0]

    @property
    def training_rows(self) -> np.ndarray:
        """The rest of it."""
        return self._parts[1]

    def batches(self, labels: bool = False) -> tf.data.Dataset:
        """The training part, in a new order and newly binarised each epoch."""
        x, y, config = self.data.x_train[self.training_rows], None, self.config
        if labels and self.data.y_train is not None:
            y = self.data.y_train[self.training_rows]
        return datasets.batches(x, y, config.batch_size, config.binarize, config.seed)

    def states(self, x: np.ndarray) -> np.ndarray:
        """Grey levels binarised once, by the configuration's way and seed."""
        return datasets.binarized(x, self.config.binarize, self.config.seed)

    @property
    def validation(self) -> np.ndarray:
        """The validation part, binarised once."""
        return self.states(self.data.x_train[self.validation_rows])

    # --- stages

    def train(self) -> None:
        """All stages that are not done yet; what is trained is saved after each."""
        keras.utils.set_random_seed(self.config.seed)
        x_train = self.data.x_train[self.training_rows]
        self.dbn.adapt(x_train)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.config.save(self.folder / "recipe.json")
        if (self.folder / "dbn.keras").exists():
            self.dbn = keras.models.load_model(self.folder / "dbn.keras", compile=False)
        dbn = self.dbn
        steps = -(-len(x_train) // self.config.batch_size)
        for layer in range(len(self.config.layers)):
            with self._stage(f"pretraining-{layer + 1}") as todo:
                if todo:
                    dbn.pretrain_layer(
                        layer,
                        self.batches(),
                        epochs=self.config.epochs,
                        optimizer=keras.optimizers.SGD(
                            _falling(self.config.learning_rate, steps * self.config.epochs), momentum=0.5
                        ),
                        sampler=self.config.make_sampler(),
                        validation_data=self.validation,
                        batch_size=self.config.batch_size,
                        callbacks=self._callbacks(pictures=layer == 0),
                        verbose=self.verbose,
                    )
        if self.config.wake_sleep_epochs:
            with self._stage("wake-sleep") as todo:
                if todo:
                    self._say("Wake-sleep, the whole stack")
                    epochs = self.config.wake_sleep_epochs
                    schedule = _falling(self.config.wake_sleep_learning_rate, steps * epochs)
                    dbn.compile(keras.optimizers.SGD(schedule))
                    dbn.fit(
                        self.batches(),
                        epochs=epochs,
                        validation_data=self.validation,
                        validation_batch_size=self.config.batch_size,
                        callbacks=self._callbacks(pictures=True),
                        verbose=self.verbose,
                    )
        if self.data.y_train is not None and self.config.fine_tune_epochs:
            self.classifier = dbn.classifier(self.data.num_classes)
            fresh = keras.models.clone_model(self.classifier)
            self.classifier = self._fine_tune(self.classifier, "fine-tuning", "Fine-tuning, from the stack")
            self.rival = self._fine_tune(fresh, "from-random-weights", "The same network, from random weights")

    def _fine_tune(self, net: keras.Model, stage: str, title: str) -> keras.Model:
        rows, labels = self.validation_rows, np.asarray(self.data.y_train)
        path = self.folder / ("classifier.keras" if net is self.classifier else f"checkpoints/{stage}.keras")
        with self._stage(stage) as todo:
            if not todo:
                return keras.models.load_model(path)
            self._say(title)
            train, epochs = self.batches(labels=True), self.config.fine_tune_epochs
            steps = len(train)
            schedule = _falling(self.config.fine_tune_learning_rate, steps * epochs)
            optimizer = keras.optimizers.SGD(schedule, momentum=0.9)
            optimizer.build(net.trainable_variables)  # so that BackupAndRestore finds where its state goes
            net.compile(
                optimizer,
                "sparse_categorical_crossentropy",
                metrics=["accuracy"],
                steps_per_execution=max(n for n in range(1, 101) if steps % n == 0),
            )
            net.fit(
                train.repeat(),  # one iterator for all epochs
                epochs=epochs,
                steps_per_epoch=steps,
                validation_data=(self.data.x_train[rows], labels[rows]),
                validation_batch_size=_VALIDATED_TOGETHER,
                callbacks=self._callbacks(),
                verbose=self.verbose,
                shuffle=False,
            )
            net.save(path)
        return net

    @contextmanager
    def _stage(self, name: str) -> Iterator[bool]:
        """Says whether the stage is still to be done; notes it as done, with the models saved, when it is."""
        self.stage, started = name, time.monotonic()
        todo = name not in self.progress
        yield todo
        if todo:
            self.save()
            with replacing(self.folder / "progress.json") as part:
                part.write_text(json.dumps({**self.progress, name: time.monotonic() - started}))

    @property
    def progress(self) -> dict[str, float]:
        """The stages that are done, and the seconds that each took in its last go."""
        path = self.folder / "progress.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def seconds(self) -> float:
        """What training took so far."""
        return sum(self.progress.values())

    def _callbacks(self, pictures: bool = False) -> list[keras.callbacks.Callback]:
        logs = self.folder / "logs" / self.stage
        logs.mkdir(parents=True, exist_ok=True)
        backup = self.folder / "checkpoints" / self.stage
        callbacks: list[keras.callbacks.Callback] = [
            _Backup(str(backup)),
            keras.callbacks.CSVLogger(str(logs / "history.csv"), append=True),
            keras.callbacks.TensorBoard(str(logs), write_graph=False),
        ]
        if pictures and self.data.image_shape:
            epochs = self.config.wake_sleep_epochs if self.stage == "wake-sleep" else self.config.epochs
            every = max(1, epochs // 4)
            callbacks.append(Pictures(logs / "pictures", self.validation[:10], self.data.image_shape, every))
        return callbacks

    def save(self) -> list[str]:
        """Saves what is trained so far; returns the names of the files."""
        saved = []
        for name, model in (("dbn.keras", self.dbn), ("classifier.keras", self.classifier)):
            if model is not None and model.built:
                with replacing(self.folder / name) as part:
                    model.save(part)
                saved.append(name)
        return saved

    def histories(self) -> dict[str, dict[str, list[float]]]:
        """The curves of every stage, as its CSV log has them."""
        curves = {}
        for path in sorted(self.folder.glob("logs/*/history.csv")):
            with path.open() as file:
                rows = list(csv.DictReader(file))
            rows = list({row["epoch"]: row for row in rows}.values())  # some were done again after an interruption
            names = [name for name in (rows[0] if rows else {}) if name != "epoch"]
            curves[path.parent.name] = {name: [float(row[name]) for row in rows] for name in names}
        return curves

    def _say(self, title: str) -> None:
        if self.verbose:
            print(f"\n{title}")


class _Backup(keras.callbacks.BackupAndRestore):
    """Saves at the end of an epoch if the last time is a second ago: of a tiny epoch saving would be most."""

    _last = 0.0

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        if time.monotonic() - self._last > 1:
            super().on_epoch_end(epoch, logs)
            self._last = time.monotonic()


def _falling(learning_rate: float, num_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning rate that falls linearly to 0."""
    return keras.optimizers.schedules.PolynomialDecay(learning_rate, num_steps, 0.0)
