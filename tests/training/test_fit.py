"""`fit` takes what Keras takes, and Keras's callbacks do what they do for any model."""

import functools

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, samplers, units
from tests.oracles.kinds import binary_states

X = np.tile(binary_states(5), (2, 1)).astype("float32")
WEIGHTS = np.arange(len(X)) % 3 + 0.5


def make_rbm(**kwargs) -> RBM:
    return RBM(3, **{"seed": 0, **kwargs})


def trained(x=X, optimizer="sgd", machine=None, run_eagerly=True, **kwargs) -> RBM:
    """A small RBM after an epoch in the order of the data."""
    rbm = machine or make_rbm()
    if not rbm.compiled:
        rbm.compile(optimizer, run_eagerly=run_eagerly)
    rbm.fit(x, **{"batch_size": 16, "shuffle": False, "verbose": 0, **kwargs})
    return rbm


def assert_same_weights(a: keras.Model, b: keras.Model) -> None:
    for x, y in zip(a.get_weights(), b.get_weights(), strict=True):
        np.testing.assert_array_equal(x, y)


@pytest.fixture(scope="module")
def usual() -> RBM:
    """Trained on the array, float32, without weights."""
    keras.utils.set_random_seed(1234)
    return trained()


@pytest.fixture(scope="module")
def weighted() -> RBM:
    return trained(sample_weight=WEIGHTS, y=np.zeros(len(X)))


class Batches(keras.utils.PyDataset):
    """Batches of 16 of some arrays."""

    def __init__(self, *arrays):
        super().__init__()
        self.arrays = arrays

    def __len__(self):
        return len(self.arrays[0]) // 16

    def __getitem__(self, index):
        return tuple(array[16 * index : 16 * (index + 1)] for array in self.arrays)


