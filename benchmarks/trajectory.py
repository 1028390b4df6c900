"""What a ladder of past parameters costs, and what it is worth beside one of temperatures. In one run.

    python benchmarks/trajectory.py            (no data are needed)
    python benchmarks/trajectory.py --cost     (only the time of an update)

Data of two groups of so many bits (`--bits`, 500), as many cases in each: one narrow (1 bit in 100 is flipped), one
wide (3 in 10). At a higher temperature next to nothing is left of the narrow one, so that chains find it by chance
alone. A machine of 16 hidden units learns them with `TrajectoryTempering`. Then its chains, and those of
`ParallelTempering` for the same parameters, go on from states of the wide group at every rung: how often does a chain
of the model change groups? Prints that, how many chains are in the narrow group at the end, and how many should be, by
enumeration.
"""

from __future__ import annotations

import argparse
import statistics
import time

import keras
import numpy as np
import tensorflow as tf
from timing import machine

from keras_rbm import RBM, likelihood, samplers
from keras_rbm.likelihood.exact import exact_draws

SWEEPS, CHAINS = 2000, 100


def cost(rounds: int) -> None:
    """Milliseconds an update at 784-500, batch 100, with 100 chains; medians of rounds that take turns."""
    x = (np.random.default_rng(0).random((6000, 784)) < 0.1).astype("float32")
    makers = {
        "PCD-1": lambda: samplers.PCD(num_chains=CHAINS),
        "tempering, 10 temperatures": lambda: samplers.ParallelTempering(num_chains=CHAINS, num_temperatures=10),
        **{
            f"trajectory, {n} rungs": lambda n=n: samplers.TrajectoryTempering(num_chains=CHAINS, target=1e-9)
            for n in (1, 8, 32)
        },
    }
    machines = {}
    for name, make in makers.items():
        rbm = RBM(500, sampler=make(), seed=0)
        rbm.compile(keras.optimizers.SGD(1e-5))
        rbm.build((None, 784))
        if name.startswith("trajectory"):
            rbm.sampler.num_rungs.assign(int(name.split()[1]))
        rbm.fit(x, batch_size=100, verbose=0)  # traces and compiles
        machines[name] = rbm
    times: dict[str, list[float]] = {name: [] for name in machines}
    for _ in range(rounds):
        for name, rbm in machines.items():
            start = time.perf_counter()
            rbm.fit(x, batch_size=100, verbose=0)
            times[name].append((time.perf_counter() - start) / 60 * 1000)
    least = statistics.median(times["PCD-1"])
    for name, values in times.items():
        print(
            f"{name:28} {statistics.median(values):6.1f} ms an update, {statistics.median(values) / least:.1f} x PCD-1"
        )


def two_groups(bits: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Cases, those of the narrow group first, and the pattern that says which group a state is in."""
    rng = np.random.default_rng(seed)
    centers = rng.integers(0, 2, (2, bits))
    x = [center ^ (rng.random((2000, bits)) < rate) for center, rate in zip(centers, (0.01, 0.3), strict=True)]
    return np.concatenate(x).astype("float32"), (centers[0] - centers[1]).astype("float32")


def learnt(x: np.ndarray, epochs: int, rate: float) -> RBM:
    rbm = RBM(16, sampler=samplers.TrajectoryTempering(num_chains=CHAINS, num_pairs=31), seed=0)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(rate))
    start = time.perf_counter()
    history = rbm.fit(x, batch_size=100, epochs=epochs, verbose=0).history
    exact, found = likelihood.exact_log_partition(rbm), rbm.sampler.log_partition(rbm)
    print(
        f"learnt in {time.perf_counter() - start:.0f} s, {history['num_rungs'][-1]:.0f} rungs, of "
        f"which the least swap {history['swap_acceptance_min'][-1]:.2f}; "
        f"log-likelihood {np.mean(-rbm.free_energy(x)) - exact:.2f}, the last epoch logged "
        f"{history['log_likelihood'][-1]:.2f}; log Z {exact:.3f}, along the ladder {found.log_z:.3f}"
    )
    return rbm


def in_narrow(rbm: RBM, sampler: samplers.PCD, start: np.ndarray, pattern: np.ndarray, middle: float) -> np.ndarray:
    """Whether each of the model's chains is in the narrow group after each sweep, `(sweeps, chains)`."""

    def run(chains: tf.Tensor) -> tf.Tensor:
        def step(k: tf.Tensor, chains: tf.Tensor, trace: tf.TensorArray) -> tuple:
            samples = sampler.run_chains(rbm, chains)
            return k + 1, samples.state["chains"], trace.write(k, tf.linalg.matvec(samples.v, pattern) > middle)

        trace = tf.TensorArray(tf.bool, SWEEPS, element_shape=[CHAINS])
        return tf.while_loop(lambda k, *_: k < SWEEPS, step, (0, chains, trace))[2].stack()

    rows = start[np.arange(sampler.num_rows) % len(start)]
    return tf.function(run, jit_compile=True, autograph=False)(tf.constant(rows)).numpy()


def switches(bits: int, epochs: int, rate: float) -> None:
    x, pattern = two_groups(bits)
    rbm = learnt(x, epochs, rate)
    levels = x @ pattern
    middle = (levels[:2000].mean() + levels[2000:].mean()) / 2
    exact = np.mean(exact_draws(rbm, 10_000, 0) @ pattern > middle)
    print(f"{exact:.3f} of the model's mass is in the narrow group")
    trials = {"trajectory": rbm.sampler}
    for number in (10, 30):
        sampler = samplers.ParallelTempering(num_chains=CHAINS, num_temperatures=number)
        sampler.prepare(rbm)
        bias = np.log((x.mean(0) + 1e-3) / (1 - x.mean(0) + 1e-3))
        sampler.base_bias.assign(bias)
        trials[f"tempering, {number}"] = sampler
    for name, sampler in trials.items():
        there = in_narrow(rbm, sampler, x[2000:], pattern, middle)
        rate = 1000 * np.mean(there[1:] != there[:-1])
        print(
            f"{name:15} {rate:7.2f} changes of group in 1000 sweeps of a chain; "
            f"in the narrow group {there[-SWEEPS // 4 :].mean():.3f} over the last quarter of {SWEEPS} sweeps"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cost", action="store_true", help="only the time of an update")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--bits", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--rate", type=float, default=0.004)
    arguments = parser.parse_args()
    print(machine(), flush=True)
    if not arguments.cost:
        switches(arguments.bits, arguments.epochs, arguments.rate)
    cost(arguments.rounds)


if __name__ == "__main__":
    main()
