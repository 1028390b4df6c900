"""DBNs with convolutional layers: every way up and down a tiny one, wake-sleep by hand, and how they are used."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, ConvRBM, likelihood, samplers
from keras_rbm.random import Draws
from tests.models.deep.test_dbn import Recording
from tests.oracles.conv import ExactConv, ExactConvDBN, dense, pools_of, tied
from tests.oracles.kinds import binary_states
from tests.oracles.machines import randomize, sigmoid
from tests.support.eager import eager_functions
from tests.support.modes import uncompiled
from tests.support.saving import assert_same_state, config_of, through_disk
from tests.support.statistics import assert_frequencies, assert_means, assert_rounded
from tests.support.weights import weights_of

NUM = 20000
V = binary_states(9)
#: Of pictures 3 x 3: small enough to enumerate all ways.
TINY = {
    "conv-dense": lambda **o: DBN([ConvRBM(2, 2, pool_size=(1, 2), **o), 3], **o),
    "smaller pools": lambda **o: DBN([ConvRBM(1, 2, pool_size=2, padding="same", **o), 3], **o),
    "conv-conv": lambda **o: DBN([ConvRBM(2, 2, **o), ConvRBM(2, (2, 1), pool_size=(1, 2), **o)], **o),
    "conv-conv-dense": lambda **o: DBN([ConvRBM(1, 2, **o), ConvRBM(2, (2, 1), pool_size=(1, 2), **o), 3], **o),
    "labels": lambda **o: DBN([ConvRBM(2, 2, pool_size=(2, 1), visible_bias="position", **o), 3], num_classes=3, **o),
}
every_dbn = pytest.mark.parametrize("name", TINY)


def tiny(name: str, scale: float = 0.8, **options) -> DBN:
    """A built DBN with random weights, those upwards and downwards not tied; float64 unless told otherwise."""
    options = {"dtype": "float64", "seed": 0, **options}
    dbn = TINY[name](**options)
    dbn.build((None, 3, 3, 1))
    randomize(dbn, scale)
    uncompiled(dbn.top)
    return uncompiled(dbn)


# --- the likelihood


@every_dbn
def test_the_bound_and_what_it_bounds(name):
    """Its mean over ways drawn is the enumerated one, at most `log p(v)`; importance weights have the mean `p(v)`."""
    dbn = tiny(name)
    exact = ExactConvDBN(dbn)
    log_p = exact.log_p(V)
    assert_rounded(np.exp(log_p).sum(), 1.0)
    v, number = V[[0, 100, 341, 511]], NUM // 4
    draws = Draws(tf.constant([3, 0]))
    scores = dbn._log_score(tf.constant(np.repeat(v, number, 0)), draws).numpy().reshape(4, number)
    scores -= likelihood.exact_log_partition(dbn)
    bounds = exact.bound(v)
    assert np.all(bounds < exact.log_p(v))
    assert_means(scores.T, bounds)
    assert_means(np.exp(scores.T), np.exp(exact.log_p(v)))
    found = likelihood.log_likelihood(dbn, v.reshape(4, 3, 3, 1), num_samples=2)
    assert found.variational
    assert np.all(np.abs(found.per_case_lower - bounds) < 5 * scores.std(1))


@every_dbn
def test_what_comes_down_from_the_top(name):
    """From exact draws of the top: the frequencies of all pictures; and their means given the layer above."""
    dbn = tiny(name)
    exact = ExactConvDBN(dbn)
    v, h = dbn._down(tf.constant(exact.top.draw(NUM)))[0]
    p = np.exp(exact.log_p(V))
    assert_frequencies((v.numpy() @ 2 ** np.arange(9)).astype(int), p / p.sum())
    assert_means(dbn._lowest_mean(h), p @ V)


@every_dbn
def test_samples_and_means_have_the_shape_of_pictures(name):
    dbn = tiny(name, dtype="float32")
    with eager_functions():
        shape = (3, 3, 1)
        assert dbn.data_shape == shape
        v = dbn.sample(5, 3).numpy()
        assert v.shape == (5, *shape)
        assert set(np.unique(v)) <= {0.0, 1.0}
        assert dbn.sample(2, 3, mean=True).shape == dbn.sample(v=v[:2], num_steps=1).shape == (2, *shape)
        assert dbn.reconstruct(v).shape == dbn.denoise(v).shape == (5, *shape)
        assert dbn.trajectories(2, 4, 2).shape == (4, 2, *shape)
        assert dbn(v).shape == dbn.compute_output_shape((5, *shape)) == dbn.encode(v).shape
        down = dbn._endpoints()["down"]
        found = down.ask(*(tf.zeros((5, spec.shape[1])) for spec in down.inputs))
        assert found["v"].shape == found["mean"].shape == (5, *shape)


def test_encode_and_reconstruct_by_hand():
    """Means of pools upwards; downwards a pool's mean is spread over its units, as many as there are."""
    dbn = tiny("smaller pools")
    exact, top, down = ExactConv(dbn.rbms[0]), dbn.top, dense(dbn.rbms[0], dbn.rbms[0].w_gen)
    w, b, c = (np.asarray(x) for x in (top.w_rec, top.visible.bias, top.hidden.bias))
    h = sigmoid(exact.hidden_means(V)[1] @ w + c)
    assert_rounded(dbn.encode(V), h)
    assert_rounded(dbn(V.reshape(-1, 3, 3, 1)), h)
    each = sigmoid(h @ w.T + b) / exact.sizes
    maps = np.repeat(each, exact.sizes, 1)[:, np.argsort(exact.order)]
    assert_rounded(np.reshape(dbn.reconstruct(V), (512, 9)), sigmoid(maps @ down.w.T + down.b))


