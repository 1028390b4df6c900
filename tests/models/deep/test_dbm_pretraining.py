"""How a deep Boltzmann machine starts: RBMs with one side doubled, one after the other, and chains in data."""

import itertools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, likelihood, samplers, units
from keras_rbm.models.deep.doubling import Doubled
from tests.oracles.dbm import random_dbm
from tests.oracles.kinds import binary_states
from tests.oracles.machines import Fixed, randomize, sigmoid
from tests.support.statistics import assert_frequencies, assert_means, assert_rounded

X = binary_states(5).astype("float32")
Y = (X.sum(1) > 2).astype(int)
QUICK = {"epochs": 1, "batch_size": 16, "verbose": 0, "run_eagerly": True}
#: So small that nothing moves.
STILL = keras.optimizers.SGD(1e-30)


def dbm_of(*sizes: int, **kwargs) -> DBM:
    """A built machine of random parameters, float32."""
    dbm = DBM(list(sizes), **{"seed": 0, **kwargs})
    dbm.build((None, 5))
    rng = np.random.default_rng(1)
    for variable in [*dbm.kernels, *(group.bias for group in dbm.groups)]:
        variable.assign(rng.normal(0, 0.8, variable.shape))
    return dbm


def state(dbm: DBM) -> list[np.ndarray]:
    return [np.array(x) for x in dbm.weights]


def assert_unchanged(dbm: DBM, before: list[np.ndarray]) -> None:
    for variable, value in zip(dbm.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


# --- an RBM of which one side counts twice


def doubled(up: int, down: int, labels: int = 0, **kwargs) -> Doubled:
    visible = units.Mixed([("bernoulli", None), (units.Softmax(labels), labels)], dtype="float64") if labels else None
    rbm = Doubled(4, up=up, down=down, num_labels=labels, visible=visible or "bernoulli", dtype="float64", **kwargs)
    rbm.build((None, 5 + labels))
    randomize(rbm)
    return rbm


def parts(rbm: RBM) -> list[np.ndarray]:
    return [np.array(x) for x in (rbm.w_rec, rbm.visible.bias, rbm.hidden.bias)]


@pytest.mark.parametrize("down", [1, 2])
@pytest.mark.parametrize("up", [1, 2])
def test_what_comes_in_counts_twice_and_biases_once(up, down):
    rbm = doubled(up, down)
    w, b, c = parts(rbm)
    v, h = binary_states(5), binary_states(4)
    assert_rounded(rbm.mean_h_from_v(v), sigmoid(c + up * v @ w))
    assert_rounded(rbm.mean_v_from_h(h), sigmoid(b + down * h @ w.T))
    assert_rounded(rbm.free_energy(v), -v @ b - np.logaddexp(0, c + up * v @ w).sum(1) / up)


def test_labels_feel_their_layer_once():
    rbm = doubled(1, 2, labels=3)
    w, b, _ = parts(rbm)
    h = binary_states(4)
    found = np.array(rbm.mean_v_from_h(h))
    assert_rounded(found[:, :5], sigmoid(b[:5] + 2 * h @ w[:5].T))
    odds = np.exp(b[5:] + h @ w[5:].T)
    assert_rounded(found[:, 5:], odds / odds.sum(1, keepdims=True))


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 3.0, 1.0]], ids=["", "weighted"])
@pytest.mark.parametrize("down", [1, 2])
@pytest.mark.parametrize("up", [1, 2])
def test_the_gradient_by_hand(up, down, weights):
    """That of an RBM in the weights, with the doubled means of hidden units."""
    v, v_model = binary_states(5)[3:27:3], binary_states(5)[1::5]
    rbm = doubled(up, down, sampler=Fixed(v_model), centered=False)
    w, b, c = parts(rbm)
    rbm.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
    rbm.train_on_batch(v, sample_weight=weights and np.array(weights))
    share = np.ones(8) / 8 if weights is None else np.array(weights) / np.sum(weights)
    p, q = sigmoid(c + up * v @ w), sigmoid(c + up * v_model @ w)
    n = len(v_model)
    expected = (
        v_model.T @ q / n - v.T @ (share[:, None] * p),
        v_model.mean(0) - share @ v,
        (q.mean(0) - share @ p) / up,
    )
    for new, old, gradient in zip(parts(rbm), (w, b, c), expected, strict=True):
        assert_rounded(new, old - 0.125 * gradient)


