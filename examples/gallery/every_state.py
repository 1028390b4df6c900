# %% [markdown]
# # An RBM whose every state can be listed
#
# Sixteen pixels have 65,536 states: few enough to write down the probability of each. So on this page nothing is
# believed that was not checked: what an RBM holds probable, what its samples are worth, and how far from the truth the
# gradient is that it learns by. The formulas: [what an RBM is](../guide/what-an-rbm-is.md).
#
# The data are *bars and stripes*: the 30 pictures of 4x4 pixels that consist of whole rows or of whole columns. It
# takes a minute of one core; seeds are 0, and 1 for the last part.

# %%
import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_rbm

data = keras_rbm.load("bars_and_stripes")
x = data.x_train
every = (np.arange(2**16)[:, None] >> np.arange(16) & 1).astype("float32")  # all pictures that there are

figure, axes = plt.subplots(figsize=(6, 1.3))
axes.imshow(keras_rbm.plots.tile(x, 15, (4, 4)), cmap=plt.get_cmap("gray_r").with_extremes(bad="silver"))
axes.set_axis_off()
plt.show()

# %% [markdown]
# ## Train
#
# Twice the same RBM, an epoch being ten copies of the data: with 100 persistent chains, and with 100 chains at five
# temperatures that swap states (parallel tempering). The learning rate falls to 0.

# %%
epochs = 1000
samplers = {
    "PCD": keras_rbm.samplers.PCD(num_chains=100),
    "tempering": keras_rbm.samplers.ParallelTempering(num_chains=100, num_temperatures=5),
}
rbms = {}
for name, sampler in samplers.items():
    rbms[name] = keras_rbm.RBM(16, sampler=sampler, seed=0)
    rbms[name].adapt(x)
    rbms[name].compile(keras.optimizers.SGD(keras.optimizers.schedules.PolynomialDecay(0.2, 10 * epochs, 0.0)))
    rbms[name].fit(np.tile(x, (10, 1)), batch_size=30, epochs=epochs, verbose=0)

# %% [markdown]
# ## What they hold probable
#
# A row has probability `exp(-F(v)) / Z`, where `F` is its free energy and `Z` the sum of `exp(-F(v))` over all rows.
# Nothing but `Z` is hard, and here it is a sum of 65,536 terms. `exact_log_partition` sums over the hidden states
# instead, and finds the same.

# %%
index = (x @ 2.0 ** np.arange(16)).astype(int)  # where the data are among all states
p = {}
for name, rbm in rbms.items():
    free_energy = np.asarray(rbm.free_energy(every), dtype="float64")
    log_z = np.log(np.exp(-free_energy).sum())
    p[name] = np.exp(-free_energy - log_z)
    print(f"{name}: log Z {log_z:.4f}, by exact_log_partition {keras_rbm.likelihood.exact_log_partition(rbm):.4f};")
    print(f"    the 30 pictures have {p[name][index].sum():.1%} of the probability, {65536 - 30} others the rest;")
    print(f"    log-likelihood {np.log(p[name][index]).mean():.3f} nats a picture, at best {np.log(1 / 30):.3f}")

# %%
figure, axes = plt.subplots(figsize=(6, 2.6), layout="constrained")
for shift, name in ((-0.2, "PCD"), (0.2, "tempering")):
    axes.bar(np.arange(30) + shift, p[name][index], 0.4, label=name)
axes.axhline(1 / 30, color="black", linewidth=0.8, linestyle="--", label="data")
axes.set(xlabel="picture", ylabel="probability")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# Both know what bars and stripes are: hardly anything else is probable. But with persistent chains a few pictures
# took nearly all of the probability: chains that do not move cannot tell the model that it holds too much of what they
# do not visit. Samples would not have shown it, as the next figures say.
#
# ## What samples are worth
#
# Rows come up as often as they are probable, if the chains are long enough to forget where they began. The distance
# is half the sum of differences (total variation): 0 is the same, 1 has nothing in common. As many independent draws
# are not at 0 either. From the second model a thousand sweeps are not enough, unless they start hot and cool down
# (`anneal`); from the first, nothing here is.

# %%
num_samples = 20_000


def distance(rows, p):
    found = np.bincount((np.asarray(rows) @ 2.0 ** np.arange(16)).astype(int), minlength=2**16) / len(rows)
    return np.abs(found - p).sum() / 2


for name, rbm in rbms.items():
    drawn = every[np.random.default_rng(0).choice(2**16, num_samples, p=p[name])]
    print(f"{name}: independent draws {distance(drawn, p[name]):.3f}")
    for num_steps in (1, 10, 100, 1000):
        print(f"    {num_steps:4d} sweeps {distance(rbm.sample(num_samples, num_steps=num_steps), p[name]):.3f}")
    annealed = rbm.sample(num_samples, num_steps=1000, anneal=[0.0, 1.0])
    print(f"    1000 sweeps, hot at first {distance(annealed, p[name]):.3f}")

# %% [markdown]
# ## How far the gradient is off
#
# The gradient of the log-likelihood in the weights is `mean of v h over data` less `mean of v h over the model`. The
# second mean is a sum over all states; samplers estimate it from samples. Contrastive divergence starts chains in the
# data and takes few sweeps, so its estimate is *biased*: more samples do not mend it, more sweeps do. Below is the
# error, relative to the gradient's length, of an RBM that is half trained, where the gradient is not yet near 0; first
# that of as many independent draws, which is noise alone.

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


def error(v):
    estimate = of_data - correlations(v, np.full(len(v), 1 / len(v)))
    return np.linalg.norm(estimate - exact) / np.linalg.norm(exact)


starts = np.tile(x, (1000, 1))
noise = error(every[np.random.default_rng(0).choice(2**16, len(starts), p=believed)])
print(f"independent draws: {noise:.1%} of the gradient")
sweeps = (1, 3, 10, 30, 100, 300, 1000)
errors = [error(np.asarray(half.sample(v=starts, num_steps=num_steps))) for num_steps in sweeps]
for num_steps, part in zip(sweeps, errors, strict=True):
    print(f"CD-{num_steps}: {part:.1%}")

figure, axes = plt.subplots(figsize=(5, 2.6), layout="constrained")
axes.loglog(sweeps, errors, "o-", label="CD")
axes.axhline(noise, color="gray", linestyle="--", label="noise alone")
axes.set(xlabel="sweeps", ylabel="error / length of the gradient")
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# So one sweep, the usual choice, follows a direction that is mostly not the gradient's, and learns features all the
# same: what it does is to make the data more probable than what lies next to them. For likelihoods and samples take
# persistent chains or tempering ([learning rules](../guide/learning-rules.md)).
