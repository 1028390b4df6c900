"""The RNN-RBM against the paper's equations, its likelihood's derivatives and Keras's own layers."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, RNNRBM, likelihood, samplers
from keras_rbm.likelihood.pseudo import one_flip
from keras_rbm.models.sequence import generator
from keras_rbm.models.sequence.forecast import Forecast
from keras_rbm.models.sequence.frame_rbms import FrameRBMs
from keras_rbm.training.faults import Batch
from tests.oracles.kinds import binary_states, index
from tests.oracles.machines import sigmoid
from tests.oracles.sequences import (
    MASKS,
    Given,
    flat,
    flipped,
    frame_references,
    gradients,
    log_probs,
    padded,
    random_model,
    sequences,
    states_of,
    unrolled,
)
from tests.support.eager import eager_functions
from tests.support.statistics import assert_frequencies, assert_rounded
from tests.support.steps import gradients_of

EAGER = {"run_eagerly": True}
FEW = ["simple", "stack", "rtrbm"]
#: Two frames that take turns.
CYCLE = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1]], "float32")


def parameters_of(model) -> list[np.ndarray]:
    return [np.array(variable) for variable in model.trainable_variables]


def cycles(number: int = 32, time: int = 8) -> np.ndarray:
    """Sequences ABAB... and BABA..., half each."""
    return CYCLE[(np.arange(time) + np.arange(number)[:, None]) % 2]


# --- biases


@pytest.mark.parametrize("mask", [None, *MASKS], ids=str)
@pytest.mark.parametrize("name", ["simple", "rtrbm"])
def test_biases_are_those_of_the_unrolled_equations(name, mask):
    model, x = random_model(name), sequences(time=7)
    real = np.ones((6, 7), bool) if mask is None else MASKS[mask]
    found = model.frame_biases(x) if mask is None else model.frame_biases(x, real)
    for a, b in zip(found, unrolled(model, x, real), strict=True):
        assert np.abs(b - b[:, :1]).max() > 0.1  # the past is felt
        assert_rounded(np.asarray(a)[real], b[real])


@pytest.mark.parametrize("name", ["lstm", "gru", "stack"])
def test_biases_follow_keras_layers(name):
    """Each layer run by itself, from the lowest up, its output a frame late."""
    model, x = random_model(name), sequences(time=7)
    u = tf.constant(x)
    for layer in model.recurrent:
        config = {**layer.get_config(), "return_state": False, "use_cudnn": False}
        config = {k: v for k, v in config.items() if k != "use_cudnn" or not isinstance(layer, keras.layers.SimpleRNN)}
        twin = type(layer).from_config(config)
        twin.build(u.shape)
        twin.set_weights(layer.get_weights())
        u = twin(u)
    before = np.concatenate([np.zeros((6, 1, u.shape[-1])), u[:, :-1]], 1)
    for found, bias, kernel in zip(
        model.frame_biases(x), (model.visible.bias, model.hidden.bias), (model.w_uv, model.w_uh), strict=True
    ):
        assert_rounded(found, np.asarray(bias) + before @ np.asarray(kernel))


def test_the_encoding_is_the_mean_of_hidden_units_in_each_frame():
    model, x = random_model(), sequences()
    _, c = unrolled(model, x)
    expected = sigmoid(x @ np.asarray(model.rbm.w_rec) + c)
    assert_rounded(model.encode(x), expected)
    assert_rounded(model(x), expected)


# --- frames' RBMs


def one_model(**kwargs):
    """A model, the RBMs of some frames, and their references."""
    model, x = random_model(**kwargs), sequences()
    b, c = unrolled(model, x)
    u = model._recur(tf.constant(x, model.state_dtype), None, model._blank(6))[0]
    return flat(x), model._frame_rbms(u), frame_references(model, flat(b), flat(c))


def test_free_energies_and_errors_are_those_of_each_frame():
    v, rbms, references = one_model()
    energies, errors = [], []
    for reference, row in zip(references, v, strict=True):
        field = reference.visible_field(sigmoid(reference.hidden_field(row)))
        errors.append((np.logaddexp(0, field) - row * field).sum())
        energies.append(reference.free_energy(row[None])[0])
    assert_rounded(rbms.free_energy(tf.constant(v)), energies)
    field = rbms.hidden_field(tf.constant(v))
    assert_rounded(rbms._reconstruction_error_of(tf.constant(v), field), errors)


class Site:
    """Draws that are always the same integer."""

    def __init__(self, site: int) -> None:
        self.site = site

    def integers(self, shape, high):
        assert high == 3
        return tf.fill(shape, self.site)


def test_the_pseudo_likelihood_looks_at_each_frames_own_conditionals():
    v, rbms, references = one_model()
    field = rbms.hidden_field(tf.constant(v))
    found = np.mean([one_flip(rbms, tf.constant(v), field, Site(i)) for i in range(3)], 0)
    expected = []
    for reference, row in zip(references, v, strict=True):
        others = np.repeat(row[None], 3, 0)
        others[np.arange(3), np.arange(3)] = 1 - row
        p, q = (-reference.free_energy(x) for x in (row[None], others))
        expected.append((p - np.logaddexp(p, q)).sum())
    assert_rounded(found, expected)


def test_contrastive_divergence_leaves_each_frames_distribution_as_it_is():
    """From exact draws, sweeps with biases of each row's own give exact draws."""
    references = one_model(dtype="float32")[2]
    number, some = 8000, [1, 6, 15]
    biases = [np.repeat(np.stack([getattr(references[i].parameters, side) for i in some]), number, 0) for side in "bc"]
    machine = FrameRBMs(random_model(dtype="float32").rbm, *(tf.constant(x, tf.float32) for x in biases))
    start = np.concatenate([references[i].draw(number, i) for i in some]).astype("float32")
    found = samplers.CD(2).negative_phase(machine, tf.constant(start), tf.ones(len(start)))
    assert np.any(found.v != start, 1).mean() > 0.3
    for place, i in enumerate(some):
        rows = found.v[place * number : (place + 1) * number]
        assert_frequencies(index(references[i].v, rows), references[i].p_v)


