"""Log-likelihoods of sequences: a partition function a frame."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from keras_rbm import progress
from keras_rbm.abstract_rbm import AbstractRBM
from keras_rbm.arguments import checked_betas, checked_seed, positive_integer
from keras_rbm.likelihood.accuracy import expected_accuracy, shared_units
from keras_rbm.likelihood.annealing import Base, anneal_steps, sweeps
from keras_rbm.likelihood.bounds import TOLERANCE, check_states
from keras_rbm.likelihood.exact import check_normalizable
from keras_rbm.likelihood.keys import Use, key_at, key_of
from keras_rbm.likelihood.partition import jackknife_error, joined_log_z, left_out
from keras_rbm.random import Draws
from keras_rbm.scored import Built, checked_finite
from keras_rbm.types import Betas, Data, Verbose
from keras_rbm.units import Unit

#: The most joint states of a side that are enumerated for each frame.
MAX_LOG2_STATES = 12
#: Rows of chains that are annealed together, and numbers that an enumeration holds, at most.
_ROWS, _NUMBERS = 2**15, 2**22
#: Sweeps over which the means of each frame's units are averaged.
_AVERAGED = 10
#: Sequences that the recurrence takes together.
_SEQUENCES = 16


class ScoredFrames(Built):
    """A sequence model each of whose frames is distributed as an RBM, given the frames before it.

    The RBMs share weights and kinds of units, those of `rbm`, and have biases of their own.
    """

    rbm: AbstractRBM

    @property
    @abstractmethod
    def hidden(self) -> Unit:
        """The hidden units of each frame."""

    @abstractmethod
    def _before(self, v: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        """What the recurrence gives before each frame of `v` `(batch, time, visible)`, `(batch, time, outputs)`."""

    @abstractmethod
    def _frame_rbms(self, u: tf.Tensor) -> AbstractRBM:
        """The RBMs of all frames, as rows one after the other, where the recurrence's outputs before are `u`."""

    @abstractmethod
    def _checked_sequences(
        self, x: Data, mask: npt.ArrayLike | None = None
    ) -> tuple[np.ndarray | tf.Tensor, np.ndarray]:
        """Sequences and their mask, each checked."""

    @abstractmethod
    def _as_sequences(
        self, v: npt.ArrayLike | tf.Tensor, mask: npt.ArrayLike | tf.Tensor | None = None
    ) -> tuple[tf.Tensor, tf.Tensor | None]:
        """`v` as states `(batch, time, visible)`, padding being some state."""


def checked_sequence_model(model: ScoredFrames) -> ScoredFrames:
    """`model`, if its frames have likelihoods.

    Raises:
        TypeError: if it is no sequence model.
    """
    if not isinstance(model, ScoredFrames):
        raise TypeError(f"Frames have likelihoods in an RNNRBM or an RTRBM. Received: {type(model).__name__}")
    return model


@dataclass(frozen=True, eq=False)
class FrameLogLikelihood:
    """The mean log-likelihood of the frames of sequences, each given those before it, in nats a frame.

    Args:
        joined: from both directions by Bennett's acceptance ratio: the figure to quote; the exact one where `exact`.
        standard_error: of `joined`, because of partition functions, from independent groups of chains; NaN of a single
            chain a frame, 0 where `exact`.
        lower: from reverse AIS, which tends to be harsh; the exact figure where `exact`.
        upper: from AIS, which tends to flatter; the exact figure where `exact`.
        accuracy: expected accuracy, in [0, 1], when frames are drawn from `p(v_t | past)`: true positives over true
            positives, false positives and false negatives, each summed over all frames (Bay, Ehmann & Downie, 2009); of
            visible units with states 0 and 1, else `None`.
        frame_accuracy: the mean over frames of true positives over the larger of how many units are on in the data and
            in the draw (1 where none is): a wrong note in the place of a right one counts once, not twice.
        exact: whether each frame's partition function was enumerated.
        per_frame, per_frame_lower, per_frame_upper: the figures of each frame, sequence after sequence, `(frames,)`,
            float64.
    """

    joined: float
    standard_error: float
    lower: float
    upper: float
    accuracy: float | None
    frame_accuracy: float | None
    exact: bool
    per_frame: np.ndarray = field(repr=False)
    per_frame_lower: np.ndarray = field(repr=False)
    per_frame_upper: np.ndarray = field(repr=False)


