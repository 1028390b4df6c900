"""Two replicas do what one device does. Run by `test_replicas.py` in a process of its own, which has two CPUs."""

import contextlib
import importlib

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, RNNRBM, RTRBM, ClassificationRBM, ConvRBM, Hopfield, load
from keras_rbm.likelihood import ais, exact, exact_log_likelihood, exact_log_partition, reverse_ais
from keras_rbm.models import machine
from keras_rbm.regularizers import Sparsity
from keras_rbm.samplers import CD, PCD, FastPCD, ParallelTempering, mixing
from tests.oracles.machines import random_rbm, randomize, randomize_small
from tests.oracles.rbm import Exact, assert_distributed
from tests.support.shares import rows_done
from tests.support.statistics import SIGMAS, assert_frequencies
from tests.support.still import stand_still

annealing = importlib.import_module("keras_rbm.likelihood.annealing")

tf.config.set_logical_device_configuration(
    tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
)
STRATEGY = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])

RNG = np.random.default_rng(0)
# Values that float32 has too: Keras rounds what it iterates itself.
X, WEIGHTS, CHAINS, SEQUENCES = (RNG.integers(0, 65, n) / 64 for n in ((21, 9), 21, (30, 30), (11, 4, 9)))
Y, MASK = RNG.integers(0, 3, 21), np.arange(4) < RNG.integers(1, 5, 11)[:, None]
ROWS = (X > 0.5).astype("float32")
DOUBLE = {"dtype": "float64", "seed": 1}
SPARSE = {"activity_regularizer": Sparsity(0.1, 0.1), "kernel_regularizer": "l2"}
FIXED_POINT = {"tolerance": 1e-12, "mean_field_steps": 5}

MODELS = {
    "RBM, CD": lambda: RBM(5, sampler=CD(2), **DOUBLE, **SPARSE),
    "RBM, PCD": lambda: RBM(5, visible="gaussian", sampler=PCD(2, 7), **DOUBLE),
    "RBM, fast PCD": lambda: RBM(5, sampler=FastPCD(1, 7), **DOUBLE),
    "RBM, tempering": lambda: RBM(5, sampler=ParallelTempering(2, 5, 3), centered=False, **DOUBLE),
    "ClassificationRBM": lambda: ClassificationRBM(5, 3, generative_weight=0.5, sampler=PCD(1, 7), **DOUBLE, **SPARSE),
    "Hopfield": lambda: Hopfield(5, visible="bernoulli", sampler=CD(2), **DOUBLE),
    "DBN": lambda: DBN([5, 4], num_classes=3, objective="hybrid", sampler=PCD(1, 7), **DOUBLE),
    "DBM": lambda: DBM([5, 4], num_classes=3, sampler=FastPCD(1, 7), **FIXED_POINT, **DOUBLE, **SPARSE),
    "RNNRBM": lambda: RNNRBM(5, 4, sampler=CD(2), **DOUBLE),
    "RTRBM": lambda: RTRBM(5, sampler=CD(2), **DOUBLE),
    "ConvRBM": lambda: ConvRBM(2, 2, pool_size=2, padding="same", sampler=PCD(1, 7), **DOUBLE, **SPARSE),
    "conv DBN": lambda: DBN([ConvRBM(2, 2, pool_size=2, **DOUBLE), 4], num_classes=3, sampler=PCD(1, 7), **DOUBLE),
}
PRETRAINED = {
    "DBN": (
        lambda: DBN([5, 4], sampler=PCD(1, 7), **DOUBLE),
        (X,),
        {"epochs": 1, "batch_size": 8, "jit_compile": False},
    ),
    "DBM": (lambda: DBM([5, 4], **FIXED_POINT, **DOUBLE), (X,), {"epochs": 1, "batch_size": 8, "jit_compile": False}),
    "RNNRBM": (
        lambda: RNNRBM(5, 4, **DOUBLE),
        (SEQUENCES, MASK),
        {"epochs": 1, "recurrent_epochs": 1, "shuffle": False},
    ),
}


def made(make, scope=STRATEGY.scope, optimizer=lambda: keras.optimizers.SGD(0.1, momentum=0.5), **options):
    """A compiled model and its optimizer, made in a scope, Python's generators being at the same place."""
    keras.utils.set_random_seed(0)
    with scope():
        model, optimizer = make(), optimizer()
    model.compile(optimizer, **options)
    return model


def both(make, run, **options):
    """The models of one device and of two replicas after `run(model)`, and what it returned."""
    models = [made(make, scope, jit_compile=False, **options) for scope in (contextlib.nullcontext, STRATEGY.scope)]
    return [(model, run(model)) for model in models]


def variables(model):
    return [*model.weights, *model.optimizer.variables]


