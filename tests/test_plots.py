"""Figures: where each pixel goes, how many panels there are, what is written beside them."""

import matplotlib.image
import numpy as np
import pytest

from keras_rbm import plots

SHAPE = (2, 3)
IMAGES = np.arange(1.0, 31.0).reshape(5, 6) / 30


def test_tile_puts_pictures_row_after_row():
    gap = np.nan
    expected = [
        [1, 2, 3, gap, 7, 8, 9],
        [4, 5, 6, gap, 10, 11, 12],
        [gap] * 7,
        [13, 14, 15, gap, 19, 20, 21],
        [16, 17, 18, gap, 22, 23, 24],
        [gap] * 7,
        [25, 26, 27, gap, gap, gap, gap],
        [28, 29, 30, gap, gap, gap, gap],
    ]
    np.testing.assert_array_equal(plots.tile(30 * IMAGES, 2, SHAPE), expected)


@pytest.mark.parametrize(("gap", "shape"), [(0, (4, 9)), (1, (5, 11)), (3, (7, 15))])
def test_tile_sizes(gap, shape):
    """5 pictures of 2x3 in 3 columns: 2 rows and 3 columns with gaps between them only."""
    sheet = plots.tile(IMAGES, 3, SHAPE, gap)
    assert sheet.shape == shape
    assert np.isfinite(sheet).sum() == IMAGES.size


@pytest.mark.parametrize(
    "images",
    [IMAGES[0], IMAGES.reshape(5, 2, 1, 3), IMAGES[:, :5]],
    ids=["one row", "pictures of three channels", "another width"],
)
def test_pictures_of_another_shape(images):
    with pytest.raises(ValueError, match=r"\(number, 6\) for image_shape=\(2, 3\). Received: shape="):
        plots.tile(images, 2, SHAPE)


@pytest.mark.parametrize("shape", [(5, *SHAPE), (5, *SHAPE, 1)], ids=str)
def test_pictures_are_drawn_as_their_rows_are(shape):
    np.testing.assert_array_equal(plots.tile(IMAGES.reshape(shape), 2, (*SHAPE, 1)), plots.tile(IMAGES, 2, SHAPE))


def test_filters_have_their_own_shape():
    """Channels side by side; of sequences one pixel high."""
    w = np.arange(2 * 3 * 2 * 4, dtype=float).reshape(2, 3, 2, 4)
    beside = w.transpose(0, 2, 1, 3).reshape(12, 4)
    for given, rows, shape in ((w, beside, (2, 6)), (w[0], beside[:6], (1, 6))):
        np.testing.assert_array_equal(drawn(plots.filters(given)), drawn(plots.filters(rows, shape)))


def drawn(figure) -> np.ndarray:
    """The one picture of a figure, NaN where there is paper."""
    (axes,) = figure.axes
    (image,) = axes.images
    return np.ma.filled(image.get_array(), np.nan)


def labels(figure) -> list[str]:
    return [label.get_text() for label in figure.axes[0].get_yticklabels()]


