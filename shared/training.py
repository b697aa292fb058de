"""Loss, evaluation and the training loop. Born in 04_pretraining/01_loss and 04_pretraining/02_training_loop."""

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
    losses = [calc_loss_batch(*batch, model, device).item() for batch, _ in zip(data_loader, range(num_batches))]
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


def train_model(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader, optimizer: torch.optim.Optimizer,
                device: torch.device | str, num_epochs: int, eval_freq: int, eval_iter: int, start_context: str,
                tokenizer: Any, progress: bool = True) -> tuple[list[float], list[float], list[int]]:
    """Train for num_epochs; return training losses, validation losses and tokens seen at each evaluation.

    Evaluates every eval_freq steps on eval_iter batches, prints a sample after each epoch. An interrupt (the stop
    button) ends the training and keeps what was learned. Raises FloatingPointError at a loss that is not finite.
    """
    train_losses, val_losses, track_tokens_seen = [], [], []
    tokens_seen, global_step = 0, -1
    bar = tqdm(total=num_epochs * len(train_loader), unit="step", disable=not progress)
    try:
        for epoch in range(num_epochs):
            model.train()
            for input_batch, target_batch in train_loader:
                optimizer.zero_grad()
                loss = calc_loss_batch(input_batch, target_batch, model, device)
                if not loss.isfinite():
                    raise FloatingPointError(f"the loss is {loss.item()} at step {global_step + 1}: try a smaller "
                                             "learning rate; the weights are those of the step before")
                loss.backward()
                optimizer.step()
                tokens_seen += input_batch.numel()
                global_step += 1
                bar.update()
                if global_step % eval_freq == 0:
                    train_loss, val_loss = evaluate_model(model, train_loader, val_loader, device, eval_iter)
                    train_losses.append(train_loss)
                    val_losses.append(val_loss)
                    track_tokens_seen.append(tokens_seen)
                    print(f"Ep {epoch + 1} (step {global_step:06d}): "
                          f"train loss {train_loss:.3f}, val loss {val_loss:.3f}")
            generate_and_print_sample(model, tokenizer, device, start_context)
    except KeyboardInterrupt:
        print(f"Stopped after {global_step + 1} steps; the model keeps what it has learned.")
    bar.close()
    return train_losses, val_losses, track_tokens_seen