def assert_alike(a, b, **tolerance) -> None:
    """The states of two models; a mirrored one's copies are the same to the bit."""
    for x, y in zip(variables(a), variables(b), strict=True):
        np.testing.assert_allclose(np.asarray(x), np.asarray(y), err_msg=x.path, **tolerance)
    assert_mirrored(b)


def assert_mirrored(model) -> None:
    for x in variables(model):
        copies = STRATEGY.experimental_local_results(x.value)
        assert len(copies) == 2, x.path
        np.testing.assert_array_equal(*map(np.asarray, copies), err_msg=x.path)


#: The steps of the others are slow tests.
ALWAYS = ("RBM, PCD", "DBM")
ROUNDED = {"rtol": 1e-9, "atol": 1e-12}


def learned(model) -> dict:
    """Two epochs, the last batch of three replicated unevenly, with chains that start in different places."""
    arrays = (SEQUENCES, MASK) if isinstance(model, RNNRBM) else (X, Y)
    if isinstance(getattr(model, "rbms", [model])[0], ConvRBM):
        arrays = X.reshape(-1, 3, 3, 1), Y
    model.adapt(*arrays[: 1 + isinstance(model, RNNRBM)])
    if getattr(model, "sampler", None) is not None and model.sampler.chains is not None:
        model.sampler.reset(model.undirected(), tf.constant(CHAINS[:, : model.sampler.chains.shape[1]]))
    weights = {"sample_weight": WEIGHTS[: len(arrays[0])]}
    options = {"batch_size": 9, "epochs": 2, "shuffle": False, "verbose": 0}
    history = model.fit(*arrays, **weights, **options, validation_data=arrays).history
    names = model.evaluate(*arrays, **weights, batch_size=9, verbose=0, return_dict=True)
    return {**history, **{f"test_{name}": value for name, value in names.items()}}


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=[pytest.mark.slow] * (name not in ALWAYS)) for name in MODELS]
)
def test_steps_are_those_of_one_device(model, monkeypatch):
    assert_steps_alike(MODELS[model], monkeypatch, run_eagerly=True)


def assert_steps_alike(make, monkeypatch, **options):
    stand_still(monkeypatch)
    (one, expected), (two, logged) = both(make, learned, **options)
    assert_alike(one, two, **ROUNDED)
    assert expected.keys() == logged.keys()
    for name, values in expected.items():
        np.testing.assert_allclose(logged[name], values, 1e-5, 1e-6, err_msg=name)


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=[pytest.mark.slow] * (i != 1)) for i, name in enumerate(MODELS)]
)
def test_compiled_steps_are_those_of_one_device(model, monkeypatch):
    assert_steps_alike(MODELS[model], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("model", PRETRAINED)
def test_pretraining_is_that_of_one_device(model, monkeypatch):
    stand_still(monkeypatch)
    make, data, options = PRETRAINED[model]
    (one, _), (two, _) = both(make, lambda model: model.pretrain(*data, verbose=0, **options))
    assert_alike(one, two, **ROUNDED)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.AdamW(0.1, clipnorm=0.1),
        lambda: keras.optimizers.Nadam(0.1),
        lambda: keras.optimizers.SGD(0.1, gradient_accumulation_steps=2, use_ema=True, ema_overwrite_frequency=3),
    ],
    ids=["clipped", "nadam", "accumulated"],
)
@pytest.mark.few(1)
def test_optimizers_see_the_sum(optimizer, monkeypatch):
    stand_still(monkeypatch)
    (one, _), (two, _) = both(lambda: RBM(5, **DOUBLE), learned, optimizer=optimizer)
    assert_alike(one, two, **ROUNDED)


def test_batches_of_a_stream_that_leave_replicas_without_a_case(monkeypatch):
    """The last of three batches has one row; spins have no 0 that could stand for it."""
    stand_still(monkeypatch)
    data = tf.data.Dataset.from_tensor_slices((X[:17], Y[:17], WEIGHTS[:17])).batch(8)

    def run(model):
        return model.fit(data, epochs=2, verbose=0, validation_data=data).history

    (one, expected), (two, logged) = both(lambda: RBM(5, **DOUBLE), run)
    assert_alike(one, two, **ROUNDED)
    np.testing.assert_allclose(logged["val_loss"], expected["val_loss"], 1e-6, 1e-9)
    made(lambda: RBM(5, visible="spin"), steps_per_execution=1).fit(
        tf.data.Dataset.from_tensor_slices(2 * ROWS[:17] - 1).batch(8), verbose=0
    )


def test_replicas_draw_numbers_of_their_own():
    model = made(lambda: RBM(5, sampler=PCD(1, 6), seed=0))
    model.adapt(ROWS)
    draw = tf.function(lambda: model.stream.uniform_like(tf.zeros((4, 9))), autograph=False)
    first, second = (np.asarray(x) for x in STRATEGY.experimental_local_results(STRATEGY.run(draw)))
    assert not np.any(first == second)
    assert_mirrored(model)
    model.sampler.reset(model, tf.zeros((1, 9)))
    model.fit(ROWS, batch_size=9, verbose=0)
    chains = np.asarray(model.sampler.chains)
    assert len(np.unique(chains, axis=0)) == 6  # 2 ** 9 states
    assert_mirrored(model)


