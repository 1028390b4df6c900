"""The DBN: wake and sleep by hand, greedy training, and the plain network that it becomes."""

import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, samplers, units
from keras_rbm.likelihood import log_likelihood
from tests.oracles.kinds import PRECISIONS, binary_states, index
from tests.oracles.machines import centered, plain_gradient, random_dbn, random_rbm, randomize, sigmoid
from tests.oracles.rbm import Exact, parameters
from tests.support.statistics import assert_frequencies, assert_means, assert_rounded


def bias(unit: units.Unit) -> np.ndarray:
    return np.array(unit.bias)


# --- wake-sleep


def replay(dbn: DBN, v: np.ndarray) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The states of the next wake-sleep step, from the data up and from the top down; the keys are put back."""
    streams = [rbm.stream for rbm in dbn.rbms]
    keys = [np.array(stream.key) for stream in streams]
    awake = [tf.constant(v)]
    for rbm in dbn.lower:
        awake.append(rbm.sample_h_from_v(awake[-1]))
    dream = [dbn.top.sampler.negative_phase(dbn.top, awake[-1], tf.ones(len(v), "float64")).v]
    for rbm in dbn.lower[::-1]:
        dream.append(rbm.sample_v_from_h(dream[-1]))
    for stream, key in zip(streams, keys, strict=True):
        stream.key.assign(key)
    return [x.numpy() for x in awake], [x.numpy() for x in dream[::-1]]


@pytest.mark.parametrize("weights", [None, [1.0, 0.0, 2.0, 0.5, 1.0]], ids=["unweighted", "weighted"])
@pytest.mark.parametrize("centring", [False, True], ids=["plain", "centred"])
@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_one_step_of_wake_sleep_by_hand(visible, centring, weights):
    """Each side learns to predict the sampled states of the other; the top follows its contrast."""
    rate, num = 0.125, 5
    sampler = samplers.PCD(num_steps=2, num_chains=4, dtype="float64")
    dbn = random_dbn(visible=visible, centered=centring, sampler=sampler)
    v = np.random.default_rng(0).normal(size=(num, 3)) if visible == "gaussian" else binary_states(3)[2:7]
    start = [{k: np.array(x) for k, x in variables(rbm).items()} for rbm in dbn.rbms]
    awake, dream = replay(dbn, v)
    dbn.compile(keras.optimizers.SGD(rate), run_eagerly=True)
    logs = dbn.train_on_batch(v, np.zeros(num), sample_weight=weights and np.array(weights), return_dict=True)

    share = np.ones(num) / num if weights is None else np.array(weights) / np.sum(weights)
    for i, (rbm, old) in enumerate(zip(dbn.lower, start, strict=False)):
        below, above = awake[i], awake[i + 1]
        field = above @ old["w_gen"] + old["b"]
        predicted = field / PRECISIONS if visible == "gaussian" and i == 0 else sigmoid(field)
        error = share[:, None] * (below - predicted)
        assert_rounded(rbm.w_gen, old["w_gen"] + rate * above.T @ error)
        assert_rounded(rbm.visible.bias, old["b"] + rate * error.sum(0))
        below, above = dream[i], dream[i + 1]
        error = (above - sigmoid(below @ old["w_rec"] + old["c"])) / len(dream[0])
        assert_rounded(rbm.w_rec, old["w_rec"] + rate * below.T @ error)
        assert_rounded(rbm.hidden.bias, old["c"] + rate * error.sum(0))

    w, b, c = (start[-1][k] for k in ("w_rec", "b", "c"))
    gradients = plain_gradient((w, b, c), awake[-1], dream[-1], share)
    if centring:
        gradients = centered(gradients, share @ awake[-1], share @ sigmoid(awake[-1] @ w + c))
    for new, old, gradient in zip(parameters(dbn.top)[:3], (w, b, c), gradients, strict=True):
        assert_rounded(new, old - rate * gradient)
    np.testing.assert_array_equal(dbn.top.sampler.chains, dream[-1])

    fields = [above @ old["w_gen"] + old["b"] for above, old in zip(awake[1:], start, strict=False)]
    wake = [np.logaddexp(0, f) - x * f for x, f in zip(awake, fields, strict=False)]
    if visible == "gaussian":
        gamma = np.array(PRECISIONS)
        wake[0] = gamma * (v - fields[0] / gamma) ** 2 / 2 + np.log(2 * np.pi / gamma) / 2
    fields = [below @ old["w_rec"] + old["c"] for below, old in zip(dream, start, strict=False)]
    sleep = [np.logaddexp(0, f) - x * f for x, f in zip(dream[1:], fields, strict=False)]
    np.testing.assert_allclose(logs["wake_loss"], share @ sum(x.sum(1) for x in wake), rtol=1e-5)
    np.testing.assert_allclose(logs["sleep_loss"], np.mean(sum(x.sum(1) for x in sleep)), rtol=1e-5)


def variables(rbm) -> dict:
    return {"w_rec": rbm.w_rec, "w_gen": rbm.w_gen, "b": rbm.visible.bias, "c": rbm.hidden.bias}


def test_its_top_learns_as_an_rbm_of_the_states_below_it():
    """Where these are certain, whatever is drawn."""
    dbn = DBN([5, 4], dtype="float64", seed=0)
    dbn.build((None, 5))
    rbm = random_rbm(seed=1)
    randomize(dbn.top)
    rbm.stream.key.assign(dbn.top.stream.key)
    v = binary_states(5)[:9]
    dbn.rbms[0].w_rec.assign(2000 * np.eye(5))
    dbn.rbms[0].hidden.bias.assign(np.full(5, -1000.0))
    for model in (dbn, rbm):
        model.compile(keras.optimizers.SGD(0.125), run_eagerly=True)
        model.train_on_batch(v)
    for a, b in zip(parameters(dbn.top)[:3], parameters(rbm)[:3], strict=True):
        assert_rounded(a, b)


@pytest.mark.slow
def test_wake_sleep_in_every_mode_draws_dreams_alike():
    """Chains of the top after a step that learns nothing, against enumeration; with XLA, too."""
    for options in ({"run_eagerly": True}, {"jit_compile": False}, {"jit_compile": True}):
        dbn = random_dbn((4, 3), sampler=samplers.PCD(num_chains=20000), dtype="float32")
        dbn.top.sampler.chains.assign(np.ones((20000, 4)))
        dbn.compile(keras.optimizers.SGD(0.0), steps_per_execution=1, **options)
        dbn.train_on_batch(np.zeros((1, 3)))
        exact = Exact(dbn.top)
        assert_frequencies(exact.index(dbn.top.sampler.chains), exact.transitions(np.ones((1, 4)), 1)[0])


@pytest.mark.slow
def test_the_same_seed_gives_the_same_run():
    def run(seed: int, **options) -> list[np.ndarray]:
        dbn = DBN([4, 3], seed=seed)
        keras.utils.set_random_seed(5)  # Keras shuffles arrays by it
        dbn.pretrain(binary_states(5), epochs=1, batch_size=16, verbose=0, run_eagerly=True)
        dbn.compile(keras.optimizers.SGD(0.1), **options)
        dbn.fit(binary_states(5), batch_size=8, epochs=2, verbose=0)
        return dbn.get_weights()

    first, second = (run(3, jit_compile=False) for _ in range(2))
    other = run(4, run_eagerly=True)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))
    assert not np.array_equal(first[0], other[0])


# --- means and samples


def test_encode_and_reconstruct_by_hand():
    dbn = random_dbn()
    v = binary_states(3)
    h = v
    for rbm in dbn.rbms:
        h = sigmoid(h @ np.array(rbm.w_rec) + bias(rbm.hidden))
    assert_rounded(dbn.encode(v), h)
    assert_rounded(dbn(v), h)
    for rbm in dbn.rbms[::-1]:
        h = sigmoid(h @ np.array(rbm.w_gen) + bias(rbm.visible))
    assert_rounded(dbn.reconstruct(v), h)


@pytest.mark.parametrize("mean", [False, True])
def test_samples_come_from_the_top_rbm_and_down(mean):
    """Two sweeps of the top, then the directed layer: by enumeration."""
    dbn = random_dbn((4, 3))
    top, lower = Exact(dbn.top), dbn.rbms[0]
    odds = np.exp(bias(dbn.top.visible))
    start = np.prod(np.where(top.v == 1, odds, 1) / (1 + odds), 1)
    p_h = start @ top.transitions(top.v, 2)
    mean_v = sigmoid(top.v @ np.array(lower.w_gen) + bias(lower.visible))
    v = dbn.sample(40000, num_steps=2, mean=mean)
    assert v.shape == (40000, 3)
    if mean:
        assert_means(v, p_h @ mean_v)
        assert np.all((v > 0) & (v < 1))
    else:
        states = binary_states(3)
        p_v_from_h = np.prod(np.where(states, mean_v[:, None], 1 - mean_v[:, None]), -1)
        assert_frequencies(index(states, v), p_h @ p_v_from_h)


def test_samples_can_start_from_data():
    dbn = random_dbn((4, 3))
    v = dbn.sample(v=binary_states(3), num_steps=1)
    assert v.shape == (8, 3)
    assert set(np.unique(v)) <= {0.0, 1.0}


# --- greedy training


class Recording(samplers.CD):
    """CD that keeps what it was trained on."""

    seen: list[np.ndarray] = []

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        self.seen.append(v_data.numpy())
        return super().negative_phase(rbm, v_data, weights, hidden_input)


def prototypes(number: int) -> np.ndarray:
    """Four pictures of 8 pixels, a tenth of the pixels flipped."""
    rng = np.random.default_rng(0)
    clean = binary_states(2)[rng.integers(0, 4, number)].repeat(4, 1)
    return np.abs(clean - (rng.random(clean.shape) < 0.1)).astype("float32")


def as_stream(x: np.ndarray, kind: str):
    """Arrays, or streams of unknown length of `x` and of `(x, y)`."""
    if kind == "array":
        return x
    dataset = tf.data.Dataset.from_tensor_slices((x, np.arange(len(x))) if kind == "pairs" else x)
    return dataset.filter(lambda *_: True).batch(50)


@pytest.mark.parametrize("kind", ["array", "inputs", "pairs"])
@pytest.mark.few(1)
def test_pretraining_teaches_each_layer(kind):
    """Streams to one layer above another, eagerly: four epochs of an array are enough to see that it learns."""
    array = kind == "array"
    dbn = DBN([6, 4, 3] if array else [6, 3], seed=0)
    options = {"verbose": 0, "batch_size": 50, **({"jit_compile": False} if array else {"run_eagerly": True})}
    optimizer = keras.optimizers.Adam(0.03)
    data = as_stream(prototypes(500 if array else 200), kind)
    histories = dbn.pretrain(data, epochs=4, optimizer=optimizer, **options)
    assert [len(h.history["loss"]) for h in histories] == [4] * len(dbn.rbms)
    for history in histories:
        errors = history.history["reconstruction_error"]
        assert errors[-1] < errors[0]
    first = histories[0].history["reconstruction_error"]
    # A machine that knows nothing needs ln 2 a pixel.
    assert first[-1] < (0.8 if array else 1.0) * 8 * np.log(2)
    for rbm in dbn.lower:
        np.testing.assert_array_equal(rbm.w_gen, np.transpose(rbm.w_rec))
        assert np.abs(rbm.w_rec).max() > 0.1
    assert np.abs(dbn.top.w_rec).max() > 0.1


def test_layers_learn_from_sampled_states_a_batch_at_a_time():
    Recording.seen = []
    dbn = random_dbn((6, 4), num_visible=8, dtype="float32")
    x = prototypes(300)
    first = dbn.rbms[0]
    dbn.pretrain_layer(0, x, epochs=1, sampler=Recording(), batch_size=100, verbose=0, run_eagerly=True)
    seen, Recording.seen = Recording.seen, []
    assert [len(v) for v in seen] == [100] * 3
    np.testing.assert_array_equal(np.sort(np.concatenate(seen), 0), np.sort(x, 0))
    dbn.pretrain_layer(1, x, epochs=8, sampler=Recording(), batch_size=100, verbose=0, run_eagerly=True)
    seen = Recording.seen
    assert [v.shape for v in seen] == [(100, 6)] * 24
    states = np.concatenate(seen).reshape(8, 300, 6)
    assert set(np.unique(states)) == {0.0, 1.0}
    means = sigmoid(x @ np.array(first.w_rec) + bias(first.hidden))
    per_epoch = states.mean(1) - means.mean(0)  # the data's own spread drops out: each epoch sees every row
    noise = (means * (1 - means)).mean(0) / (8 * 300)
    assert np.all(np.abs(per_epoch.mean(0)) < 5 * np.sqrt(noise) + 1e-6)
    assert len(np.unique(states.sum(1), axis=0)) == 8, "states must be drawn anew in each epoch"


def test_plans_have_one_value_a_layer():
    dbn = DBN([4, 3], seed=0)
    x = binary_states(5)
    plan = {"epochs": [1, 3], "optimizer": ["sgd", "adam"], "sampler": ["cd", "pcd"]}
    histories = dbn.pretrain(x, **plan, verbose=0, run_eagerly=True)
    assert [len(h.history["loss"]) for h in histories] == [1, 3]
    assert [type(h.model.optimizer).__name__ for h in histories] == ["SGD", "Adam"]
    assert [type(h.model.sampler) for h in histories] == [samplers.CD, samplers.PCD]
    before = dbn.get_weights()
    with pytest.raises(ValueError, match=r"`epochs` must be one value or 2, one a layer\. Received: 3"):
        dbn.pretrain(x, epochs=[1, 2, 3])
    for a, b in zip(before, dbn.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


# --- the classifier


@pytest.mark.parametrize("hidden", ["bernoulli", "gaussian"])
def test_classifier_computes_encode(hidden):
    kinds = units.Gaussian(precision=2.0, dtype="float32") if hidden == "gaussian" else "bernoulli"
    dbn = DBN([4, 3], hidden=kinds, kernel_constraint="max_norm", seed=0)
    dbn.build((None, 5))
    randomize(dbn)
    v = binary_states(5).astype("float32")
    net = dbn.classifier(10)
    x = h = v
    for layer, rbm in zip(net.layers, dbn.rbms, strict=False):
        x, h = layer(x), rbm.mean_h_from_v(h)
        assert_rounded(x, h, ulps=50)
    assert_rounded(x, dbn.encode(v), ulps=50)
    p = net(v).numpy()
    assert p.shape == (32, 10)
    assert_rounded(p.sum(1), np.ones(32), ulps=50)


def test_dropout_follows_every_hidden_layer():
    net = random_dbn((4, 3), dtype="float32").classifier(2, dropout=0.25)
    names = [type(layer).__name__ for layer in net.layers]
    assert names == ["Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert {layer.rate for layer in net.layers if isinstance(layer, keras.layers.Dropout)} == {0.25}
    v = binary_states(3)
    assert np.array_equal(net(v), net(v))
    assert not np.array_equal(net(v, training=True), net(v, training=True))


@pytest.mark.parametrize(("num_classes", "dropout"), [(1, 0.0), (0, 0.0), (10, 1.0), (10, -0.1)])
def test_bad_classifiers_are_refused(num_classes, dropout):
    with pytest.raises(ValueError, match=r"Received: (num_classes|dropout)="):
        random_dbn().classifier(num_classes, dropout)


def test_classifier_deploys_without_this_package(tmp_path):
    """Only plain Keras layers: another process loads it, and never imports `keras_rbm`."""
    dbn = random_dbn((4, 3), dtype="float32")
    net = dbn.classifier(10, dropout=0.1)
    assert all(type(layer).__module__.startswith("keras.") for layer in net.layers)
    v = binary_states(3)
    net.save(tmp_path / "classifier.keras")
    np.save(tmp_path / "v.npy", v)
    code = """
