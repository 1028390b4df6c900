"""A SavedModel answers what the machine answers, where neither Keras nor this package is imported."""

import subprocess
import sys

import numpy as np
import pytest

from keras_rbm import DBN, RBM
from tests.oracles.kinds import binary_states
from tests.oracles.machines import randomize

X = binary_states(5).astype("float32")

#: Run without this package: every endpoint on the saved inputs, and three samples.
SCRIPT = """
import sys
import numpy as np
import tensorflow as tf

kinds = sys.argv[1:]
v = tf.constant(np.load("inputs.npy"))
for kind in kinds:
    model = tf.saved_model.load(kind)
    names = [name for name in ("encode", "reconstruct", "free_energy") if hasattr(model, name)]
    found = {name: getattr(model, name)(v).numpy() for name in names}
    for i, counts in enumerate([(500, 20), (500, 20), (3, 1)]):
        found[f"sample_{i}"] = model.sample(*(tf.constant(n) for n in counts)).numpy()
    found["signature"] = model.signatures["encode"](v=v)["h"].numpy()
    found["names"] = np.array(sorted(model.signatures))
    np.savez(kind + ".npz", **found)
assert "keras_rbm" not in sys.modules
"""

COMMON = {"encode", "reconstruct", "denoise", "start", "gibbs", "sample"}
CLAMPED = {"gibbs_clamped", "sample_clamped", "impute"}
MACHINES = {
    "rbm": (lambda: RBM(4, sampler="pcd", seed=0), COMMON | CLAMPED | {"free_energy"}),
    "gaussian": (lambda: RBM(4, visible="gaussian", seed=0), COMMON | CLAMPED | {"free_energy"}),
    "untied": (lambda: RBM(4, tied=False, seed=0), COMMON | CLAMPED),
    "half": (lambda: RBM(4, dtype="mixed_float16", seed=0), COMMON | CLAMPED | {"free_energy"}),
    "dbn": (lambda: DBN([4, 3], seed=0), COMMON | {"down"}),
}


def made(kind: str):
    machine = MACHINES[kind][0]()
    machine.build((None, 5))
    randomize(machine)
    return machine


@pytest.fixture(scope="module")
def exported(tmp_path_factory) -> tuple:
    """A folder of exported machines, these, and the weights that they had before."""
    folder, machines = tmp_path_factory.mktemp("exported"), {kind: made(kind) for kind in MACHINES}
    weights = {kind: machine.get_weights() for kind, machine in machines.items()}
    for kind, machine in machines.items():
        machine.export(folder / kind)
    return folder, machines, weights


@pytest.fixture(scope="module")
def answers(exported) -> dict:
    """What each exported machine says in a process of its own, beside the machine."""
    folder, machines, _ = exported
    np.save(folder / "inputs.npy", X)
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, *MACHINES],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    return {kind: (machine, dict(np.load(folder / f"{kind}.npz"))) for kind, machine in machines.items()}


@pytest.mark.parametrize("kind", MACHINES)
def test_signatures(answers, kind):
    machine, found = answers[kind]
    names = set(found["names"]) - {"serving_default"}
    assert names == MACHINES[kind][1]
    for name in names & {"encode", "reconstruct", "free_energy"}:
        expected = np.asarray(getattr(machine, name)(X))
        scale = np.finfo("float32").eps * max(1, np.abs(expected).max()) * 100
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=scale, err_msg=name)
    np.testing.assert_array_equal(found["signature"], found["encode"])


@pytest.mark.parametrize("kind", MACHINES)
def test_exported_samples(answers, kind):
    """As many as asked for, in the units' domain, and others each time."""
    _, found = answers[kind]
    first, second, few = (found[f"sample_{i}"] for i in range(3))
    assert first.shape == second.shape == (500, 5)
    assert few.shape == (3, 5)
    assert not np.array_equal(first, second)
    if kind == "gaussian":
        assert np.isfinite(first).all()
        assert len(np.unique(first)) == first.size
    else:
        assert set(np.unique(first)) == {0.0, 1.0}


@pytest.mark.parametrize("kind", MACHINES)
def test_exporting_leaves_the_machine_as_it_was(exported, kind):
    """It learns as one that was never exported, where it can learn by itself."""
    _, machines, weights = exported
    machine, other = machines[kind], made(kind)
    for a, b in zip(machine.get_weights(), weights[kind], strict=True):
        np.testing.assert_array_equal(a, b)
    for learner in (machine, other) if kind != "untied" else ():
        learner.compile("sgd", run_eagerly=True)
        learner.fit(X, shuffle=False, verbose=0)
    for a, b in zip(machine.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
    machine.set_weights(weights[kind])


@pytest.mark.parametrize("make", [lambda: RBM(3), lambda: DBN([4, 3])], ids=["rbm", "dbn"])
def test_an_unbuilt_machine_is_not_exported(make, tmp_path):
    with pytest.raises(ValueError, match="must be built before it is exported"):
        make().export(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_other_formats_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"`format` must be one of 'tf_saved_model', .*\. Received: format='pmml'"):
        made("rbm").export(tmp_path / "model", format="pmml")
