"""Centring: how the offsets move, what they do to the gradient, and that learning does not see flipped units."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from keras_rbm import RBM, samplers
from tests.oracles.kinds import binary_states
from tests.oracles.machines import Fixed, as_samples, centered, plain_gradient, random_rbm, sigmoid
from tests.oracles.rbm import Exact, Parameters, parameters
from tests.support.saving import assert_same_state, through_disk
from tests.support.statistics import assert_rounded
from tests.support.steps import contrastive_gradients

V_MODEL = binary_states(5)[[3, 17, 30]]
#: Batches whose means differ.
BATCHES = [binary_states(5)[rows] for rows in ([1, 3, 5], [9, 13, 31, 30, 7], [0, 16], [2, 4, 8, 16], [31, 27], [6])]


def offsets(rbm: RBM) -> list[np.ndarray]:
    return [np.array(x) for x in (rbm.visible_offset, rbm.hidden_offset, rbm.offset_age)]


def learner(offset_rate: float = 0.01, learning_rate: float = 0.125, **kwargs) -> RBM:
    rbm = random_rbm(**{"sampler": Fixed(V_MODEL), "offset_rate": offset_rate, **kwargs})
    rbm.compile(keras.optimizers.SGD(learning_rate), run_eagerly=True)
    return rbm


def means(rbm: RBM, v: np.ndarray, weights=None) -> list[np.ndarray]:
    """Of the data and of their hidden units, at the present parameters."""
    p = parameters(rbm)
    return [np.average(x, 0, weights) for x in (v, sigmoid(v @ p.w + p.c))]


# --- how offsets move


@pytest.mark.parametrize("rate", [0.01, 0.25, 0.5, 1.0])
def test_offsets_average_all_batches_at_first_and_then_forget(rate):
    """Step `t` moves them by `max(rate, 1 / (t + 1))` of the way to the batch's means, before it changes a weight."""
    rbm = learner(rate)
    for new, old in zip(offsets(rbm), (np.zeros(5), np.zeros(4), 0.0), strict=True):
        np.testing.assert_array_equal(new, old)
    expected, history = [np.zeros(5), np.zeros(4)], []
    for t, v in enumerate(BATCHES):
        batch = means(rbm, v)
        history.append(batch)
        rbm.train_on_batch(v)
        expected = [old + max(rate, 1 / (t + 1)) * (new - old) for old, new in zip(expected, batch, strict=True)]
        for actual, value in zip(offsets(rbm), [*expected, t + 1], strict=True):
            assert_rounded(actual, value)
        if rate * (t + 1) <= 1:
            assert_rounded(rbm.visible_offset, np.mean([mu for mu, _ in history], 0))
            assert_rounded(rbm.hidden_offset, np.mean([lam for _, lam in history], 0))
        if rate == 1:
            assert_rounded(rbm.visible_offset, v.mean(0))
            assert_rounded(rbm.hidden_offset, batch[1])


def test_offsets_are_weighted():
    rbm, weights = learner(), [np.arange(len(v)) % 3 + 0.5 for v in BATCHES]
    weights[1][0] = 0.0
    history = []
    for v, w in zip(BATCHES, weights, strict=True):
        history.append(means(rbm, v, w))
        rbm.train_on_batch(v, sample_weight=w)
    for actual, values in zip(offsets(rbm), zip(*history, strict=True), strict=False):
        assert_rounded(actual, np.mean(values, 0))


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": False}], ids=str)
def test_a_batch_of_weight_zero_moves_nothing(options):
    """Neither as the first nor between others; the next one counts as if it had not been."""
    rbm, other = learner(), learner()
    for machine in (rbm, other):
        machine.compile(keras.optimizers.SGD(0.125), steps_per_execution=1, **options)
    zero, one = (np.concatenate(BATCHES[:2])[:4] for _ in range(2))
    x, y = np.concatenate([zero, BATCHES[3], one]), np.zeros(12)
    weights = np.repeat([0.0, 1.0, 0.0], 4)
    data = tf.data.Dataset.from_tensor_slices((x, y, weights)).batch(4)
    rbm.fit(data, verbose=0)
    rbm.train_on_batch(BATCHES[3])
    for _ in range(2):
        other.train_on_batch(BATCHES[3])
    for a, b in zip([*offsets(rbm), *parameters(rbm)[:3]], [*offsets(other), *parameters(other)[:3]], strict=True):
        assert_rounded(a, b)
    assert rbm.offset_age == 2


