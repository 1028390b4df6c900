"""What a diagnosis says of models whose fault is known."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_diabetes

import keras_rbm
from keras_rbm import DBM, DBN, RBM, ClassificationRBM, Hopfield, callbacks, diagnose, samplers, units
from keras_rbm.diagnosis.evidence import _columns
from keras_rbm.likelihood.exact import exact_draws
from keras_rbm.units.moments import moments
from tests.support.modes import uncompiled

FEW = {"num_cases": 20, "num_steps": 3, "num_temperatures": 4}


def teacher(seed: int = 0, num_visible: int = 14, num_hidden: int = 4, **options) -> RBM:
    """An RBM whose units are strongly coupled, and whose chains mix."""
    rbm = RBM(num_hidden, seed=0, **options)
    rbm.build((None, num_visible))
    w = np.random.default_rng(seed).normal(size=(num_visible, num_hidden))
    rbm.w_rec.assign(w)
    rbm.visible.bias.assign(-w.sum(1) / 2)
    rbm.hidden.bias.assign(-w.sum(0) / 2)
    return uncompiled(rbm)


def rows(rbm: RBM, number: int, seed: int = 1) -> np.ndarray:
    return exact_draws(rbm, number, seed).astype("float32")


def weaker(rbm: RBM, x: np.ndarray, share: float) -> RBM:
    """The same with weaker weights, and biases such that the data's means stay nearly right: early in training."""
    w = share * np.asarray(rbm.w_rec)
    rbm.w_rec.assign(w)
    rbm.hidden.bias.assign(-w.sum(0) / 2)
    rbm.visible.adapt_to_moments(*moments([x]))
    rbm.visible.bias.assign_sub(w.sum(1) / 2)
    return rbm


@pytest.mark.parametrize("exact", [True, False])
def test_the_model_that_made_the_data_is_ok(exact, monkeypatch):
    x = rows(teacher(), 1500)
    if not exact:
        monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    found = diagnose(teacher(), x[:1000], x[1000:], num_steps=100, num_temperatures=300)
    assert found.verdict == "ok", str(found)
    assert not any(finding.advice for finding in found.findings)
    assert (found.evidence.exact is not None) == exact
    assert abs(found["correlations"].figures["correlation_slope"] - 1) < 0.1


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_weights_that_are_not_learnt_yet_are_told_from_chains_that_do_not_mix(share):
    x = rows(teacher(), 1000)
    found = diagnose(weaker(teacher(), x, share), x, num_steps=50)
    assert found["mixing"].verdict == "ok"
    assert found["correlations"].verdict == "bad"
    assert "Train longer" in found["correlations"].advice
    assert found["correlations"].figures["correlation_slope"] < 0.4
    if not share:
        assert found["hidden units"].verdict == "bad"
        assert "4 change without regard to data" in found["hidden units"].says
        assert found["likelihood"].verdict == "look"  # as good as independent columns


def magnet(sampler: str = "cd") -> RBM:
    """Two states far apart, all on and all off, between which no chain goes."""
    rbm = RBM(6, sampler=sampler, seed=0)
    rbm.build((None, 14))
    rbm.w_rec.assign(np.full((14, 6), 3.0))
    rbm.visible.bias.assign(np.full(14, -9.0))
    rbm.hidden.bias.assign(np.full(6, -21.0))
    return uncompiled(rbm)


@pytest.mark.parametrize("sampler", ["cd", "pcd"])
def test_chains_that_stay_where_they_began_are_bad(sampler, monkeypatch):
    x = rows(magnet(), 400)
    monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    found = diagnose(magnet(sampler), x, num_steps=50, num_temperatures=None)
    assert found["mixing"].verdict == "bad"
    assert found["mixing"].figures["chain_memory"] > 0.9
    assert ("'pcd' or" in found["mixing"].advice) == (sampler == "cd")
    assert found["correlations"].verdict == "ok"  # what began in data still has them
    assert "chains that began in data" in found["correlations"].says


def test_exact_samples_judge_a_model_whose_chains_stay():
    x = rows(magnet(), 400)
    found = diagnose(magnet(), x, num_steps=50)
    assert {finding.verdict for finding in found.findings if finding.name != "mixing"} == {"ok"}
    assert "exact samples have" in found["correlations"].says
    assert found["mixing"].verdict == "look"
    assert "Exact samples" in found["mixing"].advice


def test_units_that_never_change_are_bad():
    rbm = teacher()
    x = rows(rbm, 500)
    rbm.hidden.bias.assign([-40.0, 40.0, -40.0, -1.0])
    found = diagnose(rbm, x, **FEW)["hidden units"]
    assert found.verdict == "bad"
    assert found.figures["still"] == 0.75
    assert "Sparsity" in found.advice


