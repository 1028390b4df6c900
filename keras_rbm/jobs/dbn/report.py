"""What a run leaves for people to read: figures, measures, a card."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import keras
import matplotlib.figure
import numpy as np
import tensorflow as tf

from keras_rbm import likelihood, plots
from keras_rbm.files import replacing
from keras_rbm.jobs import files, measures
from keras_rbm.jobs.dbn import rivals
from keras_rbm.jobs.dbn.config import DBNConfig
from keras_rbm.jobs.dbn.run import DBNRun
from keras_rbm.jobs.measures import Measure
from keras_rbm.models import RBM
from keras_rbm.version import __version__

_WHY_APART = (
    "training cases are states drawn from grey levels anew each epoch, validation cases the grey levels themselves"
)


def measure(run: DBNRun) -> dict[str, str]:
    """The run's figures in words, measured on the test set unless they say otherwise."""
    data = run.data
    found: dict[str, str] = {}
    found["reconstruction error of the DBN, test set"] = reconstruction(run.dbn, run.states(data.x_test))
    curves = run.histories().get("pretraining-1", {})
    if "val_pseudo_log_likelihood" in curves:
        values = curves["val_pseudo_log_likelihood"]
        last = values[-max(1, len(values) // 4) :]  # one random pixel a case is little: the mean of the last quarter
        when = f"mean of the last {len(last)} epochs" if len(last) > 1 else "last epoch"
        name = f"pseudo-log-likelihood of the first RBM, validation set, {when}"
        found[name] = Measure(f"{np.mean(last):.1f} nats a case", nats=float(np.mean(last)))
    if run.classifier is not None:
        found["test accuracy, fine-tuned DBN"] = accuracy(_correct(run, run.classifier))
    return found


def likelihoods(model: Any, x_test: np.ndarray, x_train: np.ndarray, **options: Any) -> dict[str, str]:
    """How good a model is, in words: likelihood with both figures, partition function, pseudo-likelihood.

    Args:
        model: an RBM, a DBN or a DBM.
        x_test, x_train: states; annealing starts from the second.
        options: as in `likelihood.log_likelihood`.
    """
    if not np.all(model.visible.are_states(tf.convert_to_tensor(x_test))):
        return {"log-likelihood": "none, for the test cases are grey levels, not states"}
    result = likelihood.log_likelihood(model, x_test, x_train, **options)
    what = (
        "variational lower bound of the log-likelihood, test set" if result.variational else "log-likelihood, test set"
    )
    found: dict[str, str] = {}
    found[what] = measures.of_likelihood(result, "case")
    joined = result.log_partition.joined
    if result.exact:
        log_z = joined.log_z
        found["log Z, exact"] = Measure(f"{log_z:.3f}", nats=log_z)
    else:
        forward, backward = result.log_partition
        for name, z in (("both", joined), ("AIS", forward), ("reverse AIS", backward)):
            error = "no standard error" if np.isnan(z.standard_error) else f"standard error {z.standard_error:.3f}"
            found[f"log Z by {name} ({z.kind})"] = Measure(
                f"{z.log_z:.3f}, {error}, effective sample size "
                f"{z.effective_sample_size:.0f} of {len(z.log_weights)} chains",
                nats=z.log_z,
                standard_error=z.standard_error,
                effective_sample_size=z.effective_sample_size,
                chains=len(z.log_weights),
            )
    if len(x_test) > 1:
        error = result.per_case.std(ddof=1) / np.sqrt(len(x_test))
        found["standard error over test cases"] = Measure(f"{error:.2f} nats", nats=error)
    if isinstance(model, RBM) and model.visible.is_binary:
        pseudo = likelihood.pseudo_log_likelihood(model, x_test, exact=True).mean()
        found["pseudo-log-likelihood, test set"] = Measure(f"{pseudo:.2f} nats a case", nats=pseudo)
    return found


def reconstruction(model: Any, states: np.ndarray) -> str:
    """The mean reconstruction error, in words."""
    parts = np.array_split(states, -(-len(states) // 1000))
    error = np.concatenate([model.reconstruction_error(part) for part in parts]).mean()
    return Measure(f"{error:.2f} nats a case", nats=error)


def beside(run: DBNRun) -> dict[str, str]:
    """The test accuracies of what learnt from the same labels alone, and whether pretraining pays."""
    data, rows = run.data, run.training_rows
    if data.y_train is None or data.y_test is None:
        return {}
    found = rivals.on_pixels(data.x_train[rows], data.y_train[rows], data.x_test)
    correct = {name: classes == data.y_test for name, classes in found.items()}
    if run.rival is not None:
        correct = {"rectifiers from random weights": _correct(run, run.rival), **correct}
    measured = {f"test accuracy, {name}": accuracy(each) for name, each in correct.items()}
    if run.classifier is not None:
        question = f"does pretraining pay with {len(rows)} labels"
        measured[question] = rivals.verdict(_correct(run, run.classifier), correct, data.y_test)
    return measured


def _correct(run: DBNRun, net: keras.Model) -> np.ndarray:
    """Which test cases a network classifies correctly, `(cases,)`."""
    return net.predict(run.data.x_test, batch_size=1000, verbose=0).argmax(1) == run.data.y_test


def accuracy(correct: np.ndarray) -> str:
    """A share, in words."""
    errors = np.sum(~correct)
    words = f"{100 * correct.mean():.2f} % ({errors} errors in {len(correct)})"
    return Measure(words, accuracy=correct.mean(), errors=errors, cases=len(correct))


def figures(run: DBNRun) -> dict[str, matplotlib.figure.Figure]:
    """The run's pictures by name; learning curves alone where rows are no pictures."""
    config, curves = run.config, run.histories()
    seen = (run.data.x_train.shape[1], *config.layers)

    def of(stages: dict[str, str]) -> dict[str, dict[str, list[float]]]:
        return {name: curves[stage] for name, stage in stages.items() if curves.get(stage)}

    layers = {f"layer {i + 1}, which sees {seen[i]} units": f"pretraining-{i + 1}" for i in range(len(config.layers))}
    machines = of({**layers, "wake-sleep, the whole stack": "wake-sleep"})
    nets = of({"fine-tuned DBN": "fine-tuning", "rectifiers from random weights": "rectifiers"})
    made = {}
    if machines:
        made["learning_curves"] = plots.learning_curves(
            machines,
            ["reconstruction_error", "pseudo_log_likelihood", "wake_loss"],
            title="levels of different columns are not comparable: each stage learns other data",
            apart=True,
        )
    if nets:
        made["fine_tuning_curves"] = plots.learning_curves(
            nets,
            ["loss", "accuracy"],
            {"loss": "cross-entropy of the classes (nats a case)"},
            title=f"training and validation are not comparable: {_WHY_APART}" if config.binarize == "sample" else "",
        )
    shape = run.data.image_shape
    if shape:
        states = run.states(run.data.x_test)[:40]
        made["filters"] = plots.filters(run.dbn.rbms[0].w_rec, shape, title="recognition weights of the first layer")
        made["reconstructions"] = plots.reconstructions(
            states,
            run.dbn.reconstruct(states),
            shape,
            title=f"test data, made states by: {config.binarize}, and what the whole stack makes of them",
            per_row=20,
        )
        made["fantasies"] = plots.fantasies(
            run.dbn.trajectories(num_chains=20, num_rows=10, num_steps=200),
            shape,
            title="fantasy particles: a column a chain, 200 Gibbs sweeps between rows",
        )
    return made


def card(run: DBNRun, measured: dict[str, str]) -> str:
    """The model card, in Markdown."""
    config, data = run.config, run.data
    sizes = "-".join(str(n) for n in (data.x_train.shape[1], *config.layers))
    sampler = type(config.make_sampler()).__name__
    drawn = f" (seed {config.seed}, not a published binary file)" if config.binarize == "sample" else ""
    lines = [
        f"# {data.name} DBN, {sizes}",
        "",
        f"A deep belief network of Bernoulli units, made by `keras-rbm train` (keras_rbm {__version__}).",
        "",
        "## Data",
        "",
        f"- {data.source}.",
        f"- {len(run.training_rows)} cases to train on, {len(run.validation_rows)} of the training set for validation, "
        f"{len(data.x_test)} to test on, which were read once, at the end.",
        f"- Grey levels become binary states by: {config.binarize}{drawn}. The classifiers are tested on grey levels.",
        "",
        "## Recipe",
        "",
        f"- Greedy pretraining: {config.epochs} epochs a layer, {sampler}-{config.gibbs_steps}, "
        f"SGD with momentum 0.5, learning rate {config.learning_rate:g} falling linearly to 0.",
    ]
    if config.wake_sleep_epochs:
        lines.append(
            f"- Wake-sleep: {config.wake_sleep_epochs} epochs, SGD, learning rate {config.wake_sleep_learning_rate:g} "
            "falling linearly to 0."
        )
    if run.classifier is not None:
        lines.append(
            f"- Fine-tuning: {config.fine_tune_epochs} epochs, SGD with momentum 0.9, learning rate "
            f"{config.fine_tune_learning_rate:g} falling linearly to 0. Beside it rectifiers, as wide: Adam, "
            f"learning rate {rivals.LEARNING_RATE:g} falling linearly to 0, as many epochs."
        )
        if replace(config, seed=DBNConfig.seed) == DBNConfig():  # for which they were tried
            lines.append("- Both learning rates are the best of four each, by cross-entropy on the validation cases.")
    lines += [
        f"- Batches of {config.batch_size}, seed {config.seed}. Training took {run.seconds:.0f} s.",
        "",
        "## Measured",
        "",
    ]
    lines += [*measures.markdown(measured), ""]
    lines += ["Pseudo-likelihood and reconstruction error are monitors, not likelihoods.", ""]
    if run.classifier is not None and config.binarize == "sample":
        lines += [
            f"Accuracies in training and in validation are not comparable: {_WHY_APART}. So a network that has learnt "
            "is often better in validation.",
            "",
        ]
    return "\n".join(lines)


def write(run: DBNRun) -> dict[str, str]:
    """Writes figures, SavedModel and card of a finished run; returns what was measured."""
    files.save_figures(figures(run), run.folder / "figures")
    run.dbn.export(run.folder / "saved_model")
    measured = {**measure(run), **beside(run)}
    with replacing(run.folder / "card.md") as part:
        part.write_text(card(run, measured))
    return measured
