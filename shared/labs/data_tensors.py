"""The pictures of 03_dataloader and 04_embeddings: where windows lie, what a position adds."""

import zlib

import matplotlib.pyplot as plt
import torch
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from torch import Tensor

from shared.dataloader import GPTDataset
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.plots import ORANGE, PALE, token_boxes
from shared.labs.data import limited, readable

NEVER = PALE[3]


def window_lab(length: int, context: int, stride: int, batch_size: int, drop_last: bool) -> tuple[str, Figure]:
    """Windows over the first tokens of the story: which batch each is in, what overlaps, what is never seen."""
    tokenizer = get_tokenizer()
    ids = tokenizer.encode(load_corpus("story")[:400])[:length]
    windows = len(GPTDataset(ids, context, stride))  # raises ValueError if none fits
    batches = windows // batch_size if drop_last else -(-windows // batch_size)
    used = min(windows, batches * batch_size)
    grid, times = window_grid(length, context, stride, batch_size, windows, used)
    tokens = [readable(tokenizer.decode_single_token_bytes(i)) for i in ids]
    notes = [f"{n}\u00d7" if n else "never" for n in times]
    boxes = token_boxes(tokens, [PALE[0] if n else NEVER for n in times], notes)
    text = (f"<p>windows: ({length} &minus; {context} &minus; 1) // {stride} + 1 = <b>{windows}</b>; "
            f"batches of {batch_size}: <b>{batches}</b>"
            f"{f', windows dropped: {windows - used}' if used < windows else ''}; "
            f"overlap of neighbours: {max(0, context - stride)} tokens; "
            f"<b>never an input: {times.count(0)}</b> of {length} tokens</p>{boxes}")
    return text, window_figure(grid)


def window_grid(length: int, context: int, stride: int, batch_size: int, windows: int,
                used: int) -> tuple[list[list[int]], list[int]]:
    """Rows of windows over columns of tokens, 0 where a token is not read; and how often each token is an input.

    1 and 2 alternate from batch to batch, 3 is the last target, 4 a window that drop_last leaves out.
    """
    grid, times = [[0] * length for _ in range(windows)], [0] * length
    for w in range(windows):
        for t in range(w * stride, w * stride + context):
            grid[w][t] = 4 if w >= used else 1 + w // batch_size % 2
            times[t] += w < used
        grid[w][w * stride + context] = 3
    return grid, times


def window_figure(grid: list[list[int]]) -> Figure:
    figure, ax = plt.subplots(figsize=(7.5, 1.2 + 0.16 * min(len(grid), 25)))
    colours = ListedColormap(["white", "#a8d0e8", "#4a98c8", ORANGE, "#bbbbbb"])
    ax.pcolormesh(grid, cmap=colours, vmin=-0.5, vmax=4.5, edgecolors="#e8e8e8", linewidth=0.3)
    ax.invert_yaxis()
    ax.set(xlabel="token", ylabel="window")
    for axis, count in ((ax.xaxis, len(grid[0])), (ax.yaxis, len(grid))):
        shown = range(0, count, 1 + count // 12)
        axis.set_ticks([i + 0.5 for i in shown], shown)
    ax.set_title("blue: inputs, two shades for alternating batches; orange: last target; grey: dropped", fontsize=9)
    return figure


ORDERS = {"reversed": lambda T: list(range(T))[::-1], "first and last swapped": lambda T: [T - 1, *range(1, T - 1), 0],
          "moved by one": lambda T: [*range(1, T), 0], "unchanged": lambda T: list(range(T))}


def word_vector(word: str, size: int = 6) -> Tensor:
    """A made-up embedding, the same for the same word: (D,)."""
    return torch.randn(size, generator=torch.Generator().manual_seed(zlib.crc32(word.encode("utf-8"))))


def position_vectors(T: int, kind: str, size: int = 6) -> Tensor:
    """One vector a position, (T, D): random as a learned table is at its start, or waves as in Vaswani et al. 2017."""
    if kind == "random table":
        return torch.randn(T, size, generator=torch.Generator().manual_seed(0))  # (T, D)
    rates = 10_000 ** (-torch.arange(0, size, 2) / size)  # (D / 2,)
    angles = torch.arange(T).unsqueeze(1) * rates  # (T, D / 2)
    return torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)  # (T, D)


def same_vectors(a: Tensor, b: Tensor) -> int:
    """How many rows of b, (T, D), can be paired with an equal row of a, each used once."""
    rows = a.tolist()
    found = 0
    for row in b.tolist():
        match = next((other for other in rows if max(abs(x - y) for x, y in zip(row, other)) < 1e-5), None)
        if match is not None:
            rows.remove(match)
            found += 1
    return found


def position_lab(text: str, order: str, scale: float, kind: str) -> tuple[str, Figure]:
    """A sentence in two orders as input vectors; whether the two bags of vectors can be told apart."""
    words = limited(text).split()
    if not 2 <= len(words) <= 12:
        raise ValueError(f"the sentence has {len(words)} words: type 2 to 12")
    moved = [words[i] for i in ORDERS[order](len(words))]
    positions = scale * position_vectors(len(words), kind)  # (T, D)
    a, b = (torch.stack([word_vector(w) for w in sentence]) + positions for sentence in (words, moved))  # (T, D)
    same = same_vectors(a, b)
    verdict = "the two bags are the same: nothing tells the orders apart" if same == len(words) else "the bags differ"
    figure, axes = plt.subplots(1, 2, figsize=(8, 1.2 + 0.28 * len(words)), gridspec_kw={"wspace": 0.4})
    limit = max(a.abs().max().item(), b.abs().max().item())
    for ax, values, sentence, title in ((axes[0], a, words, "as typed"), (axes[1], b, moved, order)):
        image = ax.imshow(values.numpy(), cmap="cividis", vmin=-limit, vmax=limit, aspect="auto")
        ax.set_yticks(range(len(sentence)), [f"{i} {word}" for i, word in enumerate(sentence)])
        ax.set(title=title, xlabel="dimension")
    figure.colorbar(image, ax=axes, label="value")
    return f"<p>{same} of {len(words)} vectors occur in both: <b>{verdict}</b></p>", figure
