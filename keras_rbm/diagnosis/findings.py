"""Verdicts: what was measured, against what chance alone would do."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from keras_rbm.diagnosis import comparison
from keras_rbm.diagnosis.comparison import Effect
from keras_rbm.diagnosis.evidence import Evidence, Hidden
from keras_rbm.diagnosis.report import ORDER, Finding
from keras_rbm.likelihood import LogLikelihood
from keras_rbm.likelihood.bounds import TOLERANCE

#: Shares of a hidden unit's variance that data explain: below, it is no more than small random weights do; above,
#: nothing is left to chance.
_IDLE, _CERTAIN = 0.01, 0.99


class Samples(NamedTuple):
    """States that stand for the model, and the names of theirs among energies."""

    states: np.ndarray
    energies: np.ndarray
    words: str


def samples(evidence: Evidence) -> Samples:
    """Exact draws, or all chains where they forget their start, or those that began in data: these flatter."""
    if evidence.exact is not None:
        return Samples(evidence.exact, evidence.energies["exact"], "exact samples")
    if _worst(*_left_of_the_start(evidence)) != "ok":
        return Samples(evidence.from_data.states, evidence.energies["from data"], "chains that began in data")
    both = [chains.states for chains in (evidence.from_data, evidence.from_biases)]
    energies = [evidence.energies[name] for name in ("from data", "from biases")]
    return Samples(np.concatenate(both), np.concatenate(energies), "samples")


def findings(evidence: Evidence) -> tuple[Finding, ...]:
    """All, in the order in which they should be read."""
    drawn = samples(evidence)
    found = [mixing(evidence), correlations(evidence, drawn), means(evidence, drawn)]
    if evidence.columns.real.any():
        found.append(spreads(evidence, drawn))
    found.append(energies(evidence, drawn))
    if evidence.likelihood is not None:
        found.append(likelihood(evidence, evidence.likelihood))
    if evidence.validation is not None:
        found.append(overfitting(evidence))
    return (*found, *hidden(evidence))


def mixing(evidence: Evidence) -> Finding:
    """Chains that began in data forget where, those that began elsewhere end in the same states, and the sampler's own
    differ no more from each other than each does from itself."""
    memory, apart = _left_of_the_start(evidence)
    r_hat, sweeps = evidence.mixing.potential_scale_reduction, int(evidence.sweeps[-1])
    between = Effect(1 - 1 / r_hat**2 if math.isfinite(r_hat) else 1.0)  # share of the variance between chains
    verdict, advice = _worst(memory, apart, between), ""
    if verdict != "ok" and evidence.exact is not None:
        verdict = "look"
        advice = (
            "Sample with more sweeps, or with anneal=[0, 1]. Exact samples judge what was learnt; for further training "
            "take sampler='parallel_tempering'."
        )
    elif verdict == "look":
        advice = f"Let chains run longer than {sweeps} sweeps before you trust samples."
    elif verdict == "bad":
        other = "'parallel_tempering'" if evidence.persistent else "'pcd' or 'parallel_tempering'"
        advice = (
            "Samples say where chains began: take many more sweeps, or anneal=[0, 1]; and train with "
            f"sampler={other}, a learning rate that falls to 0 and some L2."
        )
    return Finding(
        "mixing",
        verdict,
        f"After {sweeps} sweeps chains that began in data remember {memory.size:.2f} of it (a correlation), those that "
        f"began in the biases are {apart.size:.2f} deviations from them; R-hat of the sampler's chains {r_hat:.2f}, "
        f"worth {evidence.mixing.effective_sample_size:.0f} independent samples.",
        advice,
        {
            "chain_memory": memory.size,
            "chain_distance": apart.size,
            "potential_scale_reduction": r_hat,
            "effective_sample_size": evidence.mixing.effective_sample_size,
        },
    )


def _left_of_the_start(evidence: Evidence) -> tuple[Effect, Effect]:
    """What chains remember of where they began, and how far they are apart, along the worst principal component."""
    kept = comparison.memory(evidence.start, evidence.from_data.scores[-1])
    error = 1 / math.sqrt(min(len(evidence.data), len(evidence.start)))
    _, memory = comparison.worst(kept, np.full(len(kept), error))
    _, apart = comparison.worst(*comparison.shifts(evidence.from_data.scores[-1], evidence.from_biases.scores[-1]))
    return memory, apart


def correlations(evidence: Evidence, drawn: Samples) -> Finding:
    """Samples have the data's correlations, neither weaker, as early in training, nor stronger."""
    columns = evidence.columns.paired
    data, states = evidence.data[:, columns], drawn.states[:, columns]
    slope = comparison.slope(data, states, evidence.columns.pairs)
    if not slope.strength > comparison.SIGMAS:
        return Finding("correlations", "ok", "The data's columns are not correlated by more than chance would do.")
    own = np.where(evidence.columns.pairs, comparison.correlations(data), 0)
    i, j = np.unravel_index(np.argmax(np.abs(own)), own.shape)
    strongest, theirs = own[i, j], comparison.correlations(states)[i, j]
    error = math.hypot((1 - strongest**2) / math.sqrt(len(data)), (1 - theirs**2) / math.sqrt(len(states)))
    verdict = _worst(Effect(abs(1 - slope.slope), slope.error), Effect(abs(strongest - theirs), error, own.size // 2))
    less = "Train longer, with a larger learning rate, a weaker penalty or more hidden units: they are not learnt yet."
    more = "Let the learning rate fall to 0, or penalise weights (kernel_regularizer): correlations are too strong."
    return Finding(
        "correlations",
        verdict,
        f"Of the data's correlations {drawn.words} have {slope.slope:.0%} (+- {slope.error:.0%}); the strongest, of "
        f"columns {columns[i]} and {columns[j]}: {strongest:.2f} in data, {theirs:.2f} in samples.",
        "" if verdict == "ok" else less if slope.slope < 1 else more,
        {
            "correlation_slope": slope.slope,
            "strongest_in_data": float(strongest),
            "strongest_in_samples": float(theirs),
        },
    )


def means(evidence: Evidence, drawn: Samples) -> Finding:
    """Columns of samples have the data's means."""
    columns = evidence.columns.single
    sizes, errors = comparison.shifts(evidence.data[:, columns], drawn.states[:, columns])
    where, effect = comparison.worst(sizes, errors)
    advice = (
        "If chains do not mix, mend that first. Let the learning rate fall to 0, or biases follow its noise; call "
        "adapt(x) before the first fit."
    )
    return Finding(
        "means",
        effect.verdict,
        f"The mean of {drawn.words} is off by {effect.size:.2f} (+- {effect.error:.2f}) deviations at worst, in column "
        f"{columns[where]}, and by {np.median(np.abs(sizes)):.2f} in the median column.",
        "" if effect.verdict == "ok" else advice,
        {"mean_shift": effect.size, "median_mean_shift": float(np.median(np.abs(sizes)))},
    )


def spreads(evidence: Evidence, drawn: Samples) -> Finding:
    """Real columns of samples are as wide as the data's."""
    columns = evidence.columns.single[evidence.columns.real]
    logs, errors = comparison.spreads(evidence.data[:, columns], drawn.states[:, columns])
    where, effect = comparison.worst(logs, errors)
    return Finding(
        "spreads",
        effect.verdict,
        f"Deviations of real columns of {drawn.words} are {math.exp(logs[where]):.2f} times the data's at worst, in "
        f"column {columns[where]}.",
        ""
        if effect.verdict == "ok"
        else "Let units learn their precision: Gaussian(learn_precision=True); or train on.",
        {"spread_ratio": math.exp(logs[where])},
    )


def energies(evidence: Evidence, drawn: Samples) -> Finding:
    """The model holds data as probable as its own samples."""
    (shift,), (error,) = comparison.shifts(evidence.energies["data"][:, None], drawn.energies[:, None])
    verdict = Effect(abs(shift), error).verdict
    advice = (
        "Train longer: the model's own samples are less probable to it than data are."
        if shift > 0
        else "Let the learning rate fall to 0, or train with longer chains: the model prefers other states to the data."
    )
    return Finding(
        "energies",
        verdict,
        f"The energy of {drawn.words} is {shift:+.2f} (+- {error:.2f}) deviations from that of data.",
        "" if verdict == "ok" else advice,
        {"energy_shift": float(shift)},
    )


def likelihood(evidence: Evidence, found: LogLikelihood) -> Finding:
    """The likelihood is better than that of independent columns, on validation data if there are some."""
    number, held_out = len(evidence.data), evidence.validation is not None
    part = slice(number, None) if held_out else slice(None)
    lower, upper, independent = (x[part] for x in (found.per_case_lower, found.per_case_upper, evidence.independent))
    error = comparison.SIGMAS * np.std(lower - independent) / math.sqrt(len(lower))
    error += 1e-5 * abs(independent.mean())  # energies may be float32
    least, most = np.mean(lower - independent) - error, np.mean(upper - independent) + error
    verdict, advice = "ok", ""
    if not least > 0:
        verdict = "bad" if most < 0 and not found.variational else "look"
        learnt = np.mean((found.per_case_lower - evidence.independent)[:number]) > error
        advice = (
            "It overfits: it knows its training rows better than this. See there."
            if learnt and held_out
            else "Train longer, or with a larger learning rate: the columns' means alone say as much about a row."
        )
    elif not abs(found.upper - found.lower) <= TOLERANCE:
        verdict = "look"
        advice = "The two figures disagree. Ask likelihood.log_likelihood with more temperatures."
    what = "bound of the log-likelihood" if found.variational else "log-likelihood"
    joined = found.per_case[part].mean()
    sides = "" if found.exact else f" (reverse AIS {lower.mean():.2f}, AIS {upper.mean():.2f})"
    return Finding(
        "likelihood",
        verdict,
        f"The {what} of {'validation' if held_out else 'these'} rows is {joined:.2f}{sides} nats a case, that of "
        f"independent columns {independent.mean():.2f}.",
        advice,
        {
            "log_likelihood_joined": float(joined),
            "log_likelihood_lower": float(lower.mean()),
            "log_likelihood_upper": float(upper.mean()),
            "independent_log_likelihood": float(independent.mean()),
        },
    )


def overfitting(evidence: Evidence) -> Finding:
    """Rows that were not trained on are as probable as those that were."""
    data, validation = (evidence.energies[name] for name in ("data", "validation"))
    (shift,), (error,) = comparison.shifts(data[:, None], validation[:, None])
    verdict = Effect(max(shift, 0.0), error).verdict
    advice = (
        "Stop earlier, by callbacks.LikelihoodMonitor on validation data; take fewer hidden units, a "
        "kernel_regularizer, or more data."
    )
    gap = validation.mean() - data.mean()
    return Finding(
        "overfitting",
        verdict,
        f"Validation rows are {abs(gap):.2f} nats a case {'less' if gap >= 0 else 'more'} probable than rows that were "
        f"trained on: {shift:+.2f} (+- {error:.2f}) deviations.",
        "" if verdict == "ok" else advice,
        {"free_energy_gap": float(gap), "relative_gap": float(shift)},
    )


def hidden(evidence: Evidence) -> list[Finding]:
    """Of each hidden layer, how much data say about its units."""
    found = []
    for number, layer in enumerate(evidence.hidden, 1):
        still, shares = layer.states.var(0) == 0, explained(layer)
        idle = ~still & (shares < _IDLE)
        certain = shares > _CERTAIN
        verdict = Effect(float(np.mean(still | idle))).verdict
        advice = ""
        if verdict != "ok" and still.sum() > idle.sum():
            advice = "Start again with a lower learning rate or with regularizers.Sparsity; or take fewer units."
        elif verdict != "ok":
            advice = "Train longer, with a larger learning rate, or take fewer units."
        rest = f"; data explain {shares[~still].mean():.0%} of the variance of those that change" * (not still.all())
        found.append(
            Finding(
                "hidden units" if len(evidence.hidden) == 1 else f"hidden layer {number}",
                verdict,
                f"Of {len(still)} units {still.sum()} never change, {idle.sum()} change without regard to data, and "
                f"{certain.sum()} are certain given data{rest}.",
                advice,
                {name: float(x.mean()) for name, x in (("still", still), ("idle", idle), ("certain", certain))},
            )
        )
    return found


def explained(layer: Hidden) -> np.ndarray:
    """The share of each unit's variance that data explain, 0 of units that never change, `(units,)`."""
    spread = layer.states.var(0)
    return np.minimum(layer.means.var(0) / np.where(spread > 0, spread, np.inf), 1)


def _worst(*effects: Effect) -> str:
    return max((effect.verdict for effect in effects), key=ORDER.index)
