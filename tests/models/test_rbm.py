"""The RBM against enumeration: energies, conditionals, gradients, training."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import logsumexp

from keras_rbm import RBM, samplers, units
from keras_rbm.training import launches
from tests.oracles.kinds import binary_states, index
from tests.oracles.machines import PAIRINGS, Fixed, as_samples, centered, plain_gradient, random_rbm, randomize, sigmoid
from tests.oracles.rbm import Exact, exact_gradient, parameters
from tests.support.modes import MODES
from tests.support.statistics import assert_frequencies, assert_means, assert_moments, assert_rounded
from tests.support.steps import contrastive_gradients, gradients_of

LARGE = {"ten-and-ten": ("bernoulli", 10, "bernoulli", 10)}


def some_states(exact: Exact) -> np.ndarray:
    return exact.draw(8)


# --- energies


@pytest.mark.parametrize("shape", {**PAIRINGS, **LARGE}.values(), ids=[*PAIRINGS, *LARGE])
def test_free_energy_marginalises_the_energy(shape):
    rbm = random_rbm(*shape)
    exact = Exact(rbm)
    v = exact.v if shape[0] == "bernoulli" else some_states(exact)
    assert_rounded(rbm.free_energy(v), exact.free_energy(v))
    v, h = some_states(exact), exact.h[:: len(exact.h) // 8][:8]
    assert_rounded(rbm.energy(v, h), -np.diag(exact.log_joint(v, h=h)))


def test_gaussian_free_energy_gives_the_partition_function():
    """-log of the integral of exp(-F) over a grid of v is -log Z, enumerated over h in closed form."""
    rbm = random_rbm(*PAIRINGS["gaussian-bernoulli"])
    exact = Exact(rbm)
    w, b, c, gamma, _ = exact.parameters
    field = b + exact.h @ w.T
    closed = exact.h @ c + (field**2 / (2 * gamma) + np.log(2 * np.pi / gamma) / 2).sum(1)
    assert_rounded(logsumexp(closed), exact.log_z)
    spacing = 2 * np.log(exact.v[1, 0] - exact.v[0, 0])
    assert_rounded(logsumexp(-rbm.free_energy(exact.v).numpy()) + spacing, exact.log_z)


def test_untied_weights_have_no_energy():
    rbm = random_rbm(tied=False)
    for ask in (lambda: rbm.free_energy(np.zeros((1, 5))), lambda: rbm.energy(np.zeros((1, 5)), np.zeros((1, 4)))):
        with pytest.raises(ValueError, match=r"no energy\. Received: tied=False"):
            ask()


# --- conditionals


@pytest.mark.parametrize("beta", [1.0, 0.4])
@pytest.mark.parametrize("shape", {**PAIRINGS, **LARGE}.values(), ids=[*PAIRINGS, *LARGE])
def test_conditional_means(shape, beta):
    rbm = random_rbm(*shape)
    exact = Exact(rbm, beta)
    v, h = some_states(exact), exact.h[:: len(exact.h) // 8]
    assert_rounded(rbm.mean_h_from_v(v, beta), exact.p_h_from_v(v) @ exact.h)
    h = h[np.abs(h).max(1) < 5]  # where the grid of v reaches
    assert_rounded(rbm.mean_v_from_h(h, beta), exact.p_v_from_h(h) @ exact.v)
    each = np.full((len(v), 1), beta)
    assert_rounded(rbm.mean_h_from_v(v, each), exact.p_h_from_v(v) @ exact.h)


@pytest.mark.parametrize("beta", [1.0, 0.4])
@pytest.mark.parametrize("pairing", PAIRINGS)
def test_sampled_conditionals(pairing, beta):
    """Joint frequencies over a batch of two states, each repeated: units and cases are independent."""
    rbm = random_rbm(*PAIRINGS[pairing])
    exact, num = Exact(rbm, beta), 20000
    v = exact.draw(2)
    h = np.ones((1, 4)) if rbm.hidden.states else np.array([[0.5, -1.0]])
    checks = [
        (rbm.hidden, exact.h, exact.p_h_from_v(v), rbm.sample_h_from_v(np.repeat(v, num, 0), beta)),
        (rbm.visible, exact.v, exact.p_v_from_h(h), rbm.sample_v_from_h(np.repeat(h, num, 0), beta)),
    ]
    for unit, states, probabilities, samples in checks:
        for p, drawn in zip(probabilities, tf.split(samples, len(probabilities)), strict=True):
            if unit.states:
                assert_frequencies(index(states, drawn), p)
            else:
                mean = p @ states
                assert_moments(drawn, mean, (states - mean).T @ (p[:, None] * (states - mean)))
            differs = np.any(np.diff(drawn, axis=0) != 0, axis=1)
            assert differs.mean() > 0.1, "cases of a batch share their random numbers"


def test_untied_conditionals_use_their_own_weights():
    rbm = random_rbm(tied=False)
    v, h = binary_states(5), binary_states(4)
    w_rec, w_gen = np.array(rbm.w_rec), np.array(rbm.w_gen)
    assert np.abs(w_rec - w_gen.T).max() > 0.1
    assert_rounded(rbm.mean_h_from_v(v), sigmoid(v @ w_rec + np.array(rbm.hidden.bias)))
    assert_rounded(rbm.mean_v_from_h(h), sigmoid(h @ w_gen + np.array(rbm.visible.bias)))


def test_call_encode_and_reconstruct_go_by_means():
    rbm = random_rbm()
    w, b, c, *_ = parameters(rbm)
    v = binary_states(5)
    h = sigmoid(v @ w + c)
    assert_rounded(rbm(v), h)
    assert_rounded(rbm.encode(v), h)
    assert_rounded(rbm.reconstruct(v), sigmoid(h @ w.T + b))


@pytest.mark.parametrize("stream", [False, True])
def test_adapt_sets_the_means_of_units_without_input(stream):
    """From arrays, and from batches of unequal sizes."""
    rng = np.random.default_rng(0)
    x = rng.normal([1.0, -2.0, 100.0], [1.0, 0.5, 0.0], (70, 3))
    rbm = RBM(2, visible="gaussian", dtype="float64")
    rbm.adapt(tf.data.Dataset.from_tensor_slices((x, x[:, 0])).batch(32) if stream else x)
    variance = np.where(x.var(0) > 0, x.var(0), 1.0)
    assert_rounded(rbm.visible.precision, 1 / variance)
    assert_rounded(rbm.visible.bias, x.mean(0) / variance)


# --- gradients


def contrast(rbm: RBM, v, v_model, weights) -> tuple:
    """Losses and gradients of data against given samples."""
    v, weights = (tf.convert_to_tensor(x) for x in (v, weights))
    lesson = contrastive_gradients(rbm, v, weights, as_samples(v_model))
    return lesson.values["loss"], lesson.gradients


def expected_contrast(rbm: RBM, v: np.ndarray) -> list[np.ndarray]:
    """Gradients of `contrast` with exact negative samples: it is affine in the samples' distribution."""
    exact = Exact(rbm)
    data, weights = tf.constant(v), tf.ones(len(v), "float64")
    one = tf.function(lambda v_model: [g for _, g in contrast(rbm, data, v_model, weights)[1]])
    likely = exact.p_v > 1e-16
    found = [one(tf.constant(state[None])) for state in exact.v[likely]]
    return [np.tensordot(exact.p_v[likely], np.stack(g), 1) for g in zip(*found, strict=True)]


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize("pairing", PAIRINGS)
@pytest.mark.few(3)
def test_contrast_with_exact_samples_is_the_gradient_of_the_likelihood(pairing, centring):
    visible, num_visible, hidden, num_hidden = PAIRINGS[pairing]
    num_visible = 1 if visible == "gaussian" else num_visible
    rbm = random_rbm(visible, num_visible, hidden, num_hidden, centered=centring)
    v = np.random.default_rng(0).permutation(Exact(rbm).v)[:6] if visible == "bernoulli" else np.array([[0.3], [-1.0]])
    expected = exact_gradient(rbm, v)
    if centring:
        exact = Exact(rbm)
        expected = centered(expected, v.mean(0), (exact.p_h_from_v(v) @ exact.h).mean(0))
    for actual, gradient in zip(expected_contrast(rbm, v), expected, strict=True):
        assert_rounded(actual, gradient)


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_contrast_of_any_samples(centring):
    """The gradients by hand, batch means of both sides, and the loss of each case."""
    rbm = random_rbm(centered=centring)
    v, v_model, weights = binary_states(5)[3:9], binary_states(5)[[2, 30]], np.array([1.0, 3.0, 0.0, 0.5, 1.0, 1.0])
    losses, pairs = contrast(rbm, v, v_model, weights)
    exact = Exact(rbm)
    assert_rounded(losses, exact.free_energy(v) - exact.free_energy(v_model).mean())
    expected = plain_gradient(exact.parameters, v, v_model, weights)
    if centring:
        share = weights / weights.sum()
        expected = centered(expected, share @ v, share @ sigmoid(v @ exact.parameters.w + exact.parameters.c))
    variables = [rbm.w_rec, rbm.visible.bias, rbm.hidden.bias]
    for (variable, actual), gradient, wanted in zip(pairs, expected, variables, strict=True):
        assert variable is wanted
        assert_rounded(actual, gradient)


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_weights_count_cases(centring):
    """Weight 2 is a row twice, weight 0 a row left out."""
    rbm = random_rbm(centered=centring)
    v, v_model = tf.constant(binary_states(5)[7:10]), tf.constant(binary_states(5)[:3])
    weighted = contrast(rbm, v, v_model, tf.constant([2.0, 0.0, 1.0], "float64"))[1]
    repeated = contrast(rbm, tf.gather(v, [0, 0, 2]), v_model, tf.ones(3, "float64"))[1]
    for (_, a), (_, b) in zip(weighted, repeated, strict=True):
        assert_rounded(a, b)