def test_filters_show_the_strongest_first_each_on_its_own_scale():
    weights = np.array([[1.0, -8.0, 0.0], [2.0, 4.0, 0.0], [0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [1, 0, 0], [0, 0, 0]])
    figure = plots.filters(weights, SHAPE, num=2, title="weights")
    strong, weak = [-1, 0.5, 0.25, 0, 0, 0], [0.5, 1, 0, 0, 0.5, 0]
    np.testing.assert_allclose(drawn(figure), plots.tile([strong, weak], 2, SHAPE))
    assert figure.axes[0].images[0].get_clim() == (-1, 1)
    assert figure.axes[0].get_title() == "weights"


def test_filters_that_are_zero_are_drawn():
    assert np.nanmax(np.abs(drawn(plots.filters(np.zeros((6, 4)), SHAPE)))) == 0


@pytest.mark.parametrize(("num", "grid"), [(1, (1, 1)), (4, (2, 2)), (7, (3, 3)), (10, (3, 4)), (100, (4, 5))])
def test_filter_grids_are_nearly_square(num, grid):
    weights = np.random.default_rng(0).normal(size=(6, 17))
    rows, columns = grid
    assert drawn(plots.filters(weights, SHAPE, num)).shape == (3 * rows - 1, 4 * columns - 1)


def test_filter_panels_show_each_machine_as_filters_does():
    rng = np.random.default_rng(0)
    weights = {"small": rng.normal(size=(6, 3)), "large": rng.normal(size=(6, 17))}
    figure = plots.filter_panels(weights, SHAPE, num=7)
    assert [axes.get_title() for axes in figure.axes] == ["small", "large"]
    for axes, w in zip(figure.axes, weights.values(), strict=True):
        (image,) = axes.images
        assert image.get_clim() == (-1, 1)
        sheet = np.ma.filled(image.get_array(), np.nan)
        np.testing.assert_array_equal(sheet, drawn(plots.filters(w, SHAPE, num=7)))


def test_filters_in_the_order_of_the_units_on_one_scale():
    weights = np.array([[1.0, -8.0, 0.5]] * 6)
    figure = plots.filters(weights, SHAPE, num=2, order="units", scale="common")
    picture, bar = figure.axes
    np.testing.assert_allclose(np.ma.filled(picture.images[0].get_array(), np.nan), plots.tile(weights.T[:2], 2, SHAPE))
    assert picture.images[0].get_clim() == (-8, 8)
    assert bar.get_ylabel() == "weight"


def test_panels_share_a_common_scale():
    figure = plots.filter_panels({"weak": np.ones((6, 1)), "strong": -3 * np.ones((6, 1))}, SHAPE, scale="common")
    assert [axes.images[0].get_clim() for axes in figure.axes[:2]] == [(-3, 3)] * 2


@pytest.mark.parametrize("arguments", [{"order": "best"}, {"scale": None}], ids=str)
def test_unknown_ways_to_draw_filters(arguments):
    with pytest.raises(ValueError, match=r"must be '\w+' or '\w+'. Received: "):
        plots.filters(np.ones((6, 1)), SHAPE, **arguments)


@pytest.mark.parametrize("columns", [1, 2, 10])
def test_no_empty_band_beside_filters(columns):
    """Ink reaches nearly from side to side, however few the pictures are."""
    pixels = plots.to_array(plots.filters(np.ones((6, columns**2)), SHAPE))
    drawn = np.flatnonzero((pixels < 200).any((0, 2)))
    assert drawn[-1] - drawn[0] > 0.9 * pixels.shape[1]


@pytest.mark.parametrize(("number", "num_rows"), [(1, 2), (4, 2), (5, 4), (8, 4), (9, 6)])
def test_reconstructions_stand_under_their_originals(number, num_rows):
    originals = np.random.default_rng(0).random((number, 6))
    figure = plots.reconstructions(originals, 1 - originals, SHAPE, per_row=4)
    sheet = drawn(figure)
    assert sheet.shape == (3 * num_rows - 1, 4 * 4 - 1)
    for i in range(number):
        top, left = 6 * (i // 4), 4 * (i % 4)
        np.testing.assert_allclose(sheet[top : top + 2, left : left + 3].ravel(), originals[i])
        np.testing.assert_allclose(sheet[top + 3 : top + 5, left : left + 3].ravel(), 1 - originals[i])
    assert np.isfinite(sheet).sum() == 2 * originals.size
    assert labels(figure) == ["original", "reconstruction"] * (num_rows // 2)


def test_fantasies_have_a_column_a_chain_and_time_going_down():
    rows = np.random.default_rng(0).random((3, 5, 6))
    figure = plots.fantasies(rows, SHAPE, labels=["0", "200", "400"])
    sheet = drawn(figure)
    assert sheet.shape == (3 * 3 - 1, 5 * 4 - 1)
    np.testing.assert_allclose(sheet[3:5, 16:19].ravel(), rows[1, 4])
    assert labels(figure) == ["0", "200", "400"]


def test_learning_curves_have_a_panel_a_metric_and_a_line_a_training():
    histories = {
        "first": {"loss": [3.0, 2.0, 1.0], "val_loss": [3.5, 2.5, 1.5], "accuracy": [0.5, 0.6, 0.7]},
        "second": {"loss": [2.0, 1.0]},
    }
    figure = plots.learning_curves(histories, ["loss", "accuracy", "not there"])
    assert [axes.get_ylabel() for axes in figure.axes] == ["free-energy difference (nats a case)", "accuracy"]
    assert [axes.get_xlabel() for axes in figure.axes] == ["epoch", "epoch"]
    lines = figure.axes[0].lines
    assert [line.get_label() for line in lines] == ["first", "first (validation)", "second"]
    assert [line.get_linestyle() for line in lines] == ["-", "--", "-"]
    assert lines[0].get_color() == lines[1].get_color() != lines[2].get_color()
    np.testing.assert_array_equal(lines[1].get_xydata(), [[1, 3.5], [2, 2.5], [3, 1.5]])
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "first",
        "first (validation)",
        "second",
    ]


def test_learning_curves_apart_have_a_column_a_training():
    histories = {
        "below": {"loss": [90.0, 80.0], "val_loss": [91.0, 82.0], "accuracy": [0.5, 0.6]},
        "above": {"loss": [2.0, 1.0]},
    }
    figure = plots.learning_curves(histories, ["loss", "accuracy"], title="not comparable", apart=True)
    panels = [axes for axes in figure.axes if axes.axison]
    assert [axes.get_title() for axes in panels] == ["below", "above", ""]
    assert [axes.get_ylabel().split()[0] for axes in panels] == ["free-energy", "free-energy", "accuracy"]
    np.testing.assert_array_equal([line.get_ydata() for line in panels[0].lines], [[90, 80], [91, 82]])
    np.testing.assert_array_equal([line.get_ydata() for line in panels[1].lines], [[2, 1]])
    assert panels[1].get_ylim()[1] < 3
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["training", "validation"]
    assert figure.get_suptitle() == "not comparable"


ROLL = np.array([[1, 0, 0, 1], [1, 0, 0, 0], [0, 0, 0, 1], [1, 0, 0, 1]])


def bars(axes) -> list[tuple[float, ...]]:
    """Note, start and end of each."""
    return sorted(
        (bar.get_y() + bar.get_height() / 2, bar.get_x(), bar.get_x() + bar.get_width()) for bar in axes.patches
    )


def test_piano_rolls_have_a_panel_a_roll_and_a_bar_a_held_note():
    rolls = {"first": np.pad(ROLL, ((0, 0), (30, 50))), "second": np.pad(ROLL[:1], ((0, 0), (30, 50)))}
    figure = plots.piano_rolls(rolls, dt=0.5, lowest=21, title="two")
    assert [axes.get_title() for axes in figure.axes] == ["first", "second"]
    assert figure.get_suptitle() == "two"
    first, second = figure.axes
    np.testing.assert_allclose(bars(first), [(51, 0, 1), (51, 1.5, 2), (54, 0, 0.5), (54, 1, 2)])
    np.testing.assert_allclose(bars(second), [(51, 0, 0.5), (54, 0, 0.5)])
    for axes in figure.axes:
        assert axes.get_xlim() == (0, 2)
        assert axes.get_ylim() == (49.5, 64.5), "an octave at least, with a margin"
    assert labels(figure) == ["60 (C4)"]
    assert second.get_xlabel() == "time (s)"


def test_piano_rolls_are_cropped_to_what_any_uses():
    low, high = np.zeros((2, 9, 88), "uint8")
    low[0, 10], high[0, 80] = 1, 1
    for axes in plots.piano_rolls({"low": low, "high": high}, 0.3, 21).axes:
        assert axes.get_ylim() == (31 - 1.5, 101 + 1.5)
    (silent,) = plots.piano_rolls({"silent": np.zeros((9, 88))}, 0.3, 21).axes
    assert silent.get_ylim() == (21 - 1.5, 108 + 1.5)


@pytest.mark.parametrize(
    ("rolls", "dt", "message"),
    [
        ({}, 0.3, r"at least one, of one width. Received: widths=\[\]"),
        ({"a": ROLL, "b": ROLL[:, :3]}, 0.3, r"of one width. Received: widths=\[3, 4\]"),
        ({"a": ROLL[0]}, 0.3, r"shape \(frames, notes\).*Received: shape=\(4,\)"),
        ({"a": ROLL / 2}, 0.3, "0 and 1 only. Received: min=0, max=0.5"),
        ({"a": ROLL}, 0, "`dt` must be a positive number of seconds. Received: dt=0"),
        ({"a": ROLL}, np.nan, "`dt` must be a positive number"),
    ],
)
def test_what_is_no_piano_roll(rolls, dt, message):
    with pytest.raises(ValueError, match=message):
        plots.piano_rolls(rolls, dt, 21)


FIGURES = {
    "filters": lambda: plots.filters(IMAGES.T, SHAPE, title="some"),
    "filter_panels": lambda: plots.filter_panels({"one": IMAGES.T, "two": -IMAGES.T}, SHAPE),
    "reconstructions": lambda: plots.reconstructions(IMAGES, IMAGES, SHAPE),
    "fantasies": lambda: plots.fantasies(IMAGES[None], SHAPE),
    "piano_rolls": lambda: plots.piano_rolls({"one": ROLL, "two": 1 - ROLL}, 0.3, 60, "rolls"),
    "learning_curves": lambda: plots.learning_curves({"one": {"loss": [1.0, 2.0]}}, ["loss"]),
}


@pytest.mark.parametrize("make", FIGURES.values(), ids=FIGURES)
def test_figures_are_pictures(make, tmp_path):
    """On disk and as arrays, with ink on paper."""
    figure = make()
    figure.savefig(tmp_path / "figure.png")
    saved = matplotlib.image.imread(tmp_path / "figure.png")
    assert figure._repr_png_().startswith(b"\x89PNG")  # what a notebook shows
    pixels = plots.to_array(figure, dpi=100)
    assert pixels.dtype == np.uint8
    assert pixels.shape == (*(int(size) for size in np.floor(figure.get_size_inches()[::-1] * 100)), 3)
    for picture in (saved[..., :3], pixels / 255):
        assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 3
        assert np.mean(picture == 1) > 0.1


def test_the_cells_of_a_figure_are_as_wide_as_their_pixels():
    """Pixels are drawn square: the picture's aspect is that of the sheet."""
    assert plots.fantasies(np.zeros((4, 30, 6)), SHAPE).axes[0].get_aspect() in ("equal", 1.0)
