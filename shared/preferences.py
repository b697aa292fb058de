"""From a pair of answers to a loss, and the training on it (DPO).

Written from 05_instruction_finetuning/09_preferences: change it there.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from shared.instructions import custom_collate_fn
from shared.tokenizer import Tokenizer
from shared.training import finite_number, interrupts_wait
from shared.training_state import TrainingState, random_states, random_states_kept, remaining_steps


def check_beta(beta: float) -> None:
    """Raise ValueError unless beta is above 0."""
    if not beta > 0:
        raise ValueError(f"beta={beta} must be above 0: at 0 no margin would ever count; "
                         "0.1 is a usual start")


def dpo_loss(chosen: Tensor, rejected: Tensor, reference_chosen: Tensor,
             reference_rejected: Tensor, beta: float) -> Tensor:
    """Loss of each pair from the log-probabilities of its answers, (B,) each -> (B,).

    Raises ValueError for a beta of 0 or below. Source: Rafailov et al. 2023, equation 7.
    """
    check_beta(beta)
    margin = beta * ((chosen - reference_chosen) - (rejected - reference_rejected))  # (B,)
    return -F.logsigmoid(margin)


def check_pair(pair: Any) -> None:
    """Raise ValueError unless a pair has a prompt and two different answers, all of them text."""
    for field in ("prompt", "chosen", "rejected"):
        if not isinstance(pair, dict) or not isinstance(pair.get(field), str):
            raise ValueError(f"a pair needs the text {field!r}, and this is {pair!r}: add it")
        if not pair[field].strip():
            raise ValueError(f"{field!r} is empty in {pair!r}: leave the pair out")
    if pair["chosen"] == pair["rejected"]:
        raise ValueError(f"both answers are {pair['chosen']!r}: leave out what prefers nothing")


class PreferenceDataset(Dataset):
    """Ids of each pair: chosen, then rejected, each as (prompt and answer, length of the prompt).

    Raises ValueError for no pairs, and for a wrong pair or one too long, naming its number.
    """

    def __init__(self, pairs: Sequence[dict[str, str]], tokenizer: Tokenizer,
                 context_length: int) -> None:
        if not len(pairs):
            raise ValueError("no pairs: are all answers right, or all left out?")
        self.items = []
        for number, pair in enumerate(pairs):
            try:
                check_pair(pair)
                prompt = tokenizer.encode(pair["prompt"])
                answers = [tokenizer.encode(pair[field]) for field in ("chosen", "rejected")]
            except ValueError as error:
                raise ValueError(f"pair {number}: {error}") from error
            length = len(prompt) + max(map(len, answers))
            if length > context_length:
                raise ValueError(f"pair {number} has {length} tokens, the context "
                                 f"{context_length}: leave it out, half an answer has no score")
            self.items.append(tuple((prompt + answer, len(prompt)) for answer in answers))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[tuple[list[int], int], tuple[list[int], int]]:
        return self.items[index]


def preference_collate_fn(batch: Sequence, pad_token_id: int,
                          device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """B pairs -> inputs, targets, (2B, T) each: the B chosen answers, then the B rejected."""
    answers = [chosen for chosen, _ in batch] + [rejected for _, rejected in batch]
    return custom_collate_fn(answers, pad_token_id, device=device)


def sequence_log_probs(model: nn.Module, inputs: Tensor, targets: Tensor) -> Tensor:
    """Log-probability of each row's answer, in nats: (B, T), (B, T) -> (B,).

    The sum over its tokens, end token included; targets of -100 do not count. Raises ValueError for
    a row without an answer.
    """
    if (targets == -100).all(dim=1).any():
        raise ValueError("a row has no target but -100, so there is no answer to score")
    logits = model(inputs)  # (B, T, V)
    return -F.cross_entropy(logits.transpose(1, 2), targets, reduction="none").sum(dim=1)


def check_reference(model: nn.Module, reference: nn.Module) -> None:
    """Raise ValueError unless both models speak of the same tokens and are two models."""
    sizes = (model.cfg.vocab_size, reference.cfg.vocab_size)
    if sizes[0] != sizes[1]:
        raise ValueError(f"the model has {sizes[0]} tokens, its reference {sizes[1]}: take the "
                         "model that the training starts from as the reference")
    if model is reference:
        raise ValueError("model and reference are the same object, so every margin would stay 0: "
                         "give a copy, copy.deepcopy(model)")


@torch.no_grad()
def evaluate_preferences(model: nn.Module, reference: nn.Module,
                         loader: Iterable[tuple[Tensor, Tensor]], device: torch.device | str,
                         beta: float) -> dict[str, float]:
    """Means over all pairs: loss, chosen and rejected (log-probabilities, in nats an answer),
    margin, accuracy, distance (KL from the reference, in nats a token of the chosen answer)."""
    rows = []
    for inputs, targets in loader:
        inputs, targets = inputs.to(device), targets.to(device)
        chosen, rejected = sequence_log_probs(model, inputs, targets).chunk(2)
        before = sequence_log_probs(reference, inputs, targets).chunk(2)
        loss = dpo_loss(chosen, rejected, *before, beta)
        margin = beta * ((chosen - before[0]) - (rejected - before[1]))
        B = len(chosen)
        now = model(inputs[:B]).log_softmax(dim=-1)  # (B, T, V)
        then = reference(inputs[:B]).log_softmax(dim=-1)  # (B, T, V)
        counts = targets[:B] != -100  # (B, T)
        distance = (now.exp() * (now - then)).sum(dim=-1) * counts  # (B, T)
        distance = distance.sum(dim=1) / counts.sum(dim=1)  # (B,)
        rows.append(torch.stack([loss, chosen, rejected, margin, (margin > 0).float(), distance]))
    means = torch.cat(rows, dim=1).mean(dim=1)  # (6,)
    names = ("loss", "chosen", "rejected", "margin", "accuracy", "distance")
    return dict(zip(names, means.tolist(), strict=True))


def preference_loss(model: nn.Module, reference: nn.Module, inputs: Tensor, targets: Tensor,
                    beta: float, chosen_weight: float = 0.0) -> Tensor:
    """Mean DPO loss of a batch, (2B, T) each -> (), plus chosen_weight times the chosen answers'
    usual loss, in nats a token."""
    chosen, rejected = sequence_log_probs(model, inputs, targets).chunk(2)  # (B,) each
    with torch.no_grad():  # the reference is frozen
        before = sequence_log_probs(reference, inputs, targets).chunk(2)
    loss = dpo_loss(chosen, rejected, *before, beta).mean()
    if chosen_weight:
        tokens = (targets[: len(chosen)] != -100).sum()
        loss = loss - chosen_weight * chosen.sum() / tokens
    return loss


def preference_step(model: nn.Module, reference: nn.Module, batch: Sequence,
                    optimizer: torch.optim.Optimizer, device: torch.device | str, beta: float,
                    chosen_weight: float, step: int) -> float:
    """One step on a batch of pairs with clipped gradients; returns the loss."""
    inputs, targets = batch[0].to(device), batch[1].to(device)  # (2B, T) each
    optimizer.zero_grad()
    loss = preference_loss(model, reference, inputs, targets, beta, chosen_weight)
    number = finite_number(loss, step)
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), max_norm=1.0)
    optimizer.step()
    return number


def report_preferences(step: int, model: nn.Module, reference: nn.Module, val_loader: DataLoader,
                       device: torch.device | str, beta: float) -> dict[str, float]:
    """Evaluate after so many steps, print the main numbers, return all, the step among them."""
    with random_states_kept(val_loader):
        row = {"step": step, **evaluate_preferences(model, reference, val_loader, device, beta)}
    print(f"(step {step:06d}): loss {row['loss']:.3f}, chosen {row['chosen']:.2f}, "
          f"rejected {row['rejected']:.2f}, accuracy {row['accuracy']:.2f}")
    return row


def train_preferences(model: nn.Module, reference: nn.Module, train_loader: DataLoader,
                      val_loader: DataLoader, optimizer: torch.optim.Optimizer,
                      device: torch.device | str, num_epochs: int, beta: float, eval_freq: int,
                      *, chosen_weight: float = 0.0, state: TrainingState | None = None,
                      progress: bool = True,
                      after_step: Callable[[TrainingState], None] | None = None,
                      ) -> list[dict[str, float]]:
    """Train by DPO for num_epochs, or what `state` leaves of them; returns the evaluations.

    An interrupt ends it after the step at hand; going on with the same `state` equals never
    stopping. Leaves both models in evaluation mode. Raises ValueError for a reference or a beta
    that does not fit.
    """
    check_beta(beta)
    check_reference(model, reference)
    state = TrainingState() if state is None else state
    model.eval()  # no dropout: it would drown the margins
    reference.eval()
    judged = (model, reference, val_loader, device, beta)
    history = [report_preferences(state.global_step + 1, *judged)]
    with (suppress(KeyboardInterrupt),
          tqdm(total=num_epochs * len(train_loader), unit="batch", disable=not progress,
               initial=state.epoch * len(train_loader) + state.batch) as bar):
        for epoch in range(state.epoch, num_epochs):
            for [batch] in remaining_steps(train_loader, state):
                with interrupts_wait():
                    loss = preference_step(model, reference, batch, optimizer, device, beta,
                                           chosen_weight, state.global_step + 1)
                    state.count_step([batch], loss)
                    state.random = random_states(train_loader)
                    bar.update()
                    if (state.global_step + 1) % eval_freq == 0:
                        history.append(report_preferences(state.global_step + 1, *judged))
                    if after_step is not None:
                        after_step(state)
            state.epoch, state.batch = epoch + 1, 0
            state.random = random_states(train_loader)
    if state.epoch < num_epochs:
        print(f"Stopped after {state.global_step + 1} steps; the model keeps what it has learned.")
    return history


# Written by `python -m shared.kit.course copy`: 23263bcf1bbd
