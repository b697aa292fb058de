"""Loss, evaluation and the training loop.

Written from 04_pretraining/01_loss, 04_pretraining/02_training_loop,
04_pretraining/05_checkpoints: change it there.
"""

import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader
from tqdm import tqdm

from shared.generation import stream_tokens, text_to_token_ids, token_ids_to_text
from shared.tokenizer import Tokenizer
from shared.training_state import (
    TrainingState,
    random_states,
    random_states_kept,
    remaining_steps,
    set_random_states,
)


def calc_loss_batch(input_batch: Tensor, target_batch: Tensor, model: nn.Module,
                    device: torch.device | str) -> Tensor:
    """Mean cross-entropy of a batch, in nats a token: (B, T), (B, T) -> ().

    Targets of -100 do not count. Raises ValueError if no target counts.
    """
    input_batch = input_batch.to(device)
    target_batch = target_batch.to(device)
    if (target_batch == -100).all():
        raise ValueError("every target of this batch is -100, so there is no loss: "
                         "is allowed_max_length shorter than the prompts?")
    logits = model(input_batch)  # (B, T, V)
    return F.cross_entropy(logits.flatten(0, 1), target_batch.flatten())


def calc_loss_loader(data_loader: DataLoader, model: nn.Module, device: torch.device | str,
                     num_batches: int | None = None) -> float:
    """Mean loss over the first num_batches of a loader, in nats a token.

    Raises ValueError if there is no batch.
    """
    available = len(data_loader)
    if num_batches is None or num_batches > available:
        num_batches = available
    if num_batches < 1:
        raise ValueError(f"no batch to evaluate (num_batches={num_batches}, the loader has "
                         f"{available}): give the loader more text, a shorter context_length or "
                         "drop_last=False")
    # range comes first: a loader asked for one more batch would draw from its generator again
    losses = []
    for _, (inputs, targets) in zip(range(num_batches), data_loader):
        losses.append(calc_loss_batch(inputs, targets, model, device).item())
    return sum(losses) / num_batches


def evaluate_model(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader,
                   device: torch.device | str, eval_iter: int) -> tuple[float, float]:
    """Training and validation loss over eval_iter batches each, without dropout and gradients."""
    was_training = model.training
    model.eval()
    with torch.no_grad():
        train_loss = calc_loss_loader(train_loader, model, device, eval_iter)
        val_loss = calc_loss_loader(val_loader, model, device, eval_iter)
    model.train(was_training)
    return train_loss, val_loss


def generate_and_print_sample(model: nn.Module, tokenizer: Tokenizer, device: torch.device | str,
                              start_context: str, max_new_tokens: int = 50) -> None:
    """Print on one line what the model writes, greedily, after start_context."""
    was_training = model.training
    model.eval()
    context_size = model.cfg.context_length
    idx = text_to_token_ids(start_context, tokenizer).to(device)  # (1, T)
    new_tokens = stream_tokens(model, idx, max_new_tokens, context_size)  # each (1, 1)
    out = torch.cat([idx, *new_tokens], dim=1)  # (1, T + new)
    print(token_ids_to_text(out, tokenizer).replace("\n", " "))
    model.train(was_training)


def train_model_simple(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader,
                       optimizer: torch.optim.Optimizer, device: torch.device | str,
                       num_epochs: int, eval_freq: int, eval_iter: int, start_context: str | None,
                       tokenizer: Tokenizer | None, *,
                       after_epoch: Callable[[], None] | None = None,
                       ) -> tuple[list[float], list[float], list[int]]:
    """Train; return training losses, validation losses and tokens seen at each evaluation.

    An interrupt (the stop button) ends it and keeps what was learned and measured.
    """
    train_losses, val_losses, track_tokens_seen = [], [], []
    tokens_seen = 0
    global_step = -1
    with suppress(KeyboardInterrupt):
        for epoch in range(num_epochs):
            model.train()
            for input_batch, target_batch in train_loader:
                optimizer.zero_grad()
                loss = calc_loss_batch(input_batch, target_batch, model, device)
                loss.backward()
                optimizer.step()
                tokens_seen += input_batch.numel()
                global_step += 1
                if global_step % eval_freq == 0:
                    losses = evaluate_model(model, train_loader, val_loader, device, eval_iter)
                    train_losses.append(losses[0])
                    val_losses.append(losses[1])
                    track_tokens_seen.append(tokens_seen)
                    print(f"Ep {epoch + 1} (step {global_step:06d}): "
                          f"train loss {losses[0]:.3f}, val loss {losses[1]:.3f}")
            if start_context is not None:
                generate_and_print_sample(model, tokenizer, device, start_context)
            if after_epoch is not None:
                after_epoch()
    return train_losses, val_losses, track_tokens_seen


