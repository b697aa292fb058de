"""MultiHeadAttention: what must be true of it, whatever its weights."""

import copy

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from shared.attention import MultiHeadAttention
from shared.generation import KVCache


def make(
    D: int = 24,
    H: int = 4,
    context_length: int = 12,
    dropout: float = 0.0,
    seed: int = 0,
    qkv_bias: bool = False,
) -> MultiHeadAttention:
    torch.manual_seed(seed)
    return MultiHeadAttention(D, D, context_length, dropout, H, qkv_bias)


def by_hand(attention: MultiHeadAttention, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and weights, one head after the other, from the formula: (B, T, D), (B, H, T, T)."""
    T, K = x.size(1), attention.out_proj.in_features // attention.num_heads
    outputs, all_weights = [], []
    for h in range(attention.num_heads):
        cut = slice(h * K, h * K + K)
        q, k, v = (
            layer(x)[..., cut] for layer in (attention.W_query, attention.W_key, attention.W_value)
        )
        scores = q @ k.transpose(1, 2) / K**0.5
        weights = scores.masked_fill(
            torch.ones(T, T, dtype=torch.bool).triu(1), -torch.inf
        ).softmax(dim=-1)
        outputs.append(weights @ v)
        all_weights.append(weights)
    return attention.out_proj(torch.cat(outputs, dim=-1)), torch.stack(all_weights, dim=1)


@settings(max_examples=40, deadline=None)
@given(
    B=st.integers(1, 4),
    T=st.integers(1, 12),
    H=st.integers(1, 6),
    K=st.integers(1, 8),
    bias=st.booleans(),
)
def test_equals_the_formula_for_any_shape(B, T, H, K, bias):
    attention = make(H * K, H, qkv_bias=bias)
    x = torch.randn(B, T, H * K)
    out, weights = by_hand(attention, x)
    torch.testing.assert_close(attention(x), out)
    torch.testing.assert_close(weights.sum(dim=-1), torch.ones(B, H, T))


def test_equals_pytorch_with_copied_weights():
    """PyTorch's own module, an implementation that shares no line with ours."""
    ours = make(24, 4, qkv_bias=True)
    theirs = nn.MultiheadAttention(24, 4, batch_first=True)
    layers = (ours.W_query, ours.W_key, ours.W_value)
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([layer.weight for layer in layers]))
        theirs.in_proj_bias.copy_(torch.cat([layer.bias for layer in layers]))
        theirs.out_proj.load_state_dict(ours.out_proj.state_dict())
    x = torch.randn(2, 9, 24)
    mask = nn.Transformer.generate_square_subsequent_mask(9)
    torch.testing.assert_close(ours(x), theirs(x, x, x, attn_mask=mask, need_weights=False)[0])


def test_equals_scaled_dot_product_attention_head_by_head():
    attention, x = make(24, 4), torch.randn(2, 7, 24)
    q, k, v = (
        layer(x).chunk(4, dim=-1)
        for layer in (attention.W_query, attention.W_key, attention.W_value)
    )
    heads = [F.scaled_dot_product_attention(q[h], k[h], v[h], is_causal=True) for h in range(4)]
    torch.testing.assert_close(attention(x), attention.out_proj(torch.cat(heads, dim=-1)))


@pytest.mark.parametrize("t", range(12))
def test_the_future_does_not_leak_and_the_past_is_felt(t):
    attention, x = make(), torch.randn(2, 12, 24)
    changed = x.clone()
    changed[:, t] += 1.0
    moved = (attention(changed) - attention(x)).abs().amax(dim=(0, 2))
    assert (moved[:t] < 1e-6).all(), moved
    assert (moved[t:] > 1e-6).all(), moved


def test_gradients_do_not_leak_either():
    attention, x = make(), torch.randn(1, 12, 24, requires_grad=True)
    attention(x)[0, 5].sum().backward()
    felt = x.grad[0].abs().sum(dim=-1)
    assert (felt[:6] > 0).all() and (felt[6:] == 0).all()


def test_rows_sum_to_one_seen_from_outside():
    """Equal tokens have equal values; a mixture with weights of sum one gives that value back."""
    attention = make()
    x = torch.randn(3, 1, 24).expand(-1, 12, -1)
    torch.testing.assert_close(attention(x), attention.out_proj(attention.W_value(x)))


