"""The labs of 02_attention/02_queries_keys_values: a word finds another; wide heads saturate."""

import math

import matplotlib.pyplot as plt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from shared.kit.plots import BLACK, BLUE, GREEN, ORANGE, PINK, RED

WORDS = ("the", "bell", "rang", "twice")
X = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [0.0, 1.0]])  # (T, D)
BELL, RANG, TWICE = 1, 2, 3
ENOUGH = 0.9  # a weight above this counts as found
DRAWS, KEYS, WIDEST = 200, 12, 512
WIDTHS = [2**n for n in range(10)]


# ---- queries, keys and values by hand


def turn_and_stretch(degrees: float, stretch: float) -> Tensor:
    """The matrix W, (2, 2), for which x @ W is x turned to the left and made longer."""
    angle = math.radians(degrees)
    row = torch.tensor([math.cos(angle), math.sin(angle)])
    return stretch * torch.stack([row, torch.tensor([-row[1], row[0]])])


def word_weights(W_q: Tensor, W_k: Tensor) -> Tensor:
    """Weights, (T, T), of the four words for these two matrices."""
    scores = (X @ W_q) @ (X @ W_k).T  # (T, T)
    return (scores / 2**0.5).softmax(dim=-1)


def verdict(task: int, word: int, weights: Tensor) -> str:
    """Whether a word has found `rang`, in a sentence."""
    share = weights[word, RANG].item()
    most = weights[word].argmax().item()
    line = f"{task}. '{WORDS[word]}' gives 'rang' {share:.2f}"
    if share > ENOUGH:
        return f"{line}: FOUND"
    if most == RANG:
        return f"{line}, its largest weight, but not above {ENOUGH}: not yet"
    return f"{line}, and most to '{WORDS[most]}', {weights[word, most]:.2f}: not yet"


def matrix_text(name: str, matrix: Tensor) -> str:
    """A matrix, (2, 2), in two lines of fixed width below its name."""
    rows = (matrix.round(decimals=2) + 0.0).tolist()  # + 0.0: no minus before a zero
    return "\n".join([name, *(f"[{x:6.2f} {y:6.2f} ]" for x, y in rows)])


def find_rang_lab(
    query_turn: float,
    query_stretch: float,
    key_turn: float,
    key_stretch: float,
    value_turn: float,
    value_stretch: float,
) -> Figure:
    """Queries and keys as arrows, the weights, what `twice` gets; and whether `rang` is found."""
    W_q = turn_and_stretch(query_turn, query_stretch)
    W_k = turn_and_stretch(key_turn, key_stretch)
    W_v = turn_and_stretch(value_turn, value_stretch)
    weights = word_weights(W_q, W_k)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 4))
    draw_arrows(left, X @ W_q, X @ W_k)
    draw_weights(middle, weights)
    draw_mixture(right, weights[TWICE], X @ W_v)
    figure.subplots_adjust(wspace=0.3)
    for height, (task, word) in zip((1.09, 1.02), ((1, TWICE), (2, BELL))):
        line = verdict(task, word, weights)
        colour = "#00684c" if line.endswith("FOUND") else RED
        figure.text(0.08, height, line, fontsize=13, fontweight="bold", color=colour)
    if (weights[[TWICE, BELL], RANG] > ENOUGH).all():
        figure.text(0.62, 1.02, "Both at once: all done", fontsize=13, color="#00684c")
    named = {"W_q": W_q, "W_k": W_k, "W_q @ W_k.T": W_q @ W_k.T}
    for left_edge, (name, matrix) in zip((0.62, 0.76, 0.9), named.items()):
        text = matrix_text(name, matrix)
        figure.text(left_edge, -0.03, text, family="monospace", fontsize=11, va="top")
    return figure


def plane(ax: Axes, points: Tensor, title: str) -> None:
    """A square piece of the plane around 0 that shows all points."""
    reach = max(2.4, 1.25 * points.abs().max().item())
    ax.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", title=title)
    ax.set(xlabel="first number", ylabel="second number")
    ax.axhline(0, color="#bbb", linewidth=0.8, zorder=0)
    ax.axvline(0, color="#bbb", linewidth=0.8, zorder=0)


def draw_arrows(ax: Axes, queries: Tensor, keys: Tensor) -> None:
    """Keys as wide arrows, queries as narrow ones above them; those of `the` have no length."""
    plane(ax, torch.cat([queries, keys]), "queries (blue) and keys (orange)")
    for vectors, colour, dark, width, side in (
        (keys, ORANGE, "#7d5600", 5, 1),
        (queries, BLUE, "#004f7d", 2, -1),
    ):
        style = {
            "arrowstyle": "-|>",
            "color": colour,
            "linewidth": width,
            "shrinkA": 0,
            "shrinkB": 0,
        }
        style["mutation_scale"] = 8 + 2 * width
        for word, vector in zip(WORDS, vectors):
            length = vector.norm().item()
            if length < 0.01:
                continue
            ax.annotate("", vector.tolist(), (0, 0), arrowprops=style)
            across = side * vector / length  # the name stands beside the arrow's head
            shift = (26 * across[1].item(), -11 * across[0].item())
            place = {"textcoords": "offset points", "ha": "center", "va": "center"}
            ax.annotate(word, vector.tolist(), shift, color=dark, fontweight="bold", **place)


