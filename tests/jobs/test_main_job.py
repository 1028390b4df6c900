"""The main job as a user types it, with its own settings: a minute or two."""

import json

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
