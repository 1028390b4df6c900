"""What SavedModels are converted to, and what is needed for it."""

from __future__ import annotations

import importlib.util
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

#: The one that needs no conversion.
SAVED_MODEL = "tf_saved_model"


def _to_onnx(saved: Path, names: Sequence[str], folder: Path) -> None:
    """A file `NAME.onnx` for each endpoint."""
    import tf2onnx

    folder.mkdir()
    logging.getLogger("tf2onnx").setLevel(logging.ERROR)
    for name, function, inputs in _functions(saved, names):
        tf2onnx.convert.from_function(function, inputs, opset=17, output_path=str(folder / f"{name}.onnx"))


def _to_litert(saved: Path, names: Sequence[str], file: Path) -> None:
    """One file, in which each endpoint is a signature."""
    file.write_bytes(tf.lite.TFLiteConverter.from_saved_model(str(saved), signature_keys=list(names)).convert())


def _to_openvino(saved: Path, names: Sequence[str], folder: Path) -> None:
    """Two files, `NAME.xml` and `NAME.bin`, for each endpoint."""
    import openvino

    folder.mkdir()
    for name, function, _ in _functions(saved, names):
        openvino.save_model(openvino.convert_model(function), folder / f"{name}.xml", compress_to_fp16=False)


def _functions(saved: Path, names: Sequence[str]) -> Iterator[tuple[str, Any, list[tf.TensorSpec]]]:
    """Of each endpoint its name, a function of what it takes, in order, and what that is."""
    model = tf.saved_model.load(str(saved))  # its variables live as long as it is known
    for name in names:
        signature = model.signatures[name]
        inputs = list(signature.structured_input_signature[1].values())
        yield name, tf.function(_by_name(signature, inputs), input_signature=inputs, autograph=False), inputs


def _by_name(signature: Any, inputs: Sequence[tf.TensorSpec]) -> Any:
    return lambda *tensors: signature(**{spec.name: x for spec, x in zip(inputs, tensors, strict=True)})


#: How a SavedModel is converted, and the module that does it if TensorFlow does not.
_CONVERTERS = {
    "onnx": (_to_onnx, "tf2onnx"),
    "litert": (_to_litert, None),
    "openvino": (_to_openvino, "openvino"),
}
#: Formats that know no random numbers.
CONVERTED = tuple(_CONVERTERS)


def check(format: str) -> None:
    """Refuses a format that is unknown, or that nothing installed converts to.

    Raises:
        ValueError: if it is unknown.
        ImportError: if the converter is missing; it says what to install.
    """
    known = (SAVED_MODEL, *CONVERTED)
    if format not in known:
        raise ValueError(f"`format` must be one of {', '.join(map(repr, known))}. Received: format={format!r}")
    module = None if format == SAVED_MODEL else _CONVERTERS[format][1]
    if module is not None and importlib.util.find_spec(module) is None:
        raise ImportError(
            f"{module} converts to format={format!r}, and is not installed. Run where you installed this package from: "
            f"pip install '.[{format}]'"
        )


def convert(format: str, saved: Path, names: Sequence[str], path: Path) -> None:
    """Converts a SavedModel's endpoints, and writes a folder or, for `"litert"`, a file."""
    _CONVERTERS[format][0](saved, names, path)
