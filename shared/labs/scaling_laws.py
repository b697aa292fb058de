"""The lab of 04_pretraining/08_scaling_laws: a line drawn by hand through measured losses."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from shared.kit.plots import BLUE, ORANGE, RED

# weights outside of the tables and loss on held-out text (nats a character), as the notebook's
# saved run measured them; the last is the model that the notebook predicts
MEASURED = (
    (10_000, 2.518),
    (14_304, 2.426),
    (25_216, 2.294),
    (39_200, 2.286),
    (56_256, 2.312),
    (99_584, 2.123),
    (187_616, 2.071),
    (348_000, 2.016),
    (617_600, 1.965),
    (1_042_496, 1.997),
)
MIDDLE = 100_000  # weights at which the level of the line is set
FOUND = 1.3  # so much worse than the best line, and it counts as found


def miss(sizes: np.ndarray, losses: np.ndarray, exponent: float, level: float) -> float:
    """How far the line lies from the losses, as a share: the root of the mean square."""
    said = level * (sizes / MIDDLE) ** -exponent
    return float(np.sqrt(np.mean(np.log(losses / said) ** 2)))


def best_line(sizes: np.ndarray, losses: np.ndarray) -> tuple[float, float]:
    """Exponent and level of the line that misses least."""
    slope, height = np.polyfit(np.log(sizes / MIDDLE), np.log(losses), 1)
    return -float(slope), float(np.exp(height))


def line_by_hand(exponent: float, level: float, seen: int) -> tuple[Figure, str]:
    """The line loss = level (N / 100,000)^-exponent through the smallest models, and its miss."""
    sizes, losses = np.array(MEASURED).T
    if not 2 <= seen < len(sizes):
        raise ValueError(f"seen={seen} must be at least 2 and below {len(sizes)}")
    shown = sizes[:seen], losses[:seen]
    yours, least = miss(*shown, exponent, level), miss(*shown, *best_line(*shown))
    found = yours <= max(FOUND * least, 0.005)  # half a percent is found in any case
    said = level * (sizes[-1] / MIDDLE) ** -exponent
    figure, ax = plt.subplots(figsize=(6.5, 3.6))
    across = np.geomspace(sizes[0] / 1.3, sizes[-1] * 1.3, 50)
    ax.plot(across, level * (across / MIDDLE) ** -exponent, color=ORANGE, label="your line")
    ax.plot(*shown, "o", color=BLUE, label="measured")
    if found:
        ax.plot(sizes[-1:], losses[-1:], "D", color=RED, label="the next model, measured")
    ticks = [1.8, 2.0, 2.2, 2.4, 2.6]
    ax.set(xscale="log", yscale="log", ylim=(1.65, 2.8), xlabel="weights (without the tables)")
    ax.set(ylabel="loss (nats a character)")
    ax.set_yticks(ticks, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.legend(loc="lower left", frameon=False)
    figure.tight_layout()
    return figure, verdict(seen, yours, least, said, found)


def verdict(seen: int, yours: float, least: float, said: float, found: bool) -> str:
    """The miss in words; what the line says of the next model, once the line is found."""
    text = (
        f"Your line misses the {seen} models by {yours:.2%}; the best line misses them by"
        f" {least:.2%}."
    )
    if not found:
        return f"<p>{text} Not yet: come within {FOUND:.1f} times the best.</p>"
    size, loss = MEASURED[-1]
    return (
        f"<p>{text} <b>Found.</b> For the next model, with {size:,} weights, your line says"
        f" {said:.2f}; measured were {loss:.2f}, {abs(said / loss - 1):.1%} away.</p>"
    )
