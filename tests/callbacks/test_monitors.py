"""Likelihood and mixing while a machine trains: in the logs, and without disturbing the training."""

import csv

import keras
import numpy as np
import pytest
import tensorflow as tf
import tensorflow_probability as tfp

from keras_rbm import DBN, RBM, callbacks, likelihood, samplers
from keras_rbm.random import set_aside
from tests.oracles.kinds import binary_states
from tests.oracles.machines import random_rbm
from tests.oracles.rbm import Exact
from tests.support.modes import uncompiled
from tests.support.statistics import assert_rounded

LIKELIHOOD = ["log_likelihood_lower", "log_likelihood_upper", "log_partition_ais", "log_partition_reverse_ais"]
X = binary_states(5)[[3, 7, 7, 12, 30, 31]].astype("float32")


def batched(*parts) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(np.concatenate(parts)).batch(len(X))


def compiled(machine, **options):
    machine.compile(keras.optimizers.SGD(0.1), run_eagerly=True, **options)
    return machine


def test_the_logs_have_the_exact_likelihood():
    """After each epoch, of the parameters then."""
    rbm = compiled(random_rbm())
    history = rbm.fit(X, epochs=2, verbose=0, callbacks=[callbacks.LikelihoodMonitor(X)]).history
    exact = Exact(rbm)
    expected = np.mean(-exact.free_energy(X) - exact.log_z)
    for name in LIKELIHOOD[:2]:
        assert_rounded(history[name][-1], expected)
    for name in LIKELIHOOD[2:]:
        assert_rounded(history[name][-1], exact.log_z)
    assert history[LIKELIHOOD[0]][0] != history[LIKELIHOOD[0]][1]


def test_the_logs_have_both_figures(monkeypatch):
    monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    rbm = compiled(uncompiled(random_rbm()))
    options = {"num_chains": 20, "num_temperatures": 30, "burn_in": 4, "seed": 3}
    history = rbm.fit(X, epochs=1, verbose=0, callbacks=[callbacks.LikelihoodMonitor(X, X[:3], **options)]).history
    found = likelihood.log_likelihood(rbm, X, X[:3], verbose=0, **options)
    assert [history[name][0] for name in LIKELIHOOD] == [
        found.lower,
        found.upper,
        *(z.log_z for z in found.log_partition),
    ]
    assert history["log_partition_ais"] != history["log_partition_reverse_ais"]


def test_every_n_epochs_and_the_last_figures_between(monkeypatch):
    epochs = []
    rbm = compiled(random_rbm())

    def counted(model, *args, **kwargs):
        epochs.append(len(model.history.epoch))
        return likelihood.log_likelihood(model, *args, **kwargs)

    monkeypatch.setattr("keras_rbm.callbacks.likelihood_monitor.log_likelihood", counted)
    history = rbm.fit(X, epochs=5, verbose=0, callbacks=[callbacks.LikelihoodMonitor(X, every=3)]).history
    assert epochs == [0, 3]
    lower = history["log_likelihood_lower"]
    assert lower[0] == lower[1] == lower[2] != lower[3] == lower[4]


def test_keras_callbacks_find_the_figures(tmp_path):
    """CSV, TensorBoard, checkpoints and early stopping; here the likelihood falls, so the first epoch is the best."""
    rbm = random_rbm()
    rbm.compile(keras.optimizers.SGD(-0.5), run_eagerly=True)
    best = {"monitor": "log_likelihood_lower", "mode": "max"}
    history = rbm.fit(
        X,
        epochs=10,
        verbose=0,
        callbacks=[
            callbacks.LikelihoodMonitor(X),
            keras.callbacks.CSVLogger(tmp_path / "log.csv"),
            keras.callbacks.TensorBoard(tmp_path / "logs"),
            keras.callbacks.ModelCheckpoint(tmp_path / "best.keras", save_best_only=True, **best),
            keras.callbacks.EarlyStopping(patience=2, **best),
        ],
    ).history
    lower = history["log_likelihood_lower"]
    assert len(lower) == 3
    assert lower[0] == max(lower)
    with open(tmp_path / "log.csv") as file:
        assert [float(row["log_likelihood_lower"]) for row in csv.DictReader(file)] == pytest.approx(lower)
    saved = keras.models.load_model(tmp_path / "best.keras", compile=False)
    assert_rounded(likelihood.log_likelihood(saved, X).lower, lower[0])
    written = [
        tf.make_ndarray(value.tensor)
        for path in sorted((tmp_path / "logs").rglob("events*"))
        for event in tf.compat.v1.train.summary_iterator(str(path))
        for value in event.summary.value
        if value.tag == "epoch_log_likelihood_lower"
    ]
    np.testing.assert_allclose(written, lower, rtol=1e-6)


