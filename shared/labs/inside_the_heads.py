"""The lab of 02_attention/05_inside_the_heads: what a head looks at."""

from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from shared.kit.plots import BLUE, GREEN, ORANGE, token_boxes
from shared.labs.causal_attention import weight_axes


def attention_figure(words: Sequence[str], weights: Tensor, query: int | None = None) -> Figure:
    """Weights (T, T) as arcs from the word that looks to those looked at, above a heatmap.

    `query` draws the arcs of one word only. Raises ValueError if the words do not fit the weights.
    """
    T = len(words)
    if weights.shape != (T, T):
        raise ValueError(f"{T} words need weights of shape ({T}, {T}), got {tuple(weights.shape)}")
    words = [
        word.replace("$", r"\$") for word in words
    ]  # between dollars matplotlib reads formulas
    figure, (top, bottom) = plt.subplots(
        2, 1, figsize=(max(5.0, 0.42 * T + 2), 6.4), height_ratios=[1, 1.7]
    )
    looking = weights
    if query is not None:
        looking = weights * (torch.arange(T) == query).unsqueeze(1)  # (T, T)
    draw_arcs(top, looking)
    top.set_xticks(range(T), words, rotation=60)
    top.set_title("arcs: blue looks back, orange ahead; green dot: itself", fontsize=10)
    weight_axes(bottom, weights, words, [""] * T)  # its columns stand right below the words
    bottom.tick_params(axis="x", length=0)
    figure.subplots_adjust(hspace=0.34)
    return figure


def draw_arcs(ax: Axes, weights: Tensor) -> None:
    """Draw weights (T, T) as arcs between positions, those on itself as dots; none below 0.05."""
    T = len(weights)
    angles = torch.linspace(0, torch.pi, 30)
    arcs, widths, colours = [], [], []
    for i, j in (weights > 0.05).nonzero().tolist():
        if i != j:
            x = (i + j) / 2 + abs(i - j) / 2 * angles.cos()
            arcs.append(torch.stack([x, abs(i - j) * angles.sin()], dim=1).numpy())  # (30, 2)
            widths.append(5 * weights[i, j].item())
            colours.append(BLUE if j < i else ORANGE)
    ax.add_collection(LineCollection(arcs, linewidths=widths, colors=colours, alpha=0.65))
    ax.scatter(range(T), [0.0] * T, s=(80 * weights.diagonal()).tolist(), color=GREEN, zorder=3)
    highest = max([2.0, *(float(arc[:, 1].max()) for arc in arcs)])
    ax.set(xlim=(-0.5, T - 0.5), ylim=(-0.3, 1.05 * highest), yticks=[])


def guesses_html(words: Sequence[str], guesses: Sequence[str]) -> str:
    """The words as boxes, each with the model's guess for the word after it below."""
    return token_boxes(words, notes=[f"→ {guess}" for guess in guesses])


def knock_out_html(
    words: Sequence[str], whole: Sequence[str], cut: Sequence[str], off: tuple[int, ...]
) -> str:
    """What switching a head off does to the guesses after words that were there before.

    `whole` and `cut` are the guesses with all heads and without one; `off` is its layer and number,
    or an empty tuple.
    """
    before, after = copied(words, whole), copied(words, cut)
    if not off:
        return f"All heads are on: {before} words are copied rightly from the first time."
    name = f"layer {off[0] + 1}, head {off[1] + 1}"
    if not before:
        return f"Without {name} nothing is lost, for nothing was copied: type a phrase twice."
    said = f"Without {name}, {after} of {before} words are still copied rightly"
    return f"{said}: <b>found</b>, the model needs this head." if 2 * after < before else f"{said}."


def copied(words: Sequence[str], guesses: Sequence[str]) -> int:
    """How many words seen before have the guess that followed them the last time."""
    right = 0
    for place, word in enumerate(words):
        earlier = [i for i in range(place) if words[i] == word]
        right += bool(earlier) and guesses[place] == words[earlier[-1] + 1]
    return right
