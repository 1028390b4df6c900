"""Log-likelihoods of frames against all states of each frame's RBM."""

import functools
import warnings

import numpy as np
import pytest

from keras_rbm import likelihood, units
from keras_rbm.likelihood import frames as module
from tests.oracles.kinds import KINDS
from tests.oracles.sequences import (
    MASKS,
    MODELS,
    flat,
    frame_references,
    log_probs,
    padded,
    random_model,
    sequences,
    states_of,
    unrolled,
)
from tests.support.statistics import SIGMAS, assert_means, assert_rounded

#: Kinds of visible and hidden units; either side may be the one with fewer states.
PAIRS = [
    ("bernoulli", "bernoulli"),
    ("spin", "softmax"),
    ("softmax", "spin"),
    ("binomial", "discrete"),
    ("discrete", "bernoulli"),
    ("gaussian", "spin"),
    ("bernoulli", "gaussian"),
    ("mixed", "binomial"),
]

ANNEALED = [pair for pair in PAIRS if pair[0] not in ("spin", "discrete")]


def model_of(visible: str, hidden: str, scale: float = 0.5, name: str = "simple", **kwargs):
    """A random model of two of the kinds."""
    dtype = kwargs.get("dtype", "float64")
    sides = [KINDS[kind].make(dtype=dtype) for kind in (visible, hidden)]
    options = {"visible": sides[0], "hidden": sides[1], **kwargs}
    return random_model(name, KINDS[hidden].width, KINDS[visible].width, scale, **options)


def data_of(visible: str, number: int = 5, time: int = 4) -> np.ndarray:
    """Sequences of states; real units take moderate values."""
    rng = np.random.default_rng(3)
    states = states_of(visible, KINDS[visible].width)
    x = states[rng.integers(0, len(states), (number, time))]
    real = np.repeat([site.real for site in KINDS[visible].sites], [s.states.shape[1] for s in KINDS[visible].sites])
    return np.where(real, rng.normal(0, 1, x.shape), x)


def references_of(model, x, visible="bernoulli", hidden="bernoulli", mask=None):
    b, c = unrolled(model, x, mask)
    mask = np.ones(x.shape[:2], bool) if mask is None else mask
    return frame_references(model, b[mask], c[mask], visible, hidden)


def scored(*args, **kwargs):
    return likelihood.frame_log_likelihood(*args, **{"verbose": 0, **kwargs})


def annealed(monkeypatch, model, compiled: bool = False) -> None:
    """Nothing is enumerated; nothing is compiled either, unless asked for."""
    monkeypatch.setattr(module, "MAX_LOG2_STATES", -1)
    if not compiled:
        monkeypatch.setattr(model, "_as_function", lambda function, **_: functools.partial(function, model))


# --- exact