@pytest.mark.slow
def test_bars_and_stripes_are_learnt_as_well_as_on_one_device():
    """Exact log-likelihoods after the same training from three seeds each: their means differ by chance alone."""
    x = load("bars_and_stripes").x_train
    found = []
    for scope in (contextlib.nullcontext, STRATEGY.scope):
        scores = []
        for seed in range(3):
            with scope():
                model = RBM(16, sampler=PCD(5, 100), seed=seed)
                model.compile(keras.optimizers.SGD(0.2), jit_compile=False)
            model.adapt(x)
            model.fit(np.tile(x, (20, 1)), batch_size=30, epochs=50, verbose=0)
            scores.append(exact_log_likelihood(model, x).mean())
        found.append(scores)
    one, two = np.array(found)
    assert min(one.mean(), two.mean()) > -5  # -11.1 without learning, -3.4 at best
    assert abs(one.mean() - two.mean()) < SIGMAS * np.hypot(one.std(ddof=1), two.std(ddof=1)) / np.sqrt(3)


@pytest.fixture
def rbm():
    """Small enough to be enumerated."""
    with STRATEGY.scope():
        return random_rbm(num_visible=4, num_hidden=3)


def assert_keys_mirrored(model) -> None:
    first, second = STRATEGY.experimental_local_results(model.stream.key.value)
    np.testing.assert_array_equal(first, second)


def test_samples_are_shared_out(rbm, monkeypatch):
    """Pairs, one of each replica, are independent; a replica may have nothing to do."""
    done = rows_done(monkeypatch, machine, "run_chains")
    v, table = rbm.sample(8001, 40).numpy(), Exact(rbm)
    assert sorted(done) == [(0, 4000), (1, 4001)]
    assert_distributed(v, table)
    first, second = table.index(v[:4000]), table.index(v[4000:8000])
    assert_frequencies(16 * first + second, np.outer(table.p_v, table.p_v).ravel())
    assert rbm.trajectories(num_chains=3, num_rows=2, num_steps=2).shape == (2, 3, 4)
    assert rbm.sample(1, 2).shape == (1, 4)
    assert sorted(done[2:]) == [(0, 0), (0, 1), (0, 1), (1, 1), (1, 2), (1, 2)]
    assert_keys_mirrored(rbm)


def test_what_is_held_stays_in_its_row(rbm):
    """Two kinds of rows among each other that hold different units; and chains that start hot."""
    table, masks = Exact(rbm), np.array([[1, 0, 0, 1], [0, 1, 0, 0]], bool)
    values, rows = np.array([[1, 0, 0, 1], [0, 1, 0, 0]]), np.arange(8001) % 3 % 2
    v = rbm.sample(num_steps=40, anneal=[0.0, 1.0], clamp=masks[rows], values=values[rows]).numpy()
    for i in range(2):
        np.testing.assert_array_equal(v[rows == i][:, masks[i]], values[i, masks[i]][None].repeat(sum(rows == i), 0))
        assert_frequencies(table.index(v[rows == i]), table.conditional(masks[i], values[i]))


def test_units_of_a_dbm_are_held_on_both_sides(monkeypatch):
    """Its labels are on the hidden side: replicas are told what to hold in their rows there too."""
    with STRATEGY.scope():
        dbm = DBM([5, 4], num_classes=3, **DOUBLE)
    dbm.adapt(ROWS)
    values, mask = np.concatenate([ROWS, np.eye(3)[Y]], 1), np.arange(12) > RNG.integers(0, 9, (21, 1))
    assert dbm.sample(num_steps=3, clamp=mask, values=values).shape == (21, 9)
    monkeypatch.setattr(machine, "run_chains", lambda rbm, v, *args: (args[-1].hidden.values, v))
    held, _ = dbm.run_chains(dbm.initial_states(21), 1, clamp=dbm._checked_clamp(mask, values))
    np.testing.assert_array_equal(held[:, 5:], values[:, 9:])


