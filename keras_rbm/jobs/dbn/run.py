"""The main job: from grey levels to a deployed classifier, in stages that a killed run takes up again."""

from __future__ import annotations

import csv
import itertools
from functools import cached_property
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import datasets, progress
from keras_rbm.callbacks import Pictures, TensorBoard
from keras_rbm.checkpoints import Checkpoint, last_in_line
from keras_rbm.checks import as_rows, check_domain
from keras_rbm.files import replacing
from keras_rbm.jobs.dbn import rivals
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.models import DBN

#: What a run writes (`progress.json`: one of an older version), and the only names that overwriting removes.
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


#: Least time between two checkpoints: of tiny epochs saving would take most.
SECONDS = 1.0
#: Cases of a step of the classifiers' validation.
_VALIDATED_TOGETHER = 1000


class DBNRun:
    """A configuration at work in a folder.

    Args:
        config: what to do.
        folder: where to write.
        verbose: whether Keras's own progress bars show, instead of a line a stage.
    """

    def __init__(self, config: DBNConfig, folder: Path, verbose: bool = False) -> None:
        self.config, self.folder, self.verbose = config, folder, verbose
        self.dbn = DBN(config.layers, sampler=config.make_sampler(), seed=config.seed)
        self.classifier: keras.Model | None = None
        self.rival: keras.Model | None = None
        self.stage = "preparing"

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
        self.config.check_fits(self.data.x_train.shape[1])
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

    def batches(self, labels: bool = False, epoch: int = 0) -> tf.data.Dataset:
        """The training part, in a new order and newly binarised each epoch, from an epoch on."""
        x, y, config = self.data.x_train[self.training_rows], None, self.config
        if labels and self.data.y_train is not None:
            y = self.data.y_train[self.training_rows]
        return datasets.batches(x, y, config.batch_size, config.binarize, config.seed, epoch=epoch)

    def states(self, x: np.ndarray) -> np.ndarray:
        """Grey levels binarised once, by the configuration's way and seed."""
        return datasets.binarized(x, self.config.binarize, self.config.seed)

    @property
    def validation(self) -> np.ndarray:
        """The validation part, binarised once."""
        return self.states(self.data.x_train[self.validation_rows])

    # --- stages

    @cached_property
    def job(self) -> progress.Job:
        """How far the stages are."""
        config, widths = self.config, (self.data.x_train.shape[1], *self.config.layers)
        products = [below * above for below, above in itertools.pairwise(widths)]
        error = "val_reconstruction_error", "validation error {:.2f} nats"
        accuracy = "val_accuracy", "validation accuracy {:.1%}"
        stages = {}
        for i, product in enumerate(products):
            work = progress.step_work(config.batch_size * (sum(products[:i]) + (4 + 2 * config.gibbs_steps) * product))
            title = f"layer {i + 1} of {len(products)}"
            stages[f"pretraining-{i + 1}"] = progress.Stage(title, config.epochs, work, *error)
        if config.wake_sleep_epochs:
            work = progress.step_work(8 * config.batch_size * sum(products))
            stages["wake-sleep"] = progress.Stage("wake-sleep", config.wake_sleep_epochs, work, *error)
        if self.data.y_train is not None and config.fine_tune_epochs:
            work = progress.step_work(3 * config.batch_size * sum(products))
            for name, title in (("fine-tuning", "fine-tuning"), ("rectifiers", "rectifiers beside it")):
                stages[name] = progress.Stage(title, config.fine_tune_epochs, work, *accuracy)
        return progress.Job(stages)

    def train(self) -> None:
        """All stages; one that is finished, or interrupted, goes on from its checkpoint."""
        config, dbn = self.config, self.dbn
        keras.utils.set_random_seed(config.seed)
        x_train = self.data.x_train[self.training_rows]
        dbn.adapt(x_train)
        steps = -(-len(x_train) // config.batch_size)
        for layer in range(len(config.layers)):
            self.stage = f"pretraining-{layer + 1}"
            falling = _falling(config.learning_rate, steps * config.epochs)
            dbn.pretrain_layer(
                layer,
                self.batches(),
                epochs=config.epochs,
                optimizer=keras.optimizers.SGD(falling, momentum=0.5),
                sampler=config.make_sampler(),
                validation_data=self.validation,
                batch_size=config.batch_size,
                callbacks=lambda layer: self._callbacks(pictures=layer == 0),
                verbose=int(self.verbose),
            )
        if config.wake_sleep_epochs:
            self.stage = "wake-sleep"
            self._say("Wake-sleep, the whole stack")
            schedule = _falling(config.wake_sleep_learning_rate, steps * config.wake_sleep_epochs)
            dbn.compile(keras.optimizers.SGD(schedule))
            dbn.fit(
                self.batches(),
                epochs=config.wake_sleep_epochs,
                validation_data=self.validation,
                validation_batch_size=config.batch_size,
                callbacks=self._callbacks(pictures=True),
                verbose=int(self.verbose),
            )
        if self.data.y_train is not None and config.fine_tune_epochs:
            self.classifier = dbn.classifier(self.data.num_classes)
            keras.utils.set_random_seed(config.seed)  # however the stages before went, these weights are the same
            self.rival = rivals.rectifiers(x_train.shape[1], config.layers, self.data.num_classes)
            steps *= config.fine_tune_epochs
            sgd = keras.optimizers.SGD(_falling(config.fine_tune_learning_rate, steps), momentum=0.9)
            self._fine_tune(self.classifier, "fine-tuning", "Fine-tuning, from the stack", sgd)
            adam = keras.optimizers.Adam(_falling(rivals.LEARNING_RATE, steps))
            self._fine_tune(self.rival, "rectifiers", "Beside it: rectifiers, from random weights", adam)
        self.save()

    def _fine_tune(self, net: keras.Model, stage: str, title: str, optimizer: keras.optimizers.Optimizer) -> None:
        self.stage = stage
        self._say(title)
        rows, labels, epochs = self.validation_rows, np.asarray(self.data.y_train), self.config.fine_tune_epochs
        callbacks = self._callbacks()
        train = self.batches(labels=True, epoch=self._checkpoint(stage).epoch)
        steps = len(train)
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
            callbacks=callbacks,
            verbose=int(self.verbose),
            shuffle=False,
        )

    def _checkpoint(self, stage: str) -> Checkpoint:
        return Checkpoint(self.folder / "checkpoints" / stage, seconds=SECONDS)

    @property
    def seconds(self) -> float:
        """What training took so far, all goes together."""
        stages = (self.folder / "checkpoints").glob("*")
        return sum(self._checkpoint(stage.name).progress.seconds for stage in stages)

    def _callbacks(self, pictures: bool = False) -> list[keras.callbacks.Callback]:
        logs = self.folder / "logs" / self.stage
        logs.mkdir(parents=True, exist_ok=True)
        callbacks: list[keras.callbacks.Callback] = [
            self._checkpoint(self.stage),
            keras.callbacks.CSVLogger(str(logs / "history.csv"), append=True),
            TensorBoard(logs, histogram_freq=10, write_graph=False),
        ]
        if pictures and self.data.image_shape:
            epochs = self.config.wake_sleep_epochs if self.stage == "wake-sleep" else self.config.epochs
            every = max(1, epochs // 4)
            callbacks.append(Pictures(logs / "pictures", self.validation[:10], self.data.image_shape, every))
        if not self.verbose:
            callbacks.append(self.job.watching(self.stage))
        return last_in_line(callbacks)

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
            names = [name for name in (rows[0] if rows else {}) if name != "epoch"]
            curves[path.parent.name] = {name: [float(row[name]) for row in rows] for name in names}
        return curves

    def _say(self, title: str) -> None:
        if self.verbose:
            print(f"\n{title}")


def _falling(learning_rate: float, num_steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A learning rate that falls linearly to 0."""
    return keras.optimizers.schedules.PolynomialDecay(learning_rate, num_steps, 0.0)
