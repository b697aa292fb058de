"""The lab of 04_pretraining/05_checkpoints: the learning rate of every step."""

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.kit.plots import BLUE, ORANGE, RED
from shared.schedules import learning_rate_at


def draw_schedule(
    total_steps: int, warmup_steps: int, peak: float, minimum_percent: float = 10.0
) -> Figure:
    """The learning rate of every step, with the end of the warm-up and the minimum marked."""
    minimum = peak * minimum_percent / 100
    steps = range(total_steps)
    rates = [learning_rate_at(step, total_steps, warmup_steps, peak, minimum) for step in steps]
    figure, ax = plt.subplots(figsize=(6.5, 3.2))
    ax.plot(steps, rates, color=BLUE)
    warm = f"warm-up ends at step {warmup_steps}"
    ax.axvline(warmup_steps, color=ORANGE, linestyle="--", label=warm)
    ax.axhline(minimum, color=RED, linestyle=":", label=f"minimum {minimum:.2g}")
    mean = sum(rates) / len(rates)
    ax.set(
        xlabel="step",
        ylabel="learning rate",
        ylim=(0, peak * 1.08),
        title=f"first {rates[0]:.2g}, peak {max(rates):.2g}, last {rates[-1]:.2g}, mean {mean:.2g}",
    )
    ax.legend(loc="lower left" if warmup_steps > total_steps / 2 else "upper right")
    figure.tight_layout()
    return figure
