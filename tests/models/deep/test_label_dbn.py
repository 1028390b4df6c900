"""Label units on top of a DBN: learning, classifying, dreaming of classes."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from keras_rbm import DBN, RBM, ClassificationRBM, samplers, units
from keras_rbm.likelihood import log_likelihood
from tests.oracles.kinds import binary_states
from tests.oracles.machines import randomize, sigmoid
from tests.oracles.rbm import Exact, log_conditional
from tests.support.statistics import assert_frequencies, assert_means, assert_rounded
from tests.support.steps import contrastive_gradients

CLASSES = 3
V = binary_states(3)
Y = np.arange(8) * 5 % CLASSES


def label_dbn(sizes=(4, 2), width: int = 3, **kwargs) -> DBN:
    """A random DBN with label units, float64."""
    dbn = DBN(list(sizes), **{"num_classes": CLASSES, "dtype": "float64", "seed": 0, **kwargs})
    dbn.build((None, width))
    randomize(dbn)
    return dbn


def label_machine(sizes, **kwargs) -> DBN | ClassificationRBM:
    """Of one layer, a classification RBM."""
    if len(sizes) > 1:
        return label_dbn(sizes, **kwargs)
    machine = ClassificationRBM(sizes[0], CLASSES, objective="joint", **{"dtype": "float64", "seed": 0, **kwargs})
    machine.build((None, 3))
    randomize(machine)
    return machine


def lower(machine: DBN | ClassificationRBM) -> list[RBM]:
    """The directed layers."""
    return machine.lower if isinstance(machine, DBN) else []


def one_hot(y) -> np.ndarray:
    return np.eye(CLASSES)[y]


def parts(rbm: RBM) -> list[np.ndarray]:
    return [np.array(x) for x in (rbm.w_rec, rbm.w_gen, rbm.visible.bias, rbm.hidden.bias)]


def log_joint(dbn: DBN | ClassificationRBM, x: np.ndarray) -> np.ndarray:
    """`-F(x, y)` of the top with every label, `(cases, classes)`, by hand for binary units."""
    w, _, b, c = parts(dbn.undirected())
    visible = np.concatenate([np.repeat(x, CLASSES, 0), np.tile(np.eye(CLASSES), (len(x), 1))], 1)
    return (visible @ b + np.logaddexp(0, visible @ w + c).sum(1)).reshape(len(x), CLASSES)


# --- classes


@pytest.mark.parametrize("sizes", [(4,), (4, 2), (4, 3, 2)], ids=str)
def test_classes_encodings_and_reconstructions_by_hand(sizes):
    dbn = label_machine(sizes)
    x = V
    for rbm in lower(dbn):
        x = sigmoid(x @ np.array(rbm.w_rec) + np.array(rbm.hidden.bias))
    log_p = log_softmax(log_joint(dbn, x), 1)
    assert_rounded(dbn.class_log_probs(V), log_p)
    np.testing.assert_array_equal(dbn.classify(V), log_p.argmax(1))
    np.testing.assert_array_equal(dbn.classify(tf.data.Dataset.from_tensor_slices(V).batch(3)), log_p.argmax(1))
    w, _, b, c = parts(dbn.undirected())
    h = sigmoid(np.concatenate([x, np.exp(log_p)], 1) @ w + c)
    assert_rounded(dbn.encode(V), h)
    assert_rounded(dbn(V), h if lower(dbn) else np.exp(log_p))
    h = sigmoid(h @ w.T + b)[:, :-CLASSES]
    for rbm in lower(dbn)[::-1]:
        h = sigmoid(h @ np.array(rbm.w_gen) + np.array(rbm.visible.bias))
    assert_rounded(dbn.reconstruct(V), h)


def test_accuracy_is_logged_where_it_is_measured():
    dbn = label_dbn()
    dbn.compile("sgd", run_eagerly=True)
    logs = dbn.evaluate(V, Y, verbose=0, return_dict=True)
    found = dbn.classify(V)
    assert 0 < np.mean(found == Y) < 1
    np.testing.assert_allclose(logs["accuracy"], np.mean(found == Y), rtol=1e-6)
    expected = -np.mean(np.array(dbn.class_log_probs(V))[np.arange(8), Y])
    np.testing.assert_allclose(logs["cross_entropy"], expected, rtol=1e-6)
    history = dbn.fit(V, Y, validation_data=(V, found), verbose=0).history
    assert {"accuracy", "cross_entropy"} & set(history) == set()
    assert 0 <= history["val_accuracy"][0] <= 1


# --- up and down with labels


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 0.5, 1.0, 1.0, 3.0, 0.25]], ids=["", "weighted"])
@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
def test_a_step_teaches_the_top_as_an_rbm_and_the_layers_below_as_without_labels(centring, weights):
    """The dream starts from the chains of the top, and the label units' part of it goes nowhere."""
    sampler = samplers.PCD(num_chains=6, dtype="float64")
    dbn = label_dbn((4, 3, 2), centered=centring, sampler=sampler)
    share = np.ones(8) / 8 if weights is None else np.array(weights) / np.sum(weights)
    w = None if weights is None else tf.constant(weights, tf.float64)
    keys = [np.array(rbm.stream.key) for rbm in dbn.rbms]

    def rewind():
        for rbm, key in zip(dbn.rbms, keys, strict=True):
            rbm.stream.key.assign(key)

    states = [V]
    for rbm in dbn.lower:
        states.append(rbm.sample_h_from_v(states[-1]).numpy())
    top_states = np.concatenate([states[-1], one_hot(Y)], 1)
    samples = dbn.top.sampler.negative_phase(dbn.top, tf.constant(top_states), tf.constant(share))
    dream = [samples.v.numpy()[:, :-CLASSES]]
    for rbm in dbn.lower[::-1]:
        dream.append(rbm.sample_v_from_h(dream[-1]).numpy())
    dream = dream[::-1]
    groups = units.Mixed([("bernoulli", 3), (units.Softmax(3), 3)], dtype="float64")
    lone = RBM(2, visible=groups, centered=centring, dtype="float64")
    lone.build((None, 6))
    for variable, value in zip(lone.trainable_variables, dbn.top.trainable_variables, strict=True):
        variable.assign(value)
    contrast = contrastive_gradients(lone, tf.constant(top_states), tf.constant(share), samples).gradients
    before = [parts(rbm) for rbm in dbn.rbms]

    rewind()
    dbn.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
    dbn.train_on_batch(V, Y, sample_weight=None if w is None else w.numpy())
    own = (dbn.top.w_rec, dbn.top.visible.bias, dbn.top.hidden.bias)
    for new, old, (_, gradient) in zip(own, (before[-1][0], *before[-1][2:]), contrast, strict=True):
        assert_rounded(new, old - 0.125 * gradient.numpy())
    np.testing.assert_array_equal(dbn.top.sampler.chains, samples.v)
    for i, (rbm, (w_rec, w_gen, b, c)) in enumerate(zip(dbn.lower, before, strict=False)):
        error = share[:, None] * (states[i] - sigmoid(states[i + 1] @ w_gen + b))
        assert_rounded(rbm.w_gen, w_gen + 0.125 * states[i + 1].T @ error)
        assert_rounded(rbm.visible.bias, b + 0.125 * error.sum(0))
        error = (dream[i + 1] - sigmoid(dream[i] @ w_rec + c)) / 6
        assert_rounded(rbm.w_rec, w_rec + 0.125 * dream[i].T @ error)
        assert_rounded(rbm.hidden.bias, c + 0.125 * error.sum(0))


