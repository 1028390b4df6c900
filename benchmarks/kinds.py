"""How much more than its matrix products does each kind of learning and sampling cost? One run, all in turns.

    python benchmarks/kinds.py

Prints milliseconds an update, a sweep or a temperature, medians of rounds that take turns. Data are random: how fast it
goes does not depend on them.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from timing import Product, Work, learning, some, sweeping, table

import keras_rbm
from keras_rbm import samplers

BATCH, VISIBLE, HIDDEN, UPDATES, EPOCHS = 100, 784, 500, 100, 3


def fit(model: keras.Model, x: np.ndarray, batch_size: int = BATCH, **options: Any) -> Callable[[], object]:
    model.compile(keras.optimizers.SGD(0.001), **options)
    model.fit(x, batch_size=batch_size, verbose=0)  # traces and compiles
    return lambda: model.fit(x, batch_size=batch_size, epochs=EPOCHS, verbose=0)


def tempering() -> list[Product]:
    """All of 10 x 10 chains go up and down; the ten coldest go up again, and teach."""
    w, cold = some(VISIBLE, HIDDEN), (some(10, VISIBLE), some(10, HIDDEN))
    v, h = some(BATCH, VISIBLE), some(BATCH, HIDDEN)
    return [(v, w), *sweeping(100, VISIBLE, HIDDEN), (cold[0], w), (v.T, h), (cold[0].T, cold[1])]


def wake_sleep(top: int) -> list[Product]:
    """The lower layer goes up and down, predicts both ways and learns both; the top learns by CD-1."""
    w, v, h = some(VISIBLE, HIDDEN), some(BATCH, VISIBLE), some(BATCH, HIDDEN)
    both_ways = [(v, w), (h, w.T)]
    return [*both_ways, *both_ways, (v.T, h), (h.T, v), *learning(BATCH, HIDDEN, top)]


def dbm(top: int, iterations: int) -> list[Product]:
    """Mean field; a sweep of the chains; both phases of both layers."""
    first, second = some(VISIBLE, HIDDEN), some(HIDDEN, top)
    v, h, g = some(BATCH, VISIBLE), some(BATCH, HIDDEN), some(BATCH, top)
    meeting = [(v, first), (g, second.T)]  # what the first hidden layer feels
    mean_field = [(v, first)] + [(h, second), (g, second.T)] * iterations
    sweep = [*meeting, (h, first.T), (h, second)]
    return [*mean_field, *sweep, *meeting, *meeting, *[(v.T, h), (h.T, g)] * 2]


def rnn_rbm(sequences: int, frames: int, notes: int, hidden: int, recurrent: int, sweeps: int) -> list[Product]:
    """Of all frames: up, so often down and up, two outer products, biases forward and back; a frame after the other:
    the recurrence of all sequences, forward and back."""
    v, h, u = (some(sequences * frames, n) for n in (notes, hidden, recurrent))
    w, w_uv, w_uh = some(notes, hidden), some(recurrent, notes), some(recurrent, hidden)
    w_vu, w_uu, now = some(notes, recurrent), some(recurrent, recurrent), some(sequences, recurrent)
    gibbs = [(v, w), *[(h, w.T), (v, w)] * sweeps, (v.T, h), (v.T, h)]
    biases = [(u, w_uv), (u, w_uh), (u.T, v), (u.T, h), (v, w_uv.T), (h, w_uh.T)]
    return [*gibbs, *biases, (v, w_vu), (v.T, u), (u.T, u), *[(now, w_uu), (now, w_uu.T)] * frames]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", metavar="WORD", help="rows whose name has it")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    x = (rng.random((BATCH * UPDATES, VISIBLE)) < 0.2).astype("float32")
    real = rng.normal(size=x.shape).astype("float32")
    songs = (rng.random((320, 100, 88)) < 0.05).astype("float32")
    rbm = keras_rbm.RBM(HIDDEN, seed=0)
    rbm.build((None, VISIBLE))
    rbm.w_rec.assign(rng.normal(0, 0.05, (VISIBLE, HIDDEN)))
    chains = rbm.initial_states(1000)

    def an_rbm(sampler: Any = "cd", visible: str = "bernoulli") -> keras_rbm.RBM:
        return keras_rbm.RBM(HIDDEN, visible=visible, sampler=sampler, seed=0)

    def a_dbm() -> keras_rbm.DBM:
        return keras_rbm.DBM([HIDDEN, 1000], mean_field_steps=10, tolerance=1e-30, seed=0)

    def an_rnn_rbm(recurrent: Any) -> keras_rbm.RNNRBM:
        return keras_rbm.RNNRBM(150, recurrent, sampler=samplers.CD(15), seed=0)

    def ais(number: int) -> Callable[[], object]:
        return lambda: keras_rbm.likelihood.ais(rbm, num_chains=100, num_temperatures=number, verbose=0)

    cd, fast = learning(BATCH, VISIBLE, HIDDEN), samplers.FastPCD(1, 100)
    ladder = samplers.ParallelTempering(1, num_chains=10, num_temperatures=10)
    chained, songs_floor = learning(BATCH, VISIBLE, HIDDEN, 1, 100), rnn_rbm(32, 100, 88, 150, 100, 15)
    kinds: dict[str, Callable[[], tuple[Callable[[], object], int, list[Product]]]] = {
        "CD-1": lambda: (fit(an_rbm(), x), EPOCHS * UPDATES, cd),
        "FastPCD": lambda: (fit(an_rbm(fast), x), EPOCHS * UPDATES, chained),
        "parallel tempering, 10 x 10": lambda: (fit(an_rbm(ladder), x), EPOCHS * UPDATES, tempering()),
        "Gaussian visible units, CD-1": lambda: (fit(an_rbm(visible="gaussian"), real), EPOCHS * UPDATES, cd),
        "wake-sleep, 784-500-1000": lambda: (
            fit(keras_rbm.DBN([HIDDEN, 1000], seed=0), x),
            EPOCHS * UPDATES,
            wake_sleep(1000),
        ),
        "DBM 784-500-1000, ten mean-field steps": lambda: (fit(a_dbm(), x), EPOCHS * UPDATES, dbm(1000, 10)),
        "RNN-RBM, SimpleRNN(100)": lambda: (fit(an_rnn_rbm(100), songs, 32), EPOCHS * 10, songs_floor),
        "RNN-RBM, LSTM(100)": lambda: (fit(an_rnn_rbm(keras.layers.LSTM(100)), songs, 32), EPOCHS * 10, songs_floor),
        "sampling 1,000 chains": lambda: (lambda: rbm.run_chains(chains, 200), 200, sweeping(1000, VISIBLE, HIDDEN)),
        "AIS, 100 chains": lambda: (ais(5000), 5000, sweeping(100, VISIBLE, HIDDEN)),
    }
    works = []
    for name, make in kinds.items():
        if options.only in name:
            run, number, floor = make()
            run()
            works.append(Work(name, run, number, floor))
    table("an update, sweep or temperature", works, options.rounds)


if __name__ == "__main__":
    main()
