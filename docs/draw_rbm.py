"""Draws docs/rbm.png: the graph of an RBM, and a chain between its layers.

python docs/draw_rbm.py        (half a minute, seed 0)
"""

from __future__ import annotations

from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes

import keras_rbm

SWEEPS = (0, 1, 2, 5, 20, 1000)


def draw_graph(axes: Axes, num_visible: int = 6, num_hidden: int = 4) -> None:
    """Both layers, and all weights between them, blue or red by their sign."""
    weights = np.random.default_rng(0).normal(size=(num_visible, num_hidden))
    lower, upper = np.arange(num_visible), np.linspace(0.7, num_visible - 1.7, num_hidden)
    for i, j in np.ndindex(weights.shape):
        color = "tab:red" if weights[i, j] > 0 else "tab:blue"
        axes.plot([lower[i], upper[j]], [0, 1], color=color, linewidth=1.2 * abs(weights[i, j]), alpha=0.7, zorder=1)
    rng = np.random.default_rng(1)
    for x, y in ((lower, 0), (upper, 1)):
        states = rng.integers(0, 2, len(x))
        axes.scatter(
            x, np.full(len(x), y), s=520, c=states, cmap="gray_r", vmin=0, vmax=3, edgecolors="black", zorder=2
        )
        for place, state in zip(x, states, strict=True):
            axes.text(place, y, str(state), ha="center", va="center")
    axes.text(-0.9, 1, "h", style="italic", ha="center", va="center", fontsize=12)
    axes.text(-0.9, 0, "v", style="italic", ha="center", va="center", fontsize=12)
    axes.text(-0.9, 0.5, "W", style="italic", ha="center", va="center", fontsize=12)
    axes.set(xlim=(-1.2, num_visible - 0.4), ylim=(-0.35, 1.35))
    axes.set_axis_off()


def draw_chain(axes: Axes) -> None:
    """Visible states below and hidden states above, after so many sweeps."""
    data = keras_rbm.load("digits")
    rbm = keras_rbm.RBM(64, sampler="pcd", seed=0)
    v = keras_rbm.datasets.batches(data.x_train, batch_size=20, binarize="threshold", seed=0)
    rbm.adapt(keras_rbm.datasets.binarized(data.x_train, "threshold"))
    rbm.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.1, 100 * len(v), 0.0)))
    rbm.fit(v, epochs=100, verbose=0)
    state, done = np.random.default_rng(0).integers(0, 2, (1, 64)).astype("float32"), 0
    for place, sweeps in enumerate(SWEEPS):
        if sweeps > done:
            state, done = np.asarray(rbm.sample(v=state, num_steps=sweeps - done)), sweeps
        hidden = np.asarray(rbm.sample_h_from_v(state))
        for picture, y in ((hidden, 1.15), (state, 0)):
            box = (place - 0.4, place + 0.4, y, y + 0.8)
            axes.imshow(picture.reshape(8, 8), cmap="gray_r", extent=box, vmin=0, vmax=1, interpolation="nearest")
            axes.add_patch(plt.Rectangle(box[::2], 0.8, 0.8, fill=False, linewidth=0.8))
        arrow = {"arrowstyle": "->", "color": "gray"}
        axes.annotate("", (place, 1.12), (place, 0.83), arrowprops=arrow)
        if place:
            axes.annotate("", (place - 0.38, 0.83), (place - 0.62, 1.12), arrowprops=arrow)
        axes.text(place, -0.25, f"{sweeps}", ha="center", fontsize=9)
    axes.text(len(SWEEPS) / 2 - 0.5, -0.55, "sweeps", ha="center", fontsize=9)
    axes.set(xlim=(-0.7, len(SWEEPS) - 0.3), ylim=(-0.6, 2.1), aspect="equal")
    axes.set_axis_off()


def main() -> None:
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 2.9), width_ratios=(1, 1.75), layout="constrained")
    draw_graph(left)
    draw_chain(right)
    figure.savefig(Path(__file__).parent / "rbm.png", dpi=110)


if __name__ == "__main__":
    main()
