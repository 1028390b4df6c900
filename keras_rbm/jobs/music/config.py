"""What `keras-rbm music` does, in one object."""

from __future__ import annotations

import argparse
import shlex
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # to read a command line TensorFlow is not needed
    import numpy as np

    from keras_rbm.datasets import Rolls

#: Kinds of recurrence, by name: Keras's layers.
CELLS = {"simple": "SimpleRNN", "lstm": "LSTM", "gru": "GRU"}


@dataclass
class MusicConfig:
    """What a run of `keras-rbm music` does.

    Args:
        midi: a MIDI file, or a folder of such; the embedded folk tunes by default.
        dt, notes, to_c: how files are read, as in `datasets.midi.load` (`None`: its defaults).
        epochs: of training.
        units: hidden units of the RBM.
        recurrent, cell: units of the recurrence, and its kind: simple, lstm or gru.
        learning_rate: of Adam; it falls to 0.
        frames: how many to generate, those of `prime` among them (`None`: 30 seconds).
        prime: frames of a held-out tune that the second file begins with (0: none; `None`: 32 at most).
        gibbs_steps: sweeps a generated frame.
        num: files to generate.
        tempo: beats a minute that they notate (`None`: 120 for the folk tunes, 100 for others).
        instrument: a General MIDI name or number.
        seed: rules the split, weights, order and samples.

    Raises:
        ValueError: for numbers out of their range, an unknown cell or instrument, and for `dt`, `notes` or `to_c`
            without `midi`.
        FileNotFoundError: if there is nothing at `midi`.
    """

    midi: Path | None = None
    dt: float | None = None
    notes: tuple[int, int] | None = None
    to_c: bool = False
    epochs: int = 60
    units: int = 100
    recurrent: int = 100
    cell: str = "simple"
    learning_rate: float = 0.01
    frames: int | None = None
    prime: int | None = None
    gibbs_steps: int = 25
    num: int = 2
    tempo: float | None = None
    instrument: str | int = "Acoustic Grand Piano"
    seed: int = 0

    def __post_init__(self) -> None:
        import numpy as np

        from keras_rbm.arguments import LARGEST_NUMPY_SEED, checked_seed, positive_integer

        self.notes = None if self.notes is None else (self.notes[0], self.notes[1])
        if self.midi is None:
            for name in ("dt", "notes", "to_c"):
                if getattr(self, name) not in (None, False):
                    raise ValueError(
                        "The embedded tunes are given: frames of 0.25 s, notes 21 to 108, in C major and A minor. "
                        f"Received: --{name.replace('_', '-')} without --midi. Leave it out, or give --midi FOLDER."
                    )
        else:
            self.midi = Path(self.midi).resolve()  # the run can be repeated from any folder
            if not self.midi.exists():
                raise FileNotFoundError(f"There is no MIDI file and no folder at {self.midi}")
        for name in ("epochs", "units", "recurrent", "gibbs_steps", "num"):
            positive_integer(getattr(self, name), name)
        if self.frames is not None:
            positive_integer(self.frames, "frames")
        if self.prime is not None and self.prime < 0:
            raise ValueError(f"`prime` must not be negative. Received: prime={self.prime}")
        if self.prime:
            positive_integer(self.prime, "prime")
        if self.prime and self.num < 2:
            raise ValueError(f"It is the second file that `prime` begins. Received: prime={self.prime}, num={self.num}")
        if not 0 < self.learning_rate < float("inf"):
            raise ValueError(f"`learning_rate` must be positive and finite. Received: {self.learning_rate}")
        if self.cell not in CELLS:
            raise ValueError(f"`cell` must be one of {', '.join(CELLS)}. Received: cell={self.cell!r}")
        checked_seed(self.seed, LARGEST_NUMPY_SEED)
        self._check_fits()
        if str(self.instrument).isdecimal():
            self.instrument = int(self.instrument)
        with tempfile.TemporaryDirectory() as folder:  # what cannot be written is refused before training
            self.write(Path(folder) / "rest.mid", np.zeros((1, 88)), self.dt or 0.25, (21, 108))

    def _check_fits(self) -> None:
        """Refuses units whose weights, 4 bytes each, this machine could not hold beside their gradients."""
        from keras_rbm.checks import check_memory

        lowest, highest = self.notes or (21, 108)
        visible = highest - lowest + 1
        gates = {"simple": 1, "gru": 3, "lstm": 4}[self.cell] * self.recurrent
        number = visible * self.units + self.recurrent * (visible + self.units) + gates * (visible + self.recurrent)
        what = f"The weights of `units` {self.units} and `recurrent` {self.recurrent}, with gradients,"
        check_memory(2 * 4 * number, what, "Give fewer.")

    def load(self) -> Rolls:
        """The tunes.

        Raises:
            ValueError: if none can be read.
        """
        from keras_rbm import datasets

        if self.midi is None:
            return datasets.folk_tunes()
        given = {name: getattr(self, name) for name in ("dt", "notes") if getattr(self, name) is not None}
        return datasets.midi.load(self.midi, to_c=self.to_c, **given)

    def write(self, path: Path, roll: np.ndarray, dt: float, notes: tuple[int, int]) -> None:
        """A roll as a MIDI file."""
        from keras_rbm.datasets import midi

        usual = 100.0 if self.midi else 120.0
        tempo = usual if self.tempo is None else self.tempo
        midi.write(path, roll, dt, notes, tempo=tempo, instrument=self.instrument)

    def command(self, folder: Path) -> str:
        """The command line of this."""
        words = ["keras-rbm", "music", "--output", str(folder)]
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                values = value if isinstance(value, (tuple, list)) else [] if value is True else [value]
                words += [f"--{field.name.replace('_', '-')}", *map(str, values)]
        return shlex.join(words)


