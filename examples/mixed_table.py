"""A table of binary, categorical and real columns: a mixed RBM beside independent columns and IterativeImputer.

    python examples/mixed_table.py

The table is scikit-learn's diabetes study (442 patients): sex, age in four bins, eight standardised measurements of
body and blood, and the progression of the disease.

Measured with seed 0 in 141 s on 2 very busy cores, 110 test cases, exactly: -12.54 nats a case, independent columns
-14.83. Of the 20 % of cells that were hidden RBM.impute is off by 0.723 deviations (IterativeImputer 0.670, column
means 1.004), has 15.8 % of 19 sexes wrong (10.5 %, 52.6 %) and 68.4 % of 19 age bins (78.9 %, 78.9 %): chained linear
regressions fill in real columns better. The settings are the best of four on 80 validation cases.
"""

from __future__ import annotations

import argparse
import time

import keras
import numpy as np
from keras.optimizers.schedules import PolynomialDecay
from sklearn.datasets import load_diabetes
from sklearn.experimental import enable_iterative_imputer  # noqa: F401 - its import enables the next one
from sklearn.impute import IterativeImputer

import keras_rbm

SEED, BATCH, NUM_BINS, HIDDEN_SHARE = 0, 20, 4, 0.2


def table(rows: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Columns sex, age one-hot, real ones with mean 0 and deviation 1 in the rows `by`."""
    raw = load_diabetes(scaled=False)
    age, sex, real = raw.data[:, 0], raw.data[:, 1], np.column_stack([raw.data[:, 2:], raw.target])
    bins = np.searchsorted(np.quantile(age[by], np.linspace(0, 1, NUM_BINS + 1)[1:-1]), age)
    real = (real - real[by].mean(0)) / real[by].std(0)
    whole = np.column_stack([sex == sex.max(), np.eye(NUM_BINS)[bins], real])
    return whole[rows].astype("float32")


def independent(train: np.ndarray, test: np.ndarray) -> float:
    """Mean log-likelihood of the test cases where each column has a distribution of its own, nats a case."""
    rbm = keras_rbm.RBM(1, visible=kinds(), kernel_initializer="zeros")
    rbm.adapt(train)
    return keras_rbm.likelihood.log_likelihood(rbm, test).lower


def kinds() -> keras_rbm.units.Mixed:
    real = keras_rbm.units.Gaussian(learn_precision=True)
    return keras_rbm.units.Mixed([("bernoulli", 1), (keras_rbm.units.Softmax(NUM_BINS), NUM_BINS), (real, None)])


def errors(truth: np.ndarray, filled: np.ndarray, missing: np.ndarray) -> str:
    """Of the cells that were missing."""
    real = missing[:, 1 + NUM_BINS :]
    rms = np.sqrt(np.mean((filled - truth)[:, 1 + NUM_BINS :][real] ** 2))
    sex = np.mean((filled[:, 0] > 0.5)[missing[:, 0]] != truth[:, 0][missing[:, 0]])
    ages = [x[missing[:, 1], 1 : 1 + NUM_BINS].argmax(1) for x in (filled, truth)]
    return f"{rms:.3f} deviations (real), {sex:.1%} wrong (sex), {np.mean(ages[0] != ages[1]):.1%} wrong (age bin)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--validate", action="store_true", help="measure on the validation cases, train without them")
    parser.add_argument("--units", type=int, default=12)
    parser.add_argument("--learning-rate", type=float, default=0.02)
    parser.add_argument("--l2", type=float, default=0.01)
    parser.add_argument("--epochs", type=int, default=1000)
    options = parser.parse_args()
    order = np.random.default_rng(SEED).permutation(442)
    test_rows, validation_rows, train_rows = np.split(order, [110, 190])
    if options.validate:
        test_rows = validation_rows
    else:
        train_rows = np.concatenate([validation_rows, train_rows])
    train, test = table(train_rows, train_rows), table(test_rows, train_rows)

    started = time.monotonic()
    rbm = keras_rbm.RBM(
        options.units,
        visible=kinds(),
        sampler=keras_rbm.samplers.PCD(num_chains=100),
        kernel_regularizer=keras.regularizers.L2(options.l2),
        seed=SEED,
    )
    rbm.adapt(train)
    steps = options.epochs * -(-len(train) // BATCH)
    rbm.compile(keras.optimizers.SGD(PolynomialDecay(options.learning_rate, steps, 0.0), clipnorm=10.0))
    rbm.fit(train, batch_size=BATCH, epochs=options.epochs, verbose=0)
    seconds = time.monotonic() - started

    rng = np.random.default_rng(SEED)
    missing = rng.random((len(test), test.shape[1] - NUM_BINS + 1)) < HIDDEN_SHARE  # the age bin as one cell
    missing = np.concatenate([missing[:, :1], np.repeat(missing[:, 1:2], NUM_BINS, 1), missing[:, 2:]], 1)
    holed = np.where(missing, np.nan, test)
    chained = IterativeImputer(random_state=SEED, max_iter=100).fit(train).transform(holed)
    column_means = np.where(missing, train.mean(0), test)

    name = "validation" if options.validate else "test"
    print(f"{len(train)} training and {len(test)} {name} cases, {seconds:.0f} s")
    print("log-likelihood, nats a case (exact)")
    print(f"  independent columns:       {independent(train, test):7.2f}")
    fitted = keras_rbm.likelihood.log_likelihood(rbm, train).lower
    print(
        f"  RBM, {options.units} hidden units:      {keras_rbm.likelihood.log_likelihood(rbm, test).lower:7.2f}"
        f" (training {fitted:.2f})"
    )
    print(f"imputation, {HIDDEN_SHARE:.0%} of the cells")
    print(f"  column means:     {errors(test, column_means, missing)}")
    print(f"  IterativeImputer: {errors(test, chained, missing)}")
    print(f"  RBM.impute:       {errors(test, np.asarray(rbm.impute(holed)), missing)}")


if __name__ == "__main__":
    main()
