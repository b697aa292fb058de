"""The lab of 02_attention/03_causal_attention: seven ways to write attention, six of them wrong."""

import html
import math
from collections.abc import Sequence

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from shared.kit.plots import BLUE, GREEN, RED

BUGS = (
    "none",
    "no mask",
    "mask after softmax",
    "mask with 0 for -inf",
    "inverted mask",
    "softmax over the wrong axis",
    "no scaling",
)
LEAK_WIDTH = 64  # K


def queries_keys_values(x: Tensor) -> list[Tensor]:
    """Queries, keys and values by three fixed random matrices: x (T, K) -> (T, K) each."""
    generator = torch.Generator().manual_seed(1)
    width = x.size(1)
    return [x @ (torch.randn(width, width, generator=generator) / width**0.5) for _ in range(3)]


def buggy_attention(x: Tensor, bug: str) -> tuple[Tensor, Tensor, Tensor]:
    """Causal attention of one head with one of BUGS.

    x (T, K) -> scores (T, T), weights (T, T), outputs (T, K). Raises ValueError for another bug.
    """
    if bug not in BUGS:
        raise ValueError(f"no bug is named {bug!r}: there are {', '.join(BUGS)}")
    q, k, v = queries_keys_values(x)
    scores = q @ k.T / (1.0 if bug == "no scaling" else x.size(1) ** 0.5)  # (T, T)
    future = torch.ones_like(scores, dtype=torch.bool).triu(1)  # (T, T)
    if bug == "inverted mask":
        future = ~future
    if bug == "no mask":
        weights = scores.softmax(dim=-1)
    elif bug == "mask after softmax":
        weights = scores.softmax(dim=-1).masked_fill(future, 0.0)
    elif bug == "mask with 0 for -inf":
        weights = scores.masked_fill(future, 0.0).softmax(dim=-1)
    else:
        axis = 0 if bug == "softmax over the wrong axis" else -1
        weights = scores.masked_fill(future, -torch.inf).softmax(dim=axis)
    return scores, weights, weights @ v


def leak_properties(
    bug: str, tokens: int = 6, changed: int = 4
) -> tuple[dict[str, bool], Tensor, Tensor]:
    """Which properties a bug keeps, its weights (T, T), and each output's move, (T,).

    The move is that of the outputs when the token `changed` changes. Raises ValueError for a token
    that is not there.
    """
    if not 0 <= changed < tokens:
        raise ValueError(
            f"token {changed} cannot be changed: there are {tokens} tokens, 0 to {tokens - 1}"
        )
    x = torch.randn(tokens, LEAK_WIDTH, generator=torch.Generator().manual_seed(0))  # (T, K)
    scores, weights, outputs = buggy_attention(x, bug)
    other = x.clone()
    other[changed] = torch.randn(LEAK_WIDTH, generator=torch.Generator().manual_seed(2))
    moved = (buggy_attention(other, bug)[2] - outputs).abs().amax(dim=1)  # (T,)
    q, k, v = (part[None] for part in queries_keys_values(x))  # (1, T, K)
    reference = F.scaled_dot_product_attention(q, k, v, is_causal=True)[0]  # (T, K)
    sums = weights.sum(dim=-1)  # (T,)
    kept = {
        "each row of weights sums to 1": torch.allclose(sums, torch.ones(tokens)),
        "no weight lies on the future": bool((weights.triu(1) == 0).all()),
        "outputs before the changed token stay": bool((moved[:changed] < 1e-5).all()),
        "the scores' spread is near 1": bool(0.5 < scores.std() < 2),
        "equal to PyTorch's own": torch.allclose(outputs, reference, atol=1e-5),
    }
    return kept, weights, moved


def leak_lab(bug: str, tokens: int, changed: int) -> tuple[str, Figure]:
    """A table of properties kept and broken; the weights as a heatmap; each output's move."""
    changed = min(changed, tokens - 1)  # the two sliders know nothing of each other
    kept, weights, moved = leak_properties(bug, tokens, changed)
    rows = "".join(
        f'<tr><td style="text-align:left">{html.escape(name)}</td>'
        f'<td style="color:{GREEN if ok else RED}"><b>{"holds" if ok else "FAILS"}</b></td></tr>'
        for name, ok in kept.items()
    )
    figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.2))
    weight_axes(left, weights, range(tokens), range(tokens))
    left.set_title(f"weights, bug: {bug}")
    colours = [RED if t < changed else BLUE for t in range(tokens)]
    right.bar(range(tokens), moved.nan_to_num(0.0).tolist(), color=colours)
    for t in moved.isnan().nonzero().flatten().tolist():
        right.text(t, 0, "NaN", ha="center", va="bottom", color=RED)
    right.set(
        xlabel="position (tokens)",
        ylabel="largest move of the output",
        title=f"token {changed} was changed",
    )
    right.set_ylim(bottom=0)
    right.set_xticks(range(tokens))
    figure.subplots_adjust(wspace=0.35)
    return f"<table>{rows}</table>", figure


def weight_axes(ax: Axes, weights: Tensor, rows: Sequence, columns: Sequence) -> None:
    """Draw weights, (T, T) between 0 and 1, with the numbers where there are few; NaN is named."""
    ax.imshow(weights.numpy(), cmap="cividis", vmin=0, vmax=1, aspect="auto")
    if isinstance(rows, range):  # numbers: leave some out where they would touch
        rows = columns = range(0, len(rows), 1 if len(rows) <= 12 else 4)
        ax.set_xticks(columns)
        ax.set_yticks(rows)
    else:
        ax.set_xticks(range(len(columns)), columns, rotation=60)
        ax.set_yticks(range(len(rows)), rows)
    ax.set(xlabel="key (the token looked at)", ylabel="query (the token that looks)")
    if len(weights) <= 8:
        style = {"ha": "center", "va": "center", "fontsize": 8}
        for i, row in enumerate(weights.tolist()):
            for j, weight in enumerate(row):
                text = "NaN" if math.isnan(weight) else f"{weight:.2f}"
                colour = "white" if weight <= 0.5 else "black"  # NaN has a white background
                ax.text(j, i, text, color=colour, **style)
