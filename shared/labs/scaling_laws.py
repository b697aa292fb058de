"""The lab of 04_pretraining/08_scaling_laws: a line drawn by hand through measured losses."""

from collections.abc import Callable, Sequence

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from shared.kit.plots import BLUE, ORANGE, RED

MIDDLE = 100_000  # weights at which the level of the line is set
FOUND = 1.3  # so many times the best line's miss counts as found
GOOD = 0.005  # and so small a miss in any case


def miss(sizes: np.ndarray, losses: np.ndarray, exponent: float, level: float) -> float:
    """How far the line lies from the losses, as a share: the root of the mean square."""
    said = level * (sizes / MIDDLE) ** -exponent
    return float(np.sqrt(np.mean(np.log(losses / said) ** 2)))


def best_line(sizes: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """Exponent and level of the line that misses least."""
    slope, height = np.polyfit(np.log(sizes / MIDDLE), np.log(losses), 1)
    return -float(slope), float(np.exp(height))


def line_through(measured: Sequence[tuple[int, float]]) -> Callable:
    """The lab for models of these weights and losses, the last of which is to be predicted."""
    sizes, losses = np.array(measured, dtype=float).T

    def line_by_hand(exponent: float, level: float, seen: int) -> tuple[Figure, str]:
        """The line loss = level (N / 100,000)^-exponent through the smallest models."""
        if not 2 <= seen < len(sizes):
            raise ValueError(f"seen={seen} must be at least 2 and below {len(sizes)}")
        shown = sizes[:seen], losses[:seen]
        yours, least = miss(*shown, exponent, level), miss(*shown, *best_line(*shown))
        found = yours <= max(FOUND * least, GOOD)
        following = (sizes[-1], losses[-1]) if found else None
        figure = draw_line(shown, following, exponent, level, sizes[[0, -1]])
        said = level * (sizes[-1] / MIDDLE) ** -exponent
        text = (
            f"Your line misses the {seen} models by {yours:.2%}; the best line misses them by"
            f" {least:.2%}."
        )
        if not found:
            return figure, f"<p>{text} Not yet: come within {FOUND} times the best.</p>"
        return figure, (
            f"<p>{text} <b>Found.</b> For the next model, with {sizes[-1]:,.0f} weights, your line"
            f" says {said:.2f}; measured were {losses[-1]:.2f}, {abs(said / losses[-1] - 1):.1%}"
            " away.</p>"
        )

    return line_by_hand


def draw_line(
    shown: tuple[np.ndarray, np.ndarray],
    following: tuple[float, float] | None,
    exponent: float,
    level: float,
    ends: np.ndarray,
) -> Figure:
    """Measured losses and the line by hand, both axes logarithmic; the next model once found."""
    figure, ax = plt.subplots(figsize=(6.5, 3.6))
    across = np.geomspace(ends[0] / 1.3, ends[1] * 1.3, 50)
    ax.plot(across, level * (across / MIDDLE) ** -exponent, color=ORANGE, label="your line")
    ax.plot(*shown, "o", color=BLUE, label="measured")
    if following is not None:
        x, y = following
        ax.plot([x], [y], "D", color=RED, label="the next model, measured")
    ticks = [1.8, 2.0, 2.2, 2.4, 2.6]
    ax.set(xscale="log", yscale="log", ylim=(1.65, 2.8), xlabel="weights (without the tables)")
    ax.set(ylabel="loss (nats a character)")
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower left", frameon=False)
    figure.tight_layout()
    return figure
