# %% [markdown]
# # Pictures: complete what is hidden, clean what is noisy
#
# One RBM, trained once on handwritten digits without labels, answers both: hold the pixels that you know and sample the
# others, or go up and down from a noisy picture. Here it is measured beside methods that are made for the one or the
# other.
#
# The RBM has 500 hidden units and comes with the package. MNIST comes through tensorflow_datasets (set
# `TFDS_DATA_DIR` to where it is); pixels are made 0 or 1 at random by their grey level, with seed 0.

# %%
import time
from pathlib import Path

import keras
import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import median_filter
from sklearn.decomposition import PCA
from sklearn.linear_model import Ridge
from sklearn.neighbors import NearestNeighbors

import keras_rbm

SEED, NUM_CASES = 0, 500
data = keras_rbm.load("mnist")
x_train = keras_rbm.datasets.binarized(data.x_train, seed=SEED)
x_test = keras_rbm.datasets.binarized(data.x_test, seed=SEED)
x_train, x_validation = x_train[:-NUM_CASES], x_train[-NUM_CASES:]
rbm = keras.models.load_model(Path("saved_models/pretrained/mnist-rbm-500/rbm.keras"), compile=False)

# %% [markdown]
# ## Complete
#
# Lower halves are hidden. `impute` gives each hidden pixel its probability given the upper half: the average along a
# Gibbs chain in which the upper half is held. It starts from nothing, so it is given 300 sweeps to forget that,
# and then goes slowly from one completion to another: the average is over 1000.
#
# The rivals predict the lower half from the upper one: its mean; the mean of the nearest training digits; a linear
# regression of each pixel (what scikit-learn's `IterativeImputer` comes down to where the gap is always the same); a
# joint Gaussian of principal components. What they can be told (how many neighbours, what penalty, how many components)
# is the best of a few on 500 validation digits, which the RBM was trained on and they were not.

# %%
upper = np.arange(784) < 392


def cross_entropy(p, x):
    """Nats a hidden pixel; probabilities are cut at 0.005."""
    p = np.clip(p, 0.005, 0.995)
    return -np.mean(np.where(x > 0, np.log(p), np.log(1 - p)))


def score(p, x):
    p, x = np.asarray(p)[:, ~upper], x[:, ~upper]
    return cross_entropy(p, x), np.sqrt(np.mean((p - x) ** 2)), np.mean((p > 0.5) != x)


def neighbours(x, k):
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x_train[:, upper])
    return x_train[found.kneighbors(x[:, upper], return_distance=False)].mean(1)


def linear(x, alpha):
    fitted = Ridge(alpha).fit(x_train[:, upper], x_train[:, ~upper])
    return np.hstack([x[:, upper], fitted.predict(x[:, upper])])


def components(x, k):
    """The mean of the lower half given the upper one under probabilistic PCA with k components."""
    pca = PCA(k, svd_solver="randomized", random_state=SEED).fit(x_train)
    covariance, lower = pca.get_covariance(), ~upper
    gain = np.linalg.solve(covariance[np.ix_(upper, upper)], covariance[np.ix_(upper, lower)])
    return np.hstack([x[:, upper], pca.mean_[lower] + (x[:, upper] - pca.mean_[upper]) @ gain])


def by_rbm(x):
    return rbm.impute(np.where(upper, x, np.nan), num_steps=1000, burn_in=300)


def best(method, choices):
    return min(choices, key=lambda choice: score(method(x_validation, choice), x_validation)[0])


x = x_test[:NUM_CASES]
chosen = {neighbours: best(neighbours, (10, 20, 40, 80)), linear: best(linear, (10.0, 100.0, 1000.0))}
chosen[components] = best(components, (20, 50, 100))
started = time.monotonic()
completed = {
    "mean picture": np.tile(x_train.mean(0), (NUM_CASES, 1)),
    f"{chosen[components]} components": components(x, chosen[components]),
    f"linear, penalty {chosen[linear]:g}": linear(x, chosen[linear]),
    f"{chosen[neighbours]} nearest digits": neighbours(x, chosen[neighbours]),
}
rivals, started = time.monotonic() - started, time.monotonic()
completed["RBM.impute"] = np.asarray(by_rbm(x))
print(f"{NUM_CASES} test digits; RBM {time.monotonic() - started:.0f} s, all others {rivals:.0f} s")
print(f"{'lower halves':<24}{'nats a pixel':>14}{'RMSE':>10}{'wrong':>10}")
for name, p in completed.items():
    nats, rms, wrong = score(p, x)
    print(f"{name:<24}{nats:>14.4f}{rms:>10.4f}{wrong:>10.2%}")

