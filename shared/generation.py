"""From a prompt to text.

Written from 03_gpt/04_generating_text, 04_pretraining/04_decoding: change it there.
"""

from collections.abc import Callable, Iterator, Set

import torch
from torch import Tensor, nn

from shared.tokenizer import Tokenizer


def text_to_token_ids(text: str, tokenizer: Tokenizer,
                      allowed_special: Set[str] = frozenset({"<|endoftext|>"})) -> Tensor:
    """Token ids of a text as a batch of one: (1, T)."""
    ids = tokenizer.encode(text, allowed_special=set(allowed_special))
    return torch.tensor(ids, dtype=torch.long).unsqueeze(0)  # (1, T)


def token_ids_to_text(token_ids: Tensor, tokenizer: Tokenizer) -> str:
    """The text of a batch of one, (1, T), or of a row, (T,)."""
    return tokenizer.decode(token_ids.flatten().tolist())


def check_prompt(model: nn.Module, idx: Tensor, max_new_tokens: int, context_size: int) -> None:
    """Raise ValueError for a prompt, (B, T), or numbers from which nothing can be generated."""
    vocab_size = model.cfg.vocab_size
    context_length = model.cfg.context_length
    if idx.dim() != 2 or idx.numel() == 0:
        raise ValueError(f"the prompt has shape {tuple(idx.shape)}: "
                         "it must be (B, T) with at least one token each")
    if idx.min() < 0 or idx.max() >= vocab_size:
        raise ValueError(f"the prompt holds ids from {idx.min()} to {idx.max()}, "
                         f"but the model's vocabulary has only 0 to {vocab_size - 1}: "
                         "was it encoded with another tokenizer?")
    if max_new_tokens < 0:
        raise ValueError(f"max_new_tokens={max_new_tokens} must not be negative")
    if not 1 <= context_size <= context_length:
        raise ValueError(f"context_size={context_size} must be at least 1 and at most the model's "
                         f"context_length={context_length}")


def generate_text_simple(model: nn.Module, idx: Tensor, max_new_tokens: int,
                         context_size: int) -> Tensor:
    """Append the most likely next token, again and again: (B, T) -> (B, T + max_new_tokens).

    Reads the last `context_size` tokens afresh for each new one. The model should be in
    evaluation mode.
    Raises ValueError for an empty prompt, an id outside the vocabulary or a negative count.
    """
    check_prompt(model, idx, max_new_tokens, context_size)
    for _ in range(max_new_tokens):
        with torch.no_grad():
            logits = model(idx[:, -context_size:])  # (B, T, V)
        idx_next = logits[:, -1, :].argmax(dim=-1, keepdim=True)  # (B, 1)
        idx = torch.cat([idx, idx_next], dim=1)  # (B, T + 1)
    return idx


