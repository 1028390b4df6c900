# %% [markdown]
# # Recommend: from a sparse table of ratings to the ten best items for each user
#
# Users rate a few of many items. A `RatingsRBM` learns what goes with what, predicts the rating of any item, and says
# what to show. You give it a scipy.sparse table; it stays sparse, only the users of a launch are made dense.
#
# It learns one of two likelihoods. `objective="ratings"` is that of Salakhutdinov, Mnih & Hinton (2007): each user has
# an RBM of the items that were rated, and learns *how*. `objective="joint"` also learns *which* items are rated, that
# is what people choose, and that is most of what a recommendation is about.
#
# ## Data
#
# MovieLens is a download, which this page does without: the table is made up by a model that is no RBM. Users and
# items have five hidden factors each; a user likes an item by their match, the item's quality and the user's kindness;
# ratings are that with noise, rounded to 1..5. What is rated is not random: well-known items and those that match are
# chosen more often. 1,000 users, 500 items, 55,000 ratings.
#
# For MovieLens instead: `full = keras_rbm.datasets.movielens("100k").table`, or
# `keras_rbm.datasets.read_ratings("u.data").table`. No figure here is of MovieLens.

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np
from scipy import sparse

import keras_rbm

SEED, K = 0, 10


def made_up(rng, num_users=1000, num_items=500, rank=5):
    taste, style = rng.normal(size=(num_users, rank)), rng.normal(size=(num_items, rank))
    match = taste @ style.T / np.sqrt(rank)
    quality, kindness = rng.normal(0, 0.4, num_items), rng.normal(0, 0.4, num_users)
    likes = 3.3 + kindness[:, None] + quality + 0.6 * match
    ratings = np.clip(np.rint(likes + rng.normal(0, 0.7, likes.shape)), 1, 5)
    keen = rng.normal(0, 1.2, num_items) + 0.5 * quality + 1.2 * match + rng.gumbel(size=likes.shape)
    number = np.clip(rng.lognormal(np.log(40), 0.8, num_users), 10, 250).astype(int)
    rated = np.argsort(np.argsort(-keen, 1), 1) < number[:, None]
    return sparse.csr_array(np.where(rated, ratings, 0))


full = made_up(np.random.default_rng(SEED))
train, test = keras_rbm.datasets.split_ratings(full, held_out=0.25, seed=SEED)  # of each user a quarter
known, validation = keras_rbm.datasets.split_ratings(train, held_out=0.25, seed=SEED + 1)
print(f"{full.nnz} ratings: {train.nnz} to learn from ({validation.nnz} of them choose settings), {test.nnz} to test")

# %% [markdown]
# ## Measures
#
# - **RMSE** of the predicted ratings that were held out.
# - Of the ten items that are recommended to a user among those that the user has not rated yet, relevant are those
#   which the user did rate in the held-out part: **precision@10**, **nDCG@10** (hits count more the higher they stand)
#   and **MAP@10** (`keras_rbm.ranking.score`, by the definitions that Microsoft's recommenders are compared with).
#
# Every method sees the same known ratings. What is held out for the test is looked at once, at the end.


# %%
def held_out_errors(predict, held_out):
    """Squared errors and their users."""
    pairs = held_out.tocoo()
    return (predict(pairs.row, pairs.col) - pairs.data) ** 2, pairs.row


def rmse(predict, held_out):
    return np.sqrt(held_out_errors(predict, held_out)[0].mean())


def top(scores, known):
    return np.argsort(-np.where(known.toarray() > 0, -np.inf, scores), 1)[:, :K]


# %% [markdown]
# ## Rivals
#
# For ratings: item means; biases of users and items; biases and a matrix factorisation by alternating least squares
# (ALS). For rankings: the most rated; item neighbours by cosine; a truncated singular value decomposition of what was
# rated (PureSVD); implicit ALS, where what was not rated is a weak no (Hu, Koren & Volinsky, 2008). Their settings are
# the best of a few on the validation part.


# %%
def item_means(table):
    x, seen = table.toarray(), table.toarray() > 0
    return np.tile((x.sum(0) + x[seen].mean()) / (seen.sum(0) + 1), (len(x), 1))


