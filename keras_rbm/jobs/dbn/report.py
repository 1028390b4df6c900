"""What a run leaves for people to read: figures, measures, a card."""

from __future__ import annotations

from typing import Any

import matplotlib.figure
import numpy as np
import tensorflow as tf

from keras_rbm import likelihood, plots
from keras_rbm.files import replacing
from keras_rbm.jobs import files, measures
from keras_rbm.jobs.dbn.run import DBNRun
from keras_rbm.models import RBM
from keras_rbm.version import __version__


def measure(run: DBNRun) -> dict[str, str]:
    """The run's figures in words, measured on the test set unless they say otherwise."""
    data, found = run.data, {}
    found["reconstruction error of the DBN, test set"] = reconstruction(run.dbn, run.states(data.x_test))
    curves = run.histories().get("pretraining-1", {})
    if "val_pseudo_log_likelihood" in curves:
        values = curves["val_pseudo_log_likelihood"]
        last = values[-max(1, len(values) // 4) :]  # one random pixel a case is little: the mean of the last quarter
        name = f"pseudo-log-likelihood of the first RBM, validation set, mean of the last {len(last)} epochs"
        found[name] = f"{np.mean(last):.1f} nats a case"
    nets = {"fine-tuned DBN": run.classifier, "the same network from random weights": run.rival}
    for name, net in nets.items():
        if net is not None:
            correct = net.predict(data.x_test, batch_size=1000, verbose=0).argmax(1) == data.y_test
            found[f"test accuracy, {name}"] = accuracy(correct)
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
    found = {}
    if result.exact:
        found[what] = f"{result.lower:.3f} nats a case (log Z is exact)"
        found["log Z, exact"] = f"{result.log_partition.lower.log_z:.3f}"
    else:
        found[what] = f"{result.lower:.2f} (by reverse AIS) and {result.upper:.2f} (by AIS) nats a case"
        for name, z in zip(("AIS", "reverse AIS"), result.log_partition, strict=True):
            found[f"log Z by {name} ({z.kind})"] = (
                f"{z.log_z:.3f}, standard error {z.standard_error:.3f}, effective sample size "
                f"{z.effective_sample_size:.0f} of {len(z.log_weights)} chains"
            )
    if len(x_test) > 1:
        error = result.per_case_lower.std(ddof=1) / np.sqrt(len(x_test))
        found["standard error over test cases"] = f"{error:.2f} nats"
    if isinstance(model, RBM) and model.visible.is_binary:
        pseudo = likelihood.pseudo_log_likelihood(model, x_test, exact=True).mean()
        found["pseudo-log-likelihood, test set"] = f"{pseudo:.2f} nats a case"
    return found


def reconstruction(model: Any, states: np.ndarray) -> str:
    """The mean reconstruction error, in words."""
    parts = np.array_split(states, -(-len(states) // 1000))
    return f"{np.concatenate([model.reconstruction_error(part) for part in parts]).mean():.2f} nats a case"


def logistic_regression(run: DBNRun) -> dict[str, str]:
    """The accuracy of logistic regression on pixels, trained on the same cases."""
    if run.data.y_train is None:
        return {}
    from sklearn.linear_model import LogisticRegression

    rows = run.training_rows
    model = LogisticRegression(max_iter=300, tol=1e-3).fit(run.data.x_train[rows], run.data.y_train[rows])
    correct = model.predict(run.data.x_test) == run.data.y_test
    return {"test accuracy, logistic regression on pixels": accuracy(correct)}


def accuracy(correct: np.ndarray) -> str:
    """A share, in words."""
    return f"{100 * correct.mean():.2f} % ({np.sum(~correct)} errors in {len(correct)})"


def figures(run: DBNRun) -> dict[str, matplotlib.figure.Figure]:
    """The run's pictures by name; learning curves alone where rows are no pictures."""
    curves = run.histories()
    machines = {name: curve for name, curve in curves.items() if "loss" in curve and "accuracy" not in curve}
    nets = {name: curve for name, curve in curves.items() if "accuracy" in curve}
    made = {}
    if machines:
        metrics = ["reconstruction_error", "pseudo_log_likelihood"]
        made["learning_curves"] = plots.learning_curves(machines, metrics)
    if nets:
        made["fine_tuning_curves"] = plots.learning_curves(
            nets, ["loss", "accuracy"], {"loss": "cross-entropy of the classes (nats a case)"}
        )
    shape = run.data.image_shape
    if shape:
        states = run.states(run.data.x_test)[:40]
        made["filters"] = plots.filters(run.dbn.rbms[0].w_rec, shape, title="recognition weights of the first layer")
        made["reconstructions"] = plots.reconstructions(
            states, run.dbn.reconstruct(states), shape, title="test data and their reconstructions", per_row=20
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
        f"- Grey levels become binary states by: {config.binarize}. The classifiers are tested on grey levels.",
        "",
        "## Recipe",
        "",
        f"- Greedy pretraining: {config.epochs} epochs a layer, {config.sampler.upper()}-{config.gibbs_steps}, "
        f"SGD with momentum 0.5, learning rate {config.learning_rate:g} falling linearly to 0.",
        f"- Wake-sleep: {config.wake_sleep_epochs} epochs, SGD, learning rate {config.wake_sleep_learning_rate:g} "
        "falling linearly to 0.",
    ]
    if run.classifier is not None:
        lines.append(
            f"- Fine-tuning: {config.fine_tune_epochs} epochs, SGD with momentum 0.9, learning rate "
            f"{config.fine_tune_learning_rate:g} falling linearly to 0; the same for random weights."
        )
    lines += [
        f"- Batches of {config.batch_size}, seed {config.seed}. Training took {run.seconds:.0f} s.",
        "",
        "## Measured",
        "",
    ]
    lines += [*measures.markdown(measured), ""]
    lines += ["Pseudo-likelihood and reconstruction error are monitors, not likelihoods.", ""]
    return "\n".join(lines)


def write(run: DBNRun) -> dict[str, str]:
    """Writes figures, SavedModel and card of a finished run; returns what was measured."""
    files.save_figures(figures(run), run.folder / "figures")
    run.dbn.export(run.folder / "saved_model")
    measured = {**measure(run), **logistic_regression(run)}
    with replacing(run.folder / "card.md") as part:
        part.write_text(card(run, measured))
    return measured
