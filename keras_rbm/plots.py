"""Arrays to matplotlib figures: the pictures of a paper, nothing else."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.figure
import numpy as np

from keras_rbm.datasets.sequences import binary_roll, held_notes

_CELL = 0.42  # inches that one small picture takes
_LABELS = {
    "loss": "free-energy difference (nats a case)",
    "reconstruction_error": "reconstruction error (nats a case)",
    "pseudo_log_likelihood": "pseudo-log-likelihood (nats a case)",
    "wake_loss": "wake loss (nats a case)",
    "sleep_loss": "sleep loss (nats a case)",
}


class Figure(matplotlib.figure.Figure):
    """A figure that belongs to no window; a notebook shows it, whether or not pyplot was imported."""

    def _repr_png_(self) -> bytes:
        with io.BytesIO() as file:
            self.savefig(file, format="png", dpi=100)
            return file.getvalue()


def tile(images: Any, num_columns: int, image_shape: tuple[int, int], gap: int = 1) -> np.ndarray:
    """Pictures side by side, row after row, with `gap` pixels of NaN (drawn as paper) between them.

    Args:
        images: `(number, pixels)`, or `(number, height, width, 1)`.

    Raises:
        ValueError: if `image_shape` has another number of pixels.
    """
    images, (height, width) = _in_rows(images), image_shape[:2]  # a channel may stand behind
    if images.ndim != 2 or images.shape[1] != height * width or not len(images):
        raise ValueError(
            f"Pictures must have shape (number, {height * width}) for image_shape={image_shape}. "
            f"Received: shape={images.shape}"
        )
    num_rows = math.ceil(len(images) / num_columns)
    sheet = np.full((num_rows * (height + gap) - gap, num_columns * (width + gap) - gap), np.nan)
    for i, image in enumerate(images):
        top, left = i // num_columns * (height + gap), i % num_columns * (width + gap)
        sheet[top : top + height, left : left + width] = image.reshape(height, width)
    return sheet


def _in_rows(images: Any) -> np.ndarray:
    """Pictures `(number, pixels)`, where they came with height, width and a channel."""
    images = np.asarray(images, dtype=float)
    return images.reshape(len(images), -1) if images.ndim > 2 and images.shape[3:] in ((), (1,)) else images


def filters(
    weights: Any,
    image_shape: tuple[int, int] | None = None,
    num: int = 100,
    title: str = "",
    *,
    order: str = "strongest",
    scale: str = "unit",
) -> matplotlib.figure.Figure:
    """The weights of hidden units as pictures, red where they switch the unit on, blue where off.

    Args:
        weights: `w_rec`, `(visible, hidden)`; or of filters `(height, width, channels, filters)`, whose channels are
            drawn side by side, and `(time, channels, filters)`.
        image_shape: height and width; filters have their own.
        num: how many units to show at most.
        order: `"strongest"`: the units that have the strongest weights, these first; `"units"`: the first units, in
            the machine's order, so that two pictures show the same unit in the same place.
        scale: `"unit"`: each picture by its own largest absolute weight; `"common"`: all by the largest of those
            shown, so that strong units stand out from weak ones; a bar says which colour is which weight.

    Raises:
        ValueError: if `image_shape` has another number of pixels, or for other words.
    """
    if np.ndim(weights) == 3:  # of sequences: pictures one pixel high
        weights = np.asarray(weights)[None]
    if np.ndim(weights) == 4:
        height, width, channels, number = np.shape(weights)
        image_shape = height, width * channels
        weights = np.transpose(weights, (0, 2, 1, 3)).reshape(-1, number)
    elif image_shape is None:
        raise ValueError(f"`image_shape` is needed where weights are a matrix. Received: shape={np.shape(weights)}")
    return _filter_figure({title: weights}, image_shape, num, order, scale)


def filter_panels(
    weights: Mapping[str, Any],
    image_shape: tuple[int, int],
    num: int = 36,
    *,
    order: str = "strongest",
    scale: str = "unit",
) -> matplotlib.figure.Figure:
    """`filters` of several machines, side by side; on a common scale it is that of all of them.

    Args:
        weights: for each machine, by name, weights `(visible, hidden)`.
        num: how many units of each to show at most.
        order, scale: as in `filters`.
    """
    return _filter_figure(weights, image_shape, num, order, scale)


def _filter_figure(
    weights: Mapping[str, Any], image_shape: tuple[int, int], num: int, order: str, scale: str
) -> matplotlib.figure.Figure:
    for name, word, known in (("order", order, ("strongest", "units")), ("scale", scale, ("unit", "common"))):
        if word not in known:
            raise ValueError(f"`{name}` must be {' or '.join(map(repr, known))}. Received: {name}={word!r}")
    shown = [_shown_units(w, num, order) for w in weights.values()]
    if scale == "common":
        limit = max(np.abs(units).max() for units in shown) or 1.0
    else:
        limit, shown = 1.0, [units / np.maximum(np.abs(units).max(1, keepdims=True), 1e-12) for units in shown]
    columns = [math.ceil(math.sqrt(len(units))) for units in shown]
    sheets = [tile(units, n, image_shape) for units, n in zip(shown, columns, strict=True)]
    cell = max(_CELL, 2.5 / max(columns)) / image_shape[1]  # inches a pixel; few units are drawn larger
    widths, heights = zip(*[(cell * sheet.shape[1], cell * sheet.shape[0]) for sheet in sheets], strict=True)
    titled, barred = any(weights), scale == "common"
    size = (sum(widths) + 0.12 * len(sheets) + 0.7 * barred, max(heights) + 0.12 + 0.25 * titled)
    figure = Figure(figsize=size, layout="compressed", dpi=200)
    panels = figure.subplots(1, len(sheets), squeeze=False, width_ratios=widths)[0]
    for axes, name, sheet in zip(panels, weights, sheets, strict=True):
        image = axes.imshow(sheet, cmap="RdBu_r", interpolation="nearest", vmin=-limit, vmax=limit)
        axes.set_axis_off()
        axes.set_title(name, fontsize=8)
    if barred:
        bar = figure.colorbar(image, ax=list(panels), shrink=0.9, pad=0.02, aspect=30)
        bar.set_label("weight", fontsize=7)
        bar.ax.tick_params(labelsize=7)
    return figure


def _shown_units(weights: Any, num: int, order: str) -> np.ndarray:
    """The units' weights that are shown, `(units, visible)`."""
    units = np.asarray(weights, dtype=float).T
    return (units[np.argsort(-np.linalg.norm(units, axis=1))] if order == "strongest" else units)[:num]