@pytest.mark.parametrize("sampler", ["cd", "pcd", "fast_pcd", "parallel_tempering"])
@pytest.mark.few(2)
@pytest.mark.filterwarnings("ignore:AIS and reverse AIS differ")
def test_monitors_do_not_disturb_training(sampler, monkeypatch):
    monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    found = []
    for watched in (False, True):
        rbm = compiled(uncompiled(random_rbm(sampler=samplers.get(sampler, dtype="float64"))))
        monitors = [
            callbacks.LikelihoodMonitor(X, num_chains=4, num_temperatures=5, burn_in=2),
            callbacks.MixingMonitor(num_steps=8),
        ]
        rbm.fit(X, epochs=2, verbose=0, callbacks=monitors if watched else [])
        found.append(rbm.get_weights())
    for a, b in zip(*found, strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_dbn_has_its_bound_in_the_logs():
    dbn = compiled(DBN([4, 3], seed=0))
    history = dbn.fit(X, epochs=1, verbose=0, callbacks=[callbacks.LikelihoodMonitor(X, num_samples=2)]).history
    assert history["log_likelihood_lower"] == [likelihood.log_likelihood(dbn, X, num_samples=2).lower]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: callbacks.LikelihoodMonitor(X, every=0), "`every` must be a positive integer"),
        (lambda: callbacks.LikelihoodMonitor(None), "Received: x=None"),
        (lambda: callbacks.LikelihoodMonitor(X, num_chains=0), "`num_chains` must be a positive integer"),
        (lambda: callbacks.LikelihoodMonitor(X, num_temperatures=0), "`num_temperatures` must be a positive integer"),
        (lambda: callbacks.LikelihoodMonitor(X, seed="a"), "`seed` must be an integer of at least 0"),
        (lambda: callbacks.FrameLikelihoodMonitor(X[None], seed=0.5), "`seed` must be an integer of at least 0"),
        (lambda: callbacks.MixingMonitor(every=1.5), "`every` must be a positive integer"),
        (lambda: callbacks.MixingMonitor(num_steps=0), "`num_steps` must be a positive integer"),
    ],
)
def test_bad_arguments_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.parametrize(
    ("monitor", "options", "message"),
    [
        (callbacks.LikelihoodMonitor(np.zeros((3, 4))), {}, r"Received: shape=\(3, 4\)"),
        (callbacks.LikelihoodMonitor(X, np.zeros((3, 4))), {}, r"Received: shape=\(3, 4\)"),
        (callbacks.LikelihoodMonitor(X, X * np.nan), {}, "Fill in or remove missing values"),
        (callbacks.LikelihoodMonitor(batched(X, X / 2)), {}, "a grey level or another mean"),
        (callbacks.LikelihoodMonitor(batched(X).take(0)), {}, "at least one row"),
        (callbacks.LikelihoodMonitor(X), {"tied": False}, "tied=False"),
        (callbacks.MixingMonitor(), {"tied": False}, "tied=False"),
    ],
)
def test_machines_and_cases_are_refused_before_the_first_step(monitor, options, message):
    rbm = random_rbm(**options)
    before = rbm.get_weights()
    monitor.set_model(rbm)
    with pytest.raises(ValueError, match=message):
        monitor.on_train_begin()
    for a, b in zip(rbm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_can_be_read_only_once_is_no_data_of_a_monitor():
    for options in ({"x": iter([X])}, {"x": X, "data": iter([X])}):
        with pytest.raises(TypeError, match=r"`(x|data)` is read more than once\. Received: list_iterator"):
            callbacks.LikelihoodMonitor(**options)


def test_the_data_are_read_once_for_both_directions(monkeypatch):
    """The mean for the base, and then only the first batch, for the chains to start from."""
    monkeypatch.setattr("keras_rbm.likelihood.exact.MAX_LOG2_STATES", 1)
    rows = []

    def stream():
        for row in np.tile(X, (4, 1)):
            rows.append(row)
            yield row

    data = tf.data.Dataset.from_generator(stream, output_signature=tf.TensorSpec(5)).batch(6)
    likelihood.log_likelihood(uncompiled(random_rbm()), X, data, num_chains=2, num_temperatures=3, burn_in=1, verbose=0)
    assert 24 <= len(rows) < 48


# --- mixing


def test_chains_that_mix_at_once():
    """Without weights each state is an independent draw."""
    rbm = uncompiled(random_rbm(sampler=samplers.PCD(num_chains=50, dtype="float64")))
    rbm.w_rec.assign(np.zeros((5, 4)))
    found = samplers.mixing(rbm, num_steps=200)
    assert 0.8 * 50 * 200 < found.effective_sample_size < 1.2 * 50 * 200
    assert found.potential_scale_reduction < 1.01


def stuck(sampler: samplers.Sampler) -> RBM:
    """Two modes, all on and all off, and chains that stay in theirs."""
    rbm = random_rbm(num_visible=4, num_hidden=4, sampler=sampler)
    rbm.w_rec.assign(np.full((4, 4), 6.0))
    rbm.visible.bias.assign(np.full(4, -12.0))
    rbm.hidden.bias.assign(np.full(4, -12.0))
    return rbm


def test_chains_that_stay_where_they_are():
    rbm = uncompiled(stuck(samplers.PCD(num_chains=20, dtype="float64")))
    rbm.sampler.chains.assign(np.repeat([[0.0] * 4, [1.0] * 4], 10, 0))
    found = samplers.mixing(rbm, num_steps=200)
    assert found.potential_scale_reduction > 1.5
    assert found.effective_sample_size < 100


def test_tempering_is_diagnosed_with_its_swaps():
    """The same model, from the same starts: the swaps are what makes the chains agree."""
    rbm = stuck(samplers.ParallelTempering(num_chains=20, num_temperatures=12, dtype="float64"))
    rbm.sampler.base_bias.assign(np.zeros(4))
    rbm.sampler.chains.assign(np.tile(np.repeat([[0.0] * 4, [1.0] * 4], 10, 0), (12, 1)))
    assert samplers.mixing(rbm, num_steps=1000).potential_scale_reduction < 1.2


def test_the_figures_are_those_of_tensorflow_probability():
    """Replayed sweep by sweep: the worst of free energy and projections."""
    rbm = random_rbm(sampler=samplers.PCD(num_chains=6, dtype="float64"))
    before = rbm.get_weights()
    found = samplers.mixing(rbm, num_steps=30)
    for a, b in zip(rbm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)
    directions = np.random.default_rng(0).normal(size=(5, 4))
    again = samplers.mixing(rbm, num_steps=30)
    assert again == found
    # A replay outside XLA draws other numbers, so the trace itself is taken from the compiled function.
    from keras_rbm.samplers.diagnostics import _trace

    chains = tf.identity(rbm.sampler.chains.value)
    with set_aside([rbm.stream], "mixing"):
        trace = rbm._as_function(_trace, jit_compile=True)(chains, tf.constant(30)).numpy()
    assert trace.shape == (30, 6, 5)
    states = binary_states(5)
    energies, projections = Exact(rbm).free_energy(states), states @ directions
    nearest = np.abs(trace[..., 1:][..., None, :] - projections).sum(-1).argmin(-1)
    np.testing.assert_allclose(trace[..., 1:], projections[nearest], atol=1e-9)
    np.testing.assert_allclose(trace[..., 0], energies[nearest], atol=1e-9)
    size = tfp.mcmc.effective_sample_size(trace, filter_beyond_positive_pairs=True, cross_chain_dims=1)
    r_hat = tfp.mcmc.potential_scale_reduction(trace, independent_chain_ndims=1, split_chains=True)
    assert found == (float(np.min(size)), float(np.max(r_hat)))


def test_chains_that_never_change_have_no_figures():
    rbm = uncompiled(random_rbm(num_visible=1, num_hidden=1, sampler=samplers.PCD(num_chains=2, dtype="float64")))
    rbm.visible.bias.assign([200.0])
    rbm.sampler.chains.assign([[1.0], [1.0]])
    assert np.isnan(samplers.mixing(rbm, num_steps=4)).all()


def test_mixing_of_a_dbn_is_that_of_its_top():
    dbn = DBN([4, 3], sampler="pcd", seed=0)
    dbn.build((None, 5))
    uncompiled(dbn)
    uncompiled(dbn.top)
    assert samplers.mixing(dbn, num_steps=10) == samplers.mixing(dbn.top, num_steps=10)


def test_mixing_in_the_logs():
    rbm = compiled(uncompiled(random_rbm(sampler=samplers.PCD(num_chains=6, dtype="float64"))))
    monitor = callbacks.MixingMonitor(every=2, num_steps=10)
    history = rbm.fit(X, epochs=4, verbose=0, callbacks=[monitor]).history
    sizes, r_hats = history["effective_sample_size"], history["potential_scale_reduction"]
    assert sizes[0] == sizes[1] != sizes[2] == sizes[3]
    assert r_hats[0] == r_hats[1] != r_hats[2] == r_hats[3]


@pytest.mark.parametrize(
    ("make", "options", "message"),
    [
        (lambda: RBM(3), {}, "must be built"),
        (lambda: random_rbm(tied=False), {}, "tied=False"),
        (random_rbm, {"num_steps": 3}, "`num_steps` must be at least 4"),
        (random_rbm, {"num_chains": 1}, "`num_chains` must be at least 2"),
        (lambda: random_rbm(sampler=samplers.PCD(num_chains=1, dtype="float64")), {}, "at least 2"),
    ],
)
def test_bad_input_of_mixing(make, options, message):
    with pytest.raises(ValueError, match=message):
        samplers.mixing(make(), **options)