def test_where_no_class_is_given_one_is_drawn():
    """Given the case: `p(y | v)`, exactly."""
    dbn = label_machine((4,))
    state = dbn._initial_states_from(tf.constant(np.repeat(V[5:6], 20000, 0))).numpy()
    np.testing.assert_array_equal(state[:, :3], np.repeat(V[5:6], 20000, 0))
    assert_frequencies(state[:, 3:].argmax(1), np.exp(log_softmax(log_joint(dbn, V[5:6]), 1))[0])


@pytest.mark.parametrize("objective", ["discriminative", "hybrid"])
def test_other_objectives_teach_the_top_alone(objective):
    """The layers below take the same step as with the joint one; the top follows the classes given sampled states."""

    def stepped(objective):
        sampler = samplers.PCD(num_chains=6, dtype="float64")
        dbn = label_dbn((4, 2), objective=objective, generative_weight=0.3, centered=False, sampler=sampler)
        start = [np.array(x) for x in (dbn.top.w_rec, dbn.top.visible.bias, dbn.top.hidden.bias)]
        key = dbn.rbms[0].stream.key.numpy()
        x = dbn.rbms[0].sample_h_from_v(V)
        dbn.rbms[0].stream.key.assign(key)
        dbn.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
        dbn.train_on_batch(V, Y)
        return dbn, x, start

    dbn, x, start = stepped(objective)
    other, _, _ = stepped("joint")
    for a, b in zip(parts(dbn.rbms[0]), parts(other.rbms[0]), strict=True):
        np.testing.assert_array_equal(a, b)
    own = (dbn.top.w_rec, dbn.top.visible.bias, dbn.top.hidden.bias)
    joint = (other.top.w_rec, other.top.visible.bias, other.top.hidden.bias)
    share = 0.3 if objective == "hybrid" else 0.0
    table, step, expected = Exact(dbn.top), 1e-6, []
    for i, values in enumerate(start):
        expected.append(np.zeros_like(values))
        for index in np.ndindex(values.shape):
            ends = []
            for sign in (1, -1):
                moved = [p.copy() for p in start]
                moved[i][index] += sign * step
                ends.append(cross_entropy(table, moved, x.numpy()))
            expected[i][index] = (ends[0] - ends[1]) / (2 * step)
    for new, old, gradient, followed in zip(own, start, expected, joint, strict=True):
        generative = share * (np.array(followed) - old)
        np.testing.assert_allclose(new, old - 0.125 * gradient + generative, rtol=0, atol=1e-9)


