"""Dropout: each case learns by an RBM that lacks some hidden units, as brute force has it."""

from unittest import mock

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, ConvRBM, RatingsRBM, samplers, units
from keras_rbm.models import thinned_rbm
from keras_rbm.models.thinned_rbm import ThinnedRBM
from tests.oracles.kinds import KINDS, binary_states
from tests.oracles.machines import random_rbm, randomize, rbm_of, sigmoid
from tests.oracles.rbm import assert_distributed, parameters
from tests.oracles.thinned import columns_of, exact_of, gradient_of, masks_of, probabilities
from tests.support.modes import MODES
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import assert_frequencies, assert_mean, assert_means, assert_rounded
from tests.support.steps import gradients_of

X = binary_states(5).astype("float32")
NUM = 40000
SAMPLERS = {
    "cd": lambda **options: samplers.CD(2, **options),
    "pcd": lambda **options: samplers.PCD(num_chains=6, **options),
    "fast_pcd": lambda **options: samplers.FastPCD(num_chains=6, **options),
    "tempering": lambda **options: samplers.ParallelTempering(num_chains=3, num_temperatures=3, **options),
}


def thinned(rbm: RBM, masks: np.ndarray, scales=None) -> ThinnedRBM:
    scales = None if scales is None else tf.constant(scales, rbm.state_dtype)
    return ThinnedRBM(rbm, tf.constant(masks, rbm.state_dtype), scales)


class AllStates(samplers.Sampler):
    """Each case's own thinned RBM, exactly: all its states, weighted by their probabilities."""

    scales = 1.0

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        tables = [exact_of(rbm._rbm, mask, self.scales) for mask in rbm._kept.numpy()]
        shares = np.stack([table.p_v for table in tables], 1) * weights.numpy()  # (states, cases)
        v = np.repeat(tables[0].v, len(tables), 0)
        return samplers.Samples(tf.constant(v), tf.constant(shares.reshape(-1)))


# --- thinned RBMs


@pytest.mark.parametrize("hidden", KINDS)
def test_what_is_dropped_is_not_there(hidden):
    """Energies, and means of the hidden units, of all masks at once: each row has its own."""
    rbm = rbm_of("bernoulli", hidden)
    masks = masks_of(rbm)
    v = binary_states(KINDS["bernoulli"].width)
    rows = tf.constant(np.repeat(v, len(masks), 0))
    view = thinned(rbm, masks)
    found = tf.reshape(view.free_energy(rows), (len(v), -1))
    means = view.hidden.mean(view.hidden_field(rows)).numpy().reshape(len(v), len(masks), -1)
    states = view.hidden.sample(view.hidden_field(rows), rbm.stream).numpy().reshape(means.shape)
    for i, mask in enumerate(masks):
        table, there = exact_of(rbm, mask), columns_of(rbm, mask)
        assert_rounded(found[:, i], table.free_energy(v))
        assert_rounded(means[:, i, there], table.p_h_from_v(v) @ table.h)
        assert not means[:, i, ~there].any()
        assert not states[:, i, ~there].any()


@pytest.mark.parametrize("hidden", ["bernoulli", "spin", "softmax", "discrete"])
def test_chains_of_a_thinned_rbm_leave_its_distribution_as_it_is(hidden):
    rbm = rbm_of("bernoulli", hidden, scale=1.0)
    masks = masks_of(rbm)[[1, 2]]
    tables = [exact_of(rbm, mask) for mask in masks]
    v = np.stack([table.draw(NUM, seed) for seed, table in enumerate(tables)], 1).reshape(2 * NUM, -1)
    v = samplers.gibbs(thinned(rbm, masks), tf.constant(v), 3).numpy()
    for i, table in enumerate(tables):
        assert_distributed(v[i::2], table)


