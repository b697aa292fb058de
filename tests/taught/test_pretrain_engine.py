"""Each process reads its share, gradients are exchanged once a step, matrices alone decay."""

import pytest
import torch
from pretrain_engine import (
    Place,
    build_loaders,
    build_optimizer,
    exchange_gradients_once_a_step,
    in_bfloat16,
    join_processes,
    open_windows,
)
from torch import nn

from shared.shards import write_token_shards

CPU = torch.device("cpu")


def test_windows_make_whole_steps_and_the_last_shard_is_for_validation(tmp_path):
    write_token_shards(range(100), tmp_path, 45)  # 45, 45 and 10 tokens: 11, 11 and 2 windows of 4
    windows, val_windows = open_windows(tmp_path, 4, 8)
    assert len(windows) == 16 and len(val_windows) == 2
    assert windows[0][0].tolist() == [0, 1, 2, 3] and windows[11][0].tolist() == [45, 46, 47, 48]
    assert val_windows[0][0].tolist() == [90, 91, 92, 93]


def test_too_little_data_is_refused(tmp_path):
    write_token_shards(range(40), tmp_path / "one", 100)
    with pytest.raises(ValueError, match="holds 1 shards"):
        open_windows(tmp_path / "one", 8, 8)
    write_token_shards(range(40), tmp_path / "two", 20)
    with pytest.raises(ValueError, match="2 windows do not make one step"):
        open_windows(tmp_path / "two", 8, 8)


@pytest.mark.parametrize("world_size", [1, 2, 3])
def test_the_processes_share_the_windows_of_an_epoch(world_size):
    windows = [(torch.tensor([i]), torch.tensor([i + 1])) for i in range(12)]
    orders = []
    for rank in range(world_size):
        loader, val_loader = build_loaders(
            windows, windows[:5], 2, 123, Place(rank, world_size, CPU)
        )
        orders.append([int(i) for inputs, _ in loader for i in inputs])
        assert [int(i) for inputs, _ in val_loader for i in inputs] == [0, 1, 2, 3, 4]
    assert sorted(sum(orders, [])) == list(range(12))
    assert {len(order) for order in orders} == {12 // world_size}
    # the order does not depend on the number of processes, only how it is dealt
    alone, _ = build_loaders(windows, windows, 2, 123, Place(0, 1, CPU))
    order = [int(i) for inputs, _ in alone for i in inputs]
    assert [order[rank::world_size] for rank in range(world_size)] == orders


def test_gradients_are_exchanged_after_the_last_micro_batch_only():
    model, exchanged = nn.Linear(2, 2), []
    exchange_gradients_once_a_step(model, exchanged.append, accumulation_steps=3)
    x = torch.ones(1, 2)
    for _ in range(3):
        model(x)
    model.eval()(x)  # an evaluation between two steps does not count
    model.train()
    for _ in range(3):
        model(x)
    assert exchanged[:3] == exchanged[4:] == [False, False, True]


def test_bfloat16_stays_inside():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    x = torch.randn(3, 4)
    expected, seen = model(x), []
    model[0].register_forward_hook(lambda module, inputs, outputs: seen.append(outputs.dtype))
    in_bfloat16(model, CPU)
    outputs = model(x)
    assert seen == [torch.bfloat16] and outputs.dtype == model[0].weight.dtype == torch.float32
    assert torch.allclose(outputs, expected, atol=0.05) and not torch.equal(outputs, expected)


def test_matrices_decay_and_biases_and_norms_do_not():
    model = nn.Sequential(nn.Embedding(5, 4), nn.LayerNorm(4), nn.Linear(4, 3))
    optimizer = build_optimizer(model, lr=0.5, weight_decay=0.2)
    for weight in model.parameters():
        weight.data.fill_(1.0)
        weight.grad = torch.zeros_like(weight)
    optimizer.step()
    for weight in model.parameters():
        left = 1 - 0.5 * 0.2 if weight.dim() == 2 else 1.0
        assert torch.allclose(weight, torch.full_like(weight, left))


def test_without_torchrun_a_process_is_alone(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert join_processes() == Place(0, 1, CPU)
