"""The RTRBM is an RNN-RBM whose recurrent units are the hidden units' means: sigmoid units that share its weights."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_rbm import RNNRBM, RTRBM, samplers
from tests.oracles.sequences import MASKS, padded, random_model, sequences, unrolled
from tests.support.eager import eager_functions
from tests.support.statistics import assert_rounded
from tests.support.steps import gradients_of


def twin(model: RTRBM, activation: str = "sigmoid", **kwargs) -> RNNRBM:
    """An RNN-RBM with these parameters, those of its SimpleRNN being copies."""
    recurrent = keras.layers.SimpleRNN(model.units, activation=activation, dtype=model.dtype_policy)
    other = RNNRBM(model.units, recurrent, seed=0, dtype=model.dtype_policy, sampler=samplers.CD(2), **kwargs)
    other.build((None, None, model.visible.width))
    for own, given in (
        (other.rbm.w_rec, model.rbm.w_rec),
        (other.visible.bias, model.visible.bias),
        (other.hidden.bias, model.hidden.bias),
        (other.w_uv, model.w_uv),
        (other.w_uh, model.w_uh),
        (recurrent.cell.kernel, model.rbm.w_rec),
        (recurrent.cell.bias, model.hidden.bias),
        (recurrent.cell.recurrent_kernel, model.w_uh),
        (other.rbm.stream.key, model.rbm.stream.key),
    ):
        own.assign(given)
    return other


@pytest.mark.parametrize(("hidden", "activation"), [("bernoulli", "sigmoid"), ("spin", "tanh"), ("gaussian", "linear")])
@pytest.mark.few(1)
def test_it_is_an_rnn_rbm_that_shares_its_weights(hidden, activation):
    """The same biases, losses and samples; and its gradients are the sums over both uses of each weight."""
    model = random_model("rtrbm", hidden=hidden, sampler=samplers.CD(2), scale=0.5)
    other, real = twin(model, activation, hidden=hidden), MASKS["gaps"]
    x = padded(sequences(time=7), real, 0)
    for a, b in zip(model.frame_biases(x, real), other.frame_biases(x, real), strict=True):
        assert_rounded(a, b)
    one, two = (gradients_of(m, tf.constant(x), tf.constant(real, tf.float64)) for m in (model, other))
    assert one.values.keys() == two.values.keys()
    for name in one.values:
        assert_rounded(one.values[name], two.values[name])
    own = {id(variable): gradient for variable, gradient in one.gradients}
    given = {id(variable): gradient for variable, gradient in two.gradients}
    assert len(own) == 5
    assert len(given) == 8
    cell = other.recurrent[0].cell
    for variable, *places in (
        (model.rbm.w_rec, other.rbm.w_rec, cell.kernel),
        (model.visible.bias, other.visible.bias),
        (model.hidden.bias, other.hidden.bias, cell.bias),
        (model.w_uv, other.w_uv),
        (model.w_uh, other.w_uh, cell.recurrent_kernel),
    ):
        parts = [np.asarray(given[id(place)]) for place in places]
        assert all(np.abs(part).max() > 1e-4 for part in parts)
        assert_rounded(own[id(variable)], sum(parts))
    np.testing.assert_array_equal(
        model.generate(5, num_sequences=7, num_steps=3), other.generate(5, num_sequences=7, num_steps=3)
    )


def test_its_memory_is_the_mean_of_the_hidden_units():
    model, x = random_model("rtrbm"), sequences()
    assert_rounded(model.memory_after(x).output, np.asarray(model.encode(x))[:, -1])


def test_it_has_no_weights_but_those_of_the_equations():
    paths = [variable.path.split("/", 1)[1] for variable in random_model("rtrbm").trainable_variables]
    assert sorted(paths) == ["rbm/hidden/bias", "rbm/visible/bias", "rbm/w_rec", "w_uh", "w_uv"]


def test_pretraining_moves_the_weights_of_the_past_alone():
    model, x, seen = RTRBM(2, seed=0, dtype="float64"), sequences(), []
    model.build((None, None, 3))
    parts = (model.rbm.w_rec, model.visible.bias, model.hidden.bias, model.w_uv, model.w_uh)
    callback = keras.callbacks.LambdaCallback(on_train_begin=lambda logs: seen.append([np.array(p) for p in parts]))
    with eager_functions():
        model.pretrain(x, epochs=1, recurrent_epochs=2, verbose=0, callbacks=[callback])
    seen.append([np.array(p) for p in parts])
    for before, after, changed in zip(seen[:2], seen[1:], ([1, 1, 1, 0, 0], [0, 0, 0, 1, 1]), strict=True):
        assert [not np.array_equal(a, b) for a, b in zip(before, after, strict=True)] == [bool(c) for c in changed]


def test_a_compiled_step_is_an_eager_one():
    """XLA, with the recurrence inside; the same key gives other draws there, so samples are left out."""
    x, real, found = sequences(time=7), MASKS["gaps"], []
    for options in ({"jit_compile": True}, {"run_eagerly": True}):
        model = random_model("rtrbm", sampler=Same())
        model.compile(keras.optimizers.SGD(0.5), **options)
        model.train_on_batch(padded(x, real, np.nan), real)
        found.append([np.array(variable) for variable in model.trainable_variables])
    for a, b, start in zip(*found, random_model("rtrbm").trainable_variables, strict=True):
        assert not np.array_equal(b, start)
        assert_rounded(a, b, 1e4)


class Same(samplers.CD):
    """Negative samples that are the data the other way round."""

    def negative_phase(self, rbm, v_data, weights, hidden_input=None):
        return samplers.Samples(tf.reverse(1 - v_data, [-1]), weights)


def test_the_unrolled_equations_hold_in_float32_too():
    model, x = random_model("rtrbm", dtype="float32"), sequences()
    for a, b in zip(model.frame_biases(x), unrolled(model, x), strict=True):
        assert np.asarray(a).dtype == np.float32
        assert_rounded(a, b)
