"""Multi-prediction training of a deep Boltzmann machine: some of what is known is predicted from the rest."""

from __future__ import annotations

import tensorflow as tf

from keras_rbm.models.deep.layered import Layered
from keras_rbm.models.deep.mean_field import Posterior, field_of, mean_field
from keras_rbm.random import Draws
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares


def masked_sites(dbm: Layered, known: dict[int, tf.Tensor], rate: float, draws: Draws) -> dict[int, tf.Tensor]:
    """Which sites of data and labels are to be predicted, 1, or are seen, 0: of each case others, `(batch, sites)`, by
    the layer's number."""
    masks = {}
    for i, x in known.items():
        sites = tf.zeros((tf.shape(x)[0], dbm.groups[i].num_sites), x.dtype)
        masks[i] = tf.cast(draws.uniform_like(sites) < rate, x.dtype)
    return masks


def prediction_error(
    dbm: Layered, known: dict[int, tf.Tensor], masks: dict[int, tf.Tensor], num_steps: int
) -> tuple[tf.Tensor, Posterior]:
    """Minus `log Q(masked sites)`, nats, `(batch,)`, and `Q`: what mean field makes of the others in so many steps."""
    seen = {i: 1 - dbm.groups[i].per_unit(mask) for i, mask in masks.items()}
    posterior = mean_field(dbm, known, num_steps, 0.0, seen=seen)
    error = tf.zeros(tf.shape(known[0])[:1], known[0].dtype)
    for i, mask in masks.items():
        error -= dbm.groups[i].log_prob(known[i], field_of(dbm, posterior, i), mask)
    return error, posterior


def multi_prediction(
    dbm: Layered, known: dict[int, tf.Tensor], weights: tf.Tensor, num_steps: int, rate: float
) -> StepResult:
    """What data teach by the gradient of `prediction_error`, back through all steps of mean field.

    Args:
        known: states of data, and of label units if there are some, by the layer's number.
        weights: what each case counts, `(batch,)`.
        rate: of the sites that are predicted.

    Reference:
        Goodfellow, Mirza, Courville & Bengio, 2013, "Multi-prediction deep Boltzmann machines", section 3.
    """
    masks = masked_sites(dbm, known, rate, dbm.stream)
    (share,) = shares(weights)
    with tf.GradientTape() as tape:
        tape.watch([variable.value for some in dbm._parameters() for variable in some])
        losses, posterior = prediction_error(dbm, known, masks, num_steps)
        loss = mean(losses, share)
    plain = tape.gradient(loss, dbm._parameters(), unconnected_gradients="zero")
    means = {**posterior.means, **known}
    settled = dbm._settled(plain, [means[i] for i in range(len(dbm.groups))], share)

    def watched() -> dict[str, tf.Tensor]:
        h = mean_field(dbm, known, num_steps, 0.0).means[1]
        return {"reconstruction_error": dbm.visible.reconstruction_error(known[0], dbm._field_below(h))}

    values = {"loss": losses, "mean_field_residual": posterior.residual}
    return StepResult(values, settled.gradients, settled.keep_offsets, watched)