def cross_entropy(table: Exact, wbc: list[np.ndarray], x: np.ndarray) -> float:
    """Of the classes `Y` given states `x`, at other parameters, the hidden states summed one by one."""
    visible = np.concatenate([np.repeat(x, CLASSES, 0), np.tile(np.eye(CLASSES), (len(x), 1))], 1)
    scores = tf.reduce_logsumexp(table.log_joint(visible, wbc), 1).numpy().reshape(-1, CLASSES)
    return -np.mean(log_softmax(scores, 1)[np.arange(len(Y)), Y])


# --- greedy training


class Recording(samplers.CD):
    """CD that keeps what it was trained on."""

    seen: list[tuple] = []

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        self.seen.append((v_data.numpy(), weights.numpy()))
        return super().negative_phase(rbm, v_data, weights, hidden_input)


@pytest.mark.parametrize("weighted", [False, True], ids=["", "weighted"])
@pytest.mark.parametrize("kind", ["array", "dataset"])
@pytest.mark.few(2)
def test_pretraining_shows_the_top_states_beside_their_labels(kind, weighted):
    """Each case's class and weight stay with it; what the other layers see has none."""
    Recording.seen = []
    dbn = label_dbn((4, 2), dtype="float32")
    for rbm in dbn.lower:  # states that tell the case: each hidden unit copies a pixel
        rbm.w_rec.assign(np.pad(60 * np.eye(3), ((0, 0), (0, 1))))
        rbm.hidden.bias.assign([-30, -30, -30, -30])
    weights = np.arange(8) + 1.0 if weighted else np.ones(8)
    options = {"epochs": 2, "sampler": Recording(), "verbose": 0, "run_eagerly": True}
    if kind == "array":
        dbn.pretrain_layer(1, V, y=Y, batch_size=3, sample_weight=weights if weighted else None, **options)
    else:
        data = (V, Y[:, None], weights) if weighted else (V, Y[:, None])
        dbn.pretrain_layer(1, tf.data.Dataset.from_tensor_slices(data).batch(3), **options)
    seen, counted = (np.concatenate(x) for x in zip(*Recording.seen, strict=True))
    assert seen.shape == (16, 4 + CLASSES)
    case = (seen[:, :3] @ [1, 2, 4]).astype(int)
    np.testing.assert_array_equal(np.sort(case), np.repeat(np.arange(8), 2))
    np.testing.assert_array_equal(seen[:, -CLASSES:], one_hot(Y[case]))
    np.testing.assert_array_equal(counted, weights[case])


