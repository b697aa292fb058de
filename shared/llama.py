"""The Llama: configuration, block, model.

Written from 03_gpt/05_modern_blocks: change it there.
"""

from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class RMSNorm(nn.Module):
    """Root mean square 1 over the last dimension, then a learned scale: (..., D) -> (..., D).

    Source: Zhang and Sennrich 2019, equation 4.
    """

    def __init__(self, emb_dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(emb_dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, self.scale.shape, self.scale, self.eps)  # (..., D)


def rotary_angles(context_length: int, head_dim: int, base: float = 10_000.0) -> Tensor:
    """The angle of each position and pair of numbers, in radians: (context_length, K / 2).

    The first pair turns by one radian a position, each further one more slowly.
    Raises ValueError for an odd head_dim. Source: Su et al. 2021, section 3.2.2.
    """
    if head_dim % 2:
        raise ValueError(f"head_dim={head_dim} must be even: numbers are turned in pairs")
    speeds = base ** (-torch.arange(0, head_dim, 2) / head_dim)  # (K / 2,)
    return torch.outer(torch.arange(context_length).float(), speeds)  # (C, K / 2)


def rotate(x: Tensor, angles: Tensor) -> Tensor:
    """Turn the pairs of each head's vector by the angles of its position: (B, H, T, K), same.

    Number i and number i + K/2 make a pair. `angles` is (T, K / 2). Source: Su et al. 2021.
    """
    a, b = x.chunk(2, dim=-1)  # (B, H, T, K / 2) each
    cos = angles.cos()
    sin = angles.sin()
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)  # (B, H, T, K)


class SwiGLU(nn.Module):
    """Feed-forward whose one layer opens and closes the other: (B, T, D) -> (B, T, D).

    Source: Shazeer 2020, equation 6.
    """

    def __init__(self, emb_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.gate = nn.Linear(emb_dim, hidden_dim, bias=False)
        self.up = nn.Linear(emb_dim, hidden_dim, bias=False)
        self.down = nn.Linear(hidden_dim, emb_dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.down(F.silu(self.gate(x)) * self.up(x))  # (B, T, D)


class GroupedQueryAttention(nn.Module):
    """Causal attention with rotary positions; H query heads share G heads of keys and values.

    (B, T, D) -> (B, T, D). `angles`, (context_length, K / 2), turn queries and keys; `cache`
    holds the G heads of earlier tokens. Source: Ainslie et al. 2023, section 2.2.
    """

    def __init__(self, emb_dim: int, n_heads: int, n_kv_heads: int) -> None:
        super().__init__()
        self.head_dim = emb_dim // n_heads
        self.W_query = nn.Linear(emb_dim, n_heads * self.head_dim, bias=False)
        self.W_key = nn.Linear(emb_dim, n_kv_heads * self.head_dim, bias=False)
        self.W_value = nn.Linear(emb_dim, n_kv_heads * self.head_dim, bias=False)
        self.out_proj = nn.Linear(emb_dim, emb_dim, bias=False)

    def forward(self, x: Tensor, angles: Tensor, cache: Any = None) -> Tensor:
        B, T, _ = x.shape
        q = self.W_query(x).view(B, T, -1, self.head_dim).transpose(1, 2)  # (B, H, T, K)
        k = self.W_key(x).view(B, T, -1, self.head_dim).transpose(1, 2)  # (B, G, T, K)
        v = self.W_value(x).view(B, T, -1, self.head_dim).transpose(1, 2)  # (B, G, T, K)
        q = rotate(q, angles)  # (B, H, T, K)
        k = rotate(k, angles)  # (B, G, T, K)
        if cache is not None:
            k, v = cache.append(k, v)  # (B, G, S, K): S tokens so far, these T the last of them
        S = k.size(2)
        mask = None
        if T not in (1, S):  # several tokens after a cache; a single one may see all before it
            mask = torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)  # (T, S)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=(S == T),
                                             enable_gqa=True)  # (B, H, T, K)
        return self.out_proj(out.transpose(1, 2).reshape(B, T, -1))  # (B, T, D)


