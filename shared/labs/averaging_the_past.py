"""The lab of 02_attention/01_averaging_the_past: scores, weights and the mixture they make."""

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from shared.kit.plots import BLACK, BLUE, GREEN, RED

MIXING_WORDS = ("the", "bell", "rang", "twice")
MIXING_POINTS = torch.tensor([[2.0, 0.0], [6.0, 2.0], [4.0, 4.0], [0.0, 2.0]])  # (T, D)
MIXING_GOAL = torch.tensor([4.0, 1.0])  # (D,): the average of 'the' and 'bell'
NEAR = 0.15  # this close to the goal, the cross stands in the circle


def mixing_lab(the: float, bell: float, rang: float, twice: float) -> Figure:
    """Four scores as softmax weights, and the average of four points that they make."""
    weights = torch.tensor([the, bell, rang, twice]).softmax(dim=0)  # (T,)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.8))
    bars = left.bar(MIXING_WORDS, weights.tolist(), color=BLUE)
    left.bar_label(bars, [f"{w:.3f}" for w in weights.tolist()])
    left.set(ylim=(0, 1.15), ylabel="weight", title="softmax of the scores")
    draw_mixture(right, weights)
    figure.subplots_adjust(wspace=0.3)
    return figure


def draw_mixture(ax: Axes, weights: Tensor) -> None:
    """The four points, their average by weights (T,), and how far it is from the goal."""
    mix = weights @ MIXING_POINTS  # (D,)
    distance = (mix - MIXING_GOAL).norm().item()
    found = distance < NEAR
    outline = MIXING_POINTS[[0, 1, 2, 3, 0]]
    ax.plot(*outline.T.tolist(), ":", color=BLACK, linewidth=1)
    ax.scatter(*MIXING_POINTS.T.tolist(), s=(30 + 600 * weights).tolist(), color=BLUE, alpha=0.5)
    for word, (a, b) in zip(MIXING_WORDS, MIXING_POINTS.tolist()):
        ax.annotate(word, (a, b), xytext=(6, 6), textcoords="offset points")
    ring = GREEN if found else RED
    ax.plot(*MIXING_GOAL.tolist(), "o", color=ring, markersize=17, fillstyle="none")
    ax.plot(*mix.tolist(), "x", color=BLACK, markersize=12, markeredgewidth=3)
    verdict = "in the circle: found" if found else f"{distance:.2f} away"
    ax.set(
        xlim=(-1, 8),
        ylim=(-1, 5.5),
        xlabel="first number",
        ylabel="second number",
        title=f"mixture ({mix[0]:.2f}, {mix[1]:.2f}), {verdict}",
    )
