"""New sequences, frame by frame."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from keras_rbm import checks, progress
from keras_rbm.likelihood.frames import ScoredFrames
from keras_rbm.models.machine import as_count
from keras_rbm.models.sequence.learner import SequenceLearner
from keras_rbm.samplers.chains import Clamp, clamped, gibbs
from keras_rbm.types import Array, Count


class Memory(NamedTuple):
    """What is known of the frames so far.

    Args:
        output: of the recurrence at the last frame, `(sequences, recurrent units)`; zeros before the first.
        states: of each recurrent layer.
    """

    output: tf.Tensor
    states: list[list[tf.Tensor]]


class Generator(SequenceLearner, ScoredFrames):
    """A sequence model that remembers frames and goes on from them.

    A subclass also answers `visible`, `hidden`, `_blank`, `_recur`, `_biases`, `_frame_rbms` and `_gradients`, and has
    the RBM whose weights all frames share, `rbm`.
    """

    @abstractmethod
    def _blank(self, num_sequences: Any) -> Memory:
        """The memory before the first frame."""

    @abstractmethod
    def _recur(
        self, v: tf.Tensor, mask: tf.Tensor | None, memory: Memory, training: bool = False
    ) -> tuple[tf.Tensor, Memory]:
        """The recurrence over frames `v` `(batch, time, visible)`: `u_{t-1}` at each, `(batch, time, recurrent units)`,
        and the memory after the last."""

    @abstractmethod
    def _biases(self, u: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The biases of a frame's RBM where the recurrence's output at the frame before is `u`."""

    def _before(self, v: tf.Tensor, mask: tf.Tensor | None) -> tf.Tensor:
        return self._recur(v, mask, self._blank(tf.shape(v)[0]))[0]

    def memory_after(self, v: Array, mask: Array | None = None, memory: Memory | None = None) -> Memory:
        """The memory after frames `v` `(sequences, time, visible)`: what `generate` goes on from.

        Args:
            mask: booleans, `(sequences, time)`, False where a frame is padding.
            memory: of the frames before; nothing by default.

        Raises:
            ValueError: for shapes that do not fit, or frames outside the units' domain.
        """
        v, mask = self._as_sequences(v, mask)
        if tf.executing_eagerly():
            checks.check_domain(tf.reshape(v, (-1, v.shape[-1])), self.visible, self.state_dtype)
        return self._as_function(_memory_after)(v, mask, self._initial_memory(memory, tf.shape(v)[0]))

    def _initial_memory(self, memory: Memory | None, num_sequences: Any) -> Memory:
        """The memory that so many sequences begin with."""
        blank = self._blank(num_sequences)
        if memory is None:
            return blank
        received, wanted = ([x.shape[-1:] for x in tf.nest.flatten(m) if hasattr(x, "shape")] for m in (memory, blank))
        if not isinstance(memory, Memory) or received != wanted:
            raise ValueError(
                "`memory` must be what `memory_after` or `generate` of a model with these recurrent layers returned. "
                f"Received: {type(memory).__name__} of widths {[n for shape in received for n in shape]}"
            )
        if len(memory.output) != num_sequences:
            raise ValueError(
                f"`memory` must be that of num_sequences={int(num_sequences)} sequences. "
                f"Received: one of {len(memory.output)}"
            )
        return memory

    def generate(
        self,
        num_frames: Count,
        prime: np.ndarray | tf.Tensor | None = None,
        num_sequences: Count | None = None,
        num_steps: Count = 25,
        clamp: Array | str | None = None,
        values: Array | None = None,
        memory: Memory | None = None,
        return_memory: bool = False,
    ) -> Any:
        """New sequences, frame by frame: each is drawn by Gibbs sampling from its RBM, and remembered for the next.

        Args:
            num_frames: frames a sequence, at least 1, those of `prime` among them.
            prime: frames that the sequences begin with, `(time, visible)` or `(num_sequences, time, visible)`.
            num_sequences: how many; by default as many as `memory` or `prime` has, or 1.
            num_steps: Gibbs sweeps a frame, from states drawn from its biases; 100 where notes are strongly coupled.
            clamp: which visible units are held while the others are sampled, booleans that broadcast to
                `(num_sequences, num_frames, visible)`: the notes of a melody, say; or `"observed"`: what is not NaN in
                `values`. Frames of `prime` are all held.
            values: what they are held at; the same shapes.
            memory: goes on where the sequences left that gave it, `num_sequences` of them.
            return_memory: whether to return the memory at the end, too.

        Returns:
            states `(num_sequences, num_frames, visible)`, or these and the memory.

        Raises:
            ValueError: for counts that are not positive, a prime that is as long as the sequences or longer, frames
                outside the units' domain, shapes that do not fit, or if the model is not built.

        Example:

        ```python
        tune, memory = model.generate(100, prime=x[0, :16], return_memory=True)
        more = model.generate(100, memory=memory)
        harmonies = model.generate(len(roll), num_sequences=4, clamp=np.arange(88) >= 44, values=roll)
        ```
        """
        if not self.built:
            raise ValueError("A model must be built before it generates. Fit it, or call it on data.")
        num_frames, num_steps = as_count(num_frames, "num_frames"), as_count(num_steps, "num_steps")
        if num_sequences is None:
            if isinstance(memory, Memory):
                num_sequences = len(memory.output)
            else:
                num_sequences = 1 if prime is None or np.ndim(prime) != 3 else len(prime)
        num_sequences = as_count(num_sequences, "num_sequences")
        start = self._initial_memory(memory, num_sequences)
        frame_clamp = None
        if clamp is not None or values is not None:
            frame_clamp = self._checked_clamp(clamp, values, int(num_sequences), int(num_frames))
        primed = tf.zeros((num_sequences, 0, self.visible.width), self.state_dtype)
        if prime is not None:
            primed = self._checked_prime(prime, int(num_sequences), int(num_frames))
            start = self.memory_after(primed, memory=start)
            frame_clamp = frame_clamp and Clamp(*(x[:, primed.shape[1] :] for x in frame_clamp[:2]))
        number = num_frames - tf.shape(primed)[1]
        if tf.executing_eagerly():
            parts, end = [primed], start
            total, work = int(number), int(num_steps) * progress.step_work(int(num_sequences) * self.count_params())
            for begin, stop in progress.parts(total, progress.few(total, work), "generating", "frame"):
                held = frame_clamp and Clamp(*(x[:, begin:stop] for x in frame_clamp[:2]))
                part, end = self._as_function(_generate)(end, tf.constant(stop - begin), num_steps, held)
                parts.append(part)
            frames = tf.concat(parts, 1)
        else:
            frames, end = self._as_function(_generate)(start, number, num_steps, frame_clamp)
            frames = tf.concat([primed, frames], 1)
        return (frames, end) if return_memory else frames

    def _continuation(self, v: tf.Tensor, num_frames: tf.Tensor) -> tf.Tensor:
        """So many frames that follow `v` `(batch, time, visible)`, in a graph; 25 sweeps each."""
        return _generate(self, self.memory_after(v), num_frames, tf.constant(25), None)[0]

    def _checked_prime(self, prime: Any, num_sequences: int, num_frames: int) -> tf.Tensor:
        """Checked frames that sequences begin with, `(num_sequences, time, visible)`."""
        prime = np.asarray(prime, self.state_dtype)
        prime, _ = self._checked_sequences(prime[None] if prime.ndim == 2 else prime)
        if prime.shape[1] >= num_frames:
            raise ValueError(
                "`num_frames` counts the frames of `prime` too, and must be more. "
                f"Received: num_frames={num_frames}, a prime of {prime.shape[1]} frames"
            )
        if len(prime) not in (1, num_sequences):
            raise ValueError(
                f"`prime` must have one sequence, or num_sequences={num_sequences}. Received: {len(prime)} sequences"
            )
        return tf.constant(np.broadcast_to(prime, (num_sequences, *prime.shape[1:])))

    def _checked_clamp(self, clamp: Any, values: Any, num_sequences: int, num_frames: int) -> Clamp:
        """Checked masks and values, `(num_sequences, num_frames, visible)`."""
        shape, width = (num_sequences, num_frames, self.visible.width), self.visible.width
        rows = []
        if isinstance(clamp, str) and clamp == "observed" and values is not None:
            clamp = ~np.isnan(np.asarray(values, self.state_dtype))
        for name, array in (("clamp", clamp), ("values", values)):
            if array is None:
                raise ValueError("`clamp` says which units are held, `values` at what: give both or neither.")
            try:
                rows.append(np.broadcast_to(array, shape).reshape(-1, width))
            except ValueError:
                raise ValueError(
                    f"`{name}` must broadcast to (num_sequences, num_frames, visible), here {shape}. "
                    f"Received: shape={np.shape(array)}"
                ) from None
        checked = checks.checked_clamp(self.visible, rows[0], rows[1], len(rows[0]), self.state_dtype)
        return Clamp(*(tf.constant(x.reshape(shape)) for x in checked))


def _memory_after(model: Generator, v: tf.Tensor, mask: tf.Tensor | None, memory: Memory) -> Memory:
    return model._recur(v, mask, memory)[1]


def _generate(
    model: Generator, memory: Memory, num_frames: tf.Tensor, num_steps: tf.Tensor, clamp: Clamp | None
) -> tuple[tf.Tensor, Memory]:
    number = memory.output.shape[0]
    frames = tf.TensorArray(model.state_dtype, num_frames, element_shape=(number, model.visible.width))

    def step(t: tf.Tensor, memory: Memory, frames: tf.TensorArray) -> tuple:
        rbms = model._frame_rbms(memory.output)
        now = None if clamp is None else Clamp(clamp.mask[:, t], clamp.values[:, t])
        start = clamped(rbms.initial_states(tf.shape(memory.output)[0]), now)
        v = gibbs(rbms, start, num_steps, clamp=now)
        return t + 1, model._recur(v[:, None], None, memory)[1], frames.write(t, v)

    _, memory, frames = tf.while_loop(lambda t, *_: t < num_frames, step, (0, memory, frames))
    return tf.transpose(frames.stack(), (1, 0, 2)), memory
