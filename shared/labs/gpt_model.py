"""The lab of 03_gpt/02_gpt_model, the operating table: a trained model with parts switched off."""

import html
from collections.abc import Collection, Iterator
from dataclasses import dataclass

import matplotlib.pyplot as plt
import torch
import torch.nn.functional as F
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.characters import character_ids
from shared.gpt import GPTModel

BLIND = 1e-4  # a smaller move of the chances is rounding
SNIPPET = 16  # characters in an attention map
WRITTEN = 48  # characters that the model writes


@dataclass(frozen=True)
class Cut:
    """What is switched off. Blocks count from 0; a head is a pair (block, head)."""

    positions: bool = False
    mask: bool = False
    last_norm: bool = False
    shortcuts: Collection[int] = ()
    blocks: Collection[int] = ()
    heads: Collection[tuple[int, int]] = ()


def attend(att: nn.Module, x: Tensor, masked: bool, off: Collection[int]) -> tuple[Tensor, Tensor]:
    """What attention adds to x, (B, T, D), and its weights, (B, H, T, T); heads in `off` are 0."""
    B, T, D = x.shape
    q, k, v = (
        layer(x).view(B, T, att.num_heads, -1).transpose(1, 2)  # (B, H, T, K)
        for layer in (att.W_query, att.W_key, att.W_value)
    )
    scores = q @ k.transpose(2, 3) / q.size(-1) ** 0.5  # (B, H, T, T)
    if masked:
        hidden = torch.ones(T, T, dtype=torch.bool, device=x.device).triu(1)  # (T, T)
        scores = scores.masked_fill(hidden, -torch.inf)
    weights = scores.softmax(dim=-1)  # (B, H, T, T)
    heads = weights @ v  # (B, H, T, K)
    if off:
        heads[:, list(off)] = 0
    return att.out_proj(heads.transpose(1, 2).reshape(B, T, D)), weights


@torch.no_grad()
def operate(model: GPTModel, ids: Tensor, cut: Cut) -> tuple[Tensor, dict[int, Tensor]]:
    """A model's forward pass without what is cut: logits, (B, T, V), and each block's weights."""
    x = model.tok_emb(ids)  # (B, T, D)
    if not cut.positions:
        x = x + model.pos_emb(torch.arange(ids.size(1)))  # (B, T, D)
    maps = {}
    for i, block in enumerate(model.trf_blocks):
        if i in cut.blocks:
            continue
        silent = [head for number, head in cut.heads if number == i]
        out, maps[i] = attend(block.att, block.norm1(x), not cut.mask, silent)
        x = out if i in cut.shortcuts else x + out
        out = block.ff(block.norm2(x))
        x = out if i in cut.shortcuts else x + out
    if not cut.last_norm:
        x = model.final_norm(x)
    return model.out_head(x), maps


@dataclass(frozen=True)
class Outcome:
    """What an operation does: mean loss, mean chance of the favourite, what shuffling the earlier
    characters moves the last guess by (total variation, 0 to 1), and what the model writes.
    """

    loss: float
    surest: float
    order: float
    written: str


