"""Denoising: by means passed on, or by averages along chains."""

import numpy as np
import pytest

from keras_rbm import DBN, RBM, ClassificationRBM, load, load_pretrained
from tests.oracles.kinds import binary_states
from tests.oracles.machines import MASKED, masked_rbm, random_dbn, random_rbm, randomize, sigmoid
from tests.oracles.rbm import Exact, parameters
from tests.support.nearest import nearest
from tests.support.statistics import SIGMAS, assert_means, assert_rounded


def built(machine, width: int = 5):
    machine.build((None, width))
    randomize(machine)
    return machine


MACHINES = {
    "bernoulli": lambda: built(RBM(3, seed=0)),
    "gaussian": lambda: built(RBM(3, visible="gaussian", seed=0)),
    "spin": lambda: built(RBM(3, visible="spin", hidden="spin", seed=0)),
    "dbn": lambda: built(DBN([4, 3], seed=0)),
    "labels": lambda: built(DBN([4, 3], num_classes=3, seed=0)),
    "classification": lambda: built(ClassificationRBM(4, 3, seed=0)),
}


@pytest.mark.parametrize("kind", MACHINES)
def test_mean_field_passes_on_means(kind):
    machine, v = MACHINES[kind](), 2 * binary_states(5).astype("float32") - 1
    v = v if kind == "spin" else (v + 1) / 2
    expected = v
    for _ in range(3):
        expected = machine.reconstruct(expected)
    assert_rounded(machine.denoise(v, 3), expected, ulps=50)
    assert_rounded(machine.denoise(v, 1, method="mean_field"), machine.reconstruct(v), ulps=50)


def test_mean_field_by_hand():
    rbm, v = random_rbm(), binary_states(5)
    w, b, c = parameters(rbm)[:3]
    h = sigmoid(v @ w + c)
    h = sigmoid(sigmoid(h @ w.T + b) @ w + c)
    assert_rounded(rbm.denoise(v, 2), sigmoid(h @ w.T + b))


@pytest.mark.parametrize("kind", MASKED)
def test_gibbs_averages_the_means_of_every_sweep(kind):
    """From one start: the mean of the means after sweep 1, 2, 3, by enumeration, each of states drawn before it."""
    rbm, _ = masked_rbm(kind)
    table = Exact(rbm)
    for num_steps in (1, 3):
        found = rbm.denoise(np.tile(table.v[-1], (20000, 1)), num_steps, "gibbs").numpy()
        p, expected = np.eye(len(table.v))[-1], 0.0
        for _ in range(num_steps):
            p = p @ table.p_h_from_v() @ table.p_v_from_h()
            expected += p @ table.v / num_steps
        assert_means(found, expected)
        if num_steps == 1:
            assert_rounded(found, nearest(found, table.p_v_from_h() @ table.v))  # the mean given a hidden state


def test_gibbs_of_a_dbn():
    """Up by recognition, sweeps of the top, and the directed layer's means."""
    dbn = random_dbn((3, 2))
    top, lower = Exact(dbn.top), dbn.rbms[0]
    v = np.array([[1.0, 0.0, 1.0]])
    up = sigmoid(v @ np.array(lower.w_rec) + np.array(lower.hidden.bias))
    p = np.prod(np.where(top.v == 1, up, 1 - up), 1)
    means = sigmoid(top.v @ np.array(lower.w_gen) + np.array(lower.visible.bias))
    for num_steps in (1, 2):
        expected = np.mean([p @ top.transitions(top.v, k + 1) @ means for k in range(num_steps)], 0)
        assert_means(dbn.denoise(np.repeat(v, 20000, 0), num_steps, "gibbs"), expected)


def test_fewer_pixels_of_digits_are_wrong():
    """15 % of the pixels are flipped: the pretrained stack corrects more than it spoils, by 5 standard errors."""
    dbn = load_pretrained("digits-dbn")
    x = load("digits").x_test > 0.5
    flipped = x ^ (np.random.default_rng(0).random(x.shape) < 0.15)
    wrong = (dbn.denoise(flipped, num_steps=1).numpy() > 0.5) != x
    gain = np.mean(flipped != x, 1) - wrong.mean(1)
    assert gain.mean() > SIGMAS * gain.std() / np.sqrt(len(gain))
    assert wrong.mean() < 0.8 * 0.15


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"num_steps": 0}, "`num_steps` must be a positive integer. Received: num_steps=0"),
        ({"num_steps": 1.5}, "Received: num_steps=1.5"),
        ({"num_steps": True}, "Received: num_steps=True"),
        ({"method": "median"}, "`method` must be 'mean_field' or 'gibbs'. Received: method='median'"),
        ({"x": np.zeros((2, 4))}, r"\(batch, 5\). Received: shape=\(2, 4\)"),
        ({"x": np.zeros(5)}, r"\(batch, 5\). Received: shape=\(5,\)"),
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", ["bernoulli", "dbn"])
def test_bad_arguments(kind, arguments, message):
    with pytest.raises(ValueError, match=message):
        MACHINES[kind]().denoise(**{"x": np.zeros((2, 5)), **arguments})


def test_an_unbuilt_machine_denoises_nothing():
    with pytest.raises(ValueError, match="must be built before it denoises"):
        RBM(3).denoise(np.zeros((2, 5)))
