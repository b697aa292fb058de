"""The Llama equals transformers', whole and in parts, with a cache and without."""

from dataclasses import FrozenInstanceError, replace

import pytest
import torch
import torch.nn.functional as F
import transformers
from torch import nn
from transformers.models.llama import modeling_llama

from shared.attention import MultiHeadAttention
from shared.generation import KVCache, generate_text_simple, stream_tokens
from shared.llama import (
    GroupedQueryAttention,
    LlamaConfig,
    LlamaModel,
    RMSNorm,
    SwiGLU,
    rotary_angles,
    rotate,
)

TINY = LlamaConfig(
    vocab_size=29, context_length=12, emb_dim=24, n_heads=6, n_kv_heads=2, n_layers=2, hidden_dim=40
)
NAMES = {
    "model.": "",
    "embed_tokens": "tok_emb",
    "layers": "trf_blocks",
    "self_attn": "att",
    "q_proj": "W_query",
    "k_proj": "W_key",
    "v_proj": "W_value",
    "o_proj": "out_proj",
    "mlp": "ff",
    "gate_proj": "gate",
    "up_proj": "up",
    "down_proj": "down",
    "input_layernorm.weight": "norm1.scale",
    "post_attention_layernorm.weight": "norm2.scale",
    "norm.weight": "final_norm.scale",
    "lm_head": "out_head",
}


def model(cfg: LlamaConfig = TINY) -> LlamaModel:
    torch.manual_seed(123)
    return LlamaModel(cfg).eval()


def draw_ids(B: int = 3, T: int = 12) -> torch.Tensor:
    return torch.randint(
        TINY.vocab_size, (B, T), generator=torch.Generator().manual_seed(7)
    )  # (B, T)


def their_llama(cfg: LlamaConfig) -> nn.Module:
    """transformers' model of the same numbers, every weight random, the norms' scales too."""
    torch.manual_seed(123)
    theirs = transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=cfg.vocab_size,
            hidden_size=cfg.emb_dim,
            intermediate_size=cfg.hidden_dim,
            num_hidden_layers=cfg.n_layers,
            num_attention_heads=cfg.n_heads,
            num_key_value_heads=cfg.n_kv_heads,
            max_position_embeddings=cfg.context_length,
            rms_norm_eps=cfg.norm_eps,
            tie_word_embeddings=cfg.tie_weights,
            rope_parameters={"rope_type": "default", "rope_theta": cfg.rope_base},
        )
    ).eval()
    for weight in theirs.parameters():
        nn.init.normal_(weight, mean=0.1, std=0.3)
    return theirs


def our_name(name: str) -> str:
    for theirs, ours in NAMES.items():
        name = name.replace(theirs, ours)
    return name


# ---- parts


def test_rms_norm_is_pytorchs_and_the_formula():
    torch.manual_seed(123)
    x = 3 * torch.randn(2, 5, 16) + 1
    ours, theirs = RMSNorm(16, eps=1e-3), nn.RMSNorm(16, eps=1e-3)
    ours.scale.data.normal_()
    theirs.weight.data.copy_(ours.scale)
    by_hand = x * (x.square().mean(-1, keepdim=True) + 1e-3).rsqrt() * ours.scale
    assert torch.allclose(ours(x), theirs(x), atol=1e-5)
    assert torch.allclose(ours(x), by_hand, atol=1e-5)
    assert torch.equal(ours(torch.zeros(1, 16)), torch.zeros(1, 16))


def test_rms_norm_forgets_the_size_and_keeps_the_shift():
    x = torch.tensor([[1.0, -1.0, 3.0, 5.0]])
    norm = RMSNorm(4)
    assert torch.allclose(norm(x), x / 3, atol=1e-4)
    assert torch.allclose(norm(100 * x), norm(x), atol=1e-4)
    assert not torch.allclose(norm(x + 1), norm(x), atol=0.1)


@pytest.mark.parametrize("base", [500.0, 10_000.0, 100_000.0])
def test_rotation_is_transformers(base):
    torch.manual_seed(123)
    q, k = torch.randn(2, 4, 9, 8), torch.randn(2, 2, 9, 8)
    cfg = transformers.LlamaConfig(
        hidden_size=32,
        num_attention_heads=4,
        rope_parameters={"rope_type": "default", "rope_theta": base},
    )
    tables = modeling_llama.LlamaRotaryEmbedding(cfg)(q, torch.arange(9)[None])
    their_q, their_k = modeling_llama.apply_rotary_pos_emb(q, k, *tables)
    angles = rotary_angles(9, 8, base)
    assert torch.allclose(rotate(q, angles), their_q, atol=1e-5)
    assert torch.allclose(rotate(k, angles), their_k, atol=1e-5)


