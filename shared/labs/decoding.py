"""The lab of 04_pretraining/04_decoding: what is drawn, and what is copied."""

import html
from collections.abc import Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.generation import greedy, next_token_probs, stream_tokens, text_to_token_ids
from shared.kit.plots import BLACK, BLUE, PALE
from shared.memorization import copied_run_lengths, copied_share


def draw_samples(
    model: nn.Module,
    idx: Tensor,
    max_new_tokens: int,
    seeds: Sequence[int],
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> Tensor:
    """One continuation a seed of a prompt (1, T), drawn together: (len(seeds), max_new_tokens)."""
    generators = [torch.Generator().manual_seed(seed) for seed in seeds]

    def draw(logits: Tensor) -> Tensor:
        probs = next_token_probs(logits, temperature, top_k, top_p)  # (B, V)
        drawn = [torch.multinomial(p, 1, generator=g) for p, g in zip(probs, generators)]
        return torch.stack(drawn)  # (B, 1)

    choose = greedy if temperature == 0 else draw
    context_size = model.cfg.context_length
    rows = idx.repeat(len(seeds), 1)  # (B, T)
    return torch.cat(list(stream_tokens(model, rows, max_new_tokens, context_size, choose)), dim=1)


def draw_decoding(
    model: nn.Module,
    tokenizer: Any,
    training_ids: Sequence[int],
    prompt: str,
    temperature: float,
    top_k: int,
    top_p: float,
    seed: int,
) -> tuple[Figure, str]:
    """The next token's probabilities as bars, and three samples with what they copied.

    A top_k of 0 and a top_p of 1 mean off. Raises ValueError for an empty prompt.
    """
    idx = text_to_token_ids(prompt, tokenizer)  # (1, T)
    if idx.numel() == 0:
        raise ValueError("the prompt is empty: type at least one character")
    context_size = model.cfg.context_length
    k = top_k or None
    p = top_p if top_p < 1 else None
    with torch.no_grad():
        logits = model(idx[:, -context_size:])[:, -1]  # (1, V)
    plain = logits.softmax(-1)[0]  # (V,)
    if temperature == 0:
        probs = nn.functional.one_hot(plain.argmax(), len(plain)).float()  # (V,)
    else:
        probs = next_token_probs(logits, temperature, k, p)[0]  # (V,)
    seeds = [seed, seed + 1, seed + 2]
    samples = draw_samples(model, idx, 28, seeds, temperature, k, p)
    page = show_samples(samples, seeds, tokenizer, training_ids)
    return draw_next_token(plain, probs, tokenizer), page


def draw_next_token(plain: Tensor, probs: Tensor, tokenizer: Any, shown: int = 14) -> Figure:
    """The model's favourites before and after temperature and cuts, both (V,)."""
    top = plain.topk(shown).indices.tolist()
    names = [repr(tokenizer.decode([token]))[1:-1] for token in top]
    figure, ax = plt.subplots(figsize=(9, 2.6))
    ax.bar(range(shown), probs[top].tolist(), color=BLUE, label="used for drawing")
    own = "the model's own (temperature 1)"
    ax.bar(range(shown), plain[top].tolist(), fill=False, edgecolor=BLACK, label=own)
    ax.set_xticks(range(shown), names, rotation=40, family="monospace")
    entropy = -(probs * probs.clamp_min(1e-12).log2()).sum()
    possible = int((probs > 0).sum())
    title = f"next token: {possible} possible, entropy {abs(entropy.item()):.2f} bits"
    ax.set(ylabel="probability", ylim=(0, 1), title=title)
    ax.legend()
    return figure


def show_samples(
    samples: Tensor, seeds: Sequence[int], tokenizer: Any, training_ids: Sequence[int]
) -> str:
    """Samples (B, S) side by side in HTML, what is copied from the training text coloured."""
    columns = []
    for row, seed in zip(samples.tolist(), seeds):
        lengths = copied_run_lengths(row, training_ids).tolist()
        text = ""
        for i, token in enumerate(row):
            piece = html.escape(tokenizer.decode([token]))
            if any(lengths[j] >= max(8, i - j + 1) for j in range(i + 1)):  # inside a copied run
                piece = f'<span style="background:{PALE[3]};color:#000">{piece}</span>'
            text += piece
        share = copied_share(row, training_ids)
        meter = f"longest copied run {max(lengths)} tokens, {share:.0%} in runs of 8 or more"
        columns.append(
            f'<div style="flex:1;min-width:200px;line-height:1.4"><b>seed {seed}</b><br>{text}<br>'
            f"<i>{meter}</i></div>"
        )
    return f'<div style="display:flex;gap:16px">{"".join(columns)}</div>'
