"""The jobs as a user types them, with their own settings: a minute or two each."""

import re

import pytest

from keras_rbm.jobs import cli


@pytest.mark.slow
def test_the_card_puts_fair_rivals_beside_the_fine_tuned_dbn(tmp_path, capsys):
    """None stays on a plateau; the DBN beats the one without hidden layers; the answer is that of the accuracies."""
    assert cli.main(["train", "--output", str(tmp_path / "run")]) == 0
    card = (tmp_path / "run" / "card.md").read_text()
    accuracy = {name: float(value) for name, value in re.findall(r"^\| test accuracy, (.*) \| ([0-9.]+) %", card, re.M)}
    ours = accuracy.pop("fine-tuned DBN")
    assert ours > accuracy["logistic regression on pixels"]
    assert len(accuracy) == 3
    assert min(accuracy.values()) > 95
    best = max(accuracy, key=lambda name: accuracy[name])
    gain, named = re.search(r"labels \| .*: ([-+][0-9.]+) points to the best beside it \((.*)\)", card).groups()
    assert named == best
    assert float(gain) == pytest.approx(ours - accuracy[best], abs=0.011)
    assert "tensorboard --logdir" in capsys.readouterr().out


@pytest.mark.slow
def test_the_music_job_knows_more_than_how_often_notes_are_played(tmp_path, capsys):
    assert cli.main(["music", "--output", str(tmp_path / "run")]) == 0
    card = (tmp_path / "run" / "card.md").read_text()
    found = {name: float(value) for name, value in re.findall(r"^\| (.*), test tune \| (-[0-9.]+) ", card, re.M)}
    assert found["log-likelihood"] > found["the same, of notes by their frequencies alone"] + 1
    assert "on folk-tunes (10 tunes)" in capsys.readouterr().out
