"""The recurrent temporal RBM."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import keras
import tensorflow as tf

from keras_rbm.models.sequence.rnn_rbm import RNNRBM


@keras.saving.register_keras_serializable("keras_rbm")
class RTRBM(RNNRBM):
    """The recurrent temporal RBM: an RNN-RBM whose recurrent units are the means of the RBM's own hidden units.

        u_t = E[h | v_t, c_t] = mean(c + v_t . w_rec + u_{t-1} . w_uh)
        b_t = b + u_{t-1} . w_uv        c_t = c + u_{t-1} . w_uh        u_0 = 0

    So weights and hidden biases learn from the frame itself and, by back-propagation through time, from those after it.

    Args:
        units: number of hidden units, and of recurrent ones.
        kwargs: what `RNNRBM` takes, but `recurrent`.

    Raises:
        ValueError: if `recurrent` is given, or as `RNNRBM` does.

    Example:

    ```python
    model = keras_rbm.RTRBM(100, sampler=keras_rbm.samplers.CD(15), seed=0)
    ```

    Reference:
        Sutskever, Hinton & Taylor, 2008, "The recurrent temporal restricted Boltzmann machine".
    """

    def __init__(self, units: int, **kwargs: Any) -> None:
        if "recurrent" in kwargs:
            raise ValueError("The recurrence of an RTRBM is that of its hidden units. Received: recurrent")
        super().__init__(units, **kwargs)

    def _recurrence(self, recurrent: Any) -> list[keras.layers.Layer]:
        cell = _MeansOfHidden(self, name="means_of_hidden", dtype=self.dtype_policy)
        return [keras.layers.RNN(cell, return_sequences=True, return_state=True, dtype=self.dtype_policy)]

    @property
    def _recurrent_variables(self) -> list:
        return [self.w_uh]

    @property
    def _recurrent_width(self) -> int:
        return self.units

    def _recurrent_input(self, v: tf.Tensor) -> tf.Tensor:
        inputs = self.rbm.hidden_input(tf.reshape(v, (-1, v.shape[-1])))
        return tf.reshape(inputs, tf.concat([tf.shape(v)[:-1], [self.units]], 0))

    def _recurrent_config(self) -> dict:
        return {}


class _MeansOfHidden(keras.layers.Layer):
    """A cell without weights of its own: those of the model that it belongs to."""

    def __init__(self, model: RTRBM, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.state_size = model.units
        self._model = SimpleNamespace(it=model)  # not tracked: the model has the cell, not the other way round

    def build(self, *_: Any) -> None:
        self.built = True

    def call(self, inputs: tf.Tensor, states: Any) -> tuple:
        model = self._model.it
        inputs = tf.cast(inputs, model.state_dtype) + model.rbm._product(
            tf.cast(states[0], model.state_dtype), model.w_uh
        )
        u = tf.cast(model.hidden.mean(model.hidden.field(inputs)), states[0].dtype)
        return u, [u]
