"""Exported to other formats, machines answer the same in processes that have neither TensorFlow nor this package."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, RNNRBM, RTRBM, ClassificationRBM, ConvRBM, Hopfield
from tests.oracles.kinds import KINDS
from tests.oracles.machines import randomize

RUNTIMES = {"onnx": ["tf2onnx", "onnxruntime"], "litert": ["ai_edge_litert"], "openvino": ["openvino"]}

#: `run(path, name, inputs)` of each runtime: outputs by name.
SCRIPTS = {
    "onnx": """
def run(path, name, inputs):
    import onnxruntime
    session = onnxruntime.InferenceSession(f"{path}/{name}.onnx")
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, inputs)))
""",
    "litert": """
def run(path, name, inputs):
    from ai_edge_litert.interpreter import Interpreter
    return Interpreter(path).get_signature_runner(name)(**inputs)
""",
    "openvino": """
def run(path, name, inputs):
    import openvino
    model = openvino.compile_model(f"{path}/{name}.xml", "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = model(inputs)
    return {each: found[output] for output in model.outputs for each in output.names}
""",
}

MAIN = """
import json, sys
for name in ("tensorflow", "keras", "keras_rbm"):
    sys.modules[name] = None  # cannot be imported
import numpy as np
path, names = sys.argv[1], json.loads(sys.argv[2])
for name in names:
    np.savez(f"{name}-out.npz", **run(path, name, dict(np.load(f"{name}.npz"))))
"""


def built(machine, *shape: int):
    shape = shape or (5,)
    if isinstance(machine, RNNRBM):
        machine.build((None, None, *shape))
    else:
        machine.build((None, *shape))
        randomize(machine)
    return machine


def inputs_of(endpoint) -> dict[str, np.ndarray]:
    """Something to ask, three rows of it."""
    rng, found = np.random.default_rng(0), {}
    for spec in endpoint.inputs:
        x = rng.random([3 if n is None else n for n in spec.shape])
        if spec.dtype == tf.int32:
            found[spec.name] = np.full_like(x, 2, "int32")
        elif spec.dtype == tf.bool or spec.name in ("v", "values", "states"):
            found[spec.name] = (x < 0.5).astype("bool" if spec.dtype == tf.bool else "float32")
        else:
            found[spec.name] = x.astype("float32")
    return found


def assert_same_answers(machine, format, folder, names=None, classifier=None):
    """Of all endpoints that the format has, or some, as the machine itself answers."""
    for module in RUNTIMES[format]:
        pytest.importorskip(module)
    from keras_rbm import export

    path = folder / ("model.tflite" if format == "litert" else "model")
    names = export.write(machine, path, format, names, classifier)
    endpoints = machine._endpoints()
    if classifier is not None:
        endpoints["classify"] = export._classify(machine, classifier)
    inputs = {name: inputs_of(endpoints[name]) for name in names}
    for name in names:
        np.savez(folder / f"{name}.npz", **inputs[name])
    run = subprocess.run(
        [sys.executable, "-c", SCRIPTS[format] + MAIN, path, json.dumps(names)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    for name in names:
        answer = endpoints[name].ask(*(tf.constant(x) for x in inputs[name].values()))
        wanted = answer if isinstance(answer, dict) else {endpoints[name].output: answer}
        found = np.load(folder / f"{name}-out.npz")
        assert set(found) == set(wanted), name
        for key, value in wanted.items():
            scale = 2e-5 * max(1, np.abs(value).max())
            np.testing.assert_allclose(found[key], value, rtol=0, atol=scale, err_msg=f"{name}: {key}")


@pytest.mark.parametrize("format", RUNTIMES)
def test_an_rbm_answers_in_other_runtimes(format, tmp_path):
    """And takes Gibbs steps there, by noise."""
    assert_same_answers(built(RBM(4, seed=0)), format, tmp_path, ["encode", "free_energy", "gibbs_clamped"])


@pytest.mark.parametrize("format", RUNTIMES)
def test_a_dbm_classifies_in_other_runtimes(format, tmp_path):
    """By a fine-tuned network, whose inputs its mean field adds to."""
    machine = built(DBM([4, 3], seed=0))
    assert_same_answers(machine, format, tmp_path, ["classify"], machine.classifier(3))


MACHINES = {
    "rbm": lambda: built(RBM(4, seed=0)),
    "classification": lambda: built(ClassificationRBM(4, 3, seed=0)),
    "hopfield": lambda: built(Hopfield(3, seed=0)),
    "dbn": lambda: built(DBN([4, 3], num_classes=3, seed=0)),
    "dbm": lambda: built(DBM([4, 3, 2], num_classes=3, seed=0)),
    "rnn": lambda: built(RNNRBM(4, [keras.layers.LSTM(3, seed=0), keras.layers.GRU(2, seed=0)], seed=0)),
    "rtrbm": lambda: built(RTRBM(4, seed=0)),
    **{
        f"{name} visible": lambda kind=kind: built(RBM(4, visible=kind.make(), seed=0), kind.width)
        for name, kind in KINDS.items()
    },
    "conv": lambda: built(ConvRBM(2, 2, pool_size=2, padding="same", seed=0), 3, 4, 1),
    "conv strides": lambda: built(ConvRBM(2, 2, strides=2, visible=KINDS["softmax"].make(), seed=0), 3, 4, 3),
    "conv sequence": lambda: built(ConvRBM(2, 2, pool_size=2, rank=1, seed=0), 6, 2),
    "conv dbn": lambda: built(DBN([ConvRBM(2, 2, pool_size=2), 3], num_classes=3, seed=0), 3, 4, 1),
    "relu hidden": lambda: built(RBM(2, hidden="relu", seed=0)),
    "drelu hidden": lambda: built(RBM(2, hidden="drelu", seed=0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("format", RUNTIMES)
@pytest.mark.parametrize("kind", MACHINES)
def test_every_machine_answers_everything_in_other_runtimes(kind, format, tmp_path):
    assert_same_answers(MACHINES[kind](), format, tmp_path)


@pytest.mark.parametrize("format", ["onnx", "openvino"])
def test_what_is_missing_is_named(format, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, RUNTIMES[format][0], None)
    with pytest.raises(ImportError, match=rf"not installed\. Run .*: pip install '\.\[{format}\]'"):
        built(RBM(4, seed=0)).export(tmp_path / "model", format=format)
    assert not list(tmp_path.iterdir())


def test_endpoints_are_those_asked_for(tmp_path):
    machine = built(RBM(4, seed=0))
    machine.export(tmp_path / "model", endpoints=["free_energy"])
    found = tf.saved_model.load(str(tmp_path / "model"))
    assert set(found.signatures) == {"free_energy", "serving_default"}
    with pytest.raises(ValueError, match=r"`endpoints` must be some of encode, .*Received: \['sample'\]"):
        machine.export(tmp_path / "other", format="litert", endpoints=["sample"])
    with pytest.raises(ValueError, match="Received: 'encode'"):
        machine.export(tmp_path / "other", endpoints="encode")


def test_a_classifier_of_another_machine_is_refused(tmp_path):
    other = built(RBM(4, seed=0), 6).classifier(3)
    with pytest.raises(ValueError, match=r"of 5 inputs\. Received: one of 6"):
        built(DBM([4, 3], seed=0)).export(tmp_path / "model", classifier=other)
