"""The pictures of chapter 3's labs: gradients through depth, and what a GPT of a given size costs."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.plots import BLUE

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "GELU": nn.functional.gelu, "ReLU": torch.relu, "sigmoid": torch.sigmoid, "none": lambda x: x,
}


def layer_gradients(depth: int, width: int, activation: str, shortcuts: bool, norm: bool) -> list[float]:
    """Mean absolute gradient at the weights of each layer of a fresh deep network, first layer first."""
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
    """One bar a layer: how large the gradient is that reaches it, on a logarithmic axis."""
    sizes = layer_gradients(depth, width, activation, shortcuts, norm)
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.bar(range(1, depth + 1), [max(size, 1e-12) for size in sizes], color=BLUE, bottom=0)
    ax.set_yscale("log")
    ax.set_ylim(1e-12, max(10, 2 * max(sizes)))
    ratio = sizes[0] / sizes[-1] if sizes[-1] else 0.0
    ax.set(xlabel="layer (1 is the first)", ylabel="mean |gradient|",
           title=f"the first layer's gradient is {ratio:.1e} times the last layer's")
    figure.tight_layout()
    return figure
