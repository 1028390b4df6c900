"""What the figures cannot be asked of, and what they say then."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, likelihood, samplers
from keras_rbm.likelihood import exact as exact_module
from tests.oracles.kinds import binary_states
from tests.oracles.machines import gaussian_rbm, random_dbn, random_rbm
from tests.support.modes import uncompiled

X = binary_states(5)
QUICK = {"num_chains": 3, "num_temperatures": 2, "verbose": 0}

#: All that can be asked of a model, and of data, with few chains.
QUESTIONS = {
    "exact_log_partition": lambda model, x: likelihood.exact_log_partition(model),
    "ais": lambda model, x: likelihood.ais(model, x, **QUICK),
    "reverse_ais": lambda model, x: likelihood.reverse_ais(model, x, **QUICK, burn_in=1),
    "log_likelihood": lambda model, x: likelihood.log_likelihood(model, x, **QUICK),
    "pseudo_log_likelihood": lambda model, x: likelihood.pseudo_log_likelihood(model, x),
    "exact pseudo_log_likelihood": lambda model, x: likelihood.pseudo_log_likelihood(model, x, exact=True),
}
ANNEALED = {
    "ais": likelihood.ais,
    "reverse_ais": likelihood.reverse_ais,
    "log_likelihood": lambda model, **options: likelihood.log_likelihood(model, X, **options),
}


@functools.cache
def machine() -> RBM:
    return uncompiled(random_rbm())


@pytest.fixture
def not_enumerable(monkeypatch) -> None:
    """More than two states are too many to enumerate."""
    monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[20, 2] = value
    return x


def dataset(x: np.ndarray) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(x).batch(8)


# --- models


@pytest.mark.parametrize("model", [RBM(3), DBN([3, 2])], ids=["rbm", "dbn"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_models_that_are_not_built(question, model):
    with pytest.raises(ValueError, match=r"must be built before it is scored\. Fit it, adapt it or call it"):
        QUESTIONS[question](model, X)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["w_rec", "visible", "hidden"])
@pytest.mark.parametrize("question", QUESTIONS)
def test_parameters_that_are_not_finite(question, name, value):
    rbm = random_rbm()
    weight = rbm.w_rec if name == "w_rec" else getattr(rbm, name).bias
    weight.assign(np.where(np.arange(weight.shape[-1]) == 1, value, 0.5) * np.ones(weight.shape))
    message = rf"must be finite\. Received: {re.escape(weight.path)} with NaN or infinity\. Train the model again"
    with pytest.raises(ValueError, match=message):
        QUESTIONS[question](rbm, X)


@pytest.mark.parametrize("question", list(QUESTIONS)[:4])
def test_parameters_of_any_layer_that_are_not_finite(question):
    dbn = random_dbn((4, 3), num_visible=5)
    dbn.rbms[0]._w_gen.assign(np.full((4, 5), np.nan))
    with pytest.raises(ValueError, match=r"must be finite\. Received: .*w_gen"):
        QUESTIONS[question](dbn, X)


@pytest.mark.parametrize("question", QUESTIONS)
def test_frozen_parameters_are_looked_at_too(question):
    rbm = random_rbm()
    rbm.w_rec.assign(np.full((5, 4), np.nan))
    rbm.trainable = False
    with pytest.raises(ValueError, match=r"must be finite\. Received: .*w_rec"):
        QUESTIONS[question](rbm, X)


@pytest.mark.parametrize("question", QUESTIONS)
def test_weights_that_are_not_tied(question):
    rbm = RBM(4, tied=False)
    rbm.build((None, 5))
    with pytest.raises(ValueError, match=r"has no likelihood\. Received: tied=False\. Use a tied RBM"):
        QUESTIONS[question](rbm, X)


@pytest.mark.parametrize("model", [keras.Sequential([keras.layers.Dense(3)]), None, np.zeros((3, 3))])
@pytest.mark.parametrize("question", QUESTIONS)
def test_things_that_are_no_machines(question, model):
    name = type(model).__name__
    with pytest.raises(TypeError, match=rf"those of an RBM, a DBN or a DBM\. Received: {name}"):
        QUESTIONS[question](model, X)


@pytest.mark.parametrize("question", QUESTIONS)
def test_layers_of_a_dbn_are_no_rbms_but_its_top_is(question):
    dbn = random_dbn((4, 3), num_visible=5)
    with pytest.raises(ValueError, match=r"score the DBN that it belongs to"):
        QUESTIONS[question](dbn.rbms[0], X)
    QUESTIONS[question](uncompiled(dbn.top), binary_states(4))


def test_too_many_states_to_enumerate():
    """The message gives the size of the smaller side, and what to do."""
    message = (
        r"At most 2\^20 .*Received: 2\^22 joint states on the smaller side of {} units.*likelihood\.ais and .*reverse"
    )
    for num_visible, num_hidden in ((25, 22), (22, 25)):
        rbm = random_rbm(num_visible=num_visible, num_hidden=num_hidden)
        with pytest.raises(ValueError, match=message.format(f"{num_visible}-{num_hidden}")):
            likelihood.exact_log_partition(rbm)
        with pytest.raises(ValueError, match=message.format(f"{num_visible}-{num_hidden}")):
            exact_module.exact_draws(rbm, 3, 0)
    rbm = random_rbm("gaussian", 2, "bernoulli", 21)
    with pytest.raises(ValueError, match=r"Received: 2\^21 joint states on the smaller side of 2-21 units"):
        likelihood.exact_log_partition(rbm)


def test_a_large_model_needs_data_to_start_from():
    rbm = uncompiled(random_rbm(num_visible=25, num_hidden=22))
    with pytest.raises(ValueError, match=r"No side .*can be enumerated.*needs training data.*Received: data=None"):
        likelihood.reverse_ais(rbm, **QUICK)
    assert likelihood.ais(rbm, **QUICK).kind == "lower bound"


@pytest.mark.parametrize("question", list(QUESTIONS)[:4])
def test_gaussian_units_on_both_sides_with_too_large_weights(question):
    """There is no partition function to estimate either."""
    rbm = gaussian_rbm(2, 1)
    rbm.w_rec.assign(np.array([[5.0], [5.0]]))
    with pytest.raises(ValueError, match=r"partition function diverges.*Received: a smallest eigenvalue of -"):
        QUESTIONS[question](rbm, np.zeros((3, 2)))


# --- numbers

COUNTS = {"ais": ("num_chains", "num_temperatures")}
COUNTS["reverse_ais"] = (*COUNTS["ais"], "burn_in")
COUNTS["log_likelihood"] = (*COUNTS["reverse_ais"], "num_samples")
BAD_COUNTS = [0, -3, 2.5, 10.0, "10", None, True]


@pytest.mark.parametrize("enumerable", [True, False])
@pytest.mark.parametrize("value", BAD_COUNTS)
@pytest.mark.parametrize("question", COUNTS)
def test_counts_are_positive_integers(question, value, enumerable, monkeypatch):
    """Whether or not this model would need them."""
    if not enumerable:
        monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)
    for name in COUNTS[question]:
        data = {} if question == "log_likelihood" else {"data": X}
        with pytest.raises(ValueError, match=rf"`{name}` must be a positive integer\. Received: {name}={value!r}"):
            ANNEALED[question](machine(), **data, **{**QUICK, name: value})


BAD_BETAS = {
    "not from 0": ([0.1, 0.5, 1], r"must start at 0 and end at 1\. Received: 0\.1 \.\.\. 1"),
    "from below 0": ([-0.1, 0.5, 1], r"must start at 0 and end at 1\. Received: -0\.1 \.\.\. 1"),
    "not to 1": ([0, 0.5], r"must start at 0 and end at 1\. Received: 0 \.\.\. 0\.5"),
    "beyond 1": ([0, 0.5, 1.5], r"must start at 0 and end at 1\. Received: 0 \.\.\. 1\.5"),
    "falling": ([0, 0.6, 0.5, 1], r"must increase\. Received: 0\.6 then 0\.5, at position 2"),
    "twice the same": ([0, 0.5, 0.5, 1], r"must increase\. Received: 0\.5 then 0\.5, at position 2"),
    "backwards": ([1, 0.5, 0], r"must start at 0 and end at 1\. Received: 1 \.\.\. 0"),
    "one": ([1.0], r"at least 2 inverse temperatures\. Received: shape=\(1,\)"),
    "none": ([], r"at least 2 inverse temperatures\. Received: shape=\(0,\)"),
    "a number": (1.0, r"at least 2 inverse temperatures\. Received: shape=\(\)"),
    "a table": ([[0, 1], [0, 1]], r"at least 2 inverse temperatures\. Received: shape=\(2, 2\)"),
    "NaN": ([0, np.nan, 1], r"must increase\. Received: 0 then nan"),
}


@pytest.mark.parametrize("enumerable", [True, False])
@pytest.mark.parametrize("case", BAD_BETAS)
@pytest.mark.parametrize("question", ANNEALED)
def test_schedules_rise_from_0_to_1(question, case, enumerable, monkeypatch):
    if not enumerable:
        monkeypatch.setattr(exact_module, "MAX_LOG2_STATES", 1)
    betas, message = BAD_BETAS[case]
    data = {} if question == "log_likelihood" else {"data": X}
    with pytest.raises(ValueError, match="`betas` .*" + message):
        ANNEALED[question](machine(), **data, betas=betas, verbose=0)


@pytest.mark.parametrize("seed", [-1, 1.5, "a"])
@pytest.mark.parametrize("question", [*ANNEALED, "pseudo_log_likelihood"])
def test_seeds_are_integers(question, seed):
    ask = ANNEALED.get(question, lambda model, **options: likelihood.pseudo_log_likelihood(model, X, **options))
    with pytest.raises(ValueError, match=rf"`seed` must be an integer.*Received: seed={seed!r}"):
        ask(machine(), seed=seed)


# --- data

BAD_DATA = {
    "wider": (np.zeros((6, 7)), r"\(batch, 5\)\. Received: shape=\(6, 7\)"),
    "one row": (X[0], r"\(batch, 5\)\. Received: shape=\(5,\)"),
    "pixels": (255 * X, r"\[0, 1\]\. Received: min=0, max=255"),
    "negative": (with_value(-0.5), r"\[0, 1\]\. Received: min=-0\.5, max=1"),
    "NaN": (with_value(np.nan), r"\[0, 1\]\. Received: min=0, max=1, and NaN"),
    "infinite": (with_value(np.inf), r"\[0, 1\]\. Received: min=0, max=inf"),
    "empty": (X[:0], r"at least one row\. Received"),
}


@pytest.mark.parametrize("case", BAD_DATA)
@pytest.mark.parametrize("question", list(QUESTIONS)[1:])
def test_data_that_do_not_fit(question, case):
    x, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        QUESTIONS[question](machine(), x)


@pytest.mark.parametrize("case", ["wider", "NaN", "empty"])
@pytest.mark.parametrize("question", list(QUESTIONS)[1:])
def test_datasets_that_do_not_fit(question, case):
    """One bad row in the third batch is found as well."""
    x, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        QUESTIONS[question](machine(), dataset(x))


@pytest.mark.parametrize("case", BAD_DATA)
def test_training_data_that_do_not_fit(case, not_enumerable):
    x, message = BAD_DATA[case]
    with pytest.raises(ValueError, match=message):
        likelihood.log_likelihood(machine(), X, data=x, **QUICK)


@pytest.mark.parametrize("question", list(QUESTIONS)[1:4])
def test_data_of_a_dbn_are_those_of_its_visible_units(question):
    with pytest.raises(ValueError, match=r"\(batch, 5\)\. Received: shape=\(32, 4\)"):
        QUESTIONS[question](random_dbn((4, 3), num_visible=5), X[:, :4])


def test_gaussian_units_take_finite_values():
    rbm = random_rbm("gaussian", 2)
    for question in list(QUESTIONS)[1:4]:
        with pytest.raises(ValueError, match=r"finite values\. Received: min=0, max=0, and NaN"):
            QUESTIONS[question](rbm, np.array([[0.0, np.nan]]))


def test_nothing_has_changed_after_a_refusal():
    rbm = random_rbm()
    before = [np.array(w) for w in rbm.variables]
    for question in list(QUESTIONS)[1:]:
        with pytest.raises(ValueError, match="max=255"):
            QUESTIONS[question](rbm, 255 * X)
    for old, new in zip(before, rbm.variables, strict=True):
        np.testing.assert_array_equal(new, old)


# --- what only looks like data, or like a model


def test_grey_levels_have_no_likelihood():
    rbm = random_rbm()
    with pytest.raises(ValueError, match=r"those of states\. Received: a grey level .* in row 0"):
        likelihood.log_likelihood(rbm, np.array([[0, 1, 0.25, 0, 0]]))


def test_real_values_of_gaussian_units_have_one():
    rbm = random_rbm("gaussian", 2)
    assert np.isfinite(likelihood.log_likelihood(rbm, np.array([[0.25, -3.5]])).lower)


def test_data_that_do_not_end_are_refused():
    endless = tf.data.Dataset.from_tensor_slices(np.zeros((4, 5))).batch(2).repeat()
    with pytest.raises(ValueError, match=r"infinite tf\.data\.Dataset"):
        likelihood.log_likelihood(random_rbm(), endless)


@pytest.mark.parametrize("x", [None, 3])
def test_no_data_are_named(x):
    with pytest.raises(TypeError, match=rf"Received: {type(x).__name__}"):
        likelihood.log_likelihood(random_rbm(), x)


@pytest.mark.parametrize("model", [None, keras.Sequential(), RBM])
@pytest.mark.parametrize("function", [samplers.mixing, samplers.BlockGibbs, likelihood.exact_log_partition])
def test_other_things_than_models_are_named(function, model):
    with pytest.raises(TypeError, match=r"Received: (NoneType|Sequential|the class RBM)"):
        function(model)


@pytest.mark.parametrize("function", [samplers.mixing, samplers.BlockGibbs])
def test_samplers_refuse_nan(function):
    rbm = random_rbm()
    rbm.w_rec.assign(np.full((5, 4), np.nan))
    with pytest.raises(ValueError, match="Parameters must be finite"):
        function(rbm)


def test_a_dbn_has_no_block_gibbs_kernel():
    dbn = DBN([3, 2])
    dbn.build((None, 4))
    with pytest.raises(TypeError, match="Received: DBN"):
        samplers.BlockGibbs(dbn)


def test_results_can_be_compared():
    found = likelihood.ais(machine(), num_chains=2, num_temperatures=1, verbose=0)
    assert found == found
    assert found != likelihood.ais(random_rbm(), num_chains=2, num_temperatures=1, verbose=0)