def test_not_doubled_it_is_an_rbm():
    """In its gradients, centred, and in what its sampler draws."""
    sampler = samplers.PCD(2, 6, dtype="float64")
    first = doubled(1, 1, seed=0, sampler=sampler)
    second = RBM(4, dtype="float64", seed=0, sampler=samplers.PCD(2, 6, dtype="float64"))
    second.build((None, 5))
    for variable, value in zip(second.trainable_weights, first.trainable_weights, strict=True):
        variable.assign(value)
    second.sampler.chains.assign(first.sampler.chains)
    for rbm in (first, second):
        rbm.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
    for _ in range(2):
        second.stream.key.assign(first.stream.key)
        for rbm in (first, second):
            rbm.train_on_batch(binary_states(5)[::2])
    for a, b in zip(first.weights, second.weights, strict=True):
        if a is not first.stream.key:
            assert_rounded(a, b)


# --- one layer after the other


class Recording(samplers.CD):
    """CD that keeps what it was trained on."""

    seen: list[np.ndarray] = []

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        self.seen.append(v_data.numpy())
        return super().negative_phase(rbm, v_data, weights, hidden_input)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("number", [2, 3, 4])
@pytest.mark.few(2)
def test_which_sides_are_doubled(number, double):
    """The lowest RBM's data and the highest one's hidden units have no further layer beside them."""
    dbm = dbm_of(*[4, 3, 4, 2][:number])
    histories = dbm.pretrain(X[:4], doubled=double, **QUICK)
    found = [(h.model.up, h.model.down) for h in histories]
    assert found == ([(2, 1), *[(2, 2)] * (number - 2), (1, 2)] if double else [(1, 1)] * number)


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.few(1)
def test_layers_learn_from_states_drawn_upwards(double):
    """By enumeration, of one case: the first layer feels it twice, the second the first one's states."""
    Recording.seen = []
    dbm = dbm_of(3, 2, 2)
    v = np.repeat(X[13:14], 4000, 0)
    options = {**QUICK, "batch_size": 1000}
    dbm.pretrain(v, optimizer=STILL, sampler=Recording(), doubled=double, **options)
    seen = [np.concatenate(Recording.seen[i : i + 4]) for i in (0, 4, 8)]
    factor = 2 if double else 1
    w, b = [np.array(x) for x in dbm.kernels], [np.array(group.bias) for group in dbm.groups]
    h1, h2 = binary_states(3), binary_states(2)
    mean_1 = sigmoid(b[1] + factor * X[13] @ w[0])
    p_1 = np.prod(np.where(h1 == 1, mean_1, 1 - mean_1), 1)
    mean_2 = sigmoid(b[2] + factor * h1 @ w[1])[:, None]
    p_2 = p_1 @ np.prod(np.where(h2 == 1, mean_2, 1 - mean_2), -1)
    np.testing.assert_array_equal(seen[0], v)
    assert_frequencies((seen[1] @ [1, 2, 4]).astype(int), p_1)
    assert_frequencies((seen[2] @ [1, 2]).astype(int), p_2)
    assert [len(x) for x in Recording.seen] == [1000] * 12, "the states of the whole set are never held"