def test_rows_known_by_heart_are_overfitting():
    """A Hopfield-like memory of 40 random rows, beside 400 others."""
    rng = np.random.default_rng(0)
    x = rng.choice([-1.0, 1.0], (40, 64)).astype("float32")
    net = Hopfield(40, seed=0)
    net.build((None, 64))
    net.store(x, beta=0.5)
    others = rng.choice([-1.0, 1.0], (400, 64)).astype("float32")
    found = diagnose(uncompiled(net), x, others, num_steps=20, num_temperatures=None)["overfitting"]
    assert found.verdict == "bad"
    assert "Stop earlier" in found.advice
    gap = np.mean(net.free_energy(others)) - np.mean(net.free_energy(x))
    np.testing.assert_allclose(found.figures["free_energy_gap"], gap, rtol=1e-5)


def test_means_that_are_off_are_named():
    rbm = teacher()
    x = rows(rbm, 1000)
    rbm.visible.bias.assign_add(np.eye(14)[5] * 3)
    found = diagnose(rbm, x, num_steps=50, num_temperatures=None)
    assert found["means"].verdict != "ok"
    assert "in column 5," in found["means"].says


def test_real_columns_that_are_too_wide_are_named():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 6)).astype("float32")
    rbm = uncompiled(RBM(3, visible=units.Gaussian(0.1), kernel_initializer="zeros", seed=0))
    rbm.build((None, 6))
    found = diagnose(rbm, x, num_steps=5, num_temperatures=None)["spreads"]
    assert found.verdict == "bad"
    assert "learn_precision=True" in found.advice
    assert abs(found.figures["spread_ratio"] - np.sqrt(10)) < 0.3


def one_hot(number: int, seed: int = 0) -> np.ndarray:
    return np.eye(3)[np.random.default_rng(seed).integers(0, 3, (number, 2))].reshape(number, -1).astype("float32")


def mixed() -> units.Mixed:
    return units.Mixed([("bernoulli", 2), (units.Softmax(3), 6), ("gaussian", None)])


