"""What a deep Boltzmann machine cannot be made of, fed with or asked for, and what it says then."""

import re
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, likelihood, samplers, units
from tests.oracles.kinds import binary_states

X = binary_states(5).astype("float32")
Y = (X.sum(1) > 2).astype(int)


def dbm_of(*sizes: int, compiled: bool = True, **kwargs) -> DBM:
    dbm = DBM(list(sizes or (4, 3)), **{"seed": 0, **kwargs})
    dbm.build((None, 5))
    if compiled:
        dbm.compile(keras.optimizers.SGD(0.1), run_eagerly=True)
    return dbm


def state(dbm: DBM) -> list[np.ndarray]:
    return [np.array(x) for x in dbm.weights]


def assert_unchanged(dbm: DBM, before: list[np.ndarray]) -> None:
    for variable, value in zip(dbm.weights, before, strict=True):
        np.testing.assert_array_equal(variable, value, err_msg=variable.path)


# --- how it is made


@pytest.mark.parametrize(
    "value", [[500], 500, [], (), "500", None, 3.0, {"a": 1, "b": 2}, b"ab", np.int64(5)], ids=repr
)
def test_fewer_than_two_hidden_layers(value):
    message = "at least two hidden layers.*such as [500, 1000]. Received: units="
    with pytest.raises(ValueError, match=re.escape(message).replace(r"\.\*", ".*") + ".*One hidden layer is an RBM"):
        DBM(value)


@pytest.mark.parametrize("value", [0, -1, 2.0, True, "3", None, [3]], ids=repr)
def test_sizes_are_positive_integers(value):
    with pytest.raises(ValueError, match=re.escape(f"`units` must be a positive integer. Received: units={value!r}")):
        DBM([4, value])


@pytest.mark.parametrize("units", [(4, 3), np.array([4, 3]), [np.int64(4), 3]], ids=repr)
def test_sizes_may_come_in_any_sequence(units):
    assert DBM(units).get_config()["units"] == [4, 3]


BAD_ARGUMENTS = {
    "one class": ({"num_classes": 1}, r"`num_classes` must be at least 2\. Received: num_classes=1"),
    "no class": ({"num_classes": 0}, r"`num_classes` must be a positive integer\. Received: num_classes=0"),
    "half classes": ({"num_classes": 2.5}, r"`num_classes` must be a positive integer"),
    "true classes": ({"num_classes": True}, r"`num_classes` must be a positive integer"),
    "no steps": ({"mean_field_steps": 0}, r"`mean_field_steps` must be a positive integer\. Received: .*=0"),
    "negative steps": ({"mean_field_steps": -3}, r"`mean_field_steps` must be a positive integer"),
    "half steps": ({"mean_field_steps": 2.5}, r"`mean_field_steps` must be a positive integer"),
    "no tolerance": ({"tolerance": 0}, r"`tolerance` must be positive\. Received: tolerance=0"),
    "negative tolerance": ({"tolerance": -0.1}, r"`tolerance` must be positive"),
    "infinite tolerance": ({"tolerance": np.inf}, r"`tolerance` must be positive"),
    "NaN tolerance": ({"tolerance": np.nan}, r"`tolerance` must be positive"),
    "a word as tolerance": ({"tolerance": "0.1"}, r"`tolerance` must be positive"),
    "tolerance is None": ({"tolerance": None}, r"`tolerance` must be positive"),
    "no rate": ({"offset_rate": 0}, r"`offset_rate` must be in \(0, 1\]\. Received: offset_rate=0"),
    "rate above 1": ({"offset_rate": 1.5}, r"`offset_rate` must be in \(0, 1\]"),
    "NaN rate": ({"offset_rate": np.nan}, r"`offset_rate` must be in \(0, 1\]"),
    "seed": ({"seed": -1}, r"`seed` must be an integer"),
    "sampler": ({"sampler": "gibbs"}, r"must be one of .*'pcd'.*Received: 'gibbs'"),
    "visible": ({"visible": "binary"}, r"must be one of .*'bernoulli'.*Received: 'binary'"),
    "hidden": ({"hidden": ["bernoulli", "binary"]}, r"Received: 'binary'"),
    "one kind": ({"hidden": ["bernoulli"]}, r"`hidden` must be one value or 2, one a layer\. Received: 1 values"),
    "three kinds": ({"hidden": ["spin"] * 3}, r"`hidden` must be one value or 2, one a layer\. Received: 3 values"),
}


