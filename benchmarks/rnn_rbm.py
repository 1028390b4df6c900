"""How fast does an RNN-RBM learn? One run, side by side, so that ratios matter: 88 notes, CD-15, 32 sequences of 100
frames a batch.

    python benchmarks/rnn_rbm.py

Prints milliseconds a thousand frames, medians of rounds that take turns, and ratios to the matrix products that an
update cannot do without. Random frames: how fast it goes does not depend on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from timing import compare

import keras_rbm

SEQUENCES, TIME, VISIBLE, HIDDEN, RECURRENT, SWEEPS, UPDATES = 32, 100, 88, 150, 100, 15, 20


def products() -> Callable[[], None]:
    """Of all frames: up, 15 times down and up, two outer products, biases forward and back; a frame after the other:
    the recurrence of all sequences forward and back. float32."""
    rng = np.random.default_rng(0)

    def some(*shape: int) -> np.ndarray:
        return rng.random(shape, dtype="float32")

    v, h, u = (some(SEQUENCES * TIME, n) for n in (VISIBLE, HIDDEN, RECURRENT))
    w, w_uv, w_uh = some(VISIBLE, HIDDEN), some(RECURRENT, VISIBLE), some(RECURRENT, HIDDEN)
    w_vu, w_uu, now = some(VISIBLE, RECURRENT), some(RECURRENT, RECURRENT), some(SEQUENCES, RECURRENT)

    def run() -> None:
        for _ in range(UPDATES):
            v @ w
            for _ in range(SWEEPS):
                h @ w.T, v @ w
            v.T @ h, v.T @ h
            u @ w_uv, u @ w_uh, u.T @ v, u.T @ h, v @ w_uv.T, h @ w_uh.T
            v @ w_vu, v.T @ u, u.T @ u
            for _ in range(TIME):
                now @ w_uu, now @ w_uu.T

    return run


def ours(x: np.ndarray, recurrent: Any) -> Callable[[], None]:
    model = keras_rbm.RNNRBM(HIDDEN, recurrent, sampler=keras_rbm.samplers.CD(SWEEPS), seed=0)
    model.compile("sgd")
    model.fit(x, batch_size=SEQUENCES, epochs=1, verbose=0)  # traces and compiles
    return lambda: model.fit(x, batch_size=SEQUENCES, epochs=1, verbose=0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    rng = np.random.default_rng(0)
    x = (rng.random((SEQUENCES * UPDATES, TIME, VISIBLE)) < 0.05).astype("float32")
    runs = {
        "matrix products alone (NumPy), SimpleRNN's": products(),
        "RNNRBM.fit, SimpleRNN(100)": ours(x, RECURRENT),
        "RNNRBM.fit, LSTM(100)": ours(x, keras.layers.LSTM(RECURRENT)),
    }
    frames = SEQUENCES * TIME * UPDATES / 1000
    compare(runs, rounds, frames, "milliseconds a thousand frames")


if __name__ == "__main__":
    main()