# %% [markdown]
# The RBM has the fewest pixels wrong and the best probabilities; the mean of the nearest digits comes next, and needs
# all of the training data at hand. Means of all completions are blurred where there are several: a 4 and a 9 may have
# the same upper half. The RBM can also be asked for one completion at a time, and each time it gives another.

# %%
held = x_test[:20]
sampled = rbm.sample(clamp=upper, values=held, num_steps=1000, mean=True)
keras_rbm.plots.fantasies(np.stack([held, np.where(upper, held, 0.5), sampled]), (28, 28))  # data, shown, completed

# %%
shown = x_test[:12]
rows = {
    "data": shown,
    "shown": np.where(upper, shown, 0.5),
    "nearest": np.where(upper, shown, completed[f"{chosen[neighbours]} nearest digits"][:12]),
    "impute": completed["RBM.impute"][:12],
    **{f"sample {i}": rbm.sample(clamp=upper, values=shown, num_steps=1000, mean=True) for i in (1, 2, 3)},
}


def draw(rows):
    _, panels = plt.subplots(len(rows), 12, figsize=(7, 0.62 * len(rows)), layout="constrained")
    for line, (name, pictures) in zip(panels, rows.items(), strict=True):
        for axes, picture in zip(line, np.asarray(pictures), strict=True):
            axes.imshow(picture.reshape(28, 28), cmap="gray_r", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
    plt.show()


draw(rows)

# %% [markdown]
# ## Clean
#
# Of all pixels 15 % are flipped. `denoise` goes up and down: once by means, or several times by states drawn, of whose
# means it takes the average. The rivals: a median filter of 3 x 3 pixels, principal components (their number chosen on
# validation digits), the mean of the nearest training digits.

# %%
FLIPPED = 0.15


def flipped(x):
    return np.where(np.random.default_rng(SEED).random(x.shape) < FLIPPED, 1 - x, x).astype("float32")


def projected(x, k):
    pca = PCA(k, svd_solver="randomized", random_state=SEED).fit(x_train)
    return pca.inverse_transform(pca.transform(x))


def nearest(x, k):
    found = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(x_train)
    return x_train[found.kneighbors(x, return_distance=False)].mean(1)


def filtered(x, k):
    return median_filter(x.reshape(-1, 28, 28), (1, k, k)).reshape(-1, 784)


def wrong(guess, x):
    return np.mean((np.asarray(guess) > 0.5) != x)


noisy, noisy_validation = flipped(x_test), flipped(x_validation)
cleaned = {"as it is": noisy[:NUM_CASES]}
for name, method, choices in (
    ("median filter", filtered, (3, 5)),
    ("components", projected, (20, 40, 60, 80)),
    ("nearest digits", nearest, (5, 10, 20)),
    ("RBM.denoise, mean field", lambda x, k: rbm.denoise(x, k), (1, 2, 5)),
    ("RBM.denoise, Gibbs", lambda x, k: rbm.denoise(x, k, "gibbs"), (1, 2, 5, 10)),
):
    choice = min(choices, key=lambda c, method=method: wrong(method(noisy_validation, c), x_validation))
    cleaned[f"{name} ({choice})"] = np.asarray(method(noisy[:NUM_CASES], choice))
print(f"{NUM_CASES} test digits, {FLIPPED:.0%} of the pixels flipped")
for name, guess in cleaned.items():
    errors = np.mean((guess > 0.5) != x, axis=1)
    print(f"{name:<30}{errors.mean():>8.2%} ± {errors.std() / np.sqrt(len(errors)):.2%} of the pixels wrong")
print(f"all test digits, RBM.denoise once by means: {wrong(rbm.denoise(noisy), x_test):.2%}")

# %%
draw({"data": shown, "noisy": noisy[:12]} | {name.split(" (")[0]: p[:12] for name, p in list(cleaned.items())[1:]})

# %% [markdown]
# The mean of the nearest digits and the principal components, whose numbers are chosen for this noise, are ahead here.
# `denoise` has no choice but the number of steps, and is not told how many pixels are wrong.
