"""The exercises of 03_gpt/02_gpt_model."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, kind, not_a_number, plain, wrong_number
from shared.checks.judging_forward import called_by_itself, wrong_forward
from shared.gpt import GPTConfig, GPTModel


def judge_logits_shape(answer: Any) -> str | None:
    if not isinstance(answer, (tuple, list)) or len(answer) != 3:
        return "logits have three dimensions, (batch, tokens, vocabulary)"
    for size in answer:
        if hint := not_a_number(size):
            return hint
    return {
        (3, 20, 1000): None,
        (3, 20, 128): "128 is the longest context; a score belongs to each of the 1,000 tokens",
        (3, 1, 1000): "not the last position only: every position has its own row of scores",
        (3, 1000, 20): "the scores come last: a row of 1,000 for each of the 20 positions",
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
        math.log(1000) + 1 / 6: "1/6 belongs to a spread of 0.58, that of the model above; here it "
        "is 0.5",
        math.log(1000) - 0.125: "opinions without reason cost something: add half the squared "
        "spread",
        math.log(50257) + 0.125: "that is GPT-2's vocabulary; this model has 1,000 tokens",
        0.125: "this is what the spread adds; the loss of a model without an opinion is missing",
        1000: "this is the number of tokens; the loss is its logarithm and a little more",
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
        called = []
        model.final_norm.register_forward_pre_hook(
            lambda *given, model=model, called=called: called.append(called_by_itself(model))
        )
        with torch.no_grad():
            out = answer(model, idx)
            if any(called):
                return "you called the model: use its parts, one by one"
            if hint := wrong_forward(out, model, idx):
                return hint
    return None


SWITCHES = {"positions", "mask", "last norm", "shortcuts", "block", "head"}


def judge_blind_to_order(answer: Any) -> str | None:
    many = (set, frozenset, list, tuple)
    if not isinstance(answer, many) or not all(isinstance(pair, many) for pair in answer):
        return (
            f'expected pairs, such as [{{"block", "head"}}, {{"mask", "head"}}], not {kind(answer)}'
        )
    pairs = [frozenset(str(name).strip().lower() for name in pair) for pair in answer]
    for pair in pairs:
        if unknown := pair - SWITCHES:
            return f"no switch is named {min(unknown)!r}; the names stand in the exercise"
        if len(pair) != 2:
            return f"a pair holds two switches, not {len(pair)}"
        if hint := sees_order(pair):
            return f"not {' and '.join(sorted(pair))}: {hint}"
    if len(set(pairs)) < 2:
        return f"right so far, but there are two such pairs and you gave {len(set(pairs))}"
    return None


def sees_order(pair: frozenset[str]) -> str | None:
    """Why the last guess still notices the order with these two off; None if it does not."""
    if pair in ({"positions", "mask"}, {"positions", "block"}):
        return None
    if "positions" in pair:
        return (
            "the number falls, not to 0. Block 2 reads what block 1 made of the earlier "
            "characters, and each of them saw only those before it"
        )
    return "the position table is still there, and says where each character stands"


EXERCISES = {
    "own_forward": Exercise(
        judge_own_forward,
        "section 1 takes the same steps in the same order",
        "start with model.tok_emb(idx) + model.pos_emb(torch.arange(idx.shape[1]))",
        "end with model.out_head(model.final_norm(x))",
    ),
    "logits_shape": Exercise(
        judge_logits_shape, "one row of scores for each position of each sequence"
    ),
    "first_loss": Exercise(
        judge_first_loss,
        "a model without an opinion gives each token 1/1000; what does that cost?",
        "section 5 adds half the squared spread of the logits to ln V",
    ),
    "blind_to_order": Exercise(
        judge_blind_to_order,
        "switch off what makes the number fall most, leave it off, and try the others with it",
        "ask of each part: would it notice if two earlier characters changed places?",
    ),
}
