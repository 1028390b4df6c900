"""Training that is taken up again where it was interrupted."""

from __future__ import annotations

import json
import os
import time
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import replicas
from keras_rbm.arguments import positive_integer
from keras_rbm.beside import Beside
from keras_rbm.files import replacing, sweep
from keras_rbm.version import __version__

#: How many checkpoints are kept: should the newest be damaged, there is the one before.
_GENERATIONS = 2
_FORMAT = 1


class Progress(NamedTuple):
    """What a checkpoint says of a training.

    Args:
        epoch: how many epochs are done.
        stopped: whether a callback has ended it.
        seconds: that it took, all goes together.
        began: when, in seconds since 1970.
        logs: what each epoch logged.
        states: of the callbacks beside it.
        variables: name, shape and dtype of each variable.
        version: of the package that wrote it.
        format: of the file.
    """

    epoch: int = 0
    stopped: bool = False
    seconds: float = 0.0
    began: float = 0.0
    logs: Sequence[dict[str, float]] = ()
    states: Sequence[dict[str, Any]] = ()
    variables: Sequence[Any] = ()
    version: str = __version__
    format: int = _FORMAT


class Checkpoint(keras.callbacks.Callback):
    """Saves all that training depends on, and goes on from there when the same `fit` is run again.

    That is every variable of the model (parameters, chains, fast weights, offsets, random keys, the seeds of dropout)
    and of its optimizer (moments, averages, steps), what the epochs logged, and what `EarlyStopping` and its like have
    counted. A training that is killed and run again ends, bit for bit, where it would have ended without. Two
    checkpoints are kept, each one file that is written beside and renamed: a kill at any moment leaves a whole one.
    What a `CSVLogger(append=True)` or `TensorBoard` wrote of epochs that are done again is taken out of their files.

    Give it to `fit` of any model, of this package or plain Keras, and to `DBN.pretrain` and its like, whose layers have
    a folder each. A training that is finished is not done again: its last state is loaded. A plain Keras network must
    be built, the callback be the last in the list, and the data begin where training goes on:
    `datasets.batches(..., epoch=checkpoint.epoch)`.

    Of several workers the first writes, and tells the others what it reads: no folder need be shared.

    Args:
        folder: for the checkpoints of one training, and nothing else.
        every: epochs between two of them; the last epoch is always saved.
        seconds: least time between two of them: where epochs are short, saving each would take longer than learning.
        beside: other callbacks whose state is saved too; in `fit` of this package's models, by default, all others.

    Raises:
        ValueError: if `every` is not positive, or, before the first step, if the folder has checkpoints of another
            model, or only damaged ones, or a network is not built.

    Warns:
        UserWarning: if the newest checkpoint is damaged, and the one before is used.

    Example:

    ```python
    rbm.fit(x, epochs=100, callbacks=[keras_rbm.callbacks.Checkpoint("run")])  # killed? run it again
    ```
    """

    def __init__(
        self,
        folder: str | Path,
        every: int = 1,
        seconds: float = 0.0,
        beside: Sequence[keras.callbacks.Callback] | None = None,
    ) -> None:
        super().__init__()
        self.folder, self.every = Path(folder), positive_integer(every, "every")
        self.seconds, self.beside = seconds, beside
        self._progress, self._beside, self._started, self._saved = Progress(), Beside([]), 0.0, 0.0
        self._writes = True

    def of(self, stage: str) -> Checkpoint:
        """That of one stage of several, in a folder of its own inside this one's."""
        return Checkpoint(self.folder / stage, self.every, self.seconds, self.beside)

    # --- what there is

    @property
    def progress(self) -> Progress:
        """That of the newest whole checkpoint; nothing done where there is none."""
        found = self._newest()
        return Progress() if found is None else found[0]

    @property
    def epoch(self) -> int:
        """How many epochs are done."""
        return self.progress.epoch

    def _files(self) -> list[Path]:
        """The checkpoints, the newest first."""
        return sorted(self.folder.glob("epoch-*.npz"), reverse=True)

    def _newest(self) -> tuple[Progress, list[np.ndarray]] | None:
        files, damage = self._files(), []
        for file in files:
            try:
                found = _read(file)
            except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
                damage.append(f"{file.name}: {error}")
                continue
            if damage:
                warnings.warn(f"{self.folder}: {damage[0]}. The checkpoint before it is used.", stacklevel=2)
            return found
        if damage:
            raise ValueError(
                f"{self.folder} has no checkpoint that can be read. Received: {damage[0]}. Remove the folder to start "
                "anew."
            )
        return None

    # --- going on

    def on_train_begin(self, logs: dict | None = None) -> None:
        if not self.model.built:
            raise ValueError(
                "A network must be built before its training is saved. Received: one that is not. Give it a "
                "keras.Input, or call it on data."
            )
        strategy = self.model.distribute_strategy
        self._writes = replicas.is_first_worker(strategy)
        self._beside, self._progress = Beside(list(self.beside or ())), Progress(began=time.time())
        if replicas.num_workers(strategy) == 1:
            found = self._found()
        else:
            found = replicas.told_by_first(strategy, self._found if self._writes else None)
        if self.model.optimizer is not None and not self.model.optimizer.built:
            self.model.optimizer.build(self.model.trainable_variables)
        if found is not None:
            self._restore(*found)
        else:
            self._save(self._progress)
        self._started = self._saved = time.monotonic()

    def _found(self) -> tuple[Progress, list[np.ndarray]] | None:
        """What training goes on from; the folder is there afterwards, and can be written to."""
        self.folder.mkdir(parents=True, exist_ok=True)
        if not os.access(self.folder, os.W_OK):
            raise PermissionError(f"{self.folder} cannot be written to. Give another folder for checkpoints.")
        sweep(self.folder)
        return self._newest()

    def _restore(self, progress: Progress, values: list[np.ndarray]) -> None:
        model = self.model
        variables, described = list(_variables(model)), _described(model)
        if described != [tuple(x) for x in progress.variables]:
            raise ValueError(
                f"{self.folder} has checkpoints of another model or optimizer. Received: "
                f"{_difference(described, progress)}. Give another folder, or remove this one to start anew."
            )
        for variable, value in zip(variables, values, strict=False):  # after these come those of callbacks
            variable.assign(value)
        self._progress = progress
        states, epochs = list(progress.states), self.params.get("epochs", progress.epoch)
        self._beside.restore(states, values[len(variables) :])
        if progress.epoch < epochs and not progress.stopped:  # if nothing is done again, later rows are of others
            self._beside.forget(states, progress.epoch, progress.began)
        model._initial_epoch = epochs if progress.stopped else progress.epoch
        if model.history is not None:
            for log in progress.logs:
                for name, number in log.items():
                    model.history.history.setdefault(name, []).append(number)
        if self._writes and self.params.get("verbose") and progress.epoch:
            done, number = progress.epoch, self.params.get("epochs")
            said = "All epochs were done before" if done == number else f"Going on after epoch {done} of {number}"
            print(f"{said}: {self.folder}")

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.model._initial_epoch = None  # a `fit` without this callback begins at the beginning
        if self.model.history is not None and not self.model.history.epoch:
            self.model.history.epoch = list(range(self._progress.epoch))

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        now, last = time.monotonic(), epoch + 1 == self.params.get("epochs") or self.model.stop_training
        progress = self._progress = self._progress._replace(
            epoch=epoch + 1,
            stopped=bool(self.model.stop_training),
            logs=[*self._progress.logs, {name: float(value) for name, value in (logs or {}).items()}],
        )
        if last or ((epoch + 1) % self.every == 0 and now - self._saved >= self.seconds):
            self._save(progress._replace(seconds=progress.seconds + now - self._started))
            self._saved = time.monotonic()

    def on_train_end(self, logs: dict | None = None) -> None:
        self.model._initial_epoch = None

    def _save(self, progress: Progress) -> None:
        if not self._writes:
            return
        variables = list(_variables(self.model))
        counted: list[np.ndarray] = []
        progress = progress._replace(variables=_described(self.model), states=self._beside.state(counted))
        arrays = [*map(np.asarray, variables), *counted]
        kinds = [(array.dtype.name, array.shape) for array in arrays]
        parts = {f"v{number}": _bits(array) for number, array in enumerate(arrays)}
        said = np.array(json.dumps({"progress": progress._asdict(), "kinds": kinds}))
        with replacing(self.folder / f"epoch-{progress.epoch:08d}.npz") as part, part.open("wb") as file:
            np.savez(file, allow_pickle=False, said=said, **parts)
        for old in self._files()[_GENERATIONS:]:
            old.unlink(missing_ok=True)


