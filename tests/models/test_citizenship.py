"""Machines as layers of other Keras models, and this package among others."""

import os
import subprocess
import sys
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.autograph.impl import conversion

import keras_rbm
from keras_rbm import DBN, RBM, samplers, units
from tests.oracles.kinds import binary_states

X = binary_states(6).astype("float32")
Y = (X.sum(1) > 3).astype("int64")

LAYERS = {
    "rbm": lambda: RBM(8, seed=0, name="machine"),
    "pcd": lambda: RBM(8, sampler="pcd", seed=0, name="machine"),
    "untied": lambda: RBM(8, tied=False, seed=0, name="machine"),
    "dbn": lambda: DBN([7, 8], seed=0, name="machine"),
}


def sequential(machine: keras.Layer) -> keras.Model:
    return keras.Sequential(
        [keras.Input((2, 3)), keras.layers.Flatten(), machine, keras.layers.Dense(2, activation="softmax")]
    )


def functional(machine: keras.Layer) -> keras.Model:
    inputs = keras.Input((2, 3))
    v = keras.layers.Flatten()(inputs)
    both = keras.layers.Concatenate()([machine(v), keras.layers.Dense(3)(v)])
    return keras.Model(inputs, keras.layers.Dense(2, activation="softmax")(both))


def compiled(model: keras.Model, **kwargs) -> keras.Model:
    model.compile(keras.optimizers.SGD(0.5), "sparse_categorical_crossentropy", metrics=["accuracy"], **kwargs)
    return model


@pytest.fixture(params=LAYERS)
def machine(request):
    return LAYERS[request.param]()


PICTURES = X.reshape(-1, 2, 3)


@pytest.mark.parametrize("outer", [sequential, functional])
@pytest.mark.few(3)
def test_an_outer_model_learns_without_a_warning(outer, machine):
    """What the outer loss does not depend on has a gradient of zero, not a missing one: it stays."""
    model = compiled(outer(machine), run_eagerly=True)
    parts = machine.rbms if isinstance(machine, DBN) else [machine]
    unused = [rbm.visible.bias for rbm in parts] + [rbm.w_gen for rbm in parts if not rbm.tied]
    used = [rbm.w_rec for rbm in parts] + [rbm.hidden.bias for rbm in parts]
    before = [np.array(x) for x in unused + used]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = model.fit(PICTURES, Y, epochs=3, verbose=0).history
    assert history["loss"][-1] < history["loss"][0]
    after = [np.array(x) for x in unused + used]
    for i, (a, b) in enumerate(zip(before, after, strict=True)):
        assert np.array_equal(a, b) == (i < len(unused))


@pytest.mark.parametrize("options", [{"jit_compile": True}, {"jit_compile": False}], ids=str)
def test_an_outer_model_compiles(options):
    model = compiled(sequential(LAYERS["rbm"]()), **options)
    assert np.isfinite(model.fit(PICTURES, Y, verbose=0).history["loss"]).all()


def test_summary_counts_the_parameters():
    """A 6-8 RBM has 6*8 weights, 6 + 8 biases, as many offsets and their age, and a random key of two numbers."""
    model, lines = sequential(LAYERS["rbm"]()), []
    model.summary(print_fn=lines.append)
    (row,) = [line for line in "\n".join(lines).splitlines() if "machine (RBM)" in line]
    assert str(6 * 8 + (6 + 8) + (6 + 8 + 1) + 2) in row
    assert model.get_layer("machine").output.shape == (None, 8)


