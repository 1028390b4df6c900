"""Data sets: shapes, ranges and splits; binary samples drawn afresh; files that are not what they should be."""

import io
import pickle
import zipfile
from itertools import pairwise

import numpy as np
import pytest
import tensorflow_datasets as tfds

from keras_rbm import checks, datasets, load
from tests.support.statistics import SIGMAS

X = np.random.default_rng(0).random((30, 6)).astype("float32")
LABELS = np.arange(30) % 3


# --- digits


@pytest.fixture(scope="module")
def digits() -> datasets.Data:
    return load("digits")


def test_digits(digits):
    assert digits.x_train.shape == (1437, 64)
    assert digits.x_test.shape == (360, 64)
    assert digits.x_train.dtype == digits.x_test.dtype == np.float32
    assert digits.y_train.dtype == digits.y_test.dtype == np.int64
    for x in (digits.x_train, digits.x_test):
        assert x.min() == 0
        assert x.max() == 1
        np.testing.assert_array_equal(x * 16, np.round(x * 16))
    assert digits.image_shape == (8, 8)
    assert digits.classes == tuple("0123456789")
    assert digits.num_classes == 10


def test_digits_are_split_by_class_and_always_alike(digits):
    train, test = np.bincount(digits.y_train), np.bincount(digits.y_test)
    assert np.abs(test - 0.2 * (train + test)).max() < 1
    rows = np.concatenate([digits.x_train, digits.x_test])
    assert len(np.unique(rows, axis=0)) == 1797
    again = load("digits")
    np.testing.assert_array_equal(again.x_test, digits.x_test)
    np.testing.assert_array_equal(again.y_train, digits.y_train)


def test_unknown_names():
    with pytest.raises(
        ValueError, match=r"digits, bars_and_stripes, mnist, fashion_mnist, kmnist, or the path of a .npz.*'mnits'"
    ):
        load("mnits")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "kmnist"])
def test_a_download_that_fails(name, monkeypatch):
    def offline(*args, **kwargs):
        raise RuntimeError("Could not resolve host")

    monkeypatch.setattr(tfds, "load", offline)
    monkeypatch.setenv("TFDS_DATA_DIR", "a/folder")
    with pytest.raises(OSError, match=f"{name} is not in a/folder.*could not be downloaded.*TFDS_DATA_DIR"):
        load(name)


def test_pictures_of_tensorflow_datasets(monkeypatch):
    """Grey levels 0..255 of (cases, height, width, 1) become rows in [0, 1]."""
    import tensorflow as tf

    pixels = np.arange(2 * 4 * 5, dtype="uint8").reshape(2, 4, 5, 1)
    part = {"image": tf.constant(pixels), "label": tf.constant([3, 1], tf.int64)}

    class Info:
        version = "1.2.3"
        features = {"label": tfds.features.ClassLabel(names=["a", "b", "c", "d"])}

    monkeypatch.setattr(tfds, "load", lambda *args, **kwargs: ((part, part), Info))
    data = load("mnist")
    np.testing.assert_allclose(data.x_train, pixels.reshape(2, 20) / np.float32(255))
    np.testing.assert_array_equal(data.y_test, [3, 1])
    assert data.image_shape == (4, 5)
    assert data.classes == ("a", "b", "c", "d")
    assert "1.2.3" in data.source


# --- batches


def epochs(dataset, number: int) -> list[np.ndarray]:
    return [np.concatenate([np.asarray(batch) for batch in dataset]) for _ in range(number)]


def test_samples_are_new_each_epoch_and_have_the_grey_levels_as_means():
    """A mean of n binary samples has the standard error sqrt(p (1 - p) / n)."""
    drawn = epochs(datasets.batches(np.tile(X, (50, 1)), batch_size=400, seed=0, shuffle=False), 8)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    for first, second in pairwise(drawn):
        assert not np.array_equal(first, second)
    num = 50 * 8
    error = np.abs(np.reshape(drawn, (num, *X.shape)).mean(0) - X)
    assert np.all(error < SIGMAS * np.sqrt(X * (1 - X) / num) + 1e-6)


