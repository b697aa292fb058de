"""The formulas for parameters, memory and operations agree with what PyTorch counts."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from shared.counting import (
    activation_bytes,
    count_parameters,
    flops_per_token,
    kv_cache_bytes,
    training_bytes,
)
from shared.generation import KVCache
from shared.gpt import GPT_CONFIG_124M, GPTConfig, GPTModel
from shared.llama import LlamaConfig, LlamaModel

GPT2 = replace(GPT_CONFIG_124M, context_length=1024, tie_weights=True, qkv_bias=True)


def on_meta(cfg: GPTConfig) -> GPTModel:
    with torch.device("meta"):
        return GPTModel(cfg)


@pytest.mark.parametrize(
    "cfg",
    [
        GPT_CONFIG_124M,
        GPT2,
        replace(GPT2, emb_dim=1600, n_layers=48, n_heads=25),
        GPTConfig(11, 5, emb_dim=6, n_heads=2, n_layers=1),
        GPTConfig(11, 5, 6, 3, 4, qkv_bias=True),
    ],
)
def test_count_agrees_with_the_model(cfg):
    counted = count_parameters(cfg)
    assert sum(counted.values()) == sum(p.numel() for p in on_meta(cfg).parameters())


def test_the_published_sizes_of_gpt2():
    sizes = ((768, 12, 12), (1024, 24, 16), (1280, 36, 20), (1600, 48, 25))
    found = [
        sum(count_parameters(replace(GPT2, emb_dim=D, n_layers=L, n_heads=H)).values())
        for D, L, H in sizes
    ]
    assert found == [124_439_808, 354_823_168, 774_030_080, 1_557_611_200]


@pytest.mark.parametrize(
    "cfg", [GPT_CONFIG_124M, GPTConfig(100, 64, emb_dim=32, n_heads=4, n_layers=3)]
)
def test_operations_agree_with_pytorchs_counter(cfg):
    model, ids = on_meta(cfg), torch.empty(2, 64, dtype=torch.long, device="meta")
    with FlopCounterMode(display=False) as counter:
        logits = model(ids)
        forward = counter.get_total_flops()
        F.cross_entropy(logits.flatten(0, 1), ids.flatten()).backward()
    assert forward == 2 * 64 * flops_per_token(cfg, 64)
    assert counter.get_total_flops() == 3 * forward


@pytest.mark.parametrize("drop_rate", [0.0, 0.1])
@pytest.mark.parametrize("B, T", [(1, 64), (3, 32)])
def test_activations_agree_with_what_autograd_saves(drop_rate, B, T):
    model = GPTModel(GPTConfig(500, 64, emb_dim=64, n_heads=4, n_layers=3, drop_rate=drop_rate))
    weights, kept = {p.untyped_storage().data_ptr() for p in model.parameters()}, {}

    def note(tensor: torch.Tensor) -> torch.Tensor:
        kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    idx = torch.randint(500, (B, T))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        F.cross_entropy(model(idx).flatten(0, 1), idx.flatten())
    measured = sum(
        t.untyped_storage().nbytes() for place, t in kept.items() if place not in weights
    )
    assert abs(activation_bytes(model.cfg, B, T) / measured - 1) < 0.03


def test_training_takes_sixteen_bytes_a_parameter_and_the_activations():
    cfg = GPT_CONFIG_124M
    sizes = training_bytes(cfg, 2, 256)
    assert sum(sizes.values()) == 16 * 162_419_712 + activation_bytes(cfg, 2, 256)


@pytest.mark.parametrize(
    "model, n_kv_heads",
    [
        (GPTModel(GPTConfig(11, 9, emb_dim=12, n_heads=3, n_layers=2)), 3),
        (LlamaModel(LlamaConfig(11, 9, 24, n_heads=6, n_kv_heads=2, n_layers=3, hidden_dim=8)), 2),
    ],
)
def test_the_cache_holds_the_bytes_that_the_formula_says(model, n_kv_heads):
    cfg = model.cfg
    caches = [KVCache() for _ in model.trf_blocks]
    for T in (5, 1):
        model(torch.zeros(2, T, dtype=torch.long), caches)
    held = sum(cache.keys.nbytes + cache.values.nbytes for cache in caches)
    head_dim = cfg.emb_dim // cfg.n_heads
    assert held == kv_cache_bytes(cfg.n_layers, n_kv_heads, head_dim, tokens=6, batch=2)
    assert held == 2 * kv_cache_bytes(
        cfg.n_layers, n_kv_heads, head_dim, tokens=6, batch=2, bytes_each=2
    )


@pytest.mark.parametrize(
    "name", ["n_layers", "n_kv_heads", "head_dim", "tokens", "batch", "bytes_each"]
)
def test_a_cache_of_nothing_names_the_number(name):
    numbers = {"n_layers": 2, "n_kv_heads": 3, "head_dim": 4, "tokens": 5}
    with pytest.raises(ValueError, match=f"{name}=0 must be at least 1"):
        kv_cache_bytes(**numbers | {name: 0})
