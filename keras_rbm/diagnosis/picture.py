"""A diagnosis, drawn."""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import numpy as np

from keras_rbm import plots
from keras_rbm.diagnosis import comparison
from keras_rbm.diagnosis.findings import Samples, explained, samples
from keras_rbm.diagnosis.report import ORDER, Diagnosis, Finding

_COLORS = {"ok": "tab:green", "look": "tab:orange", "bad": "tab:red"}
_MOST_POINTS = 3000


def figure(diagnosis: Diagnosis) -> matplotlib.figure.Figure:
    """All that was looked at, a panel each, with its verdict."""
    drawing = plots.Figure(figsize=(13, 6.4), layout="constrained", dpi=150)
    panels = drawing.subplots(2, 4).ravel()
    drawn = samples(diagnosis.evidence)
    for axes, draw in zip(
        panels, (_chains, _memory, _correlations, _means, _energies, _units, _fields, _weights), strict=True
    ):
        draw(axes, diagnosis, drawn)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_size(8)
        axes.yaxis.label.set_size(8)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[0]:
            axes.legend(fontsize=6, frameon=False, loc="best")
    drawing.suptitle(f"{diagnosis.about}: {diagnosis.verdict}", fontsize=9)
    return drawing


def _title(axes: Any, name: str, *found: Finding) -> None:
    verdict = max((finding.verdict for finding in found), key=ORDER.index)
    axes.set_title(f"{name}: {verdict}", fontsize=9, color=_COLORS[verdict])


def _chains(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    evidence = diagnosis.evidence
    for name, chains in (("began in data", evidence.from_data), ("began in the biases", evidence.from_biases)):
        axes.semilogx(evidence.sweeps, chains.energies, ".-", label=name)
    data = evidence.energies["data"]
    axes.axhline(data.mean(), color="k", linestyle=":", linewidth=1, label="data")
    low, high = axes.get_ylim()  # at least the data's own deviation high, or noise would fill the panel
    axes.set_ylim(min(low, data.mean() - data.std() / 2), max(high, data.mean() + data.std() / 2))
    axes.set_xlabel("sweeps")
    axes.set_ylabel("mean energy of chains (nats)")
    _title(axes, "mixing", diagnosis["mixing"])


def _memory(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    evidence = diagnosis.evidence
    kept = [comparison.memory(evidence.start, scores).max() for scores in evidence.from_data.scores]
    axes.semilogx(evidence.sweeps, kept, ".-", label="worst component")
    for limit in (comparison.SMALL, comparison.MEDIUM):
        axes.axhline(limit, color="0.7", linestyle="--", linewidth=0.8)
    axes.set_ylim(0, 1)
    axes.set_xlabel("sweeps")
    axes.set_ylabel("correlation with where chains began")
    _title(axes, "memory", diagnosis["mixing"])


def _correlations(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    columns = diagnosis.evidence.columns
    i, j = np.nonzero(np.triu(columns.pairs, 1))
    some = np.random.default_rng(0).permutation(len(i))[:_MOST_POINTS]
    data, states = (
        comparison.correlations(x[:, columns.paired])[i[some], j[some]] for x in (diagnosis.evidence.data, drawn.states)
    )
    _against(axes, data, states, drawn.words)
    _title(axes, "correlations", diagnosis["correlations"])


def _means(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    columns = diagnosis.evidence.columns.single
    _against(axes, diagnosis.evidence.data[:, columns].mean(0), drawn.states[:, columns].mean(0), drawn.words)
    _title(axes, "means", diagnosis["means"])


def _against(axes: Any, data: np.ndarray, states: np.ndarray, words: str) -> None:
    ends = [min(data.min(initial=0), states.min(initial=0)), max(data.max(initial=0), states.max(initial=0))]
    axes.plot(ends, ends, color="0.7", linewidth=0.8)
    axes.plot(data, states, ".", markersize=3, alpha=0.5)
    axes.set_xlabel("in data")
    axes.set_ylabel(f"in {words}")


def _energies(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    energies = diagnosis.evidence.energies
    sets = {"data": energies["data"], "validation": energies.get("validation"), drawn.words: drawn.energies}
    sets = {name: values for name, values in sets.items() if values is not None}
    bins = _bins(np.concatenate([*sets.values()]), 30)
    for name, values in sets.items():
        axes.hist(values, bins, density=True, histtype="step", label=name)
    axes.set_xlabel("energy (nats)")
    axes.set_ylabel("density")
    axes.set_yticks([])
    names = ["energies", "overfitting"] if "validation" in sets else ["energies"]
    _title(axes, ", ".join(names), *(diagnosis[name] for name in names))


def _units(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    for number, layer in enumerate(diagnosis.evidence.hidden, 1):
        share = np.sort(explained(layer))[::-1]
        axes.plot(np.linspace(0, 100, len(share)), 100 * share, label=f"layer {number}")
    axes.set_ylim(0, 101)
    axes.set_xlabel("hidden units, sorted (%)")
    axes.set_ylabel("variance that data explain (%)")
    _title(axes, "hidden units", *(finding for finding in diagnosis.findings if finding.name.startswith("hidden")))


def _fields(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    for number, layer in enumerate(diagnosis.evidence.hidden, 1):
        axes.hist(layer.fields.ravel(), _bins(layer.fields), density=True, histtype="step", label=f"layer {number}")
    axes.set_xlabel("field of hidden units given data")
    axes.set_ylabel("density")
    axes.set_yticks([])
    axes.set_title("fields", fontsize=9)


def _weights(axes: Any, diagnosis: Diagnosis, drawn: Samples) -> None:
    for name, weights in diagnosis.evidence.kernels.items():
        axes.hist(weights.ravel(), _bins(weights), density=True, histtype="step", label=name.split("/", 1)[-1])
    axes.set_yscale("log")
    axes.set_xlabel("weight")
    axes.set_ylabel("density")
    axes.set_title("weights", fontsize=9)


def _bins(values: np.ndarray, number: int = 60) -> np.ndarray:
    """Edges that leave out one value in a thousand on either side; of equal values, around them."""
    low, high = np.quantile(values, (0.001, 0.999))
    wide = high - low > 1e-6
    return np.linspace(low if wide else low - 0.5, high if wide else high + 0.5, number)
