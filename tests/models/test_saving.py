"""What is saved comes back whole: after a reload the next step is the same, bit for bit."""

import keras
import numpy as np
import pytest

from keras_rbm import DBN, RBM, samplers, units
from tests.oracles.kinds import binary_states
from tests.support.saving import assert_same_state, config_of, through_disk

X = binary_states(5).astype("float32")
EAGER = {"run_eagerly": True}

MACHINES = {
    "cd": lambda: RBM(4, seed=3),
    "pcd": lambda: RBM(4, sampler=samplers.PCD(num_steps=2, num_chains=7), seed=3),
    "unseeded": lambda: RBM(4, sampler="pcd"),
    "gaussian-visible": lambda: RBM(4, visible="gaussian", sampler="pcd", seed=3),
    "gaussian-hidden": lambda: RBM(4, hidden=units.Gaussian(precision=[1.0, 2.0, 0.5, 4.0]), seed=3),
    "untied": lambda: RBM(4, tied=False, seed=3),
    "options": lambda: RBM(
        4,
        visible=units.Bernoulli(bias_regularizer="l2", bias_constraint=keras.constraints.MaxNorm(9.0), dtype="float64"),
        centered=False,
        kernel_initializer=keras.initializers.GlorotNormal(seed=1),
        kernel_regularizer=keras.regularizers.L1(0.01),
        kernel_constraint="max_norm",
        dtype="float64",
        name="my_rbm",
    ),
    "dbn": lambda: DBN([6, 4, 3], sampler=samplers.PCD(num_steps=2, num_chains=7), seed=3),
    "dbn-options": lambda: DBN(
        [4, 3], visible="gaussian", centered=False, kernel_initializer="glorot_uniform", kernel_regularizer="l2"
    ),
}

OPTIMIZERS = {
    "momentum": lambda: keras.optimizers.SGD(0.1, momentum=0.9),
    "adam": lambda: keras.optimizers.Adam(0.01),
    "schedule": lambda: keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.5, 4, 0.0)),
}


@pytest.mark.parametrize("make", MACHINES.values(), ids=MACHINES)
def test_an_uncompiled_machine_comes_back(make, tmp_path):
    model = make()
    model(X)
    if isinstance(model, RBM) and model.has_free_energy:
        model.adapt(X)
    loaded = through_disk(model, tmp_path)
    assert not loaded.compiled
    assert type(loaded) is type(model)
    assert config_of(loaded) == config_of(model)
    assert [w.name for w in loaded.weights] == [w.name for w in model.weights]
    assert_same_state(model, loaded)
    np.testing.assert_array_equal(loaded(X), model(X))
    np.testing.assert_array_equal(loaded.reconstruct(X), model.reconstruct(X))


@pytest.mark.parametrize(
    ("kind", "optimizer"),
    [
        *((kind, "momentum") for kind in ("cd", "pcd", "unseeded", "gaussian-visible", "options", "dbn")),
        *(("pcd", optimizer) for optimizer in OPTIMIZERS if optimizer != "momentum"),
    ],
)
@pytest.mark.few(5)
def test_the_next_step_after_a_reload_is_the_same(kind, optimizer, tmp_path):
    """Weights, chains, random keys, optimizer state and logs."""
    model = MACHINES[kind]()
    model.compile(OPTIMIZERS[optimizer](), **EAGER)
    model.fit(X, batch_size=10, verbose=0)
    loaded = through_disk(model, tmp_path)
    assert loaded.compiled
    assert_same_state(model, loaded)
    for machine in (model, loaded):
        machine.reset_metrics()
    for _ in range(2):
        assert model.train_on_batch(X[:9], return_dict=True) == loaded.train_on_batch(X[:9], return_dict=True)
        assert_same_state(model, loaded)
    np.testing.assert_array_equal(model.sample(3, 2), loaded.sample(3, 2))


def test_the_next_compiled_step_after_a_reload_is_the_same(tmp_path):
    """With the default settings: XLA. The first step builds the machine."""
    model = MACHINES["pcd"]()
    model.compile(OPTIMIZERS["adam"]())
    model.train_on_batch(X)
    loaded = through_disk(model, tmp_path)
    for machine in (model, loaded):
        machine.reset_metrics()
    assert model.train_on_batch(X, return_dict=True) == loaded.train_on_batch(X, return_dict=True)
    assert_same_state(model, loaded)


def test_a_reloaded_training_goes_on_through_fit(tmp_path):
    """Two epochs are one epoch, a reload and another; the order of cases is fixed."""
    whole, halves = MACHINES["pcd"](), MACHINES["pcd"]()
    for model in (whole, halves):
        model.compile(OPTIMIZERS["momentum"](), **EAGER)
    whole.fit(X, batch_size=8, epochs=2, shuffle=False, verbose=0)
    halves.build((None, 5))
    before = np.array(halves.sampler.chains)
    halves.fit(X, batch_size=8, epochs=1, shuffle=False, verbose=0)
    assert not np.array_equal(halves.sampler.chains, before)
    halves = through_disk(halves, tmp_path)
    halves.fit(X, batch_size=8, epochs=2, initial_epoch=1, shuffle=False, verbose=0)
    assert_same_state(whole, halves)


