"""Samples beside data, drawn."""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import matplotlib.ticker
import numpy as np

from keras_rbm import plots
from keras_rbm.quality.report import Quality

_DATA, _SAMPLES = "tab:blue", "tab:orange"
_MOST_POINTS, _MOST_CLASSES = 1000, 30


def figure(quality: Quality) -> matplotlib.figure.Figure:
    """A panel for each thing that was looked at."""
    panels = [_plane, _neighbours, _spectra, *([_classes] if quality.classes else [])]
    drawing = plots.Figure(figsize=(3.3 * len(panels), 3.6), layout="constrained", dpi=150)
    for axes, draw in zip(drawing.subplots(1, len(panels)), panels, strict=True):
        draw(axes, quality)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
        axes.spines[["top", "right"]].set_visible(False)
    drawing.suptitle(quality.about, fontsize=9)
    return drawing


def _plane(axes: Any, quality: Quality) -> None:
    shares = np.divide(quality.spectra.data, sum(quality.spectra.data))
    both = [x[:_MOST_POINTS] for x in quality.spectra.plane]
    points = np.concatenate([x if x.shape[1] == 2 else np.pad(x, ((0, 0), (0, 1))) for x in both])
    colors = np.repeat([_DATA, _SAMPLES], [len(x) for x in both])
    order = np.random.default_rng(0).permutation(len(points))  # so that neither lies above the other
    axes.scatter(*points[order].T, s=5, c=colors[order], alpha=0.6, linewidths=0)
    for name, color in (("data", _DATA), ("samples", _SAMPLES)):
        axes.scatter([], [], s=14, c=color, label=name)
    axes.legend(fontsize=7, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.98), borderpad=0)
    axes.set_xlabel(f"first component ({shares[0]:.0%} of the variance)")
    axes.set_ylabel(f"second component ({shares[1]:.0%})" if both[0].shape[1] == 2 else "")
    axes.set_title("where they lie", fontsize=9, pad=18)


def _neighbours(axes: Any, quality: Quality) -> None:
    sets = (
        {"trained on": quality.aats, "not trained on": quality.validation} if quality.validation else {"": quality.aats}
    )
    for number, (name, found) in enumerate(sets.items()):
        values, errors = (found.truth, found.syn), (2 * found.truth_error, 2 * found.syn_error)
        places = np.arange(2) + 0.16 * (number - (len(sets) - 1) / 2)
        axes.errorbar(places, values, errors, fmt="os"[number], color="0.2", mfc=("0.2", "w")[number], ms=5, label=name)
    axes.axhline(0.5, color="0.6", linestyle="--", linewidth=0.8)
    axes.set_xlim(-0.5, 1.5)
    axes.set_ylim(0, 1)
    axes.set_xticks([0, 1], ["data next\nto data", "samples next\nto samples"])
    axes.set_ylabel("nearest neighbour is of the own kind (2 errors)")
    if len(sets) > 1:
        axes.legend(fontsize=7, frameon=False, ncols=2, loc="lower center", bbox_to_anchor=(0.5, 0.98), borderpad=0)
    axes.set_title("who is next to whom", fontsize=9, pad=18)


def _spectra(axes: Any, quality: Quality) -> None:
    found = quality.spectra
    number = np.arange(1, len(found.data))
    axes.plot(number, found.data[:-1], ".-", color=_DATA, linewidth=1, markersize=4)
    axes.plot(number, found.samples[:-1], ".-", color=_SAMPLES, linewidth=1, markersize=4)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(matplotlib.ticker.LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(matplotlib.ticker.NullFormatter())
    largest = max(found.data[:-1] + found.samples[:-1])
    axes.set_ylim(max(axes.get_ylim()[0], 1e-3 * largest), 1.3 * largest)  # rows may have none at all somewhere
    axes.set_xlabel("principal component of the data")
    axes.set_ylabel("variance")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.set_title("spectrum", fontsize=9, pad=18)


def _classes(axes: Any, quality: Quality) -> None:
    found = quality.classes
    if found is None:
        return
    order = np.arange(len(found.classes))
    if len(order) > _MOST_CLASSES:  # those that differ most
        order = np.sort(np.argsort(-np.abs(np.subtract(found.samples, found.data)))[:_MOST_CLASSES])
    names = [found.classes[i] for i in order]
    for side, (shares, color) in enumerate(((found.data, _DATA), (found.samples, _SAMPLES))):
        axes.bar(np.arange(len(order)) + 0.4 * side - 0.2, 100 * np.take(shares, order), 0.4, color=color)
    axes.set_xticks(range(len(names)), names, rotation=90 if max(map(len, names)) > 2 else 0)
    axes.set_xlabel("class, as the classifier sees it")
    axes.set_ylabel("share (%)")
    axes.set_title("classes", fontsize=9, pad=18)