@pytest.mark.parametrize("kind", ["array", "dataset"])
@pytest.mark.parametrize("labels", [False, True], ids=["", "labels"])
@pytest.mark.few(2)
def test_kernels_are_those_of_the_rbms_and_biases_the_mean_of_two(labels, kind):
    dbm = dbm_of(4, 3, 2, num_classes=2 if labels else None)
    y = Y if labels else None
    if kind == "array":
        histories = dbm.pretrain(X, y=y, optimizer=keras.optimizers.SGD(0.5), **QUICK)
    else:
        data = tf.data.Dataset.from_tensor_slices((X, Y) if labels else X).batch(8)
        histories = dbm.pretrain(data, optimizer=keras.optimizers.SGD(0.5), **QUICK)
    w, b, c = zip(*(parts(h.model) for h in histories), strict=True)
    for i in range(3):
        np.testing.assert_array_equal(dbm.kernels[i], w[i][: [5, 4, 3][i]])
        assert np.abs(w[i] - np.array(dbm_of(4, 3, 2).kernels[i])[0, 0]).max() > 0
    np.testing.assert_array_equal(dbm.visible.bias, b[0])
    assert_rounded(dbm.groups[1].bias, (c[0] + b[1]) / 2)
    assert_rounded(dbm.groups[2].bias, (c[1] + b[2][:3]) / 2)
    np.testing.assert_array_equal(dbm.groups[3].bias, c[2])
    assert np.abs(c[0] - b[1]).max() > 0.01
    if labels:
        assert b[2].shape == (5,)
        np.testing.assert_array_equal(dbm.kernels[3], w[2][3:].T)
        np.testing.assert_array_equal(dbm.groups[4].bias, b[2][3:])


def test_labels_are_shown_to_the_highest_layer_alone():
    Recording.seen = []
    dbm = dbm_of(4, 3, num_classes=3)
    dbm.kernels[0].assign(np.pad(60 * np.eye(3), ((0, 2), (0, 1))))  # states that tell the case
    dbm.groups[1].bias.assign(np.full(4, -60.0))
    x, y = np.pad(binary_states(3), ((0, 0), (0, 2))), np.arange(8) * 5 % 3
    dbm.pretrain(x, y=y, optimizer=STILL, sampler=Recording(), **QUICK)
    first, second = Recording.seen
    assert first.shape == (8, 5)
    case = (second[:, :3] @ [1, 2, 4]).astype(int)
    np.testing.assert_array_equal(np.sort(case), np.arange(8))
    np.testing.assert_array_equal(second[:, 4:], np.eye(3)[y[case]])


@pytest.mark.parametrize("num_classes", [None, 2])
@pytest.mark.few(1)
def test_without_doubling_it_is_that_of_a_dbn(num_classes):
    """The same RBMs, on the same states, to the last bit: of one batch, as the monitors of an RBM draw too."""
    dbm, dbn = (cls([4, 3], num_classes=num_classes, seed=0) for cls in (DBM, DBN))
    for machine in (dbm, dbn):
        machine.build((None, 5))
    rng = np.random.default_rng(0)
    for own, other in zip(dbm.kernels, dbn.rbms, strict=False):
        w = rng.normal(size=other.w_rec.shape).astype("float32")
        other.w_rec.assign(w)
        own.assign(w[: own.shape[0]])
        if num_classes and other is dbn.top:
            dbm.kernels[2].assign(w[own.shape[0] :].T)
    options = {**QUICK, "batch_size": 32, "optimizer": keras.optimizers.SGD(0.5), "y": Y if num_classes else None}
    histories = []
    for machine in (dbm, dbn):
        keras.utils.set_random_seed(5)
        histories.append(machine.pretrain(X, **options, **({"doubled": False} if machine is dbm else {})))
    for own, other in zip(dbm.kernels, dbn.rbms, strict=False):
        np.testing.assert_array_equal(own, other.w_rec[: own.shape[0]])
    for own, other in zip(*histories, strict=True):
        assert own.history == {name: other.history[name] for name in ("loss", "reconstruction_error")}
    np.testing.assert_array_equal(dbm.visible.bias, dbn.visible.bias)
    np.testing.assert_array_equal(dbm.groups[2].bias, dbn.top.hidden.bias)