def table(number: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = rng.integers(0, 2, (number, 2)), one_hot(number, seed), rng.normal(size=(number, 2))
    return np.hstack(parts).astype("float32")


def bits(number: int = 40, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (number, 6)).astype("float32")


MACHINES = {
    "mixed": (lambda: RBM(3, visible=mixed(), seed=0), table(40)),
    "dbm": (lambda: DBM([4, 3], seed=0), bits()),
    "dbn": (lambda: DBN([4, 3], seed=0), bits()),
    "classes": (lambda: ClassificationRBM(3, num_classes=2, seed=0), bits()),
    "hopfield": (lambda: Hopfield(3, visible="bernoulli", seed=0), bits()),
    "label dbn": (lambda: DBN([4, 3], num_classes=2, seed=0), bits()),
    "label dbm": (lambda: DBM([4, 3, 2], num_classes=2, seed=0), bits()),
    "softmax": (lambda: RBM(3, visible=units.Softmax(3), hidden="spin", sampler="pcd", seed=0), one_hot(40)),
    "relu": (lambda: RBM(3, visible=units.Binomial(4), hidden="relu", seed=0), bits() * 2),
    "real": (lambda: RBM(3, visible="gaussian", sampler="parallel_tempering", seed=0), table(40)[:, 8:]),
    "float64": (lambda: RBM(3, dtype="float64", seed=0), bits()),
}


def built(name: str):
    make, x = MACHINES[name]
    machine = uncompiled(make())
    machine.build((None, x.shape[1]))
    return machine, x


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.few(3)
def test_every_machine_is_diagnosed_and_drawn(name):
    machine, x = built(name)
    found = diagnose(machine, x, x[::2], **FEW)
    assert {"mixing", "correlations", "means", "energies", "likelihood", "overfitting"} <= {
        finding.name for finding in found.findings
    }
    assert ("spreads" in str(found)) == (name in ("mixed", "real"))
    assert "NaN" not in str(found)
    drawing = found.figure()
    assert len(drawing.axes) == 8
    drawing.draw_without_rendering()
    widths = [layer.means.shape[1] for layer in found.evidence.hidden]
    assert widths == list(np.atleast_1d(machine.units))


@pytest.mark.parametrize("name", MACHINES)
@pytest.mark.few(3)
def test_hidden_fields_are_those_of_the_features(name):
    machine, x = built(name)
    group, field = machine._hidden_fields(tf.constant(x, machine.state_dtype))[-1]
    np.testing.assert_allclose(group.mean(field), machine.encode(x), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("sampler", ["pcd", "parallel_tempering"])
def test_training_is_not_disturbed(sampler):
    rbm = teacher(sampler=samplers.get(sampler))
    x = rows(rbm, 60)
    before = [np.array(w) for w in rbm.weights]
    first, second = (str(diagnose(rbm, x, **FEW)) for _ in range(2))
    assert first == second
    assert str(diagnose(rbm, x, **FEW, seed=1)) != first
    for a, b in zip(before, rbm.weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_categories_of_one_site_are_no_pairs():
    """They exclude each other in any model, learnt or not."""
    machine, x = built("mixed")
    pairs = _columns(machine.visible, x, 0).pairs
    expected = ~np.eye(10, dtype=bool)
    for first in (2, 5):
        expected[first : first + 3, first : first + 3] = False
    np.testing.assert_array_equal(pairs, expected)


def test_rows_with_gaps_are_left_out_and_said_so():
    x = bits(60)
    x[:10, 0] = np.nan
    rbm = uncompiled(RBM(3, missing_steps=2, seed=0))
    rbm.build((None, 6))
    found = diagnose(rbm, x, **FEW)
    assert "50 of 60 rows of `x` have no gap; only these were looked at." in found.notes
    assert any("give validation=" in note for note in found.notes)


def test_a_report_is_lines_with_verdicts_and_advice():
    found = diagnose(teacher(), rows(teacher(), 200), **FEW)
    lines = str(found).splitlines()
    assert lines[0].startswith("RBM 14-4, 20 of 200 rows, 20 chains from data and 20 from the biases: ")
    assert max(map(len, lines)) <= 112
    assert str(found).isascii()
    assert [line.split()[0] for line in lines if line[:4].strip() in ("ok", "look", "bad")] == [
        finding.verdict for finding in found.findings
    ]
    brief = found.brief()
    assert ("-> " in brief) == (found.verdict != "ok")
    assert "\nok" not in brief
    with pytest.raises(KeyError, match="There is no finding 'likelyhood'"):
        found["likelyhood"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"x": bits()[:19]}, ValueError, "at least 20 rows. Received: 19"),
        ({"x": np.ones((40, 6))}, ValueError, "none of 6 columns in 20 rows"),
        ({"x": bits() / 2}, ValueError, "grey level"),
        ({"x": 3 * bits()}, ValueError, "max=3"),
        ({"x": bits()[:, :5]}, ValueError, r"Received: shape=\(40, 5\)"),
        ({"x": tf.data.Dataset.from_tensor_slices(bits())}, TypeError, "must be an array"),
        ({"validation": bits()[:3]}, ValueError, "`validation` must have at least 20 rows"),
        ({"num_cases": 10}, ValueError, "`num_cases` must be at least 20"),
        ({"num_steps": 0}, ValueError, "`num_steps` must be a positive integer"),
        ({"num_temperatures": 0}, ValueError, "`num_temperatures` must be a positive integer"),
        ({"seed": -1}, ValueError, "`seed` must be"),
        ({"model": keras_rbm.RNNRBM(3, 2)}, TypeError, "Received: RNNRBM. Of sequences, use"),
        ({"model": keras.Sequential()}, TypeError, "Received: Sequential"),
        ({"model": RBM(3)}, ValueError, "must be built"),
    ],
)
def test_bad_arguments_are_refused(change, error, message):
    arguments = {"model": built("float64")[0], "x": bits(), **FEW, **change}
    with pytest.raises(error, match=message):
        diagnose(**arguments)


MONITOR = {"num_cases": 20, "num_steps": 3}


def test_the_monitor_logs_keeps_and_says_what_is_not_ok(capsys):
    rbm = teacher()
    x = rows(rbm, 100)
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    rbm.hidden.bias.assign([-40.0, 40.0, -40.0, -1.0])
    monitor = callbacks.DiagnosisMonitor(x, x[:50], every=2, **MONITOR)
    history = rbm.fit(x, batch_size=50, epochs=2, verbose=0, callbacks=[monitor]).history
    names = ["chain_memory", "potential_scale_reduction", "correlation_slope", "mean_shift", "free_energy_gap"]
    assert set(names) <= set(history)
    assert history["chain_memory"][0] == history["chain_memory"][1]  # the second epoch is between two diagnoses
    expected = diagnose(rbm, x, x[:50], num_temperatures=None, **MONITOR)
    assert str(monitor.last) == str(expected)
    assert capsys.readouterr().out == expected.brief() + "\n"
    rbm.fit(x, epochs=1, verbose=0, callbacks=[callbacks.DiagnosisMonitor(x, verbose=0, **MONITOR)])
    assert capsys.readouterr().out == ""