import sys
sys.modules["keras_rbm"] = None  # importing it would fail
import keras, numpy as np
net = keras.models.load_model("classifier.keras")
np.save("p.npy", net(np.load("v.npy")))
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    assert_rounded(np.load(tmp_path / "p.npy"), net(v), ulps=50)


@pytest.mark.slow
def test_fine_tuning_learns():
    x = prototypes(400)
    y = (x[:, 0:4].mean(1) > 0.5) * 2 + (x[:, 4:].mean(1) > 0.5)
    dbn = DBN([8, 6], seed=0)
    dbn.pretrain(x, epochs=3, optimizer=keras.optimizers.Adam(0.03), batch_size=100, verbose=0, run_eagerly=True)
    before = dbn.get_weights()
    net = dbn.classifier(4)
    net.compile(keras.optimizers.Adam(0.03), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    net.fit(np.tile(x, (20, 1)), np.tile(y, 20), verbose=0)
    assert net.evaluate(x, y, verbose=0)[1] > 0.8
    for a, b in zip(before, dbn.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)  # the network has weights of its own


# --- case weights in pretraining, and layers that start from what was learnt before


@pytest.mark.parametrize("kind", ["array", "dataset"])
@pytest.mark.few(1)
def test_pretraining_counts_case_weights(kind):
    """Cases of weight 0 teach no layer anything: with others in their place, the stack is the same to the last bit."""

    def trained(others: float) -> list[np.ndarray]:
        x = np.concatenate([prototypes(40), np.full((40, 8), others)]).astype("float32")
        weights = np.repeat([1.0, 0.0], 40).astype("float32")
        dbn = DBN([4, 3], centered=False, seed=0)
        if kind == "array":
            dbn.pretrain(x, epochs=2, batch_size=80, sample_weight=weights, verbose=0, run_eagerly=True)
        else:
            stream = tf.data.Dataset.from_tensor_slices((x, np.zeros(80), weights)).batch(80)
            dbn.pretrain(stream, epochs=2, verbose=0, run_eagerly=True)
        return [np.array(w) for w in dbn.trainable_weights]

    for a, b in zip(trained(0.0), trained(1.0), strict=True):
        assert_rounded(a, b)


def test_bad_weights_of_pretraining_are_refused():
    with pytest.raises(ValueError, match=r"`sample_weight` must have shape \(40,\)"):
        DBN([4, 3], seed=0).pretrain(prototypes(40), sample_weight=np.ones(39), verbose=0)


def learnt(num_visible: int = 5, num_hidden: int = 3) -> RBM:
    return random_rbm("bernoulli", num_visible, "bernoulli", num_hidden)


def test_a_layer_takes_over_what_an_rbm_has_learnt():
    rbm, dbn = learnt(), DBN([3, 6], dtype="float64", seed=0)
    dbn.build((None, 5))
    layer = dbn.rbms[0]
    layer.copy_weights_from(rbm)
    for own, other in ((layer.w_rec, rbm.w_rec), (layer.w_gen, rbm.w_gen)):
        np.testing.assert_array_equal(own, other)
    np.testing.assert_array_equal(layer.visible.bias, rbm.visible.bias)
    np.testing.assert_array_equal(layer.hidden.bias, rbm.hidden.bias)
    assert layer.visible is not rbm.visible


@pytest.mark.parametrize("sizes", [(4, 3), (5, 2), None])
def test_weights_of_other_sizes_are_not_taken_over(sizes):
    dbn = DBN([3, 6], dtype="float64", seed=0)
    dbn.build((None, 5))
    before = dbn.get_weights()
    rbm = learnt(*sizes) if sizes else RBM(3)
    with pytest.raises(ValueError, match="built RBMs of one size"):
        dbn.rbms[0].copy_weights_from(rbm)
    for a, b in zip(dbn.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_an_unrolled_layer_leaves_the_likelihood_where_it_was():
    """The top is the first layer upside down: recognition is exact, and the bound is the RBM's own likelihood."""
    rbm, dbn = learnt(), DBN([3, 5], dtype="float64", seed=0)
    dbn.build((None, 5))
    dbn.rbms[0].copy_weights_from(rbm)
    dbn.initialize_from_below(1)
    exact, v = Exact(rbm), binary_states(5)
    log_p = -exact.free_energy(v) - exact.log_z
    found = log_likelihood(dbn, v, num_samples=1)
    assert_rounded(found.per_case_lower, log_p)


def test_further_units_of_an_unrolled_layer_hardly_matter():
    """Their mean effect is taken off the bias: what is left is of second order in their weights."""
    rbm, dbn = learnt(), DBN([3, 40], dtype="float64", seed=0)
    dbn.build((None, 5))
    dbn.rbms[0].copy_weights_from(rbm)
    dbn.initialize_from_below(1)
    extra = np.array(dbn.top.w_rec)[:, 5:]
    exact, v = Exact(rbm), binary_states(5)
    log_p = -exact.free_energy(v) - exact.log_z
    found = log_likelihood(dbn, v, num_samples=1)
    second_order = 3 * np.sum(extra**2)  # of softplus, at most an eighth of the squared field, at 3 units
    assert 0 < np.abs(found.per_case_lower - log_p).max() < second_order


@pytest.mark.parametrize(
    ("options", "layer", "message"),
    [
        ({"units": [3, 4]}, 1, "at least 5 hidden units"),
        ({"units": [3, 6], "hidden": "gaussian"}, 1, "Received: 6 Gaussian units"),
        ({"units": [3, 6], "visible": "gaussian"}, 1, "Received: Gaussian visible units below"),
        ({"units": [3, 6]}, 0, "`layer` must be a positive integer"),
        ({"units": [3, 6]}, 2, "A DBN of 2 layers has none with number 2"),
        (None, 1, "must be built"),
    ],
)
def test_layers_that_cannot_be_unrolled(options, layer, message):
    dbn = DBN(**(options or {"units": [3, 6]}), **({"kernel_constraint": "max_norm"} if options else {}))
    if options:
        dbn.build((None, 5))
    with pytest.raises(ValueError, match=message):
        dbn.initialize_from_below(layer)


def test_weights_of_other_kinds_are_not_taken_over():
    dbn = DBN([3, 6], dtype="float64", visible="gaussian", seed=0)
    dbn.build((None, 5))
    with pytest.raises(ValueError, match="Received: Bernoulli for Gaussian units"):
        dbn.rbms[0].copy_weights_from(learnt())


def test_weights_beside_a_dataset_are_refused():
    x = prototypes(10).astype("float32")
    with pytest.raises(ValueError, match="must give \\(x, y, sample_weight\\) itself"):
        DBN([3, 2], seed=0).pretrain(tf.data.Dataset.from_tensor_slices(x).batch(5), sample_weight=np.ones(10))