@pytest.mark.parametrize(
    "arguments",
    [
        {"optimizer": "sgd"},
        {"optimizer": "sgd", "steps_per_execution": 4, "jit_compile": False},
        {"optimizer": "sgd", "run_eagerly": True},
        {"optimizer": "sgd", "jit_compile": True},
    ],
)
def test_compile_arguments_come_back(arguments, tmp_path):
    model = MACHINES["cd"]()
    model.build((None, 5))
    model.compile(**arguments)
    loaded = through_disk(model, tmp_path)
    for name in ("jit_compile", "run_eagerly", "steps_per_execution"):
        assert getattr(loaded, name) == getattr(model, name)
    assert loaded.get_compile_config() == model.get_compile_config()
    assert loaded.optimizer.get_config() == model.optimizer.get_config()
    assert not through_disk(model, tmp_path, compile=False).compiled


def test_a_machine_compiled_but_not_yet_trained_comes_back(tmp_path):
    """Its optimizer has state that no step has made yet."""
    model = MACHINES["cd"]()
    model.build((None, 5))
    model.compile(OPTIMIZERS["adam"](), **EAGER)
    loaded = through_disk(model, tmp_path)
    for machine in (model, loaded):
        machine.train_on_batch(X)
    assert_same_state(model, loaded)


@pytest.mark.parametrize("make", MACHINES.values(), ids=MACHINES)
def test_a_config_makes_an_equal_machine(make):
    model = make()
    copy = type(model).from_config(model.get_config())
    assert config_of(copy) == config_of(model)
    copy.build((None, 5))
    model.build((None, 5))
    assert [w.shape for w in copy.weights] == [w.shape for w in model.weights]


def test_an_unbuilt_machine_comes_back(tmp_path):
    model = MACHINES["options"]()
    model.save(tmp_path / "model.keras")  # Keras warns that there are no weights
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert not loaded.built
    assert config_of(loaded) == config_of(model)


@pytest.mark.parametrize("kind", ["pcd", "untied", "dbn"])
def test_weights_alone(kind, tmp_path):
    model, other = MACHINES[kind](), MACHINES[kind]()
    model.build((None, 5))
    other.build((None, 5))
    rng = np.random.default_rng(0)
    for variable in model.trainable_variables:
        variable.assign(rng.normal(size=variable.shape))
    keys = [weight for weight in model.weights if weight.name == "key"]
    assert keys
    for key in keys:
        key.assign([7, 9])
    model.save_weights(tmp_path / "model.weights.h5")
    other.load_weights(tmp_path / "model.weights.h5")
    assert_same_state(model, other)


@pytest.mark.parametrize(
    "unit",
    [
        units.Bernoulli(bias_initializer="ones", bias_regularizer="l2", bias_constraint="non_neg", name="mine"),
        units.Gaussian(precision=[1.0, 2.0, 3.0]),
        units.Gaussian(precision=4.0),
        units.Gaussian(),
    ],
)
def test_units_come_back(unit, tmp_path):
    assert type(unit).from_config(unit.get_config()).get_config() == unit.get_config()
    model = keras.Sequential([keras.Input((3,)), unit])
    unit.bias.assign([0.5, 1.5, 2.5])
    loaded = through_disk(model, tmp_path)
    assert loaded.layers[0].get_config() == unit.get_config()
    np.testing.assert_array_equal(loaded.layers[0].bias, unit.bias)
    np.testing.assert_array_equal(loaded(X[:, :3]), model(X[:, :3]))


def test_precision_learnt_from_data_comes_back(tmp_path):
    x = np.random.default_rng(0).normal(3, [1, 2, 4], (50, 3))
    model = RBM(2, visible="gaussian")
    model.adapt(x)
    np.testing.assert_allclose(model.visible.precision, 1 / x.var(0), rtol=1e-5)
    loaded = through_disk(model, tmp_path)
    np.testing.assert_array_equal(loaded.visible.precision, model.visible.precision)
    assert loaded.visible.given_precision is None


def test_a_classifier_is_plain_keras_and_comes_back(tmp_path):
    dbn = MACHINES["dbn"]()
    dbn.build((None, 5))
    net = dbn.classifier(3, dropout=0.2)
    net.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], run_eagerly=True)
    net.fit(X, np.arange(len(X)) % 3, verbose=0)
    assert not [layer for layer in net.layers if type(layer).__module__.startswith("keras_rbm")]
    loaded = through_disk(net, tmp_path)
    np.testing.assert_array_equal(loaded(X), net(X))
    assert_same_state(net, loaded)