# --- learning


def negative_log_likelihood(model, x, mask) -> float:
    """`-log p(v_t | past)`, a mean over all real frames, by enumeration."""
    b, c = (biases[mask] for biases in unrolled(model, x, mask))
    return -log_probs(frame_references(model, b, c), x[mask]).mean()


@pytest.mark.parametrize("mask", [None, "gaps"], ids=str)
@pytest.mark.parametrize("name", ["simple", "rtrbm"])
@pytest.mark.few(2)
def test_the_gradient_through_time_is_that_of_the_enumerated_likelihood(name, mask):
    """`_gradients` itself, with exact negative phases: each sequence is there once for each visible state `s`, which is
    its sample at all frames, and counts `p(s | past)` there. So the weighted mean of `F(v_t) - F(s)` is that of
    `F(v_t) - E[F]`, and its gradient must be the derivative of the log-likelihood, by finite differences, in every
    parameter."""
    states = states_of("bernoulli", 3)
    x = sequences(time=7)
    real = np.ones((6, 7), bool) if mask is None else MASKS[mask]
    model = random_model(name, sampler=Given(lambda machine, v: np.tile(np.repeat(states, 7, 0), (6, 1))))
    b, c = unrolled(model, x, real)
    p = np.stack([r.p_v for r in frame_references(model, flat(b), flat(c))]).reshape(6, 7, 8)
    weights = (p * real[..., None]).transpose(0, 2, 1).reshape(48, 7)
    found = gradients(model, np.repeat(x, 8, 0), weights)
    assert len(found) == len(model.trainable_variables) == (5 if name == "rtrbm" else 8)
    for variable in model.trainable_variables:
        value, step = np.array(variable), 1e-5
        numeric = np.zeros_like(value)
        for place in np.ndindex(value.shape):
            sides = []
            for sign in (1, -1):
                moved = value.copy()
                moved[place] += sign * step
                variable.assign(moved)
                sides.append(negative_log_likelihood(model, x, real))
            numeric[place] = (sides[0] - sides[1]) / (2 * step)
        variable.assign(value)
        assert np.abs(numeric).max() > 1e-3, variable.path
        # Central differences: an error of step^2, and roundings over the step.
        np.testing.assert_allclose(found[variable.path], numeric, rtol=0, atol=2e-9, err_msg=variable.path)


