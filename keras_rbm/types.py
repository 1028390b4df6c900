"""Words for what arguments may be."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf

if TYPE_CHECKING:
    from keras_rbm.samplers.sampler import Sampler
    from keras_rbm.units.unit import Unit

#: Numbers as NumPy takes them, or a tensor.
Array: TypeAlias = npt.ArrayLike | tf.Tensor
#: Cases, all at once or batch by batch.
Data: TypeAlias = npt.ArrayLike | tf.data.Dataset
#: An inverse temperature: of all chains, or `(chains, 1)`.
Beta: TypeAlias = float | tf.Tensor
#: The bias of a group: a number of all units, one a unit, or one a unit and case.
Bias: TypeAlias = float | np.ndarray | tf.Tensor
#: How many, known now or when a compiled function runs.
Count: TypeAlias = int | tf.Tensor
#: Inverse temperatures in order.
Betas: TypeAlias = Sequence[float] | np.ndarray
#: Whether to show how far something is: `"auto"`, where a person watches; 0, never.
Verbose: TypeAlias = int | bool | str
#: Where files are, or go.
File: TypeAlias = str | os.PathLike
#: What stands for an object: a name, a config, or the object.
UnitLike: TypeAlias = "str | dict[str, Any] | Unit"
SamplerLike: TypeAlias = "str | dict[str, Any] | Sampler"
OptimizerLike: TypeAlias = str | dict[str, Any] | keras.optimizers.Optimizer
Initializer: TypeAlias = str | dict[str, Any] | keras.initializers.Initializer | None
Regularizer: TypeAlias = str | dict[str, Any] | keras.regularizers.Regularizer | None
Constraint: TypeAlias = str | dict[str, Any] | keras.constraints.Constraint | None
Callbacks: TypeAlias = Sequence[keras.callbacks.Callback] | keras.callbacks.Callback | keras.callbacks.CallbackList
