"""Where a training stands, and its random numbers.

Written from 04_pretraining/05_checkpoints: change it there.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.utils.data import DataLoader


@dataclass
class TrainingState:
    """Where a training stands after a step: all that it needs besides model and optimizer."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches of the epoch at hand already used
    global_step: int = -1  # the last step, counted from 0
    tokens_seen: int = 0
    loss: float = math.nan  # of the last step, in nats a token
    # one entry for each evaluation, and the step of the last one
    train_losses: list[float] = field(default_factory=list)
    val_losses: list[float] = field(default_factory=list)
    track_tokens_seen: list[int] = field(default_factory=list)
    evaluated: int = -1
    # the generators after the last step, and when the epoch began, which fixes its order
    random: dict[str, Tensor] = field(default_factory=dict)
    epoch_random: dict[str, Tensor] = field(default_factory=dict)

    def count_step(self, batches: Sequence[tuple[Tensor, Tensor, float]], loss: float) -> None:
        """Note that a step was made with these batches of inputs (B, T)."""
        self.batch += len(batches)
        self.global_step += 1
        self.tokens_seen += sum(inputs.numel() for inputs, _, _ in batches)
        self.loss = loss

    def record(self, train_loss: float, val_loss: float) -> None:
        """Note the losses of an evaluation, in nats a token."""
        self.train_losses.append(train_loss)
        self.val_losses.append(val_loss)
        self.track_tokens_seen.append(self.tokens_seen)
        self.evaluated = self.global_step


def random_states(loader: DataLoader) -> dict[str, Tensor]:
    """The states of a training's generators: the processor's, the GPU's, the loader's own."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    if getattr(loader, "generator", None) is not None:
        states["loader"] = loader.generator.get_state()
    return states


def set_random_states(loader: DataLoader, states: dict[str, Tensor]) -> None:
    """Put the generators back to where `random_states` found them."""
    torch.set_rng_state(states["cpu"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
    if "loader" in states and getattr(loader, "generator", None) is not None:
        loader.generator.set_state(states["loader"])


@contextmanager
def random_states_kept(*loaders: DataLoader) -> Iterator[None]:
    """Put the generators back at the end, whatever was drawn in between."""
    before = [random_states(loader) for loader in loaders]
    try:
        yield
    finally:
        for loader, states in zip(loaders, before):
            set_random_states(loader, states)


def remaining_steps(loader: DataLoader, state: TrainingState,
                    accumulation_steps: int = 1) -> Iterator[list[tuple[Tensor, Tensor, float]]]:
    """Yield the steps left in the epoch, each a list of (inputs, targets, share of its targets).

    Inputs and targets are (B, T). Raises ValueError for an empty loader, one shorter than the
    state says, or accumulation_steps below 1.
    """
    if accumulation_steps < 1:
        raise ValueError(f"accumulation_steps={accumulation_steps} must be at least 1")
    if len(loader) < max(1, state.batch):
        raise ValueError(f"the loader has {len(loader)} batches, the training needs at least "
                         f"{max(1, state.batch)}: give it more text, a smaller batch_size or "
                         "a shorter context_length")
    if not state.random:
        state.random = random_states(loader)
    if state.batch == 0:
        state.epoch_random = state.random
    set_random_states(loader, state.epoch_random)  # so that the shuffled order comes out once more
    if hasattr(getattr(loader, "sampler", None), "set_epoch"):
        loader.sampler.set_epoch(state.epoch)  # a sampler for many processes orders by this number
    batches = iter(loader)
    for _ in range(state.batch):
        next(batches)  # used before the interruption
    if state.batch:
        set_random_states(loader, state.random)
    for done in range(state.batch, len(loader), accumulation_steps):
        # never past the last batch: a loader asked for one more would draw from its generator again
        count = min(accumulation_steps, len(loader) - done)
        step = [batch for _, batch in zip(range(count), batches)]
        counts = [int((targets != -100).sum()) for _, targets in step]
        total = max(1, sum(counts))
        yield [(inputs, targets, count / total) for (inputs, targets), count in zip(step, counts)]


# Written by `python -m shared.kit.course copy`: b9397cdbb46e
