"""Whatever is wrong is said before the first step, in words that help, and nothing has changed."""

import functools
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, arguments, callbacks, datasets, likelihood, samplers, units
from tests.oracles.kinds import binary_states
from tests.support.modes import MODES
from tests.support.rewind import rewinding
from tests.support.weights import assert_equal_weights, weights_of

X = binary_states(5).astype("float32")


def with_value(value: float, row: int = 20) -> np.ndarray:
    x = X.copy()
    x[row, 2] = value
    return x


def dataset(x, batch_size: int = 8) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(x).batch(batch_size)


def compiled(machine: keras.Model, optimizer="sgd", **kwargs) -> keras.Model:
    machine.build((None, 5))
    machine.compile(optimizer, **{"run_eagerly": True, **kwargs})
    return machine


# --- data

BAD_BERNOULLI = {
    "pixels": (X * 255, r"Bernoulli units need values in \[0, 1\].*max=255.*Divide pixels by 255"),
    "integer pixels": ((X * 255).astype("uint8"), r"\[0, 1\].*max=255"),
    "integers": ((2 * X).astype("int64"), r"\[0, 1\].*max=2"),
    "one negative": (with_value(-0.25), r"\[0, 1\].*min=-0.25"),
    "one NaN": (with_value(np.nan), r"\[0, 1\].*min=0, max=1, and NaN"),
    "all NaN": (np.full((6, 5), np.nan), "NaN"),
    "infinity": (with_value(np.inf), r"\[0, 1\].*max=inf"),
    "minus infinity": (with_value(-np.inf), r"\[0, 1\].*min=-inf"),
    "images": (X.reshape(-1, 5, 1), r"\(batch, 5\).*shape=\(32, 5, 1\).*keras.layers.Flatten"),
    "one row": (X[0], r"\(batch, 5\).*shape=\(5,\)"),
    "wider": (np.zeros((6, 7)), r"\(batch, 5\).*\(6, 7\)"),
    "no columns": (np.zeros((6, 0)), r"\(batch, 5\).*\(6, 0\)"),
    "empty": (X[:0], r"at least one row"),
}
BAD_TYPES = {
    "objects": np.array([[None, {}]]),
    "strings": np.array([["a", "b"]]),
    "complex": X.astype("complex64"),
}


