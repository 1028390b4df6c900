"""Training that is interrupted and run again ends where it would have ended."""

import csv
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import DBM, DBN, RBM, RNNRBM, RTRBM, ClassificationRBM, ConvRBM, Hopfield, checkpoints, datasets
from keras_rbm.callbacks import Checkpoint
from keras_rbm.samplers import CD, PCD, FastPCD, ParallelTempering

EPOCHS, KILLED_AFTER = 4, 2
rng = np.random.default_rng(0)
ROWS = (rng.random((30, 6)) < 0.4).astype("float32")
CLASSES = rng.integers(3, size=30)
SEQUENCES = (rng.random((10, 5, 4)) < 0.4).astype("float32")


class Killed(Exception):
    """Stands for a kill."""


class Kill(keras.callbacks.Callback):
    """Ends the process, as it were, in the middle of an epoch."""

    def on_train_batch_end(self, batch, logs=None):
        if self.epoch == KILLED_AFTER:
            raise Killed

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch


def variables(model) -> list:
    """All that a step depends on."""
    return [*model.variables, *(model.optimizer.variables if model.compiled else [])]


def state(model) -> list[np.ndarray]:
    return [np.asarray(x) for x in variables(model)]


def assert_equal(one, other) -> None:
    for a, b in zip(variables(one), variables(other), strict=True):
        np.testing.assert_array_equal(np.asarray(a), np.asarray(b), err_msg=a.path)


def rbm(**kwargs):
    return RBM(5, seed=3, **kwargs)


def adam():
    return keras.optimizers.Adam(0.05, use_ema=True, ema_momentum=0.9)


def recurrence():
    start = {"kernel_initializer": keras.initializers.GlorotUniform(1), "recurrent_initializer": "identity"}
    return keras.layers.SimpleRNN(3, dropout=0.3, seed=1, **start)


MODELS = {
    "PCD": lambda: rbm(sampler=PCD(num_chains=7)),
    "fast weights": lambda: rbm(sampler=FastPCD(num_chains=7)),
    "DBM": lambda: DBM([5, 4], sampler=PCD(num_chains=7), mean_field_steps=200, tolerance=1e-3, seed=3),
    "RNN-RBM": lambda: RNNRBM(5, recurrence(), seed=3),
    "classes alone": lambda: ClassificationRBM(5, 3, objective="discriminative", seed=3),
    "DBN": lambda: DBN([5, 4], sampler="pcd", seed=3),
    "CD": lambda: rbm(sampler=CD(2)),
    "tempering": lambda: rbm(sampler=ParallelTempering(num_chains=3, num_temperatures=3)),
    "missing values": lambda: rbm(missing_steps=2),
    "classes": lambda: ClassificationRBM(5, 3, seed=3),
    "Hopfield": lambda: Hopfield(5, visible="bernoulli", seed=3),
    "label DBN": lambda: DBN([5, 4], num_classes=3, seed=3),
    "RTRBM": lambda: RTRBM(5, seed=3),
    "ConvRBM": lambda: ConvRBM(2, 2, pool_size=2, sampler=PCD(num_chains=7), seed=3),
    "conv DBN": lambda: DBN([ConvRBM(2, 2, pool_size=2), 4], sampler="pcd", seed=3),
}


def data_for(model):
    if isinstance(model, RNNRBM):
        return (SEQUENCES,)
    if isinstance(getattr(model, "rbms", [model])[0], ConvRBM):
        return (ROWS.reshape(-1, 2, 3, 1),)
    if model.missing_steps:
        return (np.where(np.arange(ROWS.size).reshape(ROWS.shape) % 7 == 0, np.nan, ROWS),)
    return (ROWS, CLASSES) if model._num_classes else (ROWS,)


def fit(model, callbacks, data=None, epochs=EPOCHS, **kwargs):
    model.compile(adam(), jit_compile=False)
    data = data_for(model) if data is None else data
    return model.fit(*data, batch_size=8, epochs=epochs, callbacks=callbacks, verbose=0, **kwargs)


@pytest.mark.few(3)
@pytest.mark.parametrize("name", MODELS)
def test_every_model_goes_on_bit_for_bit(name, tmp_path):
    whole = MODELS[name]()
    fit(whole, [])
    with pytest.raises(Killed):
        fit(MODELS[name](), [Checkpoint(tmp_path), Kill()])
    keras.utils.set_random_seed(99)  # what a new process has nothing to do with
    resumed = MODELS[name]()
    history = fit(resumed, [Checkpoint(tmp_path)])
    assert_equal(resumed, whole)
    assert history.epoch == list(range(EPOCHS))
    assert len(history.history["loss"]) == EPOCHS