def test_no_gradient_goes_through_the_samples():
    """Samples that depend on the parameters are constants all the same."""
    x, kept = sequences(), []

    def biases(machine, v):
        kept.append(tf.sigmoid(machine.visible_bias))
        return kept[-1]

    found = gradients(random_model(sampler=Given(biases)), x, np.ones((6, 4)))
    fixed = np.array(kept[0])
    expected = gradients(random_model(sampler=Given(lambda machine, v: fixed)), x, np.ones((6, 4)))
    for a, b in zip(found.values(), expected.values(), strict=True):
        assert_rounded(a, b)


def few_masks() -> list:
    """Each of the few recurrences and each mask; of the other pairs most are slow."""
    quick = {("simple", mask) for mask in MASKS} | {("stack", "gaps"), ("rtrbm", "left")}
    pairs = itertools.product(FEW, MASKS)
    return [pytest.param(*pair, marks=() if pair in quick else pytest.mark.slow) for pair in pairs]


@pytest.mark.parametrize(("name", "mask"), few_masks())
@pytest.mark.few(2)
def test_padding_changes_nothing(name, mask):
    """Each padded sequence is the one without its padding: biases, encodings, losses and what they teach."""
    model, real = random_model(name, sampler=Given(flipped)), MASKS[mask]
    x = padded(sequences(time=7), real, 77.0 if mask == "left" else np.nan)
    b, c = model.frame_biases(x, real)
    h = model.encode(x, real)
    v, weights = model._unpack((x, real))[:2]
    np.testing.assert_array_equal(weights, real)
    lesson = gradients_of(model, v, weights)
    total = None
    for row, own in enumerate(real):
        alone = x[row, own][None]
        for found, expected in zip((b, c), model.frame_biases(alone), strict=True):
            assert_rounded(np.asarray(found)[row, own], expected[0])
        assert_rounded(np.asarray(h)[row, own], model.encode(alone)[0])
        single = gradients_of(model, tf.constant(alone), tf.ones(alone.shape[:2], tf.float64))
        for key in ("loss", "reconstruction_error"):
            assert_rounded(np.asarray(lesson.all_values[key])[row, own], single.all_values[key][0])
        parts = [np.asarray(gradient) * own.sum() / real.sum() for _, gradient in single.gradients]
        total = parts if total is None else [a + b for a, b in zip(total, parts, strict=True)]
    for (_, gradient), expected in zip(lesson.gradients, total, strict=True):
        assert_rounded(gradient, expected)


def test_fit_does_not_see_padding():
    """Through Keras's data adapters, by whichever name and as arrays or streams."""
    real, results = MASKS["gaps"], []
    for x in (padded(sequences(time=7), real, padding) for padding in (0, np.nan, 77)):
        for data, options in (
            ((x, real), {}),
            ((x,), {"mask": real}),
            ((tf.data.Dataset.from_tensors((x, real)),), {}),
            ((tf.data.Dataset.from_tensors((x, real, np.ones(6))),), {}),
        ):
            model = random_model(sampler=Given(flipped))
            model.compile(keras.optimizers.SGD(0.5), **EAGER)
            history = model.fit(*data, **options, verbose=0).history
            results.append((history["loss"], history["reconstruction_error"], *parameters_of(model)))
    first, *others = results
    start = parameters_of(random_model())
    assert all(not np.array_equal(a, b) for a, b in zip(first[2:], start, strict=True))
    for other in others:
        np.testing.assert_allclose(first[:2], other[:2], rtol=1e-5)  # Keras keeps means in float32
        for a, b in zip(first[2:], other[2:], strict=True):
            assert_rounded(a, b)


