"""How a reader's training is judged: its steps are counted, its parts are the judge's own."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.optim.optimizer import register_optimizer_step_post_hook
from torch.utils.data import DataLoader

from shared.dataloader import create_dataloader
from shared.gpt import GPTConfig, GPTModel
from shared.kit.corpora import load_corpus

WINDOW = 32
STEPS_ALLOWED = 400


class TooLong(Exception):
    """More steps were made than two allowances hold."""


class Watched:
    """A loader that counts the batches during whose use the model's weights changed."""

    def __init__(self, loader: DataLoader, model: nn.Module) -> None:
        self.loader = loader
        self.model = model
        self.steps = 0
        self.dataset = loader.dataset
        self.generator = None

    def __len__(self) -> int:
        return len(self.loader)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for batch in self.loader:
            before = weights(self.model)
            try:
                yield batch
            finally:
                self.steps += not torch.equal(before, weights(self.model))
            if self.steps > 2 * STEPS_ALLOWED:
                raise TooLong


@contextmanager
def counted_steps() -> Iterator[list[int]]:
    """The steps of all optimizers within the block, as one number in a list."""
    steps = [0]

    def count(*_: object) -> None:
        steps[0] += 1
        if steps[0] > 2 * STEPS_ALLOWED:
            raise TooLong

    hook = register_optimizer_step_post_hook(count)
    try:
        yield steps
    finally:
        hook.remove()


def weights(model: nn.Module) -> Tensor:
    """A copy of all weights of a model: (number of weights,)."""
    return nn.utils.parameters_to_vector(model.parameters()).detach().clone()


def judged_parts() -> tuple[GPTModel, DataLoader, DataLoader, DataLoader]:
    """An untrained model and three parts of the story: training, validation, the judge's own."""
    text = load_corpus("story")
    alphabet = sorted(set(text))
    ids = [alphabet.index(c) for c in text]
    ends = [0, int(0.8 * len(ids)), int(0.9 * len(ids)), len(ids)]
    parts = [ids[begin:end] for begin, end in zip(ends, ends[1:])]
    torch.manual_seed(123)
    loaders = [
        create_dataloader(part, 16, WINDOW, WINDOW, shuffle=number == 0)
        for number, part in enumerate(parts)
    ]
    return GPTModel(GPTConfig(len(alphabet), WINDOW, 32, n_heads=2, n_layers=2)), *loaders
