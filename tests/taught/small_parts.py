"""What several tests need small: a model with its loaders, two records, a tokenizer of letters."""

import torch
from torch import nn

from shared.dataloader import create_dataloader
from shared.gpt import GPTConfig, GPTModel
from shared.training import train_model

PLAIN = {"instruction": "Add 2 and 3.", "input": "", "output": "5"}
WITH_INPUT = {"instruction": "Name the opposite.", "input": "hot", "output": "cold"}
SMALL = GPTConfig(vocab_size=30, context_length=8, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.2)


def pieces(own_generator: bool = True, seed: int = 1):
    """A small model with dropout, a shuffling loader of 8 batches, one for validation, AdamW."""
    torch.manual_seed(seed)
    model = GPTModel(SMALL)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    token_ids = torch.randint(30, (200,), generator=torch.Generator().manual_seed(3)).tolist()
    generator = torch.Generator().manual_seed(seed) if own_generator else None
    train_loader = create_dataloader(token_ids, 3, 8, 8, generator=generator)
    val_loader = create_dataloader(token_ids[:60], 3, 8, 8, shuffle=False)
    return model, train_loader, val_loader, optimizer


def train(
    model, train_loader, val_loader, optimizer, num_epochs: int = 3, eval_freq: int = 2, **options
):
    return train_model(
        model,
        train_loader,
        val_loader,
        optimizer,
        "cpu",
        num_epochs,
        eval_freq,
        2,
        None,
        None,
        progress=False,
        **options,
    )


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(
        torch.equal(a, b)
        for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    )


class Tokens:
    """A tokenizer of letters: one id a character, 0 as the end."""

    n_vocab, eot_token = 128, 0

    def encode(self, text, *, allowed_special=frozenset()):
        if "\0" in text:
            raise ValueError("the text holds the end token")
        return [ord(c) for c in text]

    def decode(self, ids):
        return "".join("<|endoftext|>" if i == 0 else chr(i) for i in ids)


def letter_gpt(context_length: int = 12, seed: int = 0, vocab_size: int = 128) -> GPTModel:
    """A small model without dropout that reads what `Tokens` writes."""
    torch.manual_seed(seed)
    return GPTModel(
        GPTConfig(vocab_size, context_length, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.0)
    )
