# %% [markdown]
# # Which sampler, which learning rate: measured
#
# The same RBM on the same digits, trained by two samplers with four learning rates, constant or falling to 0. What
# counts is the log-likelihood of digits that were not trained on. Advice that follows from it:
# [what to choose](../guide/choosing.md). It takes five minutes of one core; all seeds are 0.

# %%
import keras
import matplotlib.pyplot as plt
from keras.optimizers.schedules import PolynomialDecay

import keras_rbm

data = keras_rbm.load("digits")
train, validation = data.x_train[:-300], keras_rbm.datasets.binarized(data.x_train[-300:], seed=0)
reference = keras_rbm.datasets.binarized(train, seed=0)
batches = keras_rbm.datasets.batches(train, batch_size=20, seed=0)
epochs = 30


def trained(sampler, optimizer, units=64, epochs=epochs):
    rbm = keras_rbm.RBM(units, sampler=sampler, seed=0)
    rbm.adapt(train)
    rbm.compile(optimizer)
    rbm.fit(batches, epochs=epochs, verbose=0)
    return rbm


def score(rbm, x=validation):
    """Log-likelihood, nats a digit, by reverse AIS and by AIS: the truth is expected between them."""
    settings = {"num_temperatures": 1000, "burn_in": 1000, "verbose": False}
    found = keras_rbm.likelihood.log_likelihood(rbm, x, data=reference, **settings)
    return found.lower, found.upper


# %% [markdown]
# ## Samplers and rates
#
# Thirty epochs of 57 steps each. The harsher of the two estimates is printed; where they are far apart, neither counts.

# %%
rates = (0.01, 0.03, 0.1, 0.3)
samplers = {
    "CD-1": lambda: keras_rbm.samplers.CD(1),
    "PCD-1": lambda: keras_rbm.samplers.PCD(1, num_chains=100),
}
scores = {}
for name, sampler in samplers.items():
    for falls in (False, True):
        for rate in rates:
            schedule = PolynomialDecay(rate, epochs * len(batches), 0.0) if falls else rate
            scores[name, falls, rate] = score(trained(sampler(), keras.optimizers.SGD(schedule)))
        figures = "   ".join(f"{rate}: {scores[name, falls, rate][0]:7.2f}" for rate in rates)
        print(f"{name:>5}, {'falling ' if falls else 'constant'}   {figures}")
gaps = {key: upper - lower for key, (lower, upper) in scores.items() if upper - lower > 0.5}
print("estimates differ by more than 0.5 nats:", {key: round(float(gap), 1) for key, gap in gaps.items()} or "nowhere")

# %%
figure, axes = plt.subplots(figsize=(6, 3.2), layout="constrained")
for color, name in zip(("tab:blue", "tab:orange"), samplers, strict=True):
    for falls, style in ((False, "o:"), (True, "s-")):
        label = f"{name}, {'falling to 0' if falls else 'constant'}"
        axes.plot(rates, [scores[name, falls, rate][0] for rate in rates], style, color=color, label=label)
axes.set(xscale="log", xlabel="learning rate (at first)", ylabel="log-likelihood (nats a digit)")
axes.set_xticks(rates, [str(rate) for rate in rates])
axes.minorticks_off()
axes.legend(fontsize=7)
plt.show()

# %% [markdown]
# In a training as short as this the rate is worth ten times what the sampler is, and to let it fall only shortens the
# way. From 0.1 on persistent chains are a little better than contrastive divergence.
#
# ## Optimizers
#
# The same, persistent chains, with Adam and with momentum; the rate falls to 0.

# %%
steps = epochs * len(batches)
optimizers = {
    "SGD 0.1": keras.optimizers.SGD(PolynomialDecay(0.1, steps, 0.0)),
    "SGD 0.05, momentum 0.5": keras.optimizers.SGD(PolynomialDecay(0.05, steps, 0.0), momentum=0.5),
    "Adam 0.001": keras.optimizers.Adam(PolynomialDecay(0.001, steps, 0.0)),
    "Adam 0.01": keras.optimizers.Adam(PolynomialDecay(0.01, steps, 0.0)),
}
for name, optimizer in optimizers.items():
    lower, upper = score(trained(samplers["PCD-1"](), optimizer))
    print(f"{name:>22}: {lower:.2f} to {upper:.2f}")

# %% [markdown]
# ## Hidden units
#
# More units fit better, the training data more so than others.

# %%
for units in (16, 64, 256):
    rbm = trained(samplers["PCD-1"](), keras.optimizers.SGD(PolynomialDecay(0.1, steps, 0.0)), units)
    (lower, upper), (seen, _) = score(rbm), score(rbm, reference)
    print(f"{units:3d} hidden units: {lower:.2f} to {upper:.2f}; on the training digits {seen:.2f}")

# %% [markdown]
# ## Ten times as long
#
# Is it the end that the falling rate is for?

# %%
falling = PolynomialDecay(0.1, 10 * steps, 0.0)
longer = {
    "CD-1, 0.1 constant": ("CD-1", keras.optimizers.SGD(0.1)),
    "CD-1, 0.1 falling": ("CD-1", keras.optimizers.SGD(falling)),
    "PCD-1, 0.1 constant": ("PCD-1", keras.optimizers.SGD(0.1)),
    "PCD-1, 0.1 falling": ("PCD-1", keras.optimizers.SGD(falling)),
    "PCD-1, Adam 0.01 falling": ("PCD-1", keras.optimizers.Adam(PolynomialDecay(0.01, 10 * steps, 0.0))),
}
for name, (sampler, optimizer) in longer.items():
    rbm = trained(samplers[sampler](), optimizer, epochs=10 * epochs)
    (lower, upper), (seen, _) = score(rbm), score(rbm, reference)
    print(f"{name:>24}: {lower:.2f} to {upper:.2f}; on the training digits {seen:.2f}")

# %% [markdown]
# Not on these digits. Chains move freely (the two estimates agree everywhere), and what is longer or faster wins;
# the differences between samplers are a few tenths of a nat, or less. That is not so everywhere. On bars and stripes
# persistent chains forget most of the data ([every state listed](every_state.ipynb)); on MNIST with 500 hidden units
# and a constant rate all of them ended in zeros ([rbm_mnist.py](../../examples/rbm_mnist.py)). So look whether chains
# move before you trust either.
