"""Units that are held while the others are sampled, and chains that start hot: against enumeration."""

import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBN, RBM, ClassificationRBM, units
from tests.oracles.kinds import PRECISIONS, binary_states, index
from tests.oracles.machines import MASKED, masked_rbm, randomize, sigmoid
from tests.oracles.rbm import Exact
from tests.support.nearest import nearest
from tests.support.rewind import rewinding
from tests.support.statistics import assert_frequencies, assert_means, assert_moments, assert_rounded

NUMBER = 8000


def with_nan(mask, values) -> np.ndarray:
    return np.where(mask, values, np.nan)


@pytest.mark.parametrize("mean", [False, True], ids=["states", "means"])
@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.few(4)
def test_two_sweeps_with_units_held(kind, mean):
    """From one start whose held units are wrong, so that nothing has to mix."""
    rbm, mask = masked_rbm(kind)
    table = Exact(rbm)
    start, values = table.v[0], table.v[-1]
    v = rbm.sample(
        v=np.tile(start, (NUMBER, 1)), num_steps=2, mean=mean, clamp=mask, values=with_nan(mask, values)
    ).numpy()
    np.testing.assert_array_equal(v[:, mask], np.tile(values[mask], (NUMBER, 1)))
    down = table.p_v_from_h(None, mask, values)
    p = table.p_h_from_v()[table.index([np.where(mask, values, start)])] @ down @ table.p_h_from_v() @ down
    if mean:
        assert_means(v[:, ~mask], (p[0] @ table.v)[~mask])
        assert_rounded(v[:, ~mask], nearest(v[:, ~mask], (down @ table.v)[:, ~mask]))  # the mean given a hidden state
    else:
        assert_frequencies(table.index(v), p[0])