@pytest.mark.parametrize("case", BAD_ARGUMENTS)
def test_bad_arguments(case):
    options, message = BAD_ARGUMENTS[case]
    with pytest.raises(ValueError, match=message):
        DBM([4, 3], **options)


@pytest.mark.parametrize(
    ("visible", "hidden", "names"),
    [
        ("gaussian", ["relu", "bernoulli"], "Gaussian visible and ReLU hidden"),
        ("gaussian", ["gaussian", "bernoulli"], "Gaussian visible and Gaussian hidden"),
        ("relu", "gaussian", "ReLU visible and Gaussian hidden"),
        ("bernoulli", ["gaussian", "relu"], "Gaussian .* ReLU hidden"),
        ("bernoulli", "relu", "ReLU .* ReLU hidden"),
        (units.Mixed([("bernoulli", 4), ("gaussian", 1)]), ["relu", "spin"], "Mixed visible and ReLU hidden"),
    ],
    ids=str,
)
def test_unbounded_neighbours_need_a_constraint(visible, hidden, names):
    """Whether they are data and a hidden layer, or two hidden layers."""
    with pytest.raises(ValueError, match=names + r" .*have no partition function.*kernel_constraint"):
        DBM([4, 3], visible=visible, hidden=hidden)
    DBM([4, 3], visible=visible, hidden=hidden, kernel_constraint=keras.constraints.MaxNorm(0.1))


def test_unbounded_layers_that_are_no_neighbours_need_none():
    DBM([4, 3], visible="gaussian", hidden=["bernoulli", "relu"])
    DBM([4, 3, 2], hidden=["gaussian", "spin", "relu"])
    DBM([4, 3], hidden=["spin", "relu"], num_classes=3)


def test_a_constraint_that_does_not_hold_is_found_out():
    dbm = DBM([2, 2], visible="gaussian", hidden="gaussian", kernel_constraint="max_norm", seed=0)
    dbm.build((None, 2))
    dbm.kernels[0].assign([[3.0, 0], [0, 3]])
    with pytest.raises(ValueError, match="partition function diverges"):
        likelihood.ais(dbm, num_chains=2, num_temperatures=2, verbose=0)


def test_layers_that_do_not_divide_into_groups():
    with pytest.raises(ValueError, match=r"groups of num_states=3\. Received: 4 units"):
        DBM([4, 3], hidden=units.Softmax(3)).build((None, 5))


def test_one_kind_given_to_all_layers_is_no_shared_object():
    dbm = dbm_of(4, 3, hidden=units.Bernoulli())
    assert dbm.hidden[0] is not dbm.hidden[1]
    dbm.hidden[0].bias.assign(np.ones(4))
    np.testing.assert_array_equal(dbm.hidden[1].bias, np.zeros(3))


def test_a_sampler_belongs_to_one_machine():
    sampler = samplers.PCD()
    dbm_of(sampler=sampler)
    with pytest.raises(ValueError, match="Give this model a sampler of its own"):
        dbm_of(4, 5, sampler=sampler)


# --- data


def with_value(value: float) -> np.ndarray:
    x = X.copy()
    x[20, 2] = value
    return x


BAD_DATA = {
    "pixels": (X * 255, r"Bernoulli units need values in \[0, 1\].*max=255.*Divide pixels by 255"),
    "integer pixels": ((X * 255).astype("uint8"), r"\[0, 1\].*max=255"),
    "one negative": (with_value(-0.25), r"\[0, 1\].*min=-0.25"),
    "one NaN": (with_value(np.nan), r"\[0, 1\].*min=0, max=1, and NaN"),
    "infinity": (with_value(np.inf), r"\[0, 1\].*max=inf"),
    "images": (X.reshape(-1, 5, 1), r"\(batch, 5\).*shape=\(32, 5, 1\).*keras.layers.Flatten"),
    "wider": (np.zeros((6, 7)), r"\(batch, 5\).*\(6, 7\)"),
    "empty": (X[:0], r"at least one row"),
}