def biases(table, penalty=5.0):
    x, seen = table.toarray(), table.toarray() > 0
    mean, of_user, of_item = x[seen].mean(), np.zeros(x.shape[0]), np.zeros(x.shape[1])
    for _ in range(10):
        of_item = ((x - mean - of_user[:, None]) * seen).sum(0) / (seen.sum(0) + penalty)
        of_user = ((x - mean - of_item) * seen).sum(1) / (seen.sum(1) + penalty)
    return mean + of_user[:, None] + of_item


def als(table, rank, penalty):
    base, seen = biases(table), table.toarray() > 0
    rest, rng = table.toarray() - base, np.random.default_rng(SEED)
    users, items = rng.normal(0, 0.1, (rest.shape[0], rank)), rng.normal(0, 0.1, (rest.shape[1], rank))
    for _ in range(15):
        for own, other, x, known_to in ((users, items, rest, seen), (items, users, rest.T, seen.T)):
            for i in range(len(own)):
                a = other[known_to[i]]
                own[i] = np.linalg.solve(a.T @ a + penalty * np.eye(rank), a.T @ x[i, known_to[i]])
    return base + users @ items.T


def most_rated(table):
    return np.tile((table.toarray() > 0).sum(0), (table.shape[0], 1))


def neighbours(table, shrink):
    rated = (table.toarray() > 0).astype(float)
    together = rated.T @ rated
    size = np.sqrt(np.diag(together))
    alike = together / (np.outer(size, size) + shrink + 1e-9)
    np.fill_diagonal(alike, 0)
    return rated @ alike


def pure_svd(table, rank):
    u, s, vt = np.linalg.svd((table.toarray() > 0).astype(float), full_matrices=False)
    return u[:, :rank] * s[:rank] @ vt[:rank]


def implicit_als(table, rank, penalty, confidence):
    rated, rng = table.toarray() > 0, np.random.default_rng(SEED)
    users, items = rng.normal(0, 0.1, (rated.shape[0], rank)), rng.normal(0, 0.1, (rated.shape[1], rank))
    for _ in range(10):
        for own, other, chosen in ((users, items, rated), (items, users, rated.T)):
            gram = other.T @ other + penalty * np.eye(rank)
            for i in range(len(own)):
                a = other[chosen[i]]
                own[i] = np.linalg.solve(gram + confidence * a.T @ a, (1 + confidence) * a.sum(0))
    return users @ items.T


def best(method, choices, loss):
    return min(choices, key=lambda choice: loss(method(known, *choice)))


def off(p):
    return rmse(lambda users, items: p[users, items], validation)


def missed(scores):
    return -keras_rbm.ranking.score(top(scores, known), validation).ndcg


started = time.monotonic()
predictors = {
    "item means": (item_means, ()),
    "user and item biases": (biases, best(biases, [(2.0,), (5.0,), (10.0,)], off)),
    "biases and ALS": (als, best(als, [(5, 10.0), (8, 10.0), (8, 15.0)], off)),
}
rankers = {
    "most rated": (most_rated, ()),
    "item neighbours": (neighbours, best(neighbours, [(0,), (10,), (30,)], missed)),
    "PureSVD": (pure_svd, best(pure_svd, [(4,), (5,), (8,)], missed)),
    "implicit ALS": (
        implicit_als,
        best(implicit_als, [(5, 30, 3), (8, 10, 1), (8, 30, 3)], missed),
    ),
}
print(f"settings of the rivals chosen in {time.monotonic() - started:.0f} s:")
for name, (_, choice) in (predictors | rankers).items():
    print(f"  {name}: {choice}")

# %% [markdown]
# ## The RBMs
#
# `adapt` starts the biases at what each item gets, so what is left to learn is what goes with what. Units, penalty,
# epochs and sampler are the best of a dozen on the validation part. For the joint likelihood, persistent chains are
# worth much; users' own RBMs have none.