@pytest.mark.parametrize("make", [lambda: RBM(3, seed=0), lambda: DBN([4, 3], seed=0)], ids=["rbm", "dbn"])
@pytest.mark.parametrize(("x", "message"), BAD_BERNOULLI.values(), ids=BAD_BERNOULLI)
def test_bad_arrays(make, x, message):
    machine = compiled(make())
    before = weights_of(machine)
    for use in (
        lambda: machine.fit(x, verbose=0),
        lambda: machine.fit(X, validation_data=x, verbose=0),
        lambda: machine.evaluate(x, verbose=0),
        lambda: machine.adapt(x),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    if isinstance(machine, DBN):
        with pytest.raises(ValueError, match=message):
            machine.pretrain(x, verbose=0)
        with pytest.raises(ValueError, match=message):
            machine.pretrain(X, epochs=1, validation_data=x, verbose=0)
    assert_equal_weights(weights_of(machine), before)
    assert machine.optimizer.iterations == 0


def test_an_empty_list():
    machine = compiled(RBM(3))
    with pytest.raises(ValueError, match="at least one row"):
        machine.fit([], verbose=0)


@pytest.mark.parametrize("x", BAD_TYPES.values(), ids=BAD_TYPES)
def test_what_is_not_numbers(x):
    machine = compiled(RBM(3))
    with pytest.raises(TypeError, match=re.escape(f"Received: dtype={x.dtype}")):
        machine.fit(x, verbose=0)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_gaussian_units_need_finite_values(value):
    machine = compiled(RBM(3, visible="gaussian"))
    with pytest.raises(ValueError, match=r"Gaussian units need finite values.*missing values"):
        machine.fit(with_value(value), verbose=0)
    assert np.isfinite(machine.fit(X * 2 - 5, verbose=0).history["loss"]).all()


def test_a_fault_far_down_a_large_array_is_found():
    """Beyond the part that is looked at in one go."""
    x = np.zeros((10_000, 5), "float32")
    x[9_999, 4] = 3
    machine = compiled(RBM(3))
    with pytest.raises(ValueError, match="max=3"):
        machine.fit(x, verbose=0)
    assert machine.optimizer.iterations == 0


@pytest.mark.parametrize(
    ("x", "message"), [(X * 255, "max=255"), (X.reshape(-1, 5, 1), "Flatten"), (X[:0], "at least one (batch|row)")]
)
def test_the_first_batch_of_a_dataset(x, message):
    machine = compiled(RBM(3, seed=0))
    before = weights_of(machine)
    with pytest.raises(ValueError, match=message):
        machine.fit(dataset(x), verbose=0)
    assert_equal_weights(weights_of(machine), before)


@pytest.fixture(scope="module")
def learner():
    """RBMs compiled once, with a function that puts them back to their start; XLA's steps go one by one."""

    @functools.cache
    def made(mode: str) -> tuple:
        options = {"run_eagerly": False, **MODES[mode]}
        steps = 8 if mode == "graph" else 1
        rbm = compiled(RBM(3, sampler="pcd", seed=0), keras.optimizers.SGD(0.5), steps_per_execution=steps, **options)
        return rbm, rewinding(rbm)

    return made


@pytest.mark.parametrize("value", [7.0, np.nan])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.few(3)
def test_a_bad_batch_on_the_way_leaves_the_weights_before_it(learner, mode, value):
    """Four batches, the third bad: what is left is what the two before it made, also of eight steps an execution."""
    rbm, rewind = learner(mode)
    rewind()
    rbm.fit(dataset(X[:16]), verbose=0)
    good = [*weights_of(rbm), np.array(rbm.sampler.chains)]
    rewind()
    assert np.any(weights_of(rbm)[0] != good[0])
    with pytest.raises(
        ValueError, match=r"Bernoulli units need values in \[0, 1\].*" + f"{value:g}".replace("nan", "NaN")
    ):
        rbm.fit(dataset(with_value(value)), verbose=0)
    assert all(np.isfinite(w).all() for w in weights_of(rbm))
    assert_equal_weights([*weights_of(rbm), np.array(rbm.sampler.chains)], good)
    assert rbm.optimizer.iterations == 2
    rbm.fit(dataset(X), verbose=0)
    assert rbm.optimizer.iterations == 2 + 4


@pytest.mark.slow
@pytest.mark.parametrize("value", [7.0, np.nan])
@pytest.mark.parametrize("steps_per_execution", [1, 8])
@pytest.mark.parametrize("mode", MODES)
def test_whatever_the_steps_an_execution(mode, steps_per_execution, value):
    """The same, for a machine of each mode with each number of steps."""
    options = {"steps_per_execution": steps_per_execution, "run_eagerly": False, **MODES[mode]}
    failed, good = (compiled(RBM(3, sampler="pcd", seed=0), keras.optimizers.SGD(0.5), **options) for _ in range(2))
    with pytest.raises(ValueError, match=r"Bernoulli units need values in \[0, 1\]"):
        failed.fit(dataset(with_value(value)), verbose=0)
    good.fit(dataset(X[:16]), verbose=0)
    assert_equal_weights(weights_of(failed), weights_of(good))
    assert failed.optimizer.iterations == 2


def test_a_bad_batch_in_validation():
    machine = compiled(RBM(3))
    with pytest.raises(ValueError, match="max=7"):
        machine.fit(X, validation_data=dataset(with_value(7.0)), verbose=0)


def test_a_bad_batch_of_a_generator():
    def batches():
        yield from ((part,) for part in np.split(with_value(7.0), 4))

    machine = compiled(RBM(3))
    with pytest.raises(ValueError, match="max=7"):
        machine.fit(batches(), verbose=0)
    assert machine.optimizer.iterations == 2


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.ones(31), r"shape \(32,\).*\(31,\)"),
        (np.ones((32, 1)), r"shape \(32,\).*\(32, 1\)"),
        (-np.ones(32), "min=-1"),
        (np.full(32, np.nan), "finite"),
        (np.full(32, np.inf), "finite"),
        (np.zeros(32), "not zero everywhere"),
    ],
)
@pytest.mark.parametrize("y", [None, np.zeros(32)], ids=["", "with y"])
def test_sample_weights(weights, message, y):
    machine = compiled(RBM(3))
    with pytest.raises(ValueError, match=f"`sample_weight`.*{message}"):
        machine.fit(X, y, sample_weight=weights, verbose=0)
    assert machine.optimizer.iterations == 0


