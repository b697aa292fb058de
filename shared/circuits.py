"""What the heads of a LlamaModel look at, heads switched off, and the logit lens.

Written from 04_pretraining/11_inside_a_real_model: change it there.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.llama import GroupedQueryAttention, LlamaModel, rotate


def embedded(model: LlamaModel, idx: Tensor) -> tuple[Tensor, Tensor]:
    """What the first block reads: ids (B, T) -> vectors (B, T, D), angles (T, K / 2).

    Raises ValueError for no tokens, or more than the context holds.
    """
    if idx.dim() != 2 or not 1 <= idx.size(1) <= model.cfg.context_length:
        raise ValueError(f"the tokens have shape {tuple(idx.shape)}: give (B, T), T from 1 to "
                         f"context_length={model.cfg.context_length}")
    return model.tok_emb(idx), model.angles[: idx.size(1)]


def head_weights(att: GroupedQueryAttention, x: Tensor, angles: Tensor) -> Tensor:
    """The attention weights of each head, future left out: x (B, T, D) -> (B, H, T, T)."""
    B, T, _ = x.shape
    q = att.W_query(x).view(B, T, -1, att.head_dim).transpose(1, 2)  # (B, H, T, K)
    k = att.W_key(x).view(B, T, -1, att.head_dim).transpose(1, 2)  # (B, G, T, K)
    q = rotate(q, angles)  # (B, H, T, K)
    k = rotate(k, angles)  # (B, G, T, K)
    k = k.repeat_interleave(q.size(1) // k.size(1), dim=1)  # (B, H, T, K)
    scores = q @ k.transpose(-2, -1) / att.head_dim**0.5  # (B, H, T, T)
    future = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)  # (T, T)
    return scores.masked_fill(future, -torch.inf).softmax(dim=-1)


def attention_maps(model: LlamaModel, idx: Tensor) -> Tensor:
    """The attention weights of all heads of all L layers: ids (B, T) -> (L, B, H, T, T).

    Raises ValueError for no tokens, or more than the context holds.
    """
    maps = []
    with torch.no_grad():
        x, angles = embedded(model, idx)  # (B, T, D), (T, K / 2)
        for block in model.trf_blocks:
            maps.append(head_weights(block.att, block.norm1(x), angles))  # (B, H, T, T)
            x = block(x, angles)  # (B, T, D)
    return torch.stack(maps)


def score_back(maps: Tensor, back: int, first: int) -> Tensor:
    """Mean weight of each head on the token `back` before: (L, B, H, T, T) -> (L, H).

    The mean is over the tokens from number `first` on.
    Raises ValueError unless 1 <= back <= first < T.
    """
    T = maps.size(-1)
    if not 1 <= back <= first < T:
        raise ValueError(f"back={back} and first={first} need 1 <= back <= first < {T}, "
                         "the number of tokens")
    weights = maps.diagonal(-back, dim1=-2, dim2=-1)  # (L, B, H, T - back)
    return weights[..., first - back :].mean(dim=(1, 3))  # (L, H)


def best_heads(scores: Tensor, count: int) -> list[tuple[int, int]]:
    """Layer and head of the `count` highest scores, (L, H), the best first."""
    places = scores.flatten().topk(count).indices
    return [divmod(place, scores.size(1)) for place in places.tolist()]


@contextmanager
def heads_off(model: LlamaModel, heads: Iterable[tuple[int, int]]) -> Iterator[None]:
    """Switch heads, (layer, head) each, off inside a `with`, and on again after it, come what may.

    Raises ValueError for a head that the model has not, before any is off.
    """
    heads = sorted(set(heads))
    for layer, head in heads:
        if not (0 <= layer < model.cfg.n_layers and 0 <= head < model.cfg.n_heads):
            raise ValueError(f"there is no head {head} in layer {layer}: this model has layers 0 "
                             f"to {model.cfg.n_layers - 1}, heads 0 to {model.cfg.n_heads - 1}")
    kept = []  # the columns of out_proj that read a head, and their numbers
    try:
        for layer, head in heads:
            att = model.trf_blocks[layer].att
            columns = att.out_proj.weight.data[:, head * att.head_dim : (head + 1) * att.head_dim]
            kept.append((columns, columns.clone()))  # (D, K) each
            columns.zero_()
        yield
    finally:
        for columns, numbers in kept:
            columns.copy_(numbers)


def round_losses(model: LlamaModel, repeated: Tensor) -> tuple[float, float]:
    """Mean loss, in nats, in the first round and in the second, of tokens said twice, (B, 2 P).

    Raises ValueError for tokens that are not said twice.
    """
    P = repeated.size(1) // 2
    if P < 2 or not torch.equal(repeated[:, :P], repeated[:, P:]):
        raise ValueError(f"the tokens, of shape {tuple(repeated.shape)}, must be two equal halves "
                         "of at least 2 tokens: torch.cat([half, half], dim=1)")
    with torch.no_grad():
        logits = model(repeated[:, :-1]).transpose(1, 2)  # (B, V, 2 P - 1)
    losses = F.cross_entropy(logits, repeated[:, 1:], reduction="none")  # (B, 2 P - 1)
    return losses[:, : P - 1].mean().item(), losses[:, P:].mean().item()


def layer_states(model: LlamaModel, idx: Tensor) -> Tensor:
    """What flows into the first layer and out of each: ids (B, T) -> (L + 1, B, T, D).

    Raises ValueError for no tokens, or more than the context holds.
    """
    with torch.no_grad():
        x, angles = embedded(model, idx)  # (B, T, D), (T, K / 2)
        states = [x]
        for block in model.trf_blocks:
            x = block(x, angles)  # (B, T, D)
            states.append(x)
    return torch.stack(states)


def logit_lens(model: LlamaModel, states: Tensor) -> Tensor:
    """Logits read from states as if they were the last: (..., D) -> (..., V).

    Source: nostalgebraist 2020, "interpreting GPT: the logit lens".
    """
    with torch.no_grad():
        return model.out_head(model.final_norm(states))


# Written by `python -m shared.kit.course copy`: 19e1217a6ff7
