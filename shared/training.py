"""Loss, evaluation and the training loop.

Written from 04_pretraining/01_loss, 04_pretraining/02_training_loop: change it there.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from shared.generation import stream_tokens, text_to_token_ids, token_ids_to_text


def calc_loss_batch(input_batch: Tensor, target_batch: Tensor, model: nn.Module, device: torch.device | str) -> Tensor:
    """Mean cross-entropy of a batch, in nats a token: (B, T), (B, T) -> (). Targets of -100 do not count.

    Raises ValueError if no target counts.
    """
    input_batch, target_batch = input_batch.to(device), target_batch.to(device)
    if (target_batch == -100).all():
        raise ValueError("every target of this batch is -100, so there is no loss: "
                         "is allowed_max_length shorter than the prompts?")
    logits = model(input_batch)  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), target_batch.flatten())


def calc_loss_loader(data_loader: DataLoader, model: nn.Module, device: torch.device | str,
                     num_batches: int | None = None) -> float:
    """Mean loss over the first num_batches of a loader, in nats a token. Raises ValueError if there is none."""
    num_batches = len(data_loader) if num_batches is None else min(num_batches, len(data_loader))
    if num_batches < 1:
        raise ValueError(f"no batch to evaluate (num_batches={num_batches}, the loader has {len(data_loader)}): "
                         "give the loader more text, a shorter context_length or drop_last=False")
    losses = [calc_loss_batch(*batch, model, device).item() for _, batch in zip(range(num_batches), data_loader)]
    return sum(losses) / num_batches


def evaluate_model(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader, device: torch.device | str,
                   eval_iter: int) -> tuple[float, float]:
    """Training and validation loss over eval_iter batches each, without dropout and without gradients."""
    model.eval()
    with torch.no_grad():
        train_loss = calc_loss_loader(train_loader, model, device, eval_iter)
        val_loss = calc_loss_loader(val_loader, model, device, eval_iter)
    model.train()
    return train_loss, val_loss


def generate_and_print_sample(model: nn.Module, tokenizer: Any, device: torch.device | str, start_context: str,
                              max_new_tokens: int = 50) -> None:
    """Print on one line what the model writes, greedily, after start_context."""
    model.eval()
    idx = text_to_token_ids(start_context, tokenizer).to(device)  # (1, T)
    new_tokens = stream_tokens(model, idx, max_new_tokens, context_size=model.pos_emb.num_embeddings)
    print(token_ids_to_text(torch.cat([idx, *new_tokens], dim=1), tokenizer).replace("\n", " "))
    model.train()


@dataclass
class TrainingState:
    """Where a training stands after a step: all that going on needs, besides the model and the optimizer."""

    epoch: int = 0  # epochs finished
    batch: int = 0  # batches of the epoch at hand already used
    global_step: int = -1  # the last step, counted from 0
    tokens_seen: int = 0
    loss: float = math.nan  # of the last step, in nats a token
    train_losses: list[float] = field(default_factory=list)  # one for each evaluation, as the next two
    val_losses: list[float] = field(default_factory=list)
    track_tokens_seen: list[int] = field(default_factory=list)
    random: dict[str, Tensor] = field(default_factory=dict)  # the generators after the last step
    epoch_random: dict[str, Tensor] = field(default_factory=dict)  # and when the epoch began, which fixes its order

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


def random_states(loader: DataLoader) -> dict[str, Tensor]:
    """The states of the generators that a training draws from: the processor's, the GPU's, the loader's own."""
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


