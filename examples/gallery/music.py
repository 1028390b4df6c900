# %% [markdown]
# # Music: a model of tunes that goes on where you stop
#
# An `RNNRBM` gives each frame of a tune a distribution over whole chords, moved by a recurrent network that remembers
# the frames before. Here you train one on seven folk tunes that come with the package, see how it does on two
# that it never heard, beside two simple models, and let it go on.
#
# Ten tunes are few: on them a Markov chain for each note is slightly ahead of it. With more to learn from that turns
# round: on the 694 training tunes of Nottingham such chains have -5.17 nats a frame, and the RNN-RBM of
# `examples/rnn_rbm_music.py` has -2.08 to -1.89 (`--baselines` there prints the first).

# %%
import time

import keras
import numpy as np

import keras_rbm

SEED = 0
tunes = keras_rbm.datasets.folk_tunes()
train, validation, test = tunes.split(test=0.2, seed=SEED)
print(f"{len(train)} tunes to train on, {len(validation)} for validation, {len(test)} to test")
print(
    f"frames of {tunes.dt} s, 88 notes: {sum(map(len, train.rolls))} to train on, {sum(map(len, test.rolls))} to test"
)

# %% [markdown]
# ## Train
#
# Every tune is shown in twelve keys, which makes more of few. The learning rate falls to 0, and the state that is best
# on the validation tune is kept.

# %%
EPOCHS, EVERY, BATCH = 16, 4, 8
in_all_keys = [np.roll(roll, shift, axis=1) for roll in train.rolls for shift in range(-5, 7)]
x, mask = keras_rbm.datasets.subsequences(in_all_keys, max_frames=64)
model = keras_rbm.RNNRBM(100, recurrent=keras.layers.LSTM(100, seed=SEED), sampler=keras_rbm.samplers.CD(15), seed=SEED)
model.adapt(x, mask)
rate = keras.optimizers.schedules.CosineDecay(0.01, EPOCHS * -(-len(x) // BATCH))
model.compile(keras.optimizers.AdamW(rate, weight_decay=0.05, clipnorm=1.0))


def nats(part):
    """Log-likelihood of whole tunes, nats a frame: by reverse AIS, and by AIS."""
    return keras_rbm.likelihood.frame_log_likelihood(model, *keras_rbm.datasets.subsequences(part, None), verbose=0)


started, best = time.monotonic(), -np.inf
for epoch in range(0, EPOCHS, EVERY):
    model.fit(x, mask, batch_size=BATCH, initial_epoch=epoch, epochs=epoch + EVERY, verbose=0)
    found = nats(validation)
    print(f"epoch {epoch + EVERY:3d}: validation {found.lower:.2f} to {found.upper:.2f} nats a frame")
    if found.lower > best:
        best, kept = found.lower, model.get_weights()
model.set_weights(kept)
print(f"trained in {time.monotonic() - started:.0f} s")

# %% [markdown]
# ## Beside simple models
#
# Notes by how often they sound; and a Markov chain for each note, which is on or off by whether it was on in the frame
# before. Its counts are smoothed towards the frequencies, by as much as is best on the validation tune.

# %%
frequencies = (keras_rbm.datasets.frames(train).sum(0) + 0.5) / (sum(map(len, train.rolls)) + 1)


def markov(strength):
    """Chances that a note sounds after silence of it, and after itself, `(2, 88)`."""
    before = np.concatenate([np.pad(roll, ((1, 0), (0, 0)))[:-1] for roll in train.rolls])
    now = np.concatenate(train.rolls)
    seen = np.stack([(before == state).sum(0) for state in (0, 1)])
    on = np.stack([(now * (before == state)).sum(0) for state in (0, 1)])
    overall = on.sum(1, keepdims=True) / seen.sum(1, keepdims=True)  # notes that were never played behave as others
    prior = np.stack([frequencies * overall[0] / frequencies.mean(), np.broadcast_to(overall[1], frequencies.shape)])
    return (on + strength * np.clip(prior, 1e-4, 1 - 1e-4)) / (seen + strength)


def nats_of_markov(chances, part):
    total = 0.0
    for roll in part.rolls:
        before = np.pad(roll, ((1, 0), (0, 0)))[:-1]
        p = np.where(before > 0, chances[1], chances[0])
        total += np.log(np.where(roll > 0, p, 1 - p)).sum()
    return total / sum(map(len, part.rolls))


strength = max((0.1, 0.3, 1, 3, 10, 30), key=lambda a: nats_of_markov(markov(a), validation))
found = nats(test)
print("log-likelihood of the test tunes, nats a frame")
print(f"  notes by their frequencies   {nats_of_markov(np.stack([frequencies] * 2), test):6.2f}")
print(f"  a Markov chain for each note {nats_of_markov(markov(strength), test):6.2f}")
print(f"  RNN-RBM                      {found.lower:6.2f} to {found.upper:.2f} (reverse AIS, AIS)")

# %% [markdown]
# ## Let it go on
#
# It hears eight seconds of a test tune and goes on; beside that, what the Markov chains go on with, and how the tune
# really went. `keras_rbm.datasets.midi.write` makes a file of a roll that any player plays.

# %%
real = test.rolls[0]
heard, length = round(8 / tunes.dt), min(len(real), round(24 / tunes.dt))
model.rbm.stream.key.assign([SEED, 0])
gone_on = np.asarray(model.generate(length, real[None, :heard].astype("float32"), num_steps=100))[0]
rng, chances = np.random.default_rng(SEED), markov(strength)
by_markov = list(real[:heard])
for _ in range(length - heard):
    by_markov.append((rng.random(88) < np.where(by_markov[-1] > 0, chances[1], chances[0])).astype("uint8"))
shown = {
    "as it went": real[:length],
    "RNN-RBM, after 8 s of it": gone_on,
    "Markov chains, after 8 s": np.array(by_markov),
}
keras_rbm.plots.piano_rolls(shown, tunes.dt, tunes.notes[0])

# %%
later = {name: [roll[heard:]] for name, roll in shown.items()} | {"training tunes": train.rolls}
for name, rolls in later.items():
    found = keras_rbm.datasets.roll_statistics(rolls, tunes.dt, tunes.notes[0])
    print(
        f"{name:<26} {found['notes_per_frame']:.2f} notes a frame, held {found['held_seconds']:.2f} s, "
        f"{1 - sum(found['pitch_classes'][i] for i in (0, 2, 4, 5, 7, 9, 11)):.1%} of them black keys"
    )