def test_cases_of_an_epoch_are_drawn_independently():
    drawn = epochs(datasets.batches(np.full((64, 9), 0.5, "float32"), batch_size=16, seed=0), 1)[0]
    assert len(np.unique(drawn, axis=0)) > 50


@pytest.mark.parametrize("binarize", datasets.BINARIZE)
def test_the_seed_rules_samples_and_order(binarize):
    def run(seed):
        return epochs(datasets.batches(X, batch_size=7, binarize=binarize, seed=seed), 2)

    first, second = run(3), run(3)
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, run(4))
    assert not np.array_equal(first[0], first[1]), "the order of the second epoch is that of the first"


def test_threshold():
    (x,) = epochs(datasets.batches(np.array([[0.0, 0.5, 0.51, 1.0]], "float32"), binarize="threshold"), 1)
    np.testing.assert_array_equal(x, [[0, 0, 1, 1]])


def test_none_leaves_grey_levels():
    (x,) = epochs(datasets.batches(X, binarize="none", shuffle=False), 1)
    np.testing.assert_array_equal(x, X)


@pytest.mark.parametrize("binarize", datasets.BINARIZE)
def test_labels_stay_with_their_rows(binarize):
    """Rows that are certain: sampling leaves them as they are."""
    x = np.eye(30, dtype="float32")
    pairs = list(datasets.batches(x, np.arange(30), batch_size=8, binarize=binarize, seed=0))
    assert [len(part) for part, _ in pairs] == [8, 8, 8, 6]
    rows, labels = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    np.testing.assert_array_equal(rows.argmax(1), labels)
    np.testing.assert_array_equal(np.sort(labels), np.arange(30))
    assert not np.array_equal(labels, np.arange(30))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"binarize": "round"}, "sample, threshold, none. Received: binarize='round'"),
        ({"x": X * 255}, r"Grey levels must be in \[0, 1\].*Divide pixels by 255"),
        ({"x": X - 1, "binarize": "threshold"}, r"Grey levels must be in \[0, 1\]. Received: min=-"),
        ({"x": np.full((3, 2), np.nan)}, "nan"),
    ],
    ids=["word", "pixels", "negative", "nan"],
)
def test_bad_batches(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.batches(**{"x": X, **arguments})


# --- files


def saved(path, **arrays) -> str:
    np.savez(path / "mine.npz", **arrays)
    return str(path / "mine.npz")


def test_a_file_with_everything(tmp_path):
    data = load(saved(tmp_path, x_train=X, y_train=LABELS, x_test=X[:4], y_test=LABELS[:4]))
    assert data.name == "mine"
    np.testing.assert_array_equal(data.x_train, X)
    np.testing.assert_array_equal(data.x_test, X[:4])
    np.testing.assert_array_equal(data.y_train, LABELS)
    np.testing.assert_array_equal(data.y_test, LABELS[:4])
    assert data.classes == ("0", "1", "2")
    assert data.image_shape is None


@pytest.mark.parametrize("labelled", [False, True])
def test_without_a_test_set_a_fifth_is_set_apart(labelled, tmp_path):
    arrays = {"x_train": X} | ({"y_train": LABELS} if labelled else {})
    data = load(saved(tmp_path, **arrays))
    assert len(data.x_test) == 6
    assert len(data.x_train) == 24
    rows = np.concatenate([data.x_train, data.x_test])
    np.testing.assert_array_equal(np.unique(rows, axis=0), np.unique(X, axis=0))
    if labelled:
        of_row = {row.tobytes(): label for row, label in zip(X, LABELS, strict=True)}
        for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
            np.testing.assert_array_equal(y, [of_row[row.tobytes()] for row in x])
    else:
        assert data.y_train is data.y_test is None
        assert data.classes == ()
    np.testing.assert_array_equal(load(tmp_path / "mine.npz").x_test, data.x_test)


def test_a_test_set_without_its_labels(tmp_path):
    with pytest.raises(ValueError, match="`y_test` is missing"):
        load(saved(tmp_path, x_train=X, y_train=LABELS, x_test=X[:4]))


def test_labels_of_the_test_set_alone_are_no_labels(tmp_path):
    data = load(saved(tmp_path, x_train=X, x_test=X[:4], y_test=LABELS[:4]))
    assert data.y_train is data.y_test is None


@pytest.mark.parametrize("convert", [lambda x: x.astype("uint8"), lambda x: x.astype(bool), lambda x: x.tolist()])
def test_batches_take_what_can_be_grey_levels(convert):
    x = (np.arange(12).reshape(4, 3) % 2).astype("float32")
    batch = next(iter(datasets.batches(convert(x), batch_size=4, seed=0, shuffle=False)))
    np.testing.assert_array_equal(batch, x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": np.zeros((0, 3))}, "at least one row"),
        ({"x": np.zeros((4, 3)), "y": np.zeros(3)}, "3 labels for 4 cases"),
        ({"x": np.zeros((4, 3)), "batch_size": 0}, "`batch_size` must be a positive integer"),
        ({"x": np.full((4, 3), np.nan)}, "fill in missing values"),
    ],
)
def test_batches_refuse(arguments, message):
    with pytest.raises(ValueError, match=message):
        datasets.batches(**arguments)


