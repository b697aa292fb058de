"""A run that was stopped and resumed equals the run never stopped, bit for bit, wherever it was stopped."""

import copy
import math

import pytest
import torch
from torch import nn

from shared.data import create_dataloader
from shared.gpt import GPTConfig, GPTModel
from shared.training import TrainingState, train_model

SMALL = GPTConfig(vocab_size=30, context_length=8, emb_dim=16, n_heads=2, n_layers=1, drop_rate=0.2)


def pieces(own_generator: bool = True, seed: int = 1):
    """A small model with dropout, its optimizer, a shuffling loader of 7 batches, a validation loader."""
    torch.manual_seed(seed)
    model = GPTModel(SMALL)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
    token_ids = torch.randint(30, (200,), generator=torch.Generator().manual_seed(3))
    generator = torch.Generator().manual_seed(seed) if own_generator else None
    train_loader = create_dataloader(token_ids, 3, 8, 8, generator=generator)
    val_loader = create_dataloader(token_ids[:60], 3, 8, 8, shuffle=False)
    return model, train_loader, val_loader, optimizer


def train(model, train_loader, val_loader, optimizer, num_epochs: int = 3, eval_freq: int = 2, **options):
    return train_model(model, train_loader, val_loader, optimizer, "cpu", num_epochs, eval_freq, 2, None, None,
                       progress=False, **options)


def same_weights(one: nn.Module, other: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("own_generator", [True, False], ids=["loader generator", "global generator"])
@pytest.mark.parametrize("accumulation_steps", [1, 3])
def test_resumed_anywhere_equals_never_stopped(own_generator, accumulation_steps):
    snapshots = []

    def snapshot(state: TrainingState) -> None:
        snapshots.append(copy.deepcopy((model.state_dict(), optimizer.state_dict(), state)))

    model, *loaders, optimizer = pieces(own_generator)
    results = train(model, *loaders, optimizer, accumulation_steps=accumulation_steps, after_step=snapshot)
    assert len(snapshots) == 3 * math.ceil(len(loaders[0]) / accumulation_steps)
    for weights, moments, state in snapshots[::-5]:  # the last of all, of an epoch, and within epochs
        resumed, *new_loaders, new_optimizer = pieces(own_generator, seed=99)
        resumed.load_state_dict(weights)
        new_optimizer.load_state_dict(moments)
        torch.rand(5)  # whatever happens between loading and going on
        assert train(resumed, *new_loaders, new_optimizer, accumulation_steps=accumulation_steps,
                     state=state) == results
        assert same_weights(resumed, model)


def test_two_calls_equal_one():
    model, *loaders, optimizer = pieces()
    results = train(model, *loaders, optimizer)
    again, *loaders, optimizer = pieces()
    state = TrainingState()
    train(again, *loaders, optimizer, num_epochs=1, state=state)
    torch.rand(5)
    assert train(again, *loaders, optimizer, state=state) == results
    assert same_weights(again, model)


def test_stopped_by_the_button_and_continued():
    def stop(state: TrainingState) -> None:
        if state.global_step == 9:
            raise KeyboardInterrupt

    model, *loaders, optimizer = pieces()
    results = train(model, *loaders, optimizer)
    again, *loaders, optimizer = pieces()
    state = TrainingState()
    part = train(again, *loaders, optimizer, state=state, after_step=stop)
    assert part[0] == results[0][:5] and state.global_step == 9
    assert train(again, *loaders, optimizer, state=state) == results
    assert same_weights(again, model)


def test_a_loss_that_is_not_finite_stops_before_the_weights():
    model, *loaders, optimizer = pieces()

    def poison(state: TrainingState) -> None:
        if state.global_step == 3:
            kept.append(copy.deepcopy(model))
            model.register_forward_hook(lambda module, inputs, logits: logits * math.nan)

    kept = []
    with pytest.raises(FloatingPointError, match="loss is nan at step 4"):
        train(model, *loaders, optimizer, eval_freq=100, after_step=poison)
    assert same_weights(model, kept[0])


@pytest.mark.parametrize("options, message", [
    ({"accumulation_steps": 0}, "accumulation_steps=0"),
    ({"state": TrainingState(batch=50)}, "needs at least 50"),
])
def test_what_does_not_fit_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        train(*pieces(), **options)


def test_an_empty_loader_is_refused():
    model, loader, val_loader, optimizer = pieces()
    empty = create_dataloader(torch.arange(10), 3, 8, 8)
    with pytest.raises(ValueError, match="0 batches"):
        train(model, empty, val_loader, optimizer)
