"""A listener's check of an RNN-RBM: 30 seconds that it makes up beside real tunes, as rolls, MIDI files and statistics.

    python examples/listen_nottingham.py --data FOLDER        (with nottingham.npz, as in rnn_rbm_music.py)

By the model in saved_models/pretrained/nottingham-rnn-rbm, seed 0, 100 sweeps a frame, 330 tunes in 6 s on 2 busy
cores: docs/nottingham_rolls.png. Melodies run above held chords; where it goes on after 10 s of a tune it stays in its
key; chords change a little too often. From second 10 to 30 of 165 tunes each (pitch classes added up):

                                    test     gone on     made up
    notes_per_frame                3.974       3.950       3.990
    silent                         0.000       0.002       0.005
    held_seconds                   1.310       1.085       1.070
    pitch classes C E G            62.5%       53.8%       30.6%
    the black keys                  4.5%        5.5%       35.5%

Made up from nothing they are in any key: the model was trained on tunes moved by up to 5 semitones.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import keras
import numpy as np
from rnn_rbm_music import rolls

import keras_rbm

PRETRAINED = Path(__file__).parent.parent / "saved_models/pretrained/nottingham-rnn-rbm/rnn_rbm.keras"
SEED, DT, LOWEST = 0, 0.3, 21
FRAMES = round(30 / DT)
NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--model", type=Path, default=PRETRAINED)
    add("--data", type=Path, default=Path("music"), help="the folder with the piano rolls")
    add("--gibbs-steps", type=int, default=100, help="sweeps a frame")
    add("--output", type=Path, default=Path("saved_models/music"))
    options = parser.parse_args()
    model = keras.models.load_model(options.model, compile=False)
    model.rbm.stream.key.assign([SEED, 0])
    tunes = [roll for roll in rolls(options.data / "nottingham.npz", "test") if len(roll) >= FRAMES]
    real = [roll[:FRAMES] for roll in tunes]

    prime = np.stack(real)[:, : FRAMES // 3]
    started = time.monotonic()
    made = np.asarray(model.generate(FRAMES, None, len(real), options.gibbs_steps)).astype("uint8")
    primed = np.asarray(model.generate(FRAMES, prime, len(real), options.gibbs_steps)).astype("uint8")
    print(f"2 x {len(real)} tunes of {FRAMES} frames made up in {time.monotonic() - started:.1f} s")
    shown = {"a test tune": real[0], "10 s of it, and how it could go on": primed[0], "made up": made[0]}
    for number, roll in enumerate(shown.values()):
        keras_rbm.datasets.midi.write(options.output / f"nottingham-{number}.mid", roll, DT)
    figure = keras_rbm.plots.piano_rolls(shown, DT, LOWEST)
    figure.savefig(options.output / "nottingham_rolls.png")

    later = {"test": real, "gone on": list(primed), "made up": list(made)}
    later = {name: [roll[FRAMES // 3 :] for roll in tunes] for name, tunes in later.items()}
    result = {name: keras_rbm.datasets.roll_statistics(tunes, DT, LOWEST) for name, tunes in later.items()}
    print(f"from second 10 to 30{'':<8}" + "".join(f"{name:>12}" for name in result))
    for name in ("notes_per_frame", "silent", "held_seconds"):
        print(f"{name:<28}" + "".join(f"{statistics[name]:>12.3f}" for statistics in result.values()))
    for i, name in enumerate(NAMES):
        row = [statistics["pitch_classes"][i] for statistics in result.values()]
        print(f"pitch class {name:<16}" + "".join(f"{share:>12.1%}" for share in row))


if __name__ == "__main__":
    main()