@pytest.mark.parametrize("kind", MASKED)
@pytest.mark.few(2)
def test_samples_come_from_the_conditional_of_each_row(kind):
    """Three groups of rows, which hold a part, the rest, and nothing; `"observed"` holds what is not NaN."""
    rbm, mask = masked_rbm(kind)
    table = Exact(rbm)
    masks = np.stack([mask, ~mask, np.zeros_like(mask)])
    values = table.v[[-1, len(table.v) // 2, 0]]
    rows = np.repeat(np.arange(3), NUMBER // 2)
    rewind = rewinding(rbm)
    v = rbm.sample(num_steps=80, clamp=masks[rows], values=values[rows]).numpy()
    for i in range(3):
        np.testing.assert_array_equal(v[rows == i][:, masks[i]], np.tile(values[i, masks[i]], (NUMBER // 2, 1)))
        assert_frequencies(table.index(v[rows == i]), table.conditional(masks[i], values[i]))
    rewind()
    again = rbm.sample(num_steps=80, clamp="observed", values=with_nan(masks, values)[rows])
    np.testing.assert_array_equal(again, v)


def test_one_mask_or_one_row_of_values_serves_all_samples():
    machine, mask = masked_rbm("bernoulli")
    values, rewind = np.array([1.0, 0, 0, 0]), rewinding(machine)

    def rbm() -> RBM:
        rewind()
        return machine

    rows = np.tile(values, (5, 1))
    expected = rbm().sample(5, num_steps=3, clamp=mask, values=values)
    np.testing.assert_array_equal(rbm().sample(num_steps=3, clamp=mask, values=rows), expected)
    np.testing.assert_array_equal(rbm().sample(5, num_steps=3, clamp=np.tile(mask, (5, 1)), values=values), expected)
    np.testing.assert_array_equal(rbm().sample(5, num_steps=3, clamp=mask, values=rows.astype(int)), expected)


def test_real_units_by_their_moments():
    """Chains start anywhere and forget it: the held unit shifts mean and variance of the others."""
    rbm = RBM(3, visible=units.Gaussian(PRECISIONS[:2]), seed=0)
    rbm.build((None, 2))
    randomize(rbm, 0.8, seed=6)
    table = Exact(rbm)
    held = np.array([False, True])
    nearest = table.v[np.abs(table.v[:, 1] - 1.0).argmin(), 1]
    v = rbm.sample(20000, num_steps=80, clamp=held, values=[np.nan, nearest]).numpy()
    np.testing.assert_array_equal(v[:, 1], np.float32(nearest))
    p = table.conditional(held, [0.0, nearest])
    mean = p @ table.v[:, :1]
    assert_moments(v[:, :1], mean, p @ (table.v[:, :1] - mean) ** 2)
    assert np.abs(mean - table.p_v @ table.v[:, :1]) > 0.1, "holding a unit must matter here"


# --- temperature


@pytest.mark.parametrize(
    ("anneal", "num_steps", "betas"),
    [
        ([0, 1], 5, [0, 0.25, 0.5, 0.75, 1]),
        ([0.2, 0.8, 1], 5, [0.2, 0.5, 0.8, 0.9, 1]),
        ([0, 1], 2, [0, 1]),
        ([0, 1], 1, [1]),
        (None, 3, [1, 1, 1]),
    ],
    ids=str,
)
@pytest.mark.parametrize("make", [lambda: RBM(3, seed=0), lambda: DBN([3, 2], seed=0)], ids=["rbm", "dbn"])
def test_sweeps_go_along_the_schedule(make, anneal, num_steps, betas, monkeypatch):
    """Every field that the sampled RBM feels, as the compiled loop would see it, but run eagerly."""
    machine = make()
    machine.build((None, 4))
    rbm, seen = machine.undirected(), {"visible": [], "hidden": []}
    for name, found in seen.items():
        field = getattr(rbm, name).field

        def recorded(inputs, beta=1.0, base_bias=0.0, bias=None, field=field, found=found):
            found.append(float(beta))
            return field(inputs, beta, base_bias, bias)

        monkeypatch.setattr(getattr(rbm, name), "field", recorded)
    tf.config.run_functions_eagerly(True)
    try:
        machine.sample(2, num_steps, anneal=anneal)
    finally:
        tf.config.run_functions_eagerly(False)
    np.testing.assert_allclose(seen["hidden"], betas, rtol=1e-6)
    np.testing.assert_allclose(seen["visible"], [1, *betas], rtol=1e-6)  # the first is the start, from the bias


def test_annealed_sweeps_by_enumeration():
    """Inverse temperatures 0, 1/2 and 1, with and without a unit held, from a start that does not matter."""
    rbm, mask = masked_rbm("bernoulli", scale=1.5)
    table, values = Exact(rbm), np.array([1.0, 0, 0, 0])
    for held in (np.zeros(4, bool), mask):
        p = None
        for beta in (0.0, 0.5, 1.0):
            hot = Exact(rbm, beta)
            down = hot.p_v_from_h(None, held, values)
            p = down.mean(0) if p is None else p @ hot.p_h_from_v() @ down
        v = rbm.sample(20000, num_steps=3, anneal=[0, 1], clamp=held, values=values)
        assert_frequencies(table.index(v), p)


def test_a_slow_schedule_ends_in_the_distribution():
    rbm, _ = masked_rbm("spin", scale=1.0)
    table = Exact(rbm)
    assert_frequencies(table.index(rbm.sample(20000, num_steps=300, anneal=[0.0, 1.0])), table.p_v)


# --- the labels of a DBN


def label_dbn(sizes) -> DBN:
    dbn = DBN(sizes, num_classes=3, seed=0)
    dbn.build((None, 3))
    randomize(dbn)
    return dbn


@pytest.mark.parametrize("mean", [False, True], ids=["states", "means"])
def test_labels_are_held_in_the_top_of_a_dbn(mean):
    """Of each row its own class; the layers below follow: `sum over x of p(x | y) p(v | x)`."""
    dbn = label_dbn([3, 2])
    dbn.top.w_rec.assign([[2, -2], [-2, 2], [1, 1], [3, -3], [0, 0], [-3, 3]])
    dbn.rbms[0]._w_gen.assign(3 * np.eye(3))
    table, lower = Exact(dbn.top), dbn.rbms[0]
    y = np.repeat([2, 0], NUMBER)
    v = dbn.sample(y=y, num_steps=60, mean=mean).numpy()
    means = sigmoid(table.v[:, :3] @ np.array(lower.w_gen) + np.array(lower.visible.bias))
    pictures = binary_states(3)
    p_v_from_x = np.prod(np.where(pictures, means[:, None], 1 - means[:, None]), -1)
    found = [table.conditional([0] * 3 + [1] * 3, np.r_[np.zeros(3), np.eye(3)[k]]) for k in (2, 0)]
    assert np.abs((found[0] - found[1]) @ p_v_from_x).sum() > 0.1, "classes must matter here"
    for k, p in zip((2, 0), found, strict=True):
        if mean:
            assert_means(v[y == k], p @ means)
        else:
            assert_frequencies(index(pictures, v[y == k]), p @ p_v_from_x)


def test_ways_to_hold_a_label():
    """A class, classes, a mask with values, and what is not NaN: the same chains."""
    mask, values = np.array([0] * 3 + [1] * 3, bool), np.array([np.nan] * 3 + [0, 0, 1])
    ways = [
        {"num_samples": 4, "y": 2},
        {"y": [2, 2, 2, 2]},
        {"y": np.full((4, 1), 2.0)},
        {"num_samples": 4, "clamp": mask, "values": values},
        {"clamp": "observed", "values": np.tile(values, (4, 1))},
    ]
    dbn, found = label_dbn([3, 2]), []
    rewind = rewinding(dbn)
    for way in ways:
        rewind()
        found.append(dbn.sample(num_steps=3, **way).numpy())
    for other in found[1:]:
        np.testing.assert_array_equal(other, found[0])


def test_a_classification_rbm_holds_pixels_and_labels():
    machine = ClassificationRBM(3, 3, seed=0)
    machine.build((None, 3))
    randomize(machine)
    table = Exact(machine.undirected())
    mask, values = np.array([1, 0, 0, 1, 1, 1], bool), np.array([1.0, 0, 0, 0, 1, 0])
    v = machine.sample(NUMBER, num_steps=60, clamp=mask, values=values)
    states = np.concatenate([v, np.tile(values[3:], (NUMBER, 1))], 1)
    assert_frequencies(table.index(states), table.conditional(mask, values))


def test_labels_above_visible_units_with_a_bias_of_their_own():
    dbn = DBN([3, 2], visible=units.Bernoulli(bias_initializer="ones"), num_classes=2, seed=0)
    dbn.build((None, 4))
    assert dbn.sample(y=[0, 1], num_steps=1).shape == (2, 4)


# --- what is refused

GROUPS = units.Mixed([("bernoulli", 1), (units.Softmax(3), 3)])
SOME, VALUES = np.array([True, False, False, False]), np.array([1.0, 0, 0, 1])
BAD = {
    "all": (
        {"clamp": np.ones(4, bool), "values": VALUES},
        "must leave units to sample. Received: a mask that holds all",
    ),
    "nothing is NaN": ({"clamp": "observed", "values": VALUES}, "must leave units to sample"),
    "half a group": ({"clamp": ~SOME & (np.arange(4) > 1), "values": VALUES}, "all units of a softmax group or none"),
    "half in row 1": (
        {"clamp": np.stack([SOME, np.arange(4) == 2]), "values": VALUES},
        "softmax group or none. Received: a part of one, in row 1",
    ),
    "half observed": ({"clamp": "observed", "values": [1, np.nan, 0, 1]}, "softmax group or none"),
    "integers": ({"clamp": [1, 0, 0, 0], "values": VALUES}, "booleans or 'observed'. Received: dtype=int64"),
    "a word": ({"clamp": "known", "values": VALUES}, "booleans or 'observed'. Received: dtype=<U5"),
    "no values": ({"clamp": SOME}, "give both or neither"),
    "no mask": ({"values": VALUES}, "give both or neither"),
    "narrow": ({"clamp": SOME[:3], "values": VALUES}, r"`clamp` must have shape \(4,\).*shape=\(3,\)"),
    "narrow values": ({"clamp": SOME, "values": VALUES[:3]}, r"`values` must have shape \(4,\).*shape=\(3,\)"),
    "a scalar": ({"clamp": np.True_, "values": VALUES}, r"`clamp` must have shape \(4,\).*shape=\(\)"),
    "a cube": ({"clamp": SOME[None, None], "values": VALUES}, r"shape=\(1, 1, 4\)"),
    "rows": (
        {"num_samples": 3, "clamp": np.stack([SOME, SOME]), "values": VALUES},
        r"shapes \(2, 4\).* for 3 samples",
    ),
    "other rows": (
        {"clamp": np.stack([SOME, SOME]), "values": np.stack([VALUES] * 3)},
        r"shapes \(2, 4\) and \(3, 4\)",
    ),
    "rows of v": (
        {"v": np.stack([VALUES] * 3), "clamp": np.stack([SOME, SOME]), "values": VALUES},
        r"shapes \(2, 4\).* for 3 samples",
    ),
    "held at NaN": ({"clamp": SOME, "values": VALUES * np.nan}, "Columns 0 to 0: Bernoulli units.*NaN"),
    "held at 7": ({"clamp": SOME, "values": 7 * VALUES}, r"Bernoulli units need values in \[0, 1\].*7"),
    "no class": ({"clamp": ~SOME, "values": VALUES * [1, 0, 0, 0]}, "Columns 1 to 3: Softmax.*sums to 0"),
    "cooling down": ({"anneal": [1.0, 0.0]}, "end at 1. Received: 1 ... 0"),
    "never warm": ({"anneal": [0.0, 0.5]}, "end at 1. Received: 0 ... 0.5"),
    "up and down": ({"anneal": [0.0, 0.8, 0.2, 1.0]}, "must increase. Received: 0.8 then 0.2, at position 2"),
    "negative": ({"anneal": [-0.5, 1.0]}, "must start from 0 up"),
    "one": ({"anneal": [1.0]}, r"at least 2 inverse temperatures. Received: shape=\(1,\)"),
}


@pytest.fixture(scope="module")
def groups() -> RBM:
    rbm = RBM(2, visible=GROUPS, seed=0)
    rbm.build((None, 4))
    return rbm


@pytest.mark.parametrize(("arguments", "message"), BAD.values(), ids=BAD)
def test_masks_and_schedules_that_are_refused(groups, arguments, message):
    key = np.array(groups.stream.key)
    with pytest.raises(ValueError, match=message):
        groups.sample(num_steps=1, **arguments)
    np.testing.assert_array_equal(groups.stream.key, key)


def test_an_unbuilt_machine_holds_nothing():
    with pytest.raises(ValueError, match="must be built before it is sampled"):
        RBM(2).sample(clamp=SOME, values=VALUES)


@pytest.mark.parametrize(
    ("num_classes", "arguments", "message"),
    [
        (3, {"clamp": np.eye(6, dtype=bool)[0], "values": np.zeros(6)}, "Received: a mask that holds visible units"),
        (3, {"clamp": "observed", "values": [0, np.nan, np.nan, 0, 1, 0]}, "only its labels"),
        (3, {"clamp": np.arange(6) == 4, "values": np.zeros(6)}, "softmax group or none"),
        (3, {"clamp": np.arange(6) > 2, "values": np.ones(6)}, "Columns 3 to 5: Softmax.*sums to 3"),
        (3, {"clamp": np.arange(3) > 1, "values": np.ones(3)}, r"`clamp` must have shape \(6,\)"),
        (3, {"y": 3}, "integers from 0 to 2. Received: 3"),
        (3, {"y": -1}, "integers from 0 to 2. Received: -1"),
        (3, {"y": [0, 0.5]}, "integers from 0 to 2. Received: 0.5"),
        (3, {"y": np.nan}, "integers from 0 to 2. Received: nan"),
        (3, {"y": np.eye(3)}, r"shape \(cases,\). Received: shape=\(3, 3\)"),
        (3, {"y": "two"}, "dtype=<U3"),
        (3, {"num_samples": 5, "y": [0, 1]}, "Received: 2 classes, num_samples=5"),
        (3, {"y": 0, "clamp": np.arange(6) > 2, "values": np.ones(6)}, "give one of them. Received: both"),
        (None, {"y": 0}, "knows no classes. Received: num_classes=None"),
        (None, {"clamp": np.eye(3, dtype=bool)[0], "values": np.zeros(3)}, "cannot be held.*Clamp them in an RBM"),
    ],
    ids=str,
)
def test_what_a_dbn_cannot_hold(num_classes, arguments, message):
    dbn = DBN([3, 2], num_classes=num_classes, seed=0)
    dbn.build((None, 3))
    with pytest.raises(ValueError, match=message):
        dbn.sample(num_steps=1, **arguments)
