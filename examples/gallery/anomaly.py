# %% [markdown]
# # Anomalies in tables
#
# You have rows that are normal, and want to know of new ones whether they are. `RBMOutlierDetector` learns what
# normal rows look like, and its free energy says how unusual a new one is. Here it stands beside the detectors of
# scikit-learn, on tables that scikit-learn brings along.
#
# The rules: detectors learn from half of the normal rows and never see an anomaly. They are judged by the area under
# the ROC curve (1: all anomalies above all normal rows; 0.5: chance) on the other half and all anomalies, over
# several ways to split. All see columns of mean 0 and deviation 1.
#
# An RBM is a density, so its *likelihood* of normal rows that were held out of the training half can choose its
# settings, without one anomaly: here, whether it sees whitened columns. A bandwidth and a number of components are
# chosen in the same way. The other detectors have no such score, and scikit-learn's settings.

# %%
import time
import warnings
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from sklearn.covariance import EllipticEnvelope, LedoitWolf
from sklearn.datasets import load_breast_cancer, load_digits, load_wine
from sklearn.ensemble import IsolationForest
from sklearn.metrics import roc_auc_score
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV, ShuffleSplit
from sklearn.neighbors import KernelDensity, LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import OneClassSVM

from keras_rbm.sklearn import RBMDensity, RBMOutlierDetector

SEEDS = range(3)
cancer, wine, digits = load_breast_cancer(), load_wine(), load_digits()
TABLES = {  # rows, and which of them are normal
    "benign cells": (cancer.data, cancer.target == 1),
    "wines, class 0": (wine.data, wine.target == 0),
    "wines, class 1": (wine.data, wine.target == 1),
    "ones": (digits.data, digits.target == 1),
    "eights": (digits.data, digits.target == 8),
}


def split(X, normal, seed):
    """Standardised training rows, test rows, and which of these are anomalies."""
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(normal))
    train, test = rows[: len(rows) // 2], np.r_[rows[len(rows) // 2 :], np.flatnonzero(~normal)]
    scaler = StandardScaler().fit(X[train])
    return *(scaler.transform(X[part]).astype("float32") for part in (train, test)), ~normal[test]


# %% [markdown]
# ## The detectors


# %%
class Whitening(FunctionTransformer):
    """What `whiten=True` does, for the others."""

    def fit(self, X, y=None):
        values, vectors = np.linalg.eigh(LedoitWolf().fit(X).covariance_)
        self.func = lambda rows: rows @ (vectors / np.sqrt(values))
        return self


RBM = {"n_components": 8, "n_iter": 200, "learning_rate": 0.02}
RBM_GRID = {"whiten": [False, True]}
held_out = ShuffleSplit(1, test_size=0.3, random_state=0)


def rbm(train, seed, settings):
    return RBMOutlierDetector(random_state=seed, **RBM, **settings)


def best(estimator, grid, train):
    return GridSearchCV(estimator, grid, cv=held_out, refit=False).fit(train).best_params_


RIVALS = {
    "isolation forest": lambda train, seed: IsolationForest(random_state=seed),
    "one-class SVM": lambda train, seed: OneClassSVM(nu=0.1),
    "SVM, whitened": lambda train, seed: make_pipeline(Whitening(), OneClassSVM(nu=0.1)),
    "local outlier factor": lambda train, seed: LocalOutlierFactor(novelty=True),
    "elliptic envelope": lambda train, seed: EllipticEnvelope(support_fraction=1.0, random_state=seed),
    "kernel density": lambda train, seed: KernelDensity(
        **best(KernelDensity(), {"bandwidth": [0.3, 0.5, 1.0, 2.0]}, train)
    ),
    "Gaussian mixture": lambda train, seed: GaussianMixture(
        reg_covar=0.01, random_state=seed, **best(GaussianMixture(reg_covar=0.01), {"n_components": [1, 2, 3]}, train)
    ),
}

# %%
warnings.filterwarnings("ignore", category=UserWarning, module="sklearn")  # of a covariance that is not of full rank
areas = {table: {} for table in TABLES}
seconds = {}
for table, (X, normal) in TABLES.items():
    settings = best(RBMDensity(random_state=0, **RBM), RBM_GRID, split(X, normal, 0)[0])
    print(f"{table}: {normal.sum()} normal rows, {X.shape[1]} columns; RBM: {settings}")
    ours = {"RBM": settings, "RBM, whitened": {"whiten": True}}
    ours = {name: partial(rbm, settings=settings) for name, settings in ours.items()}
    for name, detector in {**ours, **RIVALS}.items():
        started = time.process_time()
        for seed in SEEDS:
            train, test, anomalous = split(X, normal, seed)
            scores = detector(train, seed).fit(train).score_samples(test)
            areas[table].setdefault(name, []).append(roc_auc_score(anomalous, -scores))
        seconds[name] = seconds.get(name, 0) + time.process_time() - started

# %% [markdown]
# ## How well they find anomalies

# %%
names = ["RBM", "RBM, whitened", *RIVALS]
print(f"ROC-AUC, mean and deviation of {len(SEEDS)} splits; CPU seconds of learning and scoring, all tables")
print(f"{'':20s}" + "".join(f"{table:>16s}" for table in TABLES) + f"{'mean':>8s}{'seconds':>9s}")
for name in names:
    cells = [f"{np.mean(areas[table][name]):.3f} +-{np.std(areas[table][name]):.3f}" for table in TABLES]
    mean = np.mean([areas[table][name] for table in TABLES])
    print(f"{name:20s}" + "".join(f"{cell:>16s}" for cell in cells) + f"{mean:8.3f}{seconds[name]:9.1f}")

# %%
figure, axes = plt.subplots(1, len(TABLES), figsize=(14, 3.4), sharey=True, layout="constrained")
for axis, table in zip(axes, TABLES, strict=True):
    for i, name in enumerate(names[::-1]):
        values = areas[table][name]
        axis.errorbar(np.mean(values), i, xerr=np.std(values), fmt="o", color="C3" if "RBM" in name else "C0")
    axis.set(title=table, xlabel="ROC-AUC", yticks=range(len(names)), yticklabels=names[::-1])
    axis.grid(axis="x", alpha=0.3)
plt.show()

# %% [markdown]
# ## What it shows
#
# Measured over three splits, table by table: on benign cells, whose anomalies are malignant ones, the RBM is ahead of
# all others in each split, 0.967 (+- 0.006) beside 0.960 of the best rival (a Gaussian mixture) and 0.956 of the
# isolation forest. What it needed was the whitening, which the likelihood chose; but that whitening is worth trying
# was found on this very table. Elsewhere the RBM is not ahead: 0.991 beside 0.996 (one-class SVM) and 0.939 beside
# 0.945 (local outlier factor) on wines, 0.970 beside 0.994 (elliptic envelope) on ones (0.973 whitened, which the
# likelihood did not choose), 0.957 beside 0.970 (SVM on whitened columns) on eights. In the mean of the five the SVM
# on whitened columns has 0.969, the RBM 0.965, the isolation forest 0.955. The RBM takes about two seconds to learn a
# table where the others take milliseconds.
