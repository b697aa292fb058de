"""The lab of 05_instruction_finetuning/11_take_it_away: a packing, its size and its answer."""

import copy
import html
from collections.abc import Callable, Iterator

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.figure import Figure
from torch import nn

from shared.generation import stream_tokens
from shared.gguf_export import PACK
from shared.gguf_weights import UNPACK
from shared.kit.plots import BLUE, ORANGE
from shared.tokenizer import BPETokenizer

LONGEST = 24  # tokens of an answer


def block_figure(block: np.ndarray) -> Figure:
    """The numbers of one block, (1, 32), and what each packing gives back."""
    figure, axes = plt.subplots(1, 2, figsize=(9, 3), sharey=True)
    places = np.arange(block.size)
    for ax, packing, colour in zip(axes, ("Q8_0", "Q4_1"), (BLUE, ORANGE)):
        back = UNPACK[packing](PACK[packing](block))[0]
        ax.vlines(places, 0, block[0], color="#999999", linewidth=2)
        ax.plot(places, back, "o", color=colour, markersize=4, label="unpacked")
        ax.set(
            xlabel="number of the block",
            title=f"{packing}: {8 * len(PACK[packing](block)[0]) / block.size} bits",
        )
        if packing == "Q4_1":
            for level in np.linspace(block.min(), block.max(), 16):
                ax.axhline(level, color=colour, linewidth=0.3)
    axes[0].set(ylabel="weight")
    figure.tight_layout()
    return figure


def size_figure(sizes: dict[str, float]) -> Figure:
    """The bytes of each part of a model as bars, in MB."""
    figure, ax = plt.subplots(figsize=(7, 1.8))
    left = 0.0
    for (part, size), colour in zip(sizes.items(), (BLUE, ORANGE, "#999999")):
        ax.barh([0], [size / 1e6], left=left, color=colour, label=f"{part}: {size / 1e6:,.2f} MB")
        left += size / 1e6
    ax.set(xlabel=f"size of the file's tensors (MB), {left:,.2f} in all", yticks=[])
    ax.legend(ncols=3, loc="lower center", bbox_to_anchor=(0.5, 1.0), frameon=False)
    figure.tight_layout()
    return figure


def packed_answers(
    model: nn.Module,
    tokenizer: BPETokenizer,
    prompt_of: Callable[[str], str],
    matrices: str,
    table: str,
    question: str,
) -> Iterator[tuple[Figure | None, str]]:
    """Pack a copy of the model, then let it answer; yield size, progress and the growing answer.

    Raises ValueError for an empty question.
    """
    if not question.strip():
        raise ValueError("there is no question: type one")
    packed = copy.deepcopy(model)
    names = dict(packed.named_parameters())
    sizes = {"matrices": 0.0, "token table": 0.0, "norms": 0.0}
    moved = {"matrices": [0.0, 0.0], "token table": [0.0, 0.0]}
    for number, (name, weight) in enumerate(names.items()):
        part = "norms" if weight.dim() == 1 else "matrices"
        if name in ("tok_emb.weight", "out_head.weight"):
            part = "token table"
        if part == "norms":
            sizes[part] += 4 * weight.numel()
            continue
        packing = matrices if part == "matrices" else table
        rows = weight.detach().numpy()
        stored = PACK[packing](rows)
        back = torch.from_numpy(UNPACK[packing](stored).copy())
        sizes[part] += stored.nbytes
        moved[part][0] += (back - weight.detach()).square().sum().item()
        moved[part][1] += weight.detach().square().sum().item()
        weight.data.copy_(back)
        if number % 30 == 0:
            yield None if number else size_figure(sizes), f"packing: {number + 1} of {len(names)}"
    shares = [f"{part} {(off / whole) ** 0.5:.2%}" for part, (off, whole) in moved.items()]
    told = f"<p>The weights moved, as a share of their size: {', '.join(shares)}.</p>"
    yield size_figure(sizes), told
    ids = tokenizer.encode(prompt_of(question), allowed_special="all")
    length = min(packed.cfg.context_length, 512)
    said: list[int] = []
    stream = stream_tokens(packed, torch.tensor([ids]), LONGEST, length, eos_id=tokenizer.eot_token)
    for token in stream:
        if token.item() == tokenizer.eot_token:
            break
        said.append(token.item())
        yield None, f"{told}<p><b>Answer:</b> {html.escape(tokenizer.decode(said))}</p>"