@pytest.mark.few(1)
@pytest.mark.parametrize("kind", ["burnt in", "reverse", "forward"])
def test_annealing_is_shared_out(rbm, kind, monkeypatch):
    """In two parts, of which the second goes on from the first; pairs, one chain of each replica, are independent."""
    randomize_small(rbm)
    monkeypatch.setattr(annealing, "_CHUNK", 20)
    done, burnt = (rows_done(monkeypatch, annealing, name) for name in ("anneal_steps", "sweeps"))
    if kind == "burnt in":
        monkeypatch.setattr(exact, "MAX_LOG2_STATES", 1)
    options = {} if kind == "forward" else {"burn_in": 40}
    found = (ais if kind == "forward" else reverse_ais)(
        rbm, ROWS[:, :4], num_chains=2001, num_temperatures=40, verbose=0, **options
    )
    assert sorted(done) == [(0, 1000)] * 2 + [(1, 1001)] * 2
    assert sorted(burnt) == (sorted(done) if kind == "burnt in" else [])
    assert abs(found.log_z - Exact(rbm).log_z) < SIGMAS * found.standard_error
    assert found.standard_error < 0.1
    first, second = found.log_weights[:1000], found.log_weights[1000:2000]
    assert abs(np.corrcoef(first, second)[0, 1]) < SIGMAS / np.sqrt(1000)


def test_a_dbm_is_annealed_on_replicas(monkeypatch):
    done = rows_done(monkeypatch, annealing, "anneal_steps")
    with STRATEGY.scope():
        dbm = DBM([3, 2], seed=1)  # states are float32, weights float64
    dbm.build((None, 4))
    randomize(dbm, 0.5)
    for function in (ais, reverse_ais):
        found = function(dbm, ROWS[:, :4], num_chains=200, num_temperatures=50, verbose=0)
        assert abs(found.log_z - exact_log_partition(dbm)) < SIGMAS * found.standard_error
    assert sorted(done) == [(0, 100)] * 2 + [(1, 100)] * 2


@pytest.mark.slow
def test_a_file_knows_nothing_of_replicas(tmp_path):
    """What goes on after a reload, on replicas, is what goes on without; and one device takes the file too."""
    options = {"batch_size": 9, "verbose": 0, "shuffle": False}
    model = made(lambda: RBM(5, sampler=ParallelTempering(1, 3, 3), seed=0), optimizer=lambda: keras.optimizers.Adam())
    model.fit(ROWS, **options)
    model.save(tmp_path / "model.keras")
    with STRATEGY.scope():
        loaded = keras.models.load_model(tmp_path / "model.keras")
    one = keras.models.load_model(tmp_path / "model.keras")
    for x, y in zip(variables(one), variables(model), strict=True):
        np.testing.assert_array_equal(np.asarray(x), np.asarray(y))
    for each in (model, loaded):
        each.fit(ROWS, **options)
    assert_alike(model, loaded, rtol=0)
    one.compile(run_eagerly=True)
    one.fit(ROWS, **options)


@pytest.mark.few(1)
@pytest.mark.parametrize("row", [3, 2])
def test_a_bad_case_on_any_replica_stops_all(row):
    """The step that meets it changes nothing, nor do those after it."""
    broken = ROWS[:16].copy()
    broken[8 + row] = np.arange(9)
    models = [made(lambda: RBM(5, sampler=PCD(1, 6), seed=0), run_eagerly=True) for _ in range(2)]
    models[0].fit(tf.data.Dataset.from_tensor_slices(broken[:8]).batch(4), verbose=0)
    with pytest.raises(ValueError, match=r"values in \[0, 1\].*max=8"):
        models[1].fit(tf.data.Dataset.from_tensor_slices(broken).batch(4), verbose=0)
    for model in models:
        model.stream.key.assign([0, 0])
    assert_alike(*models, rtol=0)


def test_divergence_stops_all():
    model = made(lambda: RBM(5, visible="gaussian", seed=0), optimizer=lambda: keras.optimizers.SGD(1e20))
    with pytest.raises(FloatingPointError, match="now 1e"):
        model.fit(X, batch_size=9, epochs=5, verbose=0)
    assert all(np.isfinite(np.asarray(x)).all() for x in model.weights)
    assert_mirrored(model)


def test_what_is_refused():
    with STRATEGY.scope():
        model = RBM(5, sampler=PCD(1, 1))
    with pytest.raises(ValueError, match="num_chains=1"):
        model.adapt(ROWS)
    with pytest.raises(ValueError, match=r"strategy.scope\(\)"):
        model.compile(keras.optimizers.SGD(0.1))
    with pytest.raises(ValueError, match="one device"):
        model.compile("sgd", jit_compile=True)


def test_everything_else_works_on_a_mirrored_machine():
    model = made(lambda: RBM(5, sampler=PCD(1, 6), seed=0))
    model.fit(ROWS, batch_size=9, steps_per_epoch=2, verbose=0)
    model.fit(((ROWS[i : i + 7],) for i in range(0, 21, 7)), verbose=0)
    model.train_on_batch(ROWS[:5])
    assert model.predict(ROWS, verbose=0).shape == (21, 5)
    assert model.sample(3, 5).shape == (3, 9)
    assert mixing(model, num_steps=4).effective_sample_size > 0
    assert_mirrored(model)
