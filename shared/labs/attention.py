"""The pictures behind chapter 2's labs: mixing, saturation, leaks, and what a head looks at.

JupyterLab runs a lab's callback in a thread of its own, while the notebook's thread shows every figure that pyplot
knows. So these figures are made without pyplot: no other thread can reach one that is half drawn.
"""

import html
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from torch import Tensor

from shared.kit.plots import BLACK, BLUE, GREEN, ORANGE, RED, token_boxes

MIXING_WORDS = ("the", "bell", "rang", "twice")
MIXING_POINTS = torch.tensor([[1.0, 0.0], [3.0, 2.0], [2.0, 4.0], [6.0, 2.0]])  # (T, D)
BUGS = ("none", "no mask", "mask after softmax", "mask with 0 for -inf", "inverted mask", "softmax over the wrong axis",
        "no scaling")
LEAK_WIDTH = 64  # K


def mixing_lab(the: float, bell: float, rang: float, twice: float) -> Figure:
    """Four scores as softmax weights, and the average of four points that they make."""
    weights = torch.tensor([the, bell, rang, twice]).softmax(dim=0)  # (T,)
    mix = weights @ MIXING_POINTS  # (D,)
    figure = Figure(figsize=(8.5, 2.8))
    left, right = figure.subplots(1, 2)
    bars = left.bar(MIXING_WORDS, weights.tolist(), color=BLUE)
    left.bar_label(bars, [f"{w:.3f}" for w in weights.tolist()])
    left.set(ylim=(0, 1.15), ylabel="weight", title="softmax of the scores")
    outline = MIXING_POINTS[[0, 3, 2, 0]]  # 'bell' lies inside the triangle of the other three
    right.plot(*outline.T.tolist(), ":", color=BLACK, linewidth=1)
    right.scatter(*MIXING_POINTS.T.tolist(), s=(30 + 600 * weights).tolist(), color=BLUE, alpha=0.5)
    for word, (a, b) in zip(MIXING_WORDS, MIXING_POINTS.tolist()):
        right.annotate(word, (a, b), xytext=(6, 6), textcoords="offset points")
    right.plot(*mix.tolist(), "x", color=BLACK, markersize=12, markeredgewidth=3)
    right.set(xlim=(-0.5, 8), ylim=(-1, 5.5), xlabel="first number", ylabel="second number",
              title=f"mixture ({mix[0]:.2f}, {mix[1]:.2f})")
    figure.subplots_adjust(wspace=0.3)
    return figure


def saturation_lab(head_dim: int, scaled: bool, seed: int) -> Figure:
    """Scores of one random query with 12 random keys, head_dim numbers each, and the weights that softmax makes."""
    generator = torch.Generator().manual_seed(seed)
    query, keys = torch.randn(head_dim, generator=generator), torch.randn(12, head_dim, generator=generator)
    scores = keys @ query / (head_dim**0.5 if scaled else 1.0)  # (T,)
    weights = scores.softmax(dim=0)  # (T,)
    figure = Figure(figsize=(8.5, 2.6))
    left, right = figure.subplots(1, 2)
    left.bar(range(12), scores.tolist(), color=ORANGE)
    left.set(xlabel="key", ylabel="score", title=f"scores, spread {scores.std():.2f}")
    right.bar(range(12), weights.tolist(), color=BLUE)
    right.set(xlabel="key", ylabel="weight", ylim=(0, 1), title=f"weights, largest {weights.max():.3f}")
    for ax in (left, right):
        ax.set_xticks(range(12))
    figure.subplots_adjust(wspace=0.3)
    return figure


def buggy_attention(x: Tensor, bug: str) -> tuple[Tensor, Tensor, Tensor]:
    """Causal attention of one head with one of BUGS: x (T, K) -> scores (T, T), weights (T, T), outputs (T, K)."""
    if bug not in BUGS:
        raise ValueError(f"no bug is named {bug!r}: there are {', '.join(BUGS)}")
    generator = torch.Generator().manual_seed(1)
    width = x.size(1)
    q, k, v = (x @ (torch.randn(width, width, generator=generator) / width**0.5) for _ in range(3))
    scores = q @ k.T / (1.0 if bug == "no scaling" else width**0.5)  # (T, T)
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


def leak_properties(bug: str, tokens: int = 6, changed: int = 4) -> tuple[dict[str, bool], Tensor, Tensor]:
    """Which properties a bug keeps, its weights (T, T), and how far each output moves when one token changes, (T,)."""
    if not 0 <= changed < tokens:
        raise ValueError(f"token {changed} cannot be changed: there are {tokens} tokens, 0 to {tokens - 1}")
    x = torch.randn(tokens, LEAK_WIDTH, generator=torch.Generator().manual_seed(0))  # (T, K)
    scores, weights, outputs = buggy_attention(x, bug)
    other = x.clone()
    other[changed] = torch.randn(LEAK_WIDTH, generator=torch.Generator().manual_seed(2))
    moved = (buggy_attention(other, bug)[2] - outputs).abs().amax(dim=1)  # (T,)
    generator = torch.Generator().manual_seed(1)
    q, k, v = (x @ (torch.randn(LEAK_WIDTH, LEAK_WIDTH, generator=generator) / LEAK_WIDTH**0.5) for _ in range(3))
    reference = F.scaled_dot_product_attention(q[None], k[None], v[None], is_causal=True)[0]  # (T, K)
    return {
        "each row of weights sums to 1": bool(torch.allclose(weights.sum(dim=-1), torch.ones(tokens))),
        "no weight lies on the future": bool((weights.triu(1) == 0).all()),
        "outputs before the changed token stay": bool((moved[:changed] < 1e-5).all()),
        "the scores' spread is near 1": bool(0.5 < scores.std() < 2),
        "equal to PyTorch's own": bool(torch.allclose(outputs, reference, atol=1e-5)),
    }, weights, moved


