"""A small GPT, and its finetuning.

Written from 05_instruction_finetuning/04_finetuning: change it there.
"""

import torch
from torch import nn
from torch.utils.data import DataLoader

from shared.gpt import GPTConfig, GPTModel
from shared.schedules import attach_clipping, attach_schedule
from shared.tokenizer import Tokenizer
from shared.training import train_model


def create_small_gpt(vocab_size: int, context_length: int, drop_rate: float = 0.1) -> GPTModel:
    """A tied GPT of 4 blocks, width 128, which starts with GPT-2's scales."""
    cfg = GPTConfig(vocab_size, context_length, emb_dim=128, n_heads=4, n_layers=4,
                    drop_rate=drop_rate, tie_weights=True)
    return GPTModel(cfg)


def finetune(model: nn.Module, train_loader: DataLoader, val_loader: DataLoader,
             device: torch.device | str, num_epochs: int, peak_lr: float,
             tokenizer: Tokenizer | None = None, start_context: str | None = None,
             warmup_steps: int = 50, eval_freq: int = 100, eval_iter: int = 4,
             progress: bool = True) -> tuple[list[float], list[float], list[int]]:
    """Chapter 4's loop with AdamW, warm-up, cosine and clipping, for weights with a gradient.

    Returns training losses, validation losses and tokens seen, as `train_model` does. Raises
    ValueError if no weight requires a gradient or the warm-up takes all steps.
    """
    total_steps = num_epochs * len(train_loader)
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    if not trainable or total_steps <= warmup_steps:
        raise ValueError(f"{len(trainable)} weights to train in {total_steps} steps, "
                         f"{warmup_steps} of them warm-up: nothing would be learned; train longer, "
                         "or warm up for fewer steps")
    optimizer = torch.optim.AdamW(trainable, lr=peak_lr, betas=(0.9, 0.95), weight_decay=0.1)
    attach_schedule(optimizer, total_steps, warmup_steps, minimum=0.05 * peak_lr)
    attach_clipping(optimizer, model, max_norm=1.0)
    return train_model(model, train_loader, val_loader, optimizer, device, num_epochs, eval_freq,
                       eval_iter, start_context, tokenizer, progress=progress)


# Written by `python -m shared.kit.course copy`: f4b92a3a5572
