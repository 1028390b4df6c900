"""What Keras says of a machine, and asks of it, when it is watched."""

import re

import keras
import numpy as np
import pytest

from keras_rbm import DBM, DBN, RBM, RNNRBM, ClassificationRBM, Hopfield, callbacks
from tests.oracles.kinds import binary_states

X = binary_states(6).astype("float32")
MACHINES = {
    "RBM": lambda: RBM(4, seed=0),
    "untied": lambda: RBM(4, tied=False, seed=0),
    "PCD": lambda: RBM(4, sampler="pcd", seed=0),
    "Hopfield": lambda: Hopfield(4, seed=0),
    "ClassificationRBM": lambda: ClassificationRBM(4, 3, seed=0),
    "DBN": lambda: DBN([4, 3], seed=0),
    "DBM": lambda: DBM([4, 3], seed=0),
    "RNNRBM": lambda: RNNRBM(4, 3, seed=0),
}


@pytest.mark.parametrize("expand_nested", [False, True])
@pytest.mark.parametrize("make", MACHINES.values(), ids=MACHINES)
def test_the_rows_of_a_summary_add_up(make, expand_nested):
    machine = make()
    machine.build((None, 5, 6) if isinstance(machine, RNNRBM) else (None, 6))
    lines: list[str] = []
    machine.summary(print_fn=lines.append, expand_nested=expand_nested)
    rows = re.findall(r"^│ (.*?) *│.*?([\d,]+) │$", "\n".join(lines), re.MULTILINE)
    counts = [int(count.replace(",", "")) for name, count in rows if not name.lstrip().startswith("└")]
    assert sum(counts) == machine.count_params()
    assert any("w_rec" in name or "kernel" in name for name, _ in rows) or not expand_nested
    assert f"Total params: {machine.count_params():,}" in "\n".join(lines)


def best_of(history: list[float], higher: bool) -> int:
    return int(np.argmax(history) if higher else np.argmin(history))


@pytest.mark.parametrize(
    ("monitor", "higher"),
    [("reconstruction_error", False), ("val_pseudo_log_likelihood", True), ("free_energy_gap", False)],
)
def test_keras_knows_which_way_is_better(monitor, higher, tmp_path):
    """Without `mode`: the kept weights are those of the best epoch."""
    machine = RBM(4, seed=0)
    # So large a rate that no epoch is the best by being the last.
    machine.compile(keras.optimizers.SGD(2.0), jit_compile=False)
    keep = keras.callbacks.ModelCheckpoint(
        tmp_path / "{epoch}.weights.h5", monitor, save_best_only=True, save_weights_only=True
    )
    gap = callbacks.FreeEnergyGap(X[:20], X[40:])
    found = machine.fit(X, epochs=6, verbose=0, validation_data=X, callbacks=[gap, keep]).history[monitor]
    kept = max(int(path.name.split(".")[0]) for path in tmp_path.iterdir())
    assert kept == best_of(found, higher) + 1
    assert best_of(found, higher) != best_of(found, not higher)


def test_names_of_metrics_are_those_of_what_evaluate_returns():
    machine = RBM(4, seed=0)
    machine.compile("sgd", jit_compile=False)
    machine.fit(X, epochs=1, verbose=0)
    found = dict(zip(machine.metrics_names, machine.evaluate(X, verbose=0), strict=True))
    assert found.keys() == {"loss", "reconstruction_error", "pseudo_log_likelihood"}
    assert found["pseudo_log_likelihood"] < 0 < found["reconstruction_error"]
