"""Convolutions and their transposes, of states that are rows."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm.special import custom_gradient

#: The most that a product of whole lines may cost in place of a convolution downwards: how often the kernel fits into a
#: line, times the root of the number of channels. Measured: with few channels convolutions are slow on a CPU.
_LINES_PAY = 12.0


class Convolution(NamedTuple):
    """The linear map from pictures to feature maps, and its transpose.

    Rows `(batch, units)` have the channels of a position side by side. Weights have the shape of a kernel of
    `keras.layers.Conv2D`, `(kernel height, kernel width, channels, filters)`.

    Args:
        shape: height, width and channels of the pictures.
        kernel_size, strides: of each axis.
        filters: channels of the maps.
        padding: `"VALID"` or `"SAME"`, as TensorFlow has it.
    """

    shape: tuple[int, ...]
    kernel_size: tuple[int, ...]
    strides: tuple[int, ...]
    filters: int
    padding: str

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Height, width and channels of the maps; a size below 1 says that the pictures are too small."""
        if self.padding == "SAME":
            sizes = [-(-n // step) for n, step in zip(self.shape[:2], self.strides, strict=True)]
        else:
            axes = zip(self.shape[:2], self.kernel_size, self.strides, strict=True)
            sizes = [(n - k) // step + 1 for n, k, step in axes]
        return (*sizes, self.filters)

    def up(self, v: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """What pictures `(batch, height * width * channels)` bring to the maps, `(batch, units)`."""

        @custom_gradient
        def product(v: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Any]:
            maps = tf.nn.conv2d(self._pictures(v), w, self.strides, self.padding)
            return self._rows(maps), lambda dh: (self.down(dh, w), self.pairs(v, dh))

        return product(v, w)

    def down(self, h: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """What maps `(batch, units)` bring to the pictures, `(batch, height * width * channels)`."""
        channels, width = self.shape[2], self.shape[1]
        few = width / self.kernel_size[1] * math.sqrt(channels) < _LINES_PAY

        @custom_gradient
        def product(h: tf.Tensor, w: tf.Tensor) -> tuple[tf.Tensor, Any]:
            maps = self._maps(h)
            if self.strides != (1, 1):
                pictures = self._down_by_steps(maps, w)
            else:
                pictures = (self._down_by_lines if few else self._down_by_filters)(maps, w)
            return self._rows(pictures), lambda dv: (self.up(dv, w), self.pairs(dv, h))

        return product(h, w)

    def pairs(self, v: tf.Tensor, h: tf.Tensor) -> tf.Tensor:
        """Sums of products of pixels and units that a weight connects, of all rows: of the shape of the weights."""
        pictures, maps = self._pictures(v), self._maps(h)
        channels = self.shape[2]
        if self.strides != (1, 1):
            sizes = (*self.kernel_size, channels, self.filters)
            options = {"strides": [1, *self.strides, 1], "padding": self.padding}
            return tf.raw_ops.Conv2DBackpropFilter(input=pictures, filter_sizes=sizes, out_backprop=maps, **options)
        # As a convolution of its own: XLA on a CPU is fifty times slower at the raw one inside a loop.
        (top, bottom), (left, right) = self._margins()
        pictures = tf.pad(tf.transpose(pictures, (3, 1, 2, 0)), [[0, 0], [top, bottom], [left, right], [0, 0]])
        return tf.transpose(tf.nn.conv2d(pictures, tf.transpose(maps, (1, 2, 0, 3)), 1, "VALID"), (1, 2, 0, 3))

    def num_pairs(self) -> np.ndarray:
        """How many pairs of a position in the picture and one in the map each weight connects, `kernel_size`."""
        counts = []
        sizes = zip(self.shape[:2], self.kernel_size, self.strides, self.map_shape[:2], self._margins(), strict=True)
        for n, k, step, m, (before, _) in sizes:
            at = np.arange(m)[:, None] * step - before + np.arange(k)
            counts.append(((at >= 0) & (at < n)).sum(0))
        return np.outer(*counts)

    # --- as TensorFlow has them

    def _pictures(self, v: tf.Tensor) -> tf.Tensor:
        return tf.reshape(v, (-1, *self.shape))

    def _maps(self, h: tf.Tensor) -> tf.Tensor:
        return tf.reshape(h, (-1, *self.map_shape))

    def _rows(self, x: tf.Tensor) -> tf.Tensor:
        return tf.reshape(x, (-1, math.prod(x.shape[1:])))

    def _margins(self) -> list[tuple[int, int]]:
        """Zeros around pictures, before and after, of each axis."""
        beyond = [max(k - n, 0) for n, k in zip(self.shape[:2], self._covered(), strict=True)]
        return [(zeros // 2, zeros - zeros // 2) for zeros in beyond]

    def _covered(self) -> list[int]:
        """How much of each axis, zeros around pictures included, the filters slide over."""
        axes = zip(self.kernel_size, self.strides, self.map_shape[:2], strict=True)
        return [(m - 1) * step + k for k, step, m in axes]

    # --- the transpose

    def _down_by_steps(self, maps: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """Where filters take longer steps: they may leave a margin that they do not reach, which is 0."""
        (height, width, channels), covered = self.shape, self._covered()
        pictures = tf.nn.conv2d_transpose(maps, w, (tf.shape(maps)[0], *covered, channels), self.strides, "VALID")
        beyond = [(0, max(n - k, 0)) for n, k in zip((height, width), covered, strict=True)]
        pictures = tf.pad(pictures, [(0, 0), *beyond, (0, 0)])
        (top, _), (left, _) = self._margins()
        return pictures[:, top : top + height, left : left + width]

    # --- the same where they take steps of 1

    def _down_by_filters(self, maps: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """A convolution by turned filters."""
        sizes = zip(self.kernel_size, self._margins(), strict=True)
        around = [(k - 1 - before, k - 1 - after) for k, (before, after) in sizes]
        turned = tf.transpose(w[::-1, ::-1], (0, 1, 3, 2))
        return tf.nn.conv2d(tf.pad(maps, [(0, 0), *around, (0, 0)]), turned, 1, "VALID")

    def _down_by_lines(self, maps: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """One matrix product: a line of the maps brings something to as many lines as the filter is high."""
        (height, width, channels), (tall, wide) = self.shape, self.kernel_size
        lines, columns, filters = self.map_shape
        (top, _), (left, _) = self._margins()
        # shifts[d, m, x] = 1 if column d of the filter is at column x of the picture for column m of the map.
        shifts = np.stack([np.eye(columns, width, d - left) for d in range(wide)])
        matrix = tf.einsum("dmx,ydck->mkyxc", tf.constant(shifts, maps.dtype), w)
        matrix = tf.reshape(matrix, (columns * filters, tall * width * channels))
        brought = tf.reshape(maps, (-1, columns * filters)) @ matrix
        brought = tf.reshape(brought, (-1, lines, tall, width * channels))
        total = tf.add_n([tf.pad(brought[:, :, d], [[0, 0], [d, tall - 1 - d], [0, 0]]) for d in range(tall)])
        return tf.reshape(total[:, top : top + height], (-1, height, width, channels))
