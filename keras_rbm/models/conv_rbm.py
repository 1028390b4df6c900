"""The convolutional restricted Boltzmann machine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from keras_rbm import units as unit_kinds
from keras_rbm.arguments import per_axis, positive_integer
from keras_rbm.models.convolution import Convolution
from keras_rbm.models.rbm import RBM
from keras_rbm.types import Array, SamplerLike, UnitLike

#: A hidden bias at which units are on one time in twenty.
_SILENT = -3.0


def _group_error(units: unit_kinds.Unit, number: int, what: str) -> ValueError | None:
    """What is wrong with so many channels of softmax units, whose groups lie at one position, if anything is."""
    if not isinstance(units, unit_kinds.Softmax) or isinstance(units, unit_kinds.MaxPooled):
        return None
    if number % units.num_states == 0:
        return None
    return ValueError(
        f"Softmax units of a position come in groups of num_states={units.num_states}, which {what} must be a multiple "
        f"of. Received: {number} {what}."
    )


def _one_of(value: Any, name: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"`{name}` must be {' or '.join(map(repr, known))}. Received: {name}={value!r}")
    return value


@keras.saving.register_keras_serializable("keras_rbm")
class ConvRBM(RBM):
    """A restricted Boltzmann machine whose weights are filters that slide over pictures.

        E(v, h) = base(v) - b . v + base(h) - c . h - sum_k h_k . (v * w_k)

    `*` is the correlation that `keras.layers.Conv2D` computes, and `w_rec` has the shape of its kernel, `(height,
    width, channels, filters)`. All units of a filter's map share one hidden bias, all pixels of a channel one visible
    bias. With `pool_size` above 1 at most one unit of a pool is on (`units.MaxPooled`: probabilistic max-pooling).

    As a layer it maps pictures `(batch, height, width, channels)` to the means of its pools, `(batch, rows, columns,
    filters)`. As a model it is an `RBM`: samplers, centring, penalties, likelihoods, clamping and imputation are its.
    A mean over hidden units, such as a `Sparsity` looks at, goes over the cases and over a filter's positions.

    A weight is used at every position, so its gradient is a sum over them: take learning rates of a hundredth of an
    `RBM`'s, or Adam.

    Args:
        filters: number of feature maps.
        kernel_size: height and width of the filters, or one number for both.
        pool_size: the same of pools; 1 is none. Where pools do not divide a map, the last ones are smaller.
        strides: steps of the filters.
        padding: `"valid"`, filters inside the picture, or `"same"`, as many positions as pixels (divided by strides),
            with zeros around.
        visible: kind of the pixels. `units.Softmax(num_states=channels)` has one-hot channels.
        hidden: kind of the detection units; pools are of Bernoulli units. `None` is Bernoulli units that start silent,
            with a bias of -3: of units that are on half of the time, as many as filters times pixels, each learns next
            to nothing.
        rank: 2 for pictures; 1 for sequences `(batch, time, channels)`, and sizes of one axis.
        visible_bias: `"channel"`: one a channel, or `"position"`: one a pixel and channel.
        output: what the layer gives: `"pooled"` means, or `"detection"` means, before pooling.
        kwargs: what `RBM` takes.

    Raises:
        ValueError: for counts that are not positive, other words, units of several kinds, pools of other units than
            Bernoulli ones, pictures too small for a filter and a pool, and as `RBM` does.

    Example:

    ```python
    rbm = keras_rbm.ConvRBM(24, kernel_size=7, pool_size=2, sampler="pcd", seed=0)
    rbm.adapt(images)  # (cases, 28, 28, 1)
    rbm.compile(keras.optimizers.Adam(1e-3))
    rbm.fit(images, batch_size=100, epochs=3)
    ```

    Reference:
        Lee, Grosse, Ranganath & Ng, 2009, "Convolutional deep belief networks for scalable unsupervised learning of
        hierarchical representations", sections 3.2 and 3.3.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int | Sequence[int],
        pool_size: int | Sequence[int] = 1,
        strides: int | Sequence[int] = 1,
        padding: str = "valid",
        visible: UnitLike = "bernoulli",
        hidden: UnitLike | None = None,
        sampler: SamplerLike = "cd",
        rank: int = 2,
        visible_bias: str = "channel",
        output: str = "pooled",
        **kwargs: Any,
    ) -> None:
        self.rank = rank
        if positive_integer(rank, "rank") > 2:
            raise ValueError(f"`rank` must be 2, for pictures, or 1, for sequences. Received: rank={rank}")
        self.kernel_size = per_axis(kernel_size, "kernel_size", rank)
        self.pool_size, self.strides = per_axis(pool_size, "pool_size", rank), per_axis(strides, "strides", rank)
        self.padding = _one_of(padding, "padding", ("valid", "same"))
        self.visible_bias_of = _one_of(visible_bias, "visible_bias", ("channel", "position"))
        self.output_of = _one_of(output, "output", ("pooled", "detection"))
        self.filters = positive_integer(filters, "filters")
        if hidden is None:
            silent = keras.initializers.Constant(_SILENT)
            hidden = unit_kinds.Bernoulli(bias_initializer=silent, dtype=kwargs.get("dtype"), name="hidden")
        kind = unit_kinds.get(hidden)
        if max(self.pool_size) > 1 and not isinstance(kind, unit_kinds.MaxPooled):
            if not isinstance(kind, unit_kinds.Bernoulli):
                raise ValueError(
                    "Pools are of Bernoulli units, at most one of which is on. "
                    f"Received: hidden={type(kind).__name__}, pool_size={self.pool_size}. Use pool_size=1."
                )
            config = {**kind.get_config(), "dtype": kwargs.get("dtype"), "name": "hidden"}
            hidden = unit_kinds.MaxPooled(self._two_axes(self.pool_size), **config)
        super().__init__(filters, visible, hidden, sampler, **kwargs)
        for side in (self.visible, self.hidden):
            if isinstance(side, unit_kinds.Mixed):
                raise ValueError("All units of a side of a ConvRBM are of one kind. Received: Mixed units.")
        if error := _group_error(self.hidden, filters, "filters"):
            raise error
        if (pools := self._pools()) and pools.pool_size != self._two_axes(self.pool_size):
            raise ValueError(
                f"Pools are those of `pool_size`. Received: pool_size={self.pool_size}, and hidden units with pools of "
                f"{pools.pool_size}. Leave `hidden` out."
            )

    def _two_axes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Sizes of sequences, which inside are pictures one pixel high."""
        return (1,) * (2 - self.rank) + sizes

    _sees_positions = True

    # --- shapes

    def _build_units(self, shape: tuple[int, ...]) -> tuple[tuple[int, ...], list[tuple[int, ...]]]:
        self._data_shape = shape
        self._convolution = self._convolution_of(shape)
        within = shape if self.visible_bias_of == "channel" else (math.prod(shape),)
        self.visible.build((None, *within))
        self.hidden.build((None, *self._convolution.map_shape))
        return (*self.kernel_size, shape[-1], self.filters), [shape[-1:], (self.filters,)]

    def _convolution_of(self, shape: tuple[int, ...]) -> Convolution:
        pictures = (1,) * (2 - self.rank) + shape
        sizes = self._two_axes(self.kernel_size), self._two_axes(self.strides)
        return Convolution(pictures, *sizes, self.filters, self.padding.upper())

    @property
    def data_shape(self) -> tuple[int, ...]:
        return self._data_shape

    @property
    def map_shape(self) -> tuple[int, ...]:
        """Of the detection units of a case: height, width and filters."""
        return self._convolution.map_shape[2 - self.rank :]

    @property
    def output_shape_of_case(self) -> tuple[int, ...]:
        """Of what the layer gives for a case."""
        return self._output_shape(self._convolution)

    def _output_shape(self, convolution: Convolution) -> tuple[int, ...]:
        pool = self._two_axes(self.pool_size if self.output_of == "pooled" else (1,) * self.rank)
        sizes = [-(-n // k) for n, k in zip(convolution.map_shape[:2], pool, strict=True)]
        return (*sizes[2 - self.rank :], self.filters)

    def compute_output_shape(self, input_shape: Any) -> tuple[int | None, ...]:
        return (input_shape[0], *self._output_shape(self._convolution_of(tuple(input_shape[1:]))))

    def _shape_error(self, shape: Any, width: int | None = None) -> ValueError | None:
        shape = tuple(shape)
        wanted = None if not self.built else self.map_shape if width else self.data_shape
        if wanted and (shape[1:] == wanted or shape[1:] == (math.prod(wanted),)):
            return None  # pictures, or the rows that they are inside
        words = ("height", "width") if self.rank == 2 else ("time",)
        form = ", ".join(map(str, wanted)) if wanted else ", ".join((*words, "channels"))
        if len(shape) != self.rank + 2 or wanted:
            axis = "cases: x[None]" if shape == wanted else "channels: x[..., None]"
            hint = f" Add the axis of {axis}." if len(shape) == self.rank + 1 else ""
            return ValueError(f"Inputs must have shape (batch, {form}). Received: shape={shape}.{hint}")
        if None in shape[1:] or 0 in shape[1:]:
            return ValueError(f"Inputs must have a known shape (batch, {form}), without 0. Received: shape={shape}.")
        if error := _group_error(self.visible, shape[-1], "channels"):
            return error
        if min(self._convolution_of(shape[1:]).map_shape) < 1:
            return ValueError(
                f"Filters must fit into what they slide over: kernel_size={self.kernel_size}, padding='valid'. "
                f"Received: shape={shape}. Use smaller filters, or padding='same'."
            )
        return self._pool_error(shape)

    def _pool_error(self, shape: tuple[int, ...]) -> ValueError | None:
        sizes = self._convolution_of(shape[1:]).map_shape[2 - self.rank : 2]
        if all(n >= k for n, k in zip(sizes, self.pool_size, strict=True)):
            return None
        return ValueError(
            f"Pools must fit into the maps of detection units: pool_size={self.pool_size}. "
            f"Received: shape={shape}, whose maps have size {sizes}. Use smaller pools."
        )

    def _in_rows(self, x: Any) -> Any:
        if isinstance(x, np.ndarray):
            return x.reshape(len(x), -1)
        shape = tuple(x.shape[1:]) if x.shape.rank else self.data_shape
        return tf.reshape(x, (-1, math.prod(shape)))

    def _as_maps(self, h: tf.Tensor) -> tf.Tensor:
        return tf.reshape(h, (-1, *self.map_shape))

    def _work(self) -> int:
        return math.prod(self.map_shape) * math.prod(self.w_rec.shape[:-1])

    # --- conditionals

    def _product(self, x: tf.Tensor, kernel: Any, transpose: bool = False) -> tf.Tensor:
        dtype, convolution = self.compute_dtype, self._convolution
        kernel = tf.cast(kernel, dtype)
        kernel = kernel[None] if self.rank == 1 else kernel
        return tf.cast((convolution.down if transpose else convolution.up)(tf.cast(x, dtype), kernel), x.dtype)

    def visible_input(self, h: tf.Tensor) -> tf.Tensor:
        return self._down(h, self.w_gen)

    def _w_gen_from(self, w_rec: Any) -> tf.Tensor:
        return tf.convert_to_tensor(w_rec)  # as `keras.layers.Conv2DTranspose` has it

    def weight_matrix(self) -> tf.Tensor:
        if not self.built:
            raise ValueError("A machine must be built before it has weights. Fit it, adapt it or call it on data.")
        w = tf.cast(self.w_rec, tf.float64)
        return self._convolution.up(tf.eye(self.visible.width, dtype=w.dtype), w[None] if self.rank == 1 else w)

    def _weights_of(self, site: tf.Tensor) -> tf.Tensor:
        return self.hidden_input(tf.one_hot(site, self.visible.width, dtype=self.state_dtype))

    def mean_h_from_v(self, v: Array, beta: Any = 1.0) -> tf.Tensor:
        return self._as_maps(super().mean_h_from_v(v, beta))

    def sample_h_from_v(self, v: Array, beta: Any = 1.0) -> tf.Tensor:
        return self._as_maps(super().sample_h_from_v(v, beta))

    def encode(self, v: Array) -> tf.Tensor:
        field = self.hidden_field(self._as_states(v))
        means = (self.hidden.mean if self.output_of == "detection" else self.hidden.pooled_mean)(field)
        return tf.reshape(means, (-1, *self.output_shape_of_case))

    def _reconstruction_field(self, v: Any) -> tf.Tensor:
        return self.visible_field(self.hidden.mean(self.hidden_field(self._as_states(v))))

    # --- pools

    def _pools(self) -> unit_kinds.MaxPooled | None:
        return self.hidden if isinstance(self.hidden, unit_kinds.MaxPooled) else None

    def _one_of_each(self) -> tf.Tensor:
        middle = np.ravel_multi_index([n // 2 for n in self.map_shape[:-1]], self.map_shape[:-1])
        return tf.one_hot(middle * self.filters + np.arange(self.filters), self.hidden.width, dtype=self.state_dtype)

    def _plain_layers(self, name: str) -> list[keras.layers.Layer]:
        units, scale = self.hidden, np.ones(self.filters)
        if isinstance(units, (unit_kinds.Gaussian, unit_kinds.ReLU)):
            scale = np.asarray(units.precision)[: self.filters]
        elif not isinstance(units, (unit_kinds.Bernoulli, unit_kinds.Spin, unit_kinds.MaxPooled)):
            raise ValueError(f"No plain layer computes the means of maps of {type(units).__name__} units.")
        kind = keras.layers.Conv1D if self.rank == 1 else keras.layers.Conv2D
        activation = None if self._pools() else units.activation
        layer = kind(self.filters, self.kernel_size, self.strides, self.padding, activation=activation, name=name)
        layer.build((None, *self.data_shape))
        layer.set_weights([np.asarray(self.w_rec) / scale, np.asarray(units.bias) / scale])
        if pools := self._pools():
            return [layer, pools.as_layer_of_maps(f"{name}_pools", self.rank, self.output_of == "pooled")]
        return [layer]

    # --- learning

    def _offset_means(self, v: tf.Tensor, h: tf.Tensor) -> list[tf.Tensor]:
        return [tf.reduce_mean(tf.reshape(x, (-1, n)), 0) for x, n in ((v, self.data_shape[-1]), (h, self.filters))]

    def _centered(
        self, dw: tf.Tensor, db: tf.Tensor, dc: tf.Tensor, offsets: list[tf.Tensor]
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        # The gradient in w, b + L(w) and c + M(w), told in w, b and c: L and M are what mean states bring to a pixel's
        # and a unit's field. Where one bias is for all positions, they are averages over these.
        mu, lam = offsets
        w_shape, each = dw.shape, tf.constant(self._convolution.num_pairs(), dw.dtype)[..., None, None]
        dw = tf.reshape(dw, (*each.shape[:2], *w_shape[-2:]))
        to_unit = each / math.prod(self._convolution.map_shape[:2]) * mu[:, None]
        if self.visible_bias_of == "channel":
            to_pixel = each / math.prod(self._convolution.shape[:2]) * lam
            dw -= to_unit * dc + to_pixel * db[:, None]
            db -= tf.reduce_sum(dw * to_pixel, (0, 1, 3))
        else:
            means = tf.tile(lam, [math.prod(self._convolution.map_shape[:2])])[None]
            dw -= to_unit * dc + self._convolution.pairs(db[None], means)
            db -= self._convolution.down(means, dw)[0]
        dc -= tf.reduce_sum(dw * to_unit, (0, 1, 2))
        return tf.reshape(dw, w_shape), db, dc

    def get_config(self) -> dict:
        config = super().get_config()
        del config["units"]
        return {
            **config,
            "filters": self.filters,
            "kernel_size": list(self.kernel_size),
            "pool_size": list(self.pool_size),
            "strides": list(self.strides),
            "padding": self.padding,
            "rank": self.rank,
            "visible_bias": self.visible_bias_of,
            "output": self.output_of,
        }
