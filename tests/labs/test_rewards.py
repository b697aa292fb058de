"""The lab on rewards: its rewards, its curves, its runs step by step."""

import copy

import pytest
import torch
from matplotlib.figure import Figure

from shared.gpt import GPTConfig, GPTModel
from shared.labs.rewards import (
    REWARDS,
    LetterTokenizer,
    before_and_after,
    draw_prompts,
    reward_curves,
    reward_runs,
    smoothed,
    supervised_start,
)


def test_the_task_of_letters():
    letters = LetterTokenizer()
    prompts = draw_prompts(50, 1)
    assert prompts == draw_prompts(50, 1) != draw_prompts(50, 2)
    for prompt in prompts:
        assert len(prompt) == 7 and prompt[-1] == ">" and set(prompt[:-1]) <= set("abcdefgh")
        assert letters.decode(letters.encode(prompt)) == prompt
    assert max(letters.encode("h>")) < letters.eot_token < letters.n_vocab


def test_the_start_learns_the_answers_not_the_prompts():
    first, later = (supervised_start(draw_prompts(20, 1), steps) for steps in (1, 25))
    ids = torch.tensor(
        [
            [*LetterTokenizer().encode(f"{p}{''.join(sorted(p[:-1]))}"), 9]
            for p in draw_prompts(20, 1)
        ]
    )
    losses = []
    for model in (first, later):
        with torch.no_grad():
            losses.append(
                torch.nn.functional.cross_entropy(
                    model(ids[:, :-1])[:, 6:].flatten(0, 1), ids[:, 7:].flatten()
                ).item()
            )
    assert losses[1] < 0.8 * losses[0]


@pytest.mark.parametrize(
    "answer, paid",
    [
        ("aabc", (1, 1, 1)),
        ("aacb", (0, 0.5, 0)),
        ("", (0, 0, 1)),
        ("aaaa", (0, 0.5, 1)),
        ("aab", (0, 0, 1)),
    ],
)
def test_what_the_rewards_pay(answer, paid):
    assert tuple(reward("caba>", answer) for reward in REWARDS.values()) == paid


def test_two_curves_over_the_same_numbers():
    lines = {"before": [0.1, 0.2], "after": [0.3, 0.4]}
    (ax,) = before_and_after([1, 2], lines, ylabel="pass@k").axes
    assert [line.get_ydata().tolist() for line in ax.lines] == list(lines.values())
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(lines)
    assert ax.get_ylabel() == "pass@k"


def test_smoothing_is_a_mean_of_the_last_values():
    assert smoothed([2, 4, 6, 8], 2) == [2, 3, 5, 7] and smoothed([2, 4], 5) == [2, 3]


def test_the_curves_show_what_was_noted():
    history = [{"reward": 0.1, "silent": 1.0}, {"reward": 0.3, "silent": 0.5}]
    figure = reward_curves({"run": history, "other": history[:1]}, 1, keys=("reward", "silent"))
    first, second = figure.axes
    assert first.lines[0].get_ydata().tolist() == [0.1, 0.3]
    assert second.lines[0].get_ydata().tolist() == [1.0, 0.5] and len(first.lines) == 2
    assert second.get_ylabel() == "share of silent groups"


def run(runs, steps=7, **changes):
    torch.manual_seed(0)
    start = GPTModel(GPTConfig(10, 16, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0))
    before = copy.deepcopy(start.state_dict())
    values = {"group_size": 4, "reward": "all right", "rate": 1e-3, "penalty": 0.0, **changes}
    prompts = ["abcdef>", "fedcba>"]
    yield from reward_runs(
        start, LetterTokenizer(), prompts, lambda m: (3, 5), runs, steps, **values
    )
    assert all(torch.equal(weight, before[name]) for name, weight in start.state_dict().items())


@pytest.mark.parametrize("reward", list(REWARDS))
def test_a_run_shows_its_steps_then_its_score(reward):
    shown = list(run({}, reward=reward, penalty=0.1))
    assert [isinstance(figure, Figure) for figure, _ in shown] == [True, True, False]
    assert "step 5 of 7" in shown[0][1] and "3 of 5 held-out" in shown[-1][1]
    assert "drawn answer" in shown[-1][1] and "abcdef&gt;" in shown[-1][1] + "abcdef&gt;"


def test_earlier_runs_stay_and_a_stopped_run_keeps_its_model():
    runs: dict = {}
    list(run(runs))
    stopped = run(runs, rate=1e-2)
    figure, _ = next(stopped)
    stopped.close()
    assert len(runs["histories"]) == 2 and len(figure.axes[0].lines) == 2
    assert [len(history) for history in runs["histories"].values()] == [7, 5]
    assert isinstance(runs["model"], GPTModel)
