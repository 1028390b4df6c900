"""Annealed importance sampling, in both directions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm import progress, replicas
from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import checked_betas, checked_seed, positive_integer
from keras_rbm.likelihood.exact import can_be_exact, check_normalizable, exact_draws
from keras_rbm.likelihood.keys import Use, key_at, key_of
from keras_rbm.likelihood.partition import LogPartition
from keras_rbm.random import Draws
from keras_rbm.samplers.chains import sweep, sweep_from
from keras_rbm.scored import Scored, checked_model
from keras_rbm.types import Betas, Data, Verbose
from keras_rbm.units.moments import moments

#: Temperatures, or sweeps, between two returns to Python.
_CHUNK = 250
#: The default schedule: shares of the steps up to inverse temperatures. Half of them are equally spaced; the others are
#: as Salakhutdinov & Murray (2008) have them, 500 up to 0.5, 4,000 up to 0.9, 10,000 up to 1, where chains mix slowly.
_UP_TO = 0, 0.5, 0.9, 1
_SHARES = 0, 0.267, 0.605, 1


class Base(NamedTuple):
    """The biases at `beta = 0`, where all units are independent: of the machine's visible side, and its hidden one."""

    visible: tf.Tensor
    hidden: tf.Tensor


class Path(NamedTuple):
    """The distributions through which chains are led: `base` at the first of the inverse temperatures `betas`, `(n,)`,
    the model at the last."""

    base: Base
    betas: np.ndarray