def test_logs_are_means_over_real_frames():
    model, real = random_model(sampler=Given(flipped)), MASKS["right"]
    x = sequences(time=7)
    b, c = unrolled(model, x, real)
    references = frame_references(model, b[real], c[real])
    losses = [
        float(r.free_energy(v[None])[0] - r.free_energy(1 - v[None, ::-1])[0])
        for r, v in zip(references, x[real], strict=True)
    ]
    model.compile(**EAGER)
    found = model.evaluate(x, real, batch_size=4, verbose=0, return_dict=True)
    np.testing.assert_allclose(found["loss"], np.mean(losses), rtol=1e-5)
    assert set(found) == {"loss", "reconstruction_error", "pseudo_log_likelihood"}


@pytest.mark.parametrize("stream", [False, True], ids=["array", "stream"])
def test_a_weight_of_two_is_a_sequence_twice(stream):
    x, real, weights = sequences(time=7), MASKS["right"], np.array([1, 2, 0, 1, 3, 1])
    rows = np.repeat(np.arange(6), weights)
    found = []
    for data in ((x, real, weights), (x[rows], real[rows], np.ones(len(rows)))):
        model = random_model(sampler=Given(flipped))
        model.compile(keras.optimizers.SGD(0.5), **EAGER)
        if stream:
            model.fit(tf.data.Dataset.from_tensors(data), verbose=0)
        else:
            model.train_on_batch(data[0], data[1], sample_weight=data[2])
        found.append(parameters_of(model))
    for a, b in zip(*found, strict=True):
        assert_rounded(a, b)
    assert not np.allclose(found[0][0], parameters_of(random_model())[0])


# --- a sequence of one frame is an RBM


def twin_rbm(model, **kwargs) -> RBM:
    rbm = RBM(model.units, centered=False, dtype=model.dtype_policy, sampler=samplers.CD(3), seed=0, **kwargs)
    rbm.build((None, model.visible.width))
    for a, b in (
        (rbm.w_rec, model.rbm.w_rec),
        (rbm.visible.bias, model.visible.bias),
        (rbm.hidden.bias, model.hidden.bias),
        (rbm.stream.key, model.rbm.stream.key),
    ):
        a.assign(b)
    return rbm


@pytest.mark.parametrize("name", ["simple", "rtrbm"])
def test_one_frame_is_an_rbm(name):
    """Its likelihood, and a step of contrastive divergence from the same random key."""
    model = random_model(name, sampler=samplers.CD(3))
    rbm, v = twin_rbm(model), binary_states(3)
    found = likelihood.frame_log_likelihood(model, v[:, None], verbose=0)
    assert found.exact
    assert_rounded(found.per_frame_lower, likelihood.exact_log_likelihood(rbm, v))
    logs = []
    for machine, x in ((model, v[:, None]), (rbm, v)):
        machine.compile(keras.optimizers.SGD(0.5), **EAGER)
        logs += [machine.train_on_batch(x, return_dict=True) for _ in range(3)]
    assert_rounded(model.rbm.w_rec, rbm.w_rec)
    assert_rounded(model.visible.bias, rbm.visible.bias)
    assert_rounded(model.hidden.bias, rbm.hidden.bias)
    assert logs[2].keys() == logs[5].keys()
    for key, value in logs[2].items():
        np.testing.assert_allclose(value, logs[5][key], rtol=1e-6)
    # What comes from the past alone has nothing to learn.
    fresh = random_model(name)
    np.testing.assert_array_equal(model.w_uv, fresh.w_uv)


# --- samples


class Counting(RNNRBM):
    """Counts how often its step is traced."""

    traces = 0

    def _gradients(self, batch):
        type(self).traces += 1
        return super()._gradients(batch)


