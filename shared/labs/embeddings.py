"""The labs of 01_data/04_embeddings: who is near whom, what a position adds to a vector."""

import zlib
from collections.abc import Mapping, Sequence

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor

from shared.kit.plots import table
from shared.labs.tokenization import limited

SHOWN = 5  # neighbours in a list

ORDERS = {
    "reversed": lambda T: list(range(T))[::-1],
    "first and last swapped": lambda T: [T - 1, *range(1, T - 1), 0],
    "moved by one": lambda T: [*range(1, T), 0],
    "unchanged": lambda T: list(range(T)),
}


def word_vector(word: str, size: int = 6) -> Tensor:
    """A made-up embedding, the same for the same word: (D,)."""
    seed = zlib.crc32(word.encode("utf-8"))
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def position_vectors(T: int, kind: str, size: int = 6) -> Tensor:
    """One vector a position, (T, D): random, as a learned table is at its start, or waves.

    The waves are those of Vaswani et al. 2017.
    """
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
        equal = [other for other in rows if max(abs(x - y) for x, y in zip(row, other)) < 1e-5]
        if equal:
            rows.remove(equal[0])
            found += 1
    return found


def position_lab(text: str, order: str, scale: float, kind: str) -> tuple[str, Figure]:
    """A sentence in two orders as input vectors; whether the two bags can be told apart."""
    words = limited(text).split()
    if not 2 <= len(words) <= 12:
        raise ValueError(f"the sentence has {len(words)} words: type 2 to 12")
    moved = [words[i] for i in ORDERS[order](len(words))]
    positions = scale * position_vectors(len(words), kind)  # (T, D)
    a = torch.stack([word_vector(word) for word in words]) + positions  # (T, D)
    b = torch.stack([word_vector(word) for word in moved]) + positions  # (T, D)
    same = same_vectors(a, b)
    verdict = "the bags differ"
    if same == len(words):
        verdict = "the two bags are the same: nothing tells the orders apart"
    page = f"<p>{same} of {len(words)} vectors occur in both: <b>{verdict}</b></p>"
    return page, bags_figure({"as typed": (words, a), order: (moved, b)})


def bags_figure(bags: Mapping[str, tuple[Sequence[str], Tensor]]) -> Figure:
    """Two sentences with their vectors (T, D), {title: (words, vectors)}, on one scale."""
    rows = max(len(words) for words, _ in bags.values())
    figure, axes = plt.subplots(1, 2, figsize=(8, 1.2 + 0.28 * rows), gridspec_kw={"wspace": 0.4})
    limit = max(vectors.abs().max().item() for _, vectors in bags.values())
    for ax, (title, (words, vectors)) in zip(axes, bags.items()):
        image = ax.imshow(vectors.numpy(), cmap="cividis", vmin=-limit, vmax=limit, aspect="auto")
        ax.set_yticks(range(len(words)), [f"{i} {word}" for i, word in enumerate(words)])
        ax.set(title=title, xlabel="dimension")
    figure.colorbar(image, ax=axes, label="value")
    return figure


def cosines_of(vectors: Tensor, row: int) -> Tensor:
    """The cosine of each row of (V, D) with one of them; -2 for that row itself: (V,)."""
    directions = F.normalize(vectors, dim=1)
    cosines = directions @ directions[row]
    cosines[row] = -2
    return cosines


def nearest_rows(vectors: Tensor) -> list[int]:
    """For each row of (V, D) the other row with the greatest cosine."""
    directions = F.normalize(vectors, dim=1)
    return (directions @ directions.T).fill_diagonal_(-2).argmax(dim=1).tolist()


def way_to_a_pair(nearest: Sequence[int], row: int) -> list[int]:
    """From a row to its nearest one, on and on, until two point at each other."""
    way = [row, nearest[row]]
    while nearest[way[-1]] not in way:
        way.append(nearest[way[-1]])
    return way


def neighbour_lab(words: Sequence[str], learned: Tensor, word: str) -> str:
    """A word's nearest words in a random table and in the learned one, (V, D), and the way that
    goes on from neighbour to neighbour.
    """
    row = words.index(word)
    generator = torch.Generator().manual_seed(0)
    lists = []
    for vectors in (torch.randn(learned.shape, generator=generator), learned):
        found = cosines_of(vectors, row).topk(min(SHOWN, len(words) - 1))
        pairs = zip(found.indices.tolist(), found.values.tolist())
        lists.append([f"{words[i]} ({cosine:.2f})" for i, cosine in pairs])
    nearest = nearest_rows(learned)
    way = [words[i] for i in way_to_a_pair(nearest, row)]
    steps = len(way) - 1
    verdict = (
        f"No pair yet: the nearest of {way[1]} is {way[2]}, not {way[0]}." if steps > 1 else ""
    )
    if steps == 1:
        verdict = f"<b>A pair:</b> {way[0]} and {way[1]} are each other's nearest."
    longest = max(len(way_to_a_pair(nearest, i)) - 1 for i in range(len(words)))
    if steps == longest:
        verdict += " <b>The longest way:</b> no word has a longer one."
    path = " &rarr; ".join(way)
    rows = [(i + 1, *both) for i, both in enumerate(zip(*lists))]
    head = ["", f"nearest to {word} in a random table", "in the table of the text"]
    return f"{table(head, rows)}<p>{verdict}</p><p>The way to a pair, steps {steps}: {path}</p>"