@pytest.mark.parametrize("outer", [sequential, functional])
@pytest.mark.few(3)
def test_an_outer_model_is_saved_and_goes_on_alike(outer, machine, tmp_path):
    model = compiled(outer(machine), run_eagerly=True)
    model.fit(PICTURES, Y, verbose=0)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        model.save(tmp_path / "outer.keras")
        loaded = keras.models.load_model(tmp_path / "outer.keras")
    np.testing.assert_array_equal(loaded.predict(PICTURES, verbose=0), model.predict(PICTURES, verbose=0))
    for part in (model, loaded):
        part.train_on_batch(PICTURES, Y)
    for a, b in zip(model.get_weights(), loaded.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_a_pretrained_machine_becomes_a_layer():
    rbm = LAYERS["rbm"]()
    rbm.compile("sgd", run_eagerly=True)
    rbm.fit(X, verbose=0)
    model = sequential(rbm)
    h = keras.Model(model.inputs, model.layers[-2].output).predict(PICTURES, verbose=0)
    np.testing.assert_allclose(h, rbm.mean_h_from_v(X), rtol=1e-6)


def test_a_frozen_machine_stays():
    rbm = LAYERS["rbm"]()
    rbm.trainable = False
    model = compiled(sequential(rbm), run_eagerly=True)
    before = rbm.get_weights()
    model.fit(PICTURES, Y, verbose=0)
    for a, b in zip(rbm.get_weights(), before, strict=True):
        np.testing.assert_array_equal(a, b)


def test_shapes_and_dtypes_are_known_beforehand(machine):
    assert machine.compute_output_shape((None, 6)) == (None, 8)
    symbolic = machine(keras.Input((6,)))
    assert symbolic.shape == (None, 8)
    assert symbolic.dtype == machine(X).dtype == "float32"


@pytest.mark.parametrize("ask", ["encode", "reconstruct", "free_energy"])
def test_a_function_around_a_machine_is_traced_without_a_warning(ask, monkeypatch, caplog):
    """AutoGraph says once of a piece of code that it cannot transform it: what it has said before is forgotten here."""
    monkeypatch.setattr(conversion, "_ALLOWLIST_CACHE", type(conversion._ALLOWLIST_CACHE)())
    machine = RBM(4, seed=0)
    machine.build((None, 6))
    found = tf.function(lambda v: getattr(machine, ask)(v))(X)
    np.testing.assert_allclose(found, getattr(machine, ask)(X), rtol=1e-5)
    assert not caplog.records


def test_images_as_symbolic_inputs_are_refused_with_the_way_out():
    with pytest.raises(ValueError, match=r"keras\.layers\.Flatten"):
        RBM(3)(keras.Input((2, 3)))


def test_a_regularizer_counts_in_the_outer_loss():
    """With no other gradient, weight decay alone moves w_rec by -lr * 2 l w."""
    rbm = RBM(8, kernel_regularizer=keras.regularizers.L2(0.25), seed=0)
    model = keras.Sequential([keras.Input((6,)), rbm])
    before = np.array(rbm.w_rec)
    model.compile(keras.optimizers.SGD(0.5), loss=lambda y, h: 0.0 * tf.reduce_sum(h), run_eagerly=True)
    model.train_on_batch(X, np.zeros((len(X), 8)))
    np.testing.assert_allclose(rbm.w_rec, before * (1 - 0.5 * 2 * 0.25), rtol=1e-6)


@pytest.mark.parametrize(
    "cls", [RBM, DBN, units.Bernoulli, units.Gaussian, samplers.CD, samplers.PCD], ids=lambda cls: cls.__name__
)
def test_registered_names(cls):
    name = f"keras_rbm>{cls.__name__}"
    assert keras.saving.get_registered_name(cls) == name
    assert keras.saving.get_registered_object(name) is cls


def test_public_names():
    assert {"RBM", "DBN", "load", "units", "samplers", "callbacks", "plots", "datasets"} <= set(keras_rbm.__all__)
    assert all(hasattr(keras_rbm, name) for name in keras_rbm.__all__)


def import_error(before: str = "", **environment) -> str:
    """How `import keras_rbm` ends in a process of its own."""
    kept = {name: value for name, value in os.environ.items() if name != "KERAS_BACKEND"}
    run = subprocess.run(
        [sys.executable, "-c", f"{before}\nimport keras_rbm"],
        env={**kept, **environment},
        cwd=os.path.dirname(os.path.dirname(keras_rbm.__file__)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1, run.stderr
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith("ImportError: keras_rbm needs the TensorFlow backend of Keras")
    return last


@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_another_backend_is_refused(backend):
    error = import_error(KERAS_BACKEND=backend)
    assert f"KERAS_BACKEND={backend!r}" in error
    assert "set KERAS_BACKEND=tensorflow" in error


def test_another_backend_of_keras_itself_is_refused():
    """As where `keras.json` names one; a stand-in for Keras says so, and is not asked for anything more."""
    config = "types.SimpleNamespace(backend=lambda: 'numpy')"
    error = import_error(f"import sys, types; sys.modules['keras'] = types.SimpleNamespace(config={config})")
    assert "backend='numpy'" in error
    assert "mend keras.json" in error
