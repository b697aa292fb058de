"""An exercise of 04_pretraining/02_training_loop: four trainings, each with one bug planted."""

import math
from dataclasses import dataclass, field

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from shared.dataloader import create_dataloader
from shared.gpt import GPTConfig, GPTModel
from shared.kit.corpora import load_corpus
from shared.kit.plots import BLACK, BLUE, GREEN, ORANGE, PINK
from shared.training import calc_loss_batch, evaluate_model

BUGS = {"A": "copy", "B": "leak", "C": "heap", "D": "slow"}
STEPS = 120
EVERY = 6  # steps between two evaluations
WINDOW = 32
CHARACTERS = 6000  # of the story; few, so that the losses part soon


@dataclass
class Curve:
    """The losses of one training, in nats a character, at each evaluation."""

    steps: list[int] = field(default_factory=list)
    train_losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)


def train_planted() -> dict[str, Curve]:
    """Train once with each bug, from the same start."""
    return {letter: train_with(bug) for letter, bug in BUGS.items()}


def train_with(bug: str) -> Curve:
    """The curve of a training with the bug, or of an honest one for any other word."""
    text = load_corpus("story")[:CHARACTERS]
    alphabet = sorted(set(text))
    ids = [alphabet.index(c) for c in text]
    cut = int(0.9 * len(ids))
    torch.manual_seed(123)
    train_loader = create_dataloader(ids[:cut], 8, WINDOW, WINDOW)
    val_loader = create_dataloader(ids[cut:], 8, WINDOW, WINDOW, shuffle=False)
    if bug == "leak":
        val_loader = create_dataloader(ids[:cut], 8, WINDOW, WINDOW, shuffle=False)
    if bug == "copy":
        train_loader = [(inputs, inputs) for inputs, _ in train_loader]
        val_loader = [(inputs, inputs) for inputs, _ in val_loader]
    model = GPTModel(GPTConfig(len(alphabet), WINDOW, 32, n_heads=2, n_layers=1))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5 if bug == "slow" else 1e-2)
    curve = Curve()
    step = 0
    while step < STEPS:
        for inputs, targets in train_loader:
            if bug != "heap":
                optimizer.zero_grad()
            calc_loss_batch(inputs, targets, model, "cpu").backward()
            optimizer.step()
            if step % EVERY == 0:
                losses = evaluate_model(model, train_loader, val_loader, "cpu", eval_iter=4)
                curve.steps.append(step)
                curve.train_losses.append(losses[0])
                curve.val_losses.append(losses[1])
            step += 1
    return curve


def draw_planted(curves: dict[str, Curve]) -> Figure:
    """Training loss (solid) and validation loss (dashed) of each training, side by side."""
    figure, axes = plt.subplots(1, len(curves), figsize=(2.4 * len(curves), 2.8), sharey=True)
    guess = math.log(len(set(load_corpus("story")[:CHARACTERS])))
    for ax, (letter, curve), colour in zip(axes, curves.items(), (BLUE, ORANGE, GREEN, PINK)):
        ax.plot(curve.steps, curve.train_losses, color=colour)
        ax.plot(curve.steps, curve.val_losses, color=colour, linestyle="--")
        ax.axhline(guess, color=BLACK, linewidth=0.8, linestyle=":")
        ax.set(title=letter, xlabel="step", ylim=(0, 7))
    axes[0].set_ylabel("loss (nats a character)")
    figure.tight_layout()
    return figure
