"""The lab and the pictures of 03_gpt/05_modern_blocks: turned queries and keys, shared heads."""

import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Arc
from torch import Tensor

from shared.kit.plots import BLUE, GREEN, ORANGE, PALE
from shared.llama import rotary_angles, rotate

HEAD_DIM = 8  # the lab's head: four pairs
LAST = 60  # the last position of the lab
QUERY = (20, 300, 90, 150)  # degrees of each pair of the query, and of the key, before any turn
KEY = (65, 330, 60, 100)


def vector(degrees: Sequence[float]) -> Tensor:
    """A head's vector whose pairs have length 1 and these directions: (K,)."""
    radians = torch.tensor(degrees, dtype=torch.float).deg2rad()
    return torch.cat([radians.cos(), radians.sin()])  # number i and number i + K / 2 are a pair


def turned(x: Tensor, angles: Tensor) -> Tensor:
    """One vector, (K,), at every position of `angles`, (T, K / 2): (T, K)."""
    return rotate(x.expand(1, 1, len(angles), -1), angles)[0, 0]


def distance_scores(base: float) -> Tensor:
    """Each pair's part of the score, at distances 0 to LAST from query back to key: (LAST + 1, 4).

    A row's sum is the score of the whole head.
    """
    angles = rotary_angles(LAST + 1, HEAD_DIM, base)  # (C, K / 2)
    products = turned(vector(QUERY), angles) * vector(KEY)  # (C, K), the key at position 0
    return products[:, : HEAD_DIM // 2] + products[:, HEAD_DIM // 2 :]  # (C, K / 2)


def draw_turns(query_at: int, key_at: int, base: float, pair: int) -> Figure:
    """The lab: one pair of a query and a key, turned by their positions; the score by distance."""
    angles = rotary_angles(LAST + 1, HEAD_DIM, base)  # (C, K / 2)
    figure, (left, right) = plt.subplots(
        1, 2, figsize=(9, 3.4), gridspec_kw={"width_ratios": (1, 1.8)}
    )
    at = pair - 1
    places = (("query", QUERY[at], query_at, BLUE), ("key", KEY[at], key_at, ORANGE))
    turns = [math.radians(start) + angles[place, at].item() for _, start, place, _ in places]
    draw_arrows(left, [(name, turn, colour) for (name, *_, colour), turn in zip(places, turns)])
    between = math.degrees(turns[0] - turns[1])
    part = math.cos(turns[0] - turns[1])
    left.set_title(f"pair {pair}: {between:,.0f} degrees apart\nits part of the score: {part:.2f}")
    scores = distance_scores(base)  # (C, K / 2)
    right.plot(scores.sum(dim=-1), color=GREEN, label="whole head")
    right.plot(scores[:, at], "--", color=BLUE, label=f"pair {pair}")
    right.set(
        xlabel="distance (tokens from the key to the query)", ylabel="score", ylim=(-4.4, 4.4)
    )
    right.legend(loc="lower right", ncols=2)
    distance = query_at - key_at
    if distance < 0:
        right.set_title("the key comes after the query: the mask hides it")
        return figure
    right.plot([distance] * 2, [scores[distance].sum(), scores[distance, at]], "o", color="black")
    right.set_title(f"distance {distance}: the head's score is {scores[distance].sum():.2f}")
    return figure


def draw_arrows(ax: Axes, arrows: Sequence[tuple[str, float, str]]) -> None:
    """Arrows of length 1, (name, angle in radians, colour), and the smaller angle between them."""
    ax.add_patch(plt.Circle((0, 0), 1, fill=False, color="lightgrey"))
    for name, angle, colour in arrows:
        x, y = math.cos(angle), math.sin(angle)
        ax.annotate("", (x, y), (0, 0), arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 2})
        ax.text(1.22 * x, 1.22 * y, name, color=colour, ha="center", va="center")
    (_, first, _), (_, second, _) = arrows
    gap = math.degrees(first - second) % 360
    start = math.degrees(second) if gap <= 180 else math.degrees(first)
    ax.add_patch(Arc((0, 0), 0.6, 0.6, theta1=start, theta2=start + min(gap, 360 - gap)))
    ax.set(xlim=(-1.5, 1.5), ylim=(-1.4, 1.4), aspect="equal", xticks=[], yticks=[])
    for side in ax.spines.values():
        side.set_visible(False)


def draw_two_places(query: float, key: float, speed: float, places: Sequence[tuple]) -> Figure:
    """A query and a key, directions in radians, at several (query's, key's) positions."""
    figure, axes = plt.subplots(1, len(places), figsize=(3 * len(places), 3))
    for ax, (query_at, key_at) in zip(axes, places):
        turns = (query + speed * query_at, key + speed * key_at)
        draw_arrows(ax, [("q", turns[0], BLUE), ("k", turns[1], ORANGE)])
        ax.set_title(
            f"query at {query_at}, key at {key_at}\nscore {math.cos(turns[0] - turns[1]):.2f}"
        )
    figure.tight_layout()
    return figure


def draw_groups(n_heads: int, choices: Sequence[int]) -> Figure:
    """Which query head reads which head of keys and values, for several numbers of the latter."""
    figure, axes = plt.subplots(1, len(choices), figsize=(3.1 * len(choices), 1.9))
    for ax, n_kv_heads in zip(axes, choices):
        share = n_heads // n_kv_heads
        for head in range(n_heads):
            group = head // share
            middle = group * share + (share - 1) / 2
            ax.plot([head, middle], [1, 0], color="grey", lw=1)
            ax.plot(head, 1, "s", color=BLUE, markersize=11)
            ax.plot(middle, 0, "o", color=ORANGE, markersize=11)
        ax.set(title=f"G = {n_kv_heads}", ylim=(-0.4, 1.4), xticks=[], yticks=(0, 1))
        ax.set_yticklabels(["keys, values", "queries"] if ax is axes[0] else [])
        ax.set_facecolor(PALE[5] if n_kv_heads not in (1, n_heads) else "white")
    figure.tight_layout()
    return figure