def frame_log_likelihood(
    model: ScoredFrames,
    x: Data,
    mask: npt.ArrayLike | None = None,
    num_chains: int = 10,
    num_temperatures: int = 200,
    betas: Betas | None = None,
    burn_in: int = 100,
    num_frames: int | None = None,
    seed: int = 0,
    verbose: Verbose = "auto",
) -> FrameLogLikelihood:
    """The log-likelihood of sequences a time step, by AIS and reverse AIS over all frames' RBMs at once, or exact.

    All frames share weights and have biases of their own, so their chains are annealed side by side, some thousands of
    frames at a time. At `beta = 0` a frame's units are independent, with the means that its RBM's Gibbs chains had.
    Accuracies are those of the states that AIS ends in, with their weights: Gibbs chains alone mix too slowly. Reverse
    AIS starts from chains that began in the frame itself. A side with at most 2^12 joint states is enumerated instead,
    for each frame.

    Args:
        model: an RNNRBM or an RTRBM.
        x: whole sequences, `(batch, time, visible)`: the recurrence starts from nothing at each.
        mask: booleans `(batch, time)`, False where a frame is padding.
        num_chains, num_temperatures, betas: of both directions, a frame, as in `ais` (so of one chain there is no
            standard error); these temperatures are equally spaced.
        burn_in: Gibbs sweeps before reverse AIS, and before the means are taken with which AIS begins.
        num_frames: how many frames to score, drawn by `seed`; all by default. A careful setting on a few hundred frames
            says how far a quick one on all can be trusted.
        seed: rules the chains; the model's own random state is not touched.
        verbose: `"auto"`: a line shows how far it is where a person watches; 0: never.

    Raises:
        TypeError: if the model is no sequence model.
        ValueError: for counts that are not positive, a model that is not built or not finite, or sequences that do not
            fit it.

    Warns:
        UserWarning: if the two figures of a frame differ by more than 0.5 nats in the mean.

    Example:

    ```python
    result = keras_rbm.likelihood.frame_log_likelihood(model, x_test, mask_test)
    print(f"{result.joined:.2f} +- {result.standard_error:.2f} nats a frame, accuracy {result.accuracy:.1%}")
    ```

    Reference:
        Boulanger-Lewandowski, Bengio & Vincent, 2012, "Modeling temporal dependencies in high-dimensional sequences";
        accuracy: Bay, Ehmann & Downie, 2009, "Evaluation of multiple-F0 estimation and tracking systems".
    """
    checked_sequence_model(model)
    for name, value in (("num_chains", num_chains), ("num_temperatures", num_temperatures), ("burn_in", burn_in)):
        positive_integer(value, name)
    checked_seed(seed)
    schedule = tf.constant(
        checked_betas(np.linspace(0, 1, num_temperatures + 1) if betas is None else betas, first=0), tf.float64
    )
    x, mask = checked_frames(model, x, mask)
    chosen = mask
    if num_frames is not None:
        places = np.flatnonzero(mask)
        number = min(positive_integer(num_frames, "num_frames"), len(places))
        chosen = np.zeros(mask.size, bool)
        chosen[np.random.default_rng(seed).choice(places, number, replace=False)] = True
        chosen = chosen.reshape(mask.shape)
    v, u = _frames(model, x, mask, chosen)
    exact = min(model.visible.log2_num_states, model.hidden.log2_num_states) <= MAX_LOG2_STATES
    key, parts = key_of(seed, Use.FRAMES), []
    if exact:
        parts = [
            _enumerated(model, *part, num_chains, key_at(key, i))
            for i, part in enumerate(_parts(v, u, verbose, _enumerable(model)))
        ]
    else:
        span = len(schedule) + burn_in + 2 * _AVERAGED
        for i, part in enumerate(_parts(v, u, verbose, max(1, _ROWS // num_chains))):
            keys = [key_at(key, (4 * i + use) * span) for use in range(4)]
            parts.append(_annealed(model, *part, num_chains, schedule, burn_in, keys))
    score, low, high, log_z, without, mean, shared = (np.concatenate(own)[: len(v)] for own in zip(*parts, strict=True))
    notes = model.visible.states == (0.0, 1.0)
    apart = np.mean(np.abs(high - low))  # errors of opposite sign do not make each other good
    if not exact and apart > TOLERANCE:
        warnings.warn(
            f"AIS and reverse AIS differ by {apart:.2f} nats a frame, more than {TOLERANCE}: neither "
            "can be trusted. Use more temperatures and chains, and a longer burn_in.",
            stacklevel=2,
        )
    return FrameLogLikelihood(
        joined=float(np.mean(score - log_z)),
        standard_error=float(jackknife_error(without.mean(0))),
        lower=float(np.mean(score - high)),
        upper=float(np.mean(score - low)),
        accuracy=expected_accuracy(v, mean) if notes else None,
        frame_accuracy=float(shared.mean()) if notes else None,
        exact=exact,
        per_frame=score - log_z,
        per_frame_lower=score - high,
        per_frame_upper=score - low,
    )


def checked_frames(
    model: ScoredFrames, x: Data, mask: npt.ArrayLike | None
) -> tuple[np.ndarray | tf.Tensor, np.ndarray]:
    """Sequences of states and their mask, as `model` can score them.

    Raises:
        ValueError: if it is not built or not finite or has no partition function, or the sequences do not fit.
    """
    checked_finite(model)
    x, mask = model._checked_sequences(x, mask)
    check_normalizable(model.rbm)
    for start in range(0, len(x), _SEQUENCES):
        part = slice(start, start + _SEQUENCES)
        check_states(model.visible, model._as_sequences(x[part])[0][mask[part]])
    return x, mask


def _frames(
    model: ScoredFrames, x: np.ndarray | tf.Tensor, mask: np.ndarray, chosen: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The chosen frames, `(frames, visible)`, and what the recurrence gave before each, `(frames, recurrent units)`."""
    with_past, pairs = model._as_function(_with_past), []
    for start in range(0, len(x), _SEQUENCES):
        part = slice(start, start + _SEQUENCES)
        own = chosen[part]
        if own.any():
            v, u = with_past(*model._as_sequences(x[part], mask[part]))
            pairs.append((v.numpy()[own], u.numpy()[own]))
    v, u = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    return v, u


def _with_past(model: ScoredFrames, v: tf.Tensor, mask: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return v, model._before(v, mask)


def _parts(v: np.ndarray, u: np.ndarray, verbose: Verbose, size: int) -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    """So many frames at a time (the last ones repeated, so that all parts have one shape)."""
    size = min(size, len(v))
    for start, _ in progress.parts(len(v), size, "log-likelihood", "frame", verbose):
        rows = np.minimum(np.arange(start, start + size), len(v) - 1)
        yield tf.constant(v[rows]), tf.constant(u[rows])


# --- exact


def _enumerable(model: ScoredFrames) -> int:
    sides = model.visible, model.hidden
    few, other = sorted(sides, key=lambda side: side.log2_num_states)
    return max(1, _NUMBERS // round(2**few.log2_num_states) // other.width)


def _enumerated(model: ScoredFrames, v: tf.Tensor, u: tf.Tensor, number: int, key: tf.Tensor) -> tuple[np.ndarray, ...]:
    score, log_z, mean, shared = (x.numpy() for x in model._as_function(_log_sums)(v, u, tf.constant(number), key))
    return score, log_z, log_z, log_z, log_z[:, None], mean, shared


def _log_sums(
    model: ScoredFrames, v: tf.Tensor, u: tf.Tensor, number: tf.Tensor, key: tf.Tensor
) -> tuple[tf.Tensor, ...]:
    """Of each frame: `log p*(v)`, `log Z`, the means of the visible units, float64, and exact draws' `shared_units`."""
    rbms, draws = model._frame_rbms(u), Draws(key)
    b, c = (tf.cast(bias, tf.float64) for bias in (rbms.visible_bias, rbms.hidden_bias))
    w = tf.cast(rbms.w_rec, tf.float64)
    enumerate_visible = model.visible.log2_num_states < model.hidden.log2_num_states
    few, other = (model.visible, model.hidden) if enumerate_visible else (model.hidden, model.visible)
    states = few.enumerate(tf.range(round(2**few.log2_num_states), dtype=tf.int64), tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(b)
        own, beside, weights = (b, c, w) if enumerate_visible else (c, b, tf.transpose(w))
        log_weights = tf.matmul(own, states, transpose_b=True) - few.base(states)
        log_weights += other.log_partition(beside[:, None] + states @ weights)
        log_z = tf.reduce_logsumexp(log_weights, 1)
    drawn = tf.random.stateless_categorical(log_weights, number, draws.next_key())
    x = tf.reshape(tf.gather(states, drawn), (-1, few.width))
    if not enumerate_visible:
        x = model.visible.sample(tf.repeat(b, number, 0) + x @ weights, draws)
    shared = tf.reduce_mean(tf.reshape(shared_units(tf.repeat(tf.cast(v, x.dtype), number, 0), x), (-1, number)), 1)
    return tf.cast(-rbms.free_energy(v), tf.float64), log_z, tape.gradient(log_z, b), shared


# --- annealed


def _annealed(
    model: ScoredFrames, v: tf.Tensor, u: tf.Tensor, num_chains: int, schedule: tf.Tensor, burn_in: int, keys: list
) -> tuple[np.ndarray, ...]:
    """Of each frame: `log p*(v)`, `log Z` by AIS, by reverse AIS, by both, and by both without each group of chains,
    and by the states that AIS ends in, with their weights, the means of the visible units and `shared_units`."""

    def by_frame(x: tf.Tensor) -> np.ndarray:
        return x.numpy().reshape(len(v), num_chains, *x.shape[1:])

    chains, steps = tf.repeat(u, num_chains, 0), tf.constant(burn_in)
    mean = by_frame(model._as_function(_means, jit_compile=True)(chains, steps, keys[0])).mean(1, dtype="float64")
    base = tf.repeat(tf.cast(model.visible.bias_for(mean, num_chains * _AVERAGED), v.dtype), num_chains, 0)
    log_z_base = model.visible.log_partition(tf.cast(base, tf.float64))
    log_z_base += model.hidden.log_partition(tf.zeros((1, model.hidden.width), tf.float64))
    score = model._as_function(_scores)(v, u).numpy().astype("float64")
    start = tf.repeat(v, num_chains, 0)
    end, up = model._as_function(_up, jit_compile=True)(chains, base, schedule, keys[1])
    down = model._as_function(_down, jit_compile=True)(start, chains, base, schedule[::-1], steps, keys[2], keys[3])
    high, low = by_frame(log_z_base + up), by_frame(log_z_base - down)
    weights = np.exp(high - high.max(1, keepdims=True))
    weights /= weights.sum(1, keepdims=True)
    mean, shared = (np.einsum("fc,fc...->f...", weights, by_frame(x)) for x in (end, shared_units(start, end)))
    sides = _log_mean(high, 1), _log_mean(low, -1)
    return score, *sides, joined_log_z(high, low), left_out(high, low).T, mean, shared


def _log_mean(log_weights: np.ndarray, direction: int) -> np.ndarray:
    """`log Z` of each row of chains: from the mean of weights (1), or of their inverses (-1)."""
    exponents = direction * log_weights
    most = exponents.max(1)
    return direction * (np.log(np.mean(np.exp(exponents - most[:, None]), 1)) + most)


def _scores(model: ScoredFrames, v: tf.Tensor, u: tf.Tensor) -> tf.Tensor:
    return -model._frame_rbms(u).free_energy(v)


def _means(model: ScoredFrames, u: tf.Tensor, burn_in: tf.Tensor, key: tf.Tensor) -> tf.Tensor:
    """Means of the visible units along Gibbs chains that start from the biases alone, `(chains, visible)`."""
    rbms = model._frame_rbms(u)
    v = model.visible.sample(rbms.visible_bias, Draws(key))
    v = sweeps(rbms, v, tf.constant(1), burn_in + 1, key)

    def step(k: tf.Tensor, v: tf.Tensor, total: tf.Tensor) -> tuple[tf.Tensor, ...]:
        draws = Draws(key_at(key, burn_in + 1 + k))
        field = rbms.visible_field(rbms.hidden.sample(rbms.hidden_field(v), draws))
        return k + 1, rbms.visible.sample(field, draws), total + rbms.visible.mean(field)

    loop = (tf.constant(0), v, tf.zeros_like(v))
    return tf.while_loop(lambda k, *_: k < _AVERAGED, step, loop)[2] / _AVERAGED


def _up(
    model: ScoredFrames, u: tf.Tensor, base: tf.Tensor, betas: tf.Tensor, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    start = model.visible.sample(base, Draws(key))
    return _along(model, start, u, base, betas, key)


def _down(
    model: ScoredFrames,
    v: tf.Tensor,
    u: tf.Tensor,
    base: tf.Tensor,
    betas: tf.Tensor,
    burn_in: tf.Tensor,
    burn_in_key: tf.Tensor,
    key: tf.Tensor,
) -> tf.Tensor:
    v = sweeps(model._frame_rbms(u), v, tf.constant(0), burn_in, burn_in_key)
    return _along(model, v, u, base, betas, key)[1]


def _along(
    model: ScoredFrames, v: tf.Tensor, u: tf.Tensor, base: tf.Tensor, betas: tf.Tensor, key: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Where the chains end, and what their weights gain along the schedule, `(chains,)`, float64."""
    no_hidden = tf.zeros(model.hidden.width, v.dtype)
    zeros, start = tf.zeros(tf.shape(v)[:1], tf.float64), tf.constant(1)
    rbms = model._frame_rbms(u)
    # from the second key on: the first drew the start
    betas = tf.concat([betas[:1], betas], 0)
    return anneal_steps(rbms, v, zeros, betas, Base(base, no_hidden), start, tf.shape(betas)[0] - 1, key)