def leak_lab(bug: str, tokens: int, changed: int) -> tuple[str, Figure]:
    """A table of properties kept and broken; the weights as a heatmap; how far each output moves."""
    changed = min(changed, tokens - 1)  # the two sliders know nothing of each other
    kept, weights, moved = leak_properties(bug, tokens, changed)
    rows = "".join(f'<tr><td style="text-align:left">{html.escape(name)}</td><td style="color:{GREEN if ok else RED}">'
                   f'<b>{"holds" if ok else "FAILS"}</b></td></tr>' for name, ok in kept.items())
    figure = Figure(figsize=(8.5, 3.2))
    left, right = figure.subplots(1, 2)
    weight_axes(left, weights, range(tokens), range(tokens))
    left.set_title(f"weights, bug: {bug}")
    colours = [RED if t < changed else BLUE for t in range(tokens)]
    right.bar(range(tokens), moved.nan_to_num(0.0).tolist(), color=colours)
    for t in moved.isnan().nonzero().flatten().tolist():
        right.text(t, 0, "NaN", ha="center", va="bottom", color=RED)
    right.set(xlabel="position (tokens)", ylabel="largest move of the output", title=f"token {changed} was changed")
    right.set_ylim(bottom=0)
    right.set_xticks(range(tokens))
    figure.subplots_adjust(wspace=0.35)
    return f"<table>{rows}</table>", figure


def weight_axes(ax: Axes, weights: Tensor, rows: Sequence, columns: Sequence) -> None:
    """Draw weights, (T, T) between 0 and 1, with the numbers where there are few; NaN is written out."""
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
        for i, row in enumerate(weights.tolist()):
            for j, w in enumerate(row):
                ax.text(j, i, "NaN" if w != w else f"{w:.2f}", ha="center", va="center", fontsize=8,
                        color="black" if w != w or w > 0.5 else "white")


def attention_figure(words: Sequence[str], weights: Tensor, query: int | None = None) -> Figure:
    """Weights (T, T) as arcs over the words, from the token that looks to those looked at, above a heatmap.

    `query` draws the arcs of one word only. Arcs under a weight of 0.05 are left out. Raises ValueError if the words
    do not fit the weights.
    """
    T = len(words)
    if weights.shape != (T, T):
        raise ValueError(f"{T} words need weights of shape ({T}, {T}), got {tuple(weights.shape)}")
    words = [word.replace("$", r"\$") for word in words]  # matplotlib reads mathematics between dollar signs
    figure = Figure(figsize=(max(5.0, 0.42 * T + 2), 6.4))
    top, bottom = figure.subplots(2, 1, height_ratios=[1, 1.7])
    angles = torch.linspace(0, torch.pi, 30)
    arcs, widths, colours = [], [], []
    for i, j in (weights > 0.05).nonzero().tolist():
        if i == j or (query is not None and i != query):
            continue
        x = (i + j) / 2 + abs(i - j) / 2 * angles.cos()
        arcs.append(torch.stack([x, abs(i - j) * angles.sin()], dim=1).numpy())  # (30, 2)
        widths.append(5 * weights[i, j].item())
        colours.append(BLUE if j < i else ORANGE)
    top.add_collection(LineCollection(arcs, linewidths=widths, colors=colours, alpha=0.65))
    own = weights.diagonal() if query is None else weights.diagonal() * (torch.arange(T) == query)  # (T,)
    top.scatter(range(T), [0.0] * T, s=(80 * own).tolist(), color=GREEN, zorder=3)
    top.set(xlim=(-0.5, T - 0.5), ylim=(-0.3, max([2.0, *(float(a[:, 1].max()) for a in arcs)]) * 1.05), yticks=[])
    top.set_xticks(range(T), words, rotation=60)
    top.set_title("arcs: blue looks back, orange ahead; green dot: itself", fontsize=10)
    weight_axes(bottom, weights, words, [""] * T)  # the columns stand right below the words of the arcs
    bottom.tick_params(axis="x", length=0)
    figure.subplots_adjust(hspace=0.34)
    return figure


def guesses_html(words: Sequence[str], guesses: Sequence[str]) -> str:
    """The words as boxes, each with the model's guess for the word after it below."""
    return token_boxes(words, notes=[f"→ {guess}" for guess in guesses])
