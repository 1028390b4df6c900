"""An RBM that several machines train together, and that goes on when one of them was killed.

Each machine runs this same script. Which machines there are, and which of them this is, the environment says:
TF_CONFIG, or Slurm's variables (examples/cluster has starters for Slurm and Kubernetes). By itself it trains on one
machine, on all of its GPUs.

    python examples/workers_mnist.py --output run

Each epoch is checkpointed by the first worker, in `run/checkpoints`. If a worker is killed, the others end with an
error; start all of them again with the same command, and they go on after the last checkpoint.
"""

import argparse
import os
from pathlib import Path

import keras
import tensorflow as tf

import keras_rbm


def strategy() -> tf.distribute.Strategy:
    """All workers, or all GPUs of this machine."""
    if "TF_CONFIG" in os.environ:
        return tf.distribute.MultiWorkerMirroredStrategy()
    if int(os.environ.get("SLURM_NTASKS", "1")) > 1:
        resolver = tf.distribute.cluster_resolver.SlurmClusterResolver(port_base=12345)
        return tf.distribute.MultiWorkerMirroredStrategy(cluster_resolver=resolver)
    return tf.distribute.MirroredStrategy()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("run"))
    parser.add_argument("--dataset", default="mnist")
    parser.add_argument("--units", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--batch-size", type=int, default=1000, help="of all workers together")
    options = parser.parse_args()

    together = strategy()  # before anything else of TensorFlow's
    data = keras_rbm.load(options.dataset)
    with together.scope():
        rbm = keras_rbm.RBM(options.units, sampler=keras_rbm.samplers.PCD(num_chains=1000), seed=0)
        rbm.compile(keras.optimizers.SGD(0.05))
    rbm.adapt(data.x_train)
    rbm.fit(
        keras_rbm.datasets.batches(data.x_train, batch_size=options.batch_size, seed=0),
        epochs=options.epochs,
        verbose=2,
        callbacks=[keras_rbm.callbacks.Checkpoint(options.output / "checkpoints")],
    )
    resolver = together.cluster_resolver
    if resolver is None or not resolver.task_id:
        rbm.save(options.output / "rbm.keras")


if __name__ == "__main__":
    main()