@pytest.mark.parametrize("case", BAD_DATA)
def test_bad_arrays(case):
    x, message = BAD_DATA[case]
    dbm = dbm_of()
    before = state(dbm)
    for use in (
        lambda: dbm.fit(x, verbose=0),
        lambda: dbm.fit(X, validation_data=x, verbose=0),
        lambda: dbm.evaluate(x, verbose=0),
        lambda: dbm.train_on_batch(x),
        lambda: dbm.adapt(x),
        lambda: dbm.sample(v=x, num_steps=1),
        lambda: dbm.denoise(x),
        lambda: likelihood.log_likelihood(dbm, x, verbose=0),
        lambda: dbm.pretrain(X, epochs=1, validation_data=x, verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            use()
        for variable, value in zip(dbm.weights, before, strict=True):
            if variable.trainable:
                np.testing.assert_array_equal(variable, value)
    assert dbm.optimizer.iterations == 0


def test_a_bad_batch_on_the_way_leaves_the_weights_before_it():
    """Chains and offsets too."""
    failed, good = dbm_of(), dbm_of()
    dataset = tf.data.Dataset.from_tensor_slices
    with pytest.raises(ValueError, match="max=7"):
        failed.fit(dataset(with_value(7.0)).batch(8), verbose=0)
    good.fit(dataset(X[:16]).batch(8), verbose=0)
    for a, b in zip(failed.weights, good.weights, strict=True):
        if a is not failed.stream.key:
            np.testing.assert_array_equal(a, b, err_msg=a.path)
    assert failed.optimizer.iterations == 2


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.ones(31), r"shape \(32,\).*\(31,\)"), (-np.ones(32), "min=-1"), (np.zeros(32), "not zero everywhere")],
)
def test_sample_weights(weights, message):
    dbm = dbm_of()
    before = state(dbm)
    with pytest.raises(ValueError, match=f"`sample_weight`.*{message}"):
        dbm.fit(X, sample_weight=weights, verbose=0)
    assert_unchanged(dbm, before)


@pytest.mark.parametrize("method", ["encode", "mean_field", "augment", "variational_free_energy", "reconstruct"])
def test_data_of_another_width(method):
    for x, message in ((X[:, :4], r"\(batch, 5\).*\(32, 4\)"), (X[0], r"\(batch, 5\).*\(5,\)")):
        with pytest.raises(ValueError, match=message):
            getattr(dbm_of(), method)(x)


def test_missing_values_are_refused_without_advice_that_fails():
    """A DBM has no `missing_steps`, nor have the RBMs that pretrain its layers."""
    dbm, late = dbm_of(), tf.data.Dataset.from_tensor_slices(with_value(np.nan)).batch(8)
    for use in (
        lambda: dbm.fit(with_value(np.nan), verbose=0),
        lambda: dbm.fit(late, verbose=0),
        lambda: dbm.pretrain(late, epochs=1, run_eagerly=True, verbose=0),
        lambda: DBN([4, 3]).pretrain(with_value(np.nan), epochs=1, verbose=0),
    ):
        with pytest.raises(ValueError, match=r"and NaN\. Fill in or remove missing values\.$"):
            use()
    with pytest.raises((TypeError, ValueError), match="missing_steps"):
        DBM([4, 3], missing_steps=3)


def test_grey_levels_have_no_likelihood():
    with pytest.raises(ValueError, match=r"those of states\. Received: a grey level .* in row 0"):
        likelihood.log_likelihood(dbm_of(), np.array([[0, 1, 0.25, 0, 0]]))


def test_divergence_stops_with_valid_weights():
    x = np.random.default_rng(0).normal(size=(40, 5)) * 1e6
    dbm = DBM([4, 3], visible="gaussian", seed=0)
    dbm.compile(keras.optimizers.SGD(1e10), run_eagerly=True)
    with pytest.raises(FloatingPointError, match=r"diverged.*learning rate"):
        dbm.fit(x, batch_size=4, epochs=50, verbose=0)
    assert all(np.isfinite(w).all() for w in state(dbm))