def test_chains_at_all_temperatures_have_one_mask():
    """Neighbours swap what belongs to one thinned RBM: its distribution at each temperature stays."""
    chains = 20000
    sampler = samplers.ParallelTempering(num_steps=3, num_chains=chains, betas=[0.2, 0.6, 1.0], dtype="float64")
    rbm = random_rbm("bernoulli", 4, "bernoulli", 3, sampler=sampler)
    randomize(rbm, 1.5)
    masks, base = np.array([[1, 0, 1], [0, 1, 1.0]]), np.array(sampler.base_bias)
    tables = [[exact_of(rbm, mask, 1.0, beta, base) for mask in masks] for beta in sampler.betas]
    drawn = [[t.draw(chains // 2, 10 * i + j) for j, t in enumerate(ts)] for i, ts in enumerate(tables)]
    start = np.concatenate([np.stack(pair, 1).reshape(chains, -1) for pair in drawn])
    found = sampler.run_chains(thinned(rbm, masks), tf.constant(start)).state["chains"].numpy()
    for rows, pair in zip(found.reshape(3, chains, -1), tables, strict=True):
        for i, table in enumerate(pair):
            assert_distributed(rows[i::2], table)


def test_fast_weights_are_dropped_with_the_others():
    sampler = samplers.FastPCD(num_chains=NUM, dtype="float64")
    rbm = random_rbm("bernoulli", 3, "bernoulli", 2, sampler=sampler)
    scales, mask = np.array([[0, 2], [2, 0], [2, 2.0]]), np.array([1, 1.0])
    fast = np.random.default_rng(0).normal(0, 2, (3, 2))
    sampler.fast[0].assign(fast)
    both = random_rbm("bernoulli", 3, "bernoulli", 2)
    for x, y in zip(both.trainable_variables, rbm.trainable_variables, strict=True):
        x.assign(y)
    both.w_rec.assign(rbm.w_rec + fast)
    table, start = exact_of(both, mask, scales), np.ones((1, 3))
    v = sampler.run_chains(thinned(rbm, mask[None], scales), tf.constant(np.repeat(start, NUM, 0))).v
    assert_frequencies(table.index(v), table.transitions(start, 1)[0])


@pytest.mark.parametrize("pool_size", [1, 2])
def test_filters_of_a_convolutional_rbm_are_dropped_everywhere_and_pools_whole(pool_size):
    """Pools of 4, 2 and 1 units of maps 3 by 3, as the dense RBM that it is; of filters each weight is one."""
    rbm = ConvRBM(2, 2, pool_size, dropout=0.5, drop_connect=0.5, dtype="float64", seed=0)
    rbm.build((None, 4, 4, 1))
    randomize(rbm)
    view = rbm._thinned(tf.constant(6))
    v = np.random.default_rng(0).integers(0, 2, (6, 16)).astype(float)
    kept = view._kept.numpy().reshape(6, -1, 2)
    if pool_size == 2:
        rows = np.arange(3) // 2
        kept = kept[:, (2 * rows[:, None] + rows).reshape(-1)]
    kept = kept.reshape(6, -1)
    assert view._kept.shape[1] == (18 if pool_size == 1 else 8)
    assert set(np.unique(view._scales)) == {0.0, 2.0}
    scaled = ConvRBM(2, 2, pool_size, dtype="float64")
    scaled.build((None, 4, 4, 1))
    for x, y in zip(scaled.trainable_variables, rbm.trainable_variables, strict=True):
        x.assign(y)
    scaled.w_rec.assign(rbm.w_rec * view._scales)
    field = np.array(scaled.hidden_bias) + v @ scaled.weight_matrix().numpy()
    np.testing.assert_array_equal(view.hidden.mean(view.hidden_field(tf.constant(v))) != 0, kept == 1)
    assert_rounded(view.hidden_field(tf.constant(v)), field)
    weights = np.exp(field) * kept  # of states that are on; one unit of a pool is: its weights add up
    pools = weights.reshape(6, 3, 3, 2)
    if pool_size == 2:
        pools = np.add.reduceat(np.add.reduceat(pools, [0, 2], 1), [0, 2], 2)
    expected = -v @ np.array(scaled.visible_bias) - np.log1p(pools).reshape(6, -1).sum(1)
    assert_rounded(view.free_energy(tf.constant(v)), expected)
    h = tf.constant(kept)
    assert_rounded(view.visible_input(h), kept @ scaled.weight_matrix().numpy().T)


# --- gradients


@pytest.mark.parametrize("hidden", KINDS)
def test_the_expected_gradient_is_the_mean_over_all_masks(hidden):
    """A case for each mask, which counts as much as the mask is probable: the exact gradient, to rounding."""
    rbm = rbm_of("bernoulli", hidden, dropout=0.3, centered=False, sampler=AllStates())
    masks, v = masks_of(rbm), np.array([[1.0, 0, 1]])
    p = probabilities(masks, 0.3)
    with mock.patch.object(thinned_rbm, "_kept_sites", return_value=tf.constant(masks)):
        found = gradients_of(rbm, tf.constant(np.repeat(v, len(masks), 0)), tf.constant(p)).gradients
    exact = [gradient_of(rbm, v, mask) for mask in masks]
    for (_, g), expected in zip(found, zip(*exact, strict=True), strict=False):
        assert_rounded(g, np.tensordot(p, np.stack(expected), 1))


def test_the_expected_gradient_of_drop_connect():
    """Of all masks of weights, each of them a step."""
    rbm = random_rbm("bernoulli", 2, "bernoulli", 2, drop_connect=0.25, centered=False, sampler=AllStates())
    v = np.array([[1.0, 0], [1, 1]])
    for mask in binary_states(4).reshape(-1, 2, 2):
        rbm.sampler.scales = mask / 0.75
        with mock.patch.object(thinned_rbm, "_kept", return_value=tf.constant(mask)):
            found = gradients_of(rbm, tf.constant(v), tf.ones(2, "float64")).gradients
        for (_, g), expected in zip(found, gradient_of(rbm, v, np.ones(2), mask / 0.75), strict=True):
            assert_rounded(g, expected)


def test_masks_are_drawn_anew_for_each_case_and_step():
    """All pairs of two steps' as often as their rate says: with the tests above, the gradient's expectation."""
    rbm = rbm_of("bernoulli", "discrete", dropout=0.3)
    first, second = (rbm._thinned(tf.constant(NUM))._kept.numpy() @ [1, 2, 4] for _ in range(2))
    p = probabilities(masks_of(rbm), 0.3)
    assert_frequencies((first + 8 * second).astype(int), np.outer(p, p).reshape(-1))


def test_weights_are_dropped_at_their_rate_and_keep_their_mean():
    rbm = random_rbm("bernoulli", 200, "bernoulli", 200)
    scales = ThinnedRBM.drawn(rbm, 1, 0.0, 0.2)._scales.numpy()
    assert set(np.unique(scales)) == {0.0, 1.25}
    assert_means(scales.reshape(-1), 1.0)


@pytest.mark.parametrize("name", ["pcd", "tempering"])
def test_samples_count_by_the_masks_of_their_chains(name):
    """Data and chains have masks of their own: the gradient by hand, of samples that are given."""
    rbm = random_rbm(sampler=SAMPLERS[name](dtype="float64"), dropout=0.5, centered=False)
    rng = np.random.default_rng(0)
    number = rbm.sampler.num_chains
    masks = {8: rng.integers(0, 2, (8, 4)).astype(float), number: rng.integers(0, 2, (number, 4)).astype(float)}
    v, v_model = rng.integers(0, 2, (8, 5)).astype(float), rng.integers(0, 2, (number, 5)).astype(float)
    given, seen = samplers.Samples(tf.constant(v_model), tf.ones(number, "float64")), []
    if name == "tempering":
        given = given._replace(logs={"swap_acceptance": tf.constant(0.0), "swap_acceptance_min": tf.constant(0.0)})

    def run_chains(view, chains):
        seen.append(view._kept.numpy())
        return given

    def kept_sites(rbm, rows, rate):
        return tf.constant(masks[int(rows)])

    with (
        mock.patch.object(thinned_rbm, "_kept_sites", kept_sites),
        mock.patch.object(rbm.sampler, "run_chains", run_chains),
    ):
        found = gradients_of(rbm, tf.constant(v), tf.ones(8, "float64")).gradients
    np.testing.assert_array_equal(seen[0], masks[number])
    w, _, c = parameters(rbm)[:3]
    h, h_model = masks[8] * sigmoid(v @ w + c), masks[number] * sigmoid(v_model @ w + c)
    expected = [
        v_model.T @ h_model / number - v.T @ h / 8,
        v_model.mean(0) - v.mean(0),
        h_model.mean(0) - h.mean(0),
    ]
    for (_, g), e in zip(found, expected, strict=True):
        assert_rounded(g, e)


@pytest.mark.few(2)
@pytest.mark.parametrize("name", SAMPLERS)
def test_no_dropout_changes_no_bit(name):
    """Neither where nothing is thinned, nor where what is left of each case's RBM is all of it."""
    results = []
    for rate in (None, 0.0, "all kept"):
        options = {"dropout": 0.0, "drop_connect": 0.0} if rate == 0.0 else {}
        rbm = RBM(4, sampler=SAMPLERS[name](), seed=0, **options)
        rbm.build((None, 5))
        if rate == "all kept":
            rbm._thinned = lambda number, rbm=rbm: ThinnedRBM.drawn(rbm, number, 0.0, 0.0)
        rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
        rbm.fit(X, batch_size=8, epochs=2, verbose=0)
        results.append(rbm)
    assert_same_state(*results[:2])
    assert_same_state(*results[::2])


@pytest.mark.parametrize("centered", [False, True])
@pytest.mark.parametrize("name", [*SAMPLERS, "convolutional"])
def test_where_all_units_are_dropped_visible_biases_learn(name, centered):
    options, x = {"dropout": 1.0, "centered": centered, "seed": 0}, X[[3, 7]]
    if name == "convolutional":
        rbm, x = (
            ConvRBM(3, 2, 2, visible_bias="position", sampler="pcd", **options),
            np.repeat(x[..., None, None], 5, 2),
        )
    else:
        rbm = RBM(4, sampler=SAMPLERS[name](), **options)
    rbm.build((None, *x.shape[1:]))
    randomize(rbm)
    before = [np.array(x) for x in rbm.trainable_variables]
    rbm.compile(keras.optimizers.SGD(0.2), run_eagerly=True)
    rbm.fit(x, epochs=5, verbose=0)
    changed = [not np.array_equal(x, y) for x, y in zip(rbm.trainable_variables, before, strict=True)]
    assert [x is rbm.visible.bias for x in rbm.trainable_variables] == changed


def test_where_all_weights_are_dropped_they_stay():
    rbm = random_rbm(drop_connect=1.0, centered=False)
    (_, dw), (_, db), (_, dc) = gradients_of(rbm, tf.constant(X, "float64"), tf.ones(32, "float64")).gradients
    assert not dw.numpy().any()
    assert db.numpy().any()
    assert_rounded(dc, np.zeros(4))


def test_missing_values_are_drawn_by_what_is_left():
    """Weights that would copy the unit that was observed, all of them dropped: by the bias alone."""
    rbm = RBM(1, missing_steps=3, dropout=1.0, seed=0, dtype="float64")
    rbm.build((None, 2))
    rbm.w_rec.assign([[50.0], [50.0]])
    rbm.hidden.bias.assign([-25.0])
    rbm.visible.bias.assign([-25.0, np.log(0.25)])
    v = tf.constant(np.tile([[1.0, np.nan]], (NUM, 1)))
    completed = rbm._completed(v, rbm._thinned(tf.constant(NUM))).numpy()
    assert_frequencies(completed[:, 1].astype(int), [0.8, 0.2])


# --- as a model


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        *[("fast_pcd", "eager"), ("pcd", "graph"), ("tempering", "eager")],
        *[(name, "xla") for name in ("cd", "pcd", "fast_pcd", "tempering")],
    ],
)
@pytest.mark.few(2)
def test_a_model_that_was_saved_takes_the_same_next_step(name, mode, tmp_path):
    """Batches of two sizes; what is watched is that of the whole RBM."""
    rbm = RBM(4, sampler=SAMPLERS[name](), dropout=0.5, drop_connect=0.3, seed=0)
    rbm.compile(keras.optimizers.SGD(0.5, momentum=0.5), **MODES[mode])
    rbm.fit(X, batch_size=12, verbose=0)
    loaded = through_disk(rbm, tmp_path)
    assert (loaded.dropout, loaded.drop_connect) == (0.5, 0.3)
    for model in (rbm, loaded):
        assert np.isfinite(model.fit(X, batch_size=12, verbose=0).history["loss"]).all()
    assert_same_state(rbm, loaded)


def test_all_questions_but_learning_are_asked_of_the_whole_rbm():
    whole, dropping = (random_rbm(dropout=rate, drop_connect=rate) for rate in (0.0, 0.9))
    for ask in (RBM.encode, RBM.free_energy, RBM.reconstruct):
        np.testing.assert_array_equal(ask(whole, X), ask(dropping, X))
    for rbm in (whole, dropping):
        rbm.compile("sgd", run_eagerly=True)
    assert whole.evaluate(X, verbose=0) == dropping.evaluate(X, verbose=0)


def test_what_is_watched_is_the_whole_rbm():
    """The reconstruction error of a step is that of `evaluate`, where the step leaves the parameters alone."""
    rbm = random_rbm(dropout=0.5, drop_connect=0.5)
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    logs = rbm.fit(X, batch_size=32, verbose=0).history
    assert_rounded(logs["reconstruction_error"][0], np.mean(rbm.reconstruction_error(X)), 1e10)


@pytest.mark.parametrize("objective", ["ratings", "joint"])
def test_ratings_learn_by_thinned_rbms(objective):
    """All hidden units dropped: what a user has rated says nothing of the marks, whatever the weights."""
    rbm = RatingsRBM(3, values=(1, 2), objective=objective, dropout=1.0, centered=False, seed=0, dtype="float64")
    rbm.build((None, 2))
    rbm.w_rec.assign([[4.0] * 3, [-4.0] * 3])
    v = tf.constant(np.tile([[1.0, 0.0]], (NUM, 1)))
    (_, dw), (_, db), _ = gradients_of(rbm, v, tf.ones(NUM, "float64")).gradients
    assert not dw.numpy().any()
    p = 1 / 2 if objective == "ratings" else 1 / 3
    assert_mean(1 + float(db[0]), NUM, p, np.sqrt(p * (1 - p)))


@pytest.mark.parametrize("name", ["dropout", "drop_connect"])
@pytest.mark.parametrize("rate", [-0.1, 1.5, np.nan, np.inf, "0.5", None, True, [0.5]], ids=str)
def test_rates_are_fractions(name, rate):
    with pytest.raises(ValueError, match=rf"`{name}` must be in \[0, 1\]\. Received: {name}="):
        RBM(3, **{name: rate})


@pytest.mark.parametrize("name", ["dropout", "drop_connect"])
def test_untied_weights_are_not_thinned(name):
    with pytest.raises(ValueError, match=rf"tied weights.*tied=False.*{name}=0\.5.*tied=True"):
        RBM(3, tied=False, **{name: 0.5})


def test_hidden_units_of_several_states_are_dropped_whole():
    group = units.Mixed([("bernoulli", 1), (units.Softmax(3), 6), (units.OptionalSoftmax(2), 2)])
    group.build((None, 9))
    assert group.num_sites == 4
    np.testing.assert_array_equal(group.per_unit(tf.constant([[1, 2, 3, 4]])), [[1, 2, 2, 2, 3, 3, 3, 4, 4]])