def ais(
    model: Scored,
    data: Data | None = None,
    num_chains: int = 100,
    num_temperatures: int = 10_000,
    betas: Betas | None = None,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> LogPartition:
    """Estimates `log Z` by annealed importance sampling: chains that are led from independent units to the model.

    The mean of the weights is `Z` in expectation, so `log_z` is too low in expectation, and the log-likelihood that
    follows from it too high. Read it beside `reverse_ais`.

    Args:
        model: an RBM of any units, a DBN, of which the top RBM is meant, or a DBM, of which the odd or the even layers
            are summed out: those that are fewer units.
        data: training data, an array or a `tf.data.Dataset` of batches, whose means give the visible biases at the
            independent end; without data, the model's own visible biases.
        num_chains: at least 1; of a single one there is no standard error: it is NaN.
        num_temperatures: steps from 0 to 1, at least 1, closer towards 1, where chains mix slowly: 40 % of them are
            beyond 0.9.
        betas: increasing inverse temperatures from 0 to 1, instead.
        seed: rules all chains; the model's own random state is not touched.
        verbose: `"auto"`: a line shows how far it is where a person watches; 0: never.

    Raises:
        TypeError: if the model is no machine of this package.
        ValueError: for counts that are not positive, another schedule, a model that is not built or not finite, or data
            that do not fit it.

    Example:

    ```python
    forward = keras_rbm.likelihood.ais(rbm, x_train)
    backward = keras_rbm.likelihood.reverse_ais(rbm, x_train)
    print(forward.log_z, backward.log_z, forward.effective_sample_size)
    ```

    Reference:
        Neal, 2001, "Annealed importance sampling"; Salakhutdinov & Murray, 2008, "On the quantitative analysis of deep
        belief networks", section 4.1.
    """
    check_arguments(model, num_chains, num_temperatures, betas, seed)
    path = path_of(model, data, num_temperatures, betas, seed)
    return forward(model, path, num_chains, seed, verbose)


def forward(model: Scored, path: Path, num_chains: int, seed: int, verbose: Verbose) -> LogPartition:
    """`ais`, of checked arguments and along a path."""
    rbm = model.undirected()._annealed()
    zeros = tf.zeros((num_chains, rbm.visible.width), rbm.state_dtype)
    start = rbm.visible.sample(rbm.visible.field(zeros, 0.0, path.base.visible), Draws(key_of(seed, Use.AIS_START)))
    annealed = _anneal(rbm, start, path, key_of(seed, Use.AIS), verbose, "AIS")
    return LogPartition.of_mean_weight(_log_z_base(rbm, path.base) + annealed, 1, "lower bound")


def reverse_ais(
    model: Scored,
    data: Data | None = None,
    num_chains: int = 100,
    num_temperatures: int = 10_000,
    betas: Betas | None = None,
    burn_in: int = 10_000,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> LogPartition:
    """Estimates `log Z` by annealing the other way: from states of the model to independent units.

    From exact states of the model the mean of the weights is `1 / Z` in expectation, so `log_z` is too high in
    expectation, and the log-likelihood that follows from it too low. Exact states are drawn where a side can be
    enumerated. Otherwise chains start in training data and make `burn_in` Gibbs sweeps first, and the result is called
    an estimate: its start does not know modes that neither data nor chains have met. It never starts from the particles
    of `ais`: both would miss the same modes.

    Args:
        data: as in `ais`; needed where no side of the model can be enumerated. Chains start in rows drawn from an
            array, or in the first ones of a dataset.
        burn_in: Gibbs sweeps before annealing, at least 1, where states cannot be drawn exactly.

    The other arguments, and errors, are those of `ais`.

    Reference:
        Burda, Grosse & Salakhutdinov, 2015, "Accurate and conservative estimates of MRF log-likelihood using reverse
        annealing" (RAISE). As there, the chain is run backwards so that errors make the likelihood worse, not better.
        Unlike there, the chains start in states of the model, not in the test case, and `Z` of the model itself is
        estimated, not the likelihood of the annealing process as a generative model; so from inexact starts the figure
        is no bound. Exact starts: Grosse, Ghahramani & Adams, 2015, "Sandwiching the marginal likelihood using
        bidirectional Monte Carlo".
    """
    check_arguments(model, num_chains, num_temperatures, betas, seed)
    positive_integer(burn_in, "burn_in")
    check_start(model, data)
    path = path_of(model, data, num_temperatures, betas, seed)
    return backward(model, path, num_chains, seed, verbose, data, burn_in)


def backward(
    model: Scored, path: Path, num_chains: int, seed: int, verbose: Verbose, data: Data | None, burn_in: int
) -> LogPartition:
    """`reverse_ais`, of checked arguments and along a path."""
    rbm = model.undirected()._annealed()
    if data is None or can_be_exact(rbm):
        start, kind = tf.cast(exact_draws(rbm, num_chains, seed or 0), rbm.state_dtype), "upper bound"
    else:
        start, kind = _burnt_in(rbm, _rows(model, data, num_chains, seed), burn_in, seed, verbose), "estimate"
    back = Path(path.base, path.betas[::-1])
    annealed = _anneal(rbm, start, back, key_of(seed, Use.REVERSE_AIS), verbose, "reverse AIS")
    return LogPartition.of_mean_weight(_log_z_base(rbm, path.base) - annealed, -1, kind)


def check_start(model: Scored, data: Data | None) -> None:
    """Refuses reverse AIS that has nothing to start from."""
    if data is None and not can_be_exact(model.undirected()._annealed()):
        raise ValueError(
            "No side of this model can be enumerated, so reverse AIS needs training data to start its chains from. "
            "Received: data=None."
        )


def check_arguments(
    model: Scored, num_chains: int, num_temperatures: int, betas: Betas | None, seed: int | None
) -> None:
    """Refuses what no annealing can be done with, before anything is computed."""
    check_normalizable(checked_model(model).undirected())
    checked_seed(seed)
    positive_integer(num_chains, "num_chains")
    if betas is None:
        positive_integer(num_temperatures, "num_temperatures")
    else:
        checked_betas(betas, first=0)


def path_of(model: Scored, data: Data | None, num_temperatures: int, betas: Betas | None, seed: int) -> Path:
    """The path of both directions, of checked arguments: `betas`, or so many steps where they matter."""
    if betas is None:
        betas = np.interp(np.linspace(0, 1, num_temperatures + 1), _SHARES, _UP_TO)
    return Path(base_of(model, data, seed), checked_betas(betas, first=0))


def _states(model: Scored, data: Data, seed: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """Batches of data as states of both sides of the machine that is annealed, the second drawn given the first."""
    key = key_of(seed, Use.STATES_OF_DATA)
    for i, batch in enumerate(model._checked_batches(data)):
        yield model._as_function(_recognised)(model._as_states(batch), key_at(key, i))


def _recognised(model: Scored, v: tf.Tensor, key: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    draws, rbm = Draws(key), model.undirected()
    x = model._recognition(v, draws)[0]
    if rbm._annealed() is rbm:  # the hidden side is no side with data on it, and has no base
        return x, tf.zeros((0, rbm.hidden.width), x.dtype)
    return rbm.hidden.sample(rbm.hidden_field(x), draws), x


def base_of(model: Scored, data: Data | None, seed: int) -> Base:
    """The biases at `beta = 0`: of the visible side the data's, read once, or else the model's own; of the hidden side
    none, except that of a side with the data on it, which is found in the same way."""
    rbm = model.undirected()._annealed()
    has_data = rbm is not model.undirected()
    if data is None:
        hidden = tf.convert_to_tensor(rbm.hidden_bias) * float(has_data)
        return Base(tf.cast(rbm.visible_bias, rbm.state_dtype), tf.cast(hidden, rbm.state_dtype))
    mean, _, count = moments(tf.concat(x, -1) if has_data else x[0] for x in _states(model, data, seed))
    means, counts = (np.split(x, [rbm.visible.width]) for x in (mean, count))
    visible = rbm.visible.bias_for(means[0], counts[0])
    hidden = rbm.hidden.bias_for(means[1], counts[1]) if has_data else np.zeros(rbm.hidden.width)
    return Base(tf.cast(visible, rbm.state_dtype), tf.cast(hidden, rbm.state_dtype))


def _rows(model: Scored, data: Data, number: int, seed: int) -> tf.Tensor:
    """So many rows of the data as states of the visible side, repeated where there are fewer."""
    if hasattr(data, "__array__"):
        rows = np.asarray(data)
        data = rows[np.random.default_rng(seed or 0).permutation(len(rows))[:number]]
    batches: list[tf.Tensor] = []
    for batch, _ in _states(model, data, seed):
        batches.append(batch)
        if sum(map(len, batches)) >= number:
            break
    rows = tf.concat(batches, 0)
    return tf.gather(rows, tf.range(number) % len(rows))


def _log_z_base(rbm: AbstractRBM, base: Base) -> float:
    """`log Z` at `beta = 0`: both sides independent."""
    sides = (rbm.visible, base.visible), (rbm.hidden, base.hidden)
    return sum(float(units.log_partition(tf.cast(field, tf.float64)[None])[0]) for units, field in sides)


def _burnt_in(rbm: AbstractRBM, v: tf.Tensor, num_steps: int, seed: int, verbose: Verbose) -> tf.Tensor:
    strategy, key = replicas.of(rbm.stream.key), key_of(seed, Use.BURN_IN)
    for part in progress.parts(num_steps, _CHUNK, "Gibbs sweeps from data", "sweep", verbose):
        v = rbm._by_rows(sweeps, strategy, (v,), *map(tf.constant, part), key, jit_compile=True)
    return v


def sweeps(rbm: AbstractRBM, v: tf.Tensor, start: tf.Tensor, stop: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    def step(k: tf.Tensor, v: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return k + 1, sweep(rbm, v, draws=Draws(key_at(key, k)))

    return tf.while_loop(lambda k, v: k < stop, step, (start, v))[1]


def _anneal(rbm: AbstractRBM, v: tf.Tensor, path: Path, key: tf.Tensor, verbose: Verbose, title: str) -> np.ndarray:
    """Leads chains along a path, from `v` at its first inverse temperature.

    Returns:
        the sum of `log p*(v; beta') - log p*(v; beta)` over the steps, `(chains,)`, float64, `p*` the visible marginal
        before normalisation.
    """
    strategy, log_weights = replicas.of(rbm.stream.key), tf.zeros(len(v), tf.float64)
    schedule = tf.constant(path.betas, tf.float64)
    for part in progress.parts(len(path.betas) - 1, _CHUNK, title, "temperature", verbose):
        rows, others = (v, log_weights), (schedule, path.base, *map(tf.constant, part), key)
        v, log_weights = rbm._by_rows(anneal_steps, strategy, rows, *others, jit_compile=True)
    return log_weights.numpy()


def anneal_steps(
    rbm: AbstractRBM,
    v: tf.Tensor,
    log_weights: tf.Tensor,
    betas: tf.Tensor,
    base: Base,
    start: tf.Tensor,
    stop: tf.Tensor,
    key: tf.Tensor,
) -> tuple[tf.Tensor, tf.Tensor]:
    slope = tf.cast(rbm.visible_bias, v.dtype) - base.visible

    def pair(k: tf.Tensor) -> tf.Tensor:
        return tf.cast(tf.slice(betas, [k], [2]), v.dtype)

    def step(k: tf.Tensor, v: tf.Tensor, log_weights: tf.Tensor, pair_k: tf.Tensor) -> tuple[tf.Tensor, ...]:
        now, then = pair_k[0], pair_k[1]
        hidden_input = rbm.hidden_input(v)
        gain = rbm.hidden.log_partitions(rbm._hidden_field_of(hidden_input, then, base.hidden))
        gain -= rbm.hidden.log_partitions(rbm._hidden_field_of(hidden_input, now, base.hidden))
        gain = tf.reduce_sum(gain, -1) + (then - now) * tf.reduce_sum(v * slope, -1)
        draws = Draws(key_at(key, k))
        v = sweep_from(rbm, hidden_input, then, base.visible, draws, hidden_base_bias=base.hidden)
        # XLA on a CPU is half as fast if temperatures are looked up where they are used: the loop carries them.
        return k + 1, v, log_weights + tf.cast(gain, tf.float64), pair(tf.minimum(k + 1, stop - 1))

    return tf.while_loop(lambda k, *_: k < stop, step, (start, v, log_weights, pair(start)))[1:3]
