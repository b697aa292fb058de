"""The labs of 04_pretraining/11_inside_a_real_model: the wall of heads, the logit lens."""

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from shared.kit.plots import BLUE, ORANGE


def token_names(tokenizer: Any, ids: Sequence[int]) -> list[str]:
    """Each token's text, spaces as dots and line breaks as arrows."""
    return [tokenizer.decode([token]).replace(" ", "·").replace("\n", "↵") for token in ids]


def wall_figure(maps: Tensor, chosen: tuple[int, int] | None = None) -> Figure:
    """The weights of all heads, (L, H, T, T), as small pictures: layers across, heads down.

    Shades are square roots; weights below 0.05 are left out. `chosen`, a layer and a head, is
    framed. Raises ValueError for other shapes or another head.
    """
    if maps.dim() != 4 or maps.size(2) != maps.size(3):
        raise ValueError(f"the maps have shape {tuple(maps.shape)}: give (L, H, T, T)")
    L, H, T, _ = maps.shape
    if chosen is not None and not (0 <= chosen[0] < L and 0 <= chosen[1] < H):
        raise ValueError(f"there is no head {chosen}: layers 0 to {L - 1}, heads 0 to {H - 1}")
    side = T + max(1, T // 12)  # a picture and the gap beside it
    shades = (torch.where(maps < 0.05, 0.0, maps).sqrt() * 16).round() / 16  # 17 make small files
    wall = torch.full((H * side, L * side), torch.nan)
    for layer in range(L):
        for head in range(H):
            top, left = head * side, layer * side
            wall[top : top + T, left : left + T] = shades[layer, head]
    figure, ax = plt.subplots(figsize=(1 + 0.32 * L, 0.9 + 0.32 * H), layout="constrained")
    ax.imshow(wall.numpy(), cmap="cividis", vmin=0, vmax=1, interpolation="nearest", aspect="equal")
    ax.set_xticks([T / 2 + side * i for i in range(L)], range(L), fontsize=8)
    ax.set_yticks([T / 2 + side * i for i in range(H)], range(H), fontsize=8)
    ax.tick_params(length=0)
    ax.set(xlabel="layer", ylabel="head")
    ax.spines[:].set_visible(False)
    if chosen is not None:
        corner = (chosen[0] * side - 1, chosen[1] * side - 1)
        frame = Rectangle(corner, T + 1, T + 1, fill=False, edgecolor=ORANGE, linewidth=2.5)
        ax.add_patch(frame)
    return figure


def lens_figure(read: Mapping[str, tuple[Tensor, Tensor]]) -> Figure:
    """What the lens reads by layer: for each token's name its probability and rank, (L + 1,)."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3), layout="constrained")
    for (name, (probability, rank)), colour in zip(read.items(), (BLUE, ORANGE), strict=False):
        layers = range(len(probability))
        label = f'"{name}"'.replace("$", r"\$")  # between dollars matplotlib reads formulas
        left.plot(layers, probability.tolist(), color=colour, marker=".", label=label)
        right.plot(layers, rank.tolist(), color=colour, marker=".", label=label)
    left.set(xlabel="layers passed", ylabel="probability", ylim=(-0.03, 1.03))
    right.set(xlabel="layers passed", ylabel="rank among all tokens", yscale="log")
    right.invert_yaxis()
    left.legend(loc="upper left")
    return figure