def test_a_case_of_weight_zero_teaches_nothing_under_cd():
    """Nor does the chain that starts from it: with weights so strong that CD stays at its data, nothing is learnt."""
    rbm = random_rbm("bernoulli", 4, "bernoulli", 4, centered=False)
    rbm.w_rec.assign(200 * np.eye(4))
    rbm.visible.bias.assign(np.full(4, -100))
    rbm.hidden.bias.assign(np.full(4, -100))
    v, weights = tf.constant(np.eye(4)), tf.constant([1.0, 0.0, 2.0, 0.0], "float64")
    for _, gradient in gradients_of(rbm, v, weights).gradients:
        assert_rounded(gradient, np.zeros(gradient.shape))


# --- training steps


def one_step(v: np.ndarray, learning_rate: float = 0.125, **kwargs) -> RBM:
    rbm = random_rbm(sampler=Fixed(binary_states(5)[[3, 17]]), **kwargs)
    rbm.compile(keras.optimizers.SGD(learning_rate), run_eagerly=True)
    rbm.train_on_batch(v)
    return rbm


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_penalties_are_not_centred(centring):
    """The weights move by their penalty's gradient alone, and the biases do not see it."""
    v = binary_states(5)[10:14]
    start = parameters(random_rbm())
    plain = one_step(v, centered=centring)
    decayed = one_step(v, centered=centring, kernel_regularizer=keras.regularizers.L2(0.25))
    assert_rounded(parameters(decayed).w, parameters(plain).w - 0.125 * 2 * 0.25 * start.w)
    np.testing.assert_array_equal(decayed.visible.bias, plain.visible.bias)
    np.testing.assert_array_equal(decayed.hidden.bias, plain.hidden.bias)


