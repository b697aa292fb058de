"""Small models of characters for the scoreboard: training, loss, writing, a frame for mixers.

Written from 01_data/04_embeddings, 02_attention/01_averaging_the_past: change it there.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def character_ids(text: str, alphabet: str) -> Tensor:
    """The place of each character of a text in the alphabet: (number of characters,)."""
    places = {character: place for place, character in enumerate(alphabet)}
    return torch.tensor([places[character] for character in text])


def train_characters(
    model: nn.Module, ids: Tensor, steps: int = 600, context_length: int = 32, seed: int = 123
) -> None:
    """Train a model, ids (B, T) -> scores (B, T, V), on random windows of a text."""
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(steps):
        starts = torch.randint(len(ids) - context_length, (32,), generator=generator)
        inputs = torch.stack([ids[i : i + context_length] for i in starts])  # (B, T)
        targets = torch.stack([ids[i + 1 : i + context_length + 1] for i in starts])  # (B, T)
        scores = model(inputs)  # (B, T, V)
        loss = F.cross_entropy(scores.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


@torch.no_grad()
def character_loss(model: nn.Module, ids: Tensor, context_length: int = 32) -> float:
    """Mean loss, in nats a character, over all whole windows of a text, laid side by side."""
    windows = (len(ids) - 1) // context_length
    inputs = ids[: windows * context_length].view(windows, context_length)
    targets = ids[1 : windows * context_length + 1]
    return F.cross_entropy(model(inputs).flatten(0, 1), targets).item()


@torch.no_grad()
def write_characters(
    model: nn.Module, alphabet: str, start: str,
    length: int = 120, context_length: int = 32, seed: int = 123,
) -> str:
    """Sample characters one by one, by the model's chances after the last `context_length`."""
    generator = torch.Generator().manual_seed(seed)
    ids = character_ids(start, alphabet)
    for _ in range(length):
        scores = model(ids[None, -context_length:])[0, -1]  # (V,)
        chances = torch.softmax(scores, dim=-1)
        ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)])
    return "".join(alphabet[i] for i in ids[len(start) :])


class CharacterModel(nn.Module):
    """Scores each character as the next: its vector and its place's, plus what `mixer` adds."""

    def __init__(
        self, vocab_size: int, emb_dim: int, context_length: int, mixer: nn.Module
    ) -> None:
        super().__init__()
        self.tok_emb = nn.Embedding(vocab_size, emb_dim)
        self.pos_emb = nn.Embedding(context_length, emb_dim)
        self.mixer = mixer
        self.out_head = nn.Linear(emb_dim, vocab_size)

    def forward(self, ids: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        places = torch.arange(ids.size(1), device=ids.device)
        x = self.tok_emb(ids) + self.pos_emb(places)  # (B, T, D)
        return self.out_head(x + self.mixer(x))


# Written by `python -m shared.kit.course copy`: 758461c659a1