@pytest.mark.parametrize("visible", ["bernoulli", "gaussian"])
def test_constant_columns_make_no_nan(visible):
    x = np.concatenate([np.zeros((32, 1)), np.ones((32, 1)), X], 1)
    machine = RBM(3, visible=visible, sampler="pcd", seed=0)
    machine.adapt(x)
    assert all(np.isfinite(w).all() for w in machine.get_weights())
    machine.compile("sgd", run_eagerly=True)
    history = machine.fit(x, epochs=2, verbose=0).history
    assert np.isfinite(list(history.values())).all()
    assert all(np.isfinite(w).all() for w in machine.get_weights())


# --- training that diverges


@pytest.mark.parametrize(
    ("make", "options"),
    [
        (lambda: RBM(3, seed=0, visible="gaussian"), {"run_eagerly": True}),
        (lambda: RBM(3, seed=0, visible="gaussian"), {"jit_compile": True}),
        (lambda: DBN([4, 3], visible="gaussian", seed=0), {"run_eagerly": True}),
    ],
    ids=["eager", "xla", "dbn"],
)
def test_divergence_stops_with_valid_weights(make, options):
    x = np.random.default_rng(0).normal(size=(40, 5)) * 1e6
    machine = make()
    machine.compile(keras.optimizers.SGD(1e10), **options)
    with pytest.raises(FloatingPointError, match=r"diverged.*learning rate \(now 1e\+10\).*clip.*standardise"):
        machine.fit(x, batch_size=4, epochs=50, verbose=0)
    assert all(np.isfinite(w).all() for w in weights_of(machine))
    machine.compile("sgd", run_eagerly=True)
    for variable in machine.trainable_variables:
        variable.assign(tf.zeros_like(variable))
    machine.fit(x * 1e-6, verbose=0)  # and can be trained again


# --- machines


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None, [3]], ids=repr)
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (RBM, "units"),
        (lambda n: samplers.CD(num_steps=n), "num_steps"),
        (lambda n: samplers.PCD(num_steps=n), "num_steps"),
        (lambda n: samplers.PCD(num_chains=n), "num_chains"),
        (lambda n: DBN([4, n]), "units"),
    ],
    ids=["RBM", "CD", "PCD", "PCD chains", "DBN"],
)
def test_counts(make, name, value):
    with pytest.raises(ValueError, match=re.escape(f"`{name}` must be a positive integer. Received: {name}={value!r}")):
        make(value)


@pytest.mark.parametrize("value", [2**31, 2**32 + 1, 2**70], ids=str)
@pytest.mark.parametrize(
    ("use", "name"),
    [
        (lambda n: RBM(n), "units"),
        (lambda n: samplers.CD(num_steps=n), "num_steps"),
        (lambda n: RBM(3, missing_steps=n), "missing_steps"),
        (lambda n: compiled(RBM(3)).sample(2, n), "num_steps"),
        (lambda n: compiled(RBM(3)).gibbs(X, n), "num_steps"),
        (lambda n: datasets.batches(X, batch_size=n), "batch_size"),
    ],
    ids=["RBM", "CD", "missing", "sample", "gibbs", "batches"],
)
def test_counts_that_would_wrap(use, name, value):
    """As int32, `2^32 + 1` is 1."""
    with pytest.raises(ValueError, match=f"`{name}` must be at most 2147483647. Received: {name}={value}"):
        use(value)