def generator(*arrays):
    """The same, as a Python generator without an end."""
    while True:
        yield from (Batches(*arrays)[i] for i in range(len(arrays[0]) // 16))


def dataset(*arrays) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(arrays if len(arrays) > 1 else arrays[0]).batch(16)


# --- kinds of data

KINDS = {
    "float64": X.astype("float64"),
    "float16": X.astype("float16"),
    "int64": X.astype("int64"),
    "uint8": X.astype("uint8"),
    "bool": X.astype("bool"),
    "list": X.tolist(),
    "tensor": tf.constant(X),
    "tf.data": dataset(X),
    "tf.data of integers": dataset(X.astype("uint8")),
    "tf.data of (x, y)": dataset(X, np.arange(len(X))),
    "tf.data of (x, y, ones)": dataset(X, np.arange(len(X)), np.ones(len(X))),
    "PyDataset": Batches(X),
    "PyDataset of (x, y)": Batches(X, np.arange(len(X))),
}


@pytest.mark.parametrize("x", KINDS.values(), ids=KINDS)
@pytest.mark.few(7)
def test_all_kinds_of_data_give_the_same_weights(x, usual):
    options = {} if isinstance(x, (np.ndarray, list, tf.Tensor)) else {"batch_size": None}
    assert_same_weights(trained(x, **options), usual)


@pytest.mark.parametrize(
    ("stream", "sampler"), [(Batches(X), "cd"), (generator(X), "pcd")], ids=["PyDataset", "generator"]
)
@pytest.mark.few(1)
def test_a_stream_builds_the_machine_under_xla(stream, sampler):
    rbm = trained(stream, machine=make_rbm(sampler=sampler), batch_size=None, steps_per_epoch=2, run_eagerly=False)
    assert rbm.w_rec.shape == (5, 3)


def test_a_python_generator(usual):
    rbm = trained(generator(X), batch_size=None, steps_per_epoch=len(X) // 16)
    assert_same_weights(rbm, usual)


def test_labels_are_not_looked_at(usual):
    assert_same_weights(trained(y=np.full(len(X), np.nan)), usual)


@pytest.mark.parametrize(
    "data",
    [
        {"sample_weight": WEIGHTS},
        {"sample_weight": WEIGHTS.tolist()},
        {"x": dataset(X, np.zeros(len(X)), WEIGHTS), "batch_size": None},
        {"x": Batches(X, np.zeros(len(X)), WEIGHTS), "batch_size": None},
        {"x": generator(X, np.zeros(len(X)), WEIGHTS), "batch_size": None, "steps_per_epoch": len(X) // 16},
    ],
    ids=["array", "list", "tf.data", "PyDataset", "generator"],
)
def test_sample_weights_count_with_and_without_labels(data, usual, weighted):
    assert_same_weights(trained(**data), weighted)
    assert not np.array_equal(weighted.w_rec, usual.w_rec)


def test_a_smaller_last_batch_counts_by_its_cases():
    """Three batches of 25, 25 and 14: with no learning, the mean over an epoch is the mean over cases."""
    rbm = make_rbm(sampler=samplers.PCD(num_chains=9))
    rbm.compile(keras.optimizers.SGD(0.0), run_eagerly=True)
    history = rbm.fit(X, batch_size=25, verbose=0).history
    assert rbm.optimizer.iterations == 3
    assert rbm.sampler.chains.shape == (9, 5)
    np.testing.assert_allclose(history["reconstruction_error"], np.mean(rbm.reconstruction_error(X)), rtol=1e-5)


# --- validation


@pytest.mark.parametrize(
    "validation",
    [X, (X, np.zeros(len(X))), (X, np.zeros(len(X)), np.ones(len(X))), (X, None, np.ones(len(X))), dataset(X)],
    ids=["array", "(x, y)", "(x, y, w)", "(x, None, w)", "tf.data"],
)
@pytest.mark.few(3)
def test_validation_data(validation):
    rbm = make_rbm()
    history = trained(machine=rbm, validation_data=validation).history.history
    expected = {"loss", "reconstruction_error", "pseudo_log_likelihood"}
    assert set(history) == expected | {f"val_{name}" for name in expected}
    error = np.mean(rbm.reconstruction_error(X))
    np.testing.assert_allclose(history["val_reconstruction_error"], error, rtol=1e-5)


def test_validation_is_weighted():
    rbm = make_rbm()
    history = trained(machine=rbm, validation_data=(X, None, WEIGHTS)).history.history
    error = np.average(rbm.reconstruction_error(X), weights=WEIGHTS)
    np.testing.assert_allclose(history["val_reconstruction_error"], error, rtol=1e-5)


@pytest.mark.parametrize("sample_weight", [None, WEIGHTS])
def test_validation_split_takes_the_last_cases(sample_weight):
    rbm = make_rbm()
    history = trained(machine=rbm, validation_split=0.25, sample_weight=sample_weight, shuffle=True).history.history
    assert rbm.optimizer.iterations == 3
    weights = None if sample_weight is None else sample_weight[48:]
    error = np.average(rbm.reconstruction_error(X[48:]), weights=weights)
    np.testing.assert_allclose(history["val_reconstruction_error"], error, rtol=1e-5)


def test_evaluating_learns_nothing():
    rbm = make_rbm(sampler="pcd")
    rbm.compile("sgd", run_eagerly=True)
    rbm.build((None, 5))
    before = [rbm.w_rec.numpy(), rbm.sampler.chains.numpy()]
    assert set(rbm.evaluate(X, verbose=0, return_dict=True)) == {
        "loss",
        "reconstruction_error",
        "pseudo_log_likelihood",
    }
    for a, b in zip(before, [rbm.w_rec, rbm.sampler.chains], strict=True):
        np.testing.assert_array_equal(a, b)


# --- logs

DOCUMENTED = {
    "rbm": (make_rbm, {"loss", "reconstruction_error", "pseudo_log_likelihood"}),
    "gaussian": (lambda: make_rbm(visible="gaussian"), {"loss", "reconstruction_error"}),
    "gaussian hidden": (
        lambda: make_rbm(hidden="gaussian"),
        {"loss", "reconstruction_error", "pseudo_log_likelihood"},
    ),
    "dbn": (lambda: DBN([4, 3], seed=0), {"loss", "wake_loss", "sleep_loss", "reconstruction_error"}),
}


@pytest.mark.parametrize(("make", "names"), DOCUMENTED.values(), ids=DOCUMENTED)
@pytest.mark.few(2)
def test_history_has_the_documented_keys(make, names):
    history = trained(machine=make(), epochs=2).history.history
    assert set(history) == names
    assert all(len(values) == 2 and np.isfinite(values).all() for values in history.values())


# --- callbacks


def test_early_stopping_when_the_cost_no_longer_changes():
    """With no learning rate, the cost never changes: the first epoch and `patience` more are trained."""
    stop = keras.callbacks.EarlyStopping("reconstruction_error", mode="min", min_delta=1e-4, patience=2)
    history = trained(optimizer=keras.optimizers.SGD(0.0), callbacks=[stop], epochs=10).history
    assert len(history.epoch) == 1 + 2


def test_early_stopping_goes_on_while_the_cost_falls():
    x = np.tile([1.0, 0, 1, 0, 1], (64, 1))
    stop = keras.callbacks.EarlyStopping("reconstruction_error", mode="min", min_delta=1e-4, patience=2)
    history = trained(x, optimizer=keras.optimizers.SGD(0.05), callbacks=[stop], epochs=6).history
    assert len(history.epoch) == 6
    assert np.all(np.diff(history.history["reconstruction_error"]) < 0)


@pytest.mark.slow
def test_early_stopping_on_pseudo_log_likelihood():
    """It rises on constant data, so training goes on and the best weights are the last."""
    x = np.tile([1.0, 0, 1, 0, 1], (64, 1))
    rising = keras.callbacks.EarlyStopping("pseudo_log_likelihood", mode="max", patience=1)
    history = trained(x, optimizer=keras.optimizers.SGD(0.2), callbacks=[rising], epochs=5).history
    assert len(history.epoch) == 5
    falling = keras.callbacks.EarlyStopping("pseudo_log_likelihood", mode="min", patience=1)
    history = trained(x, optimizer=keras.optimizers.SGD(0.2), callbacks=[falling], epochs=5).history
    assert len(history.epoch) == 2


def test_model_checkpoint_keeps_the_best(tmp_path):
    path = tmp_path / "best.keras"
    checkpoint = keras.callbacks.ModelCheckpoint(path, "val_reconstruction_error", mode="min", save_best_only=True)
    rbm = trained(validation_data=X, callbacks=[checkpoint], epochs=3, optimizer=keras.optimizers.SGD(0.5))
    best = np.min(rbm.history.history["val_reconstruction_error"])
    loaded = keras.models.load_model(path)
    np.testing.assert_allclose(np.mean(loaded.reconstruction_error(X)), best, rtol=1e-5)


@pytest.mark.parametrize("sampler", ["cd", "pcd"])
@pytest.mark.few(1)
def test_a_killed_run_resumes_at_its_last_epoch(sampler, tmp_path):
    """And ends where a run that was left alone ends, bit for bit."""

    class Kill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                raise RuntimeError("killed")

    def run(*callbacks):
        rbm = make_rbm(sampler=sampler)
        rbm.build((None, 5))
        return trained(
            machine=rbm, optimizer=keras.optimizers.Adam(), epochs=4, batch_size=32, callbacks=list(callbacks)
        )

    def backup():
        return keras.callbacks.BackupAndRestore(tmp_path / "backup")

    whole = run()
    with pytest.raises(RuntimeError, match="killed"):
        run(backup(), Kill())
    resumed = run(backup())
    assert resumed.history.epoch == [2, 3]
    assert_same_weights(resumed, whole)


def test_reduce_lr_on_plateau():
    reduce = keras.callbacks.ReduceLROnPlateau(
        "reconstruction_error", mode="min", factor=0.5, patience=1, min_delta=100.0
    )
    rbm = trained(optimizer=keras.optimizers.SGD(0.5), callbacks=[reduce], epochs=3)
    assert rbm.optimizer.learning_rate == 0.5 * 0.5**2
    np.testing.assert_allclose(rbm.history.history["learning_rate"], [0.5, 0.5, 0.25])


def test_a_schedule_rules_the_learning_rate(usual):
    """Piecewise constant: 0.01, Keras's default for SGD, for the four steps of an epoch, then none."""
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([3], [0.01, 0.0])
    for epochs in (1, 2):
        rbm = trained(optimizer=keras.optimizers.SGD(schedule), epochs=epochs)
        np.testing.assert_array_equal(rbm.w_rec, usual.w_rec)


@pytest.mark.parametrize(
    "optimizer", ["sgd", {"class_name": "SGD", "config": {"learning_rate": 0.01}}, keras.optimizers.SGD(0.01)]
)
def test_optimizers_by_name_config_and_object(optimizer, usual):
    optimizer = keras.optimizers.get(optimizer) if isinstance(optimizer, dict) else optimizer
    assert_same_weights(trained(optimizer=optimizer), usual)


@pytest.mark.parametrize(
    "optimizer", ["adam", "adamw", "rmsprop", "adagrad", "adadelta", "nadam", "ftrl", "lion", "adamax", "adafactor"]
)
@pytest.mark.few(5)
def test_any_optimizer_trains(optimizer):
    rbm = make_rbm()
    rbm.build((None, 5))
    before = rbm.w_rec.numpy()
    trained(machine=rbm, optimizer=optimizer)
    assert np.isfinite(rbm.w_rec).all()
    assert not np.array_equal(rbm.w_rec, before)


# --- ways to run


@pytest.mark.parametrize(
    "options",
    [
        {"jit_compile": True},
        {"jit_compile": False},
        {"jit_compile": False, "steps_per_execution": 3},
        {"jit_compile": True, "steps_per_execution": 2},
        {"run_eagerly": True, "steps_per_execution": 2},
    ],
    ids=str,
)
@pytest.mark.few(3)
def test_modes(options):
    """The learning signal of constant data is the same in every mode: both biases rise with the data."""
    rbm = make_rbm()
    rbm.compile(keras.optimizers.SGD(0.5), **options)
    history = rbm.fit(np.ones((20, 5)), batch_size=4, epochs=2, verbose=0).history
    assert rbm.optimizer.iterations == 2 * 5
    assert np.min(rbm.visible.bias) > 0
    assert history["reconstruction_error"][1] < history["reconstruction_error"][0]


class Counted(RBM):
    """Counts how often a step is traced."""

    traces = 0

    def _gradients(self, batch):
        self.traces += 1
        return super()._gradients(batch)

    def _validation_values(self, batch):
        self.traces += 1
        return super()._validation_values(batch)


@pytest.mark.parametrize("stream", [False, True], ids=["array", "tf.data"])
@pytest.mark.few(1)
def test_no_retracing(stream):
    """Once for training, a smaller last batch included, and never again; once for validation."""
    x = dataset(X[:40]) if stream else X[:40]
    rbm = Counted(3, seed=0)
    rbm.compile("sgd", jit_compile=False)
    rbm.fit(x, validation_data=X[:10], batch_size=None if stream else 16, verbose=0)
    after_first = rbm.traces
    rbm.fit(x, validation_data=X[:10], batch_size=None if stream else 16, epochs=3, verbose=0)
    assert rbm.traces == after_first == 2


# --- dtype policies


def assert_policy(rbm: RBM, energies: str) -> None:
    """Compiled where the policy is bfloat16: not every processor has products of these otherwise."""
    compiled = "bfloat16" in rbm.dtype_policy.name
    ask = functools.partial(tf.function, jit_compile=True) if compiled else lambda function: function
    rbm.build((None, 5))
    before = np.array(rbm.w_rec, dtype="float32")
    rbm.compile(keras.optimizers.SGD(0.5), run_eagerly=not compiled)
    history = rbm.fit(X, verbose=0).history
    assert ask(rbm.free_energy)(X).dtype == energies
    assert ask(rbm.energy)(X, np.zeros((len(X), 3))).dtype == energies
    assert ask(rbm)(X).dtype == rbm.compute_dtype
    assert rbm.sampler.chains.dtype == energies
    assert np.isfinite(np.array(rbm.w_rec, dtype="float32")).all()
    assert not np.array_equal(np.array(rbm.w_rec, dtype="float32"), before)
    assert np.isfinite(list(history.values())).all()


POLICIES = {
    "float32": "float32",
    "float64": "float64",
    "mixed_float16": "float32",
    "mixed_bfloat16": "float32",
    "bfloat16": "float32",
}


@pytest.mark.parametrize(("policy", "energies"), POLICIES.items())
@pytest.mark.few(3)
def test_energies_keep_their_precision_under_any_policy(policy, energies):
    rbm = make_rbm(sampler="pcd", dtype=policy)
    assert_policy(rbm, energies)
    assert rbm.w_rec.dtype == keras.DTypePolicy(policy).variable_dtype
    assert rbm.compute_dtype == keras.DTypePolicy(policy).compute_dtype


@pytest.mark.parametrize("policy", ["float64", "mixed_float16"])
def test_the_global_policy_rules(policy):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        rbm = make_rbm(sampler="pcd")
        assert rbm.visible.dtype_policy.name == rbm.sampler.dtype_policy.name == policy
        assert_policy(rbm, POLICIES[policy])
        dbn = trained(machine=DBN([4, 3]))
        assert dbn.rbms[0].w_rec.dtype == keras.DTypePolicy(policy).variable_dtype
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.slow
def test_a_compiled_step_under_half_precision():
    rbm = make_rbm(dtype="mixed_float16")
    rbm.compile("adam")
    assert np.isfinite(rbm.fit(X, verbose=0).history["loss"]).all()


# --- objects in common


def test_two_models_given_one_unit_share_its_bias():
    shared = units.Bernoulli()
    first, second = make_rbm(visible=shared), make_rbm(visible=shared)
    trained(np.ones((32, 5)), machine=first)
    second.build((None, 5))
    assert second.visible.bias is first.visible.bias
    assert np.min(second.visible.bias) > 0
    assert second.hidden is not first.hidden


def test_an_epoch_has_as_many_steps_as_it_is_told():
    rbm = make_rbm()
    rbm.compile("sgd", jit_compile=False)
    rbm.fit(np.tile(X, (16, 1))[:512], batch_size=16, steps_per_epoch=5, epochs=2, verbose=0)
    assert int(rbm.optimizer.iterations) == 2 * 5
