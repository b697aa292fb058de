"""Causal multi-head attention. Born in 02_attention/04_multi_head."""

from typing import Any

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor


class MultiHeadAttention(nn.Module):
    """Causal self-attention in many heads at once: (B, T, d_in) -> (B, T, d_out).

    `cache` holds the keys and values of earlier tokens (03_gpt/04).
    Raises ValueError if width or length does not fit. Source: Vaswani et al. 2017, section 3.2.2.
    """

    def __init__(self, d_in: int, d_out: int, context_length: int, dropout: float, num_heads: int,
                 qkv_bias: bool = False) -> None:
        super().__init__()
        if num_heads < 1 or d_out % num_heads:
            raise ValueError(f"d_out={d_out} must be a multiple of num_heads={num_heads}")
        self.num_heads = num_heads
        self.context_length = context_length
        self.dropout = dropout
        self.W_query = nn.Linear(d_in, d_out, bias=qkv_bias)
        self.W_key = nn.Linear(d_in, d_out, bias=qkv_bias)
        self.W_value = nn.Linear(d_in, d_out, bias=qkv_bias)
        self.out_proj = nn.Linear(d_out, d_out)

    def forward(self, x: Tensor, cache: Any = None) -> Tensor:
        B, T, _ = x.shape
        q = self.W_query(x).view(B, T, self.num_heads, -1).transpose(1, 2)  # (B, H, T, K)
        k = self.W_key(x).view(B, T, self.num_heads, -1).transpose(1, 2)  # (B, H, T, K)
        v = self.W_value(x).view(B, T, self.num_heads, -1).transpose(1, 2)  # (B, H, T, K)
        if cache is not None:
            k, v = cache.append(k, v)  # (B, H, S, K): S tokens so far, these T the last of them
        S = k.size(2)
        if S > self.context_length:
            raise ValueError(f"{S} tokens do not fit into context_length={self.context_length}: "
                             "shorten the input")
        mask = None
        if T not in (1, S):  # several tokens after a cache; a single one may see all before it
            mask = torch.ones(T, S, dtype=torch.bool, device=x.device).tril(S - T)  # (T, S)
        dropout = self.dropout if self.training else 0.0
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout,
                                             is_causal=(S == T))
        return self.out_proj(out.transpose(1, 2).reshape(B, T, -1))  # (B, T, d_out)
