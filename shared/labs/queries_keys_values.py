"""The lab of 02_attention/02_queries_keys_values: wide heads saturate the softmax."""

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from shared.kit.plots import BLUE, ORANGE


def saturation_lab(head_dim: int, scaled: bool, seed: int) -> Figure:
    """Scores of a random query with 12 random keys, head_dim numbers each, and their softmax."""
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(head_dim, generator=generator)  # (K,)
    keys = torch.randn(12, head_dim, generator=generator)  # (T, K)
    scores = keys @ query / (head_dim**0.5 if scaled else 1.0)  # (T,)
    weights = scores.softmax(dim=0)  # (T,)
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 2.6))
    left.bar(range(12), scores.tolist(), color=ORANGE)
    left.set(xlabel="key", ylabel="score", title=f"scores, spread {scores.std():.2f}")
    right.bar(range(12), weights.tolist(), color=BLUE)
    right.set(
        xlabel="key", ylabel="weight", ylim=(0, 1), title=f"weights, largest {weights.max():.3f}"
    )
    for ax in (left, right):
        ax.set_xticks(range(12))
    figure.subplots_adjust(wspace=0.3)
    return figure