# --- mean field that does not get there


def slow(**kwargs) -> DBM:
    """Weights so strong that three steps are too few."""
    dbm = dbm_of(**{"mean_field_steps": 3, "tolerance": 0.001, **kwargs})
    rng = np.random.default_rng(2)
    for kernel in dbm.kernels:
        kernel.assign(rng.normal(0, 2, kernel.shape))
    return dbm


NOT_CONVERGED = r"Mean field did not converge in mean_field_steps=3: a mean still changed by {} .*tolerance=0\.001"


def test_mean_field_says_how_far_it_is_from_its_fixed_point():
    dbm = slow()
    residual = float(tf.reduce_max(dbm._posterior(X).residual))
    assert residual > 0.001
    assert dbm._posterior(X).num_steps == 3
    with pytest.warns(UserWarning, match=NOT_CONVERGED.format(re.escape(f"{residual:.3g}"))) as caught:
        dbm.mean_field(X)
    assert len(caught) == 1
    assert caught[0].filename == __file__


def test_fit_says_so_at_its_end():
    dbm = slow()
    with pytest.warns(UserWarning, match=NOT_CONVERGED.format(r"[\d.e-]+")) as caught:
        history = dbm.fit(X, epochs=2, batch_size=8, verbose=0).history
    (found,) = (str(w.message) for w in caught)
    assert f"{history['mean_field_residual'][-1]:.3g}" in found
    assert caught[0].filename == __file__


@pytest.mark.filterwarnings("error")
def test_nothing_is_said_where_it_gets_there():
    dbm = slow(mean_field_steps=500)
    assert dbm._posterior(X).num_steps < 500
    dbm.mean_field(X)
    dbm.fit(X, verbose=0)
    dbm.fit(X, epochs=0, verbose=0)


def test_other_questions_do_not_warn():
    """They are asked a batch at a time, or compiled."""
    dbm = slow()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dbm.encode(X)
        dbm.variational_free_energy(X)
        dbm.augment(X)
        dbm.evaluate(X, verbose=0)
        dbm.train_on_batch(X)


def test_it_stops_as_soon_as_it_has_arrived():
    dbm = slow(mean_field_steps=500, tolerance=0.01)
    found = dbm._posterior(X)
    assert float(tf.reduce_max(found.residual)) <= 0.01
    dbm.mean_field_steps = int(found.num_steps) - 1
    assert float(tf.reduce_max(dbm._posterior(X).residual)) > 0.01


# --- not built

UNBUILT = {
    "sample": (lambda dbm: dbm.sample(3), "must be built before it is sampled"),
    "classes": (lambda dbm: dbm.sample(y=1), "must be built before it is sampled"),
    "clamp": (lambda dbm: dbm.sample(clamp=[True], values=[1.0]), "must be built before it is sampled"),
    "trajectories": (lambda dbm: dbm.trajectories(2, 2, 2), "must be built before it is sampled"),
    "denoise": (lambda dbm: dbm.denoise(X), "must be built before it denoises"),
    "classify": (lambda dbm: dbm.classify(X), "must be built before it classifies"),
    "classifier": (lambda dbm: dbm.classifier(3), "A DBM must be built before a classifier starts from it"),
    "classifier of data": (lambda dbm: dbm.classifier(3, False), "A DBM must be built before a classifier starts"),
    "ais": (lambda dbm: likelihood.ais(dbm), "must be built before it is scored"),
    "reverse_ais": (lambda dbm: likelihood.reverse_ais(dbm), "must be built before it is scored"),
    "log_z": (lambda dbm: likelihood.exact_log_partition(dbm), "must be built before it is scored"),
    "log_likelihood": (lambda dbm: likelihood.log_likelihood(dbm, X), "must be built before it is scored"),
    "mixing": (lambda dbm: samplers.mixing(dbm), "must be built"),
}


