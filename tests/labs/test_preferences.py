"""The lab on preferences: curves, earlier runs, answers, the table."""

import pytest
import torch
from matplotlib.figure import Figure

from shared.gpt import GPTConfig, GPTModel
from shared.labs.preferences import EARLIER, preference_figure, preference_runs
from shared.tokenizer import BPETokenizer

LETTERS = BPETokenizer(range(256), [], ["<|endoftext|>"])
PAIRS = [
    {"prompt": f"{a}{b}>", "chosen": a + b, "rejected": b + a}
    for a in "abcdefghij"
    for b in "klmnopqrs"
]


def base():
    torch.manual_seed(0)
    return GPTModel(GPTConfig(257, 8, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0))


def sample(model):
    return [("ab>", "<b>", "ascending"), ("ba>", "ba", "descending")] * 4


def run(runs, **changes):
    model = base()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    values = {"beta": 0.1, "learning_rate": 3e-3, "steps": 20, "flipped": 0, **changes}
    shown = list(preference_runs(model, PAIRS, LETTERS, sample, runs, **values))
    assert all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    return shown


def test_a_run_shows_its_curves_and_answers_every_ten_steps_then_its_row():
    runs: list = []
    shown = run(runs)
    assert len(shown) == 3 and all(isinstance(figure, Figure) for figure, _ in shown[:2])
    assert "step 10 of 20" in shown[0][1] and "&lt;b&gt;" in shown[0][1]
    history, row = runs[0]
    assert [point["step"] for point in history] == [0, 10, 20]
    assert history[-1]["margin"] > 0 and history[-1]["loss"] < history[0]["loss"]
    assert row[:6] == ("0.1", "3e-03", 20, "0%", "50%", "50%") and "3e-03" in shown[-1][1]


def test_earlier_runs_stay_in_grey_and_in_the_table():
    runs: list = []
    run(runs)
    shown = run(runs, beta=1.0)
    panels = shown[0][0].axes
    assert [len(ax.lines) for ax in panels] == [4, 2, 2, 2]
    assert [line.get_color() for line in panels[1].lines].count(EARLIER) == 1
    assert shown[-1][1].count("<td") >= 14 and len(runs) == 2


def test_flipped_labels_turn_the_margin_of_the_held_out_pairs():
    runs: list = []
    run(runs, flipped=100)
    assert runs[0][0][-1]["margin"] < 0


def test_a_run_that_is_stopped_leaves_no_row():
    runs: list = []
    steps = preference_runs(base(), PAIRS, LETTERS, sample, runs, 0.1, 1e-3, 20, 0)
    next(steps)
    steps.close()
    assert runs == []


def test_a_beta_of_0_is_refused():
    with pytest.raises(ValueError, match="beta=0"):
        run([], beta=0.0)


def test_the_figure_shows_both_log_probabilities():
    row = {"step": 0, "chosen": -1.0, "rejected": -2.0, "margin": 0, "accuracy": 0, "distance": 0}
    lines = preference_figure([row, {**row, "step": 5, "rejected": -4.0}]).axes[0].lines
    assert [line.get_label() for line in lines] == ["chosen", "rejected"]
    assert list(lines[1].get_ydata()) == [-2.0, -4.0]