@pytest.mark.slow
def test_binary_samples_are_drawn_as_they_would_have_been(tmp_path):
    """Grey levels made states afresh in each epoch, in a new order: on the device, by the machine's numbers."""
    grey = rng.random((30, 6)).astype("float32")

    def data():
        return (datasets.batches(grey, batch_size=8, seed=0),)

    whole, killed, resumed = rbm(), rbm(), rbm()
    fit(whole, [], data())
    with pytest.raises(Killed):
        fit(killed, [Checkpoint(tmp_path), Kill()], data())
    fit(resumed, [Checkpoint(tmp_path)], data())
    assert_equal(resumed, whole)


def network():
    first, second = (keras.initializers.GlorotUniform(seed) for seed in (1, 2))
    net = keras.Sequential([keras.Input((6,)), keras.layers.Dense(5, kernel_initializer=first)])
    net.add(keras.layers.Dropout(0.5, seed=1))
    net.add(keras.layers.Dense(3, "softmax", kernel_initializer=second))
    net.compile(adam(), "sparse_categorical_crossentropy")
    return net


@pytest.mark.slow
def test_a_plain_network_goes_on_bit_for_bit(tmp_path):
    """With its dropout, its averages, and its data in the order that they would have had."""

    def learn(net, epoch, callbacks):
        data = datasets.batches(ROWS * 0.9, CLASSES, batch_size=8, seed=0, epoch=epoch)
        net.fit(data, epochs=EPOCHS, verbose=0, callbacks=callbacks)

    whole, resumed = network(), network()
    learn(whole, 0, [])
    with pytest.raises(Killed):
        learn(network(), 0, [Kill(), Checkpoint(tmp_path)])
    checkpoint = Checkpoint(tmp_path)
    assert checkpoint.epoch == KILLED_AFTER
    learn(resumed, checkpoint.epoch, [checkpoint])
    assert_equal(resumed, whole)


@pytest.mark.few(1)
@pytest.mark.parametrize(("deep", "layer"), [(DBN, 1), (DBM, 0), (DBN, 0), (DBM, 1)])
def test_pretraining_goes_on_bit_for_bit(deep, layer, tmp_path):
    """Killed in one of the layers; those that are finished are not trained again."""

    class KillIn(Kill):
        started = 0

        def on_train_begin(self, logs=None):
            self.started += 1

        def on_train_batch_end(self, batch, logs=None):
            if self.started == layer + 1:
                super().on_train_batch_end(batch, logs)

    def pretrain(model, callbacks):
        optimizer, options = adam(), {"verbose": 0, "jit_compile": False, "sampler": "pcd"}
        model.pretrain(ROWS, epochs=EPOCHS, optimizer=optimizer, batch_size=8, callbacks=callbacks, **options)

    class Trained(keras.callbacks.Callback):
        epochs = 0

        def on_epoch_end(self, epoch, logs=None):
            self.epochs += 1

    whole, resumed, trained = deep([5, 4], seed=3), deep([5, 4], seed=3), Trained()
    pretrain(whole, [])
    with pytest.raises(Killed):
        pretrain(deep([5, 4], seed=3), [KillIn(), Checkpoint(tmp_path)])
    pretrain(resumed, [Checkpoint(tmp_path), trained])
    assert_equal(resumed, whole)
    assert trained.epochs == (2 - layer) * EPOCHS - KILLED_AFTER


@pytest.mark.slow
def test_pretraining_of_a_recurrence_goes_on_bit_for_bit(tmp_path):
    class KillSecond(Kill):
        def on_train_batch_end(self, batch, logs=None):
            if not isinstance(self.model, RBM):
                super().on_train_batch_end(batch, logs)

    def pretrain(model, callbacks):
        model.pretrain(SEQUENCES, epochs=EPOCHS, recurrent_epochs=EPOCHS, verbose=0, callbacks=callbacks)

    whole, resumed = MODELS["RNN-RBM"](), MODELS["RNN-RBM"]()
    pretrain(whole, [])
    with pytest.raises(Killed):
        pretrain(MODELS["RNN-RBM"](), [Checkpoint(tmp_path), KillSecond()])
    pretrain(resumed, [Checkpoint(tmp_path)])
    assert_equal(resumed, whole)