@pytest.mark.parametrize("case", UNBUILT)
def test_what_needs_a_built_machine(case):
    ask, message = UNBUILT[case]
    dbm = DBM([4, 3], num_classes=2)
    with pytest.raises(ValueError, match=message):
        ask(dbm)
    assert not dbm.built


def test_an_unbuilt_machine_is_not_exported(tmp_path):
    with pytest.raises(ValueError, match="must be built before it is exported"):
        DBM([4, 3]).export(tmp_path / "model")


@pytest.mark.parametrize("method", ["augment", "mean_field", "encode", "variational_free_energy", "start_chains"])
def test_data_build_it(method):
    dbm = DBM([4, 3], seed=0)
    getattr(dbm, method)(X)
    assert dbm.built


@pytest.mark.parametrize("question", [likelihood.ais, likelihood.exact_log_partition, samplers.mixing])
@pytest.mark.parametrize("name", ["kernel_1", "bias"])
def test_parameters_that_are_not_finite(question, name):
    dbm = dbm_of()
    weight = dbm.kernels[1] if name == "kernel_1" else dbm.hidden[1].bias
    weight.assign(np.full(weight.shape, np.nan))
    with pytest.raises(ValueError, match=rf"must be finite\. Received: .*{name}"):
        question(dbm)


def test_what_is_no_question_for_it():
    with pytest.raises(TypeError, match=r"Pseudo-likelihood is that of an RBM\. Received: DBM"):
        likelihood.pseudo_log_likelihood(dbm_of(), X)
    with pytest.raises(TypeError, match=r"Block Gibbs sampling is that of an RBM\. Received: DBM"):
        samplers.BlockGibbs(dbm_of())


# --- classes

BAD_LABELS = {
    "none": (None, r"num_classes=2 learns from labels too\. Received: y=None"),
    "no class": (np.full(32, 2), r"integers from 0 to 1\. Received: 2"),
    "negative": (np.full(32, -1), r"integers from 0 to 1\. Received: -1"),
    "half": (np.full(32, 0.5), r"integers from 0 to 1\. Received: 0\.5"),
    "few": (np.zeros(31), r"integers of shape \(32,\)"),
    "one-hot": (np.eye(2)[Y], r"integers of shape \(32,\).*argmax"),
    "names": (np.array(["a", "b"] * 16), r"integers of shape \(32,\).*np\.unique"),
}


@pytest.mark.parametrize("case", BAD_LABELS)
def test_bad_labels(case):
    y, message = BAD_LABELS[case]
    dbm = dbm_of(num_classes=2)
    before = state(dbm)
    for use in (
        lambda: dbm.fit(X, y, verbose=0),
        lambda: dbm.evaluate(X, y, verbose=0),
        lambda: dbm.fit(X, Y, validation_data=(X, y), verbose=0),
        lambda: dbm.pretrain(X, y=y, epochs=1, verbose=0),
    ):
        with pytest.raises(ValueError, match=message):
            use()
    for variable, value in zip(dbm.weights, before, strict=True):
        if variable.trainable:
            np.testing.assert_array_equal(variable, value)


def test_a_class_that_is_none_in_a_later_batch():
    y = Y.copy()
    y[20] = 7
    dbm = dbm_of(num_classes=2)
    with pytest.raises(ValueError, match=r"Labels must be integers from 0 to 1\. Received: a batch with others"):
        dbm.fit(tf.data.Dataset.from_tensor_slices((X, y)).batch(8), verbose=0)
    assert dbm.optimizer.iterations == 2


@pytest.mark.parametrize(
    "ask",
    [
        lambda dbm: dbm.sample(y=1),
        lambda dbm: dbm.sample(2, y=[0, 1]),
        lambda dbm: dbm.classify(X),
        lambda dbm: dbm.class_log_probs(X),
    ],
    ids=["one", "list", "classify", "class_log_probs"],
)
def test_without_label_units_it_knows_no_classes(ask):
    with pytest.raises(ValueError, match=r"knows no classes\. Received: num_classes=None"):
        ask(dbm_of())


