"""What likelihoods do not show: samples of the pretrained models beside MNIST, and other digits in their place.

    python examples/sample_quality_mnist.py        (MNIST through tensorflow_datasets; set TFDS_DATA_DIR to where it is)

Measured with seed 0, 2,000 samples after 1,000 sweeps from the biases, in half a minute ("digits") to two and a half
(the last three) on 2 cores that had much else to do. Nearest neighbours (row next to row, sample next to sample) beside
training and test set, then by how much spectrum and classes differ (chance alone: 2.6 % and 3.8 %):

    digits               0.494 0.530   0.505 0.528    3.2 %   3.8 %
    mnist-rbm-16         0.998 0.792   0.997 0.752   65.9 %  58.5 %
    mnist-rbm-500        0.571 0.516   0.599 0.509    9.1 %  13.2 %
    mnist-dbn-500-2000   0.559 0.506   0.610 0.505    9.6 %  18.3 %
    mnist-dbm-500-1000   0.555 0.501   0.603 0.515    7.0 %  15.4 %
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

import keras_rbm

MODELS = ("mnist-rbm-16", "mnist-rbm-500", "mnist-dbn-500-2000", "mnist-dbm-500-1000")


def measured(name: str, options: argparse.Namespace) -> keras_rbm.quality.Quality:
    """Of a model beside the training set and the test set; of `"digits"`, those of the test set are the samples, beside
    the first 50,000 and the last 10,000 of the training set."""
    data, how = keras_rbm.load("mnist"), "threshold" if name == "mnist-rbm-16" else "sample"
    x, test = (keras_rbm.datasets.binarized(part, how, 0) for part in (data.x_train, data.x_test))
    counts: dict[str, Any] = {"num_samples": options.num, "num_steps": options.steps}
    if name == "digits":
        return keras_rbm.sample_quality(test, x[:50_000], x[50_000:], data.y_train[:50_000], **counts)
    model = keras_rbm.load_pretrained(name)
    if options.anneal:
        model = model.sample(options.num, options.steps, anneal=[0.0, 1.0])
    return keras_rbm.sample_quality(model, x, test, data.y_train, **counts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", default=["digits", *MODELS])
    parser.add_argument("--num", type=int, default=2000, help="samples, and rows of each set")
    parser.add_argument("--steps", type=int, default=1000, help="Gibbs sweeps")
    parser.add_argument("--anneal", action="store_true", help="chains that begin hot")
    parser.add_argument("--output", type=Path, default=Path("saved_models/sample-quality"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    for name in options.names:
        started = time.monotonic()
        found = measured(name, options)
        print(f"{name}, {time.monotonic() - started:.0f} s", found, "", sep="\n", flush=True)
        path = options.output / f"{name}{'-annealed' if options.anneal else ''}-{options.steps}"
        path.with_suffix(".json").write_text(json.dumps(found.as_dict(), indent=1))
        found.figure().savefig(path.with_suffix(".png"))


if __name__ == "__main__":
    main()
