"""Words for what arguments may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import tensorflow as tf

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