# --- learning


@pytest.mark.parametrize("name", ["conv-dense", "smaller pools", "conv-conv-dense"])
def test_one_step_of_wake_sleep_by_hand(name):
    """Each side learns to predict the states of the other, summed over the places that share a weight."""
    rate, v = 0.125, V[[3, 77, 205, 400, 511]]
    dbn = tiny(name, sampler=samplers.PCD(2, 4, dtype="float64"))
    streams = [rbm.stream for rbm in dbn.rbms]
    keys = [np.array(stream.key) for stream in streams]
    awake, x = dbn._up(tf.constant(v))
    dream = dbn._down(dbn.top.sampler.negative_phase(dbn.top, x, tf.ones(5, "float64")).v)
    for stream, key in zip(streams, keys, strict=True):
        stream.key.assign(key)
    for rbm, (_, h), seen in zip(dbn.lower, awake, [v for v, _ in awake[1:]] + [x], strict=True):
        np.testing.assert_array_equal(seen, np.stack([h.numpy()[:, pool].sum(1) for pool in pools_of(rbm)], 1))
    expected = []
    for rbm, states, dreamt in zip(dbn.lower, awake, dream, strict=True):
        (below, above), (seen, cause) = (tuple(np.asarray(x) for x in pair) for pair in (states, dreamt))
        down = dense(rbm, rbm.w_gen)
        wake = (below - sigmoid(above @ down.w.T + down.b)) / len(below)
        sleep = (cause - ExactConv(rbm).hidden_means(seen)[0]) / len(seen)
        zeros = np.zeros(sleep.shape[1])
        w_gen, b, _ = tied(rbm, wake.T @ above, wake.sum(0), zeros)
        w_rec, _, c = tied(rbm, seen.T @ sleep, 0 * wake.sum(0), sleep.sum(0))
        before = rbm.w_gen, rbm.visible.bias, rbm.w_rec, rbm.hidden.bias
        expected.append([np.array(x) + rate * dx for x, dx in zip(before, (w_gen, b, w_rec, c), strict=True)])
    dbn.compile(keras.optimizers.SGD(rate), run_eagerly=True)
    dbn.train_on_batch(v)
    for rbm, wanted in zip(dbn.lower, expected, strict=True):
        for actual, value in zip((rbm.w_gen, rbm.visible.bias, rbm.w_rec, rbm.hidden.bias), wanted, strict=True):
            assert_rounded(actual, value)


def bars(number: int) -> tuple[np.ndarray, np.ndarray]:
    """A column or a row that is on, in pictures 6 x 7 with a tenth of the pixels flipped; and which of both."""
    rng = np.random.default_rng(0)
    y, at = rng.integers(0, 2, number), rng.integers(0, 6, number)
    clean = np.where(y[:, None, None], np.eye(6)[at][:, :, None] * np.ones(7), np.eye(7)[at][:, None] * np.ones((6, 1)))
    return np.abs(clean - (rng.random(clean.shape) < 0.05))[..., None].astype("float32"), y


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["labels", "conv-conv", "conv-dense", "dataset"])
@pytest.mark.few(1)
def test_pretraining_and_wake_sleep(kind):
    x, y = bars(80)
    layers = [ConvRBM(4, 3, pool_size=2, sampler="pcd"), ConvRBM(5, 2) if kind == "conv-conv" else 10]
    dbn = DBN(layers, num_classes=2 if kind == "labels" else None, seed=0)
    labels = {"y": y} if kind == "labels" else {}
    data = tf.data.Dataset.from_tensor_slices(x).batch(20) if kind == "dataset" else x
    options = {"optimizer": keras.optimizers.Adam(0.03), "verbose": 0, "run_eagerly": True, **labels}
    first, second = dbn.pretrain(data, epochs=[5, 3], **({} if kind == "dataset" else {"batch_size": 20}), **options)
    errors = first.history["reconstruction_error"]
    assert errors[-1] < 0.9 * errors[0]
    assert np.isfinite(second.history["reconstruction_error"]).all()
    assert all(np.abs(rbm.w_rec).max() > 0.1 for rbm in dbn.rbms)  # of a deviation of 0.01 before
    np.testing.assert_array_equal(dbn.rbms[0].w_gen, dbn.rbms[0].w_rec)
    assert dbn.rbms[0].w_rec.shape == (3, 3, 1, 4)
    before = weights_of(dbn)
    dbn.compile(keras.optimizers.SGD(0.01), run_eagerly=True)
    logs = dbn.fit(data, *labels.values(), verbose=0, **({} if kind == "dataset" else {"batch_size": 20})).history
    assert np.isfinite(list(logs.values())).all()
    assert all(np.any(a != b) for a, b in zip(before, weights_of(dbn), strict=True))
    if kind == "labels":
        assert dbn.class_log_probs(x).shape == (80, 2)
        assert dbn.sample(y=[0, 1], num_steps=2).shape == (2, 6, 7, 1)