@pytest.mark.parametrize(("visible", "hidden"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
@pytest.mark.few(4)
def test_exact_likelihoods_are_sums_over_all_states(visible, hidden):
    model, x = model_of(visible, hidden), data_of(visible)
    found = scored(model, x)
    references = references_of(model, x, visible, hidden)
    assert np.ptp([r.log_z for r in references]) > 0.1
    expected = log_probs(references, flat(x))
    assert found.exact
    for figures in (found.per_frame_lower, found.per_frame_upper):
        np.testing.assert_allclose(figures, expected, rtol=0, atol=1e-9)
    np.testing.assert_allclose([found.lower, found.upper], expected.mean(), rtol=0, atol=1e-9)
    if visible == "bernoulli":
        means = np.stack([r.moments()[0] for r in references])
        both = (flat(x) * means).sum()
        np.testing.assert_allclose(found.accuracy, both / (flat(x).sum() + means.sum() - both), rtol=1e-9)
    else:
        assert found.accuracy is None


@pytest.mark.parametrize(("units", "width"), [(2, 5), (5, 2), (3, 3)])
def test_whichever_side_is_smaller(units, width):
    """Likelihood and expected accuracy; float32 parameters too."""
    for dtype, bound in (("float64", 1e-10), ("float32", 1e-5)):
        model, x = random_model("simple", units, width, dtype=dtype), sequences(width=width)
        references, found = references_of(model, x), scored(model, x)
        np.testing.assert_allclose(found.per_frame_lower, log_probs(references, flat(x)), rtol=0, atol=bound)
        means = np.stack([r.moments()[0] for r in references])
        both = (flat(x) * means).sum()
        np.testing.assert_allclose(found.accuracy, both / (flat(x).sum() + means.sum() - both), rtol=bound)


@pytest.mark.parametrize("name", MODELS)
def test_the_probabilities_of_all_sequences_sum_to_one(name):
    states = states_of("bernoulli", 3)
    pairs = np.stack(np.meshgrid(np.arange(8), np.arange(8), indexing="ij"), -1).reshape(-1, 2)
    found = scored(random_model(name), states[pairs]).per_frame_lower.reshape(64, 2)
    np.testing.assert_allclose(np.exp(found.sum(1)).sum(), 1, rtol=1e-10)
    assert np.ptp(np.exp(found).reshape(8, 8, 2)[..., 1].sum(1)) < 1e-10  # each frame alone, too
    assert np.ptp(found[:, 1].reshape(8, 8), 0).max() > 0.01  # and the past matters


@pytest.mark.parametrize("mask", MASKS)
def test_padding_has_no_figures(mask):
    model, real = random_model(), MASKS[mask]
    x = padded(sequences(time=7), real, np.nan)
    found = scored(model, x, real)
    assert found.per_frame_lower.shape == (real.sum(),)
    alone = [scored(model, row[own][None]).per_frame_lower for row, own in zip(x, real, strict=True)]
    assert_rounded(found.per_frame_lower, np.concatenate(alone))
    assert_rounded(found.lower, found.per_frame_lower.mean())


def test_parts_change_nothing(monkeypatch):
    """However few frames or sequences are looked at together."""
    model, real = random_model(), MASKS["right"]
    x = padded(sequences(time=7), real, 0)
    whole = scored(model, x, real)
    for name, value in (("_NUMBERS", 40), ("_SEQUENCES", 1), ("_SEQUENCES", 4)):
        with monkeypatch.context() as patch:
            patch.setattr(module, name, value)
            parts = scored(model, x, real)
        assert_rounded(parts.per_frame_lower, whole.per_frame_lower)
        assert_rounded(parts.accuracy, whole.accuracy)


def test_some_frames_are_some_of_all(monkeypatch):
    """Those that the seed draws, in their order, no padding among them; with the biases that all frames before set."""
    model, real = random_model(), MASKS["gaps"]
    x = padded(sequences(time=7), real, np.nan)
    whole = scored(model, x, real).per_frame_lower
    found = [scored(model, x, real, num_frames=8, seed=seed).per_frame_lower for seed in (0, 0, 1)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.array_equal(found[0], found[2])
    for some in found:
        assert some.shape == (8,)
        rest = iter(whole)
        assert all(any(abs(figure - next_one) < 1e-12 for next_one in rest) for figure in some)
    np.testing.assert_array_equal(scored(model, x, real, num_frames=10**6).per_frame_lower, whole)
    monkeypatch.setattr(module, "_SEQUENCES", 1)  # sequences without a chosen frame are passed over
    np.testing.assert_allclose(scored(model, x, real, num_frames=2).per_frame_lower.shape, (2,))


# --- annealed


@pytest.mark.parametrize(("visible", "hidden"), ANNEALED, ids=["-".join(pair) for pair in ANNEALED])
@pytest.mark.few(2)
def test_weights_of_annealing_are_unbiased(visible, hidden, monkeypatch):
    """Whatever the schedule, the mean of the weights is `Z` one way and `1 / Z` the other, in expectation: of hundreds
    of frames within 5 standard errors, at five temperatures. Chains that start in data have met the whole model."""
    model, x = model_of(visible, hidden, 0.4), data_of(visible, 80, 3)
    annealed(monkeypatch, model)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = scored(model, x, num_chains=10, num_temperatures=5, burn_in=30)
    assert not found.exact
    log_p = log_probs(references_of(model, x, visible, hidden), flat(x))
    forward, backward = log_p - found.per_frame_upper, found.per_frame_lower - log_p
    for errors in (forward, backward):
        assert 1e-3 < errors.std() < 0.5  # there is something to be seen
        assert_means(np.expm1(errors), 0)
    assert_rounded(found.upper, found.per_frame_upper.mean())
    assert_rounded(found.lower, found.per_frame_lower.mean())


def test_annealing_slowly_is_exact(monkeypatch):
    """Compiled, with the default counts: lower and upper close in on the truth, each frame's own."""
    model, real = random_model(dtype="float32"), MASKS["right"][:4]
    x = padded(sequences(4, 7), real, np.nan)
    exact = scored(model, x, real)
    key = np.array(model.rbm.stream.key)
    annealed(monkeypatch, model, compiled=True)
    monkeypatch.setattr(module, "_ROWS", 50)  # five frames at a time, the last part filled up
    found, again = (scored(model, x, real, num_chains=10) for _ in range(2))
    np.testing.assert_array_equal(found.per_frame_lower, again.per_frame_lower)
    np.testing.assert_array_equal(model.rbm.stream.key, key)
    for figures in (found.per_frame_lower, found.per_frame_upper):
        assert np.abs(figures - exact.per_frame_lower).max() < 0.1
        assert not np.array_equal(figures, exact.per_frame_lower)
    other = scored(model, x, real, num_chains=10, seed=1)
    assert not np.array_equal(found.per_frame_lower, other.per_frame_lower)
    assert abs(found.lower - exact.lower) < 0.02
    assert abs(found.upper - exact.upper) < 0.02
    # A mean over ten chains is off by 1/2 over their root at most, all units of a frame perhaps together.
    v, means = x[real], np.stack([r.moments()[0] for r in references_of(model, x, mask=real)])
    both, total = (v * means).sum(), v.sum() + means.sum()
    np.testing.assert_allclose(exact.accuracy, both / (total - both), rtol=1e-5)
    slopes = np.abs(total * v - both).sum(1) / (total - both) ** 2
    assert abs(found.accuracy - exact.accuracy) < SIGMAS * np.sqrt((slopes**2).sum()) / 2 / np.sqrt(10)
    assert found.per_frame_lower.shape == exact.per_frame_lower.shape == (real.sum(),)
    errors = np.sort(found.per_frame_lower - exact.per_frame_lower)
    assert np.diff(errors).min() > 1e-8, "each frame has chains of its own"


@pytest.mark.slow
def test_the_expected_accuracy_comes_from_the_chains_means(monkeypatch):
    model, x = random_model(scale=0.6), sequences(40)
    exact = scored(model, x).accuracy
    annealed(monkeypatch, model)
    found = [scored(model, x, num_chains=4, num_temperatures=5, burn_in=10, seed=s).accuracy for s in range(10)]
    assert_means(found, exact)


@pytest.mark.parametrize("way", ["visible", "hidden", "annealed"])
@pytest.mark.few(2)
def test_the_frame_accuracy_is_the_mean_over_frames_of_what_draws_share(way, monkeypatch):
    """Of draws from each frame's RBM, against its expectation over all states."""
    model, x = random_model(units=2 if way == "hidden" else 5, scale=0.6), sequences(20, 2)
    x[:12] = 0  # where nothing sounds, silence is right
    expected = []
    for reference, v in zip(references_of(model, x), flat(x), strict=True):
        most = np.maximum(v.sum(), reference.v.sum(1))
        expected.append(reference.p_v @ np.where(most, reference.v @ v / np.where(most, most, 1), 1))
    if way == "annealed":
        annealed(monkeypatch, model)
    options = {"num_chains": 40, "num_temperatures": 1, "burn_in": 10}
    assert_means([scored(model, x, seed=s, **options).frame_accuracy for s in range(10)], np.mean(expected))
    assert scored(model_of("spin", "softmax"), data_of("spin")).frame_accuracy is None


def test_figures_far_apart_are_warned_of(monkeypatch):
    model = random_model(units=6, width=8, scale=3.0)
    x = np.asarray(model.generate(5, num_sequences=20, num_steps=100))
    annealed(monkeypatch, model)
    with pytest.warns(UserWarning, match=r"differ by .* nats a frame, more than 0\.5.*Use more temperatures"):
        scored(model, x, num_chains=1, num_temperatures=1, burn_in=1)


def test_a_schedule_of_ones_own(monkeypatch):
    model, x = random_model(), sequences(3)
    annealed(monkeypatch, model)
    even, same = (
        scored(model, x, burn_in=5, **o) for o in ({"num_temperatures": 4}, {"betas": [0, 0.25, 0.5, 0.75, 1]})
    )
    np.testing.assert_array_equal(even.per_frame_lower, same.per_frame_lower)
    other = scored(model, x, burn_in=5, betas=[0, 0.9, 1])
    assert not np.array_equal(even.per_frame_lower, other.per_frame_lower)


def test_expected_accuracy_by_hand():
    v, mean = np.array([[1, 0, 1], [0, 0, 1]]), np.array([[0.5, 0.25, 1], [0, 0, 0.25]])
    # True positives 0.5 + 1 + 0.25; on in the data 3, in the prediction 2.
    assert module.expected_accuracy(v, mean) == 1.75 / (3 + 2 - 1.75)
    assert module.expected_accuracy(np.zeros((2, 3)), np.zeros((2, 3))) == 1.0


# --- bad input


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_chains": 0}, "`num_chains` must be a positive integer. Received: num_chains=0"),
        ({"num_temperatures": -1}, "`num_temperatures` must be a positive integer. Received: num_temperatures=-1"),
        ({"burn_in": 0.5}, "`burn_in` must be a positive integer. Received: burn_in=0.5"),
        ({"num_frames": 0}, "`num_frames` must be a positive integer. Received: num_frames=0"),
        ({"betas": [0.5, 1]}, "`betas` must start at 0 and end at 1. Received: 0.5 ... 1"),
        ({"betas": [0, 0.5, 0.5, 1]}, "`betas` must increase"),
        ({"seed": -1}, "`seed` must be an integer of at least 0"),
        ({"mask": np.ones((6, 3))}, r"A mask must have shape \(batch, time\), here \(6, 4\). Received: shape=\(6, 3\)"),
    ],
    ids=str,
)
def test_bad_arguments(options, message):
    with pytest.raises(ValueError, match=message):
        scored(random_model(), sequences(), **options)


def test_bad_data():
    model, x = random_model(), sequences()
    with pytest.raises(ValueError, match=r"Likelihoods are those of states. Received: a grey level.*binarized"):
        scored(model, x * 0.5)
    with pytest.raises(ValueError, match=r"\[0, 1\].*max=255.*Divide pixels"):
        scored(model, x * 255)
    with pytest.raises(ValueError, match=r"\(batch, time, 3\).*\(6, 4, 2\)"):
        scored(model, x[..., :2])
    # A grey level where no frame is scored does not matter; nor does one that is padding.
    real = np.ones((6, 4), bool)
    real[2, 1] = False
    assert np.isfinite(scored(model, np.where(real[..., None], x, 0.5), real).lower)


def test_models_that_have_no_such_likelihood():
    x = sequences()
    for model, name in ((random_model().rbm, "RBM"), (units.Bernoulli(), "Bernoulli"), (3, "int")):
        with pytest.raises(TypeError, match=f"Frames have likelihoods in an RNNRBM or an RTRBM. Received: {name}"):
            scored(model, x)
    with pytest.raises(TypeError, match="Frames have likelihoods in an RNNRBM or an RTRBM"):
        scored(type(random_model()), x)
    model = random_model()
    model.w_uv.assign(model.w_uv * np.nan)
    with pytest.raises(ValueError, match=r"Parameters must be finite. Received: .*w_uv with NaN"):
        scored(model, x)
    model = random_model(visible="gaussian", hidden="gaussian", kernel_constraint="max_norm")
    model.rbm.w_rec.assign(model.rbm.w_rec * 10)
    with pytest.raises(ValueError, match="The partition function diverges"):
        scored(model, x)


@pytest.mark.parametrize("name", ["ais", "log_likelihood", "exact_log_likelihood", "pseudo_log_likelihood"])
def test_other_likelihoods_are_not_for_sequences(name):
    with pytest.raises(TypeError, match=r"Received: RNNRBM"):
        getattr(likelihood, name)(random_model(), sequences())


def test_gaussian_sides_are_annealed():
    """Neither side can be listed: against the joint Gaussian."""
    model = random_model(scale=0.3, visible="gaussian", hidden="gaussian", kernel_constraint="max_norm")
    x = np.random.default_rng(0).normal(size=(30, 2, 3))
    b, c = (flat(biases) for biases in unrolled(model, x))
    w = np.asarray(model.rbm.w_rec)
    precision = np.block([[np.eye(3), -w], [-w.T, np.eye(2)]])
    linear = np.concatenate([b, c], 1)
    log_z = 2.5 * np.log(2 * np.pi) - np.linalg.slogdet(precision)[1] / 2
    log_z = log_z + np.einsum("ni,ij,nj->n", linear, np.linalg.inv(precision), linear) / 2
    v, fields = flat(x), flat(x) @ w + c
    own = (v * b).sum(1) - (v**2).sum(1) / 2 + (fields**2).sum(1) / 2 + np.log(2 * np.pi)
    found = scored(model, x, num_chains=20, num_temperatures=60, burn_in=30)
    assert not found.exact
    assert found.accuracy is None
    for errors in (own - log_z - found.per_frame_upper, found.per_frame_lower - own + log_z):
        assert_means(np.expm1(errors), 0)