def finite_number(loss: Tensor, step: int) -> float:
    """The loss of a step as a number. Raises FloatingPointError if it is not finite."""
    if not loss.isfinite():
        raise FloatingPointError(f"the loss is {loss.item()} at step {step}: try a smaller "
                                 "learning rate or gradient clipping; the weights are those of "
                                 "the step before (spoilt? resume earlier)")
    return loss.item()


def training_step(model: nn.Module, batches: Sequence[tuple[Tensor, Tensor, float]],
                  optimizer: torch.optim.Optimizer, device: torch.device | str, step: int) -> float:
    """One step on batches of (inputs, targets, share of the targets); its loss in nats a token."""
    optimizer.zero_grad()
    step_loss = 0.0
    for input_batch, target_batch, share in batches:
        loss = share * calc_loss_batch(input_batch, target_batch, model, device)
        step_loss += finite_number(loss, step)
        loss.backward()
    optimizer.step()
    return step_loss


@contextmanager
def interrupts_wait() -> Iterator[None]:
    """Let an interrupt (Ctrl-C, the stop button) take effect at the end of the block only.

    Interrupts reach the main thread alone; in any other there is nothing to do.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    noted = []
    signal.signal(signal.SIGINT, lambda *interrupt: noted.append(interrupt))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if noted:
        before(*noted[0])


def evaluate_if_due(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader,
                    device: torch.device | str, eval_freq: int, eval_iter: int,
                    state: TrainingState) -> None:
    """After every eval_freq-th step, once: print the losses, note them, change nothing else."""
    if state.global_step % eval_freq != 0 or state.evaluated >= state.global_step:
        return
    with interrupts_wait(), random_states_kept(train_loader, val_loader):
        set_random_states(train_loader, state.random)  # as after the step, if this is a repetition
        losses = evaluate_model(model, train_loader, val_loader, device, eval_iter)
        state.record(*losses)
    print(f"Ep {state.epoch + 1} (step {state.global_step:06d}): "
          f"train loss {losses[0]:.3f}, val loss {losses[1]:.3f}")


def train_model(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader,
                optimizer: torch.optim.Optimizer, device: torch.device | str, num_epochs: int,
                eval_freq: int, eval_iter: int, start_context: str | None,
                tokenizer: Tokenizer | None, *, accumulation_steps: int = 1,
                state: TrainingState | None = None, progress: bool = True,
                after_step: Callable[[TrainingState], None] | None = None,
                ) -> tuple[list[float], list[float], list[int]]:
    """Train for num_epochs, or what `state` leaves of them; returns what train_model_simple does.

    An interrupt ends it after the step at hand, with its evaluation and after_step; going on with
    the same `state` equals never stopping. Raises FloatingPointError if a loss is not finite.
    """
    state = TrainingState() if state is None else state
    with (suppress(KeyboardInterrupt),
          tqdm(total=num_epochs * len(train_loader), unit="batch", disable=not progress,
               initial=state.epoch * len(train_loader) + state.batch) as bar):
        # only if an exception has cut off the evaluation of the last step
        evaluate_if_due(model, train_loader, val_loader, device, eval_freq, eval_iter, state)
        for epoch in range(state.epoch, num_epochs):
            model.train()
            for batches in remaining_steps(train_loader, state, accumulation_steps):
                with interrupts_wait():
                    loss = training_step(model, batches, optimizer, device, state.global_step + 1)
                    state.count_step(batches, loss)
                    state.random = random_states(train_loader)
                    bar.update(len(batches))
                    evaluate_if_due(model, train_loader, val_loader, device, eval_freq, eval_iter,
                                    state)
                    if after_step is not None:
                        after_step(state)
            with interrupts_wait():
                if start_context is not None:
                    with random_states_kept(train_loader):
                        generate_and_print_sample(model, tokenizer, device, start_context)
                state.epoch = epoch + 1
                state.batch = 0
                state.random = random_states(train_loader)
    if state.epoch < num_epochs:
        print(f"Stopped after {state.global_step + 1} steps; the model keeps what it has learned.")
    return state.train_losses, state.val_losses, state.track_tokens_seen


# Written by `python -m shared.kit.course copy`: 51243a703387