def test_an_upper_layer_learns_from_drawn_pools():
    """The frequencies of its data are those of pools of detection units drawn given pictures."""
    Recording.seen = []
    dbn = tiny("smaller pools")
    pictures = np.repeat(V[[77, 400]], 1000, 0).reshape(-1, 3, 3, 1)
    dbn.pretrain_layer(1, pictures, epochs=2, sampler=Recording(), batch_size=500, verbose=0, run_eagerly=True)
    seen = np.concatenate(Recording.seen)
    assert seen.shape == (4000, 4)
    exact = ExactConv(dbn.rbms[0])
    numbers = (exact.pools @ 2 ** np.arange(4)).astype(int)
    p = np.zeros(16)
    np.add.at(p, numbers, exact.p_h_from_v(V[[77, 400]]).mean(0))
    assert_frequencies((seen @ 2 ** np.arange(4)).astype(int), p)


@pytest.mark.slow
def test_wake_sleep_compiled_draws_dreams_alike():
    """Chains of the top after a step that learns nothing, against enumeration, by XLA."""
    dbn = TINY["conv-dense"](sampler=samplers.PCD(1, NUM), seed=0)
    dbn.build((None, 3, 3, 1))
    randomize(dbn, 0.8)
    dbn.top.sampler.chains.assign(np.ones((NUM, 4)))
    dbn.compile(keras.optimizers.SGD(0.0), steps_per_execution=1)
    dbn.train_on_batch(np.zeros((1, 3, 3, 1)))
    exact = ExactConvDBN(dbn).top
    assert_frequencies(exact.index(dbn.top.sampler.chains), exact.transitions(np.ones((1, 4)), 1)[0])


# --- files and networks

LARGER = {
    "conv-conv": lambda: DBN([ConvRBM(3, 3, pool_size=2, padding="same"), ConvRBM(4, 2, pool_size=(1, 2))], seed=3),
    "conv-dense": lambda: DBN([ConvRBM(3, (2, 3), pool_size=(3, 2), visible="gaussian"), 5], sampler="pcd", seed=3),
    "conv-conv-dense": lambda: DBN([ConvRBM(3, 2, strides=2), ConvRBM(2, 2, pool_size=2), 5], seed=3),
    "labels": lambda: DBN(
        [ConvRBM(3, 2, pool_size=2, output="detection"), 5], num_classes=2, objective="hybrid", seed=3
    ),
    "sequence": lambda: DBN([ConvRBM(3, 4, pool_size=3, rank=1), ConvRBM(2, 3, rank=1), 4], seed=3),
}


def pictures_of(kind: str) -> tuple[np.ndarray, np.ndarray]:
    x, y = bars(12)
    return (x.reshape(12, 42, 1) if kind == "sequence" else x), y


@pytest.mark.parametrize("kind", LARGER)
@pytest.mark.few(2)
def test_a_machine_comes_back_and_takes_the_same_next_step(kind, tmp_path):
    (x, y), dbn = pictures_of(kind), LARGER[kind]()
    y = (y,) if kind == "labels" else ()
    copy = DBN.from_config(dbn.get_config())
    assert config_of(copy) == config_of(dbn)
    for machine in (dbn, copy):
        machine.build(x.shape)
    assert [w.shape for w in copy.weights] == [w.shape for w in dbn.weights]
    dbn.compile(keras.optimizers.SGD(0.01, momentum=0.5), run_eagerly=True)
    dbn.fit(x, *y, batch_size=5, verbose=0)
    loaded = through_disk(dbn, tmp_path)
    assert_same_state(dbn, loaded)
    assert config_of(loaded) == config_of(dbn)
    np.testing.assert_array_equal(loaded.encode(x), dbn.encode(x))
    for machine in (dbn, loaded):
        machine.train_on_batch(x[:7], *(labels[:7] for labels in y))
    assert_same_state(dbn, loaded)
    np.testing.assert_array_equal(loaded.sample(3, 2), dbn.sample(3, 2))