def test_penalties_of_biases_touch_only_them():
    v = binary_states(5)[10:14]
    start, plain = parameters(random_rbm()), one_step(v)
    rbm = RBM(
        4,
        visible=units.Bernoulli(bias_regularizer=keras.regularizers.L2(0.25), dtype="float64"),
        sampler=Fixed(binary_states(5)[[3, 17]]),
        dtype="float64",
    )
    rbm.build((None, 5))
    randomize(rbm)
    rbm.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
    rbm.train_on_batch(v)
    assert_rounded(rbm.visible.bias, parameters(plain).b - 0.125 * 2 * 0.25 * start.b)
    np.testing.assert_array_equal(rbm.w_rec, plain.w_rec)
    np.testing.assert_array_equal(rbm.hidden.bias, plain.hidden.bias)


@pytest.mark.parametrize(
    ("weighted", "large", "options"),
    [(True, True, {}), (True, False, {"jit_compile": False}), (False, True, {"run_eagerly": True})],
)
@pytest.mark.few(2)
def test_history_holds_means_over_the_epoch(weighted, large, options, monkeypatch):
    """Over 37 batches, the last one smaller; of large steps what costs a product is that of one batch in eight."""
    monkeypatch.setattr(launches, "LARGE_STEP", 0 if large else 1e6)
    v, v_model = np.tile(binary_states(5), (6, 1))[:183], binary_states(5)[[3, 17]]
    weights = np.arange(183.0) % 3 if weighted else np.ones(183)
    rbm = random_rbm(sampler=Fixed(v_model))
    p, exact = parameters(rbm), Exact(rbm)
    rbm.compile(keras.optimizers.SGD(0.0), **options)
    history = rbm.fit(v, sample_weight=weights if weighted else None, batch_size=5, verbose=0).history
    loss = exact.free_energy(v) - exact.free_energy(v_model).mean()
    logits = sigmoid(v @ p.w + p.c) @ p.w.T + p.b
    cross_entropy = (np.logaddexp(0, logits) - v * logits).sum(1)
    in_order = rbm.fit(v, sample_weight=weights, batch_size=5, shuffle=False, verbose=0).history
    watched = np.arange(183) // 5 % 8 == 0 if large and not rbm.run_eagerly else np.ones(183)
    for name, values, shares in (("loss", loss, weights), ("reconstruction_error", cross_entropy, weights * watched)):
        # Keras adds up in float32.
        np.testing.assert_allclose(in_order[name], [np.average(values, weights=shares)], rtol=1e-5)
    np.testing.assert_allclose(history["loss"], [np.average(loss, weights=weights)], rtol=1e-5)
    assert rbm.optimizer.iterations == 2 * 37
    assert set(history) == {"loss", "reconstruction_error", "pseudo_log_likelihood"}
    evaluated = rbm.evaluate(v, sample_weight=weights if weighted else None, verbose=0, return_dict=True)
    expected = np.average(cross_entropy, weights=weights)
    np.testing.assert_allclose(evaluated["reconstruction_error"], expected, rtol=1e-5)