# %%
def rbm(table, objective, units, sampler, l2, epochs, rate):
    model = keras_rbm.RatingsRBM(
        units, objective=objective, sampler=sampler, kernel_regularizer=keras.regularizers.L2(l2), seed=SEED
    )
    model.adapt(table)
    steps = epochs * -(-table.shape[0] // 50)
    model.compile(keras.optimizers.Adam(keras.optimizers.schedules.PolynomialDecay(rate, steps, 0.0)))
    model.fit(table, batch_size=50, epochs=epochs, verbose=0)
    return model


models = {}
for name, settings in {
    "RatingsRBM, ratings": ("ratings", 20, "cd", 3e-3, 45, 0.004),
    "RatingsRBM, joint": ("joint", 50, "pcd", 3e-3, 45, 0.005),
}.items():
    started = time.monotonic()
    models[name] = rbm(train, *settings)
    print(f"{name}: {time.monotonic() - started:.0f} s")

# %% [markdown]
# ## Results on the test part
#
# With standard errors over users.

# %%
print("RMSE")
number = np.diff(test.indptr)  # of test ratings, a user


def of_table(p):
    return lambda users, items: p[users, items]


predictions = {name: of_table(method(train, *choice)) for name, (method, choice) in predictors.items()}
predictions |= {name: lambda users, items, m=m: m.predict_ratings(train, users, items) for name, m in models.items()}
for name, predict in predictions.items():
    squares, users = held_out_errors(predict, test)
    mean = squares.mean()
    spread = np.std(np.bincount(users, squares, minlength=len(number)) - mean * number) * np.sqrt(len(number))
    print(f"  {name:<24}{np.sqrt(mean):.4f} ± {spread / len(users) / 2 / np.sqrt(mean):.4f}")

print(f"{'ranking':<26}{'nDCG@10':>18}{'MAP@10':>18}{'precision@10':>18}")
lists = {name: top(method(train, *choice), train) for name, (method, choice) in rankers.items()}
lists |= {name: model.recommend(train, K)[0] for name, model in models.items()}
found = {name: keras_rbm.ranking.score(items, test) for name, items in lists.items()}
for name, ranking in found.items():
    spread = ranking.users.std(0) / np.sqrt(len(ranking.users))
    figures = zip((ranking.ndcg, ranking.map, ranking.precision), spread[[1, 2, 0]], strict=True)
    print(f"  {name:<24}" + "".join(f"{value:>9.4f} ± {error:.4f}" for value, error in figures))
gap = found["RatingsRBM, joint"].users[:, 1] - found["implicit ALS"].users[:, 1]
print(f"nDCG@10, joint RBM less implicit ALS, user by user: {gap.mean():+.4f} ± {gap.std() / np.sqrt(len(gap)):.4f}")

# %%
_, axes = plt.subplots(figsize=(7, 3.2), layout="constrained")
names = list(found)[::-1]
axes.barh(names, [found[name].ndcg for name in names], color=["C1" if "RBM" in name else "C0" for name in names])
axes.errorbar(
    [found[name].ndcg for name in names],
    names,
    xerr=[found[name].users[:, 1].std() / np.sqrt(len(found[name].users)) for name in names],
    fmt="none",
    ecolor="0.2",
)
axes.set(xlabel="nDCG@10 on held-out ratings")
plt.show()

# %% [markdown]
# The joint RBM predicts ratings as well as the best factorisation, and better than the RBM that looks at ratings alone:
# what people choose says what they like. Ranked by expected rating alone, little-known items come first, and hardly any
# of those was chosen by anyone: that is not what such an RBM is for. In ranking the joint RBM is ahead of neighbours
# and PureSVD; implicit ALS is ahead of it. The table was made of low-rank factors, which is what factorisations assume.

# %% [markdown]
# ## Ask it
#
# For one user: what was liked most, and what comes next. The order is by the chance that the user chooses an item,
# times the rating it would get.

# %%
user, model = 3, models["RatingsRBM, joint"]
row = train[[user]].toarray()[0]
items, scores = model.recommend(train[[user]], k=5)
print("liked most: ", ", ".join(f"item {i} ({row[i]:g})" for i in np.argsort(-row)[:5]))
predicted = model.predict_ratings(train, np.full(5, user), items[0])
print("recommended:", ", ".join(f"item {i} (expected {r:.1f})" for i, r in zip(items[0], predicted, strict=True)))