@pytest.mark.parametrize("kind", ["array", "dataset"])
@pytest.mark.few(1)
def test_pretraining_all_layers(kind):
    """The biases of label units become those of their frequencies; the lower layer knows no labels."""
    x, y = np.tile(V, (20, 1)).astype("float32"), np.r_[np.zeros(100), np.ones(60)].astype(int)
    dbn = DBN([4, 3], num_classes=2, seed=0)
    data = {"x": x, "y": y} if kind == "array" else {"x": tf.data.Dataset.from_tensor_slices((x, y)).batch(40)}
    validation = (x, y) if kind == "array" else data["x"]
    optimizer = keras.optimizers.SGD(1e-30)
    histories = dbn.pretrain(
        **data, epochs=1, optimizer=optimizer, validation_data=validation, verbose=0, run_eagerly=True
    )
    assert len(histories) == 2
    assert all("val_loss" in h.history for h in histories)
    assert dbn.rbms[0].w_rec.shape == (3, 4)
    assert dbn.top.w_rec.shape == (6, 3)
    p = np.array([100.5, 60.5]) / 161
    assert_rounded(dbn.top.visible.bias[-2:], np.float32(np.log(p) - np.log(p).mean()))


def test_unrolling_below_labels():
    """The rows of label units stay small and random: the bound starts where the layer below left it."""
    dbn = DBN([3, 5], num_classes=CLASSES, dtype="float64", seed=0)
    dbn.build((None, 5))
    rbm = dbn.rbms[0]
    randomize(rbm)
    rbm._w_gen.assign(tf.transpose(rbm.w_rec))
    labels, bias = np.array(dbn.top.w_rec)[3:], np.array(dbn.top.visible.bias)[3:]
    dbn.initialize_from_below(1)
    assert_rounded(dbn.top.w_rec[:3], rbm.w_gen)
    np.testing.assert_array_equal(dbn.top.w_rec[3:], labels)
    assert_rounded(dbn.top.hidden.bias, rbm.visible.bias)
    assert_rounded(dbn.top.visible.bias[:3], rbm.hidden.bias)
    np.testing.assert_array_equal(dbn.top.visible.bias[3:], bias)
    dbn.top.w_rec.assign(np.concatenate([np.array(dbn.top.w_rec)[:3], np.zeros((3, 5))]))
    v = binary_states(5)
    lone = RBM(3, dtype="float64")
    lone.build((None, 5))
    lone.copy_weights_from(rbm._as_tied("cd"))
    assert_rounded(log_likelihood(dbn, v, num_samples=1).per_case_lower, log_likelihood(lone, v).per_case_lower)


# --- likelihood, with labels summed out


def test_the_likelihood_of_one_layer_is_exact():
    dbn = label_machine((4,))
    table = Exact(dbn.undirected())
    expected = [np.log(table.p_v[table.agreeing([1, 1, 1, 0, 0, 0], np.r_[v, 0, 0, 0])].sum()) for v in V]
    found = log_likelihood(dbn, V, num_samples=3)
    assert_rounded(found.per_case_lower, np.array(expected), ulps=1e4)
    assert_rounded(np.exp(found.per_case_lower).sum(), np.float64(1.0))


