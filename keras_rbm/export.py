"""Exported models: a model's questions, for places where Keras and this package are not installed."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import tensorflow as tf

from keras_rbm import formats
from keras_rbm.files import replacing
from keras_rbm.special import elementary, values_only


class Endpoint(NamedTuple):
    """A question that an exported model answers.

    Args:
        ask: from tensors to a tensor, or to tensors by name.
        inputs: their shapes, dtypes and names.
        output: the tensor's name; no input has it.
        without: formats that have no way to say it, such as random numbers that are drawn inside.
    """

    ask: Callable[..., Any]
    inputs: list[tf.TensorSpec]
    output: str | None = None
    without: Sequence[str] = ()

    def functions(self) -> tuple[Any, Any]:
        """One that returns what `ask` does, and one that returns tensors by name."""

        def named(*inputs: tf.Tensor) -> dict[str, tf.Tensor]:
            answer = plain(*inputs)
            return answer if self.output is None else {self.output: answer}

        plain = tf.function(self.ask, input_signature=self.inputs, autograph=False)
        return plain, tf.function(named, input_signature=self.inputs, autograph=False)


def counts(*names: str) -> list[tf.TensorSpec]:
    """Signatures of so many counts."""
    return [tf.TensorSpec((), tf.int32, name=name) for name in names]


def rows(name: str, *shape: int, dtype: tf.DType = tf.float32) -> tf.TensorSpec:
    """The signature of cases, `(batch, *shape)`."""
    return tf.TensorSpec((None, *shape), dtype, name)


def write(
    model: keras.Model,
    filepath: str | os.PathLike,
    format: str,
    endpoints: Sequence[str] | None = None,
    classifier: keras.Model | None = None,
) -> list[str]:
    """Writes a model's endpoints, one for each question that it can answer; the first serves by default.

    Args:
        model: a built model, whose `_endpoints()` are `Endpoint`s by name.
        filepath: a folder to write; for `"litert"` a file.
        format: `"tf_saved_model"`, `"onnx"`, `"litert"` or `"openvino"`; the others leave out what draws by itself.
        endpoints: the names of those to write; all by default.
        classifier: a network that `model.classifier` made: one more endpoint, `classify`, the first.

    Returns:
        the names of the endpoints.

    Raises:
        ValueError: if the model is not built, the format or an endpoint is unknown, or the classifier does not fit.
        ImportError: if what converts to the format is not installed.
    """
    formats.check(format)
    if not model.built:
        raise ValueError("A machine must be built before it is exported. Fit it, adapt it or call it on data.")
    found: dict[str, Endpoint] = {} if classifier is None else {"classify": _classify(model, classifier)}
    found |= model._endpoints()
    found = {name: endpoint for name, endpoint in found.items() if format not in endpoint.without}
    names = list(found) if endpoints is None else list(endpoints)
    if not names or isinstance(endpoints, str) or not set(names) <= found.keys():
        raise ValueError(f"`endpoints` must be some of {', '.join(found)} as {format!r}. Received: {endpoints!r}")
    variables = [variable.value for each in (model, classifier) if each is not None for variable in each.variables]
    asked = {name: found[name] for name in names}
    with replacing(Path(filepath)) as part:
        if format == formats.SAVED_MODEL:
            _save(asked, variables, part)
        else:
            with tempfile.TemporaryDirectory() as folder:
                with elementary():
                    _save(asked, variables, Path(folder))
                formats.convert(format, Path(folder), names, part)
    return names


def _save(endpoints: Mapping[str, Endpoint], variables: list[Any], folder: Path) -> None:
    """A SavedModel, whose functions return what the model's do, and whose signatures name it."""
    module, signatures = tf.Module(), {}
    module.model_variables = variables
    for name, endpoint in endpoints.items():
        plain, signatures[name] = endpoint.functions()
        setattr(module, name, plain)
    with values_only():
        tf.saved_model.save(module, str(folder), {"serving_default": next(iter(signatures.values())), **signatures})


def _classify(model: Any, net: keras.Model) -> Endpoint:
    """Class probabilities by a network that started from a model, which is given what it was trained on."""
    shape, wanted = model.data_shape, tuple(net.input_shape[1:])
    augment = getattr(model, "augment", None) if wanted != shape else lambda v: v
    if augment is None or (wanted != shape and wanted != (shape[0] + sum(model.units[1:]),)):
        width, received = (" x ".join(map(str, each)) for each in (shape, wanted))
        raise ValueError(
            f"`classifier` must be what this machine's `classifier` made, of {width} inputs. "
            f"Received: one of {received}"
        )
    return Endpoint(lambda v: net(augment(v), training=False), [rows("v", *shape)], "probs")