class Trained:
    """A model of two frames that take turns, trained with the default settings: XLA."""

    def __init__(self) -> None:
        self.model = Counting(8, 6, sampler=samplers.CD(2), seed=3)
        self.model.build((None, None, 6))
        self.before = likelihood.frame_log_likelihood(self.model, cycles(), verbose=0)
        falling = keras.optimizers.schedules.PolynomialDecay(0.03, 300, 0.0)
        self.model.compile(keras.optimizers.Adam(falling, clipnorm=1.0))
        self.logs = self.model.fit(cycles(160), batch_size=16, epochs=30, verbose=0).history
        self.after = likelihood.frame_log_likelihood(self.model, cycles(), verbose=0)


@pytest.fixture(scope="module")
def trained() -> Trained:
    keras.utils.set_random_seed(1234)
    return Trained()


def test_it_learns_a_cycle(trained):
    """The first frame costs a bit, all others next to nothing."""
    assert trained.before.exact
    assert abs(trained.before.lower + 6 * np.log(2)) < 0.05
    per_frame = trained.after.per_frame_lower.reshape(32, 8)
    assert np.abs(per_frame[:, 0] + np.log(2)).max() < 0.35
    assert per_frame[:, 1:].min() > -0.2
    # 3 units of 6 are on in each frame, half of the first one's are guessed.
    assert abs(trained.after.accuracy - 22.5 / 25.5) < 0.02
    assert trained.logs["pseudo_log_likelihood"][-1] > trained.logs["pseudo_log_likelihood"][0] + 1
    assert trained.logs["reconstruction_error"][-1] < 0.5 < trained.logs["reconstruction_error"][0]


def test_epochs_trace_once(trained):
    assert Counting.traces == 1


def test_generated_frames_take_turns(trained):
    model = trained.model
    frames = np.asarray(model.generate(10, num_sequences=200))
    assert frames.shape == (200, 10, 6)
    assert set(np.unique(frames)) == {0.0, 1.0}
    assert (frames[:, 1:] == 1 - frames[:, :-1]).mean() > 0.95
    for phase in (0, 1):
        primed = np.asarray(model.generate(7, prime=cycles(2, 3)[phase], num_sequences=50))
        np.testing.assert_array_equal(primed[:, :3], np.repeat(cycles(2, 3)[phase][None], 50, 0))
        assert (primed == cycles(2, 7)[phase]).mean() > 0.95
    primes = cycles(6, 3)
    found = np.asarray(model.generate(7, prime=primes, num_sequences=6))
    np.testing.assert_array_equal(found[:, :3], primes)
    assert (found == cycles(6, 7)).mean() > 0.95


def test_other_lengths_are_no_new_traces(trained):
    function = trained.model._as_function(generator._generate)
    trained.model.generate(3, num_sequences=5)
    before = function.experimental_get_tracing_count()
    found = [trained.model.generate(n, num_sequences=5, num_steps=n).shape for n in (1, 4, 9)]
    assert found == [(5, n, 6) for n in (1, 4, 9)]
    assert function.experimental_get_tracing_count() == before


def frames_exact(model):
    """All sequences of two frames, `(pairs, 2, visible)`, and the log-probability of each frame, `(pairs, 2)`."""
    states = states_of("bernoulli", model.visible.width)
    first, second = np.meshgrid(np.arange(len(states)), np.arange(len(states)), indexing="ij")
    x = np.stack([states[first.ravel()], states[second.ravel()]], 1)
    b, c = unrolled(model, x)
    return x, log_probs(frame_references(model, flat(b), flat(c)), flat(x)).reshape(-1, 2)


def pair_index(x) -> np.ndarray:
    states, x = states_of("bernoulli", 3), np.asarray(x)
    return index(states, x[:, 0]) * 8 + index(states, x[:, 1])


@pytest.mark.parametrize("name", ["simple", "rtrbm"])
def test_generated_sequences_have_the_models_distribution(name):
    model = random_model(name, scale=0.7, dtype="float32")
    x, log_p = frames_exact(model)
    np.testing.assert_array_equal(pair_index(x), np.arange(64))
    assert_frequencies(pair_index(model.generate(2, num_sequences=20000)), np.exp(log_p.sum(1)))


