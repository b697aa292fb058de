"""What the lab changes in a model, and that a trial left half-way goes on as if it never had."""

import pytest
import torch

from shared.kit.corpora import load_corpus
from shared.labs import what_breaks as lab
from shared.labs.what_breaks import (
    INTACT,
    SWITCHES,
    Trial,
    Trials,
    curve,
    describe,
    draw_trials,
    what_breaks,
)


@pytest.fixture(autouse=True)
def few_steps(monkeypatch):
    monkeypatch.setattr(lab, "STEPS", 60)


@pytest.fixture(scope="module")
def text() -> str:
    return load_corpus("story")[:3000]


def logits(text: str, missing: str) -> torch.Tensor:
    trial = Trial(text, missing)
    with torch.no_grad():
        return trial.model(trial.train_ids[None, :32])  # (1, T, V)


@pytest.mark.parametrize(
    "missing", ["no scaling of scores", "no shortcuts", "no layer norms", "no positions"]
)
def test_a_missing_part_changes_what_the_model_computes(text, missing):
    assert (logits(text, missing) - logits(text, INTACT)).abs().max() > 0.01


def test_scores_are_not_scaled(text):
    plain, trial = Trial(text), Trial(text, "no scaling of scores")
    x = torch.rand(1, 5, 64)
    one, other = (t.model.trf_blocks[0].att.W_query(x) for t in (plain, trial))
    assert torch.allclose(other, one * 4)  # heads are 16 wide


def test_without_positions_and_mask_order_means_nothing(text):
    trial = Trial(text, "no positions")
    assert not trial.model.pos_emb.weight.any()
    while not trial.done:
        trial.step()
    assert not trial.model.pos_emb.weight.any()


def test_the_numbers_of_the_training(text):
    assert Trial(text, "ten times the rate").peak == 10 * Trial(text).peak
    assert Trial(text, "no warm-up").warmup_steps == 0
    assert Trial(text, "no weight decay").optimizer.param_groups[0]["weight_decay"] == 0


def test_a_trial_that_was_left_goes_on_as_if_it_never_had(text):
    left = Trials(text)
    steps = what_breaks(left, "no warm-up")
    for _ in range(2):
        next(steps)
    assert 0 < len(left.get("no warm-up").losses) < lab.STEPS
    assert "training: step 20 of 60" in describe(left, "no warm-up")
    left.finish(INTACT)  # another in between
    whole = Trials(text)
    assert left.finish("no warm-up") == whole.finish("no warm-up")
    assert left.get("no warm-up").losses == whole.get("no warm-up").losses


def test_the_drawing_shows_the_means_of_twenty_steps_of_every_trial(text):
    trials = Trials(text)
    trials.finish(INTACT)
    *_, (figure, said) = what_breaks(trials, "no shortcuts")
    lines = {line.get_label(): line for line in figure.axes[0].lines if len(line.get_xdata())}
    assert set(lines) == {INTACT, "no shortcuts"}
    losses = trials.get("no shortcuts").losses
    assert lines["no shortcuts"].get_xdata().tolist() == [20, 40, 60]
    assert lines["no shortcuts"].get_ydata()[0] == pytest.approx(sum(losses[:20]) / 20)
    assert curve(losses)[1][2] == pytest.approx(sum(losses[40:]) / 20)
    assert f"{trials.finish('no shortcuts'):.2f}" in said and "done. It writes" in said
    assert said.count("<tr>") == 3 and "ten times the rate" in said


def test_every_switch_has_a_colour_of_its_own():
    colours = [colour for colour, _, _ in SWITCHES.values()]
    assert len(set(colours)) == len(colours)


@pytest.mark.parametrize("loss", [42.0, 1e12, float("nan")])
def test_a_run_that_explodes_stays_in_the_picture_and_in_the_table(text, loss):
    trials = Trials(text)
    trials.finish(INTACT)
    trial = trials.get("ten times the rate, no norms")
    trial.losses += [3.0] * 20 + [loss] * 40
    if loss != loss:
        for weight in trial.model.parameters():
            weight.data.fill_(loss)
    figure = draw_trials(trials, trial.missing)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    assert list(lines[f"{trial.missing} (off the scale)"]) == [3.0, lab.TOP, lab.TOP]
    said = describe(trials, trial.missing)
    assert "nothing: its weights" in said if loss != loss else "It writes" in said
    assert said.index(f"<td>{INTACT}") < said.index(f"<td>{trial.missing}")
