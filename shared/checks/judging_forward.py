"""What goes wrong in a GPT's forward pass: which step was left out, or who else did the work."""

import sys
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared.checks.judging import near, wrong_tensor
from shared.gpt import GPTModel


def called_by_itself(model: GPTModel) -> bool:
    """Whether the model's own forward is among the functions that run now."""
    frame = sys._getframe()
    while frame is not None:
        if frame.f_code.co_name == "forward" and frame.f_locals.get("self") is model:
            return True
        frame = frame.f_back
    return False


def wrong_forward(out: Any, model: GPTModel, idx: Tensor) -> str | None:
    """A hint unless `out` holds the model's logits, (B, T, V): which step was left out."""

    places = torch.arange(idx.shape[1])  # (T,)

    def run(
        positions: Tensor | None = places,
        blocks: Sequence[nn.Module] = model.trf_blocks,
        norm: bool = True,
    ) -> Tensor:
        x = model.tok_emb(idx)  # (B, T, D)
        if positions is not None:
            x = x + model.pos_emb(positions)  # (B, T, D)
        for block in blocks:
            x = block(x)  # (B, T, D)
        return model.out_head(model.final_norm(x) if norm else x)  # (B, T, V)

    if isinstance(out, Tensor) and out.shape == (*idx.shape, model.cfg.emb_dim):
        return "these are rows of the width inside the model: the out_head is missing"
    right = run()
    if isinstance(out, Tensor) and near(out, right[:, -1]):
        return "this is the last position only: every position has its own row of scores"
    blocks = model.trf_blocks

    return wrong_tensor(
        out,
        right,
        [
            (
                run(positions=None),
                "the positions are missing: add pos_emb of 0, 1, 2 ... to the token embeddings",
            ),
            (run(norm=False), "the final_norm before the head is missing"),
            (
                run(positions=places + 1),
                "the first position is 0: torch.arange(idx.shape[1]) counts from there",
            ),
            (run(blocks=[]), "the blocks are missing"),
            (run(blocks=[*blocks][::-1]), "the blocks run in the wrong order: the first one first"),
            (
                run(blocks=[blocks[0]] * len(blocks)),
                "the first block ran each time: take the blocks in turn",
            ),
            (
                run(blocks=[blocks[-1]]),
                "only the last block counted: each block takes the output of the one before",
            ),
            (
                run(blocks=blocks[:1]),
                "only the first block ran: each block takes the output of the one before",
            ),
            (
                right.log_softmax(dim=-1),
                "these are logarithms of probabilities: return the logits as the head gives them",
            ),
            (
                right.softmax(dim=-1),
                "these are probabilities: return the logits, without a softmax",
            ),
        ],
        "the shape is right, the numbers are not the model's: compare your steps with section 1",
    )
