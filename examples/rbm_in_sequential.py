"""An RBM as a layer of an ordinary Keras pipeline: features learned without labels, few labels on top.
HEADER
"""

from __future__ import annotations

import keras
import numpy as np

import keras_rbm

SEED = 0


def labelled(y: np.ndarray, per_class: int, rng: np.random.Generator) -> np.ndarray:
    """Row numbers of so many cases of each class."""
    return np.concatenate([rng.choice(np.flatnonzero(y == c), per_class, replace=False) for c in np.unique(y)])


def accuracy(layers: list[keras.layers.Layer], x, y, x_test, y_test) -> float:
    keras.utils.set_random_seed(SEED)
    net = keras.Sequential([keras.Input((8, 8)), keras.layers.Flatten(), *layers, keras.layers.Dense(10, "softmax")])
    net.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    net.fit(x, y, batch_size=20, epochs=150, verbose=0)
    return net.evaluate(x_test, y_test, verbose=0)[1]


def main() -> None:
    data = keras_rbm.load("digits")
    rbm = keras_rbm.RBM(256, seed=SEED)
    rbm.adapt(data.x_train)
    batches = keras_rbm.datasets.batches(data.x_train, batch_size=20, seed=SEED)
    steps = 60 * len(batches)
    rbm.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, steps, 0.0), momentum=0.5))
    rbm.fit(batches, epochs=60, verbose=0)

    rng = np.random.default_rng(SEED)
    x_test = data.x_test.reshape(-1, 8, 8)
    found = {"pixels": [], "random network": [], "RBM inside": []}
    for _ in range(5):
        rows = labelled(data.y_train, 10, rng)
        x, y = data.x_train[rows].reshape(-1, 8, 8), data.y_train[rows]
        layer = keras.models.clone_model(rbm)
        layer.build((None, 64))
        layer.set_weights(rbm.get_weights())
        stacks = {"pixels": [], "random network": [keras.layers.Dense(256, "sigmoid")], "RBM inside": [layer]}
        for name, layers in stacks.items():
            found[name].append(accuracy(layers, x, y, x_test, data.y_test))
    print("test accuracy with 10 labels a class, mean and deviation of 5 draws of the labels")
    for name, values in found.items():
        print(f"  {name:<15} {100 * np.mean(values):5.1f} % +- {100 * np.std(values):.1f}")


if __name__ == "__main__":
    main()
