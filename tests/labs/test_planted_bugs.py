"""Each planted bug shows in its curve, and only there."""

import math

import pytest

from shared.checks import training_loop as judged
from shared.kit.corpora import load_corpus
from shared.labs.planted_bugs import BUGS, CHARACTERS, Curve, draw_planted, train_planted

GUESS = math.log(len(set(load_corpus("story")[:CHARACTERS])))


@pytest.fixture(scope="module")
def curves() -> dict[str, Curve]:
    return train_planted()


def gap(curve: Curve) -> float:
    return curve.val_losses[-1] - curve.train_losses[-1]


def test_an_honest_run_learns_and_its_losses_part(curves):
    honest = curves["no bug"]
    assert 1 < honest.train_losses[-1] < 2 and gap(honest) > 0.5


def test_each_bug_shows(curves):
    by_bug = {bug: curves[letter] for letter, bug in BUGS.items()}
    assert max(by_bug["copy"].train_losses[-1], by_bug["copy"].val_losses[-1]) < 0.2
    assert abs(gap(by_bug["leak"])) < 0.2 and by_bug["leak"].train_losses[-1] < 2
    assert min(by_bug["heap"].train_losses) < GUESS - 0.3
    assert by_bug["heap"].train_losses[-1] > GUESS + 1
    assert all(abs(loss - GUESS) < 0.4 for loss in by_bug["slow"].train_losses)


def test_the_losses_are_drawn(curves):
    figure = draw_planted(curves)
    assert [ax.get_title() for ax in figure.axes] == ["no bug", "A", "B", "C", "D"]
    for ax, curve in zip(figure.axes, curves.values()):
        assert list(ax.lines[0].get_ydata()) == curve.train_losses
        assert list(ax.lines[1].get_ydata()) == curve.val_losses
        assert ax.lines[2].get_ydata()[0] == GUESS
    assert "loss" in figure.axes[0].get_ylabel() and figure.axes[0].get_xlabel() == "step"


def test_the_judge_knows_the_bugs_that_the_lab_plants():
    assert judged.BUGS == BUGS
