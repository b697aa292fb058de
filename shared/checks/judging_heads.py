"""What goes wrong where vectors are cut into heads and merged again."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks.judging import near
from shared.checks.judging_attention import Slips, attend, attention_slips


def cut(part: Tensor, num_heads: int) -> Tensor:
    """Each token cut into heads: (B, T, D) -> (B, H, T, K)."""
    return part.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def merged(heads: Tensor) -> Tensor:
    """Heads side by side: (B, H, T, K) -> (B, T, D)."""
    return heads.transpose(1, 2).flatten(2)


def attention(qkv: Sequence[Tensor], num_heads: int) -> Tensor:
    """Causal attention of three (B, T, D), cut into heads and merged: (B, T, D)."""
    return merged(attend(*(cut(part, num_heads) for part in qkv)))


def missing_transpose(out: Tensor, qkv: list[Tensor], W_out: Tensor, H: int) -> str | None:
    """A hint if `out`, (B, T, D), was made by heads that were split or merged by shape alone."""
    B, T, D = out.shape
    if near(out, attention(qkv, H) @ W_out):
        return None
    right = [cut(part, H) for part in qkv]  # (B, H, T, K)
    by_view = [part.reshape(B, H, T, D // H) for part in qkv]  # the shape, not the meaning
    turned = [part.unflatten(-1, (H, -1)) for part in qkv]  # (B, T, H, K)
    split = (
        "tokens are mixed: the split has the right shape, but each row must be cut to (B, T, H, K) "
        "and then the dimensions of token and head swapped by a transpose"
    )
    merge = "tokens are mixed: on the way back the transpose before the reshape is missing"
    across = (
        "the heads of one token look at each other: a transpose must bring the head before the "
        "token, (B, H, T, K), before the scores"
    )
    slips = [
        (attend(*right), merge),
        (attend(*by_view), split),
        (attend(*by_view).transpose(1, 2), split),
        (attend(*turned), across),
        (F.scaled_dot_product_attention(*turned), across),
    ]
    for mixed, hint in slips:
        whole = mixed.reshape(B, T, D)
        if near(out, whole @ W_out) or near(out, whole):
            return hint
    return None


def every_other(qkv: Sequence[Tensor], num_heads: int) -> Tensor:
    """What heads see that take every H-th number instead of neighbours: (B, H, T, K)."""
    return attend(*(part.unflatten(-1, (-1, num_heads)).permute(0, 3, 1, 2) for part in qkv))


def wrong_multi_head(
    out: Tensor, x: Tensor, matrices: Sequence[Tensor], num_heads: int
) -> str | None:
    """A hint for a known slip in `out`, (B, T, D): causal attention with heads, then W_out."""
    *inner, W_out = matrices
    qkv = [x @ W for W in inner]
    heads = [cut(part, num_heads) for part in qkv]  # (B, H, T, K) each
    right = attention(qkv, num_heads)
    others = every_other(qkv, num_heads)  # (B, H, T, K)
    neighbours = "numbers h*K to h*K + K - 1 belong to head h, they are neighbours: cut to (H, K)"
    slips = [
        (right, "the last product, with W_out, is missing"),
        (
            attention(qkv, 1) @ W_out,
            "this is one wide head: cut queries, keys and values into num_heads before the scores",
        ),
        (merged(others) @ W_out, neighbours),
        (others.permute(0, 2, 3, 1).flatten(2) @ W_out, neighbours),
        (
            attend(*heads).permute(0, 2, 3, 1).flatten(2) @ W_out,
            "on the way back the numbers of the heads take turns: put whole heads side by side",
        ),
        (right @ W_out + x, "x is added: that comes in chapter 3, here the mixture alone is asked"),
        (
            attention(qkv, num_heads) @ W_out.T,
            "W_out is transposed: it is used as x @ W_out, without .T",
        ),
        (
            merged(attend(*heads, scale=num_heads**-0.5)) @ W_out,
            "you divided by the square root of the number of heads: take that of their width K",
        ),
    ]
    inside = attention_slips(*heads, x.size(-1))
    slips += [(merged(mixed) @ W_out, hint) for mixed, hint in inside]
    return next((hint for slip, hint in slips if near(out, slip)), None)


def grouped_slips(q: Tensor, k: Tensor, v: Tensor, shared: Tensor) -> Slips:
    """Wrong ways to share heads of keys and values; `shared` is the right head for each query."""
    H, G = q.size(1), k.size(1)
    turns = torch.arange(H) % G
    first = torch.zeros_like(shared)
    take_turns = "query heads take turns, 0, 1, 0, 1: the first H / G of them must share head 0"
    own_k, own_v = k[:, shared], v[:, shared]
    no_mask = F.scaled_dot_product_attention
    return [
        (attend(q, k[:, turns], v[:, turns]), take_turns),
        (attend(q, own_v, own_k), "keys and values have taken each other's places"),
        (
            attend(q, own_k, v[:, turns]),
            "the keys are shared right, but with the values " + take_turns,
        ),
        (
            attend(q, k[:, turns], own_v),
            "the values are shared right, but with the keys " + take_turns,
        ),
        (attend(q, own_k.flip(1), own_v.flip(1)), "the groups come in the reverse order"),
        (
            attend(q, k[:, first], v[:, first]),
            "all query heads use head 0 of keys and values: each group has its own head",
        ),
        (
            no_mask(q, own_k, own_v),
            "the right groups, but the future leaks: is_causal=True is missing",
        ),
        (
            no_mask(q, k[:, turns], v[:, turns]),
            f"the future leaks: is_causal=True is missing; and {take_turns}",
        ),
        *(
            (slip, "the right groups, but " + hint)
            for slip, hint in attention_slips(q, own_k, own_v, H * q.size(-1))
        ),
    ]
