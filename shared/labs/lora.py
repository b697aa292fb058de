"""The lab of 05_instruction_finetuning/05_lora: what an adapter costs and what it scores."""

import copy
import itertools
import time
from collections.abc import Callable, Iterable, Iterator

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.kit.plots import BLUE, ORANGE, table
from shared.lora import ALL_LINEAR, apply_lora, count_trainable
from shared.training import calc_loss_batch

LAYER_CHOICES = {
    "all linear layers": ALL_LINEAR,
    "queries and values": ("W_query", "W_value"),
    "feed-forward layers": ("layers.0", "layers.2"),
    "none: full finetuning": (),
}


def cost_figure(trainable: int, total: int) -> Figure:
    """Parameters trained and frozen, and the memory that training adds, as two bars each."""
    figure, axes = plt.subplots(1, 2, figsize=(8, 2.2))
    for ax, values, label in (
        (axes[0], (total / 1000, trainable / 1000), "parameters (thousands)"),
        (axes[1], (12 * total / 1e6, 12 * trainable / 1e6), "gradients and AdamW (MB)"),
    ):
        ax.barh(["all", "trained"], values, color=[ORANGE, BLUE])
        ax.bar_label(ax.containers[0], [f"{v:,.2f}" for v in values], padding=3)
        ax.set(xlabel=label, xlim=(0, 1.35 * max(values)))
    figure.tight_layout()
    return figure


def short_runs(
    base: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    score: Callable[[nn.Module], tuple[int, int]],
    history: list,
    steps: int,
    layers: str,
    rank: int,
    alpha: float,
) -> Iterator[tuple[Figure | None, str]]:
    """Train a fresh copy of `base` for a few steps; yield its cost, its progress, then all runs.

    `score` gives (right answers, answers). Raises ValueError for a rank larger than a layer.
    """
    model = copy.deepcopy(base)
    targets = LAYER_CHOICES[layers]
    model.requires_grad_(True)
    torch.manual_seed(123)
    if targets:
        apply_lora(model, targets, rank, alpha)
    trainable, total = count_trainable(model)
    weights = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=5e-3 if targets else 1e-3)
    yield cost_figure(trainable, total), "working ..."
    model.train()
    start = time.perf_counter()
    for step, batch in zip(range(1, steps + 1), itertools.cycle(batches)):
        loss = calc_loss_batch(*batch, model, "cpu")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step % 3 == 0:
            seconds = time.perf_counter() - start
            left = seconds / step * (steps - step)
            told = f"step {step} of {steps}, loss {loss.item():.2f}, {seconds:.0f} s"
            yield None, f"working: {told}, {left:.0f} s to go"
    right, answers = score(model.eval())
    settings = (rank, f"{alpha:g}") if targets else ("-", "-")
    numbers = (f"{trainable:,}", f"{loss.item():.3f}", f"{right} of {answers}")
    history.append((layers, *settings, *numbers))
    yield None, table(("layers", "rank", "alpha", "trained", "last loss", "right"), history)
