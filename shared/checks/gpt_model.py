"""The exercises of 03_gpt/02_gpt_model."""

import math
from collections.abc import Callable
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_number, plain, wrong_number, wrong_tensor
from shared.gpt import GPTConfig, GPTModel


def judge_logits_shape(answer: Any) -> str | None:
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        return "logits have three dimensions, (batch, tokens, vocabulary)"
    for size in answer:
        if hint := not_a_number(size):
            return hint
    return {
        (3, 20, 1000): None,
        (3, 20, 64): "64 is the width inside the model; the head turns it into one score for each "
        "token it knows",
        (3, 128, 1000): "the model does not fill the context up: as many positions come out as "
        "tokens went in",
        (20, 3, 1000): "the batch comes first, then the tokens",
    }.get(tuple(plain(size) for size in answer), "the order is batch, tokens, vocabulary")


def judge_first_loss(answer: Any) -> str | None:
    natural = "take the natural logarithm: a nat belongs to e"
    slips = {
        math.log(1000): "this is ln V, for logits that are all equal; add half the squared spread",
        math.log(1000) + 0.25: "the squared spread counts half",
        math.log(1000) + 0.5: "square the spread, then halve it",
        math.log10(1000) + 0.125: f"{natural}, not to 10",
        math.log2(1000) + 0.125: f"{natural}, not to 2",
    }
    return wrong_number(answer, math.log(1000) + 0.125, slips, tolerance=0.001)


@asks_for_function
def judge_own_forward(answer: Callable[[GPTModel, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for n_layers in (1, 3):
        cfg = GPTConfig(
            vocab_size=17, context_length=8, emb_dim=12, n_heads=3, n_layers=n_layers, drop_rate=0.0
        )
        model = GPTModel(cfg).eval()
        idx = torch.randint(17, (2, 5), generator=generator)  # (B, T)
        whole = patch.object(GPTModel, "forward", autospec=True, side_effect=GPTModel.forward)
        with torch.no_grad():
            with whole as forward:
                out = answer(model, idx)
            if hint := wrong_forward(out, model, idx):
                return hint
        if forward.called:
            return "the logits are right, but you called the model: use its parts, one by one"
    return None


def wrong_forward(out: Any, model: GPTModel, idx: Tensor) -> str | None:
    """A hint unless `out` holds the model's logits, (B, T, V): which step was left out."""

    def run(positions: bool = True, n_blocks: int | None = None, norm: bool = True) -> Tensor:
        x = model.tok_emb(idx)  # (B, T, D)
        if positions:
            x = x + model.pos_emb(torch.arange(idx.shape[1]))  # (B, T, D)
        for block in model.trf_blocks[:n_blocks]:
            x = block(x)  # (B, T, D)
        return model.out_head(model.final_norm(x) if norm else x)  # (B, T, V)

    return wrong_tensor(
        out,
        model(idx),
        [
            (
                run(positions=False),
                "the positions are missing: add pos_emb of 0, 1, 2 ... to the token embeddings",
            ),
            (run(norm=False), "the final_norm before the head is missing"),
            (run(n_blocks=0), "the blocks are missing"),
            (
                run(n_blocks=1),
                "only the first block ran: each block takes the output of the one before",
            ),
            (
                run().softmax(dim=-1),
                "these are probabilities: return the logits, without a softmax",
            ),
        ],
        "the shape is right, the numbers are not the model's: compare your steps with section 1",
    )


EXERCISES = {
    "logits_shape": Exercise(
        judge_logits_shape, "one row of scores for each position of each sequence"
    ),
    "first_loss": Exercise(
        judge_first_loss, "ln V + s**2 / 2, with math.log for the natural logarithm"
    ),
    "own_forward": Exercise(
        judge_own_forward,
        "start with model.tok_emb(idx) + model.pos_emb(torch.arange(idx.shape[1]))",
        "end with model.out_head(model.final_norm(x))",
    ),
}