def test_the_largest_count():
    assert samplers.CD(num_steps=2**31 - 1).num_steps == 2**31 - 1


def test_numpy_integers_are_integers():
    assert RBM(np.int64(3)).units == 3
    assert DBN(np.array([4, 3])).units == [4, 3]
    assert DBN((4, 3)).units == [4, 3]


@pytest.mark.parametrize("sizes", [[], (), [5], 5, "500", None, {5, 3}], ids=repr)
def test_layer_sizes(sizes):
    with pytest.raises(ValueError, match=r"at least two layers: `units` must be a list.*Received: units="):
        DBN(sizes)


@pytest.mark.parametrize("value", ["poisson", 3, None, object], ids=repr)
@pytest.mark.parametrize(
    "make", [lambda u: RBM(3, visible=u), lambda u: RBM(3, hidden=u), units.get, lambda u: DBN([3, 2], u)]
)
def test_unknown_units(make, value):
    with pytest.raises(ValueError, match=r"'bernoulli', 'drelu', 'gaussian'.*Received: " + re.escape(repr(value))):
        make(value)


@pytest.mark.parametrize("make", [lambda s: RBM(3, sampler=s), samplers.get, lambda s: DBN([3, 2], sampler=s)])
def test_unknown_samplers(make):
    with pytest.raises(ValueError, match=r"'cd', 'pcd'.*Received: 'gibbs'"):
        make("gibbs")


@pytest.mark.parametrize("seed", [1.5, "a", True], ids=repr)
def test_seeds(seed):
    with pytest.raises((ValueError, TypeError), match="seed"):
        RBM(3, seed=seed)


@pytest.mark.parametrize(
    "use",
    [
        lambda seed: RBM(3, seed=seed),
        lambda seed: DBN([4, 3], seed=seed),
        lambda seed: datasets.batches(X, seed=seed),
        lambda seed: datasets.binarized(X, seed=seed),
        lambda seed: likelihood.ais(compiled(RBM(3)), num_chains=2, num_temperatures=2, seed=seed),
    ],
    ids=["RBM", "DBN", "batches", "binarized", "ais"],
)
def test_seeds_out_of_range(use):
    with pytest.raises(ValueError, match=r"`seed` must be an integer of at least 0, or None\. Received: seed=-5"):
        use(-5)
    with pytest.raises(ValueError, match=r"`seed` must be at most 9223372036854775807\. Received: seed=11805916"):
        use(2**70)


def test_the_largest_seed():
    assert compiled(RBM(3, seed=2**63 - 1)).seed == 2**63 - 1


@pytest.mark.parametrize("precision", [0, -1.0, np.nan, np.inf, [1.0, 0.0], [], [[1.0]]], ids=repr)
def test_precisions(precision):
    with pytest.raises(ValueError, match=r"`precision` must be positive and finite. Received"):
        units.Gaussian(precision=precision)


def test_a_precision_for_each_unit():
    with pytest.raises(ValueError, match=r"each of the 5 units\. Received: 2 numbers"):
        RBM(3, visible=units.Gaussian(precision=[1.0, 2.0])).build((None, 5))


def test_two_gaussian_sides():
    with pytest.raises(ValueError, match=r"Gaussian visible and Gaussian hidden.*hidden='bernoulli'"):
        RBM(3, visible="gaussian", hidden="gaussian")


def test_units_and_chains_of_another_width():
    shared, pcd = units.Bernoulli(), samplers.PCD()
    RBM(3, visible=shared, sampler=pcd).build((None, 5))
    with pytest.raises(ValueError, match=r"one width\. Received: width=6 for units built with width=5"):
        RBM(3, visible=shared).build((None, 6))
    with pytest.raises(ValueError, match="chains of width 5"):
        RBM(3, sampler=pcd).build((None, 6))


