"""What is said of samples whose fault is known."""

import json

import keras
import numpy as np
import pytest
import tensorflow as tf

import keras_rbm
from keras_rbm import DBM, DBN, RBM, ClassificationRBM, ConvRBM, Hopfield, sample_quality
from keras_rbm.likelihood.exact import exact_draws
from tests.support.modes import uncompiled

FEW = {"num_samples": 20, "num_steps": 3}


def two_modes() -> RBM:
    """Mostly off and mostly on, as often; no chain goes from one to the other."""
    rbm = RBM(4, seed=0)
    rbm.build((None, 24))
    w = np.full((24, 4), 0.7)
    w[:, 3] = np.random.default_rng(0).normal(size=24)
    rbm.w_rec.assign(w)
    rbm.visible.bias.assign(-w.sum(1) / 2)
    rbm.hidden.bias.assign(-w.sum(0) / 2)
    return uncompiled(rbm)


def drawn(rbm: RBM, number: int, seed: int) -> np.ndarray:
    return exact_draws(rbm, number, seed).astype("float32")


def mode(v: np.ndarray) -> np.ndarray:
    return np.where(np.reshape(v, (len(v), -1)).mean(1) > 0.5, "on", "off")


def test_samples_of_the_model_that_made_the_data_are_not_told_from_it():
    """Its own chains, from the biases: half of them find either mode."""
    x, others = drawn(two_modes(), 2000, 1), drawn(two_modes(), 1000, 2)
    found = sample_quality(two_modes(), x, others, labels=mode(x), num_samples=500, num_steps=50)
    assert str(found).splitlines()[0] == (
        "500 samples of an RBM: chains from its biases after 50 sweeps, beside 500 of 2000 rows"
    )
    assert str(found).count("Neighbours cannot tell samples from rows.") == 2
    assert "No sign of copies." in str(found)
    assert " components agree but for" in str(found)
    assert "Shares may well be alike, judged by the nearest 5 of 1500 other rows (right in" in str(found)
    assert found.classes.accuracy > 0.95
    assert found.privacy_loss == found.validation.mean - found.aats.mean


def test_samples_of_one_mode_of_two_are_caught():
    """Chains that begin in it, and stay."""
    rbm = two_modes()
    x = drawn(rbm, 1000, 1)
    rbm.w_rec.assign(w := np.where(np.arange(4) < 3, 3.0, 0) + np.zeros((24, 1)))
    rbm.visible.bias.assign(-w.sum(1) / 2)
    rbm.hidden.bias.assign(-w.sum(0) / 2)
    x = drawn(rbm, 1000, 1)
    x[:, :8] = np.random.default_rng(0).random((1000, 8)) < 0.5  # or all rows would be equal
    samples = np.array(rbm.sample(v=np.zeros((500, 24)), num_steps=20))
    samples[:, :8] = np.random.default_rng(1).random((500, 8)) < 0.5
    found = sample_quality(samples, x, labels=mode(x), num_samples=500)
    assert found.classes.missing == ("on",)
    assert found.classes.distance == pytest.approx(0.5, abs=0.1)
    share = found.classes.data[0]
    assert found.aats.truth == pytest.approx(1 / (1 + share), abs=3 * found.aats.truth_error)
    assert found.aats.syn == pytest.approx(1 / (1 + share), abs=3 * found.aats.syn_error)
    assert "Samples lie apart from rows, or modes are missing." in str(found)
    assert "No samples of on." in str(found)
    assert "Shares differ, " in str(found)
    assert found.spectra.samples[0] < 0.2 * found.spectra.data[0]
    assert "components differ in" in str(found)


def test_means_vary_too_little_and_noise_too_much():
    rng = np.random.default_rng(0)
    x, samples = rng.normal(size=(2, 400, 30))
    assert "Samples are more alike than rows" in str(sample_quality(0.7 * samples, x))
    assert "Samples are more scattered than rows" in str(sample_quality(samples, 0.7 * x))


def test_copies_are_found():
    """Of rows that were trained on; beside others they are as good as any."""
    rng = np.random.default_rng(0)
    x, others = rng.normal(size=(2, 300, 20))
    found = sample_quality(x[::-1] + 0.01 * rng.normal(size=x.shape), x, others)
    assert "copies." in str(found).splitlines()[2]
    assert "Samples copy rows that were trained on." in str(found)
    assert found.privacy_loss == pytest.approx(0.5, abs=3 * found.privacy_error)
    assert sample_quality(others, x).privacy_loss is None