def test_case_weights_count():
    """Cases of weight 0 teach no layer anything: with others in their place, the machine is the same."""

    def trained(others: float) -> list[np.ndarray]:
        x = np.concatenate([X, np.full((8, 5), others)]).astype("float32")
        dbm = dbm_of(4, 3, centered=False)
        dbm.pretrain(x, sample_weight=np.repeat([1.0, 0.0], [32, 8]), **{**QUICK, "batch_size": 40})
        return [np.array(w) for w in dbm.trainable_weights]

    for a, b in zip(trained(0.0), trained(1.0), strict=True):
        assert_rounded(a, b)


def test_plans_have_one_value_a_layer():
    dbm = dbm_of(4, 3)
    plan = {"epochs": [1, 3], "optimizer": ["sgd", "adam"], "sampler": ["cd", "pcd"]}
    histories = dbm.pretrain(X, **{**QUICK, **plan}, validation_data=X[:7])
    assert [len(h.history["val_loss"]) for h in histories] == [1, 3]
    assert [type(h.model.optimizer).__name__ for h in histories] == ["SGD", "Adam"]
    assert [type(h.model.sampler) for h in histories] == [samplers.CD, samplers.PCD]


def test_interrupted_in_the_second_layer_it_keeps_the_first():
    class Stop(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 1:
                raise KeyboardInterrupt

    kept = []

    class Keep(keras.callbacks.Callback):
        def on_train_end(self, logs=None):
            kept.append(parts(self.model))

    dbm = dbm_of(4, 3, 2, sampler=samplers.PCD(num_chains=6))
    old = [np.array(x) for x in dbm.kernels]
    with pytest.raises(KeyboardInterrupt):
        dbm.pretrain(
            X, callbacks=lambda i: [Stop() if i == 1 else Keep()], optimizer=keras.optimizers.SGD(0.5), **QUICK
        )
    (first,) = kept
    np.testing.assert_array_equal(dbm.kernels[0], first[0])
    np.testing.assert_array_equal(dbm.visible.bias, first[1])
    assert np.any(np.array(dbm.kernels[0]) != old[0])
    assert np.any(np.array(dbm.kernels[1]) != old[1]), "two steps were made"
    np.testing.assert_array_equal(dbm.kernels[2], old[2])
    assert {tuple(row) for row in np.array(dbm.sampler.chains)[:, :5]} <= {tuple(row) for row in X}


def test_precisions_go_along():
    """Those set from the data's moments, and learnt ones."""
    dbm = DBM([4, 3], visible=units.Gaussian(learn_precision=True), seed=0)
    x = np.random.default_rng(0).normal(3, [1, 2, 4], (64, 3)).astype("float32")
    dbm.adapt(x)
    adapted = np.array(dbm.visible.precision)
    np.testing.assert_allclose(adapted, 1 / x.var(0), rtol=1e-4)
    (first, _) = dbm.pretrain(x, optimizer=STILL, **QUICK)
    assert_rounded(dbm.visible.precision, adapted, 10)
    (first, _) = dbm.pretrain(x, optimizer=keras.optimizers.SGD(0.01), **QUICK)
    assert np.all(np.array(dbm.visible.precision) != adapted)
    np.testing.assert_array_equal(dbm.visible.precision, first.model.visible.precision)


@pytest.mark.parametrize("hidden", ["spin", [units.Softmax(2), units.Binomial(3)]], ids=str)
@pytest.mark.few(1)
def test_other_kinds_of_units(hidden):
    dbm = DBM([4, 3], hidden=hidden, seed=0)
    histories = dbm.pretrain(X, **QUICK)
    assert [type(h.model.hidden) for h in histories] == [type(layer) for layer in dbm.hidden]
    assert type(histories[1].model.visible) is type(dbm.hidden[0])


@pytest.mark.slow
def test_it_starts_nearer_to_the_data():
    """By the exact bound: pretraining alone beats independent units of the data's means."""
    rng = np.random.default_rng(0)
    clean = binary_states(2)[rng.integers(0, 4, 300)].repeat(4, 1)
    x = np.abs(clean - (rng.random(clean.shape) < 0.05)).astype("float32")
    dbm = DBM([6, 4], seed=0)
    dbm.adapt(x)
    before = likelihood.log_likelihood(dbm, x).lower
    options = {"epochs": 1, "batch_size": 50, "verbose": 0, "jit_compile": False}
    dbm.pretrain(np.tile(x, (15, 1)), optimizer=keras.optimizers.Adam(0.03), **options)
    assert likelihood.log_likelihood(dbm, x).lower > before + 0.5


# --- chains


@pytest.mark.parametrize("sampler", ["pcd", "fast_pcd", "parallel_tempering"])
def test_chains_start_in_data_after_it(sampler):
    dbm = dbm_of(4, 3, sampler=sampler)
    x = X[[3, 17, 30]]
    dbm.pretrain(x, **QUICK)
    chains = np.array(dbm.sampler.chains)
    rows, number = np.unique(chains[:, :5], axis=0, return_counts=True)
    np.testing.assert_array_equal(rows, np.unique(x, axis=0))
    assert np.ptp(number) <= 1
    if sampler == "fast_pcd":
        assert not any(np.any(np.array(x)) for x in dbm.sampler.fast)


@pytest.mark.parametrize("kind", ["array", "dataset"])
def test_chains_have_hidden_states_drawn_for_their_rows(kind):
    """By mean field, side by side with the data: of four layers, the second and the fourth."""
    dbm = dbm_of(4, 3, 3, 2, sampler=samplers.PCD(num_chains=8000))
    x = X[[9]]
    dbm.start_chains(x if kind == "array" else tf.data.Dataset.from_tensor_slices(x).batch(1))
    chains = np.array(dbm.sampler.chains)
    np.testing.assert_array_equal(chains[:, :5], np.repeat(x, 8000, 0))
    with pytest.raises(AssertionError):  # one row has one draw: only many rows show a distribution
        assert_means(chains[:, 5:], np.concatenate([np.asarray(dbm.mean_field(x)[i])[0] for i in (1, 3)]))
    dbm.start_chains(np.repeat(x, 8000, 0))
    chains = np.array(dbm.sampler.chains)
    number = 1000  # that many rows at most
    np.testing.assert_array_equal(chains[:number], chains[number : 2 * number])
    means = np.concatenate([np.asarray(dbm.mean_field(x)[i])[0] for i in (1, 3)])
    assert_means(chains[:number, 5:], means)


# --- RBMs that were trained elsewhere


def rbm_of(width: int, n: int, visible="bernoulli", hidden="bernoulli", seed: int = 1, **kwargs) -> RBM:
    rbm = RBM(n, visible=visible, hidden=hidden, **kwargs)
    rbm.build((None, width))
    randomize(rbm, seed=seed)
    return rbm


def test_rbms_trained_elsewhere():
    dbm = DBM([4, 3], visible=units.Gaussian([1.0] * 5), seed=0)
    rbms = [rbm_of(5, 4, visible=units.Gaussian([1.0, 2, 3, 4, 5])), rbm_of(4, 3, seed=2)]
    dbm.initialize_from_rbms(rbms)
    (w1, b1, c1), (w2, b2, c2) = map(parts, rbms)
    for found, expected in zip(
        [*dbm.kernels, *(group.bias for group in dbm.groups)], [w1, w2, b1, (c1 + b2) / 2, c2], strict=True
    ):
        assert_rounded(found, expected)
    np.testing.assert_array_equal(dbm.visible.precision, [1, 2, 3, 4, 5])
    assert dbm.offset_age == 0
    dbm.kernels[0].assign_add(np.ones((5, 4)))  # they are copies
    np.testing.assert_array_equal(rbms[0].w_rec, w1)


def test_chains_start_anew_from_the_new_biases():
    dbm = dbm_of(4, 3, sampler=samplers.PCD(num_chains=50))
    rbms = [rbm_of(5, 4), rbm_of(4, 3)]
    rbms[0].visible.bias.assign([50, -50, 50, -50, 50])
    rbms[1].hidden.bias.assign([-50, 50, -50])
    dbm.offset_age.assign(7.0)
    dbm.initialize_from_rbms(rbms)
    np.testing.assert_array_equal(dbm.sampler.chains, np.tile([1, 0, 1, 0, 1, 0, 1, 0], (50, 1)))
    assert dbm.offset_age == 0


def test_labels_of_rbms_trained_elsewhere():
    dbm = dbm_of(4, 3, num_classes=2)
    beside = units.Mixed([("bernoulli", 4), (units.Softmax(2), 2)])
    rbms = [rbm_of(5, 4), rbm_of(6, 3, visible=beside, seed=2)]
    dbm.initialize_from_rbms(rbms)
    (w1, b1, c1), (w2, b2, c2) = map(parts, rbms)
    expected = [w1, w2[:4], w2[4:].T, b1, (c1 + b2[:4]) / 2, c2, b2[4:]]
    for found, value in zip([*dbm.kernels, *(group.bias for group in dbm.groups)], expected, strict=True):
        assert_rounded(found, value)


GOOD = (lambda: rbm_of(5, 4), lambda: rbm_of(4, 3))
BAD_STACKS = {
    "one": (lambda: [GOOD[0]()], r"one RBM a hidden layer\. Received: 1 for 2"),
    "none": (lambda: [], r"Received: 0 for 2"),
    "three": (lambda: [GOOD[0](), GOOD[1](), rbm_of(3, 2)], r"Received: 3 for 2"),
    "not built": (lambda: [GOOD[0](), RBM(3)], r"starts from built RBMs\. Received: number 1, which is not"),
    "no RBM": (lambda: [GOOD[0](), keras.layers.Dense(3)], r"starts from a list of RBMs\. Received: Dense as number 1"),
    "no list": (lambda: GOOD[0](), r"a list of RBMs, one a hidden layer\. Received: RBM"),
    "exchanged": (
        lambda: [GOOD[1](), GOOD[0]()],
        r"RBM number 0 .*5 Bernoulli below 4 Bernoulli\. Received: 4 Ber.* below 3 Ber",
    ),
    "wider data": (lambda: [rbm_of(6, 4), GOOD[1]()], r"RBM number 0 .*Received: 6 Bernoulli below 4 Bernoulli"),
    "another size above": (
        lambda: [GOOD[0](), rbm_of(4, 2)],
        r"RBM number 1 .*4 Ber.* below 3 Ber.*Received: 4 .* below 2 Ber",
    ),
    "that do not meet": (lambda: [GOOD[0](), rbm_of(3, 3)], r"RBM number 1 .*Received: 3 Bernoulli below 3 Bernoulli"),
    "other units": (lambda: [rbm_of(5, 4, hidden="spin"), GOOD[1]()], r"RBM number 0 .*Received: 5 Ber.* below 4 Spin"),
    "other data": (lambda: [rbm_of(5, 4, visible="gaussian"), GOOD[1]()], r"Received: 5 Gaussian below 4 Bernoulli"),
}


@pytest.mark.parametrize("case", BAD_STACKS)
def test_stacks_that_do_not_fit_change_nothing(case):
    dbm = dbm_of(4, 3)
    dbm.offset_age.assign(5.0)
    before = state(dbm)
    make, message = BAD_STACKS[case]
    with pytest.raises((TypeError, ValueError), match=message):
        dbm.initialize_from_rbms(make())
    assert_unchanged(dbm, before)


@pytest.mark.parametrize("beside", [None, units.Mixed([("bernoulli", 4), (units.Softmax(3), 3)])], ids=["", "three"])
def test_stacks_without_the_labels_wanted_change_nothing(beside):
    dbm = dbm_of(4, 3, num_classes=2)
    before = state(dbm)
    top = rbm_of(7, 3, visible=beside) if beside else GOOD[1]()
    with pytest.raises(ValueError, match=r"RBM number 1 .*4 Bernoulli \+ 2 Softmax\(2\) below 3 Bernoulli"):
        dbm.initialize_from_rbms([GOOD[0](), top])
    assert_unchanged(dbm, before)


@pytest.mark.parametrize("case", ["wider data", "other units", "another size above"])
def test_a_machine_that_refuses_a_stack_is_not_built_by_it(case):
    """Or data of the right width would be refused afterwards."""
    dbm = DBM([4, 3], seed=0)
    make, _ = BAD_STACKS[case]
    rbms = make() if case != "wider data" else [rbm_of(6, 3), GOOD[1]()]
    with pytest.raises(ValueError, match="RBM number"):
        dbm.initialize_from_rbms(rbms)
    assert not dbm.built


BAD_PRETRAINING = {
    "pixels": ({"x": 255 * X}, r"\[0, 1\].*max=255"),
    "wider": ({"x": np.zeros((6, 7))}, r"\(batch, 5\)"),
    "epochs": ({"epochs": [1, 2, 3]}, r"`epochs` must be one value or 2, one a layer\. Received: 3"),
    "no epochs": ({"epochs": 0}, r"`epochs` must be a positive integer"),
    "sampler": ({"sampler": "gibbs"}, r"Received: 'gibbs'"),
    "weights": ({"sample_weight": np.ones(3)}, r"`sample_weight` must have shape \(32,\)"),
    "batch_size": ({"batch_size": 0}, r"`batch_size` must be a positive integer"),
}


@pytest.mark.parametrize(
    ("case", "built"),
    # A new machine takes any width.
    [(case, built) for case in BAD_PRETRAINING for built in (True, False) if built or case != "wider"],
)
def test_bad_pretraining_is_refused_and_changes_no_parameter(case, built):
    options, message = BAD_PRETRAINING[case]
    dbm = dbm_of(4, 3) if built else DBM([4, 3], seed=0)
    before = [np.array(x) for x in dbm.trainable_weights]
    with pytest.raises(ValueError, match=message):
        dbm.pretrain(**{"x": X, **QUICK, **options})
    for a, b in itertools.zip_longest(before, dbm.trainable_weights if built else []):
        np.testing.assert_array_equal(a, b)


def test_refused_pretraining_leaves_the_chains_alone():
    """Nothing has been learnt, so nothing starts anew."""
    dbm = dbm_of(4, 3)
    dbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    dbm.fit(X, verbose=0)
    before = state(dbm)
    with pytest.raises(ValueError, match="one a layer"):
        dbm.pretrain(X, epochs=[1, 2, 3])
    assert_unchanged(dbm, before)


@pytest.mark.parametrize("y", [None, np.full(32, 2), np.zeros(31)], ids=["none", "no class", "few"])
def test_labels_of_pretraining_are_looked_at_before_the_first_layer(y):
    dbm = dbm_of(4, 3, num_classes=2)
    before = [np.array(x) for x in dbm.trainable_weights]
    with pytest.raises(ValueError, match=r"learns from labels too|Labels must be integers"):
        dbm.pretrain(X, y=y, **QUICK)
    for a, b in zip(before, dbm.trainable_weights, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(("x", "message"), [(np.zeros((3, 4)), r"\(batch, 5\)"), (2 * X, r"\[0, 1\]")])
def test_chains_start_in_data_that_fit(x, message):
    dbm = dbm_of(4, 3)
    before = state(dbm)
    with pytest.raises(ValueError, match=message):
        dbm.start_chains(x)
    assert_unchanged(dbm, before)


#: What is doubled, and how many of the visible units are labels.
DOUBLED = [(2, 2, 0), (1, 2, 3), (2, 1, 0), (1, 2, 0), (1, 1, 0)]


def cases(labels: int) -> list[np.ndarray]:
    """Two batches and samples of the model, whose means differ, with classes to their right."""
    found = [binary_states(5)[rows] for rows in ([31, 15, 7, 29, 30, 27, 1], [3, 19, 31, 30], [3, 17, 30, 8, 21])]
    return [np.hstack([v, np.eye(labels)[np.arange(len(v)) % labels]]) if labels else v for v in found]


def trained(start: list[np.ndarray], batches: list[np.ndarray], v_model: np.ndarray, *shape: int) -> Doubled:
    """Two steps from these parameters."""
    rbm = doubled(*shape, sampler=Fixed(v_model), offset_rate=0.25)
    for variable, value in zip((rbm.w_rec, rbm.visible.bias, rbm.hidden.bias), start, strict=True):
        variable.assign(value)
    rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=True)
    for v in batches:
        rbm.train_on_batch(v)
    return rbm


@pytest.mark.parametrize(("up", "down", "labels"), DOUBLED)
def test_centring_is_the_plain_step_of_a_machine_whose_states_are_centred(up, down, labels):
    """Whose units feel the differences of states and offsets, once or twice; biases balance it when offsets move."""
    *batches, v_model = cases(labels)
    share = np.repeat([down, 1.0], [5, labels])
    start = parts(doubled(up, down, labels))
    w, b, c = start
    mu, lam = np.zeros(5 + labels), np.zeros(4)
    for step, v in enumerate(batches):
        h, h_model = (sigmoid(c + up * x @ w) for x in (v, v_model))
        mu, lam = mu + (v.mean(0) - mu) / (1 + step), lam + (h.mean(0) - lam) / (1 + step)
        b_centred, c_centred = b + share * (w @ lam), c + up * mu @ w
        w = w + 0.5 * ((v - mu).T @ (h - lam) / len(v) - (v_model - mu).T @ (h_model - lam) / len(v_model))
        b_centred = b_centred + 0.5 * (v.mean(0) - v_model.mean(0))
        c_centred = c_centred + 0.5 * (h.mean(0) - h_model.mean(0)) / up
        b, c = b_centred - share * (w @ lam), c_centred - up * mu @ w
    for found, expected in zip(parts(trained(start, batches, v_model, up, down, labels)), (w, b, c), strict=True):
        assert_rounded(found, expected)


@pytest.mark.parametrize("sides", [(True, True), (True, False), (False, True)], ids=["both", "visible", "hidden"])
@pytest.mark.parametrize(("up", "down", "labels"), DOUBLED)
@pytest.mark.few(9)
def test_pretraining_is_blind_to_flipped_units(up, down, labels, sides):
    """Zeros and ones exchanged, of all units but the labels, and parameters that say the same: so do those learnt."""
    share, flips = np.repeat([down, 1.0], [5, labels]), np.repeat([sides[0], False], [5, labels])

    def flipped(w, b, c):
        w, b, c = np.where(flips[:, None], -w, w), np.where(flips, -b, b), c + up * w[flips].sum(0)
        return [-w, b + share * w.sum(1), -c] if sides[1] else [w, b, c]

    *batches, v_model = cases(labels)
    start = parts(doubled(up, down, labels))
    rbm = trained(start, batches, v_model, up, down, labels)
    *mirrored, mirrored_model = (np.abs(flips - v) for v in (*batches, v_model))
    twin = trained(flipped(*start), mirrored, mirrored_model, up, down, labels)
    for found, expected in zip(parts(twin), flipped(*parts(rbm)), strict=True):
        assert_rounded(found, expected)
    assert_rounded(twin.visible_offset, np.abs(flips - np.array(rbm.visible_offset)))
    assert_rounded(twin.hidden_offset, np.abs(sides[1] - np.array(rbm.hidden_offset)))


def test_a_deep_machine_of_the_mean_field_tests_can_be_pretrained():
    dbm = random_dbm(("binomial", "spin", "softmax"))
    x = np.random.default_rng(0).integers(0, 5, (30, 2)).astype("float64")
    assert len(dbm.pretrain(x, **QUICK)) == 2