def _variables(model: keras.Model) -> Iterator[Any]:
    """All that training changes, but for metrics."""
    yield from model.variables
    if model.optimizer is not None:
        yield from model.optimizer.variables


def _described(model: keras.Model) -> list[tuple[str, list[int], str]]:
    """Name, shape and dtype of each; the names of the optimizer's have those of layers in them, which are numbered."""
    number = len(model.variables)
    return [
        (variable.name if i < number else "optimizer", list(variable.shape), tf.as_dtype(variable.dtype).name)
        for i, variable in enumerate(_variables(model))
    ]


def _difference(here: list, progress: Progress) -> str:
    """The first in which a model and a checkpoint differ."""
    there = [tuple(x) for x in progress.variables]
    for ours, theirs in zip(here, there, strict=False):
        if ours != theirs:
            return f"{theirs[0]} {theirs[1]} {theirs[2]} for {ours[0]} {ours[1]} {ours[2]}"
    return f"{len(there)} variables for {len(here)}"


def _read(path: Path) -> tuple[Progress, list[np.ndarray]]:
    """A checkpoint, all of which is sound: the archive has a sum of each part."""
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        said = json.loads(stored["said"].item())
        progress = Progress(**said["progress"])
        if progress.format != _FORMAT:
            raise ValueError(f"it is of keras_rbm {progress.version}, and of another format")
        return progress, [
            np.frombuffer(stored[f"v{number}"].tobytes(), tf.as_dtype(dtype).as_numpy_dtype).reshape(shape)
            for number, (dtype, shape) in enumerate(said["kinds"])
        ]


def _bits(array: np.ndarray) -> np.ndarray:
    """Any numbers, those that NumPy cannot write by itself too, as bytes."""
    return np.frombuffer(np.ascontiguousarray(array).tobytes(), "uint8")


def of_stage(callbacks: Any, stage: str) -> Any:
    """Callbacks of one stage of several: a checkpoint is that of the stage."""
    if not isinstance(callbacks, (list, tuple)):
        callbacks = [] if callbacks is None else [callbacks]
    return [each.of(stage) if isinstance(each, Checkpoint) else each for each in callbacks]


def last_in_line(callbacks: Any) -> Any:
    """Callbacks of `fit`, a checkpoint, if there is one, being the last, with all others beside it."""
    if isinstance(callbacks, keras.callbacks.Callback):
        callbacks = [callbacks]
    if not isinstance(callbacks, (list, tuple)):
        return callbacks
    checkpoints = [each for each in callbacks if isinstance(each, Checkpoint)]
    others = [each for each in callbacks if not isinstance(each, Checkpoint)]
    for checkpoint in checkpoints:
        checkpoint.beside = others if checkpoint.beside is None else checkpoint.beside
    return [*others, *checkpoints]