@pytest.mark.parametrize("kind", LARGER)
def test_a_classifier_computes_encode_in_plain_keras(kind, tmp_path):
    """Of pictures whose pools are smaller at the edges, too; labels are left out, as none were known."""
    (x, y), dbn = pictures_of(kind), LARGER[kind]()
    dbn.build(x.shape)
    randomize(dbn, 0.5)
    net = dbn.classifier(3, dropout=0.25)
    assert not [layer for layer in net._flatten_layers() if type(layer).__module__.startswith("keras_rbm")]
    h = x
    for layer in net.layers[:-1]:
        h = layer(h)
    if kind != "labels":
        assert_rounded(h, np.reshape(dbn.encode(x), (12, -1)), ulps=200)
    np.testing.assert_array_equal(through_disk(net, tmp_path)(x), net(x))
    net.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
    assert np.isfinite(net.fit(x, y, verbose=0).history["loss"]).all()
    dropouts = [layer for layer in net.layers if isinstance(layer, keras.layers.Dropout)]
    assert len(dropouts) == len(dbn.rbms)


# --- what is refused

X, Y = bars(12)


def test_layers_that_do_not_go_together():
    with pytest.raises(ValueError, match=r"sees pictures or maps.*Received: layer 2, <ConvRBM.*above 5 units"):
        DBN([5, ConvRBM(2, 2)])
    with pytest.raises(ValueError, match=r"fully connected top\. Received: num_classes=3, and <ConvRBM"):
        DBN([ConvRBM(2, 2), ConvRBM(2, 2)], num_classes=3)
    with pytest.raises(ValueError, match=r"Received: units=\[<ConvRBM.*One layer is an RBM"):
        DBN([ConvRBM(2, 2)])
    with pytest.raises(ValueError, match=r"`units` must be a positive integer\. Received: units='conv'"):
        DBN([ConvRBM(2, 2), "conv"])
    with pytest.raises(ValueError, match=r"Filters must fit.*kernel_size=\(9, 9\).*\(12, 5, 6, 2\)"):
        DBN([ConvRBM(2, 2), ConvRBM(2, 9)]).build(X.shape)
    dbn = LARGER["conv-dense"]()
    dbn.build(X.shape)
    with pytest.raises(ValueError, match="Only a fully connected layer"):
        dbn.initialize_from_below(1)


@pytest.mark.parametrize("built", [False, True], ids=["unbuilt", "built"])
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X[..., 0], r"\(batch, .*\).*6, 7\).*x\[\.\.\., None\]"),
        (X[:, :, :1], r"(Filters must fit|\(batch, 6, 7, 1\)).*6, 1, 1\)"),
        (2 * X, "max=2"),
        (np.where(X > 0, np.nan, X), "NaN"),
        (X[:0], "at least one row"),
    ],
    ids=["no channels", "small", "large", "NaN", "empty"],
)
def test_bad_pictures(x, message, built):
    dbn = LARGER["conv-conv-dense"]()
    if built:
        dbn.build(X.shape)
    before = weights_of(dbn)
    dbn.compile("sgd", run_eagerly=True)
    for use in (lambda: dbn.pretrain(x, verbose=0), lambda: dbn.fit(x, verbose=0), lambda: dbn.adapt(x)):
        with pytest.raises(ValueError, match=message):
            use()
    if built:
        for a, b in zip(before, weights_of(dbn), strict=True):
            np.testing.assert_array_equal(a, b)


def test_bad_labels_and_grey_levels():
    dbn = LARGER["labels"]()
    dbn.build(X.shape)
    dbn.compile("sgd", run_eagerly=True)
    for use in (lambda y: dbn.fit(X, y, verbose=0), lambda y: dbn.pretrain(X, y=y, verbose=0)):
        for y in (Y + 1, Y - 0.5, None, np.eye(2)[Y], Y[:5]):
            with pytest.raises(ValueError, match=r"Labels must be integers|learns from labels"):
                use(y)
    with pytest.raises(ValueError, match=r"Likelihoods are those of states\. Received: a grey level"):
        likelihood.log_likelihood(dbn, X * 0.5)


def test_visible_units_that_contradict_the_first_layer_are_refused():
    with pytest.raises(ValueError, match="visible=Gaussian for one with Bernoulli units"):
        DBN([ConvRBM(3, 2), 5], visible="gaussian")