def add_options(parser: argparse.ArgumentParser) -> None:
    """A configuration's options of the command line."""
    usual, add = MusicConfig, parser.add_argument
    add("--midi", type=Path, metavar="PATH", help="a MIDI file or a folder of such (default: ten embedded folk tunes)")
    add("--epochs", type=int, metavar="N", help=f"of training (default: {usual.epochs})")
    add("--units", type=int, metavar="N", help=f"hidden units of the RBM (default: {usual.units})")
    add("--recurrent", type=int, metavar="N", help=f"units of the recurrence (default: {usual.recurrent})")
    add("--cell", help=f"of the recurrence: {', '.join(CELLS)} (default: {usual.cell})")
    add("--learning-rate", type=float, metavar="X", help=f"of Adam; falls to 0 (default: {usual.learning_rate:g})")
    add("--dt", type=float, metavar="X", help="with --midi: seconds a frame (default: 0.3)")
    add(
        "--notes",
        type=int,
        nargs=2,
        metavar=("LOW", "HIGH"),
        help="with --midi: the MIDI note numbers to read (default: 21 108)",
    )
    add("--to-c", action="store_true", default=None, help="with --midi: transpose each tune to C major or C minor")
    add("--frames", type=int, metavar="N", help="to generate (default: those of 30 seconds)")
    add(
        "--prime",
        type=int,
        metavar="N",
        help="frames of a held-out tune that the second file begins with (default: 32 at most; 0: none)",
    )
    add("--gibbs-steps", type=int, metavar="K", help=f"sweeps a generated frame (default: {usual.gibbs_steps})")
    add("--num", type=int, metavar="N", help=f"MIDI files to generate (default: {usual.num})")
    add("--tempo", type=float, metavar="X", help="beats a minute that they notate (default: 120; with --midi: 100)")
    add("--instrument", metavar="NAME", help=f"General MIDI name or number (default: {usual.instrument})")
    add("--seed", type=int, help="rules the split, weights, order and samples (default: 0)")