def draw_weights(ax: Axes, weights: Tensor) -> None:
    """The weights as colours from 0 to 1; a frame around what `twice` gives to `rang`."""
    ax.imshow(weights.tolist(), cmap="cividis", vmin=0, vmax=1)
    for i, row in enumerate(weights.tolist()):
        for j, x in enumerate(row):
            ax.text(
                j, i, f"{x:.2f}", ha="center", va="center", color="black" if x > 0.5 else "white"
            )
    frame = plt.Rectangle((RANG - 0.47, TWICE - 0.47), 0.94, 0.94, fill=False)
    frame.set(edgecolor=RED, linewidth=2.5)
    ax.add_patch(frame)
    ax.set_xticks(range(4), WORDS)
    ax.set_yticks(range(4), WORDS)
    ax.set(xlabel="key", ylabel="query", title="weights")


def draw_mixture(ax: Axes, weights: Tensor, values: Tensor) -> None:
    """The values, dots as large as their weights, their mixture, and `twice` before and after."""
    mixture = weights @ values  # (D,)
    after = X[TWICE] + mixture
    plane(ax, torch.cat([values, X[TWICE : TWICE + 1], after[None]]), "what 'twice' takes in")
    ax.scatter(*values.T, s=20 + 400 * weights, color=GREEN, alpha=0.6, label="values")
    for word, value in zip(WORDS, values.tolist()):
        ax.annotate(word, value, (-9, -13), textcoords="offset points", ha="right", color="#00684c")
    ax.plot(*mixture, "X", color=BLACK, markersize=9, label="mixture", linestyle="none")
    ax.plot(*X[TWICE], "s", color="#666", label="'twice' before", linestyle="none")
    ax.plot(*after, "D", color=PINK, label="'twice' after", linestyle="none")
    ax.annotate("", after.tolist(), X[TWICE].tolist(), arrowprops={"arrowstyle": "->"})
    ax.legend(fontsize=9, loc="upper left", bbox_to_anchor=(1, 1))


# ---- saturation


def random_scores(scaled: bool, seed: int) -> Tensor:
    """Scores, (DRAWS, KEYS, WIDEST), of random queries and keys at each width from 1 on: a wider
    head keeps a narrower one's numbers and adds to them.
    """
    generator = torch.Generator().manual_seed(seed)
    queries = torch.randn(DRAWS, 1, WIDEST, generator=generator)
    keys = torch.randn(DRAWS, KEYS, WIDEST, generator=generator)
    scores = (queries * keys).cumsum(dim=-1)
    return scores / torch.arange(1, WIDEST + 1).sqrt() if scaled else scores


def mean_largest_weights(scores: Tensor, widths: list[int]) -> list[float]:
    """The largest of the KEYS weights, averaged over the draws, at each of these widths."""
    chosen = scores[..., [width - 1 for width in widths]]  # (DRAWS, KEYS, widths)
    return chosen.softmax(dim=1).amax(dim=1).mean(dim=0).tolist()


def saturation_lab(head_dim: int, scaled: bool, seed: int) -> Figure:
    """The weights of one draw, and the mean largest weight of many at every width."""
    scores = random_scores(scaled, seed)  # (DRAWS, KEYS, WIDEST)
    weights = scores[0, :, head_dim - 1].softmax(dim=0)  # (KEYS,)
    (mean,) = mean_largest_weights(scores, [head_dim])
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3))
    left.bar(range(KEYS), weights.tolist(), color=BLUE)
    left.set(xlabel="key", ylabel="weight", ylim=(0, 1), title="weights of the first draw")
    left.set_xticks(range(KEYS))
    right.plot(WIDTHS, mean_largest_weights(scores, WIDTHS), color=BLUE)
    right.plot([head_dim], [mean], "o", color=RED, markersize=9)
    right.axhline(ENOUGH, color=BLACK, linestyle=":", linewidth=1)
    right.set(xscale="log", xlabel="width of the head K (numbers)", ylim=(0, 1))
    right.set(ylabel=f"largest weight, mean of {DRAWS}")
    side = "above" if mean > ENOUGH else "not above"
    right.set_title(f"K = {head_dim}: {mean:.3f}, {side} {ENOUGH}")
    figure.subplots_adjust(wspace=0.3)
    return figure