BAD_CLASSES = {
    "beyond": ({"y": 2}, r"integers from 0 to 1\. Received: 2"),
    "negative": ({"y": -1}, r"integers from 0 to 1\. Received: -1"),
    "none": ({"y": []}, r"`y` must be one class, or one for each|Labels must be integers"),
    "too many": ({"y": [0, 1, 0], "num_samples": 2}, r"Received: 3 classes, num_samples=2"),
    "both": ({"y": 1, "clamp": np.ones(7, bool), "values": np.ones(7)}, r"give one of them\. Received: both"),
    "one-hot": ({"y": [[0, 1], [1, 0]]}, r"Labels must be integers"),
}


@pytest.mark.parametrize("case", BAD_CLASSES)
def test_bad_classes_to_dream_of(case):
    options, message = BAD_CLASSES[case]
    with pytest.raises(ValueError, match=message):
        dbm_of(num_classes=2).sample(**{"num_steps": 2, **options})


# --- what is held

BAD_CLAMPS = {
    "no values": ({"clamp": [True] * 5}, "give both or neither"),
    "no mask": ({"values": np.ones(5)}, "give both or neither"),
    "short mask": ({"clamp": [True] * 4, "values": np.ones(5)}, r"`clamp` must have shape \(5,\)"),
    "short values": ({"clamp": [True] + [False] * 4, "values": np.ones(4)}, r"`values` must have shape \(5,\)"),
    "hidden units": ({"clamp": [True] + [False] * 7, "values": np.ones(8)}, r"`clamp` must have shape \(5,\)"),
    "everything": ({"clamp": [True] * 5, "values": np.ones(5)}, "must leave units to sample"),
    "numbers": ({"clamp": [1, 0, 0, 0, 0], "values": np.ones(5)}, "must be booleans"),
    "outside": ({"clamp": [True] + [False] * 4, "values": np.full(5, 3.0)}, r"\[0, 1\].*max=3"),
    "rows": (
        {"clamp": np.eye(3, 5, dtype=bool), "values": np.ones((2, 5)), "num_samples": 3},
        "must have a row for each sample",
    ),
}


@pytest.mark.parametrize("case", BAD_CLAMPS)
def test_bad_clamps(case):
    options, message = BAD_CLAMPS[case]
    with pytest.raises(ValueError, match=message):
        dbm_of().sample(**{"num_steps": 2, **options})


@pytest.mark.parametrize("sizes", [(4, 3), (4, 3, 2)], ids=str)
@pytest.mark.parametrize(
    ("mask", "message"),
    [
        ([False] * 5 + [True, False], "all units of a softmax group or none"),
        ([True] * 7, "must leave units to sample"),
        ([True] * 5, r"`clamp` must have shape \(7,\)"),
    ],
    ids=["a part", "everything", "data alone"],
)
def test_bad_clamps_with_labels(mask, message, sizes):
    with pytest.raises(ValueError, match=message):
        dbm_of(*sizes, num_classes=2).sample(clamp=mask, values=[1, 1, 1, 1, 1, 0, 1], num_steps=2)


# --- what leaves it


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, r"Received: num_classes=1"),
        ({"num_classes": 2.0}, r"Received: num_classes=2\.0"),
        ({"dropout": 1.0}, r"`dropout` must be in \[0, 1\)\. Received: dropout=1\.0"),
        ({"dropout": "a"}, r"`dropout` must be in \[0, 1\)"),
        ({"input_dropout": -0.1}, r"`input_dropout` must be in \[0, 1\)"),
    ],
    ids=str,
)
@pytest.mark.parametrize("mean_field", [True, False])
def test_bad_classifiers(options, message, mean_field):
    with pytest.raises(ValueError, match=message):
        dbm_of().classifier(**{"num_classes": 3, "mean_field": mean_field, **options})


@pytest.mark.parametrize(
    "options", [{"num_samples": 0}, {"num_steps": 0}, {"num_steps": 2.5}, {"anneal": [1, 0]}], ids=str
)
def test_bad_samples(options):
    with pytest.raises(ValueError, match=r"must be a positive integer|`anneal` must"):
        dbm_of().sample(**{"num_steps": 2, **options})
