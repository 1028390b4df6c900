"""A listener's check of an RNN-RBM: 30 seconds that it makes up beside real tunes, as rolls, MIDI files and statistics.

    python examples/rnn_rbm_music.py nottingham ...        (as it says, with --name nottingham)
    python examples/listen_nottingham.py --data FOLDER

TABLE
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import keras
import numpy as np
from rnn_rbm_music import rolls

import keras_rbm

SEED, DT, LOWEST = 0, 0.3, 21
FRAMES = round(30 / DT)
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", type=Path, default=Path("saved_models/music/nottingham.keras"))
    add("--data", type=Path, default=Path("music"), help="the folder with the piano rolls")
    add("--num", type=int, default=50, help="tunes to make up for the statistics")
    add("--output", type=Path, default=Path("saved_models/music"))
    options = parser.parse_args()
    model = keras.models.load_model(options.model, compile=False)
    model.rbm.stream.key.assign([SEED, 0])
    tunes = [roll for roll in rolls(options.data / "nottingham.npz", "test") if len(roll) >= FRAMES]
    real = [roll[:FRAMES] for roll in tunes]

    started = time.monotonic()
    made = np.asarray(model.generate(FRAMES, num_sequences=options.num)).astype("uint8")
    print(f"{options.num} tunes of {FRAMES} frames made up in {time.monotonic() - started:.1f} s")
    primed = np.asarray(model.generate(FRAMES, prime=real[0][: FRAMES // 3].astype("float32")))[0].astype("uint8")
    for number, roll in enumerate((made[0], made[1], primed), 1):
        keras_rbm.datasets.midi.write(options.output / f"nottingham-{number}.mid", roll, DT)
    shown = {"a test tune": real[0], "goes on after 10 s of it": primed, "made up": made[0], "made up, too": made[1]}
    figure = keras_rbm.plots.piano_rolls(shown, DT, LOWEST)
    figure.savefig(options.output / "nottingham_rolls.png")

    found = [keras_rbm.datasets.roll_statistics(x, DT, LOWEST) for x in (real, list(made))]
    print(f"\n{'':<28}{len(real):>5} test tunes{options.num:>9} made up")
    for name in ("notes_per_frame", "silent", "held_seconds"):
        print(f"{name:<28}" + "".join(f"{statistics[name]:>16.3f}" for statistics in found))
    for i, name in enumerate(NAMES):
        print(f"pitch class {name:<16}" + "".join(f"{statistics['pitch_classes'][i]:>16.1%}" for statistics in found))


if __name__ == "__main__":
    main()