def test_gaussian_history_has_squared_errors_and_no_pseudo_likelihood():
    rbm = random_rbm(*PAIRINGS["gaussian-bernoulli"])
    v = np.random.default_rng(0).normal(size=(10, 2))
    w, b, c, gamma, _ = parameters(rbm)
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    history = rbm.fit(v, verbose=0).history
    error = ((v - (b + sigmoid(v @ w + c) @ w.T) / gamma) ** 2).sum(1).mean()
    np.testing.assert_allclose(history["reconstruction_error"], [error], rtol=1e-5)
    assert set(history) == {"loss", "reconstruction_error"}


# --- training


def bars_and_stripes(side: int = 4) -> np.ndarray:
    """The 2 (2^side - 1) pictures of whole rows or whole columns; all on and all off come once."""
    rows = np.repeat(binary_states(side), side, 1)
    columns = np.tile(binary_states(side), (1, side))
    return np.unique(np.concatenate([rows, columns]), axis=0)


def exact_log_likelihood(rbm: RBM, v: np.ndarray) -> float:
    """Mean log p(v), nats, with Z summed over the hidden states."""
    w, b, c, *_ = parameters(rbm)

    def log_sums(states: np.ndarray, own: np.ndarray, other: np.ndarray, w: np.ndarray) -> np.ndarray:
        return states @ own + np.logaddexp(0, states @ w + other).sum(1)

    return np.mean(log_sums(v, b, c, w)) - logsumexp(log_sums(binary_states(rbm.units), c, b, w.T))


def test_training_raises_the_exact_likelihood_of_bars_and_stripes():
    """From ln(2^-16) = -11.1 nats towards ln(1/30) = -3.4, the best there is."""
    v = bars_and_stripes()
    assert v.shape == (30, 16)
    rbm = RBM(12, sampler=samplers.PCD(num_steps=5, num_chains=100), seed=0)
    rbm.build((None, 16))
    start = exact_log_likelihood(rbm, v)
    rbm.compile(keras.optimizers.SGD(0.1))
    rbm.fit(np.tile(v, (40, 1)), batch_size=30, epochs=60, verbose=0)
    end = exact_log_likelihood(rbm, v)
    assert -11.2 < start < -10.9
    assert -4.5 < end < np.log(1 / 30)


