"""Rates rise to the peak and fall; clipped gradients keep their direction."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small_parts import pieces, train

from shared.schedules import attach_clipping, attach_schedule, learning_rate_at
from shared.training import calc_loss_batch


@given(st.integers(2, 300), st.data())
@settings(max_examples=50, deadline=None)
def test_the_rate_rises_to_the_peak_and_falls_to_the_minimum(total_steps, data):
    warmup = data.draw(st.integers(0, total_steps - 2))
    rates = [learning_rate_at(step, total_steps, warmup, 2.0, 0.5) for step in range(total_steps)]
    assert rates.index(max(rates)) == warmup and max(rates) == 2.0 and math.isclose(rates[-1], 0.5)
    assert rates[: warmup + 1] == sorted(rates[: warmup + 1]) and rates[0] > 0
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert learning_rate_at(total_steps + 5, total_steps, warmup, 2.0, 0.5) == pytest.approx(0.5)


@pytest.mark.parametrize(
    "numbers", [(10, 10, 1.0, 0.0), (10, -1, 1.0, 0.0), (10, 2, 1.0, 2.0), (10, 2, 1.0, -0.1)]
)
def test_a_schedule_that_does_not_fit_is_refused(numbers):
    total_steps, warmup_steps, peak, minimum = numbers
    with pytest.raises(ValueError, match=f"warmup_steps={warmup_steps}.*peak={peak}"):
        learning_rate_at(0, total_steps, warmup_steps, peak, minimum)


@pytest.mark.parametrize("first_step", [0, 6])
def test_the_optimizer_uses_the_rate_of_each_step(first_step):
    model, *loaders, optimizer = pieces()
    attach_schedule(optimizer, 24, 4, 1e-3, first_step)
    used = []
    optimizer.register_step_pre_hook(lambda *_: used.append(optimizer.param_groups[0]["lr"]))
    train(model, *loaders, optimizer)
    right = [
        learning_rate_at(step, 24, 4, 1e-2, 1e-3) for step in range(first_step, first_step + 24)
    ]
    assert used == pytest.approx(right)


def test_clipping_keeps_the_direction_and_bounds_the_length():
    model, loader, _, optimizer = pieces()
    lengths = []
    attach_clipping(optimizer, model, 1e-3, lengths.append)
    calc_loss_batch(*next(iter(loader)), model, "cpu").backward()
    before = torch.cat([weight.grad.flatten().clone() for weight in model.parameters()])
    optimizer.step()
    after = torch.cat([weight.grad.flatten() for weight in model.parameters()])
    assert lengths[0] == pytest.approx(before.norm()) and after.norm() == pytest.approx(
        1e-3, rel=1e-2
    )
    assert torch.allclose(after / after.norm(), before / before.norm(), atol=1e-4)
    with pytest.raises(ValueError, match="max_norm=0"):
        attach_clipping(optimizer, model, 0)