@pytest.mark.parametrize("name", ["simple", "rtrbm"])
def test_held_units_stay_and_the_others_have_their_conditional_distribution(name):
    """Each frame's, given the past and what is held in it: a clamp in the second frame tells nothing of the first."""
    model = random_model(name, scale=0.7, dtype="float32")
    clamp = np.array([[True, False, False], [False, False, True]])
    values = np.array([[1, np.nan, np.nan], [np.nan, np.nan, 0]])
    x, log_p = frames_exact(model)
    p = np.exp(log_p).reshape(8, 8, 2)
    held = ((x == values) | ~clamp).all(-1).reshape(8, 8, 2)
    p = np.where(held, p, 0)
    first = p[:, 0, 0] / p[:, 0, 0].sum()
    second = p[..., 1] / p[..., 1].sum(1, keepdims=True)
    found = np.asarray(model.generate(2, num_sequences=20000, clamp=clamp, values=values))
    np.testing.assert_array_equal(found[:, 0, 0], 1)
    np.testing.assert_array_equal(found[:, 1, 2], 0)
    assert_frequencies(pair_index(found), (first[:, None] * second).ravel())


def test_clamps_count_the_frames_of_the_prime():
    """Clamp values are those of their own time, after a prime too; each sequence may have its own."""
    model = random_model(dtype="float32")
    values = sequences(4, 6)
    clamp = np.zeros((4, 6, 3), bool)
    clamp[:, 1::2, :2] = True
    found = np.asarray(model.generate(6, prime=1 - values[:, :2], num_sequences=4, clamp=clamp, values=values))
    np.testing.assert_array_equal(found[:, :2], 1 - values[:, :2])
    np.testing.assert_array_equal(found[:, 2:][clamp[:, 2:]], values[:, 2:][clamp[:, 2:]])
    assert not np.array_equal(found[:, 2:], values[:, 2:])


def assert_same_memory(a, b) -> None:
    for x, y in zip(tf.nest.flatten(a), tf.nest.flatten(b), strict=True):
        assert_rounded(x, y)


@pytest.mark.parametrize("name", FEW)
def test_generation_goes_on_from_its_memory(name):
    """Four frames and six more are ten, from the same random key."""
    model = random_model(name, dtype="float32")
    key = np.array(model.rbm.stream.key)
    whole, end = model.generate(10, num_sequences=3, num_steps=2, return_memory=True)
    model.rbm.stream.key.assign(key)
    first, memory = model.generate(4, num_sequences=3, num_steps=2, return_memory=True)
    second, after = model.generate(6, num_sequences=3, num_steps=2, memory=memory, return_memory=True)
    np.testing.assert_array_equal(np.concatenate([first, second], 1), whole)
    assert_same_memory(after, end)
    # What was generated has been heard; and a prime is heard after what was there before.
    assert_same_memory(model.memory_after(whole), end)
    assert_same_memory(model.memory_after(second, memory=memory), end)
    model.rbm.stream.key.assign(key)
    primed, heard = model.generate(8, prime=second, num_sequences=3, memory=memory, return_memory=True)
    model.rbm.stream.key.assign(key)
    more, expected = model.generate(2, num_sequences=3, memory=end, return_memory=True)
    np.testing.assert_array_equal(primed, np.concatenate([second, more], 1))
    assert_same_memory(heard, expected)
    b, c = (np.asarray(x)[:, 4:] for x in model.frame_biases(whole))
    for found, expected in zip(model._biases(memory.output), (b, c), strict=True):
        assert_rounded(found, expected[:, 0])


@pytest.mark.parametrize(("name", "mask"), few_masks())
@pytest.mark.few(2)
def test_listening_in_two_parts_is_listening_to_the_whole(name, mask):
    """Also where a sequence has no frame in one of the parts, and what is padding is anything."""
    model, real = random_model(name), MASKS[mask]
    x = padded(sequences(time=7), real, np.nan)
    whole = model.memory_after(x, real)
    first = model.memory_after(x[:, :3], real[:, :3])
    assert_same_memory(model.memory_after(x[:, 3:], real[:, 3:], first), whole)
    # The biases of the second part's frames are those that the whole has there.
    v, mask = model._as_sequences(x, real)
    before = np.asarray(model._recur(v, mask, model._blank(6))[0])
    found = np.asarray(model._recur(v[:, 3:], mask[:, 3:], first)[0])
    assert_rounded(found[real[:, 3:]], before[:, 3:][real[:, 3:]])
    for row, own in enumerate(real):
        alone = model.memory_after(x[row, own][None])
        assert_rounded(whole.output[row], alone.output[0])


