"""A checkpoint with one wrong part is refused by its name, and nothing has been changed."""

import copy
import math
import random

import numpy as np
import pytest
import torch
from torch import nn

from shared.checkpoints import load_checkpoint, read_checkpoint, save_checkpoint
from shared.schedules import attach_schedule
from shared.training_state import TrainingState


def build(kind=torch.optim.AdamW, width: int = 3, total_steps: int = 24):
    torch.manual_seed(1)
    model = nn.Linear(width, 2)
    optimizer = kind(model.parameters(), lr=0.1)
    return model, optimizer, attach_schedule(optimizer, total_steps, 4)


def step(model, optimizer) -> None:
    model(torch.ones(1, model.in_features)).sum().backward()
    optimizer.step()


@pytest.fixture
def saved(tmp_path):
    model, optimizer, schedule = build()
    step(model, optimizer)
    generator = torch.Generator().manual_seed(2)
    states = {"cpu": torch.get_rng_state(), "loader": generator.get_state()}
    state = TrainingState(1, 2, 3, 40, 0.5, [1.0], [2.0], [40], 3, states, states)
    save_checkpoint(tmp_path / "step_00000003.pt", model, optimizer, state, schedule)
    return tmp_path / "step_00000003.pt"


def everything(model, optimizer, schedule):
    generators = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    return copy.deepcopy((model.state_dict(), optimizer.state_dict(), schedule.state_dict())), (
        generators
    )


def equal(one, other) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)):
        return len(one) == len(other) and all(map(equal, one, other))
    return one == other


def refused(path, parts, message: str) -> None:
    before = everything(*parts)
    with pytest.raises(ValueError, match=message) as caught:
        load_checkpoint(path, *parts)
    assert path.name in str(caught.value)
    assert equal(everything(*parts), before)


def test_what_was_saved_is_loaded(saved):
    parts = build()
    state = load_checkpoint(saved, *parts)
    assert state.global_step == 3 and state.val_losses == [2.0]
    step(*parts[:2])


THREE_BYTES = torch.zeros(3, dtype=torch.uint8)


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda c: c.pop("config"), "has no config"),
        (lambda c: c.pop("optimizer"), "has no optimizer"),
        (lambda c: c.update(config=3), "config is no dictionary"),
        (lambda c: c.update(model=[1]), "model is no dictionary of tensors"),
        (lambda c: c["model"].update(bias="b"), "model is no dictionary of tensors"),
        (lambda c: c["model"]["weight"].fill_(math.nan), "weight is not finite"),
        (lambda c: c["model"]["bias"].fill_(math.inf), "bias is not finite"),
        (lambda c: c.update(state=[]), "state is no dictionary"),
        (lambda c: c["state"].pop("random"), "state has no random"),
        (lambda c: c["state"].update(colour="blue"), "state has a field 'colour'"),
        (lambda c: c["state"].update(global_step="3"), "global_step='3', not a whole number"),
        (lambda c: c["state"].update(global_step=-2), "global_step=-2"),
        (lambda c: c["state"].update(batch=1.5), "batch=1.5"),
        (lambda c: c["state"].update(epoch=True), "epoch=True"),
        (lambda c: c["state"].update(loss="low"), "loss='low'"),
        (lambda c: c["state"].update(val_losses=["low"]), "val_losses=.'low'., not a list"),
        (lambda c: c["state"].update(random=[]), "state.random is no dictionary"),
        (lambda c: c["state"]["random"].update(cpu=THREE_BYTES), "state.random .*'cpu'"),
        (lambda c: c["state"]["epoch_random"].update(loader=3), "state.epoch_random .*'loader'"),
        (lambda c: c.update(python_random=(3, (1, 2), None)), "python_random is no state"),
        (lambda c: c.update(python_random="now"), "python_random is no state"),
        (lambda c: c.update(numpy_random=("MT19937", [1, 2, 3], 0, 0, 0.0)), "numpy_random is no"),
        (lambda c: c.update(numpy_random=3), "numpy_random is no"),
        (lambda c: c.update(optimizer=3), "holds no state of an optimizer"),
        (
            lambda c: c["optimizer"]["state"][0]["exp_avg"].fill_(math.nan),
            "exp_avg that is not finite",
        ),
        (
            lambda c: c["optimizer"]["state"][0].update(exp_avg=torch.zeros(9)),
            r"exp_avg of the shape \(9,\) for \(2, 3\)",
        ),
        (lambda c: c["optimizer"]["param_groups"].pop(), r"groups of \[\] weights, .* of \[2\]"),
    ],
    ids=range(27),
)
def test_a_wrong_part_is_refused(saved, spoil, message):
    content = torch.load(saved, weights_only=True)
    spoil(content)
    torch.save(content, saved)
    refused(saved, build(), message)


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.RMSprop, torch.optim.Adagrad])
def test_another_optimizer_is_refused(saved, kind):
    refused(saved, build(kind), f"was saved with .*, and a {kind.__name__} has no such setting")


def test_another_schedule_is_refused_with_both_numbers(saved):
    refused(saved, build(total_steps=999), "'total_steps': 24.*'total_steps': 999")
    model, optimizer, _ = build()
    with pytest.raises(ValueError, match="with a schedule and is loaded without"):
        load_checkpoint(saved, model, optimizer)


def test_a_schedule_that_was_not_saved_is_refused_without_an_optimizer_too(tmp_path):
    model, optimizer, schedule = build()
    save_checkpoint(tmp_path / "a.pt", model, optimizer, TrainingState())
    with pytest.raises(ValueError, match="without a schedule and is loaded with"):
        load_checkpoint(tmp_path / "a.pt", model, None, schedule)


def test_settings_that_a_new_version_adds_are_no_other_optimizer(saved):
    content = torch.load(saved, weights_only=True)
    content["optimizer"]["param_groups"][0].pop("decoupled_weight_decay")
    content["schedule"].pop("numbers")  # a file of an older course
    torch.save(content, saved)
    parts = build()
    assert load_checkpoint(saved, *parts).global_step == 3
    step(*parts[:2])


def test_a_file_cut_short_or_with_a_flipped_bit_is_refused_or_loads_equal(saved, tmp_path):
    whole = saved.read_bytes()
    expected = read_checkpoint(saved)
    path = tmp_path / "spoilt.pt"
    spoilt = [whole[:length] for length in range(0, len(whole), 101)]
    for place in range(0, len(whole), 67):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        spoilt.append(bytes(content))
    loaded = 0
    for content in spoilt:
        path.write_bytes(content)
        try:
            found = read_checkpoint(path)
        except ValueError as error:
            assert path.name in str(error)
            continue
        # a bit that says nothing: a date, padding
        assert equal(found, expected)
        loaded += 1
    assert loaded < len(spoilt) / 2
