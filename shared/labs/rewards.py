"""05_instruction_finetuning/10_rewards: its task of letters, its curves, and its lab, which shows a
training by reward step by step.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import nn

from shared.gpt import GPTConfig, GPTModel
from shared.kit.plots import BLUE, GREEN, ORANGE, PINK, RED, SKY, table
from shared.reward_training import RewardSettings, RewardTraining, reward_step
from shared.schedules import attach_clipping
from shared.training import calc_loss_batch

COLOURS = (BLUE, ORANGE, GREEN, RED, PINK, SKY)


class LetterTokenizer:
    """Eight letters, the mark that ends a prompt, and an end token."""

    letters, n_vocab, eot_token = "abcdefgh>", 10, 9

    def encode(self, text: str) -> list[int]:
        return [self.letters.index(letter) for letter in text]

    def decode(self, ids: Sequence[int]) -> str:
        return "".join(self.letters[i] for i in ids)


def draw_prompts(count: int, seed: int) -> list[str]:
    """Six letters each, drawn with repetition, and the mark."""
    generator = torch.Generator().manual_seed(seed)
    rows = torch.randint(8, (count, 6), generator=generator).tolist()
    return [LetterTokenizer().decode(row) + ">" for row in rows]


def supervised_start(written: Sequence[str], steps: int, seed: int = 123) -> GPTModel:
    """A small GPT that has read the right answers to these prompts for some steps."""
    torch.manual_seed(seed)
    cfg = GPTConfig(10, context_length=16, emb_dim=48, n_heads=4, n_layers=3, drop_rate=0.0)
    model, letters = GPTModel(cfg), LetterTokenizer()
    texts = [prompt + "".join(sorted(prompt[:-1])) for prompt in written]
    ids = torch.tensor([[*letters.encode(text), letters.eot_token] for text in texts])  # (N, 14)
    targets = ids[:, 1:].clone()  # (N, 13)
    targets[:, :6] = -100  # the prompt is not to be learned
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.1)
    for _ in range(steps):
        rows = torch.randint(len(ids), (32,))
        loss = calc_loss_batch(ids[rows, :-1], targets[rows], model, "cpu")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def all_right(prompt: str, answer: str) -> float:
    """1 if the answer holds the prompt's letters in order."""
    return float(list(answer) == sorted(prompt[:-1]))


def places(prompt: str, answer: str) -> float:
    """The share of places that hold the right letter; 0 for another number of letters."""
    wanted = sorted(prompt[:-1])
    if len(answer) != len(wanted):
        return 0.0
    return sum(a == b for a, b in zip(answer, wanted)) / len(wanted)


def in_order(prompt: str, answer: str) -> float:
    """1 if no letter stands before a smaller one: it never looks at the prompt."""
    return float(list(answer) == sorted(answer))


REWARDS = {"all right": all_right, "share of places": places, "in order (a hole)": in_order}


def smoothed(values: Sequence[float], width: int) -> list[float]:
    """The mean of each value and those up to `width` - 1 before it."""
    return [
        sum(values[max(0, i - width + 1) : i + 1]) / min(i + 1, width) for i in range(len(values))
    ]


def curve(ax: Axes, history: Sequence[Mapping[str, float]], key: str, width: int, **style: Any):
    """One quantity of a training over its steps, smoothed."""
    values = smoothed([entry[key] for entry in history], width)
    ax.plot(range(1, len(values) + 1), values, **style)


def reward_curves(
    histories: Mapping[str, Sequence[Mapping[str, float]]],
    smooth: int = 20,
    keys: Sequence[str] = ("reward", "silent", "entropy"),
) -> Figure:
    """Mean reward, share of silent groups or other notes of several trainings over their steps."""
    labels = {
        "reward": "mean reward",
        "silent": "share of silent groups",
        "entropy": "entropy (nats a token)",
        "tokens": "tokens in an answer",
    }
    figure, axes = plt.subplots(1, len(keys), figsize=(4 * len(keys), 2.8), squeeze=False)
    for ax, key in zip(axes[0], keys):
        for number, (name, history) in enumerate(histories.items()):
            colour = COLOURS[number % len(COLOURS)]
            curve(ax, history, key, smooth, color=colour, label=name)
        ax.set(xlabel="step", ylabel=labels[key])
        if key in ("reward", "silent"):
            ax.set_ylim(-0.03, 1.05)
        else:
            ax.set_ylim(bottom=0)
    axes[0, 0].legend(fontsize=8)
    figure.tight_layout()
    return figure


def before_and_after(
    xs: Sequence[int], lines: Mapping[str, Sequence[float]], **axes: Any
) -> Figure:
    """A curve over the same numbers for each model, on an axis of shares."""
    figure, ax = plt.subplots(figsize=(6, 2.8))
    for (label, ys), colour in zip(lines.items(), (ORANGE, BLUE)):
        ax.plot(xs, ys, "o-", color=colour, label=label)
    ax.set(ylim=(0, 1.03), **axes)
    ax.set_xticks(xs, xs)
    ax.legend()
    return figure


def answer_rows(training: RewardTraining, groups: int = 2, answers: int = 5) -> str:
    """Some answers of the last step with their rewards, and whether they are right, in HTML."""
    rows = []
    for prompt, texts, rewards in training.last[:groups]:
        for text, reward in list(zip(texts, rewards))[:answers]:
            mark = "yes" if all_right(prompt, text) else "no"
            rows.append((prompt, text or "(empty)", f"{reward:.2f}", mark))
    return table(("prompt", "drawn answer", "reward", "really right?"), rows)


def reward_runs(
    start: nn.Module,
    tokenizer: Any,
    prompts: Sequence[str],
    score: Callable[[nn.Module], tuple[int, int]],
    runs: dict,
    steps: int,
    group_size: int,
    reward: str,
    rate: float,
    penalty: float,
) -> Iterator[tuple[Figure | None, str]]:
    """Train a copy of `start` by reward; yield curves of all runs and answers with their rewards.

    `runs` collects the histories; `score` gives (really right, answers) at the end. What a stopped
    run has learned stays in runs["model"].
    """
    model = copy.deepcopy(start)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate)
    attach_clipping(optimizer, model, max_norm=1.0)
    settings = RewardSettings(group_size, 8, 8, penalty=penalty)
    training = RewardTraining(
        model, tokenizer, prompts, REWARDS[reward], optimizer, settings, start
    )
    histories = runs.setdefault("histories", {})
    name = f"{len(histories) + 1}: {reward}, N={group_size}, {rate:.0e}, penalty {penalty:g}"
    histories[name], runs["model"] = training.history, model
    began = time.perf_counter()
    for step in range(1, steps + 1):
        reward_step(training)
        if step % 5 == 0 or step == steps:
            shown = reward_curves(histories, smooth=5, keys=("reward", "entropy"))
            left = (time.perf_counter() - began) / step * (steps - step)
            yield shown, f"<p>step {step} of {steps}, {left:.0f} s to go</p>{answer_rows(training)}"
    right, answers = score(model)
    yield None, f"<p>{right} of {answers} held-out prompts right</p>{answer_rows(training)}"
