# %% [markdown]
# # A memory: a Hopfield network stores patterns and recalls them
#
# A Hopfield network is an RBM with Gaussian hidden units. `store` writes patterns into its weights at once, by Hebb's
# rule; `recall` goes from a damaged pattern to the nearest stored one; `fit` learns the patterns instead, as any RBM
# learns. Here you see how many random patterns come back, what a Hebbian network written by hand and the best linear
# rule do, and what happens with pictures, which are no random patterns.

# %%
import time

import keras
import matplotlib.pyplot as plt
import numpy as np

import keras_rbm

SEED, CORRUPTED = 0, 0.1

# %% [markdown]
# ## Capacity
#
# Of each pattern of zeros and ones with equal chances, written as -1 and 1, a tenth of the units is flipped, and the
# network goes downhill from there. The overlap with what was stored is 1 if all comes back. Theory has the breakdown of
# Hebb's rule in large networks at 0.138 patterns a unit (Amit, Gutfreund & Sompolinsky, 1985).
#
# The rivals get the same patterns: the classic network by hand, with a zero diagonal and all units at once; and the
# pseudo-inverse rule (Personnaz, Guyon & Dreyfus, 1985), which sees all patterns together and makes each a fixed point.


# %%
def recalled(couplings, x, num_sweeps=100):
    """All units at once, each to the sign of its field, until nothing changes."""
    for _ in range(num_sweeps):
        field = x @ couplings
        moved = np.where(field == 0, x, np.sign(field))
        if np.array_equal(moved, x):
            break
        x = moved
    return x


def hebb(patterns):
    return patterns.T @ patterns / patterns.shape[1] * (1 - np.eye(patterns.shape[1]))


def pseudo_inverse(patterns):
    return np.linalg.pinv(patterns) @ patterns * (1 - np.eye(patterns.shape[1]))


def stored(patterns):
    network = keras_rbm.Hopfield(len(patterns), visible="spin", seed=SEED)
    network.store(patterns)
    return network


def learnt(patterns, num_epochs=40):
    """As an RBM learns: free energies of the patterns go down, those of the network's own samples go up."""
    network = keras_rbm.Hopfield(len(patterns), visible="spin", sampler="pcd", seed=SEED)
    network.store(patterns)  # where learning starts
    copies = np.tile(patterns, (50, 1)).astype("float32")  # of few patterns an epoch would be one step
    rate = keras.optimizers.schedules.PolynomialDecay(0.003, 50 * num_epochs, 0.0)
    network.compile(keras.optimizers.Adam(rate))
    network.fit(copies, batch_size=len(patterns), epochs=num_epochs, verbose=0)
    return network


def overlap(recall, patterns, rng):
    corrupted = np.where(rng.random(patterns.shape) < CORRUPTED, -patterns, patterns)
    return float(np.mean(np.asarray(recall(corrupted)) * patterns))


NUM_UNITS, LOADS = 300, (0.02, 0.05, 0.08, 0.1, 0.12, 0.14, 0.16, 0.2, 0.3, 0.4)
rules = {
    "Hopfield.store": lambda x: stored(x).recall,
    "Hebb by hand": lambda x: lambda v: recalled(hebb(x), v),
    "pseudo-inverse": lambda x: lambda v: recalled(pseudo_inverse(x), v),
}
started, rng = time.monotonic(), np.random.default_rng(SEED)
print(f"{NUM_UNITS} units, overlap after recall" + "".join(f"{name:>18}" for name in rules))
curves = []
for load in LOADS:
    patterns = rng.choice([-1.0, 1.0], (round(load * NUM_UNITS), NUM_UNITS))
    curves.append([overlap(rule(patterns), patterns, rng) for rule in rules.values()])
    print(f"{load:>10.2f} patterns a unit      " + "".join(f"{m:>18.3f}" for m in curves[-1]))
print(f"{time.monotonic() - started:.0f} s")

# %% [markdown]
# ## Learnt instead of stored
#
# A smaller network, because learning takes time.

# %%
SMALL, SMALL_LOADS = 100, (0.1, 0.2, 0.3, 0.4)
print(f"{SMALL} units, overlap after recall      stored      learnt by fit")
small_curves = []
for load in SMALL_LOADS:
    patterns = rng.choice([-1.0, 1.0], (round(load * SMALL), SMALL))
    small_curves.append([overlap(rule(patterns).recall, patterns, rng) for rule in (stored, learnt)])
    print(f"{load:>10.2f} patterns a unit " + "".join(f"{m:>16.3f}" for m in small_curves[-1]))

# %%
figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
for name, curve in zip(rules, np.transpose(curves), strict=True):
    axes.plot(LOADS, curve, "o-", label=f"{name} ({NUM_UNITS} units)")
axes.plot(SMALL_LOADS, np.array(small_curves)[:, 1], "s--", label=f"Hopfield.fit ({SMALL} units)")
axes.axvline(0.138, color="0.5", linestyle=":", label="0.138: Hebb's limit for large networks")
axes.set(xlabel="random patterns a unit", ylabel="overlap after recall, 10 % flipped", ylim=(0, 1.05))
axes.legend(fontsize=8)
plt.show()

# %% [markdown]
# Hebb's rule breaks down where theory says, whoever writes it. Learning goes on to nearly three times that, and the
# pseudo-inverse rule, a single formula, is better still: for patterns without errors, of which all are at hand, use it.
# What learning gives beside is a distribution: samples, likelihoods, and rules that were in the data only on average.

# %% [markdown]
# ## Pictures
#
# One handwritten digit of each kind, black and white. They look alike, so that what Hebb's rule adds up is mostly what
# they share, and what comes back is a mixture. Learning takes the differences.

# %%
data = keras_rbm.load("digits")
first = [int(np.flatnonzero(data.y_train == digit)[0]) for digit in range(10)]
pictures = np.where(data.x_train[first] > 0.5, 1.0, -1.0)
damaged = np.where(rng.random(pictures.shape) < CORRUPTED, -pictures, pictures)
rows = {
    "stored were": pictures,
    "shown": damaged,
    "Hopfield.store": np.asarray(stored(pictures).recall(damaged)),
    "pseudo-inverse": recalled(pseudo_inverse(pictures), damaged),
    "Hopfield.fit": np.asarray(learnt(pictures).recall(damaged)),
}
for name, x in rows.items():
    print(
        f"{name:<16} {np.mean(x == pictures):.1%} of the pixels right, {np.sum(np.all(x == pictures, 1))} of 10 digits"
    )

# %%
figure, panels = plt.subplots(len(rows), 10, figsize=(7, 4), layout="constrained")
for line, (name, x) in zip(panels, rows.items(), strict=True):
    for axes, picture in zip(line, x, strict=True):
        axes.imshow(picture.reshape(8, 8), cmap="gray_r")
        axes.set(xticks=[], yticks=[])
    line[0].set_ylabel(name, rotation=0, ha="right", va="center")
plt.show()