def test_labels_that_are_words(tmp_path):
    words = np.array(["dog", "ape", "cat"])[LABELS]
    data = load(saved(tmp_path, x_train=X, y_train=words, x_test=X[:3], y_test=words[:3]))
    assert data.classes == ("ape", "cat", "dog")
    np.testing.assert_array_equal(np.array(data.classes)[data.y_train], words)
    np.testing.assert_array_equal(data.y_test, [2, 0, 1])


@pytest.mark.parametrize(
    ("shape", "image_shape"), [((30, 2, 3), (2, 3)), ((30, 4), (2, 2)), ((30, 6), None), ((30, 9), (3, 3))]
)
@pytest.mark.parametrize("dtype", ["float64", "uint8", "bool", "int32"])
def test_pictures_in_a_file(shape, image_shape, dtype, tmp_path):
    x = (np.random.default_rng(0).random(shape) > 0.5).astype(dtype)
    data = load(saved(tmp_path, x_train=x, x_test=x))
    assert data.image_shape == image_shape
    np.testing.assert_array_equal(data.x_train, x.reshape(30, -1))
    assert data.x_train.dtype == np.float32


class Bomb:
    """Unpickling it leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


def with_objects(path, target):
    np.savez(path, x_train=np.array([Bomb(target)], dtype=object))


def with_object_labels(path, target):
    np.savez(path, x_train=X, y_train=np.array([Bomb(target)] * 30, dtype=object))


def a_pickle(path, target):
    path.write_bytes(pickle.dumps(Bomb(target)))


def a_pickle_in_an_archive(path, target):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", pickle.dumps(Bomb(target)))


@pytest.mark.parametrize("make", [with_objects, with_object_labels, a_pickle, a_pickle_in_an_archive])
def test_nothing_is_ever_unpickled(make, tmp_path):
    target = tmp_path / "exploded"
    make(tmp_path / "bad.npz", target)
    with pytest.raises(ValueError, match=r"bad\.npz|`x_train`"):
        load(str(tmp_path / "bad.npz"))
    assert not target.exists()
    Bomb(target).__reduce__()[0](*Bomb(target).__reduce__()[1]).close()
    assert target.exists(), "the bomb is a dud"


def test_objects_are_named_in_the_message(tmp_path):
    with_objects(tmp_path / "bad.npz", tmp_path / "exploded")
    with pytest.raises(ValueError, match="Python objects, which are never unpickled"):
        load(tmp_path / "bad.npz")


def test_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"not_there\.npz"):
        load(tmp_path / "not_there.npz")


def damaged(path, how) -> None:
    np.savez_compressed(path, x_train=np.random.default_rng(0).random((200, 10)))
    content = bytearray(path.read_bytes())
    if how == "truncated":
        content = content[: len(content) // 2]
    elif how == "flipped":
        middle = len(content) // 2
        content[middle : middle + 64] = bytes(255 - byte for byte in content[middle : middle + 64])
    elif how == "header":
        start = content.index(b"x_train.npy") + len(b"x_train.npy") + 20
        content[start : start + 8] = b"\xff" * 8
    path.write_bytes({"empty": b"", "text": b"hello, world\n" * 9}.get(how, bytes(content)))


@pytest.mark.parametrize("how", ["truncated", "flipped", "header", "empty", "text"])
def test_a_damaged_file(how, tmp_path):
    damaged(tmp_path / "bad.npz", how)
    with pytest.raises(ValueError, match=r"bad\.npz cannot be read as a \.npz file.*numpy\.savez"):
        load(tmp_path / "bad.npz")


def zipped(path, content: bytes, method: int = zipfile.ZIP_DEFLATED) -> None:
    """An archive whose `x_train` is these bytes."""
    with zipfile.ZipFile(path, "w", method) as archive:
        archive.writestr("x_train.npy", content)


def header(shape: tuple, dtype: str = "<f4") -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array_header_1_0(stream, {"descr": dtype, "fortran_order": False, "shape": shape})
    return stream.getvalue()


def with_method(path, number: int) -> None:
    """Says, in both places of the archive, that members are packed by this method."""
    zipped(path, header((5, 5)) + bytes(100))
    content = bytearray(path.read_bytes())
    for place in (8, content.index(b"PK\x01\x02") + 10):
        content[place : place + 2] = number.to_bytes(2, "little")
    path.write_bytes(content)


def bad_lzma(path) -> None:
    zipped(path, header((5, 5)) + bytes(100), zipfile.ZIP_LZMA)
    content = bytearray(path.read_bytes())
    start = content.index(b"x_train.npy") + 30
    content[start : start + 10] = b"\xff" * 10
    path.write_bytes(content)


HOSTILE = {
    "10 TB": (
        lambda path: zipped(path, header((2_500_000_000, 1000)) + bytes(64)),
        r"bad\.npz would take 20,000\.0 GB of memory, of which there are [\d.,]+\. Give fewer cases",
    ),
    "more than any number": (lambda path: zipped(path, header((2**62, 2**62))), "GB of memory"),
    "unknown method": (lambda path: with_method(path, 99), "compression method is not supported"),
    "damaged lzma": (bad_lzma, r"bad\.npz cannot be read as a \.npz file: Corrupt input data"),
    "short array": (lambda path: zipped(path, header((40, 40)) + bytes(64)), "expected 6400 bytes got 64"),
    "no array": (lambda path: zipped(path, b"hello" * 9), "magic string"),
    "empty array": (lambda path: zipped(path, b""), "expected 8 bytes got 0"),
    "later format": (lambda path: zipped(path, b"\x93NUMPY\x09\x00" + bytes(99)), r"cannot be read as a \.npz file"),
    "long header": (
        lambda path: zipped(path, b"\x93NUMPY\x01\x00\xff\xff" + header((5, 5))[10:].ljust(65535)),
        "Header info length",
    ),
    "objects": (lambda path: zipped(path, header((5, 5), "|O") + bytes(200)), "Python objects, which are never"),
}


@pytest.mark.parametrize(("make", "message"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_file(make, message, tmp_path):
    make(tmp_path / "bad.npz")
    with pytest.raises(ValueError, match=message) as refused:
        load(tmp_path / "bad.npz")
    assert "\n" not in str(refused.value)


def test_a_file_that_unpacks_to_more_than_memory_holds(tmp_path, monkeypatch):
    """It is refused by the sizes that its directory and headers claim: nothing is unpacked."""
    np.savez_compressed(tmp_path / "bomb.npz", x_train=np.zeros((1000, 100), "uint8"))
    assert (tmp_path / "bomb.npz").stat().st_size < 1000
    monkeypatch.setattr(checks, "memory", lambda: 600_000)
    assert load(tmp_path / "bomb.npz").x_test.shape == (200, 100)  # bytes, and the same as float32: 500 kB
    monkeypatch.setattr(checks, "memory", lambda: 499_999)
    monkeypatch.setattr(np, "load", lambda *args, **kwargs: pytest.fail("read"))
    with pytest.raises(ValueError, match=r"bomb\.npz would take 0\.0 GB of memory"):
        load(tmp_path / "bomb.npz")


def test_a_single_array_under_the_name_of_an_archive(tmp_path):
    np.save(tmp_path / "one.npy", X)
    (tmp_path / "one.npy").rename(tmp_path / "one.npz")
    with pytest.raises(ValueError, match=r"one\.npz cannot be read.*single array"):
        load(tmp_path / "one.npz")


BAD_ARRAYS = {
    "no x_train": ({"x": X, "y_train": LABELS}, "lacks `x_train` and holds x, y_train"),
    "nothing": ({}, "lacks `x_train` and holds nothing"),
    "short labels": ({"x_train": X, "y_train": LABELS[:29]}, r"`y_train` must have one label a case.*\(29,\) for 30"),
    "one-hot labels": ({"x_train": X, "y_train": np.eye(3)[LABELS]}, "`y_train` must have one label a case"),
    "long test labels": (
        {"x_train": X, "x_test": X[:3], "y_train": LABELS, "y_test": LABELS},
        r"`y_test` must have one label a case.*\(30,\) for 3",
    ),
    "test labels alone": ({"x_train": X, "y_train": LABELS, "y_test": LABELS}, "`y_test`.*for nothing"),
    "another width": ({"x_train": X, "x_test": X[:, :5]}, r"`x_test` must have the width.*\(5,\) and \(6,\)"),
    "a vector": ({"x_train": X[0]}, r"`x_train` must be numbers of shape.*\(6,\)"),
    "words": ({"x_train": np.array([["a", "b"]])}, "`x_train` must be numbers"),
    "no rows": ({"x_train": X[:0]}, "at least one case"),
    "no columns": ({"x_train": X[:, :0]}, "at least one case"),
    "NaN": ({"x_train": X, "y_train": np.where(LABELS == 1, np.nan, LABELS)}, "`y_train` must be integers.*nan"),
    "infinite": ({"x_train": X, "y_train": np.where(LABELS == 1, np.inf, LABELS)}, "`y_train` must be integers.*inf"),
    "halves": ({"x_train": X, "y_train": LABELS / 2}, r"`y_train` must be integers, or names. Received: 0\.5"),
    "complex": ({"x_train": X, "y_train": LABELS.astype("complex64")}, "`y_train` must be integers"),
    "dates": ({"x_train": X, "y_train": LABELS.astype("M8[s]")}, "`y_train` must be integers"),
    "NaN in the test set": (
        {"x_train": X, "x_test": X[:2], "y_train": LABELS, "y_test": np.array([1.0, np.nan])},
        "`y_test` must be integers",
    ),
    "too few to split": ({"x_train": X[:4]}, "at least 5 cases. Received: 4"),
}


@pytest.mark.parametrize(("arrays", "message"), BAD_ARRAYS.values(), ids=BAD_ARRAYS)
def test_arrays_that_do_not_fit(arrays, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        load(saved(tmp_path, **arrays))


def test_bars_and_stripes_are_all_whole_rows_or_columns():
    data = load("bars_and_stripes")
    pictures = data.x_train.reshape(-1, 4, 4)
    assert len(np.unique(data.x_train, axis=0)) == len(data.x_train) == 30
    rows = (pictures == pictures[:, :, :1]).all((1, 2))
    columns = (pictures == pictures[:, :1]).all((1, 2))
    assert rows.sum() == columns.sum() == 16  # all on and all off are both
    assert (rows | columns).all()
    np.testing.assert_array_equal(data.x_test, data.x_train)
    assert data.image_shape == (4, 4)