MACHINES = {
    "rbm": lambda: RBM(3, seed=0),
    "pictures": lambda: ConvRBM(2, 2, seed=0),
    "dbn": lambda: DBN([4, 3], seed=0),
    "dbm": lambda: DBM([4, 3], seed=0),
    "classes": lambda: ClassificationRBM(3, num_classes=2, seed=0),
    "hopfield": lambda: Hopfield(3, visible="bernoulli", seed=0),
    "label dbn": lambda: DBN([4, 3], num_classes=2, seed=0),
    "a pair of conditionals": lambda: RBM(3, tied=False, seed=0),
    "pcd": lambda: RBM(3, sampler="pcd", seed=0),
}


def pictures(number: int = 60, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (number, 3, 3, 1)).astype("float32")


def built(name: str):
    machine = uncompiled(MACHINES[name]())
    x = pictures() if name == "pictures" else pictures().reshape(60, 9)
    machine.build((None, *x.shape[1:]))
    return machine, x


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.few(3)
def test_every_machine_is_judged_by_its_own_samples_and_stays_as_it_is(name):
    machine, x = built(name)
    before = [np.array(w) for w in machine.weights]
    found, again, other = (sample_quality(machine, x, x[::2], labels=mode(x), **FEW, seed=s) for s in (0, 0, 1))
    for a, b in zip(before, machine.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    assert str(found) == str(again)
    assert found.as_dict() != other.as_dict()
    with machine.set_aside("quality 0"):
        samples = np.asarray(machine.sample(20, 3))
    same = sample_quality(samples, x, x[::2], labels=mode(x))
    assert found.spectra.samples == pytest.approx(same.spectra.samples)
    assert json.loads(json.dumps(found.as_dict()))["aats"]["num_rows"] == 20


def test_classifiers_see_cases_in_their_shape():
    machine, x = built("pictures")
    seen = []

    def classify(x):
        seen.append(x.shape)
        return mode(x)

    found = sample_quality(machine, x, classifier=classify, **FEW)
    assert seen == [(20, 3, 3, 1), (20, 3, 3, 1)]
    assert found.classes.accuracy is None
    wrong = sample_quality(
        machine, x, labels=mode(x), classifier=lambda x: np.where(mode(x) == "on", "off", "on"), **FEW
    )
    assert wrong.classes.accuracy == 0
    assert "judged by the classifier: they differ" in str(found)
    assert sample_quality(machine, x, labels=mode(x), classifier=classify, **FEW).classes.accuracy == 1
    names = mode(x).astype(object)  # as a table's column has them
    assert sample_quality(machine, x, labels=names, classifier=classify, **FEW).classes.accuracy == 1


def test_fewer_rows_than_samples():
    """Half of the rows are asked about, the other half are for the classifier and the components."""
    machine, x = built("rbm")
    found = sample_quality(machine, x, labels=mode(x), num_steps=1)
    assert found.aats.num_rows == 60
    assert "60 samples of an RBM" in found.about
    assert "of 30 other rows" in str(found)


def test_a_report_is_lines_that_fit_and_a_picture_a_panel_each():
    machine, x = built("rbm")
    assert len(sample_quality(machine, x, **FEW).figure().axes) == 3
    found = sample_quality(machine, x, x[::2], labels=mode(x), **FEW)
    assert str(found).isascii()
    assert max(map(len, str(found).splitlines())) <= 112
    drawing = found.figure()
    drawing.draw_without_rendering()
    plane, neighbours, spectrum, classes = drawing.axes
    assert plane.get_legend_handles_labels()[1] == ["data", "samples"]
    assert (
        plane.get_xlabel() == f"first component ({found.spectra.data[0] / sum(found.spectra.data):.0%} of the variance)"
    )
    assert neighbours.get_legend_handles_labels()[1] == ["trained on", "not trained on"]
    np.testing.assert_array_equal([line.get_ydata() for line in spectrum.lines], [y[:-1] for y in found.spectra[:2]])
    heights = [bar.get_height() / 100 for bar in classes.patches]
    np.testing.assert_allclose(heights, [*found.classes.data, *found.classes.samples])


def test_one_column_and_many_classes_are_drawn():
    one, many = np.random.default_rng(0).normal(size=(40, 1)), np.arange(40)
    drawing = sample_quality(one, one + 1, classifier=lambda x: many[: len(x)]).figure()
    drawing.draw_without_rendering()
    assert len(drawing.axes[3].patches) == 60  # of 40 classes those 30 that differ most


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": pictures(19).reshape(19, 9)}, ValueError, "`x` must have at least 20 rows. Received: 19"),
        ({"x": np.full((40, 9), 0.5)}, ValueError, "grey level"),
        ({"x": np.full((40, 9), 3.0)}, ValueError, "max=3"),
        ({"x": np.full((40, 9), np.nan)}, ValueError, "Leave rows with gaps out"),
        ({"x": np.zeros((40, 8))}, ValueError, r"Received: shape=\(40, 8\)"),
        ({"x": tf.data.Dataset.range(3)}, TypeError, "`x` must be an array"),
        ({"validation": pictures(3).reshape(3, 9)}, ValueError, "`validation` must have at least 20 rows"),
        ({"model": pictures(19)}, ValueError, "`samples` must have at least 20 rows"),
        ({"model": np.zeros((40, 8))}, ValueError, r"one shape a case. Received: x \(60, 9\), samples \(40, 8\)"),
        ({"model": np.full((40, 9), np.inf)}, ValueError, "must be finite"),
        ({"model": np.zeros(40)}, ValueError, r"`samples` must have shape \(cases, ...\)"),
        ({"model": RBM(3)}, ValueError, "must be built"),
        ({"model": keras_rbm.RNNRBM(3, 2)}, TypeError, "Received: RNNRBM. Of others, give samples as an array"),
        ({"model": keras.Sequential()}, TypeError, "Received: Sequential"),
        ({"labels": np.zeros(59)}, ValueError, r"one class a row of `x`, \(60,\). Received: shape=\(59,\)"),
        ({"labels": np.eye(60)}, ValueError, r"labels.argmax\(1\)"),
        ({"labels": np.zeros(60)}, ValueError, "at least 2 classes. Received: all are 0"),
        ({"labels": np.linspace(0, 1, 60)}, ValueError, r"must be whole numbers or names.*Received: 0\.016"),
        ({"labels": np.where(np.arange(60) < 2, np.nan, np.arange(60) % 2)}, ValueError, "Received: nan. Leave rows"),
        ({"labels": [None, *["a", "b"] * 29, "a"]}, ValueError, "`labels` must be whole .*Received: dtype=object"),
        ({"classifier": lambda x: np.linspace(0, 1, len(x))}, ValueError, "What `classifier` returns must be whole"),
        ({"classifier": lambda x: np.full((len(x), 2), np.nan)}, ValueError, "Scores .* must be finite"),
        ({"classifier": lambda x: x[:3, 0]}, ValueError, r"a class a row, \(20,\), .*Received: shape=\(3,\)"),
        (
            {"classifier": lambda x: np.arange(len(x)) % 9, "labels": np.array(["a", "b"] * 30)},
            ValueError,
            r"the classes that `labels` name, 'a', 'b'\. Received: 0, 1, 2, 3, 4, \.\.\.\. Translate either",
        ),
        (
            {"classifier": lambda x: np.arange(len(x)) % 2, "labels": 1 + np.arange(60) % 2},
            ValueError,
            r"`labels` name, 1, 2\. Received: 0\. Translate either",
        ),
        ({"classifier": "knn"}, TypeError, "`classifier` must be a function or have `predict`. Received: str"),
        ({"num_samples": 10}, ValueError, "`num_samples` must be at least 20"),
        ({"num_steps": 0}, ValueError, "`num_steps` must be a positive integer"),
        ({"seed": -1}, ValueError, "`seed` must be"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_sampled(change, error, message, monkeypatch):
    machine, x = built("rbm")
    monkeypatch.setattr(RBM, "sample", lambda *_, **__: pytest.fail("samples were drawn"))
    with pytest.raises(error, match=message):
        sample_quality(**{"model": machine, "x": x, **FEW, **change})