def test_a_score_depends_on_the_distance_alone():
    torch.manual_seed(123)
    angles = rotary_angles(40, 16)
    q, k = (rotate(torch.randn(16).expand(1, 1, 40, 16), angles) for _ in range(2))
    scores = (q @ k.transpose(2, 3))[0, 0]  # (T, T)
    for distance in range(-39, 40):
        diagonal = scores.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[:1].expand_as(diagonal), atol=1e-3)
    assert scores.std() > 0.5


def test_a_turn_keeps_lengths_and_leaves_the_first_token():
    torch.manual_seed(123)
    x = torch.randn(2, 3, 7, 6)
    turned = rotate(x, rotary_angles(7, 6))
    assert torch.allclose(turned.norm(dim=-1), x.norm(dim=-1), atol=1e-5)
    assert torch.equal(turned[:, :, 0], x[:, :, 0])
    assert not torch.allclose(turned[:, :, 1], x[:, :, 1], atol=1e-2)


def test_an_odd_head_cannot_be_turned():
    with pytest.raises(ValueError, match="head_dim=5 must be even"):
        rotary_angles(4, 5)


def test_swiglu_is_transformers_mlp_and_the_formula():
    torch.manual_seed(123)
    ours = SwiGLU(12, 20)
    theirs = modeling_llama.LlamaMLP(
        transformers.LlamaConfig(hidden_size=12, intermediate_size=20, num_attention_heads=2)
    )
    theirs.load_state_dict(
        {f"{name}_proj.weight": getattr(ours, name).weight for name in ("gate", "up", "down")}
    )
    x = torch.randn(2, 5, 12)
    gate = x @ ours.gate.weight.T
    by_hand = (gate * gate.sigmoid() * (x @ ours.up.weight.T)) @ ours.down.weight.T
    assert torch.allclose(ours(x), theirs(x), atol=1e-6)
    assert torch.allclose(ours(x), by_hand, atol=1e-6)


@pytest.mark.parametrize("n_kv_heads", [1, 2, 4])
def test_shared_heads_equal_repeated_ones(n_kv_heads):
    torch.manual_seed(123)
    grouped, full = GroupedQueryAttention(32, 4, n_kv_heads), GroupedQueryAttention(32, 4, 4)
    weights = dict(grouped.state_dict())
    for name in ("W_key.weight", "W_value.weight"):
        heads = weights[name].view(n_kv_heads, 8, 32)
        weights[name] = heads.repeat_interleave(4 // n_kv_heads, dim=0).flatten(0, 1)
    full.load_state_dict(weights)
    x, angles = torch.randn(2, 6, 32), rotary_angles(6, 8)
    assert torch.allclose(grouped(x, angles), full(x, angles), atol=1e-5)


def test_without_turns_and_with_all_heads_it_is_multi_head_attention():
    torch.manual_seed(123)
    ours, theirs = GroupedQueryAttention(32, 4, 4), MultiHeadAttention(32, 32, 6, 0.0, 4)
    theirs.load_state_dict(ours.state_dict() | {"out_proj.bias": torch.zeros(32)})
    x = torch.randn(2, 6, 32)
    assert torch.allclose(ours(x, torch.zeros(6, 4)), theirs(x), atol=1e-5)


# ---- configuration


@pytest.mark.parametrize(
    "change, named",
    [
        ({"emb_dim": 25}, ("emb_dim=25", "n_heads=6")),
        ({"emb_dim": 18}, ("emb_dim=18", "n_heads=6", "pairs")),
        ({"n_kv_heads": 4}, ("n_heads=6", "n_kv_heads=4")),
        ({"n_kv_heads": 12}, ("n_heads=6", "n_kv_heads=12")),
        ({"n_kv_heads": 0}, ("n_kv_heads=0",)),
        ({"n_layers": 0}, ("n_layers=0",)),
        ({"hidden_dim": -1}, ("hidden_dim=-1",)),
        ({"context_length": 2.5}, ("context_length=2.5",)),
        ({"vocab_size": "29"}, ("vocab_size='29'",)),
    ],
)
def test_a_configuration_that_does_not_fit_names_its_values(change, named):
    with pytest.raises(ValueError) as error:
        replace(TINY, **change)
    assert all(text in str(error.value) for text in named)


def test_a_configuration_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        TINY.emb_dim = 48


# ---- the model


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"tie_weights": False},
        {"n_kv_heads": 1},
        {"n_kv_heads": 6, "tie_weights": False},
        {"rope_base": 500.0, "norm_eps": 1e-2},
        {"n_layers": 1, "hidden_dim": 7},
    ],
)
def test_the_model_equals_transformers(change):
    cfg = replace(TINY, **change)
    theirs, ours = their_llama(cfg), LlamaModel(cfg)
    ours.load_state_dict({our_name(name): w for name, w in theirs.state_dict().items()})
    idx = draw_ids()
    with torch.no_grad():
        right, found = theirs(idx).logits, ours(idx)
    assert (found - right).abs().max() < 1e-4 * right.abs().max()


