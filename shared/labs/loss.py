"""The lab of 04_pretraining/01_loss: one prediction among three words."""

import math

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from shared.kit.plots import BLUE, ORANGE

WORDS = ["rock", "sea", "ship"]  # the three-word vocabulary of the chapter's first examples


def draw_loss(rock: float, sea: float, ship: float, target: str) -> Figure:
    """One prediction among three words: its probabilities, its loss on the curve, its gradient."""
    probs = torch.tensor([rock, sea, ship]).softmax(-1)  # (V,)
    index = WORDS.index(target)
    gradient = probs - torch.eye(3)[index]  # (V,)
    colours = [ORANGE if word == target else BLUE for word in WORDS]
    loss = -math.log(max(probs[index].item(), 1e-12))

    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.5, 2.8))
    left.bar_label(left.bar(WORDS, probs.tolist(), color=colours), fmt="%.3f")
    left.set(ylim=(0, 1.1), ylabel="probability", title="what the model says")
    axis = torch.linspace(0.0025, 1, 400)
    middle.plot(axis, -axis.log(), color=BLUE)
    middle.plot(probs[index].item(), loss, "o", color=ORANGE)
    middle.set(
        xlim=(-0.03, 1.03),
        ylim=(-0.3, max(6.2, loss * 1.1)),
        xlabel=f"probability of {target!r}",
        ylabel="loss (nats)",
        title=f"loss {loss:.3f}",
    )
    right.bar_label(right.bar(WORDS, gradient.tolist(), color=colours), fmt="%+.3f")
    right.axhline(0, color="black", linewidth=0.8)
    right.set(ylim=(-1.2, 1.2), ylabel="gradient (nats a logit)", title="probability minus truth")
    figure.tight_layout()
    return figure