def reconstructions(
    originals: Any, reconstructed: Any, image_shape: tuple[int, int], title: str = "", per_row: int = 10
) -> matplotlib.figure.Figure:
    """Originals, and under each its reconstruction.

    Args:
        originals, reconstructed: `(number, pixels)` or `(number, height, width, 1)`, in [0, 1].
    """
    originals, reconstructed = _in_rows(originals), _in_rows(reconstructed)
    blocks = []
    for start in range(0, len(originals), per_row):
        for part in (originals, reconstructed):
            row = np.full((per_row, originals.shape[1]), np.nan)
            row[: len(part[start : start + per_row])] = part[start : start + per_row]
            blocks.append(row)
    num_rows = len(blocks)
    figure, axes = _sheet(tile(np.concatenate(blocks), per_row, image_shape), per_row, num_rows, title, margin=1.1)
    height = image_shape[0] + 1
    labels = ["original", "reconstruction"] * (num_rows // 2)
    axes.set_yticks([i * height + image_shape[0] / 2 - 0.5 for i in range(num_rows)], labels, fontsize=7)
    return figure


def fantasies(
    rows: Any, image_shape: tuple[int, int], title: str = "", labels: Sequence[str] = ()
) -> matplotlib.figure.Figure:
    """Fantasy particles: a column a Markov chain, a row a moment, time going down.

    Args:
        rows: means of the visible units, `(moments, chains, pixels)`, or pictures with height, width and channel.
        labels: a word for each row.
    """
    rows = np.asarray(rows)
    num_rows, num_chains = rows.shape[:2]
    sheet = tile(rows.reshape(num_rows * num_chains, -1), num_chains, image_shape)
    figure, axes = _sheet(sheet, num_chains, num_rows, title, margin=0.8 if labels else 0.0)
    if labels:
        height = image_shape[0] + 1
        axes.set_yticks([i * height + image_shape[0] / 2 - 0.5 for i in range(num_rows)], labels, fontsize=7)
    return figure


def piano_rolls(rolls: Mapping[str, Any], dt: float, lowest: int, title: str = "") -> matplotlib.figure.Figure:
    """Piano rolls one above the other on common axes, a bar for each held note.

    Args:
        rolls: for each panel, by name, 0 and 1, `(frames, notes)`.
        dt: seconds a frame.
        lowest: the MIDI note number of the first column.

    Raises:
        ValueError: if there is no roll, their widths differ, a value is neither 0 nor 1, or `dt` is not positive.
    """
    panels = {name: binary_roll(roll) for name, roll in rolls.items()}
    widths = sorted({roll.shape[1] for roll in panels.values()})
    if len(widths) != 1:
        raise ValueError(f"Rolls must be at least one, of one width. Received: widths={widths}")
    if not 0 < dt < math.inf:
        raise ValueError(f"`dt` must be a positive number of seconds. Received: dt={dt!r}")
    used = np.flatnonzero(np.any([roll.any(0) for roll in panels.values()], axis=0))
    bottom, top = (lowest + used[[0, -1]]) if len(used) else (lowest, lowest + widths[0] - 1)
    top = max(top, bottom + 12)
    seconds = dt * max(map(len, panels.values()))
    size = (min(max(3.0 + 0.12 * seconds, 5.0), 9.0), len(panels) * (0.8 + 0.025 * (top - bottom)) + 0.6)
    figure = Figure(figsize=size, layout="constrained", dpi=200)
    panes = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, (name, roll) in zip(panes, panels.items(), strict=True):
        column, start, end = held_notes(roll).T
        axes.barh(lowest + column, dt * (end - start), left=dt * start, height=0.8, color="C0")
        axes.set_title(name, fontsize=8)
        axes.grid(axis="y", color="0.9", linewidth=0.6)
        axes.set_axisbelow(True)
        axes.tick_params(labelsize=7)
        axes.spines[["top", "right"]].set_visible(False)
    panes[0].set_xlim(0, seconds)
    panes[0].set_ylim(bottom - 1.5, top + 1.5)
    octaves = [note for note in range(0, 128, 12) if bottom - 1.5 < note < top + 1.5]
    panes[0].set_yticks(octaves, [f"{note} (C{note // 12 - 1})" for note in octaves])
    panes[-1].set_xlabel("time (s)", fontsize=8)
    figure.supylabel("MIDI note number", fontsize=8)
    if title:
        figure.suptitle(title, fontsize=9)
    return figure


def learning_curves(
    histories: Mapping[str, Mapping[str, Sequence[float]]],
    metrics: Sequence[str],
    labels: Mapping[str, str] = _LABELS,
    title: str = "",
    apart: bool = False,
) -> matplotlib.figure.Figure:
    """A panel a metric, a line a training, dashed where it is on validation data.

    Args:
        histories: for each training, `History.history`.
        metrics: which to draw.
        labels: what to write at a metric's axis, with its unit; those of the machines by default.
        apart: a column of panels a training, each on its own scale: for those that learn other data, whose levels say
            nothing beside each other, such as the layers of a stack.

    Raises:
        ValueError: if no history has any of the metrics.
    """
    metrics = [m for m in metrics if any(m in history for history in histories.values())]
    if not metrics:
        raise ValueError(f"None of the metrics is in the histories. Received: histories of {', '.join(histories)}")
    titles = list(histories) if apart else [""] * len(metrics)
    columns: list[list[tuple[str, Mapping[str, Any]]]] = [[(m, histories)] for m in metrics]
    if apart:
        columns = [[(m, {"": history}) for m in metrics if m in history] for history in histories.values()]
    num_rows, (width, height) = max(map(len, columns)), (2.7, 2.2) if apart else (4.2, 2.8)
    size = (width * len(columns), height * num_rows + 0.4 + 0.3 * bool(title))
    figure = Figure(figsize=size, layout="constrained", dpi=200)
    grid = figure.subplots(num_rows, len(columns), squeeze=False)
    for column, panels, name in zip(grid.T, columns, titles, strict=True):
        for axes, panel in itertools.zip_longest(column, panels):
            if panel:
                _curves(axes, panel[0], panel[1], labels)
            else:
                axes.set_axis_off()
        column[0].set_title(name, fontsize=8)
    if title:
        figure.suptitle(title, fontsize=8)
    lines = {line.get_label(): line for axes in figure.axes for line in axes.lines}
    # below, where it hides no curve
    figure.legend(
        handles=list(lines.values()), labels=list(lines), loc="outside lower center", ncols=4, frameon=False, fontsize=7
    )
    return figure


def _curves(axes: Any, metric: str, histories: Mapping[str, Mapping[str, Sequence[float]]], labels: Any) -> None:
    """A metric's panel, a line a training; one without a name is the only one."""
    for number, (name, history) in enumerate(histories.items()):
        names = (name, f"{name} (validation)") if name else ("training", "validation")
        for key, style, label in zip((metric, f"val_{metric}"), ("-", "--"), names, strict=True):
            if key in history:
                epochs = np.arange(1, len(history[key]) + 1)
                axes.plot(epochs, history[key], style, color=f"C{number}", label=label, linewidth=1.2)
    axes.set_xlabel("epoch", fontsize=8)
    axes.set_ylabel(labels.get(metric, metric.replace("_", " ")), fontsize=8)
    axes.tick_params(labelsize=7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.get_major_locator().set_params(integer=True)


def _sheet(
    sheet: np.ndarray, columns: int, rows: int, title: str, margin: float = 0.0
) -> tuple[matplotlib.figure.Figure, Any]:
    """A figure that is one tiled picture, as large as so many cells need."""
    aspect = sheet.shape[0] / rows / (sheet.shape[1] / columns)
    size = (max(columns * _CELL + margin, 2.5), rows * _CELL * aspect + (0.35 if title else 0.1))
    figure = Figure(figsize=size, layout="constrained", dpi=200)
    axes = figure.subplots()
    axes.imshow(sheet, cmap="gray_r", interpolation="nearest", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    if title:
        axes.set_title(title, fontsize=8)
    return figure, axes


def to_array(figure: matplotlib.figure.Figure, dpi: int = 100) -> np.ndarray:
    """The figure's pixels, `(height, width, 3)`, uint8: what TensorBoard shows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