def test_sequences_of_a_batch_do_not_mix():
    attention, x = make(), torch.randn(3, 8, 24)
    alone = torch.cat([attention(sequence[None]) for sequence in x])
    torch.testing.assert_close(attention(x), alone)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8).filter(lambda pieces: sum(pieces) <= 12))
def test_cache_gives_the_same_in_any_pieces(pieces):
    attention, cache = make().eval(), KVCache()
    x = torch.randn(2, sum(pieces), 24)
    parts = [attention(piece, cache) for piece in x.split(pieces, dim=1)]
    torch.testing.assert_close(torch.cat(parts, dim=1), attention(x))
    assert cache.length == sum(pieces)


@pytest.mark.parametrize("pieces", [[12], [5, 7], [11, 1], [1] * 12, [4, 4, 4], [1, 10, 1]])
def test_cache_gives_the_same_in_one_two_or_many_pieces(pieces):
    test_cache_gives_the_same_in_any_pieces.hypothesis.inner_test(pieces)


def test_cache_counts_against_the_context():
    attention, cache = make(context_length=6).eval(), KVCache()
    attention(torch.randn(1, 4, 24), cache)
    with pytest.raises(ValueError, match="7 tokens do not fit into context_length=6"):
        attention(torch.randn(1, 3, 24), cache)


def test_dropout_acts_in_training_only_and_keeps_the_mean():
    attention = make(dropout=0.5)
    x = torch.randn(1, 6, 24)
    expected = copy.deepcopy(attention).eval()(x)
    torch.testing.assert_close(attention.eval()(x), expected)
    attention.train()
    torch.manual_seed(0)
    draws = torch.stack([attention(x) for _ in range(3000)])
    assert draws.std(dim=0).max() > 0.01, "nothing was dropped"
    assert (draws.mean(dim=0) - expected).abs().max() < 0.05


def test_dropout_falls_on_weights_and_not_on_the_output():
    """One token's only weight is kept and doubled, or dropped: two outcomes, never a mixture."""
    attention = make(dropout=0.5, H=1)
    with torch.no_grad():
        attention.out_proj.weight.copy_(torch.eye(24))
        attention.out_proj.bias.zero_()
    x = torch.randn(1, 1, 24)
    value = attention.W_value(x)
    torch.manual_seed(0)
    draws = [attention(x) for _ in range(50)]
    kept = [torch.allclose(draw, 2 * value) for draw in draws]
    dropped = [torch.allclose(draw, torch.zeros_like(draw)) for draw in draws]
    assert all(a != b for a, b in zip(kept, dropped)) and any(kept) and any(dropped)


@pytest.mark.parametrize("num_heads", [0, -1, 5, 25])
def test_width_must_be_a_multiple_of_the_heads(num_heads):
    with pytest.raises(ValueError, match=f"d_out=24 must be a multiple of num_heads={num_heads}"):
        MultiHeadAttention(24, 24, 12, 0.0, num_heads)


def test_too_long_a_text_is_refused_in_words():
    with pytest.raises(
        ValueError, match="13 tokens do not fit into context_length=12: shorten the input"
    ):
        make()(torch.randn(1, 13, 24))


@pytest.mark.parametrize("num_heads", [1, 2, 12])
def test_parameters_do_not_depend_on_heads_or_context(num_heads):
    count = {
        sum(p.numel() for p in MultiHeadAttention(48, 48, c, 0.0, num_heads).parameters())
        for c in (8, 1024)
    }
    assert count == {4 * 48**2 + 48}


def test_width_may_change():
    attention = MultiHeadAttention(10, 24, 12, 0.0, 3)
    assert attention(torch.randn(2, 5, 10)).shape == (2, 5, 24)


def test_names_of_the_weights():
    """Checkpoints, GPT-2's weights and LoRA find the layers by these names."""
    names = [
        f"{layer}.{part}"
        for layer in ("W_query", "W_key", "W_value", "out_proj")
        for part in ("weight", "bias")
    ]
    assert list(make(qkv_bias=True).state_dict()) == names
    assert list(make().state_dict()) == [
        "W_query.weight",
        "W_key.weight",
        "W_value.weight",
        "out_proj.weight",
        "out_proj.bias",
    ]