def test_what_was_finished_is_not_done_again(tmp_path):
    first, again, further = rbm(), rbm(), rbm()
    fit(first, [Checkpoint(tmp_path)])
    history = fit(again, [Checkpoint(tmp_path)])
    assert_equal(again, first)
    assert len(history.history["loss"]) == EPOCHS
    assert len(fit(further, [Checkpoint(tmp_path)], epochs=EPOCHS + 1).history["loss"]) == EPOCHS + 1


@pytest.mark.slow
def test_a_callback_that_counts_goes_on_counting(tmp_path):
    """Early stopping ends where it would have ended, with the best weights of before the kill."""

    class Worse(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = abs(epoch - 1)

    def callbacks(*more):
        stop = keras.callbacks.EarlyStopping("score", mode="min", patience=3, restore_best_weights=True)
        return [Worse(), stop, *more]

    whole, resumed, after = rbm(), rbm(), rbm()
    history = fit(whole, callbacks(), epochs=20)
    assert len(history.epoch) == 5
    with pytest.raises(Killed):
        fit(rbm(), callbacks(Checkpoint(tmp_path), Kill()), epochs=20)
    assert len(fit(resumed, callbacks(Checkpoint(tmp_path)), epochs=20).epoch) == 5
    assert_equal(resumed, whole)
    fit(after, callbacks(Checkpoint(tmp_path)), epochs=20)  # stopped is finished
    assert_equal(after, whole)


def logged_steps(folder: Path) -> list[tuple[str, int]]:
    """What TensorBoard would show, by tag and step."""
    found = []
    for path in folder.rglob("events.out.tfevents.*"):
        for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
            event = tf.compat.v1.Event.FromString(record)
            found += [(value.tag, event.step) for value in event.summary.value]
    return found


@pytest.mark.slow
def test_logs_have_each_epoch_once(tmp_path):
    """Also those of epochs after the checkpoint, which are done again."""

    def callbacks(*more):
        csv_logger = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"), append=True)
        return [csv_logger, keras.callbacks.TensorBoard(str(tmp_path / "logs"), write_graph=False), *more]

    with pytest.raises(Killed):
        fit(rbm(), callbacks(Checkpoint(tmp_path / "run", every=KILLED_AFTER), Kill()), epochs=6)
    kept = Checkpoint(tmp_path / "run")._files()
    Kill_again = type(
        "Kill_again", (Kill,), {"on_epoch_begin": lambda self, epoch, logs=None: setattr(self, "epoch", epoch - 1)}
    )
    with pytest.raises(Killed):
        fit(rbm(), callbacks(Checkpoint(tmp_path / "run", every=5), Kill_again()), epochs=6)
    assert Checkpoint(tmp_path / "run")._files() == kept  # epoch 2 was logged, and will be done again
    fit(rbm(), callbacks(Checkpoint(tmp_path / "run")), epochs=6)
    with (tmp_path / "log.csv").open() as file:
        assert [int(row["epoch"]) for row in csv.DictReader(file)] == list(range(6))
    steps = [step for tag, step in logged_steps(tmp_path / "logs") if tag == "epoch_loss"]
    assert sorted(steps) == list(range(6))


def test_the_newest_whole_checkpoint_is_used(tmp_path):
    whole, resumed = rbm(), rbm()
    fit(whole, [])
    fit(rbm(), [Checkpoint(tmp_path)], epochs=3)
    newest, _ = Checkpoint(tmp_path)._files()
    newest.write_bytes(newest.read_bytes()[:-100])
    (tmp_path / ".part-123-epoch-00000009.npz").write_bytes(b"begun")
    with pytest.warns(UserWarning, match="The checkpoint before it is used"):
        fit(resumed, [Checkpoint(tmp_path)])
    assert_equal(resumed, whole)
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["epoch-00000003.npz", "epoch-00000004.npz"]


@pytest.mark.parametrize("change", ["a bit", "cut", "foreign", "format"])
def test_no_damaged_checkpoint_is_used(change, tmp_path, monkeypatch):
    fit(rbm(), [Checkpoint(tmp_path)], epochs=1)
    for file in Checkpoint(tmp_path)._files():
        content = bytearray(file.read_bytes())
        if change == "a bit":
            content[len(content) // 3] ^= 1
        file.write_bytes({"cut": content[:300], "foreign": b"PK"}.get(change, content))
    if change == "format":
        monkeypatch.setattr(checkpoints, "_FORMAT", 9)
    model = rbm()
    model.build((None, 6))
    before = state(model)
    with pytest.raises(ValueError, match=r"no checkpoint that can be read.*Remove the folder to start anew"):
        fit(model, [Checkpoint(tmp_path)])
    np.testing.assert_equal(state(model)[: len(before)], before)


def test_checkpoints_of_another_model_are_refused(tmp_path):
    fit(rbm(), [Checkpoint(tmp_path)], epochs=1)
    with pytest.raises(
        ValueError, match=r"of another model or optimizer. Received: w_rec \[6, 5\] float32 for w_rec \[6, 4\]"
    ):
        fit(RBM(4, seed=0), [Checkpoint(tmp_path)])


def test_a_full_disk_costs_nothing_that_is_there(tmp_path, monkeypatch):
    whole, resumed = rbm(), rbm()
    fit(whole, [])

    def full(file, **arrays):
        file.write(b"some")
        raise OSError(28, "No space left on device")

    fit(rbm(), [Checkpoint(tmp_path)], epochs=2)
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        with pytest.raises(OSError, match="No space left"):
            fit(rbm(), [Checkpoint(tmp_path)])
    assert not list(tmp_path.glob(".part*"))
    fit(resumed, [Checkpoint(tmp_path)])
    assert_equal(resumed, whole)


def test_saving_over_a_good_file_leaves_it_until_the_new_one_is_whole(tmp_path, monkeypatch):
    model = rbm()
    fit(model, [], epochs=1)
    path = tmp_path / "rbm.keras"
    model.save(path)
    good = path.read_bytes()
    fit(model, [], epochs=1)
    write = "keras.src.saving.saving_lib.save_model"

    def full(model, filepath, *args, **kwargs):
        Path(filepath).write_bytes(b"some")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(write, full)
        with pytest.raises(OSError, match="No space left"):
            model.save(path)
    assert path.read_bytes() == good
    assert list(tmp_path.iterdir()) == [path]
    model.save(path)
    assert_equal(keras.models.load_model(path), model)


@pytest.mark.slow
def test_a_learning_rate_that_falls_on_a_plateau_goes_on_falling(tmp_path):
    """Keras turns `min_delta` round when a monitor is first asked: once only."""

    class Hardly(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            logs["score"] = 1 - 1e-5 * epoch

    def callbacks(*more):
        fall = keras.callbacks.ReduceLROnPlateau("score", mode="min", patience=1, factor=0.5, min_delta=1e-3)
        stop = keras.callbacks.EarlyStopping("score", mode="min", patience=5, min_delta=1e-3)
        return [Hardly(), fall, stop, *more]

    whole, resumed = rbm(), rbm()
    history = fit(whole, callbacks(), epochs=9)
    with pytest.raises(Killed):
        fit(rbm(), callbacks(Checkpoint(tmp_path), Kill()), epochs=9)
    assert fit(resumed, callbacks(Checkpoint(tmp_path)), epochs=9).history == history.history
    assert_equal(resumed, whole)


def test_a_log_has_one_header_after_two_kills(tmp_path):
    """The first comes after a row was written and before its checkpoint was, so the row is taken out again."""

    class KillOnce(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            raise Killed

    def log():
        return keras.callbacks.CSVLogger(str(tmp_path / "log.csv"), append=True)

    for last in ([KillOnce(), Checkpoint(tmp_path)], [Checkpoint(tmp_path), Kill()]):
        with pytest.raises(Killed):
            fit(rbm(), [log(), *last], epochs=5)
    fit(rbm(), [log(), Checkpoint(tmp_path)], epochs=5)
    assert [row.split(",")[0] for row in (tmp_path / "log.csv").read_text().split()] == ["epoch", *"01234"]


@pytest.mark.slow
def test_a_log_of_several_trainings_keeps_all_rows_when_they_are_run_again(tmp_path):
    def script():
        for name in ("first", "second"):
            log = keras.callbacks.CSVLogger(str(tmp_path / "log.csv"), append=True)
            fit(rbm(), [log, Checkpoint(tmp_path / name)], epochs=2)

    script()
    rows = (tmp_path / "log.csv").read_text()
    assert rows.count("\n") == 5
    script()
    assert (tmp_path / "log.csv").read_text() == rows


def test_a_network_that_is_not_built_is_refused_at_once(tmp_path):
    net = keras.Sequential([keras.layers.Dense(3)])
    net.compile("sgd", "mse")
    with pytest.raises(ValueError, match="must be built before its training is saved"):
        net.fit(ROWS, ROWS[:, :3], verbose=0, callbacks=[Checkpoint(tmp_path)])
    assert not list(tmp_path.iterdir())


def test_options_are_checked():
    with pytest.raises(ValueError, match="`every` must be a positive integer"):
        Checkpoint("run", every=0)
