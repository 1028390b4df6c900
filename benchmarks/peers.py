"""How fast do PyTorch's RBMs learn? Beside the same matrix products as `train_step.py` prints.

    python -m venv peer && peer/bin/pip install rbms==0.2.1 && peer/bin/python benchmarks/peers.py
    python -m venv other && other/bin/pip install learnergy==2.0.2 && other/bin/python benchmarks/peers.py

They pin versions that neither this package nor the other goes with, so each has an environment of its own, and they
compare by ratios. What is installed is timed.
784-500, batches of 100, random binary data, 300 updates a run: `rbms` by the step of its `training.pcd.train` (centred
gradient, persistent chains, SGD; nothing logged), `learnergy` by `RBM.fit` (CD; squared error and pseudo-likelihood
logged).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import io
from collections.abc import Callable

import torch
from timing import Work, learning, table

BATCH, VISIBLE, HIDDEN, UPDATES = 100, 784, 500, 300


def rbms(x: torch.Tensor, sweeps: int) -> Callable[[], None]:
    from rbms.bernoulli_bernoulli.classes import BBRBM
    from rbms.training.pcd import fit_batch_pcd

    model = BBRBM(0.01 * torch.randn(VISIBLE, HIDDEN), torch.zeros(VISIBLE), torch.zeros(HIDDEN))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    chains, weights = model.init_chains(BATCH), torch.ones(len(x), 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, maximize=True)

    @torch.no_grad()
    def run() -> None:
        nonlocal chains
        for _ in range(UPDATES):
            rows = torch.randperm(len(x))[:BATCH]
            optimizer.zero_grad(set_to_none=False)
            chains, _ = fit_batch_pcd((x[rows], weights[rows]), chains, model, sweeps, 1.0)
            optimizer.step()

    return run


def learnergy(x: torch.Tensor, sweeps: int) -> Callable[[], None]:
    from learnergy.models.bernoulli import RBM

    model = RBM(VISIBLE, HIDDEN, steps=sweeps, learning_rate=0.01)
    data = torch.utils.data.TensorDataset(x, torch.zeros(len(x)))

    def run() -> None:
        with contextlib.redirect_stdout(io.StringIO()):
            model.fit(data, batch_size=BATCH, epochs=1)

    return run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    x = (torch.rand(BATCH * UPDATES, VISIBLE) < 0.2).float()
    works = [
        Work(f"{name}, {sweeps} sweeps", make(x, sweeps), UPDATES, learning(BATCH, VISIBLE, HIDDEN, sweeps, chains))
        for name, make, chains in (("rbms", rbms, BATCH), ("learnergy", learnergy, 0))
        for sweeps in (1, 10)
        if importlib.util.find_spec(name)
    ]
    for work in works:
        work.run()
    table("an update", works, options.rounds)


if __name__ == "__main__":
    main()