@pytest.mark.parametrize("name", ["pcd", "fast_pcd", "parallel_tempering"])
@pytest.mark.parametrize("make", [RBM, lambda n, **kwargs: DBM([4, n], **kwargs)], ids=["RBM", "DBM"])
def test_chains_belong_to_one_model(make, name):
    """Of the same width, too; the model itself may be built again, and a copy of the sampler is free."""
    sampler = samplers.get(name, num_chains=4)
    first = make(3, sampler=sampler)
    first.build((None, 5))
    chains = np.array(sampler.chains)
    first.build((None, 5))
    sampler.prepare(first.undirected())
    with pytest.raises(ValueError, match=r"a sampler that another model has, .* sampler of its own: a new \w+\("):
        make(3, sampler=sampler).build((None, 5))
    np.testing.assert_array_equal(sampler.chains, chains)
    make(3, sampler=arguments.clone(sampler)).build((None, 5))


def test_a_sampler_without_chains_may_be_shared():
    sampler = samplers.CD()
    for _ in range(2):
        RBM(3, sampler=sampler).build((None, 5))


@pytest.mark.parametrize("call", ["fit", "evaluate"])
@pytest.mark.parametrize("make", [lambda: RBM(3), lambda: DBN([4, 3])], ids=["rbm", "dbn"])
def test_before_compile(make, call):
    with pytest.raises(ValueError, match="compile"):
        getattr(make(), call)(X)


def test_an_untied_rbm_has_no_energy():
    rbm = compiled(RBM(3, tied=False))
    before = weights_of(rbm)
    for use in (
        lambda: rbm.free_energy(X),
        lambda: rbm.energy(X, np.zeros((len(X), 3))),
        lambda: rbm.fit(X, verbose=0),
    ):
        with pytest.raises(ValueError, match=r"tied=False.*no energy.*inside a DBN"):
            use()
    assert_equal_weights(weights_of(rbm), before)


def test_an_untied_rbm_is_refused_in_a_compiled_fit():
    rbm = RBM(3, tied=False)
    rbm.compile()
    with pytest.raises(ValueError, match=r"tied=False.*no energy"):
        rbm.fit(X, verbose=0)


@pytest.mark.parametrize("make", [lambda: RBM(3), lambda: DBN([4, 3])], ids=["rbm", "dbn"])
@pytest.mark.parametrize("bad", [0, -1, 1.5, True])
def test_counts_of_samples(make, bad):
    machine = make()
    machine.build((None, 5))
    for use, name in (
        (lambda: machine.sample(bad, 1), "num_samples"),
        (lambda: machine.sample(2, bad), "num_steps"),
        (lambda: machine.trajectories(bad, 1, 1), "num_"),
        (lambda: machine.trajectories(2, bad, 1), "num_rows"),
        (lambda: machine.trajectories(2, 1, bad), "num_steps"),
    ):
        with pytest.raises(ValueError, match=f"`{name}.*positive integer"):
            use()
    if isinstance(machine, RBM):
        with pytest.raises(ValueError, match="`num_steps` must be a positive integer"):
            machine.gibbs(X, bad)


@pytest.mark.parametrize("make", [lambda: RBM(3), lambda: DBN([4, 3])], ids=["rbm", "dbn"])
def test_an_unbuilt_machine_is_not_sampled(make):
    with pytest.raises(ValueError, match="must be built before it is sampled"):
        make().sample(2, 1)


@pytest.mark.parametrize(
    "method", ["mean_h_from_v", "sample_h_from_v", "free_energy", "reconstruct", "encode", "gibbs"]
)
def test_states_of_another_width(method):
    rbm = compiled(RBM(3))
    with pytest.raises(ValueError, match=r"\(batch, 5\).*\(2, 4\)"):
        getattr(rbm, method)(np.zeros((2, 4)))


WORDS = {
    "words": ([["1", "0", "1", "0", "1"]], "(string|U1)"),
    "an array of words": (X.astype(str), "<U"),
    "a tensor of words": (tf.constant([["1"] * 5]), "string"),
    "objects": (np.array([[None] * 5]), "object"),
    "complex": (X.astype("complex64"), "complex64"),
    "dates": (X.astype("M8[s]"), "datetime64"),
}