class KVCache:
    """The keys and values that one attention layer has computed so far, each (B, H, S, K)."""

    def __init__(self) -> None:
        self.keys: Tensor | None = None
        self.values: Tensor | None = None

    @property
    def length(self) -> int:
        """Tokens remembered, S."""
        return 0 if self.keys is None else self.keys.size(2)

    def append(self, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Remember T more tokens, (B, H, T, K) each; return all, (B, H, S + T, K) each."""
        if self.keys is not None:
            keys = torch.cat([self.keys, keys], dim=2)  # (B, H, S + T, K)
            values = torch.cat([self.values, values], dim=2)  # (B, H, S + T, K)
        self.keys = keys
        self.values = values
        return keys, values


def greedy(logits: Tensor) -> Tensor:
    """The most likely token of each row: (B, V) -> (B, 1)."""
    return logits.argmax(dim=-1, keepdim=True)


def stream_tokens(model: nn.Module, idx: Tensor, max_new_tokens: int, context_size: int,
                  choose: Callable[[Tensor], Tensor] = greedy,
                  eos_id: int | None = None) -> Iterator[Tensor]:
    """Yield the next token of each row, (B, 1), one step at a time, with a key-value cache.

    A row that has produced `eos_id` goes on with `eos_id`; the stream ends when all rows have.
    Raises ValueError for an empty prompt, an id outside the vocabulary or a negative count.
    """
    check_prompt(model, idx, max_new_tokens, context_size)
    ended = torch.zeros(idx.size(0), 1, dtype=torch.bool, device=idx.device)  # (B, 1)
    caches = [KVCache() for _ in model.trf_blocks]
    unread = idx[:, -context_size:]  # (B, T)
    for _ in range(max_new_tokens):
        if caches[0].length + unread.size(1) > context_size:
            # at the context's end all positions shift by one: nothing remembered is valid any more
            caches = [KVCache() for _ in model.trf_blocks]
            unread = idx[:, -context_size:]  # (B, T)
        with torch.no_grad():
            logits = model(unread, caches)[:, -1, :]  # (B, V)
        unread = choose(logits)  # (B, 1)
        if eos_id is not None:
            unread = unread.masked_fill(ended, eos_id)
            ended = ended | (unread == eos_id)
            if ended.all():
                return
        idx = torch.cat([idx, unread], dim=1)  # (B, T + 1)
        yield unread


def to_column_major(model: nn.Module) -> None:
    """Store each Linear weight, (out, in), input by input in memory: the same values.

    For one token they are often read faster. A weight that is also an embedding's stays
    row-major, since a lookup reads rows.
    """
    tables = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Embedding)}
    for layer in model.modules():
        if isinstance(layer, nn.Linear) and id(layer.weight) not in tables:
            by_input = layer.weight.data.t().contiguous()  # (in, out), copied in this order
            layer.weight.data = by_input.t()  # (out, in) as before, strides (1, out)


def next_token_probs(logits: Tensor, temperature: float = 1.0, top_k: int | None = None,
                     top_p: float | None = None) -> Tensor:
    """Probabilities after temperature, then top-k, then top-p: (B, V) -> (B, V), rows with sum 1.

    Raises ValueError for settings out of range. Sources: Fan et al. 2018, section 5.4 (top-k);
    Holtzman et al. 2020, section 3.1 (top-p).
    """
    right_k = top_k is None or top_k >= 1
    right_p = top_p is None or 0 < top_p <= 1
    if temperature <= 0 or not right_k or not right_p:
        raise ValueError(f"temperature={temperature} must be above 0, top_k={top_k} at least 1, "
                         f"top_p={top_p} above 0 and at most 1")
    # less the largest: the same probabilities, but a tiny temperature cannot overflow
    logits = (logits - logits.max(dim=-1, keepdim=True).values) / temperature
    if top_k is not None:
        kth = logits.topk(min(top_k, logits.size(-1))).values[:, -1:]  # (B, 1)
        logits = logits.masked_fill(logits < kth, -torch.inf)
    probs = logits.softmax(dim=-1)  # (B, V)
    if top_p is not None and top_p < 1:
        # in 64 bits: a sum of so many small numbers would lose too much in 32
        ordered, order = logits.double().softmax(dim=-1).sort(dim=-1, descending=True)  # (B, V)
        # a token goes if those before it already hold top_p; the first always stays
        gone = ordered.cumsum(dim=-1) - ordered >= top_p
        probs = probs.masked_fill(gone.scatter(-1, order, gone), 0.0)
        probs = probs / probs.sum(dim=-1, keepdim=True)
    return probs


def generate(model: nn.Module, idx: Tensor, max_new_tokens: int, context_size: int,
             temperature: float = 0.0, top_k: int | None = None, top_p: float | None = None,
             eos_id: int | None = None, generator: torch.Generator | None = None) -> Tensor:
    """Append up to max_new_tokens tokens, greedily at temperature 0, else drawn.

    (B, T) -> (B, T + new). Stops when every row has reached `eos_id`, which is not appended by
    the last row to reach it.
    """
    def draw(logits: Tensor) -> Tensor:
        probs = next_token_probs(logits, temperature, top_k, top_p)  # (B, V)
        return torch.multinomial(probs, 1, generator=generator)  # (B, 1)

    choose = greedy if temperature == 0 else draw
    new_tokens = stream_tokens(model, idx, max_new_tokens, context_size, choose, eos_id)
    return torch.cat([idx, *new_tokens], dim=1)


# Written by `python -m shared.kit.course copy`: a7601d88051e
