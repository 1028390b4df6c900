"""The convolutional RBM against enumeration: conditionals, gradients, likelihoods, and the dense RBM that it equals."""

import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, ConvRBM, likelihood, physics, samplers, units
from tests.oracles.conv import CASES, REAL, ExactConv, conv_rbm, dense, links_of, num_biases, tied
from tests.oracles.kinds import index
from tests.oracles.machines import Fixed, as_samples
from tests.oracles.rbm import assert_distributed
from tests.support.modes import MODES, uncompiled
from tests.support.statistics import SIGMAS, assert_frequencies, assert_means, assert_rounded
from tests.support.steps import contrastive_gradients

NUM = 20000
DISCRETE = [name for name in CASES if name not in REAL]
ONES = tf.ones(1, "float64")

every_case = pytest.mark.parametrize("name", CASES)
every_discrete = pytest.mark.parametrize("name", DISCRETE)


def rows(x) -> np.ndarray:
    return np.reshape(x, (len(x), -1))


def pictures(rbm: ConvRBM, v: np.ndarray) -> np.ndarray:
    return v.reshape(-1, *rbm.data_shape)


# --- energies and conditionals


@every_case
def test_energies_and_conditional_means(name):
    """Of pictures and of rows; at a temperature, too."""
    rbm = conv_rbm(name)
    exact = ExactConv(rbm)
    v, maps = exact.draw(40), exact.maps[:: max(1, len(exact.maps) // 40)][:40]
    assert_rounded(rbm.free_energy(pictures(rbm, v)), exact.free_energy(v))
    assert_rounded(rbm.free_energy(v), exact.free_energy(v))
    assert_rounded(rbm.energy(v[: len(maps)], maps[: len(v)]), -exact.log_joint_of(v[: len(maps)], maps[: len(v)]))
    means, pools = exact.hidden_means(v)
    assert_rounded(rows(rbm.mean_h_from_v(v)), means)
    assert_rounded(rows(rbm.encode(v)), pools)
    assert_rounded(rbm(pictures(rbm, v)), rbm.encode(v))
    assert rbm.mean_h_from_v(v).shape[1:] == rbm.map_shape
    assert rbm(pictures(rbm, v)).shape == rbm.compute_output_shape((len(v), *rbm.data_shape))
    hot = ExactConv(rbm, 0.4)
    assert_rounded(rows(rbm.mean_h_from_v(v, 0.4)), hot.hidden_means(v)[0])
    maps = maps[np.abs(maps).max(1) < 5]  # where the grid of real units reaches
    p = hot.p_v_from_h(maps[:, hot.order])
    assert_rounded(rows(rbm.mean_v_from_h(maps, 0.4)), p @ hot.v)
    w, b, *_ = exact.dense
    field = means @ w.T + b
    expected = ExactConv(rbm).p_v_from_h(means[:, exact.order]) @ exact.v if name != "gaussian hidden" else None
    assert_rounded(rbm._reconstruction_field(v), field)
    if expected is not None:
        assert_rounded(rows(rbm.reconstruct(v)), expected)


@every_discrete
def test_sampled_conditionals(name):
    """All joint frequencies: whether no unit of a pool is on, whether one is, and which; and independent pools."""
    rbm = conv_rbm(name)
    exact = ExactConv(rbm)
    v, h = exact.draw(1), exact.maps[-1:]
    drawn = rows(rbm.sample_h_from_v(np.repeat(v, NUM, 0)))
    assert_frequencies(index(exact.h, drawn[:, exact.order]), exact.p_h_from_v(v)[0])
    assert np.any(np.diff(drawn, axis=0), 1).mean() > 0.1
    p = exact.p_v_from_h(h[:, exact.order])[0]
    drawn = rows(rbm.sample_v_from_h(np.repeat(h, NUM, 0)))
    if name == "gaussian":
        assert_means(drawn, p @ exact.v)
    else:
        assert_frequencies(exact.index(drawn), p)


def test_what_the_layer_gives():
    """Pools, or detection units before pooling; never more than a pool's sum."""
    x = np.random.default_rng(0).random((4, 6, 7, 2)).astype("float32")
    rbm, units_ = (
        ConvRBM(3, 2, pool_size=(2, 4), padding="same", output=output, seed=0) for output in ("pooled", "detection")
    )
    assert rbm(x).shape == rbm.compute_output_shape((4, 6, 7, 2)) == (4, 3, 2, 3)
    assert units_(x).shape == units_.compute_output_shape((4, 6, 7, 2)) == (4, 6, 7, 3)
    units_.set_weights(rbm.get_weights())
    found = units_(x).numpy()
    np.testing.assert_array_equal(found, rbm.mean_h_from_v(x))
    pools = np.add.reduceat(np.add.reduceat(found, [0, 2, 4], 1), [0, 4], 2)
    assert_rounded(rbm(x), pools)


# --- gradients


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@every_case
def test_contrast_with_exact_samples_is_the_gradient_of_the_likelihood(name, centring):
    """Shared weights and biases add up; the centred gradient is `J J^T` of it, `J` the move to centred parameters."""
    rbm = conv_rbm(name, centered=centring, offset_rate=1.0)
    exact = ExactConv(rbm)
    v = exact.draw(6)
    samples = samplers.Samples(tf.constant(exact.v), tf.constant(exact.p_v))
    found = contrastive_gradients(rbm, tf.constant(v), tf.ones(6, "float64"), samples)
    expected = exact.gradient(rbm, v)
    if centring:
        expected = centered_by_jacobian(rbm, expected, v, exact.hidden_means(v)[0])
    assert len(found.gradients) == 3
    for (variable, actual), gradient, wanted in zip(found.gradients, expected, biased(rbm), strict=True):
        assert variable is wanted
        assert_rounded(actual, gradient, 5000)  # sums over thousands of states
    assert_rounded(found.values["loss"], exact.free_energy(v) - exact.p_v @ exact.free_energy(exact.v), 5000)


def biased(rbm: ConvRBM) -> list[keras.Variable]:
    return [rbm.w_rec, rbm.visible.bias, rbm.hidden.bias]


def centered_by_jacobian(rbm: ConvRBM, gradients, v: np.ndarray, h: np.ndarray) -> list[np.ndarray]:
    """Centred biases are `b + L w` and `c + M w`: averages, over the places that share one, of what means bring."""
    links, width, shares = links_of(rbm), math.prod(rbm.w_rec.shape), num_biases(rbm)
    mu, lam = (x.mean(0).reshape(-1, n).mean(0) for x, n in ((v, rbm.data_shape[-1]), (h, shares[1])))
    to_b, to_c = np.zeros((shares[0], width)), np.zeros((shares[1], width))
    places = [v.shape[1] // shares[0], h.shape[1] // shares[1]]
    np.add.at(to_b, (links.pixel % shares[0], links.weight), lam[links.unit % len(lam)] / places[0])
    np.add.at(to_c, (links.unit % shares[1], links.weight), mu[links.pixel % len(mu)] / places[1])
    jacobian = np.eye(width + sum(shares))
    jacobian[width : width + shares[0], :width] = -to_b
    jacobian[width + shares[0] :, :width] = -to_c
    moved = jacobian @ jacobian.T @ np.concatenate([g.ravel() for g in gradients])
    parts = np.split(moved, [width, width + shares[0]])
    return [part.reshape(g.shape) for part, g in zip(parts, gradients, strict=True)]


def test_the_gradient_is_the_slope_of_the_likelihood():
    """By finite differences of the enumerated likelihood: what the gradients above are compared with is one."""
    rbm = conv_rbm("same")
    v, step = ExactConv(rbm).draw(5), 1e-6
    gradients = ExactConv(rbm).gradient(rbm, v)
    for variable, gradient in zip(biased(rbm), gradients, strict=True):
        before = np.array(variable)
        for place in np.ndindex(before.shape):
            slope = 0.0
            for sign in (1, -1):
                moved = before.copy()
                moved[place] += sign * step
                variable.assign(moved)
                slope -= sign * ExactConv(rbm).log_p(v).mean() / (2 * step)
            np.testing.assert_allclose(gradient[place], slope, rtol=1e-6, atol=1e-8)
        variable.assign(before)


def test_centred_and_plain_machines_agree_where_biases_do_not_learn():
    """Then there is nothing to balance an offset by."""
    found = []
    for centring in (True, False):
        rbm = conv_rbm("same", centered=centring)
        rbm.visible.trainable = rbm.hidden.trainable = False
        v = ExactConv(rbm).v
        found.append(contrastive_gradients(rbm, tf.constant(v[9:14]), tf.ones(5, "float64"), as_samples(v[:3])))
    for (_, a), (_, b) in zip(*(x.gradients for x in found), strict=True):
        assert_rounded(a, b)


@pytest.mark.parametrize("name", ["smaller pool", "positions"])
@pytest.mark.few(1)
def test_training_raises_the_exact_likelihood(name):
    rbm = conv_rbm(name, scale=0.01, dtype="float32", sampler=samplers.PCD(2, 100))
    bars = np.repeat(np.eye(3), 4, 0).reshape(3, 4, 3) if name == "smaller pool" else np.eye(3)[:, None].repeat(3, 1)
    v = np.tile(bars.reshape(3, -1), (40, 1))
    rbm.adapt(v)
    before = ExactConv(rbm).log_p(v[:3]).mean()
    rbm.compile(keras.optimizers.Adam(0.1), jit_compile=False)
    rbm.fit(v, batch_size=30, epochs=15, verbose=0)
    assert ExactConv(rbm).log_p(v[:3]).mean() > before + 1
    assert_rounded(likelihood.exact_log_likelihood(rbm, v[:3]), ExactConv(rbm).log_p(v[:3]), 1e10)


# --- samples


@pytest.mark.parametrize("beta", [1.0, 0.5])
@every_case
@pytest.mark.few(9)
def test_gibbs_leaves_exact_draws_as_they_are(name, beta):
    rbm = uncompiled(conv_rbm(name, 0.7 if name in REAL else 2.0))
    exact = ExactConv(rbm, beta)
    before = pictures(rbm, exact.draw(NUM))
    after = rbm.gibbs(before, 1, beta)
    assert after.shape == before.shape
    assert_distributed(rows(after), exact)
    assert np.any(rows(after) != rows(before), 1).mean() > 0.1


@pytest.mark.parametrize("name", ["smaller pool", "channels"])
def test_gibbs_moves_single_states_with_the_enumerated_probabilities(name):
    rbm = uncompiled(conv_rbm(name, 0.7 if name in REAL else 2.0))
    exact = ExactConv(rbm)
    expected = exact.transitions(exact.v[-1:], 1)[0]
    v = rbm.gibbs(np.repeat(exact.v[-1:], NUM, 0))
    assert_frequencies(exact.index(rows(v)), expected)
    assert_means(rows(rbm.sample(v=np.repeat(exact.v[-1:], NUM, 0), num_steps=1, mean=True)), expected @ exact.v)


def test_held_pixels_leave_exact_draws_of_the_others():
    """Masks and values of the shape of pictures."""
    rbm = uncompiled(conv_rbm("smaller pool"))
    exact, mask = ExactConv(rbm), np.arange(12).reshape(4, 3, 1) % 3 == 0
    p = exact.conditional(mask.ravel(), exact.v[-9])
    start = exact.v[np.random.default_rng(0).choice(len(p), NUM, p=p)]
    v = rbm.sample(v=pictures(rbm, start), num_steps=1, clamp=mask, values=pictures(rbm, exact.v[-9:])[0])
    assert v.shape == (NUM, 4, 3, 1)
    assert_frequencies(exact.index(rows(v)), p)


@pytest.mark.parametrize("sampler", ["pcd", "fast_pcd", "parallel_tempering"])
def test_moves_of_chains_leave_exact_draws_as_they_are(sampler):
    options = {"betas": (0.5, 1.0)} if sampler == "parallel_tempering" else {}
    rbm = conv_rbm("pools", sampler=samplers.get(sampler, num_chains=NUM, dtype="float64", **options))
    exacts = [ExactConv(rbm, beta, np.zeros(9)) for beta in options.get("betas", (1.0,))]
    rbm.sampler.chains.assign(np.concatenate([exact.draw(NUM, i) for i, exact in enumerate(exacts)]))
    if options:
        rbm.sampler.base_bias.assign(np.zeros(9))
    v, gradients = tf.constant(exacts[0].draw(3)), [tf.zeros_like(x) for x in biased(rbm)]
    for _ in range(2):
        samples = rbm.sampler.negative_phase(rbm, v, ONES)
        rbm.sampler.update(samples, gradients)
    for chains, exact in zip(np.split(np.array(rbm.sampler.chains), len(exacts)), exacts, strict=True):
        assert_distributed(chains, exact)


def test_gaps_are_filled_by_exact_conditional_means():
    """Of many rows with one gap: the deviation of a chain's average is seen in them."""
    rbm = uncompiled(conv_rbm("smaller pool"))
    exact, mask = ExactConv(rbm), np.arange(12).reshape(4, 3, 1) % 2 == 0
    x = np.where(mask, pictures(rbm, exact.v[1365:1366]), np.nan)
    filled = rbm.impute(np.repeat(x, 300, 0), num_steps=30, burn_in=20)
    assert filled.shape == (300, 4, 3, 1)
    expected = exact.conditional(mask.ravel(), exact.v[1365]) @ exact.v
    assert_means(rows(filled), expected)


# --- likelihoods


@every_case
def test_exact_likelihoods(name):
    rbm = uncompiled(conv_rbm(name))
    exact = ExactConv(rbm)
    assert_rounded(likelihood.exact_log_partition(rbm), exact.log_z)
    v = exact.draw(20)
    assert_rounded(likelihood.exact_log_likelihood(rbm, pictures(rbm, v)), exact.log_p(v))
    assert_distributed(likelihood.exact.exact_draws(rbm, NUM, seed=2), exact)


@pytest.mark.parametrize("direction", [likelihood.ais, likelihood.reverse_ais], ids=["forward", "reverse"])
@pytest.mark.parametrize("name", ["smaller pool", "positions", "gaussian", "spins", "strides", "gaussian hidden"])
@pytest.mark.few(3)
def test_annealing(name, direction):
    rbm = uncompiled(conv_rbm(name, 0.4))
    exact = ExactConv(rbm)
    found = direction(rbm, pictures(rbm, exact.draw(50)), num_chains=300, num_temperatures=100, verbose=0)
    assert found.standard_error < 0.05
    assert abs(found.log_z - exact.log_z) < SIGMAS * found.standard_error


@pytest.mark.parametrize("name", ["smaller pool", "positions", "channels", "spins", "sequence"])
def test_pseudo_likelihood_is_the_sum_over_pixels(name):
    """`log p(v_i | the others)` of each pixel, from the enumerated free energies of both states."""
    rbm = uncompiled(conv_rbm(name))
    exact, low = ExactConv(rbm), -1 if name == "spins" else 0
    v = exact.draw(5)
    expected = np.zeros(5)
    for i in range(v.shape[1]):
        other = v.copy()
        other[:, i] = low + 1 - v[:, i] if low == 0 else -v[:, i]
        expected -= np.logaddexp(0, exact.free_energy(v) - exact.free_energy(other))
    found = likelihood.pseudo_log_likelihood(rbm, pictures(rbm, v), exact=True)
    assert_rounded(found, expected)
    many = likelihood.pseudo_log_likelihood(rbm, pictures(rbm, np.repeat(v[:1], NUM, 0)))
    assert_means(many, expected[0])


# --- the dense RBM that it equals


@pytest.mark.parametrize("name", ["plain", "positions", "spins", "steps"])
def test_equals_a_dense_rbm_with_tied_weights(name):
    """Where there are no pools: one training step from one seed moves what is shared by the sum over its places."""
    rbm = conv_rbm(name, centered=False, sampler=samplers.PCD(2, 20, dtype="float64"))
    w, b, c, *_ = dense(rbm)
    other = RBM(
        len(c),
        **{side: type(getattr(rbm, side))(dtype="float64") for side in ("visible", "hidden")},
        sampler=samplers.PCD(2, 20, dtype="float64"),
        centered=False,
        seed=0,
        dtype="float64",
    )
    other.build((None, len(b)))
    for variable, value in zip(biased(other), (rbm.weight_matrix(), b, c), strict=True):
        variable.assign(value)
    assert_rounded(other.w_rec, w)
    v = ExactConv(rbm).draw(7)
    assert_rounded(rows(rbm.mean_h_from_v(v)), other.mean_h_from_v(v))
    assert_rounded(rbm.free_energy(v), other.free_energy(v))
    assert_rounded(rows(rbm.reconstruct(v)), other.reconstruct(v))
    assert_rounded(likelihood.exact_log_partition(rbm), likelihood.exact_log_partition(other))
    assert_rounded(physics.Ising.of(rbm).J, physics.Ising.of(other).J)
    other.sampler.chains.assign(rbm.sampler.chains)
    other.stream.key.assign(rbm.stream.key)
    before = [np.array(x) for machine in (rbm, other) for x in biased(machine)]
    for machine in (rbm, other):
        machine.compile(keras.optimizers.SGD(0.25), run_eagerly=True)
        machine.train_on_batch(v)
    moved = [np.array(x) - y for x, y in zip([*biased(rbm), *biased(other)], before, strict=True)]
    np.testing.assert_array_equal(rbm.sampler.chains, other.sampler.chains)
    for a, expected in zip(moved[:3], tied(rbm, *moved[3:]), strict=True):
        assert_rounded(a, expected)


# --- strong weights and fields, dtypes, modes


@pytest.mark.parametrize("options", [{"pool_size": 2}, {}, {"padding": "same", "pool_size": 3}], ids=str)
@pytest.mark.parametrize("sign", [1, -1])
def test_strong_weights_leave_everything_finite(sign, options):
    """Weights of 10,000 and fields of a million, in float32; gradients and a step, too."""
    x = (np.random.default_rng(0).random((6, 7, 6, 1)) < 0.5).astype("float32")
    rbm = ConvRBM(2, 3, seed=0, **options)
    rbm.build(x.shape)
    rng = np.random.default_rng(1)
    rbm.w_rec.assign(sign * 1e4 * rng.choice([-1.0, 1.0], rbm.w_rec.shape))
    for bias in ([0.0, 0.0], [1e6, -1e6]):
        rbm.hidden.bias.assign(bias)
        with tf.GradientTape() as tape:
            answers = [rbm(x), rbm.free_energy(x), rbm.mean_h_from_v(x)]
            total = tf.add_n([tf.reduce_sum(a) for a in answers])
        gradients = tape.gradient(total, biased(rbm))
        drawn = [rbm.sample_h_from_v(x), rbm.reconstruct(x), rbm.gibbs(x, 2), rbm.sample_v_from_h(rbm.mean_h_from_v(x))]
        assert all(np.isfinite(a).all() for a in [*answers, *gradients, *drawn])
        assert np.all(np.isin(drawn[0], [0, 1]))
        if "pool_size" in options:
            assert np.all(rbm.hidden.pooled(rows(drawn[0])) <= 1)
    rbm.compile(keras.optimizers.SGD(1e-3), run_eagerly=True)
    rbm.train_on_batch(x)
    assert all(np.isfinite(w).all() for w in rbm.get_weights())


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.few(1)
def test_a_step_is_the_same_in_every_mode(dtype):
    found, start = {}, conv_rbm("smaller pool")
    v = ExactConv(start).draw(9)
    for mode, options in MODES.items():
        rbm = conv_rbm("smaller pool", sampler=Fixed(v[:2]), dtype=dtype)
        rbm.compile(keras.optimizers.SGD(0.25, momentum=0.5), steps_per_execution=1, **options)
        for _ in range(2):
            rbm.train_on_batch(v, np.zeros(9), sample_weight=np.array([1.0, 0, 2, 1, 1, 1, 0.5, 1, 1]))
        found[mode] = [x.numpy() for x in rbm.trainable_variables]
    for mode in ("graph", "xla"):
        for a, b in zip(found[mode], found["eager"], strict=True):
            assert_rounded(a, b, ulps=200)


@pytest.mark.parametrize("mode", ["xla", "eager", "graph"])
@pytest.mark.few(1)
def test_training_steps_sample_the_same_distribution_in_every_mode(mode):
    rbm = conv_rbm("pools", sampler=samplers.PCD(1, NUM), dtype="float32")
    exact = ExactConv(rbm)
    rbm.sampler.chains.assign(np.ones((NUM, 9)))
    rbm.compile(keras.optimizers.SGD(0.0), steps_per_execution=1, **MODES[mode])
    rbm.train_on_batch(np.zeros((1, 3, 3, 1)))
    assert_frequencies(exact.index(rbm.sampler.chains), exact.transitions(np.ones((1, 9)), 1)[0])


def test_energies_keep_float32_under_half_precision():
    rbm, exact = (conv_rbm("smaller pool", dtype=dtype) for dtype in ("mixed_bfloat16", "float32"))
    v = ExactConv(exact).draw(20).astype("float32")
    energy = rbm.free_energy(v)
    assert energy.dtype == tf.float32
    assert np.abs(energy - exact.free_energy(v)).max() < 12 * 4 * 2**-8 * np.abs(exact.w_rec).max()
    assert rbm(pictures(rbm, v)).dtype == "bfloat16"
    rbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    rbm.fit(v, verbose=0)
    assert rbm.w_rec.dtype == "float32"
    assert np.isfinite(rbm.w_rec).all()


def test_softmax_channels_and_real_pixels_learn_and_adapt():
    """One bias and one precision a channel, from the moments of all its pixels."""
    rng = np.random.default_rng(0)
    x = rng.normal([1.0, -2.0], [1.0, 0.5], (50, 4, 3, 2))
    rbm = ConvRBM(2, 2, visible="gaussian", pool_size=2, dtype="float64", seed=0)
    rbm.adapt(x)
    mean, variance = x.reshape(-1, 2).mean(0), x.reshape(-1, 2).var(0)
    assert_rounded(rbm.visible.bias, mean / variance)
    assert_rounded(np.exp(rbm.visible.log_precision), 1 / variance)
    one_hot = np.eye(3)[rng.integers(0, 3, (50, 4, 3))]
    rbm = ConvRBM(2, 2, visible=units.Softmax(3), seed=0)
    rbm.compile("sgd", run_eagerly=True)
    rbm.fit(one_hot, verbose=0)
    assert np.all(rbm.sample(5, 2).numpy().sum(-1) == 1)