def test_the_bound_of_two_layers_by_enumeration():
    """Mean over `q(x | v)` of `log p(v | x) + log sum_y p(x, y) - log q(x | v)`."""
    dbn = label_dbn((3, 2))
    table, lower = Exact(dbn.top), dbn.rbms[0]
    x = binary_states(3)
    p_x = np.array([table.p_v[table.agreeing([1, 1, 1, 0, 0, 0], np.r_[row, 0, 0, 0])].sum() for row in x])
    w_rec, w_gen, b, c = parts(lower)
    zero = np.zeros(1)
    log_q = log_conditional(x, (V @ w_rec + c)[:, None], zero)
    terms = log_conditional(V[:, None], x @ w_gen + b, zero) + np.log(p_x) - log_q
    found = [log_likelihood(dbn, np.repeat(V[i : i + 1], 4000, 0), num_samples=1).per_case_lower for i in (0, 5)]
    for i, own in zip((0, 5), found, strict=True):
        assert_means(own, np.exp(log_q[i]) @ terms[i])


# --- what it becomes


@pytest.mark.parametrize("sizes", [(4,), (4, 2)], ids=str)
def test_the_classifier_takes_all_classes_as_equally_probable(sizes):
    dbn = label_machine(sizes, dtype="float32")
    net = dbn.classifier(5)
    x = V
    for rbm in lower(dbn):
        x = sigmoid(x @ np.array(rbm.w_rec) + np.array(rbm.hidden.bias))
    w, _, _, c = parts(dbn.undirected())
    h = sigmoid(np.concatenate([x, np.full((8, CLASSES), 1 / CLASSES)], 1) @ w + c)
    found = V
    for layer in net.layers[:-1]:
        found = layer(found)
    assert_rounded(found, np.float32(h), ulps=50)
    assert net(V).shape == (8, 5)


def test_it_comes_back(tmp_path):
    dbn = label_dbn(sampler=samplers.PCD(num_chains=5, dtype="float64"))
    dbn.compile("adam", run_eagerly=True)
    dbn.fit(V, Y, verbose=0)
    dbn.save(tmp_path / "dbn.keras")
    loaded = keras.models.load_model(tmp_path / "dbn.keras")
    assert loaded.num_classes == CLASSES
    assert loaded.visible.kind == ("Bernoulli",)
    np.testing.assert_array_equal(loaded.class_log_probs(V), dbn.class_log_probs(V))
    for each in (dbn, loaded):
        each.reset_metrics()
    assert dbn.train_on_batch(V, Y, return_dict=True) == loaded.train_on_batch(V, Y, return_dict=True)
    for a, b in zip(dbn.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(dbn.sample(y=[0, 1], num_steps=3), loaded.sample(y=[0, 1], num_steps=3))


def test_a_saved_model_answers_for_classes(tmp_path):
    dbn = label_dbn(dtype="float32")
    dbn.export(tmp_path / "dbn")
    exported = tf.saved_model.load(tmp_path / "dbn")
    for name in ("encode", "reconstruct", "class_log_probs"):
        found = getattr(exported, name)(tf.constant(V, tf.float32))
        assert_rounded(found, getattr(dbn, name)(V), ulps=50)
    assert exported.sample(tf.constant(7), tf.constant(2)).shape == (7, 3)


@pytest.mark.slow
def test_two_classes_are_learnt_and_dreamt_of():
    """Pretrained with labels and trained by up-down steps: it tells the classes apart, and draws each of them."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    clean = np.where(y[:, None] == 1, [1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 1])
    x = np.abs(clean - (rng.random(clean.shape) < 0.05)).astype("float32")
    dbn = DBN([6, 8], num_classes=2, sampler="pcd", seed=7)
    options = {"batch_size": 50, "verbose": 0}
    optimizer = keras.optimizers.Adam(0.03)
    dbn.pretrain(np.tile(x, (8, 1)), y=np.tile(y, 8), epochs=1, optimizer=optimizer, jit_compile=False, **options)
    dbn.compile(keras.optimizers.SGD(0.02), jit_compile=False)
    dbn.fit(np.tile(x, (8, 1)), np.tile(y, 8), **options)
    assert np.mean(dbn.classify(x) == y) > 0.98
    wanted = np.repeat([0, 1], 200)
    dreams = dbn.sample(y=wanted, num_steps=100).numpy()
    assert np.mean((dreams[:, :3].sum(1) > dreams[:, 3:].sum(1)) == wanted) > 0.9
    assert np.mean(dbn.classify(dreams) == wanted) > 0.9