class OperatingTable:
    """A trained GPT of characters, in evaluation mode, and a held-out text to try it on.

    Raises ValueError if the text does not fill one context.
    """

    def __init__(self, model: GPTModel, alphabet: str, text: str) -> None:
        self.model = model.eval()
        self.alphabet = alphabet
        self.text = text
        self.T = model.cfg.context_length
        self.ids = character_ids(text, alphabet)  # (number of characters,)
        if not (windows := (len(self.ids) - 1) // self.T):
            raise ValueError(f"{len(text)} characters do not fill a context of {self.T}")
        self.inputs = self.ids[: windows * self.T].view(windows, self.T)
        self.targets = self.ids[1 : windows * self.T + 1].view(windows, self.T)
        self.whole = self.measure(Cut())

    def losses(self, cut: Cut) -> Tensor:
        """The loss of each guess: (windows, T)."""
        logits, _ = operate(self.model, self.inputs, cut)
        return F.cross_entropy(logits.transpose(1, 2), self.targets, reduction="none")

    def measure(self, cut: Cut) -> Outcome:
        """Loss, sureness, sense of order and writing after an operation."""
        logits, _ = operate(self.model, self.inputs, cut)
        chances = logits.softmax(dim=-1)  # (windows, T, V)
        past = torch.randperm(self.T - 1, generator=torch.Generator().manual_seed(123))
        shuffled = self.inputs[:, [*past.tolist(), self.T - 1]]  # the last character stays last
        after = operate(self.model, shuffled, cut)[0][:, -1].softmax(dim=-1)  # (windows, V)
        return Outcome(
            loss=F.cross_entropy(logits.flatten(0, 1), self.targets.flatten()).item(),
            surest=chances.amax(dim=-1).mean().item(),
            order=(after - chances[:, -1]).abs().sum(dim=-1).mean().item() / 2,
            written=self.write(cut),
        )

    def write(self, cut: Cut) -> str:
        """Go on from the held-out text's first window, each character drawn by its chances."""
        generator = torch.Generator().manual_seed(123)
        ids = self.ids[: self.T]
        for _ in range(WRITTEN):
            logits, _ = operate(self.model, ids[None, -self.T :], cut)
            chances = logits[0, -1].softmax(dim=-1)  # (V,)
            ids = torch.cat([ids, torch.multinomial(chances, 1, generator=generator)])
        return "".join(self.alphabet[i] for i in ids[self.T :])

    def show(
        self,
        positions: bool = True,
        mask: bool = True,
        last_norm: bool = True,
        shortcuts: Collection[int] = (),
        blocks: Collection[int] = (),
        heads: Collection[tuple[int, int]] = (),
        shown: tuple[int, int] = (0, 0),
    ) -> tuple[str, Figure]:
        """The lab: numbers and text before and after, and the map of the head `shown`.

        The first three are on or off; the others name what is off.
        """
        cut = Cut(not positions, not mask, not last_norm, shortcuts, blocks, heads)
        outcome = self.measure(cut)
        told = verdict(cut, self.whole, outcome)
        return outcome_html(self.whole, outcome, told), self.maps(cut, shown)

    def maps(self, cut: Cut, shown: tuple[int, int]) -> Figure:
        """One head's attention weights over the text's first characters, before and after."""
        ids = self.ids[None, : min(SNIPPET, self.T)]
        characters = [c.replace(" ", "·").replace("\n", "↵").replace("$", r"\$")
                      for c in self.text[: ids.size(1)]]  # fmt: skip
        figure, axes = plt.subplots(1, 2, figsize=(7.6, 3.5), sharey=True)
        for ax, each, title in zip(axes, (Cut(), cut), ("whole", "after the operation")):
            weights = operate(self.model, ids, each)[1].get(shown[0])  # (1, H, T, T)
            off = weights is None or shown in each.heads
            looks = torch.zeros(len(characters), len(characters)) if off else weights[0, shown[1]]
            ax.imshow(looks.numpy(), cmap="Blues", vmin=0, vmax=1)
            ax.set_xticks(range(len(characters)), characters)
            title += ": switched off" * off
            ax.set(xlabel="the character looked at", title=title)
        axes[0].set_yticks(range(len(characters)), characters)
        axes[0].set_ylabel(f"who looks (block {shown[0] + 1}, head {shown[1] + 1})")
        return figure


def verdict(cut: Cut, whole: Outcome, outcome: Outcome) -> str:
    """One sentence on an operation, for the reader who looks for what makes the model blind."""
    if cut == Cut():
        return "Nothing is switched off."
    if outcome.order < BLIND:
        return (
            "<b>Found one:</b> the last guess does not move when the earlier characters are "
            "shuffled. What is left sees which characters came, not their order."
        )
    change = outcome.loss - whole.loss
    return f"The loss {'rises' if change > 0 else 'falls'} by {abs(change):.2f}."


def outcome_html(whole: Outcome, outcome: Outcome, told: str) -> str:
    """Both outcomes as the rows of a table, below a sentence."""
    style = 'style="padding:2px 10px;text-align:left"'
    head = ("", "held-out loss", "chance of its favourite", "shuffled past moves its guess by",
            "what it writes next")  # fmt: skip
    rows = [head]
    for name, o in ("whole", whole), ("after", outcome):
        written = html.escape(o.written.replace("\n", "↵"))
        numbers = (f"{o.loss:.2f}", f"{o.surest:.2f}", f"{o.order:.2f}")
        rows.append((name, *numbers, f"<code>{written}</code>"))
    lines = ("".join(f"<td {style}>{cell}</td>" for cell in row) for row in rows)
    return f"<p>{told}</p><table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def heads_of(model: GPTModel) -> Iterator[tuple[str, tuple[int, int]]]:
    """Each head's name and its pair (block, head): ("block 1, head 1", (0, 0))."""
    for block, each in enumerate(model.trf_blocks):
        for head in range(each.att.num_heads):
            yield f"block {block + 1}, head {head + 1}", (block, head)
