"""What a training must remember: counts, losses, and the generators it draws from."""

import math

import pytest
import torch

from shared.dataloader import create_dataloader
from shared.training_state import (
    TrainingState,
    random_states,
    random_states_kept,
    set_random_states,
)


def test_a_new_state_has_done_nothing():
    state = TrainingState()
    assert (state.epoch, state.batch, state.global_step, state.tokens_seen) == (0, 0, -1, 0)
    assert math.isnan(state.loss) and state.train_losses == []


def test_a_step_counts_its_batches_and_tokens():
    state = TrainingState()
    batch = (torch.zeros(2, 5), torch.zeros(2, 5), 0.5)  # (B, T), (B, T), share
    state.count_step([batch, batch], loss=3.5)
    assert (state.batch, state.global_step, state.tokens_seen, state.loss) == (2, 0, 20, 3.5)
    state.record(3.0, 4.0)
    assert (state.train_losses, state.val_losses, state.track_tokens_seen) == ([3.0], [4.0], [20])
    assert state.evaluated == state.global_step == 0


@pytest.mark.parametrize("own", [True, False], ids=["the loader's generator", "the global one"])
def test_generators_go_back_to_where_they_were(own):
    generator = torch.Generator().manual_seed(5) if own else None
    loader = create_dataloader(list(range(60)), 2, 4, 4, generator=generator)
    states = random_states(loader)
    first = [inputs.tolist() for inputs, _ in loader], torch.rand(3).tolist()
    torch.rand(7)
    set_random_states(loader, states)
    assert ([inputs.tolist() for inputs, _ in loader], torch.rand(3).tolist()) == first
    assert ("loader" in states) == own


def test_generators_are_put_back_even_after_an_error():
    loader = create_dataloader(list(range(60)), 2, 4, 4, generator=torch.Generator().manual_seed(5))
    before = random_states(loader)
    with pytest.raises(KeyboardInterrupt):
        with random_states_kept(loader):
            next(iter(loader))
            torch.rand(3)
            raise KeyboardInterrupt
    after = random_states(loader)
    assert all(torch.equal(after[name], before[name]) for name in before)