def test_the_monitor_does_not_disturb_training():
    weights = []
    for monitors in ([], [callbacks.DiagnosisMonitor(rows(teacher(), 40), verbose=0, **MONITOR)]):
        rbm = teacher(sampler="pcd")
        rbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
        rbm.fit(rows(teacher(), 40), epochs=2, verbose=0, callbacks=monitors)
        weights.append(rbm.get_weights())
    for a, b in zip(*weights, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_monitor_refuses_before_the_first_step():
    rbm = teacher()
    rbm.compile("sgd", run_eagerly=True)
    before = np.array(rbm.w_rec)
    with pytest.raises(ValueError, match="grey level"):
        rbm.fit(rows(rbm, 40), verbose=0, callbacks=[callbacks.DiagnosisMonitor(np.full((40, 14), 0.5))])
    np.testing.assert_array_equal(rbm.w_rec, before)
    with pytest.raises(ValueError, match="`every` must be"):
        callbacks.DiagnosisMonitor(bits(), every=0)


def mixed_table() -> tuple[np.ndarray, units.Unit]:
    """252 rows of scikit-learn's diabetes study as the gallery's page on tables has them, and their units."""
    raw, rows = load_diabetes(scaled=False), np.random.default_rng(0).permutation(442)[190:]
    age, sex, real = (x[rows] for x in (raw.data[:, 0], raw.data[:, 1], np.column_stack([raw.data[:, 2:], raw.target])))
    bins = np.searchsorted(np.quantile(age, [0.25, 0.5, 0.75]), age)
    x = np.column_stack([sex == sex.max(), np.eye(4)[bins], (real - real.mean(0)) / real.std(0)])
    kinds = units.Mixed([("bernoulli", 1), (units.Softmax(4), 4), (units.Gaussian(learn_precision=True), None)])
    return x.astype("float32"), kinds


@pytest.mark.slow
def test_the_mixed_table_of_60_epochs_is_too_few_and_of_400_nearly_done():
    verdicts, slopes = [], []
    for epochs in (60, 400):
        x, kinds = mixed_table()
        rbm = RBM(12, visible=kinds, sampler=samplers.PCD(), kernel_regularizer=keras.regularizers.L2(0.01), seed=0)
        rbm.adapt(x)
        falling = keras.optimizers.schedules.PolynomialDecay(0.02, epochs * -(-len(x) // 20), 0.0)
        rbm.compile(keras.optimizers.SGD(falling, clipnorm=10.0))
        rbm.fit(x, batch_size=20, epochs=epochs, verbose=0)
        found = diagnose(rbm, x)["correlations"]
        verdicts.append(found.verdict)
        slopes.append(found.figures["correlation_slope"])
    assert verdicts[0] == "bad"
    assert verdicts[1] != "bad"
    assert slopes[0] < 0.55 < 0.65 < slopes[1]


@pytest.mark.slow
def test_digits_well_trained_are_ok_and_a_hundred_of_them_by_heart_overfit():
    x = keras_rbm.datasets.binarized(keras_rbm.load("digits").x_train, seed=0)
    train, validation = x[:-300], x[-300:]
    good = RBM(64, sampler="pcd", kernel_regularizer=keras.regularizers.L2(1e-4), seed=0)
    good.adapt(train)
    good.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.05, 60 * 57, 0.0)))
    good.fit(train, batch_size=20, epochs=60, verbose=0)
    assert diagnose(good, train, validation).verdict == "ok"
    few = RBM(200, sampler="pcd", seed=0)
    few.adapt(train[:100])
    few.compile(keras.optimizers.SGD(0.1))
    few.fit(train[:100], batch_size=20, epochs=500, verbose=0)
    found = diagnose(few, train[:100], validation)
    assert found["overfitting"].verdict == found["likelihood"].verdict == "bad"
    assert "overfits" in found["likelihood"].advice


@pytest.mark.slow
def test_cd1_on_groups_far_apart_does_not_mix():
    """Four prototypes of 30 bits, each flipped in one of twenty: CD-1 never sees how much of each there should be."""
    rng = np.random.default_rng(0)
    prototypes = rng.random((4, 30)) < 0.5
    x = prototypes[rng.choice(4, 1000, p=[0.4, 0.3, 0.2, 0.1])]
    x = (x ^ (rng.random(x.shape) < 0.05)).astype("float32")
    rbm = RBM(24, seed=0)
    rbm.adapt(x)
    rbm.compile(keras.optimizers.SGD(0.1))
    rbm.fit(x, batch_size=50, epochs=50, verbose=0)
    found = diagnose(rbm, x)["mixing"]
    assert found.verdict == "bad"
    assert "'pcd' or 'parallel_tempering'" in found.advice