def remaining_steps(loader: DataLoader, state: TrainingState,
                    accumulation_steps: int = 1) -> Iterator[list[tuple[Tensor, Tensor, float]]]:
    """Yield the steps left in the epoch, each a list of (inputs (B, T), targets (B, T), share of the step's targets).

    Raises ValueError for an empty loader, one shorter than the state says, or accumulation_steps below 1.
    """
    if accumulation_steps < 1:
        raise ValueError(f"accumulation_steps={accumulation_steps} must be at least 1")
    if len(loader) < max(1, state.batch):
        raise ValueError(f"the loader has {len(loader)} batches, the training needs at least {max(1, state.batch)}: "
                         "give it more text, a smaller batch_size or a shorter context_length")
    state.random = state.random or random_states(loader)
    state.epoch_random = state.epoch_random if state.batch else state.random
    set_random_states(loader, state.epoch_random)  # so that the shuffled order comes out once more
    if hasattr(getattr(loader, "sampler", None), "set_epoch"):
        loader.sampler.set_epoch(state.epoch)  # a sampler for many processes takes its order from here instead
    batches = iter(loader)
    for _ in range(state.batch):
        next(batches)  # used before the interruption
    if state.batch:
        set_random_states(loader, state.random)
    for done in range(state.batch, len(loader), accumulation_steps):
        # never past the last batch: a loader asked for one more would draw from its generator again
        step = list(islice(batches, min(accumulation_steps, len(loader) - done)))
        counts = [int((targets != -100).sum()) for _, targets in step]
        yield [(*batch, count / max(1, sum(counts))) for batch, count in zip(step, counts)]


def finite_number(loss: Tensor, step: int) -> float:
    """The loss of a step as a number. Raises FloatingPointError if it is infinite or not a number."""
    if not loss.isfinite():
        raise FloatingPointError(f"the loss is {loss.item()} at step {step}: try a smaller learning rate or gradient "
                                 "clipping; the weights are those of the step before (spoilt? resume earlier)")
    return loss.item()


def train_model(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader, optimizer: torch.optim.Optimizer,
                device: torch.device | str, num_epochs: int, eval_freq: int, eval_iter: int, start_context: str | None,
                tokenizer: Any, *, accumulation_steps: int = 1, state: TrainingState | None = None,
                after_step: Callable[[TrainingState], None] | None = None, progress: bool = True,
                ) -> tuple[list[float], list[float], list[int]]:
    """Train for num_epochs, or what `state` leaves of them; return training losses, validation losses, tokens seen.

    Evaluates every eval_freq steps on eval_iter batches; prints a sample after each epoch if there is a start_context.
    An interrupt ends it and keeps what was learned; a loss that is not finite raises FloatingPointError.
    """
    state = TrainingState() if state is None else state
    with suppress(KeyboardInterrupt), tqdm(total=num_epochs * len(train_loader), unit="batch", disable=not progress,
                                           initial=state.epoch * len(train_loader) + state.batch) as bar:
        for epoch in range(state.epoch, num_epochs):
            model.train()
            for batches in remaining_steps(train_loader, state, accumulation_steps):
                optimizer.zero_grad()
                step_loss = 0.0
                for input_batch, target_batch, share in batches:
                    loss = share * calc_loss_batch(input_batch, target_batch, model, device)
                    step_loss += finite_number(loss, state.global_step + 1)
                    loss.backward()
                optimizer.step()
                state.count_step(batches, step_loss)
                bar.update(len(batches))
                if state.global_step % eval_freq == 0:
                    state.record(*evaluate_model(model, train_loader, val_loader, device, eval_iter))
                    print(f"Ep {epoch + 1} (step {state.global_step:06d}): "
                          f"train loss {state.train_losses[-1]:.3f}, val loss {state.val_losses[-1]:.3f}")
                state.random = random_states(train_loader)
                if after_step is not None:
                    after_step(state)
            if start_context is not None:
                generate_and_print_sample(model, tokenizer, device, start_context)
            state.epoch, state.batch, state.random = epoch + 1, 0, random_states(train_loader)
    if state.epoch < num_epochs:
        print(f"Stopped after {state.global_step + 1} steps; the model keeps what it has learned.")
    return state.train_losses, state.val_losses, state.track_tokens_seen


# Written by `python -m shared.kit.course copy`: 4b6b41bf07d6
