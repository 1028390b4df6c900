"""Convolutions of rows and their transposes, against loops over positions."""

import functools
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import ConvRBM
from keras_rbm.models import convolution
from keras_rbm.models.convolution import Convolution
from tests.oracles.conv import Links, links_of
from tests.support.statistics import assert_rounded

FILTERS = 3
#: What fits of all shapes of pictures, kernels, strides and paddings.
ALL = [
    each
    for each in itertools.product(
        [(5, 6, 2), (1, 7, 3), (4, 4, 1)],
        [(1, 1), (1, 2), (3, 3), (2, 3), (4, 2)],
        [(1, 1), (2, 1), (2, 2), (1, 3)],
        ["VALID", "SAME"],
    )
    if min(Convolution(*each[:3], FILTERS, each[3]).map_shape) > 0
]
every_shape = pytest.mark.parametrize("shape", [(5, 6, 2), (1, 7, 3), (4, 4, 1)], ids=str)


def of_shape(shape) -> list[Convolution]:
    return [Convolution(*each[:3], FILTERS, each[3]) for each in ALL if each[0] == shape]


def numbers(c: Convolution) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Two pictures, two maps, and weights."""
    rng = np.random.default_rng(0)
    sizes = (2, math.prod(c.shape)), (2, math.prod(c.map_shape)), (*c.kernel_size, c.shape[2], c.filters)
    return tuple(tf.constant(rng.normal(size=size)) for size in sizes)


@functools.cache
def links(c: Convolution) -> Links:
    rbm = ConvRBM(c.filters, c.kernel_size, strides=c.strides, padding=c.padding.lower())
    rbm.build((None, *c.shape))
    assert rbm.map_shape == c.map_shape
    return links_of(rbm)


def by_loops(c: Convolution, v, h, w) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What pictures bring up, what maps bring down, and sums of products of what each weight connects."""
    at, (v, h, w) = links(c), (np.asarray(x) for x in (v, h, w))
    up, down, pairs = np.zeros(h.shape), np.zeros(v.shape), np.zeros(w.size)
    each = w.ravel()[at.weight]
    np.add.at(up, (slice(None), at.unit), v[:, at.pixel] * each)
    np.add.at(down, (slice(None), at.pixel), h[:, at.unit] * each)
    np.add.at(pairs, at.weight, (v[:, at.pixel] * h[:, at.unit]).sum(0))
    return up, down, pairs.reshape(w.shape)


@every_shape
@pytest.mark.parametrize("pay", [0.0, 1e9], ids=["by filters", "by lines"])
def test_up_down_and_pairs(shape, pay, monkeypatch):
    """Both ways down; where filters take longer steps there is a third."""
    monkeypatch.setattr(convolution, "_LINES_PAY", pay)
    for c in of_shape(shape):
        v, h, w = numbers(c)
        up, down, pairs = by_loops(c, v, h, w)
        assert_rounded(c.up(v, w), up)
        assert_rounded(c.down(h, w), down)
        assert_rounded(c.pairs(v, h), pairs)


@every_shape
@pytest.mark.parametrize("direction", ["up", "down"])
def test_gradients(shape, direction):
    """And gradients of gradients: a penalty's."""
    for c in of_shape(shape)[::3]:
        v, h, w = numbers(c)
        up, down, pairs = by_loops(c, v, h, w)
        with tf.GradientTape(persistent=True) as outer:
            outer.watch([v, h, w])
            with tf.GradientTape() as tape:
                tape.watch([v, h, w])
                total = tf.reduce_sum(c.up(v, w) * h if direction == "up" else c.down(h, w) * v)
            found = tape.gradient(total, [v, h, w])
            square = tf.reduce_sum(found[0] ** 2)  # of what maps bring down
        for actual, expected in zip(found, (down, up, pairs), strict=True):
            assert_rounded(actual, expected)
        twice = by_loops(c, 2 * down, h, w)
        assert_rounded(outer.gradient(square, h), twice[0])
        assert_rounded(outer.gradient(square, w), twice[2])


def test_the_number_of_pairs():
    """Of each place of the kernel: fewer at the edges where zeros lie around a picture."""
    for each in ALL:
        c = Convolution(*each[:3], FILTERS, each[3])
        counts = np.bincount(links(c).weight, minlength=math.prod(c.kernel_size) * c.shape[2] * FILTERS)
        np.testing.assert_array_equal(c.num_pairs(), counts.reshape(*c.kernel_size, -1)[..., 0])


@pytest.mark.parametrize("compiled", [False, True], ids=["graph", "xla"])
def test_compiled_with_batches_of_any_size(compiled):
    for c in (
        Convolution((5, 6, 2), (2, 3), (1, 1), FILTERS, "SAME"),
        Convolution((5, 6, 2), (3, 2), (2, 1), 3, "SAME"),
    ):
        v, h, w = numbers(c)
        ask = tf.function(
            lambda v, h, w, c=c: (c.up(v, w), c.down(h, w), c.pairs(v, h)),
            input_signature=[tf.TensorSpec((None, x.shape[1]), x.dtype) for x in (v, h)]
            + [tf.TensorSpec(w.shape, w.dtype)],
            jit_compile=compiled,
        )
        for actual, expected in zip(ask(v, h, w), by_loops(c, v, h, w), strict=True):
            assert_rounded(actual, expected)
