"""How fast is annealed importance sampling? One run, side by side: 784-500, 100 chains.

    python benchmarks/ais.py        (with rbms beside it: pip install torch tqdm; pip install --no-deps rbms==0.2.1)

Measured on 2 cores (AVX-512), 3 rounds: products 0.71 ms, likelihood.ais 0.65 ms (0.92 times), rbms 0.2.1 4.11 ms (5.8
times).

Prints milliseconds a temperature, medians of rounds that take turns, and ratios to the two matrix products that each
temperature needs: up, and down again. The model's weights are random, with deviation 0.05.
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable

import numpy as np
from timing import compare

import keras_rbm

CHAINS, VISIBLE, HIDDEN = 100, 784, 500


def products(w: np.ndarray, number: int) -> Callable[[], None]:
    rng = np.random.default_rng(0)
    v, h = rng.random((CHAINS, VISIBLE), dtype="float32"), rng.random((CHAINS, HIDDEN), dtype="float32")

    def run() -> None:
        for _ in range(number):
            v @ w, h @ w.T

    return run


def ours(w: np.ndarray, number: int) -> Callable[[], None]:
    rbm = keras_rbm.RBM(HIDDEN, seed=0)
    rbm.build((None, VISIBLE))
    rbm.w_rec.assign(w)
    keras_rbm.likelihood.ais(rbm, num_chains=CHAINS, num_temperatures=number, verbose=0)  # traces and compiles
    return lambda: keras_rbm.likelihood.ais(rbm, num_chains=CHAINS, num_temperatures=number, verbose=0)


def rbms(w: np.ndarray, number: int) -> Callable[[], None]:
    import torch
    from rbms.bernoulli_bernoulli.classes import BBRBM
    from rbms.partition_function.ais import compute_partition_function_ais

    model = BBRBM(torch.tensor(w), torch.zeros(VISIBLE), torch.zeros(HIDDEN))
    return lambda: compute_partition_function_ais(CHAINS, number, model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--temperatures", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    w = np.random.default_rng(0).normal(0, 0.05, (VISIBLE, HIDDEN)).astype("float32")
    runs = {
        "two matrix products (NumPy)": products(w, options.temperatures),
        "likelihood.ais": ours(w, options.temperatures),
    }
    if importlib.util.find_spec("rbms"):
        runs["rbms (PyTorch)"] = rbms(w, options.temperatures)
    compare(runs, options.rounds, options.temperatures, "milliseconds a temperature")


if __name__ == "__main__":
    main()
