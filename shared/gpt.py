"""The GPT: configuration, Transformer block, model.

Written from 03_gpt/01_transformer_block, 03_gpt/02_gpt_model: change it there.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.attention import MultiHeadAttention


class LayerNorm(nn.Module):
    """Mean 0 and variance 1 over the last dimension, then learned scale and shift.

    (..., D) -> (..., D). Biased variance, as in GPT-2. Source: Ba et al. 2016, equation 4.
    """

    def __init__(self, emb_dim: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.scale = nn.Parameter(torch.ones(emb_dim))
        self.shift = nn.Parameter(torch.zeros(emb_dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.layer_norm(x, self.scale.shape, self.scale, self.shift, self.eps)  # (..., D)


class GELU(nn.Module):
    """Gaussian error linear unit in GPT-2's tanh form: (...) -> (...).

    Source: Hendrycks and Gimpel 2016, section 2.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.gelu(x, approximate="tanh")


class FeedForward(nn.Module):
    """Each token by itself, through a layer four times as wide: (B, T, D) -> (B, T, D).

    Source: Vaswani et al. 2017, section 3.3.
    """

    def __init__(self, emb_dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(emb_dim, 4 * emb_dim),
            GELU(),
            nn.Linear(4 * emb_dim, emb_dim),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)  # (B, T, D)


@dataclass(frozen=True)
class GPTConfig:
    """The numbers that define a GPT. Raises ValueError if they do not fit together."""

    vocab_size: int
    context_length: int
    emb_dim: int
    n_heads: int
    n_layers: int
    drop_rate: float = 0.1
    qkv_bias: bool = False
    tie_weights: bool = False

    def __post_init__(self) -> None:
        for name in ("vocab_size", "context_length", "emb_dim", "n_heads", "n_layers"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ValueError(f"{name}={value!r} must be a whole number of at least 1")
        if self.emb_dim % self.n_heads:
            raise ValueError(f"emb_dim={self.emb_dim} must be a multiple of n_heads={self.n_heads}")
        if not 0 <= self.drop_rate < 1:
            raise ValueError(f"drop_rate={self.drop_rate} must be at least 0 and below 1")


GPT_CONFIG_124M = GPTConfig(
    vocab_size=50257,  # GPT-2's tokens
    context_length=256,  # GPT-2 has 1024; a short book and a CPU are content with 256
    emb_dim=768,
    n_heads=12,
    n_layers=12,
    drop_rate=0.1,
    qkv_bias=False,
)


class TransformerBlock(nn.Module):
    """Attention, then feed-forward, each on a normalised copy and added back.

    (B, T, D) -> (B, T, D). Pre-norm, as in GPT-2. Source: Radford et al. 2019, section 2.3.
    """

    def __init__(self, cfg: GPTConfig) -> None:
        super().__init__()
        self.att = MultiHeadAttention(
            cfg.emb_dim, cfg.emb_dim, cfg.context_length, cfg.drop_rate, cfg.n_heads, cfg.qkv_bias
        )
        self.ff = FeedForward(cfg.emb_dim)
        self.norm1 = LayerNorm(cfg.emb_dim)
        self.norm2 = LayerNorm(cfg.emb_dim)
        self.drop_shortcut = nn.Dropout(cfg.drop_rate)

    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        x = x + self.drop_shortcut(self.att(self.norm1(x), cache))  # (B, T, D)
        return x + self.drop_shortcut(self.ff(self.norm2(x)))  # (B, T, D)


@torch.no_grad()
def start_as_gpt2(model: nn.Module) -> None:
    """Give a tied GPT the scales that GPT-2 starts with, where PyTorch's are others.

    Positions get N(0, 0.02); the two layers of each block that add to the sum are divided by the
    square root of the number of such layers. Source: Radford et al. 2019, section 2.3.
    """
    model.pos_emb.weight.normal_(0, 0.02)
    quiet = math.sqrt(2 * len(model.trf_blocks))
    for block in model.trf_blocks:
        block.att.out_proj.weight /= quiet
        block.ff.layers[2].weight /= quiet


class GPTModel(nn.Module):
    """Token ids to the next token's logits: (B, T) -> (B, T, V). Source: Radford et al. 2019.

    `caches`, one for each block, hold the earlier tokens while text is generated (03_gpt/04).
    Raises ValueError if the tokens, cached ones included, are more than the context holds.
    """

    def __init__(self, cfg: GPTConfig) -> None:
        super().__init__()
        self.cfg = cfg
        self.tok_emb = nn.Embedding(cfg.vocab_size, cfg.emb_dim)
        self.pos_emb = nn.Embedding(cfg.context_length, cfg.emb_dim)
        self.drop_emb = nn.Dropout(cfg.drop_rate)
        self.trf_blocks = nn.ModuleList(TransformerBlock(cfg) for _ in range(cfg.n_layers))
        self.final_norm = LayerNorm(cfg.emb_dim)
        self.out_head = nn.Linear(cfg.emb_dim, cfg.vocab_size, bias=False)
        if cfg.tie_weights:
            self.tok_emb.weight = self.out_head.weight
            start_as_gpt2(self)

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
        positions = torch.arange(start, start + T, device=idx.device)  # (T,)
        x = self.drop_emb(self.tok_emb(idx) + self.pos_emb(positions))  # (B, T, D)
        for block, cache in zip(self.trf_blocks, caches, strict=True):
            x = block(x, cache)  # (B, T, D)
        return self.out_head(self.final_norm(x))  # (B, T, V)


# Written by `python -m shared.kit.course copy`: fa0ce50279b5
