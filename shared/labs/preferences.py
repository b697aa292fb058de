"""The lab of 05_instruction_finetuning/09_preferences: curves of a preference training, answers."""

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn
from torch.utils.data import DataLoader

from shared.kit.plots import BLUE, GREEN, ORANGE, RED, table
from shared.preference_pairs import flip_pairs
from shared.preferences import (
    PreferenceDataset,
    evaluate_preferences,
    preference_collate_fn,
    preference_loss,
)
from shared.tokenizer import Tokenizer

History = list[dict[str, float]]
Sample = list[tuple[str, str, str]]  # prompt, answer, which way it was answered
EARLIER = "#bbbbbb"
PANELS = (
    ("chosen", BLUE, "log-probability (nats)"),
    ("margin", GREEN, "margin of the rewards"),
    ("accuracy", ORANGE, "accuracy (share of pairs)"),
    ("distance", GREEN, "distance (nats a token)"),
)
HEAD = ("beta", "learning rate", "steps", "flipped", "ascending", "descending", "distance")


def preference_figure(history: History, earlier: Sequence[History] = ()) -> Figure:
    """Log-probabilities, margin, accuracy, distance over the steps; earlier runs in grey."""
    figure, axes = plt.subplots(1, 4, figsize=(13, 2.8))
    for ax, (name, colour, label) in zip(axes, PANELS):
        for run in earlier:
            draw(ax, run, name, EARLIER, "")
        draw(ax, history, name, colour, name)
        ax.set(xlabel="steps", ylabel=label)
    axes[0].legend(fontsize=8)
    axes[2].set_ylim(-0.05, 1.05)
    figure.tight_layout()
    return figure


def draw(ax: plt.Axes, history: History, name: str, colour: str, label: str) -> None:
    """One quantity of a run; beside the chosen answer's log-probability the rejected one's."""
    steps = [row["step"] for row in history]
    ax.plot(steps, [row[name] for row in history], color=colour, label=label or None)
    if name == "chosen":
        values = [row["rejected"] for row in history]
        other = RED if label else colour
        ax.plot(steps, values, color=other, linestyle="--", label="rejected" if label else None)


def share_of(sample: Sample, way: str) -> float:
    """The share of the sampled answers that went this way."""
    return Counter(found for *_, found in sample)[way] / len(sample)


def told(step: int, steps: int, sample: Sample) -> str:
    """Where the run is, and its first answers."""
    rows = [(prompt, answer, way) for prompt, answer, way in sample[:4]]
    return f"step {step} of {steps}" + table(("prompt", "drawn answer", "way"), rows)


def preference_runs(
    base: nn.Module,
    pairs: list[dict[str, str]],
    tokenizer: Tokenizer,
    sample: Callable[[nn.Module], Sample],
    runs: list,
    beta: float,
    learning_rate: float,
    steps: int,
    flipped: int,
) -> Iterator[tuple[Figure | None, str]]:
    """Train a fresh copy of `base`; yield its curves beside those of `runs`, and its answers.

    `flipped` is the percentage of training pairs with chosen and rejected exchanged; the last 64
    pairs are held out as they are.
    """
    kept, held_out = pairs[:-64], pairs[-64:]
    kept = flip_pairs(kept, flipped / 100, torch.Generator().manual_seed(1))
    load = partial(
        DataLoader,
        collate_fn=partial(preference_collate_fn, pad_token_id=tokenizer.eot_token),
        generator=torch.Generator().manual_seed(1),
    )
    context_length = base.cfg.context_length
    loader = load(PreferenceDataset(kept, tokenizer, context_length), 32, shuffle=True)
    judge = load(PreferenceDataset(held_out, tokenizer, context_length), 64)
    model = copy.deepcopy(base).eval()
    optimizer = torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.0)
    history = [{"step": 0, **evaluate_preferences(model, base, judge, "cpu", beta)}]
    earlier = [run for run, _ in runs]
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    for step, (inputs, targets) in zip(range(1, steps + 1), batches):
        loss = preference_loss(model, base, inputs, targets, beta)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 10 == 0 or step == steps:
            history.append({"step": step, **evaluate_preferences(model, base, judge, "cpu", beta)})
            yield preference_figure(history, earlier), told(step, steps, sample(model)[:4])
    drawn = sample(model)
    row = (
        f"{beta:g}",
        f"{learning_rate:.0e}",
        steps,
        f"{flipped}%",
        f"{share_of(drawn, 'ascending'):.0%}",
        f"{share_of(drawn, 'descending'):.0%}",
        f"{history[-1]['distance']:.2f}",
    )
    runs.append((history, row))
    yield None, told(steps, steps, drawn) + table(HEAD, [line for _, line in runs])
