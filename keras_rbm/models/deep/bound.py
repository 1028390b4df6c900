"""The variational bound of a deep Boltzmann machine, and learning by it."""

from __future__ import annotations

import tensorflow as tf

from keras_rbm.models.deep.bipartite import Bipartite
from keras_rbm.models.deep.layered import Layered
from keras_rbm.models.deep.mean_field import Posterior
from keras_rbm.random import Draws
from keras_rbm.training.learner import StepResult
from keras_rbm.training.means import mean, shares


def variational_free_energy(dbm: Layered, known: dict[int, tf.Tensor], fields: dict[int, tf.Tensor]) -> tf.Tensor:
    """The bound where independent units in `fields` stand for the even hidden layers, the best ones for the odd.

    An independent layer in field f with mean m adds `log_partition(f) - f . m` for its entropy and base, and
    `b . m`; the odd layers are summed out given these means.
    """
    means = {**known, **{i: dbm.groups[i].mean(field) for i, field in fields.items()}}
    total = tf.add_n([dbm.groups[i].energy(x) for i, x in known.items()])
    for i, field in fields.items():
        own = tf.cast(dbm.groups[i].bias, field.dtype) - field
        total -= dbm.groups[i].log_partition(field) + tf.reduce_sum(own * means[i], -1)
    for i in range(1, len(dbm.groups), 2):
        inputs = dbm._input_to(i, means)
        if i in known:
            total -= tf.reduce_sum(inputs * known[i], -1)
        else:
            total -= dbm.groups[i].log_partition(dbm.groups[i].field(inputs))
    return total


def drawn(
    rbm: Bipartite, known: dict[int, tf.Tensor], fields: dict[int, tf.Tensor], draws: Draws
) -> tuple[tf.Tensor, tf.Tensor]:
    """States of the even layers, side by side, drawn where `fields` are given, and the log-probability of these."""
    states, log_q = dict(known), tf.zeros(tf.shape(known[0])[:1], known[0].dtype)
    for i, field in fields.items():
        units = rbm.dbm.groups[i]
        states[i] = units.sample(field, draws)
        log_q += units.log_prob(states[i], field)
    return rbm.together(states), log_q


def bound_gradients(
    rbm: Bipartite, known: dict[int, tf.Tensor], posterior: Posterior, weights: tf.Tensor
) -> StepResult:
    """What data teach by the bound's gradient at their posterior, against samples of the model.

    Args:
        known: states of layers, by number.
        weights: what each case counts, `(batch,)`.
    """
    dbm = rbm.dbm
    states, log_q = drawn(rbm, known, posterior.fields, dbm.stream)
    samples = dbm.sampler.negative_phase(rbm, states, weights)
    x_model = tf.stop_gradient(samples.v)
    share, share_of_samples = shares(weights, samples.weights)
    with tf.GradientTape() as tape:
        tape.watch([variable.value for some in dbm._parameters() for variable in some])
        # Less the entropy, which no parameter moves, this is a free energy.
        losses = variational_free_energy(dbm, known, posterior.fields) - tf.stop_gradient(log_q)
        energy_of_samples = mean(rbm.free_energy(x_model), share_of_samples)
        loss = mean(losses, share) - energy_of_samples
    plain = tape.gradient(loss, dbm._parameters())
    means = [posterior.means[i] for i in range(len(dbm.groups))]
    settled = dbm._settled(plain, means, share, energy_of_samples)

    def commit() -> None:
        settled.keep_offsets()
        sides = [tf.concat(settled.biases[first::2], 0) for first in (0, 1)]
        dbm.sampler.update(samples, [rbm.assembled(settled.kernels), *sides])

    values = {
        "loss": losses - settled.sums[0],
        "mean_field_residual": posterior.residual,
        **{name: tf.fill(tf.shape(weights), x) for name, x in samples.logs.items()},
    }

    def watched() -> dict[str, tf.Tensor]:
        return {"reconstruction_error": dbm.visible.reconstruction_error(known[0], dbm._field_below(means[1]))}

    return StepResult(values, settled.gradients, commit, watched)
