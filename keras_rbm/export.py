"""SavedModel signatures: a machine's questions, for places where Keras and this package are not installed."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf


def write(machine: Any, filepath: Any) -> list[str]:
    """Writes a SavedModel with an endpoint for each question that the machine can answer; the first serves by default.

    `encode(v)`, `reconstruct(v)`, `free_energy(v)` (machines that have one) take float32 `(batch, visible)`;
    `class_log_probs(v)` (machines with label units: their first endpoint) too;
    `sample(num_samples, num_steps)` takes two int32 scalars, and its random state goes on from call to call.

    Args:
        machine: a built machine.
        filepath: the folder to write.

    Returns:
        the names of the endpoints.
    """
    v = tf.TensorSpec((None, machine.visible.width), tf.float32, name="v")
    counts = [tf.TensorSpec((), tf.int32, name=name) for name in ("num_samples", "num_steps")]
    classes = {"class_log_probs": (machine.class_log_probs, [v])} if machine.num_classes else {}
    endpoints = {**classes, "encode": (machine.encode, [v]), "reconstruct": (machine.reconstruct, [v])}
    if machine.has_free_energy:
        endpoints["free_energy"] = (machine.free_energy, [v])
    endpoints["sample"] = (machine.sample, counts)
    archive = keras.export.ExportArchive()
    archive.track(machine)
    for name, (function, signature) in endpoints.items():
        archive.add_endpoint(name, function, input_signature=signature)
    archive.write_out(str(filepath), verbose=False)
    return list(endpoints)
