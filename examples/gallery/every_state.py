# %% [markdown]
# # An RBM whose every state can be listed
#
# Sixteen pixels have 65,536 states: few enough to write down the probability of each. So on this page nothing is
# believed that was not checked: what an RBM holds probable, what its samples are worth, and how far from the truth the
# gradient is that it learns by. What the words mean: [the first hour](../guide/first-hour.md).
#
# The data are *bars and stripes*: the 30 pictures of 4x4 pixels that consist of whole rows or of whole columns.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_rbm

data = keras_rbm.load("bars_and_stripes")
x = data.x_train
every = (np.arange(2**16)[:, None] >> np.arange(16) & 1).astype("float32")  # all pictures that there are

figure, axes = plt.subplots(figsize=(6, 1.3))
axes.imshow(keras_rbm.plots.tile(x, 15, (4, 4)), cmap="gray_r")
axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Train
#
# Ten copies of the data make an epoch; 100 persistent chains, and a learning rate that falls to 0.

# %%
rbm = keras_rbm.RBM(16, sampler="pcd", seed=0)
rbm.adapt(x)
epochs = 1000
rbm.compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.2, 10 * epochs, 0.0)))
rbm.fit(np.tile(x, (10, 1)), batch_size=30, epochs=epochs, verbose=0)

# %% [markdown]
# ## What it holds probable
#
# A row has probability `exp(-F(v)) / Z`, where `F` is its free energy and `Z` the sum of `exp(-F(v))` over all rows.
# Nothing but `Z` is hard, and here it is a sum of 65,536 terms. `exact_log_partition` sums over the hidden states
# instead, and finds the same.

# %%
free_energy = np.asarray(rbm.free_energy(every), dtype="float64")
log_z = np.log(np.exp(-free_energy).sum())
print(f"log Z by listing {log_z:.4f}, by exact_log_partition {keras_rbm.likelihood.exact_log_partition(rbm):.4f}")

p = np.exp(-free_energy - log_z)
index = (x @ 2.0 ** np.arange(16)).astype(int)  # where the data are among all states
print(f"the 30 pictures have {p[index].sum():.1%} of the probability, the other 65,506 share the rest")
print(f"log-likelihood {np.log(p[index]).mean():.3f} nats a picture; the best there is: {np.log(1 / 30):.3f}")

# %% [markdown]
# ## What samples are worth
#
# Rows come up as often as they are probable, if the chains are long enough to forget where they began. The distance
# is half the sum of differences (total variation): 0 is the same, 1 has nothing in common. As many independent draws
# are not at 0 either.

# %%
num_samples = 20_000
drawn = np.random.default_rng(0).multinomial(num_samples, p) / num_samples
print(f"independent draws: distance {np.abs(drawn - p).sum() / 2:.3f}")
for num_steps in (1, 10, 100, 1000):
    rows = np.asarray(rbm.sample(num_samples, num_steps=num_steps))
    found = np.bincount((rows @ 2.0 ** np.arange(16)).astype(int), minlength=2**16) / num_samples
    print(f"{num_steps:4d} sweeps: distance {np.abs(found - p).sum() / 2:.3f}")

figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
axes.bar(np.arange(30) - 0.2, p[index], 0.4, label="probability")
axes.bar(np.arange(30) + 0.2, found[index], 0.4, label="share of the samples, 1000 sweeps")
axes.axhline(1 / 30, color="gray", linewidth=0.8, linestyle="--")
axes.set(xlabel="picture", ylabel="probability")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# ## How far the gradient is off
#
# The gradient of the log-likelihood in the weights is `mean of v h over data` less `mean of v h over the model`. The
# second mean is a sum over all states; samplers estimate it from samples. Contrastive divergence starts chains in the
# data and takes few sweeps, so its estimate is *biased*: more samples do not mend it, more sweeps do. Below is the
# error, relative to the gradient's length, of an RBM that is half trained, where the gradient is not yet near 0.

# %%
half = keras_rbm.RBM(16, sampler="pcd", seed=1)
half.adapt(x)
half.compile(keras.optimizers.SGD(0.2))
half.fit(np.tile(x, (10, 1)), batch_size=30, epochs=60, verbose=0)


def correlations(v, weights):
    """Mean of v h, `(16, 16)`, over rows that have these weights."""
    return (v * weights[:, None]).T @ np.asarray(half.encode(v))


free_energy = np.asarray(half.free_energy(every), dtype="float64")
believed = np.exp(-free_energy) / np.exp(-free_energy).sum()
of_data = correlations(x, np.full(30, 1 / 30))
exact = of_data - correlations(every, believed)

copies = 1000  # 30,000 chains: what error is left is bias
sweeps = (1, 3, 10, 30, 100, 300, 1000)
errors = []
for num_steps in sweeps:
    v = np.asarray(half.sample(v=np.tile(x, (copies, 1)), num_steps=num_steps))
    estimate = of_data - correlations(v, np.full(len(v), 1 / len(v)))
    errors.append(np.linalg.norm(estimate - exact) / np.linalg.norm(exact))
    print(f"CD-{num_steps}: {errors[-1]:.1%} of the gradient")

figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
axes.loglog(sweeps, errors, "o-")
axes.set(xlabel="sweeps", ylabel="error / length of the gradient")
plt.show()
