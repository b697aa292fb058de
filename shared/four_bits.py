"""Four bits.

Written from 05_instruction_finetuning/06_lora_with_peft: change it there.
"""

import torch
from torch import Tensor


def normal_float() -> Tensor:
    """The 16 values of NF4, from -1 to 1, in order: quantiles of the bell curve, and zero."""
    bell = torch.distributions.Normal(torch.tensor(0.0, dtype=torch.float64), 1.0)
    last = 1 - (1 / 30 + 1 / 32) / 2  # the outermost of 15 and of 16 equal parts, on average
    above = bell.icdf(torch.linspace(last, 0.5, 9, dtype=torch.float64)[:-1])  # (8,)
    below = -bell.icdf(torch.linspace(last, 0.5, 8, dtype=torch.float64)[:-1])  # (7,)
    values = torch.cat([below, torch.zeros(1), above.flip(0)])  # (16,)
    return (values / values.max()).float()


NF4 = normal_float()
EIGHT_BITS = torch.arange(-127, 128) / 127


def quantize_blocks(numbers: Tensor, values: Tensor, block: int) -> tuple[Tensor, Tensor]:
    """Numbers (n,) -> for each the place of the nearest value, (n,), and each block's scale.

    `values` are in order, from -1 to 1; the scales are (n / block,). Raises ValueError if n is no
    multiple of `block`.
    """
    if numbers.numel() % block:
        raise ValueError(f"{numbers.numel()} numbers cannot be cut into blocks of {block}: choose "
                         "a block that divides them")
    blocks = numbers.reshape(-1, block)
    scales = blocks.abs().max(dim=1).values.clamp(min=1e-38)  # (n / block,), none is 0
    middles = (values[:-1] + values[1:]) / 2
    places = torch.bucketize(blocks / scales[:, None], middles)  # between two middles
    return places.flatten(), scales


def from_blocks(places: Tensor, scales: Tensor, values: Tensor) -> Tensor:
    """The numbers (n,) that are left of those that `quantize_blocks` was given."""
    return (values[places].reshape(len(scales), -1) * scales[:, None]).flatten()


# Written by `python -m shared.kit.course copy`: a4b163f4212b
