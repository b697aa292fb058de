"""The lab of 02_attention/01_averaging_the_past: scores, weights and the mixture they make."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from shared.kit.plots import BLACK, BLUE

MIXING_WORDS = ("the", "bell", "rang", "twice")
MIXING_POINTS = torch.tensor([[1.0, 0.0], [3.0, 2.0], [2.0, 4.0], [6.0, 2.0]])  # (T, D)


def mixing_lab(the: float, bell: float, rang: float, twice: float) -> Figure:
    """Four scores as softmax weights, and the average of four points that they make."""
    weights = torch.tensor([the, bell, rang, twice]).softmax(dim=0)  # (T,)
    mix = weights @ MIXING_POINTS  # (D,)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.8))
    bars = left.bar(MIXING_WORDS, weights.tolist(), color=BLUE)
    left.bar_label(bars, [f"{w:.3f}" for w in weights.tolist()])
    left.set(ylim=(0, 1.15), ylabel="weight", title="softmax of the scores")
    outline = MIXING_POINTS[[0, 3, 2, 0]]  # 'bell' lies inside the triangle of the other three
    right.plot(*outline.T.tolist(), ":", color=BLACK, linewidth=1)
    right.scatter(*MIXING_POINTS.T.tolist(), s=(30 + 600 * weights).tolist(), color=BLUE, alpha=0.5)
    for word, (a, b) in zip(MIXING_WORDS, MIXING_POINTS.tolist()):
        right.annotate(word, (a, b), xytext=(6, 6), textcoords="offset points")
    right.plot(*mix.tolist(), "x", color=BLACK, markersize=12, markeredgewidth=3)
    right.set(
        xlim=(-0.5, 8),
        ylim=(-1, 5.5),
        xlabel="first number",
        ylabel="second number",
        title=f"mixture ({mix[0]:.2f}, {mix[1]:.2f})",
    )
    figure.subplots_adjust(wspace=0.3)
    return figure