@dataclass(frozen=True)
class LlamaConfig:
    """The numbers that define a Llama. Raises ValueError if they do not fit together."""

    vocab_size: int
    context_length: int
    emb_dim: int
    n_heads: int
    n_kv_heads: int
    n_layers: int
    hidden_dim: int
    rope_base: float = 10_000.0
    norm_eps: float = 1e-5
    tie_weights: bool = True

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context_length", "emb_dim", "n_heads", "n_kv_heads",
                     "n_layers", "hidden_dim"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
        if self.emb_dim % (2 * self.n_heads):
            raise ValueError(f"emb_dim={self.emb_dim} must be an even multiple of "
                             f"n_heads={self.n_heads}: each head turns its numbers in pairs")
        if self.n_heads % self.n_kv_heads:
            raise ValueError(f"n_heads={self.n_heads} must be a multiple of "
                             f"n_kv_heads={self.n_kv_heads}: each of those serves equally many")


class LlamaBlock(nn.Module):
    """Attention, then feed-forward, each on a normalised copy and added back.

    (B, T, D) -> (B, T, D). Source: Touvron et al. 2023, section 2.2.
    """

    def __init__(self, cfg: LlamaConfig) -> None:
        super().__init__()
        self.att = GroupedQueryAttention(cfg.emb_dim, cfg.n_heads, cfg.n_kv_heads)
        self.ff = SwiGLU(cfg.emb_dim, cfg.hidden_dim)
        self.norm1 = RMSNorm(cfg.emb_dim, cfg.norm_eps)
        self.norm2 = RMSNorm(cfg.emb_dim, cfg.norm_eps)

    def forward(self, x: Tensor, angles: Tensor, cache: Any = None) -> Tensor:
        x = x + self.att(self.norm1(x), angles, cache)  # (B, T, D)
        return x + self.ff(self.norm2(x))  # (B, T, D)


class LlamaModel(nn.Module):
    """Token ids to the next token's logits: (B, T) -> (B, T, V). Source: Touvron et al. 2023.

    Used like GPTModel; `caches`, one for each block, hold the earlier tokens.
    Raises ValueError if the tokens, cached ones included, are more than the context holds.
    """

    def __init__(self, cfg: LlamaConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.tok_emb = nn.Embedding(cfg.vocab_size, cfg.emb_dim)
        self.trf_blocks = nn.ModuleList(LlamaBlock(cfg) for _ in range(cfg.n_layers))
        self.final_norm = RMSNorm(cfg.emb_dim, cfg.norm_eps)
        self.out_head = nn.Linear(cfg.emb_dim, cfg.vocab_size, bias=False)
        if cfg.tie_weights:
            self.tok_emb.weight = self.out_head.weight
        angles = rotary_angles(cfg.context_length, cfg.emb_dim // cfg.n_heads, cfg.rope_base)
        self.register_buffer("angles", angles, persistent=False)  # not learned, not saved

    def forward(self, idx: Tensor, caches: Any = None) -> Tensor:
        start = 0
        if caches:
            start = caches[0].length  # tokens that were read before
        else:
            caches = [None] * len(self.trf_blocks)
        T = idx.size(1)
        if start + T > self.cfg.context_length:
            raise ValueError(f"{start + T} tokens are more than "
                             f"context_length={self.cfg.context_length}: pass only the last ones, "
                             "or build a model with a longer context")
        angles = self.angles[start : start + T]  # (T, K / 2)
        x = self.tok_emb(idx)  # (B, T, D)
        for block, cache in zip(self.trf_blocks, caches, strict=True):
            x = block(x, angles, cache)  # (B, T, D)
        return self.out_head(self.final_norm(x))  # (B, T, V)


# Written by `python -m shared.kit.course copy`: f3a3c47887a7
