"""Batches taken on the device are those that a pipeline would give."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RBM, datasets, feeds
from keras_rbm.random import Draws, RandomStream
from tests.oracles.kinds import binary_states

CASES = np.arange(23.0, dtype="float32")[:, None]


def batches(feed, iterator=None, draws=None) -> list[list[tuple]]:
    """`(x, weight)` of all places of all batches of an epoch, step by step."""
    found, iterator, draws = [], iterator or iter(feed.launches(2)), draws or RandomStream(0)
    while sum(len(cases) for cases in found) < (feed.num_steps if isinstance(feed, feeds.Resident) else 3):
        launch = feed.launch(iterator, draws)
        steps = []
        for k in range(int(launch.num_steps)):
            x, _, weights = launch.batch(tf.constant(k))
            steps.append((np.ravel(x), np.array(weights)))
        found.append(steps)
    return [step for steps in found for step in steps]


def cases_of(steps) -> np.ndarray:
    """Those that count."""
    return np.concatenate([x[weights > 0] for x, weights in steps])


def test_an_epoch_has_every_case_once_in_batches_of_one_shape():
    feed = feeds.Resident((CASES, None, None), 5)
    iterator, draws = iter(feed.launches(2)), RandomStream(0)
    first, second = batches(feed, iterator, draws), batches(feed, iterator, draws)
    for steps in (first, second):
        assert [x.shape for x, _ in steps] == 5 * [(5,)]
        assert sorted(cases_of(steps)) == list(range(23))
    assert not np.array_equal(cases_of(first), cases_of(second))
    np.testing.assert_array_equal(np.concatenate([weights for _, weights in first]), [1] * 23 + [0] * 2)


def test_without_shuffling_the_order_is_that_of_the_data():
    np.testing.assert_array_equal(cases_of(batches(feeds.Resident((CASES, None, None), 5, shuffle=False))), range(23))


def test_the_order_follows_from_the_key_of_the_learner():
    orders = [cases_of(batches(feeds.Resident((CASES, None, None), 5), draws=RandomStream(seed))) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


def test_case_weights_go_with_their_cases():
    feed = feeds.Resident((CASES, None, 1 + CASES[:, 0]), 5)
    for x, weights in batches(feed):
        np.testing.assert_array_equal(weights[weights > 0], 1 + x[weights > 0])


def test_batches_of_a_stream_are_put_together():
    stream = feeds.Stream(2)
    iterator = iter([(CASES[:5],), (CASES[5:10],), (CASES[10:12],)])
    steps = batches(stream, iterator)
    assert [x.shape for x, _ in steps] == 3 * [(5,)]
    np.testing.assert_array_equal(cases_of(steps), range(12))
    with pytest.raises(StopIteration):
        stream.launch(iterator, RandomStream(0))


def test_one_transform_after_another():
    def doubled(cases, draws):
        return 2 * cases[0], *cases[1:]

    def more(cases, draws):
        return cases[0] + 1, *cases[1:]

    feed = feeds.Resident((CASES, None, None), 5, transform=doubled).transformed(more)
    np.testing.assert_array_equal(feed.transform((CASES, None, None), None)[0], 2 * CASES + 1)


def test_a_dataset_knows_its_feed_until_something_is_made_of_it():
    dataset = datasets.batches(binary_states(5), batch_size=4, seed=0)
    assert feeds.attached(dataset) is not None
    assert feeds.attached(dataset.map(lambda x: x)) is None


def test_of_a_large_data_set_only_a_launchs_part_is_on_the_device(monkeypatch):
    whole = batches(feeds.Resident((CASES, None, 1 + CASES[:, 0]), 5))
    monkeypatch.setattr(feeds, "MOST_RESIDENT", 4 * 23)
    for cases in (CASES, tf.constant(CASES)):
        feed = feeds.Resident((cases, None, 1 + CASES[:, 0]), 5)
        assert not feed.fits
        assert len(feed.launch(iter(feed.launches(2)), RandomStream(0)).cases[0]) == 10
        for (x, weights), (x_there, weights_there) in zip(batches(feed), whole, strict=True):
            np.testing.assert_array_equal(weights, weights_there)
            np.testing.assert_array_equal(x[weights > 0], x_there[weights > 0])


def test_grey_levels_become_states_drawn_anew():
    """On the device by the machine's numbers: half of the pixels, another half each time."""
    feed = feeds.attached(datasets.batches(np.full((1000, 5), 0.5), batch_size=1000, seed=0))
    grey = tf.fill((1000, 5), 0.5)
    first, second = (np.array(feed.transform((grey, None, None), Draws(tf.constant([k, 0])))[0]) for k in (1, 2))
    assert set(np.unique(first)) == {0.0, 1.0}
    assert abs(first.mean() - 0.5) < 5 * 0.5 / np.sqrt(5000)
    assert abs((first == second).mean() - 0.5) < 5 * 0.5 / np.sqrt(5000)


class Seen(RBM):
    """Keeps the batches that it learns from."""

    def _gradients(self, batch):
        self.seen.append(np.array(batch.v))
        return super()._gradients(batch)


@pytest.mark.parametrize("eager", [False, True], ids=["on the device", "by the pipeline"])
def test_a_dataset_of_grey_levels_is_learned_from_as_states(eager):
    """Ones where the grey level is 1, zeros where it is 0, either where it is between."""
    grey = np.tile([1.0, 0.0, 0.5, 0.5, 0.5], (40, 1))
    rbm = Seen(3, seed=0)
    object.__setattr__(rbm, "seen", [])
    rbm.compile("sgd", run_eagerly=eager, jit_compile=False)
    tf.config.run_functions_eagerly(True)
    try:
        rbm.fit(datasets.batches(grey, batch_size=10, seed=0), epochs=2, verbose=0)
    finally:
        tf.config.run_functions_eagerly(False)
    seen = np.concatenate(rbm.seen)
    assert len(seen) == 80
    np.testing.assert_array_equal(seen[:, :2], np.tile([1.0, 0.0], (80, 1)))
    assert set(np.unique(seen[:, 2:])) == {0.0, 1.0}
    assert not np.array_equal(seen[:40], seen[40:])


def test_a_seed_of_all_generators_rules_a_machine_without_one():
    orders = []
    for seed in (1, 1, 2):
        keras.utils.set_random_seed(seed)
        orders.append(cases_of(batches(feeds.Resident((CASES, None, None), 5), draws=RandomStream())))
    np.testing.assert_array_equal(orders[0], orders[1])
    assert not np.array_equal(orders[0], orders[2])


@pytest.mark.parametrize("binarize", ["sample", "none"])
def test_a_pipeline_begins_with_any_pass(binarize):
    """Its order and its samples are those that the pass would have had; iterators that are not used count nothing."""

    def passes(epoch, number):
        data = datasets.batches(np.linspace(0, 1, 30)[:, None], np.arange(30), 8, binarize, seed=0, epoch=epoch)
        iter(data)
        assert data.cardinality() == 4
        return [[(x.numpy().ravel().tolist(), y.numpy().tolist()) for x, y in data] for _ in range(number)]

    first, second, third = passes(0, 3)
    assert first != second != third
    assert passes(2, 1) == [third]
