"""How much of a sample the training text holds.

Written from 04_pretraining/03_pretraining_162m: change it there.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def copied_run_lengths(sample_ids: Sequence[int] | Tensor,
                       training_ids: Sequence[int] | Tensor) -> Tensor:
    """For each token of a sample, how many from it on the training text has in this order: (S,)."""
    sample = torch.as_tensor(sample_ids).flatten()  # (S,)
    training = torch.as_tensor(training_ids).flatten()  # (N,)
    lengths = torch.zeros(len(sample), dtype=torch.long)  # (S,)
    # the length of the run that starts at each training token, and 0 behind the last: (N + 1,)
    run = torch.zeros(len(training) + 1, dtype=torch.long)
    for i in range(len(sample) - 1, -1, -1):
        # a run that starts here is one longer than the run that starts at both next tokens
        run[:-1] = torch.where(training == sample[i], run[1:] + 1, 0)
        lengths[i] = run.max()
    return lengths


def longest_copied_run(sample_ids: Sequence[int] | Tensor,
                       training_ids: Sequence[int] | Tensor) -> int:
    """The longest run of tokens that sample and training text share; 0 for an empty sample."""
    return max(copied_run_lengths(sample_ids, training_ids).tolist(), default=0)


def copied_share(sample_ids: Sequence[int] | Tensor, training_ids: Sequence[int] | Tensor,
                 min_run: int = 8) -> float:
    """The share of a sample's tokens, 0 to 1, inside copied runs of at least min_run tokens."""
    if min_run < 1:
        raise ValueError(f"min_run={min_run} must be at least 1 token")
    lengths = copied_run_lengths(sample_ids, training_ids)  # (S,)
    if len(lengths) == 0:
        raise ValueError("the sample has no tokens, so there is no share of them: "
                         "generate at least one")
    inside = torch.zeros(len(lengths), dtype=torch.bool)  # (S,)
    for i, length in enumerate(lengths.tolist()):
        if length >= min_run:
            inside[i : i + length] = True
    return inside.float().mean().item()


# Written by `python -m shared.kit.course copy`: 60f6808f8c87
