"""Sparsity and the other penalties: their values, and where in the update they go."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM
from keras_rbm.regularizers import Sparsity
from tests.oracles.kinds import binary_states
from tests.oracles.machines import Fixed, centered, plain_gradient, random_rbm, sigmoid
from tests.oracles.rbm import parameters
from tests.support.modes import MODES
from tests.support.saving import config_of, through_disk
from tests.support.statistics import assert_rounded

V, V_MODEL = binary_states(5)[9:14], binary_states(5)[[3, 17, 30]]
RATE = 0.125


def divergence(p: float, q: np.ndarray) -> np.ndarray:
    """Of units that are on with probability `q` from a target of `p`, nats."""
    return p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))


def slope(p: float, q: np.ndarray) -> np.ndarray:
    """The gradient of `divergence` in `q`."""
    return (q - p) / (q * (1 - q))


# --- sparsity by itself


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparsity_is_the_divergence_of_the_batch_mean(dtype):
    """Times the size of the batch, by which Keras will divide."""
    x = np.random.default_rng(0).uniform(0.05, 0.95, (7, 4)).astype(dtype)
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        penalty = Sparsity(target=0.2, cost=0.75)(variable)
    q = x.mean(0)
    assert penalty.shape == ()
    assert penalty.dtype == dtype
    assert_rounded(penalty, 7 * 0.75 * divergence(0.2, q).sum(), ulps=20)
    expected = np.broadcast_to(0.75 * slope(0.2, q), x.shape)
    assert_rounded(tape.gradient(penalty, variable), expected, ulps=20)


def test_a_squared_penalty_is_the_squared_distance_of_the_batch_mean():
    x = np.random.default_rng(0).random((7, 3))
    variable = tf.Variable(x)
    with tf.GradientTape() as tape:
        penalty = Sparsity(target=0.2, cost=0.75, measure="squared")(variable)
    gap = x.mean(0) - 0.2
    assert_rounded(penalty, 7 * 0.75 * np.square(gap).sum(), ulps=20)
    assert_rounded(tape.gradient(penalty, variable), np.tile(2 * 0.75 * gap, (7, 1)), ulps=20)
    assert Sparsity.from_config(Sparsity(measure="squared").get_config()).measure == "squared"
    with pytest.raises(ValueError, match=r"must be 'divergence' or 'squared'.*'cubic'"):
        Sparsity(measure="cubic")


def test_sparsity_at_its_target_is_nothing():
    assert_rounded(Sparsity(target=0.25, cost=3.0)(np.full((2, 5), 0.25, "float32")), 0.0, ulps=20)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_units_that_are_always_on_or_off_have_a_finite_penalty(value):
    """And a gradient that leads back wherever it is not exactly there."""
    variable = tf.Variable(np.full((3, 2), value, "float32"))
    with tf.GradientTape() as tape:
        penalty = Sparsity(target=0.5, cost=1.0)(variable)
    limit = divergence(0.5, np.float64(keras.backend.epsilon()))
    np.testing.assert_allclose(penalty, 3 * 2 * limit, rtol=0.02)  # 1 - 1e-7 has one digit in float32
    assert np.isfinite(tape.gradient(penalty, variable)).all()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"target": 0.0}, r"`target` must be between 0 and 1, ends excluded\. Received: target=0\.0"),
        ({"target": 1.0}, r"`target`.*target=1\.0"),
        ({"target": -0.5}, "`target`"),
        ({"target": np.nan}, "`target`.*nan"),
        ({"cost": -0.1}, r"`cost` must be at least 0\. Received: cost=-0\.1"),
        ({"cost": np.inf}, "`cost`.*inf"),
        ({"cost": np.nan}, "`cost`.*nan"),
    ],
    ids=str,
)
def test_arguments_out_of_range(options, message):
    with pytest.raises(ValueError, match=message):
        Sparsity(**options)


def test_configs_come_back(tmp_path):
    regularizer = Sparsity(target=0.3, cost=0.7)
    again = keras.regularizers.get(keras.regularizers.serialize(regularizer))
    assert type(again) is Sparsity
    assert again.get_config() == {"target": 0.3, "cost": 0.7, "measure": "divergence"}
    rbm = RBM(4, activity_regularizer=regularizer, seed=0)
    rbm.build((None, 5))
    for copy in (RBM.from_config(rbm.get_config()), through_disk(rbm, tmp_path)):
        assert config_of(copy) == config_of(rbm)
        assert copy.activity_regularizer.get_config() == regularizer.get_config()


# --- sparsity in an RBM


def learner(dtype: str = "float32", **kwargs) -> RBM:
    rbm = random_rbm(**{"sampler": Fixed(V_MODEL), "dtype": dtype, **kwargs})
    rbm.compile(keras.optimizers.SGD(RATE), run_eagerly=True)
    return rbm


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 0.5, 1.0]], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_an_update_is_the_likelihoods_and_then_the_penaltys(centring, weights, dtype):
    """The penalty is that of the weighted batch mean; it is not centred, so the visible bias does not see it."""
    rbm = learner(dtype, centered=centring, activity_regularizer=Sparsity(target=0.2, cost=2.0))
    p = parameters(rbm)
    rbm.train_on_batch(V, sample_weight=weights)
    share = np.ones(5) / 5 if weights is None else np.array(weights) / np.sum(weights)
    h = sigmoid(V @ p.w + p.c)
    gradients = plain_gradient(p, V, V_MODEL, share)
    if centring:
        gradients = centered(gradients, share @ V, share @ h)
    back = share[:, None] * (2.0 * slope(0.2, share @ h) * h * (1 - h))
    penalties = [V.T @ back, 0.0, back.sum(0)]
    updated = (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias)
    for new, old, gradient, penalty in zip(updated, p[:3], gradients, penalties, strict=True):
        assert_rounded(new, old - RATE * (gradient + penalty), ulps=50)


def test_the_visible_bias_learns_as_if_there_were_no_penalty():
    with_penalty, without = learner(activity_regularizer=Sparsity(cost=5.0)), learner()
    for rbm in (with_penalty, without):
        rbm.train_on_batch(V)
    np.testing.assert_array_equal(with_penalty.visible.bias, without.visible.bias)
    assert np.all(np.array(with_penalty.hidden.bias) != without.hidden.bias)
    assert np.any(with_penalty.w_rec != without.w_rec)


@pytest.mark.parametrize("mode", ["graph", "xla"])
def test_a_penalised_step_is_the_same_in_every_mode(mode):
    found = []
    for options in (MODES[mode], MODES["eager"]):
        rbm = learner(activity_regularizer=Sparsity(cost=5.0), kernel_regularizer="l1")
        rbm.compile(keras.optimizers.SGD(RATE), steps_per_execution=1, **options)
        for _ in range(2):
            rbm.train_on_batch(V)
        found.append(parameters(rbm)[:3])
    for a, b in zip(*found, strict=True):
        assert_rounded(a.astype("float32"), b, ulps=50)


def test_the_gradient_of_an_activity_penalty_is_taken_at_the_batch_mean():
    """Any Keras regularizer: with L2 of `cost`, that is `cost * sum_j q_j^2`."""
    found = []
    for regularizer in (None, keras.regularizers.L2(0.5)):
        rbm = learner("float64", activity_regularizer=regularizer)
        p = parameters(rbm)
        rbm.train_on_batch(V)
        found.append(parameters(rbm))
    h = sigmoid(V @ p.w + p.c)
    back = 2 * 0.5 * h.mean(0) * h * (1 - h) / len(V)
    assert_rounded(found[1].w, found[0].w - RATE * V.T @ back)
    assert_rounded(found[1].c, found[0].c - RATE * back.sum(0))


def test_units_without_weights_come_to_the_target():
    """Where the likelihood has nothing to say about the hidden units, gradient descent ends at `logit(target)`."""
    rbm = learner(centered=False, activity_regularizer=Sparsity(0.25, cost=4.0), kernel_constraint="max_norm")
    rbm.w_rec.assign(np.zeros((5, 4)))
    rbm.w_rec.constraint = keras.constraints.MaxNorm(0.0)
    rbm.hidden.bias.assign([-3.0, -1.0, 0.0, 1.0])
    rbm.optimizer.learning_rate = 1.0
    for _ in range(40):
        rbm.train_on_batch(V)
    np.testing.assert_array_equal(rbm.w_rec, np.zeros((5, 4)))
    assert_rounded(rbm.hidden.bias, np.full(4, np.log(0.25 / 0.75)))


def test_training_pulls_activations_to_the_target():
    found = {}
    v = np.tile(binary_states(5), (2, 1)).astype("float32")
    for cost in (0.0, 10.0):
        rbm = RBM(8, activity_regularizer=Sparsity(0.1, cost), seed=0)
        rbm.compile(keras.optimizers.SGD(0.125), jit_compile=False)
        rbm.fit(v, batch_size=8, epochs=12, verbose=0)
        found[cost] = np.mean(divergence(0.1, rbm.encode(v).numpy().mean(0)))
    assert found[10.0] < 0.01 * found[0.0]


# --- sparsity in other layers


def test_a_dense_layer_has_the_documented_penalty():
    layer = keras.layers.Dense(4, "sigmoid", activity_regularizer=Sparsity(0.2, cost=0.5))
    q = layer(V.astype("float32")).numpy().mean(0)
    (loss,) = layer.losses
    assert_rounded(loss, 0.5 * divergence(0.2, q).sum(), ulps=50)


def test_a_dense_layer_becomes_sparse():
    found = []
    for cost in (0.0, 50.0):
        layer = keras.layers.Dense(4, "sigmoid", activity_regularizer=Sparsity(0.1, cost))
        model = keras.Sequential([keras.Input((5,)), layer, keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        for _ in range(40):
            model.train_on_batch(binary_states(5), np.ones((32, 1)))
        found.append(np.mean(divergence(0.1, layer(binary_states(5)).numpy().mean(0))))
    assert found[1] < 0.1 * found[0]


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"run_eagerly": True}, id="eager"),
        pytest.param(
            {"jit_compile": False},
            id="graph",
        ),
    ],
)
def test_a_machine_trains_on_after_it_was_a_layer_of_another_model(options):
    """What its penalty was then does not enter its own steps."""
    regularizers = {"activity_regularizer": Sparsity(cost=5.0), "kernel_regularizer": "l2"}
    rbm, fresh = learner(**regularizers), learner(**regularizers)
    outer = keras.Sequential([keras.Input((5,)), rbm, keras.layers.Dense(2)])
    outer.compile("sgd", "mse", **options)
    outer.train_on_batch(V, np.zeros((5, 2)))
    fresh.set_weights(rbm.get_weights())
    for machine in (rbm, fresh):
        machine.compile(keras.optimizers.SGD(RATE), steps_per_execution=1, **options)
        machine.train_on_batch(V)
    for a, b in zip(parameters(rbm)[:3], parameters(fresh)[:3], strict=True):
        assert_rounded(a.astype("float32"), b, ulps=50)


# --- Keras's own penalties


@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_l1_moves_each_weight_towards_zero_by_as_much(centring):
    """L2 and the biases' own penalties are in test_rbm.py, decay and the constraint of norms in test_optimizers.py."""
    plain = learner("float64", centered=centring)
    penalised = learner("float64", centered=centring, kernel_regularizer=keras.regularizers.L1(0.25))
    start = parameters(plain)
    for rbm in (plain, penalised):
        rbm.train_on_batch(V)
    assert_rounded(parameters(penalised).w, parameters(plain).w - RATE * 0.25 * np.sign(start.w))
    for a, b in zip(parameters(penalised)[1:3], parameters(plain)[1:3], strict=True):
        np.testing.assert_array_equal(a, b)