# --- pretraining


def test_the_forecast_is_the_cross_entropy_of_the_biases_alone():
    """And its gradient reaches `w_uv` and the recurrence: by finite differences."""
    model, x, real = random_model(), sequences(time=7), MASKS["gaps"]
    learner, weights = (
        Forecast(model, [model.w_uv, *model._recurrent_variables]),
        tf.constant(MASKS["gaps"], tf.float64),
    )

    def loss() -> float:
        b = unrolled(model, x, real)[0][real]
        return float((np.logaddexp(0, b) - x[real] * b).sum() / real.sum())

    lesson = gradients_of(learner, tf.constant(x), weights)
    np.testing.assert_allclose(np.sum(lesson.values["loss"] * weights) / real.sum(), loss(), rtol=1e-12)
    assert [variable.path for variable, _ in lesson.gradients] == [
        variable.path for variable in (model.w_uv, *model._recurrent_variables)
    ]
    for variable, gradient in lesson.gradients:
        value, place = np.array(variable), (0,) * len(variable.shape)
        ends = []
        for step in (1e-5, -1e-5):
            moved = value.copy()
            moved[place] += step
            variable.assign(moved)
            ends.append(loss())
        variable.assign(value)
        np.testing.assert_allclose(gradient[place], (ends[0] - ends[1]) / 2e-5, rtol=0, atol=2e-9)
        assert abs(gradient[place]) > 1e-4


