"""The lab of 05_instruction_finetuning/03_dataloaders: how much of an epoch is padding."""

from functools import cache

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure

from shared.instructions import InstructionDataset, split_records
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.plots import BLUE, RED
from shared.labs.instruction_data import chosen_records


@cache
def training_lengths(name: str = "course") -> list[int]:
    """Tokens of each training record in the Alpaca format."""
    seed = None if name in ("course", "lectures") else 123
    train, _, _ = split_records(chosen_records(name), seed=seed)
    dataset = InstructionDataset(train, get_tokenizer())
    return [len(dataset[i]) for i in range(len(dataset))]


def batch_order(
    batch_size: int, bucketed: bool, seed: int, name: str = "course"
) -> list[list[int]]:
    """The record numbers of each batch: shuffled, or sorted by length with the batches shuffled."""
    generator = torch.Generator().manual_seed(seed)
    lengths = training_lengths(name)
    order = torch.randperm(len(lengths), generator=generator).tolist()
    if bucketed:
        order.sort(key=lambda i: lengths[i])  # a stable sort: equal lengths stay shuffled
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if bucketed:
        batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
    return batches


def batch_widths_view(batch_size: int, bucketed: bool, seed: int, name: str = "course") -> Figure:
    """Real tokens and padding of each batch of one epoch, as stacked bars."""
    lengths = training_lengths(name)
    batches = batch_order(batch_size, bucketed, seed, name)
    real = [sum(lengths[i] for i in batch) for batch in batches]
    full = [max(lengths[i] for i in batch) * len(batch) for batch in batches]
    padding = [positions - tokens for positions, tokens in zip(full, real)]
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.stackplot(
        range(1, len(batches) + 1),
        real,
        padding,
        step="mid",
        colors=(BLUE, RED),
        labels=("tokens of records", "padding"),
    )
    ax.set(
        xlabel="batch of the epoch",
        ylabel="input positions (tokens)",
        ylim=(0, None),
        title=f"{sum(padding) / sum(full):.1%} of the epoch is padding",
    )
    ax.legend(loc="lower left")
    return figure
