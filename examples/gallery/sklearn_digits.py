# %% [markdown]
# # Features for a linear classifier
#
# scikit-learn's own example of an RBM: digits, moved by a pixel in four directions, are turned into 100 features,
# from which a logistic regression tells the digits apart better than from the pixels. Here `RBMTransformer` takes the
# place of `BernoulliRBM`: one line differs. You get both pipelines, what each reaches, and in what time.

# %%
import time

import matplotlib.pyplot as plt
import numpy as np
from scipy.ndimage import shift
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import train_test_split
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from keras_rbm.sklearn import RBMTransformer

MOVES = [(0, 0), (0, 1), (0, -1), (1, 0), (-1, 0)]
pixels, labels = load_digits(return_X_y=True)
moved = [[shift(image.reshape(8, 8), move, order=0).ravel() for image in pixels] for move in MOVES]
X, y = np.concatenate(moved).astype("float32"), np.tile(labels, len(MOVES))
x_train, x_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=0)
print(f"{len(x_train)} training and {len(x_test)} test rows of {X.shape[1]} pixels")

# %% [markdown]
# ## Both pipelines
#
# `BernoulliRBM` has the settings of scikit-learn's example: 100 features, learning rate 0.06, 10 epochs. Both feed the
# same logistic regression. Seconds are those of one core, with all that TensorFlow compiles.

# %%
EXAMPLE = {"n_components": 100, "learning_rate": 0.06, "n_iter": 10, "random_state": 0}
FEATURES = {
    "pixels": [],
    "BernoulliRBM, 10 epochs": [BernoulliRBM(**EXAMPLE)],
    "BernoulliRBM, 60 epochs": [BernoulliRBM(**{**EXAMPLE, "n_iter": 60})],
    "RBMTransformer, 10 epochs": [RBMTransformer(**EXAMPLE)],
}


def measured(name, steps):
    """Accuracy on the test rows, and the seconds of the features."""
    features = make_pipeline(MinMaxScaler(), *steps)
    started = time.process_time()
    h_train = features.fit_transform(x_train)
    seconds = time.process_time() - started
    classifier = LogisticRegression(C=6000, solver="newton-cg", tol=1e-4).fit(h_train, y_train)
    accuracy = classifier.score(features.transform(x_test), y_test)
    print(f"{name:28s} accuracy {accuracy:.4f}, features in {seconds:5.1f} s")
    return features


fitted = {name: measured(name, steps) for name, steps in FEATURES.items()}

# %% [markdown]
# Measured once on the test rows, where 0.005 is a standard error: 0.785 from pixels, 0.9455 from `BernoulliRBM` in
# 0.7 s, 0.9421 from `RBMTransformer` in 4.3 s. So here the two are equally good, and scikit-learn is faster: ours is
# not better in the same time. What you gain by the change is the rest: other units and samplers, samples, likelihoods,
# all of `model_`. On rows as large as MNIST's an update of ours takes 0.6 times as long as scikit-learn's.
#
# On a fifth of the training rows, held out, `BernoulliRBM` reached 0.9451, and 0.931 after 60 epochs, which take as
# long as ours; `RBMTransformer` 0.9423. Others were worse: centred gradients (0.911), those with contrastive divergence
# (0.903), ReLU hidden units with centred gradients (0.857).

# %% [markdown]
# ## What the features look for
#
# Each picture is the weights of a feature, from blue (a dark pixel speaks for it) to red (a bright one does).

# %%
figure, axes = plt.subplots(2, 12, figsize=(12, 2.6), layout="constrained")
for row, name in zip(axes, ["BernoulliRBM, 10 epochs", "RBMTransformer, 10 epochs"], strict=True):
    weights = fitted[name][-1].components_
    most = np.quantile(np.abs(weights), 0.99)
    for axis, weight in zip(row, weights, strict=False):
        axis.imshow(weight.reshape(8, 8), cmap="RdBu_r", vmin=-most, vmax=most)
        axis.set(xticks=[], yticks=[])
    row[0].set_title(name, loc="left", fontsize=10)
plt.show()