@pytest.mark.parametrize(("x", "dtype"), WORDS.values(), ids=WORDS)
@pytest.mark.parametrize(
    ("make", "methods"),
    [
        (lambda: RBM(3), ("encode", "reconstruct", "reconstruction_error", "free_energy", "gibbs", "sample_h_from_v")),
        (lambda: DBN([4, 3]), ("encode", "reconstruct", "reconstruction_error", "denoise")),
        (lambda: DBM([4, 3]), ("encode", "reconstruct", "variational_free_energy")),
    ],
    ids=["rbm", "dbn", "dbm"],
)
def test_states_that_are_no_numbers(make, methods, x, dtype):
    machine = compiled(make())
    for method in methods:
        with pytest.raises(TypeError, match=f"Inputs must be an array of numbers. Received: dtype=.*{dtype}"):
            getattr(machine, method)(x)


def test_both_sides_of_an_energy_are_numbers():
    rbm = compiled(RBM(3))
    for v, h in ((X.astype(str), np.zeros((32, 3))), (X, np.zeros((32, 3)).astype(str))):
        with pytest.raises(TypeError, match="array of numbers"):
            rbm.energy(v, h)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64", "int8", "uint8", "bool", ">f4"])
def test_any_numbers_are_states(dtype):
    rbm = compiled(RBM(3, seed=0))
    x = tf.cast(X, dtype).numpy() if dtype == "bfloat16" else X.astype(dtype)
    np.testing.assert_array_equal(rbm.free_energy(x), rbm.free_energy(X))


@pytest.mark.parametrize("method", ["mean_v_from_h", "sample_v_from_h"])
def test_hidden_states_of_another_width(method):
    rbm = compiled(RBM(3))
    with pytest.raises(ValueError, match=r"\(batch, 3\).*\(2, 5\)"):
        getattr(rbm, method)(np.zeros((2, 5)))


# --- stacks


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": [1]}, "`epochs` must be one value or 2"),
        ({"epochs": [1, 2, 3]}, "Received: 3 values"),
        ({"epochs": [1, 0]}, "`epochs` must be a positive integer"),
        ({"epochs": 1.5}, "`epochs` must be a positive integer"),
        ({"optimizer": ["sgd"]}, "`optimizer` must be one value or 2"),
        ({"optimizer": "no such"}, "no such"),
        ({"sampler": ["cd", "cd", "cd"]}, "`sampler` must be one value or 2"),
        ({"sampler": ["cd", "no such"]}, "'cd', 'pcd'.*no such"),
        ({"batch_size": 0}, "batch_size"),
    ],
    ids=str,
)
def test_pretraining_arguments(arguments, message):
    dbn = compiled(DBN([4, 3], seed=0))
    before = weights_of(dbn)
    with pytest.raises(ValueError, match=message):
        dbn.pretrain(X, verbose=0, run_eagerly=True, **arguments)
    assert_equal_weights(weights_of(dbn), before)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_classes": 1}, "at least 2. Received: num_classes=1"),
        ({"num_classes": 0}, "`num_classes` must be a positive integer"),
        ({"num_classes": 2.5}, "`num_classes` must be a positive integer"),
        ({"num_classes": 3, "dropout": 1.0}, r"`dropout` must be in \[0, 1\). Received: dropout=1.0"),
        ({"num_classes": 3, "dropout": -0.5}, "dropout=-0.5"),
        ({"num_classes": 3, "dropout": np.nan}, "dropout=nan"),
    ],
    ids=str,
)
def test_classifiers(arguments, message):
    with pytest.raises(ValueError, match=message):
        compiled(DBN([4, 3])).classifier(**arguments)


def test_a_classifier_of_nothing():
    with pytest.raises(ValueError, match="must be built before a classifier"):
        DBN([4, 3]).classifier(3)


