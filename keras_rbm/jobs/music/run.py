"""Music: an RNN-RBM learns tunes, and what it makes up is written as MIDI files."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from pathlib import Path

import keras
import numpy as np

from keras_rbm import datasets, progress
from keras_rbm.callbacks import FrameLikelihoodMonitor, PianoRolls, TensorBoard
from keras_rbm.checkpoints import Checkpoint
from keras_rbm.datasets import Rolls
from keras_rbm.files import replacing
from keras_rbm.jobs.music.config import CELLS, MusicConfig
from keras_rbm.models import RNNRBM
from keras_rbm.samplers import CD

FRAMES = 100  # of a training sequence, at most
SWEEPS = 15  # of contrastive divergence
_JUDGED = "log_likelihood_joined"  # what epochs are judged by, of the validation tunes
_WRITTEN = ("model.keras", "saved_model", "figures", "logs", "card.md", "checkpoints", "recipe.json")


def written(folder: Path) -> Iterator[Path]:
    """What a run wrote into its folder, which is all that overwriting removes."""
    yield from (folder / name for name in _WRITTEN)
    yield from (path for path in folder.glob("generated-*.mid") if re.fullmatch(r"generated-\d+", path.stem))


class MusicRun:
    """A configuration at work in a folder.

    Args:
        config: what to do.
        folder: where to write.
        verbose: whether Keras's own progress bars show, instead of a line.
    """

    def __init__(self, config: MusicConfig, folder: Path, verbose: bool = False) -> None:
        self.config, self.folder, self.verbose = config, folder, verbose
        keras.utils.set_random_seed(config.seed)  # the recurrence's initial weights take theirs from it
        cell = getattr(keras.layers, CELLS[config.cell])(config.recurrent, seed=config.seed)
        self.model = RNNRBM(config.units, cell, sampler=CD(SWEEPS), seed=config.seed)
        self.curves: dict[str, list[float]] = {}
        self.generated: list[np.ndarray] = []
        self.epoch, self.seconds = 0, 0.0

    def check(self) -> None:
        """Reads the tunes, and refuses what some step would refuse, before anything is written or removed.

        Raises:
            ValueError: if the tunes are too few or too short for what is asked.
        """
        source = self.config.midi
        removed = [path.resolve() for path in written(self.folder)]
        if source and any(source.is_relative_to(path) for path in removed):
            raise ValueError(
                f"The tunes must not be what a run writes and --overwrite removes. Received: {source}, in "
                f"{self.folder}. Choose another --output."
            )
        if source and source.is_dir() and self.folder.resolve().is_relative_to(source):
            raise ValueError(
                "What is generated must not lie among the tunes, where the next run would read it. "
                f"Received: {self.folder}, in {source}. Choose another --output."
            )
        frames, prime, (tune, name) = self.frames, self.prime, self.prime_tune
        if prime > len(tune):
            raise ValueError(
                f"`prime` must be at most the frames of the held-out tune. Received: prime={prime}; {name} has "
                f"{len(tune)}"
            )
        if prime >= frames:
            raise ValueError(
                f"`frames` counts those of `prime` too, and must be more. Received: frames={frames}, prime={prime}"
            )

    # --- data

    @cached_property
    def tunes(self) -> Rolls:
        """The tunes, read when they are first needed."""
        return self.config.load()

    @cached_property
    def parts(self) -> tuple[Rolls, Rolls, Rolls]:
        """Training, validation and test tunes; if tunes are less than 3, the last two tenths of each are held out."""
        if len(self.tunes) >= 3:
            return self.tunes.split(seed=self.config.seed)
        cut = [np.split(roll, [8 * len(roll) // 10, 9 * len(roll) // 10]) for roll in self.tunes.rolls]
        training, validating, testing = (
            replace(self.tunes, rolls=list(rolls), names=[f"{name}, {place}" for name in self.tunes.names])
            for place, rolls in zip(("its beginning", "near its end", "its end"), zip(*cut, strict=True), strict=True)
        )
        short = min(map(len, validating.rolls))
        if not short:
            raise ValueError(
                f"Tunes that are less than 3 are cut in tenths. Received: {len(self.tunes)}, one of "
                f"{min(map(len, self.tunes.rolls))} frames. Give longer tunes, or more."
            )
        return training, validating, testing

    @property
    def frames(self) -> int:
        """How many are generated."""
        return self.config.frames or max(1, round(30 / self.tunes.dt))

    @property
    def prime(self) -> int:
        """How many frames the second file begins with."""
        if self.config.num < 2:
            return 0
        if self.config.prime is None:
            return min(32, len(self.prime_tune[0]), self.frames // 2)
        return self.config.prime

    @property
    def prime_tune(self) -> tuple[np.ndarray, str]:
        """A test tune, and its name."""
        return self.parts[2].rolls[0], self.parts[2].names[0]

    # --- the work

    @cached_property
    def job(self) -> progress.Job:
        """How far training is."""
        log = _JUDGED, "validation {:.2f} nats a frame"
        return progress.Job({"training": progress.Stage("training", self.config.epochs, 1.0, *log)})

    def train(self) -> None:
        """Trains the model, goes back to its best epoch and saves it."""
        config = self.config
        keras.utils.set_random_seed(config.seed)
        self.epoch = self._checkpoint.epoch
        training = self.parts[0]
        x, mask = datasets.subsequences(training, FRAMES)
        self.model.adapt(x, mask)
        steps = config.epochs * -(-len(x) // self.batch_size)
        schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, steps)
        self.model.compile(keras.optimizers.Adam(schedule, clipnorm=1.0))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "AIS and reverse AIS differ")  # said of the trained model, once
            history = self.model.fit(
                x,
                mask,
                batch_size=self.batch_size,
                epochs=config.epochs,
                callbacks=self._callbacks(),
                verbose=int(self.verbose),
            )
        self.curves, self.seconds = history.history, self._checkpoint.progress.seconds
        self.save()

    @cached_property
    def _checkpoint(self) -> Checkpoint:
        return Checkpoint(self.folder / "checkpoints", seconds=1.0)

    @property
    def batch_size(self) -> int:
        """Sequences a step: few where there are few."""
        return 4 if sum(-(-len(roll) // FRAMES) for roll in self.parts[0].rolls) < 64 else 16

    def _callbacks(self) -> list[keras.callbacks.Callback]:
        logs, tunes, (training, validating, _) = self.folder / "logs", self.tunes, self.parts
        logs.mkdir(parents=True, exist_ok=True)
        few, many = max(1, self.config.epochs // 4), max(1, self.config.epochs // 30)
        return [
            self._checkpoint,
            keras.callbacks.LambdaCallback(on_epoch_begin=self._note),
            FrameLikelihoodMonitor(*datasets.subsequences(validating, None), every=many, num_frames=500),
            self._keeping_the_best(),
            keras.callbacks.CSVLogger(str(logs / "history.csv"), append=True),
            TensorBoard(logs, histogram_freq=10, write_graph=False),
            PianoRolls(logs / "rolls", training.rolls[0][: self.frames], tunes.dt, tunes.notes[0], every=few),
            *([] if self.verbose else [self.job.watching("training")]),
        ]

    def _keeping_the_best(self) -> keras.callbacks.Callback:
        """Never stops, and goes back to the best epoch in the end."""
        return keras.callbacks.EarlyStopping(
            _JUDGED, mode="max", patience=self.config.epochs, restore_best_weights=True
        )

    @property
    def best_epoch(self) -> int:
        """That of the model that is kept: the best of those measured on the validation tunes."""
        return 1 + int(np.argmax(self.curves[_JUDGED]))

    def _note(self, epoch: int, logs: dict) -> None:
        self.epoch = epoch + 1

    def generate(self) -> None:
        """Makes music up, and writes it."""
        config, steps = self.config, self.config.gibbs_steps
        alone = config.num - bool(self.prime)
        found = list(self.model.generate(self.frames, num_sequences=alone, num_steps=steps).numpy())
        if self.prime:
            beginning = self.prime_tune[0][: self.prime]
            found[1:1] = list(self.model.generate(self.frames, beginning, num_steps=steps).numpy())
        self.generated = [roll.astype("uint8") for roll in found]
        for i, roll in enumerate(self.generated):
            config.write(self.folder / f"generated-{i + 1}.mid", roll, self.tunes.dt, self.tunes.notes)

    @property
    def made_up(self) -> list[np.ndarray]:
        """What was generated, without the frames that were given."""
        return [roll[self.prime if i == 1 else 0 :] for i, roll in enumerate(self.generated)]

    def save(self) -> list[str]:
        """Saves the model as it is; returns the names of the files."""
        if not self.epoch:
            return []
        with replacing(self.folder / "model.keras") as part:
            self.model.save(part)
        return ["model.keras"]
