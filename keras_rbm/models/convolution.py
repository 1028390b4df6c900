"""Convolutions and their transposes, of states that are rows."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

#: The most that a product of whole lines may cost in place of a transposed convolution: how often the kernel fits into
#: a line, times the root of the number of channels. Measured: with few channels convolutions are slow on a CPU.
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
        maps = tf.nn.conv2d(tf.reshape(v, (-1, *self.shape)), w, self.strides, self.padding)
        return tf.reshape(maps, (-1, math.prod(self.map_shape)))

    def down(self, h: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """What maps `(batch, units)` bring to the pictures, `(batch, height * width * channels)`."""
        maps = tf.reshape(h, (-1, *self.map_shape))
        height, width, channels = self.shape
        if self.strides == (1, 1) and width / self.kernel_size[1] * math.sqrt(channels) < _LINES_PAY:
            return self._down_by_lines(maps, w)
        pictures = tf.nn.conv2d_transpose(maps, w, (tf.shape(h)[0], *self.shape), self.strides, self.padding)
        return tf.reshape(pictures, (-1, height * width * channels))

    def _down_by_lines(self, maps: tf.Tensor, w: tf.Tensor) -> tf.Tensor:
        """`down` as one matrix product: a line of the maps brings something to as many lines as the kernel is high."""
        (height, width, channels), (tall, wide) = self.shape, self.kernel_size
        lines, columns, filters = self.map_shape
        top, left = (max(m + k - 1 - n, 0) // 2 for m, k, n in ((lines, tall, height), (columns, wide, width)))
        # shifts[d, X, x] = 1 if column d of the kernel is at column x of the picture for column X of the map.
        shifts = np.stack([np.eye(columns, width, d - left) for d in range(wide)])
        matrix = tf.einsum("dXx,ydck->Xkyxc", tf.constant(shifts, maps.dtype), w)
        matrix = tf.reshape(matrix, (columns * filters, tall * width * channels))
        brought = tf.reshape(maps, (-1, columns * filters)) @ matrix
        brought = tf.reshape(brought, (-1, lines, tall, width * channels))
        total = tf.add_n([tf.pad(brought[:, :, d], [[0, 0], [d, tall - 1 - d], [0, 0]]) for d in range(tall)])
        return tf.reshape(total[:, top : top + height], (-1, height * width * channels))
