"""The jobs as a user types them, with their own settings: a minute or two each."""

import json
import re

import pytest

from keras_rbm.jobs import cli


@pytest.mark.slow
def test_the_fine_tuned_dbn_beats_what_the_card_puts_beside_it(tmp_path, capsys):
    assert cli.main(["train", "--output", str(tmp_path / "run")]) == 0
    rows = [line.split(" | ") for line in (tmp_path / "run" / "card.md").read_text().splitlines() if "accuracy" in line]
    accuracy = {row[0].strip("| "): float(row[1].split(" %")[0]) for row in rows}
    ours = accuracy.pop("test accuracy, fine-tuned DBN")
    assert len(accuracy) == 2
    assert ours > max(accuracy.values())
    done = json.loads((tmp_path / "run" / "progress.json").read_text())
    assert list(done)[-2:] == ["fine-tuning", "from-random-weights"]
    assert "tensorboard --logdir" in capsys.readouterr().out


@pytest.mark.slow
def test_the_music_job_knows_more_than_how_often_notes_are_played(tmp_path, capsys):
    assert cli.main(["music", "--output", str(tmp_path / "run")]) == 0
    card = (tmp_path / "run" / "card.md").read_text()
    found = {name: float(value) for name, value in re.findall(r"^\| (.*), test tune \| (-[0-9.]+) ", card, re.M)}
    assert found["log-likelihood"] > found["the same, of notes by their frequencies alone"] + 1
    assert "on folk-tunes (10 tunes)" in capsys.readouterr().out