# --- the same in every mode, and twice


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.few(1)
def test_a_step_is_the_same_in_every_mode(dtype):
    found = {}
    v, weights = binary_states(5)[5:12], np.array([1.0, 2.0, 0.0, 1.0, 1.0, 0.5, 1.0])
    for mode, options in MODES.items():
        rbm = random_rbm(sampler=Fixed(binary_states(5)[[3, 17]]), dtype=dtype)
        rbm.compile(keras.optimizers.SGD(0.5, momentum=0.5), steps_per_execution=1, **options)
        for _ in range(2):
            rbm.train_on_batch(v, np.zeros(7), sample_weight=weights)
        found[mode] = [x.numpy() for x in rbm.trainable_variables]
    for mode in ("graph", "xla"):
        for a, b in zip(found[mode], found["eager"], strict=True):
            assert_rounded(a, b, ulps=50)


@pytest.mark.parametrize("mode", MODES)
def test_training_steps_sample_the_same_distribution_in_every_mode(mode):
    rbm = random_rbm(sampler=samplers.PCD(num_steps=2, num_chains=40000), dtype="float32")
    exact = Exact(rbm)
    rbm.sampler.chains.assign(np.ones((40000, 5)))
    rbm.compile(keras.optimizers.SGD(0.0), steps_per_execution=1, **MODES[mode])
    rbm.train_on_batch(np.zeros((1, 5)))
    assert_frequencies(exact.index(rbm.sampler.chains), exact.transitions(np.ones((1, 5)), 2)[0])


@pytest.mark.parametrize(("sampler", "mode"), [("cd", "eager"), ("cd", "graph"), ("pcd", "xla")])
@pytest.mark.few(2)
def test_the_same_seed_gives_the_same_run(sampler, mode):
    def run(seed: int) -> list[np.ndarray]:
        keras.utils.set_random_seed(5)  # Keras shuffles arrays by it
        rbm = RBM(4, sampler=sampler, seed=seed)
        rbm.compile(keras.optimizers.SGD(0.1), **MODES[mode])
        rbm.fit(np.tile(binary_states(5), (2, 1)), batch_size=16, epochs=2, verbose=0)
        return rbm.get_weights()

    first, second = run(3), run(3)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    if mode == "eager":
        assert not np.array_equal(first[0], run(4)[0])


def test_the_seed_rules_samples_and_none_takes_one_from_python():
    v = np.full((50, 5), 0.5)

    def sample(seed: int | None) -> np.ndarray:
        return random_rbm(seed=seed).sample_h_from_v(v).numpy()

    assert np.array_equal(sample(1), sample(1))
    assert not np.array_equal(sample(1), sample(2))
    keras.utils.set_random_seed(0)
    first = sample(None)
    assert not np.array_equal(first, sample(None))
    keras.utils.set_random_seed(0)
    assert np.array_equal(first, sample(None))


def test_the_gradient_of_training_is_that_of_single_cases_averaged():
    """Weights and biases on one scale: a sum over the wrong axis would change their ratio."""
    rbm = random_rbm(centered=False)
    v = binary_states(5)[9:13]
    v_model = binary_states(5)[:4]
    ones = tf.ones(1, "float64")
    pairs = zip(tf.split(v, 4), tf.split(v_model, 4), strict=True)
    singles = [contrast(rbm, a, b, ones)[1] for a, b in pairs]
    whole = contrast(rbm, tf.constant(v), tf.constant(v_model), tf.ones(4, "float64"))[1]
    for i, (_, gradient) in enumerate(whole):
        assert_rounded(gradient, np.mean([single[i][1] for single in singles], 0))


def test_free_energies_keep_float32_under_half_precision():
    """Compiled: not every processor has products of bfloat16 otherwise."""
    rbm = random_rbm(dtype="mixed_bfloat16")
    exact = random_rbm(dtype="float32")
    v = binary_states(5)
    free_energy = tf.function(rbm.free_energy, jit_compile=True)(v)
    assert free_energy.dtype == tf.float32
    difference = free_energy - exact.free_energy(v)
    assert np.abs(difference).max() < 5 * 4 * 2**-8 * np.abs(exact.w_rec).max()  # weights rounded to 8 bits
    samples = tf.function(rbm.sample_h_from_v, jit_compile=True)(np.ones((20000, 5)))
    mean = tf.function(rbm.mean_h_from_v, jit_compile=True)(np.ones((1, 5)))[0]
    assert_means(samples, mean)
