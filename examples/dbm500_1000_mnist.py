"""A DBM 784-500-1000 on MNIST binarised by sampling: its variational lower bound.

    python examples/dbm500_1000_mnist.py        (MNIST through tensorflow_datasets; set TFDS_DATA_DIR to where it is)

A run that is interrupted resumes: the pretrained machine is kept, and joint training goes on from its last epoch.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import keras

import keras_rbm

SEED, BATCH = 0, 100


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true", help="hold out the last 10,000 training cases, as the test")
    parser.add_argument("--pretrain-epochs", type=int, nargs=2, default=[30, 30])
    parser.add_argument("--epochs", type=int, default=100)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--temperatures", type=int, default=20_000)
    parser.add_argument("--output", type=Path, default=Path("saved_models/dbm-mnist"))
    options = parser.parse_args()
    data = keras_rbm.load("mnist")
    train, test = (data.x_train[:50_000], data.x_train[50_000:]) if options.validate else (data.x_train, data.x_test)
    batches = keras_rbm.datasets.batches(train, batch_size=BATCH, seed=SEED)  # pixels binarised afresh each epoch
    options.output.mkdir(parents=True, exist_ok=True)
    started, final = options.output / "pretrained.keras", options.output / "dbm.keras"
    clock = time.monotonic()

    def sgd(learning_rate: float, epochs: int) -> keras.optimizers.Optimizer:
        """The learning rate rises over two epochs, in which new chains forget where they started, then falls to 0."""
        epoch = len(train) // BATCH
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0, (epochs - 2) * epoch, warmup_target=learning_rate, warmup_steps=2 * epoch
        )
        return keras.optimizers.SGD(schedule)

    if started.exists():
        dbm = keras.models.load_model(started, compile=False)
    else:
        dbm = keras_rbm.DBM([500, 1000], kernel_regularizer=keras.regularizers.L2(1e-4), seed=SEED)
        dbm.adapt(train)
        optimizers = [sgd(rate, n) for rate, n in zip((0.05, 0.05), options.pretrain_epochs, strict=True)]
        dbm.pretrain(batches, options.pretrain_epochs, optimizers, sampler="pcd", verbose=2)
        dbm.save(started)
        print(f"pretrained in {time.monotonic() - clock:.0f} s", flush=True)
    if not final.exists():
        dbm.compile(sgd(options.learning_rate, options.epochs))
        backup = keras.callbacks.BackupAndRestore(str(options.output / "backup"), delete_checkpoint=False)
        dbm.fit(batches, epochs=options.epochs, callbacks=[backup], verbose=2)
        dbm.save(final)
        print(f"trained in {time.monotonic() - clock:.0f} s", flush=True)
    dbm = keras.models.load_model(final, compile=False)
    dbm.save(final)  # without the optimizer
    found = keras_rbm.likelihood.log_likelihood(
        dbm,
        *(keras_rbm.datasets.binarized(x, seed=SEED) for x in (test, train)),
        num_temperatures=options.temperatures,
        burn_in=options.temperatures,
        verbose=0,
    )
    print(f"bound: {found.lower:.2f} (by reverse AIS) to {found.upper:.2f} (by AIS) nats a case")
    rows = dbm.trajectories(num_chains=20, num_rows=10, num_steps=1000)
    keras_rbm.plots.fantasies(rows, data.image_shape).savefig(options.output / "fantasies.png")


if __name__ == "__main__":
    main()
