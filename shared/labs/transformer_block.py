"""The lab of 03_gpt/01_transformer_block: gradients through depth."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, NullLocator
from torch import Tensor, nn

from shared.kit.plots import BLUE

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "GELU": nn.functional.gelu,
    "ReLU": torch.relu,
    "sigmoid": torch.sigmoid,
    "none": lambda x: x,
}


def layer_gradients(
    depth: int, width: int, activation: str, shortcuts: bool, norm: bool
) -> list[float]:
    """Mean absolute gradient at each layer's weights in a fresh deep network, first layer first."""
    torch.manual_seed(123)
    x = torch.randn(16, width)  # (B, D)
    layers = [nn.Linear(width, width) for _ in range(depth)]
    for layer in layers:
        inside = nn.functional.layer_norm(x, (width,)) if norm else x
        out = ACTIVATIONS[activation](layer(inside))
        x = x + out if shortcuts else out  # (B, D)
    x.square().mean().backward()
    return [layer.weight.grad.abs().mean().item() for layer in layers]


def draw_gradients(depth: int, width: int, activation: str, shortcuts: bool, norm: bool) -> Figure:
    """One point a layer: how large the gradient is that reaches it, on a logarithmic axis."""
    gradients = layer_gradients(depth, width, activation, shortcuts, norm)
    sizes = [max(size, 1e-45) for size in gradients]
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.semilogy(range(1, depth + 1), sizes, "o-", color=BLUE, markersize=4)
    ax.set_ylim(min(1e-4, min(sizes) / 3), max(10, 3 * max(sizes)))
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter("{x:.0e}")  # typeset powers of ten would take half of the time
    ratio = sizes[0] / sizes[-1]
    shown = f"{ratio:.2f}" if 0.01 < ratio < 100 else f"{ratio:.0e}"
    ax.set(
        xlabel="layer (1 is the first)",
        ylabel="mean |gradient|",
        title=f"the first layer's gradient is {shown} times the last layer's",
    )
    return figure
