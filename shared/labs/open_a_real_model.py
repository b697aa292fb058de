"""The lab of 04_pretraining/09_open_a_real_model: a block of weights on fewer levels."""

import html
from collections.abc import Callable, Mapping, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from shared.kit.plots import BLUE, ORANGE

BLOCK = 32
MOST_LINES = 5  # bits; with more, the levels would make one grey field


def levels_of(block: np.ndarray, bits: int) -> np.ndarray:
    """The 2**bits numbers, from the smallest of the block to its largest, that a block may hold."""
    return np.linspace(block.min(), block.max(), 2**bits)


def nearest(block: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Each number of the block on the level next to it."""
    return levels[abs(block[:, None] - levels).argmin(1)]


def fewer_bits(row: Sequence[float], measured: Mapping[int, tuple[float, str]]) -> Callable:
    """The lab for a row of weights; `measured` has the loss and a text for each number of bits."""
    blocks = np.asarray(row, dtype=np.float64).reshape(-1, BLOCK)

    def draw_block(bits: int, block: int) -> tuple[Figure, str]:
        """One block (counted from 1) on 2**bits levels, and the whole model at so many bits."""
        if not 1 <= block <= len(blocks):
            raise ValueError(f"block={block}: the row has the blocks 1 to {len(blocks)}")
        if bits not in measured:
            raise ValueError(f"bits={bits} was not measured; there are {sorted(measured)}")
        numbers = blocks[block - 1]
        levels = levels_of(numbers, bits)
        rounded = nearest(numbers, levels)
        error = np.sqrt(((rounded - numbers) ** 2).mean() / (numbers**2).mean())
        loss, text = measured[bits]
        words = (
            f"<p>{2**bits} levels, {bits} + 32/32 bits a number with scale and minimum. This block"
            f" is off by {error:.1%}.<br>All matrices of the blocks at {bits} bits: loss"
            f" {loss:.2f} nats a token on the story. The model writes:</p>"
            f"<p><i>{html.escape(text)}</i></p>"
        )
        return draw_levels(numbers, levels, rounded, bits), words

    return draw_block


def draw_levels(numbers: np.ndarray, levels: np.ndarray, rounded: np.ndarray, bits: int) -> Figure:
    """The numbers of a block as dots, the levels as lines, and where each dot goes as a cross."""
    figure, ax = plt.subplots(figsize=(7.5, 3.4))
    if bits <= MOST_LINES:
        for level in levels:
            ax.axhline(level, color="0.85", linewidth=0.8, zorder=0)
    places = np.arange(len(numbers))
    ax.vlines(places, numbers, rounded, color=ORANGE)
    ax.plot(places, numbers, "o", color=BLUE, markersize=5, label="in the file")
    ax.plot(places, rounded, "x", color=ORANGE, markersize=6, label=f"on {2**bits} levels")
    ax.set(xlabel="number in the block", ylabel="weight")
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
    figure.tight_layout()
    return figure
