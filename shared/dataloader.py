"""Text, windows, batches. Born in 01_data/03_dataloader."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset


def split_text(text: str, train_ratio: float = 0.9) -> tuple[str, str]:
    """The first train_ratio of the characters for training, the rest for validation."""
    if not isinstance(text, str):
        raise TypeError(f"the text must be a str, not {type(text).__name__}")
    if not 0 < train_ratio < 1:
        raise ValueError(f"train_ratio={train_ratio} must be above 0 and below 1")
    split = int(train_ratio * len(text))
    return text[:split], text[split:]


class GPTDataset(Dataset):
    """Windows of context_length tokens, each with the same one a token later: item -> (T,), (T,).

    A window starts every `stride` tokens and is cut out when asked for, so token_ids may be a
    memory-mapped file.
    Raises ValueError if not even one window fits, TypeError for text instead of ids.
    """

    def __init__(self, token_ids: Sequence[int], context_length: int, stride: int) -> None:
        if isinstance(token_ids, (str, bytes)) or not hasattr(token_ids, "__len__"):
            raise TypeError("token_ids must be a sequence of token ids, "
                            f"not {type(token_ids).__name__}: encode the text first")
        if context_length < 1 or stride < 1:
            raise ValueError(f"context_length={context_length} and stride={stride} "
                             "must be at least 1")
        if len(token_ids) <= context_length:
            raise ValueError(f"{len(token_ids)} tokens are too few: a window of "
                             f"context_length={context_length} and its target need "
                             f"{context_length + 1}; use more text or a shorter context")
        self.token_ids = token_ids
        self.context_length = context_length
        self.stride = stride

    def __len__(self) -> int:
        return (len(self.token_ids) - self.context_length - 1) // self.stride + 1

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        if not 0 <= index < len(self):
            raise IndexError(f"window {index} of {len(self)}")
        start = index * self.stride
        ids = np.asarray(self.token_ids[start : start + self.context_length + 1])  # (T + 1,)
        # astype makes a copy, so that changing a batch leaves the corpus alone
        window = torch.from_numpy(ids.astype(np.int64))
        return window[:-1], window[1:]  # (T,), (T,)


def create_dataloader(token_ids: Sequence[int], batch_size: int = 4, context_length: int = 256,
                      stride: int = 128, shuffle: bool = True, drop_last: bool = True,
                      num_workers: int = 0, generator: torch.Generator | None = None) -> DataLoader:
    """Batches of windows and their targets: iterates over (B, T), (B, T).

    `generator` makes the shuffling repeatable; `num_workers` processes cut windows ahead of time.
    """
    dataset = GPTDataset(token_ids, context_length, stride)
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last,
                      num_workers=num_workers, generator=generator)
