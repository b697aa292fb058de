"""The exercises of 04_pretraining/01_loss."""

import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_number, wrong_number
from shared.checks.judging_ways import uses


def judge_perplexity(answer: Any) -> str | None:
    right = math.exp(0.39)
    slips = {
        0.39: "that is the loss itself; perplexity counts tokens",
        2**0.39: "you raised 2 to the loss, but the loss is in nats: the base is e",
        1 / right: "that is the mean probability of the target; perplexity is its inverse",
        math.log(0.39): "you took the logarithm; the loss is one already, so undo it",
        10**0.39: "you raised 10 to the loss, but the loss is in nats: the base is e",
        1: "it is a little more than one: perplexity need not be a whole number",
        2: "it is less than two: perplexity need not be a whole number",
    }
    how = "perplexity is e to the power of the loss"
    return wrong_number(answer, right, slips, tolerance=0.02, how=how)


@asks_for_function
def judge_cross_entropy(answer: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 11, generator=generator)  # (N, V)
    targets = torch.randint(11, (6,), generator=generator)  # (N,)
    mine = answer(logits, targets)
    right = F.cross_entropy(logits, targets).item()
    if hint := not_a_number(mine):
        return f"{hint}; the loss is the mean over the targets"
    bits = right / math.log(2)
    slips = {
        -right: "the sign is wrong: the loss is the negative logarithm",
        6 * right: "you added up the losses; cross-entropy is their mean",
        bits: "you took the logarithm with base 2; nats need the natural logarithm",
        -logits.gather(-1, targets[:, None]).mean().item(): "those are the targets' logits, not "
        "their probabilities: the sum over the vocabulary is missing",
        -logits.log_softmax(0).gather(-1, targets[:, None]).mean().item(): "the softmax goes over "
        "the vocabulary, the last dimension",
    }
    how = f"on random logits it should be {right:.4f}"
    if hint := wrong_number(mine, right, slips, tolerance=1e-4, how=how):
        return hint

    def agrees(logits: Tensor, targets: Tensor) -> bool:
        mine = torch.as_tensor(answer(logits, targets))
        return torch.isclose(mine, F.cross_entropy(logits, targets), atol=1e-4).item()

    if not agrees(logits * 1000, targets):
        return (
            "with logits in the thousands it breaks: subtract the largest logit first, or use "
            "logsumexp"
        )
    masked = torch.cat([torch.full((2,), -100), targets[2:]])
    if not agrees(logits, masked):
        return "targets of -100 must be left out, of the sum and of the count"
    if way := uses(answer, "cross_entropy", "CrossEntropyLoss", given=(logits, targets)):
        return f"the numbers are right, but {way} is PyTorch's own answer: write it without"
    return None


@asks_for_function
def judge_bits_per_character(answer: Callable[[float, int, int], float]) -> str | None:
    a_token = 2.0 / math.log(2)
    right = a_token * 30 / 120
    if hint := not_a_number(mine := answer(2.0, 30, 120)):
        return hint
    slips = {
        0.5: "that is nats a character: divide by ln 2 to get bits",
        a_token: "that is bits a token: multiply by the tokens, divide by the characters",
        0.5 * math.log(2): "a nat is more than a bit (1.4427 bits): divide by ln 2",
        a_token * 4: "tokens and characters are exchanged: all bits of the text, over its "
        "characters",
        a_token / 120: "a text of 30 tokens has 30 times the nats of one: multiply by the tokens",
        a_token * 30: "those are the bits of the whole text: divide by its characters",
    }
    how = f"for 2 nats, 30 tokens, 120 characters it should be {right:.4f}"
    if hint := wrong_number(mine, right, slips, tolerance=1e-6, how=how):
        return hint
    right = 3.0 / math.log(2) * 50 / 170
    how = f"for 3 nats, 50 tokens, 170 characters it should be {right:.4f}"
    return wrong_number(answer(3.0, 50, 170), right, tolerance=1e-6, how=how)


EXERCISES = {
    "perplexity": Exercise(judge_perplexity, "math.exp"),
    "cross_entropy": Exercise(
        judge_cross_entropy, "log p = logit - logsumexp(logits)", "gather picks the target's entry"
    ),
    "bits_per_character": Exercise(judge_bits_per_character, "first all bits of the text"),
}