def test_pretraining_is_of_the_rbm_and_then_of_the_recurrence():
    """The second stage leaves the RBM as the first one left it, and neither looks at padding."""
    x = np.concatenate([cycles(), np.full((32, 2, 6), 77, "float32")], 1)
    mask = np.arange(10) < np.repeat([8, 6], 16)[:, None]
    model, stages = RNNRBM(4, 3, seed=0), []
    model.build((None, None, 6))
    fresh = [np.array(variable) for variable in (model.w_uv, *model._recurrent_variables)]

    class Stage(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            recurrence = [model.w_uv, *model._recurrent_variables]
            stages.append(
                [[np.array(x) for x in part] for part in ([*model.rbm.trainable_variables, model.w_uh], recurrence)]
            )

    p = (x[mask].sum(0) + 0.5) / (mask.sum() + 1)  # it starts from the means of real frames
    options = {"optimizer": keras.optimizers.Adam(0.05), "verbose": 0, "callbacks": [Stage()]}
    with eager_functions():
        rbm, recurrence = model.pretrain(x, mask, epochs=2, recurrent_epochs=12, **options)
    for before, now in zip(fresh, stages[1][1], strict=True):
        np.testing.assert_array_equal(now, before)
    assert_rounded(stages[0][0][1], np.log(p / (1 - p)).astype("float32"), 10)
    changed = [not np.array_equal(a, b) for a, b in zip(stages[0][0], stages[1][0], strict=True)]
    assert changed == [True] * 3 + [False]
    for before, now in zip(stages[1][0], [*model.rbm.trainable_variables, model.w_uh], strict=True):
        np.testing.assert_array_equal(now, before)
    losses = recurrence.history["loss"]
    assert 3.5 < losses[0] < 6 * np.log(2) + 0.1
    # The first of 7 frames has nothing to go by, and costs 6 bits.
    assert losses[-1] < 0.5 * losses[0]
    assert len(rbm.history["loss"]) == 2
    np.testing.assert_allclose(rbm.params["steps"], np.ceil(mask.sum() / 100))


# --- fit


@pytest.mark.parametrize("form", ["array", "split", "stream", "generator"])
def test_ways_to_give_data(form):
    x, real = sequences(8), np.ones((8, 4), bool)
    model = random_model()
    model.compile("sgd", **EAGER)
    stream = tf.data.Dataset.from_tensor_slices((x, real)).batch(4)
    names = {"loss", "reconstruction_error", "pseudo_log_likelihood"}
    if form == "array":
        logs = model.fit(x, validation_data=(x, real), verbose=0).history
    elif form == "split":
        logs = model.fit(x, real, validation_split=0.25, verbose=0).history
    elif form == "stream":
        logs = model.fit(tf.data.Dataset.from_tensor_slices(x).batch(3), validation_data=stream, verbose=0).history
    else:
        logs = model.fit(((x, real, np.ones(8)) for _ in range(2)), steps_per_epoch=2, validation_data=x, verbose=0)
        logs = logs.history
    assert set(logs) == names | {f"val_{name}" for name in names}
    assert np.isfinite(list(logs.values())).all()


def test_a_stream_of_unknown_shape():
    """As an RBM takes one."""
    batches = tf.data.Dataset.from_generator(lambda: iter([sequences(4)] * 2), output_types=tf.float64)
    model = random_model()
    model.compile("sgd", jit_compile=False)
    assert np.isfinite(model.fit(batches, verbose=0, steps_per_epoch=2).history["loss"]).all()


@pytest.mark.parametrize("clip", [{"clipnorm": 1e-3}, {"global_clipnorm": 1e-3}], ids=str)
def test_gradients_are_clipped(clip):
    model = random_model(sampler=Given(flipped))
    before = parameters_of(model)
    model.compile(keras.optimizers.SGD(1.0, **clip), **EAGER)
    model.train_on_batch(sequences())
    steps = [np.linalg.norm(np.array(a) - b) for a, b in zip(model.trainable_variables, before, strict=True)]
    if "clipnorm" in clip:
        np.testing.assert_allclose(steps, 1e-3, rtol=1e-6)
    else:
        np.testing.assert_allclose(np.linalg.norm(steps), 1e-3, rtol=1e-6)


def test_penalties_and_constraints_reach_the_weights():
    """Of the RBM's kernel and of the recurrent layers."""
    recurrent = keras.layers.SimpleRNN(2, kernel_regularizer=keras.regularizers.L2(0.5), dtype="float64")
    options = {"kernel_regularizer": keras.regularizers.L2(0.25), "sampler": Given(lambda machine, v: v)}
    model = RNNRBM(2, recurrent, seed=0, dtype="float64", **options)
    model.build((None, None, 3))
    w, kernel = np.array(model.rbm.w_rec), np.array(recurrent.cell.kernel)
    model.compile(keras.optimizers.SGD(0.125), **EAGER)
    model.train_on_batch(sequences())  # samples that are the data teach nothing
    assert_rounded(model.rbm.w_rec, w * (1 - 0.125 * 2 * 0.25))
    assert_rounded(recurrent.cell.kernel, kernel * (1 - 0.125 * 2 * 0.5))


def test_dropout_is_of_training_alone():
    recurrent = keras.layers.SimpleRNN(4, dropout=0.5, recurrent_dropout=0.5, seed=0, dtype="float64")
    model = RNNRBM(2, recurrent, seed=0, dtype="float64", sampler=Given(flipped))
    model.build((None, None, 3))
    for variable in model.trainable_variables:
        variable.assign(np.random.default_rng(1).normal(size=variable.shape))
    x = sequences()
    one, two = (tf.constant(a, tf.float64) for a in (x, np.ones((6, 4))))
    taught, again = (np.asarray(gradients_of(model, one, two).values["loss"]) for _ in range(2))
    examined, same = (np.asarray(model._validation_values(Batch(one, two, mask=two > 0))["loss"]) for _ in range(2))
    np.testing.assert_array_equal(examined, same)
    assert not np.array_equal(taught, again)
    np.testing.assert_array_equal(model.frame_biases(x)[0], model.frame_biases(x)[0])