def test_evaluating_moves_nothing():
    rbm = learner()
    rbm.train_on_batch(BATCHES[0])
    before = offsets(rbm)
    rbm.evaluate(BATCHES[1], verbose=0)
    rbm.test_on_batch(BATCHES[1])
    rbm.fit(BATCHES[0], epochs=1, validation_data=BATCHES[1], verbose=0)
    assert_rounded(rbm.visible_offset, BATCHES[0].mean(0))
    assert rbm.offset_age == before[2] + 1 == 2


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"jit_compile": False}], ids=str)
def test_a_refused_batch_moves_nothing(options):
    rbm = learner()
    rbm.compile(keras.optimizers.SGD(0.125), steps_per_execution=1, **options)
    bad = np.concatenate(BATCHES[:2])[:8]
    bad[5, 2] = 7.0
    with pytest.raises(ValueError, match="max=7"):
        rbm.fit(tf.data.Dataset.from_tensor_slices(bad).batch(4), verbose=0)
    assert_rounded(rbm.visible_offset, bad[:4].mean(0))
    assert rbm.offset_age == 1


def test_a_diverged_step_moves_nothing():
    rbm = learner()
    rbm.train_on_batch(BATCHES[0])
    before = offsets(rbm)
    rbm.w_rec.assign(tf.fill((5, 4), tf.constant(1e16, "float64")))
    with pytest.raises(FloatingPointError, match="not finite"):
        rbm.train_on_batch(BATCHES[1])
    for a, b in zip(offsets(rbm), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_offsets_come_back_from_disk(tmp_path):
    """And go on as they would have: the number of batches so far comes back, too."""
    rbm = RBM(4, offset_rate=0.25, sampler="pcd", seed=3)
    rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    for v in BATCHES[:2]:
        rbm.train_on_batch(v)
    loaded = through_disk(rbm, tmp_path)
    assert loaded.offset_rate == 0.25
    for v in BATCHES[2:4]:
        assert_same_state(rbm, loaded)
        for a, b in zip(offsets(loaded), offsets(rbm), strict=True):
            np.testing.assert_array_equal(a, b)
        for machine in (rbm, loaded):
            machine.train_on_batch(v)
    assert_rounded(loaded.visible_offset, np.mean([v.mean(0) for v in BATCHES[:4]], 0).astype("float32"))


def test_only_centred_machines_have_offsets():
    for centring in (True, False):
        rbm = random_rbm(centered=centring)
        names = {weight.name for weight in rbm.weights}
        assert ({"visible_offset", "hidden_offset", "offset_age"} <= names) == centring
        assert len(rbm.trainable_variables) == 3


@pytest.mark.parametrize("rate", [0.0, -0.5, 1.5, np.nan, np.inf])
def test_rates_out_of_range(rate):
    with pytest.raises(ValueError, match=rf"`offset_rate` must be in \(0, 1\]\. Received: offset_rate={rate!r}"):
        RBM(3, offset_rate=rate)


# --- what they do


@pytest.mark.parametrize("rate", [0.25, 1.0])
def test_the_centred_gradient_at_given_offsets(rate):
    """Offsets that have little to do with the batch, once it has moved them."""
    rbm, v, rng = random_rbm(offset_rate=rate), BATCHES[1], np.random.default_rng(3)
    mu, lam = rng.uniform(size=5), rng.uniform(size=4)
    rbm.visible_offset.assign(mu)
    rbm.hidden_offset.assign(lam)
    rbm.offset_age.assign(100)
    weights = np.array([1.0, 2.0, 0.0, 0.5, 1.0])
    lesson = contrastive_gradients(rbm, tf.constant(v), tf.constant(weights), as_samples(V_MODEL))
    mu, lam = (old + rate * (new - old) for old, new in zip((mu, lam), means(rbm, v, weights), strict=True))
    expected = centered(plain_gradient(parameters(rbm), v, V_MODEL, weights), mu, lam)
    for (_, actual), gradient in zip(lesson.gradients, expected, strict=True):
        assert_rounded(actual, gradient)


class Enumerated(samplers.Sampler):
    """All visible states, each with its probability: a negative phase without chance."""

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        exact = Exact(rbm)
        return samplers.Samples(tf.constant(exact.v, v_data.dtype), tf.constant(exact.p_v, weights.dtype))


def flipped(p: Parameters, visible: bool, hidden: bool) -> list[np.ndarray]:
    """Parameters of the same distribution over states whose visible or hidden zeros and ones are exchanged."""
    w, b, c = p[:3]
    if visible:
        w, b, c = -w, -b, c + w.sum(0)
    if hidden:
        w, b, c = -w, b + w.sum(1), -c
    return [w, b, c]


@functools.cache
def learning_curve(visible: bool, hidden: bool, centring: bool, rate: float) -> tuple[np.ndarray, RBM]:
    """Exact mean log-likelihoods before each of 16 steps of plain gradient ascent, and the machine after them.

    It learns rows, or the same with zeros and ones exchanged, from parameters that say the same.
    """
    v = binary_states(5)[[31, 31, 15, 7, 29, 30, 27, 23, 1, 3, 19, 31]]
    v, start = 1 - v if visible else v, flipped(parameters(random_rbm()), visible, hidden)
    rbm = random_rbm(sampler=Enumerated(), centered=centring, offset_rate=rate)
    for variable, value in zip((rbm.w_rec, rbm.visible.bias, rbm.hidden.bias), start, strict=True):
        variable.assign(value)
    rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    curve = []
    for step in range(16):
        p = parameters(rbm)
        log_p = v @ p.b + np.logaddexp(0, v @ p.w + p.c).sum(1)
        all_v = binary_states(5)
        curve.append(log_p.mean() - logsumexp(all_v @ p.b + np.logaddexp(0, all_v @ p.w + p.c).sum(1)))
        rbm.train_on_batch(v[: 6 if step % 2 else 12])
    return np.array(curve), rbm


@pytest.mark.parametrize(
    ("visible", "hidden", "centring", "rate"),
    [
        (True, False, True, 0.0625),
        (True, False, False, 1.0),
        (False, True, True, 1.0),
        (False, True, False, 1.0),
        (True, True, True, 0.0625),
    ],
    ids=["visible", "visible, plain", "hidden", "hidden, plain", "both"],
)
@pytest.mark.few(2)
def test_learning_is_blind_to_flipped_units_if_and_only_if_it_is_centred(visible, hidden, centring, rate):
    (curve, rbm), (other, twin) = (
        learning_curve(*sides, centring, rate) for sides in ((False, False), (visible, hidden))
    )
    assert_rounded(other[0], curve[0])
    assert curve[-1] > curve[0] + 0.1
    if not centring:
        assert np.abs(other - curve).max() > 0.01
        return
    assert_rounded(other, curve)
    for actual, expected in zip(parameters(twin)[:3], flipped(parameters(rbm), visible, hidden), strict=True):
        assert_rounded(actual, expected)
    mu, lam = np.array(rbm.visible_offset), np.array(rbm.hidden_offset)
    assert_rounded(twin.visible_offset, 1 - mu if visible else mu)
    assert_rounded(twin.hidden_offset, 1 - lam if hidden else lam)
