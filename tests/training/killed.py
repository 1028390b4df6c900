"""A worker that trains until it is killed. Run by `test_workers.py`; arguments: a folder, and where the weights go."""

import os
import sys
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

import keras_rbm

strategy = tf.distribute.MultiWorkerMirroredStrategy()
folder, target = map(Path, sys.argv[1:])
x = (np.random.default_rng(0).random((45, 12)) < 0.4).astype("float32")


class Slow(keras.callbacks.Callback):
    """Leaves time to be killed in."""

    def on_epoch_end(self, epoch, logs=None):
        time.sleep(0.3)


with strategy.scope():
    rbm = keras_rbm.RBM(5, sampler=keras_rbm.samplers.PCD(num_chains=10), seed=int(os.environ["WORKER_SEED"]))
    rbm.compile(keras.optimizers.Adam(0.05))
rbm.fit(x, batch_size=10, epochs=8, verbose=0, callbacks=[Slow(), keras_rbm.callbacks.Checkpoint(folder)])
np.savez(target, *[np.asarray(variable) for variable in [*rbm.variables, *rbm.optimizer.variables]])
