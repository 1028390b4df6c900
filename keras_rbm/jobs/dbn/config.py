"""What the main job does, in one object."""

from __future__ import annotations

import argparse
import itertools
from dataclasses import dataclass
from typing import Any


@dataclass
class DBNConfig:
    """What a run does.

    Args:
        dataset: as in `datasets.load`.
        layers: hidden units, from the lowest layer to the top.
        epochs: of greedy pretraining, a layer.
        wake_sleep_epochs, fine_tune_epochs: of the stages after it; 0 leaves a stage out.
        learning_rate: of pretraining; it falls linearly to 0, like the other two.
        wake_sleep_learning_rate, fine_tune_learning_rate: of the later stages (SGD, and SGD with momentum 0.9).
        gibbs_steps, sampler: of the RBMs.
        binarize: how grey levels become states, as in `datasets.batches`.
        batch_size: cases a step.
        seed: rules weights, order and samples.

    Raises:
        ValueError: for counts that are not positive, layers that no memory holds, and unknown words.
    """

    dataset: str = "digits"
    layers: tuple[int, ...] = (128, 128, 256)
    epochs: int = 40
    wake_sleep_epochs: int = 20
    fine_tune_epochs: int = 60
    learning_rate: float = 0.1
    wake_sleep_learning_rate: float = 0.01
    fine_tune_learning_rate: float = 0.2
    gibbs_steps: int = 1
    sampler: str = "cd"
    binarize: str = "sample"
    batch_size: int = 20
    seed: int = 0

    def __post_init__(self) -> None:
        from keras_rbm import datasets  # only here: to read a command line TensorFlow is not needed
        from keras_rbm.arguments import LARGEST_NUMPY_SEED, checked_seed, positive_integer

        if not isinstance(self.dataset, str):
            raise ValueError(f"`dataset` must be a word. Received: {self.dataset!r}")
        self.layers = tuple(positive_integer(n, "layers") for n in self.layers)
        if len(self.layers) < 2:
            received = ", ".join(map(str, self.layers)) or "none"
            raise ValueError(f"`layers` must name at least two layers. Received: {received}")
        for name in ("epochs", "gibbs_steps", "batch_size"):
            positive_integer(getattr(self, name), name)
        for name in ("wake_sleep_epochs", "fine_tune_epochs"):
            if getattr(self, name) < 0:
                raise ValueError(f"`{name}` must not be negative. Received: {name}={getattr(self, name)}")
            if getattr(self, name):
                positive_integer(getattr(self, name), name)
        for name in ("learning_rate", "wake_sleep_learning_rate", "fine_tune_learning_rate"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ValueError(f"`{name}` must be positive and finite. Received: {name}={getattr(self, name)}")
        if self.binarize not in datasets.BINARIZE:
            words = ", ".join(datasets.BINARIZE)
            raise ValueError(f"`binarize` must be one of {words}. Received: binarize={self.binarize!r}")
        checked_seed(self.seed, LARGEST_NUMPY_SEED)
        self.make_sampler()
        self.check_fits(num_visible=1)

    def check_fits(self, num_visible: int) -> None:
        """Refuses layers whose weights, 4 bytes each, this machine could not hold beside their gradients.

        Raises:
            ValueError: if they take more than there is.
        """
        from keras_rbm.checks import check_memory

        number = sum(a * b for a, b in itertools.pairwise((num_visible, *self.layers)))
        check_memory(
            2 * 4 * number, f"The weights of `layers` {self.layers}, with gradients,", "Give smaller `layers`."
        )

    def make_sampler(self) -> Any:
        from keras_rbm.samplers import get as get_sampler

        return get_sampler(self.sampler, num_steps=self.gibbs_steps)

    @classmethod
    def for_dataset(cls, dataset: str, **given: Any) -> DBNConfig:
        """What was measured to suit a data set, with what is given in its place."""
        usual = {
            "layers": (500, 500, 2000),
            "epochs": 10,
            "learning_rate": 0.05,
            "sampler": "pcd",
            "wake_sleep_epochs": 5,
            "fine_tune_epochs": 20,
            "fine_tune_learning_rate": 0.1,
            "batch_size": 100,
        }
        return cls(**{"dataset": dataset, **({} if dataset == "digits" else usual), **given})


def add_options(parser: argparse.ArgumentParser) -> None:
    """A configuration's options of the command line, but for the data set."""
    usual, add = DBNConfig, parser.add_argument
    add(
        "--layers",
        type=int,
        nargs="+",
        metavar="N",
        help="hidden units, from the lowest layer to the top; at least two layers",
    )
    add("--epochs", type=int, metavar="N", help="of greedy pretraining, a layer")
    add("--wake-sleep-epochs", type=int, metavar="N", help="of wake-sleep (0: none)")
    add("--fine-tune-epochs", type=int, metavar="N", help="of the classifier (0: none)")
    add("--learning-rate", type=float, metavar="X", help=f"of pretraining (default: {usual.learning_rate:g})")
    add("--wake-sleep-learning-rate", type=float, metavar="X", help=f"(default: {usual.wake_sleep_learning_rate:g})")
    add("--fine-tune-learning-rate", type=float, metavar="X", help=f"(default: {usual.fine_tune_learning_rate:g})")
    add("--gibbs-steps", type=int, metavar="K", help="Gibbs sweeps an update (default: 1)")
    add("--sampler", metavar="NAME", help="cd (the default), pcd, fast_pcd, parallel_tempering or trajectory_tempering")
    add(
        "--binarize",
        metavar="HOW",
        help="grey levels become states by sample (afresh each epoch; the default), threshold or none",
    )
    add("--batch-size", type=int, metavar="N", help="cases a step")
    add("--seed", type=int, help="rules weights, order and samples (default: 0)")