def test_nothing_has_a_bias_and_the_angles_are_not_saved():
    names = list(model().state_dict())
    assert not [name for name in names if "bias" in name or "shift" in name or "angles" in name]


@pytest.mark.parametrize("tied", [True, False])
def test_tied_means_the_same_memory(tied):
    llama = model(replace(TINY, tie_weights=tied))
    assert (llama.tok_emb.weight is llama.out_head.weight) == tied


@pytest.mark.parametrize("t", range(6))
def test_changing_a_token_leaves_all_outputs_before_it(t):
    llama, idx = model(), draw_ids(T=6)
    changed = idx.clone()
    changed[:, t] = (changed[:, t] + 1) % 29
    moved = (llama(changed) - llama(idx)).abs().amax(dim=(0, 2)) > 1e-5
    assert moved.tolist() == [False] * t + [True] * (6 - t)


@pytest.mark.parametrize("sizes", [[12], [1] * 12, [7, 1, 4], [1, 11], [3, 3, 3, 3]])
@pytest.mark.parametrize("change", [{}, {"n_kv_heads": 1}, {"n_kv_heads": 6}])
def test_a_cache_changes_nothing_however_the_tokens_come(sizes, change):
    llama, idx = model(replace(TINY, **change)), draw_ids()
    caches = [KVCache() for _ in llama.trf_blocks]
    with torch.no_grad():
        pieces = [llama(piece, caches) for piece in idx.split(sizes, dim=1)]
        whole = llama(idx)
    assert torch.allclose(torch.cat(pieces, dim=1), whole, atol=1e-5)
    assert caches[0].keys.shape == (3, llama.cfg.n_kv_heads, 12, 4)


@pytest.mark.parametrize("B, T, n_new", [(1, 3, 5), (3, 3, 5), (3, 3, 20), (2, 20, 15)])
def test_the_cached_and_the_plain_generation_agree_past_the_contexts_end(B, T, n_new):
    llama, prompt = model(), draw_ids(B, T)
    plain = generate_text_simple(llama, prompt, n_new, 12)
    cached = torch.cat([prompt, *stream_tokens(llama, prompt, n_new, 12)], dim=1)
    assert torch.equal(plain, cached)


def test_a_batch_is_its_rows():
    llama, idx = model(), draw_ids()
    rows = torch.cat([llama(row[None]) for row in idx])
    assert torch.allclose(llama(idx), rows, atol=1e-5)


def test_too_many_tokens_name_both_numbers():
    llama, idx = model(), draw_ids(1, 12)
    with pytest.raises(ValueError, match="13 tokens.*context_length=12"):
        llama(draw_ids(1, 13))
    caches = [KVCache() for _ in llama.trf_blocks]
    llama(idx, caches)
    with pytest.raises(ValueError, match="13 tokens.*context_length=12"):
        llama(idx[:, :1], caches)


def test_it_learns_one_batch_by_heart():
    llama, idx = model().train(), draw_ids(2, 12)
    optimizer = torch.optim.AdamW(llama.parameters(), lr=1e-2)
    for _ in range(80):
        loss = F.cross_entropy(llama(idx[:, :-1]).flatten(0, 1), idx[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.3
