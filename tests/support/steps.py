"""What a step says, asked directly."""

from __future__ import annotations

from typing import Any
from unittest import mock

import tensorflow as tf

from keras_rbm import RBM, samplers
from keras_rbm.training.faults import Batch
from keras_rbm.training.learner import Learner, StepResult


def gradients_of(model: Learner, v: Any, weights: Any, y: Any = None) -> StepResult:
    """A batch's values and gradients; frames of weight 0 are padding."""
    return model._gradients(Batch(v, weights, y, weights > 0 if len(v.shape) == 3 else None))


def contrastive_gradients(rbm: RBM, v: tf.Tensor, weights: tf.Tensor, samples: samplers.Samples) -> StepResult:
    """Data against given samples."""
    with mock.patch.object(rbm.sampler, "negative_phase", return_value=samples):
        return rbm._contrastive_gradients(v, weights).result
