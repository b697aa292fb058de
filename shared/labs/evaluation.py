"""The lab of 05_instruction_finetuning/07_evaluation: shares with their intervals."""

from collections.abc import Mapping
from statistics import NormalDist

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.evaluation import wilson_interval
from shared.kit.plots import BLUE, ORANGE, RED, YELLOW


def interval_figure(scores: Mapping[str, tuple[int, int]], confidence: float = 0.95) -> Figure:
    """Each family's share of right answers as a dot on its Wilson interval; best family on top."""
    families = sorted(scores, key=lambda family: scores[family][0] / scores[family][1])
    figure, ax = plt.subplots(figsize=(7, 0.6 + 0.24 * len(families)))
    for row, family in enumerate(families):
        ax.plot(wilson_interval(*scores[family], confidence), [row, row], color=BLUE, linewidth=2)
        ax.plot(scores[family][0] / scores[family][1], row, "o", color=ORANGE)
    ax.set_yticks(range(len(families)), [f"{family} ({scores[family][1]})" for family in families])
    ax.set(xlabel=f"share of right answers, with {confidence:.0%} intervals", xlim=(-0.03, 1.03))
    ax.grid(axis="x", alpha=0.4)
    figure.tight_layout()
    return figure


def interval_lab(percent: int, answers: int, confidence: int) -> Figure:
    """Wilson's and the plain interval around a share of right answers, both in percent."""
    right = round(percent / 100 * answers)
    share = right / answers
    z = NormalDist().inv_cdf((1 + confidence / 100) / 2)
    half = z * (share * (1 - share) / answers) ** 0.5
    figure, ax = plt.subplots(figsize=(7, 2.2))
    for row, (low, high), colour in (
        (1, wilson_interval(right, answers, confidence / 100), BLUE),
        (0, (share - half, share + half), ORANGE),
    ):
        style = {"color": colour, "linewidth": 3, "marker": "|", "markersize": 14}
        ax.plot([100 * low, 100 * high], [row, row], **style)
        ax.text(50, row + 0.2, f"{100 * low:.1f} to {100 * high:.1f}", ha="center")
    ax.plot([100 * share, 100 * share], [-0.4, 1.6], color="black", linestyle=":")
    ax.set_yticks([0, 1], ["plain", "Wilson"])
    ax.set(
        title=f"{right} of {answers} right",
        xlabel=f"true share of right answers (%), {confidence}% interval",
        xlim=(-10, 110),
        ylim=(-0.5, 1.7),
    )
    figure.tight_layout()
    return figure


def calibration_figure(counts: Mapping[str, Mapping[str, int]]) -> Figure:
    """A bar for each judge: what its two verdicts on a pair came to, as shares of the pairs."""
    colours = {
        "right": BLUE,
        "wrong": RED,
        "first": ORANGE,
        "second": YELLOW,
        "tie": "#999999",
        "none": "#dddddd",
    }
    figure, ax = plt.subplots(figsize=(7, 1.1 + 0.32 * len(counts)))
    for row, told in enumerate(reversed(counts.values())):
        pairs = max(1, sum(told.values()))
        left = 0.0
        for name, colour in colours.items():
            label = name if row == 0 else None
            ax.barh(row, told[name] / pairs, left=left, color=colour, label=label)
            left += told[name] / pairs
    names = [f"{name} ({sum(told.values())})" for name, told in reversed(counts.items())]
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="share of pairs, each shown in both orders", xlim=(0, 1))
    ax.legend(ncols=6, loc="lower center", bbox_to_anchor=(0.45, 1.0), fontsize=8, frameon=False)
    figure.tight_layout()
    return figure