class Interrupt(keras.callbacks.Callback):
    """Ctrl-C at the end of an epoch."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def on_epoch_end(self, epoch, logs=None):
        if epoch == self.at:
            raise KeyboardInterrupt


def test_an_interrupted_pretraining_keeps_what_it_learnt():
    """Interrupted after two epochs of the second layer, a stack is one whose second layer had two epochs."""

    def pretrained(epochs, callbacks=None):
        dbn = DBN([4, 3, 2], seed=0)
        dbn.pretrain(
            X, epochs, keras.optimizers.SGD(0.5), batch_size=16, callbacks=callbacks, verbose=0, run_eagerly=True
        )
        return dbn

    dbn = DBN([4, 3, 2], seed=0)
    dbn.build((None, 5))
    third = weights_of(dbn.rbms[2])
    with pytest.raises(KeyboardInterrupt):
        dbn.pretrain(
            X,
            [1, 5, 5],
            keras.optimizers.SGD(0.5),
            batch_size=16,
            callbacks=lambda layer: [Interrupt(1)] if layer == 1 else [],
            verbose=0,
            run_eagerly=True,
        )
    whole = pretrained([1, 2, 1])
    for layer in (0, 1):
        assert_equal_weights(weights_of(dbn.rbms[layer]), weights_of(whole.rbms[layer]))
    assert_equal_weights(weights_of(dbn.rbms[2])[:1], third[:1])


def test_ctrl_c_in_fit_reaches_the_caller():
    rbm = compiled(RBM(3))
    with pytest.raises(KeyboardInterrupt):
        rbm.fit(X, epochs=3, callbacks=[Interrupt(0)], verbose=0)
    assert rbm.optimizer.iterations == 1


# --- what a dataset hides until its batch comes


@pytest.mark.parametrize("weight", [np.nan, np.inf, -1.0])
def test_bad_weights_on_the_way(weight):
    rbm = compiled(RBM(3, seed=0))
    weights = np.ones(32, "float32")
    weights[25] = weight
    data = tf.data.Dataset.from_tensor_slices((X, np.zeros(32), weights)).batch(8)
    with pytest.raises(ValueError, match="`sample_weight` must be finite and not negative"):
        rbm.fit(data, verbose=0)
    assert all(np.isfinite(w).all() for w in weights_of(rbm))


def test_class_weights():
    with pytest.raises(ValueError, match="Use `sample_weight`"):
        compiled(RBM(3, seed=0)).fit(X, class_weight={0: 1.0}, verbose=0)


def test_the_free_energy_gap_of_a_dbn():
    with pytest.raises(ValueError, match=r"free energy\. Received: DBN"):
        compiled(DBN([4, 3], seed=0)).fit(X, callbacks=[callbacks.FreeEnergyGap(X, X)], verbose=0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.few(3)
def test_a_parameter_that_is_not_finite_stops_training(learner, value, mode):
    rbm, rewind = learner(mode)
    rewind()
    rbm.w_rec.assign(tf.tensor_scatter_nd_update(rbm.w_rec.value, [[1, 1]], [value]))
    before = weights_of(rbm)
    with pytest.raises(FloatingPointError, match="diverged"):
        rbm.fit(dataset(X), verbose=0)
    assert_equal_weights(weights_of(rbm), before)


def test_an_absurd_learning_rate_of_binary_units():
    rbm = compiled(RBM(3, seed=0), keras.optimizers.SGD(1e30))
    with pytest.raises(FloatingPointError, match=r"learning rate \(now 1e\+30\)"):
        rbm.fit(X, batch_size=8, epochs=2, verbose=0)


def test_scaled_losses():
    with pytest.raises(ValueError, match="no loss is scaled"):
        RBM(3).compile(keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD()))


@pytest.mark.parametrize("data", [(X, X[:3]), [X[0], X[0][:2]]], ids=["a tuple", "ragged rows"])
def test_data_that_are_no_array(data):
    with pytest.raises(ValueError, match="Inputs must be one array"):
        compiled(RBM(3, seed=0)).fit(data, verbose=0)


def test_pretraining_on_a_generator():
    with pytest.raises(TypeError, match=r"an array or a tf\.data\.Dataset. Received: generator"):
        DBN([4, 3], seed=0).pretrain((x for x in [X]), verbose=0)
