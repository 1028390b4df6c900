"""Bars and stripes, 4x4: how near does an RBM come to the best there is, ln(1/30) = -3.401 nats?

    python examples/bars_and_stripes.py

Measured with seed 0: -3.420 nats, 0.019 below the optimum, exactly, in 46 s on 2 cores (16 hidden units, parallel
tempering, SGD falling linearly to 0). The model is in keras_rbm/pretrained/bars-and-stripes-rbm-16.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import keras
import numpy as np

import keras_rbm

SEED, EPOCHS, COPIES = 0, 2000, 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("saved_models/rbm-bars-and-stripes"))
    options = parser.parse_args()
    x = keras_rbm.load("bars_and_stripes").x_train
    rbm = keras_rbm.RBM(16, sampler=keras_rbm.samplers.ParallelTempering(num_chains=100, num_temperatures=5), seed=SEED)
    rbm.adapt(x)
    schedule = keras.optimizers.schedules.PolynomialDecay(0.2, EPOCHS * COPIES, 0.0)
    rbm.compile(keras.optimizers.SGD(schedule))
    started = time.monotonic()
    rbm.fit(np.tile(x, (COPIES, 1)), batch_size=len(x), epochs=EPOCHS, verbose=0)
    result = keras_rbm.likelihood.log_likelihood(rbm, x)
    best = -np.log(len(x))
    print(f"exact log-likelihood {result.lower:.3f} nats, {best - result.lower:.3f} below the optimum {best:.3f}")
    print(f"{time.monotonic() - started:.0f} s, seed {SEED}")
    options.output.mkdir(parents=True, exist_ok=True)
    rbm.save(options.output / "rbm.keras")


if __name__ == "__main__":
    main()
