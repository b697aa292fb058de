"""The exercises of 04_pretraining/11_inside_a_real_model."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, kind, not_a_number, plain, wrong_number
from shared.circuits import attention_maps, heads_off, round_losses, score_back
from shared.llama import LlamaModel

Head = tuple[int, int]  # layer, head

# what a head looks at while it reads k a t k a t: (6, 6)
TINY_MAP = [
    [1.0, 0.0, 0.0, 0.0, 0.0, 0.0],
    [0.7, 0.3, 0.0, 0.0, 0.0, 0.0],
    [0.4, 0.5, 0.1, 0.0, 0.0, 0.0],
    [0.05, 0.8, 0.1, 0.05, 0.0, 0.0],
    [0.1, 0.1, 0.6, 0.1, 0.1, 0.0],
    [0.0, 0.1, 0.1, 0.7, 0.1, 0.0],
]


@dataclass(frozen=True)
class Evidence:
    """What was measured with some heads off, beside the whole model and a control."""

    off: tuple[Head, ...]
    induction: tuple[Head, ...]
    first_round: float  # losses, in nats
    whole: float
    without: float
    control: float  # the worst of three draws of as many other heads
    score_whole: float  # mean score of the induction heads
    score_without: float

    def __str__(self) -> str:
        return (
            f"without {names(self.off)}: loss of the second round {self.whole:.1f} -> "
            f"{self.without:.1f} nats (as many random heads: at most {self.control:.1f}),\n"
            f"mean score of the induction heads {self.score_whole:.1f} -> {self.score_without:.1f}"
        )


class Bench:
    """Switches heads of a model off and measures the second round of tokens said twice."""

    def __init__(self, model: LlamaModel, repeated: Tensor, induction: Iterable[Head]) -> None:
        self.model = model
        self.repeated = repeated
        self.induction = tuple(induction)
        self.known: dict[tuple[Head, ...], tuple[float, float, float]] = {}

    def measure(self, heads: Iterable[Head]) -> tuple[float, float, float]:
        """Loss of the first and second round, mean score of the induction heads."""
        heads = tuple(sorted(set(heads)))
        if heads not in self.known:
            period = self.repeated.size(1) // 2
            with heads_off(self.model, heads):
                losses = round_losses(self.model, self.repeated)
                maps = attention_maps(self.model, self.repeated)  # (L, B, H, T, T)
            scores = score_back(maps, period - 1, period)  # (L, H)
            mean = sum(scores[head].item() for head in self.induction) / len(self.induction)
            self.known[heads] = (*losses, mean)
        return self.known[heads]

    def without(self, heads: Iterable[Head]) -> Evidence:
        """What is lost without these heads, (layer, head) each.

        Raises ValueError for a head that the model has not.
        """
        heads = tuple(sorted(set(heads)))
        first, whole, score_whole = self.measure(())
        _, without, score_without = self.measure(heads)
        cfg = self.model.cfg
        rest = [(i, j) for i in range(cfg.n_layers) for j in range(cfg.n_heads)]
        rest = [head for head in rest if head not in heads and head not in self.induction]
        generator = torch.Generator().manual_seed(1)
        control = whole
        for _ in range(3):
            drawn = torch.randperm(len(rest), generator=generator)[: len(heads)].tolist()
            with heads_off(self.model, [rest[i] for i in drawn]):
                control = max(control, round_losses(self.model, self.repeated)[1])
        return Evidence(
            heads, self.induction, first, whole, without, control, score_whole, score_without
        )


def names(heads: Iterable[Head]) -> str:
    """Heads in words: "L16 H0 and L2 H1"."""
    return " and ".join(f"L{layer} H{head}" for layer, head in heads) or "no head"


def judge_by_hand(answer: Any) -> str | None:
    slips = {
        0.25 / 3: "three back stands the same letter: the head looks at what came after it",
        0.1: "that is one back: the score of a previous-token head",
        2.5 / 4: "row 2 is still the first round, in which nothing came before: leave it out",
        2.1: "that is the sum of the three weights: the score is their mean",
        0.8: "that is the best of the three weights: the score is their mean",
    }
    how = "take rows 3, 4 and 5, in each the weight two places to the left of the diagonal, and"
    return wrong_number(answer, 0.7, slips, tolerance=0.002, how=f"{how} the mean of the three")


def judge_circuit(answer: Any) -> str | None:
    if not isinstance(answer, Evidence):
        return f"give what bench.without([(layer, head)]) returned, this is {kind(answer)}"
    if answer.whole > answer.first_round - 2:
        return (
            f"this model copies nothing: {answer.whole:.1f} nats in the second round, "
            f"{answer.first_round:.1f} in the first, so there is no circuit to find in it. "
            "Open SmolLM2, and ask again"
        )
    if not answer.off:
        return "with no head off nothing is lost: name one or two"
    if len(answer.off) > 2:
        return f"{len(answer.off)} heads are off: one or two are enough, name no more"
    if both := [head for head in answer.off if head in answer.induction]:
        return f"{names(both)} is one of the six induction heads: whose work do they read?"
    rise, to_lose = answer.without - answer.whole, answer.first_round - answer.whole
    if rise < to_lose / 3:
        return (
            f"without {names(answer.off)} the loss rises by {rise:.1f} nats, of {to_lose:.1f} that "
            "there are to lose: the model hardly needs it for this"
        )
    if answer.score_without > answer.score_whole / 2:
        return (
            f"the loss rises, but the induction heads still look where they did "
            f"({answer.score_whole:.2f} -> {answer.score_without:.2f}): they do not read this head"
        )
    if answer.control - answer.whole > rise / 2:
        return "as many random heads do nearly as much harm: this proves nothing"
    return None


@asks_for_function
def judge_settled(answer: Callable[[Tensor], int]) -> str | None:
    cases = [
        ([1, 2, 3, 3, 3], "the best token is the final one from 2 on"),
        ([3, 2, 3, 3, 3], "it must stay the best: at 0 it is, at 1 it is not"),
        ([3, 3, 3], "it was the best all along"),
        ([1, 2, 3], "it comes up with the last layer"),
        ([1, 3, 1, 3], "it must stay the best to the end"),
        ([2], "there is one state only, the last"),
    ]
    for best, why in cases:
        logits = draw(len(best), 5, seed=len(best))
        logits[range(len(best)), best] = 9.0
        right = len(best) - 1
        while right and best[right - 1] == best[-1]:
            right -= 1
        found = answer(logits.clone())
        if not_a_number(found):
            return f"it must return a whole number, this is {kind(found)}"
        if plain(found) != right:
            return f"best tokens {best}: expected {right}, got {plain(found)}: {why}"
    return None


EXERCISES = {
    "by_hand": Exercise(
        judge_by_hand, "The period is 3, so what followed last time stands 3 - 1 = 2 back."
    ),
    "circuit": Exercise(
        judge_circuit,
        "An induction head asks who has before it what it is: another head must have said so.",
        "Try the best previous-token heads, one by one; they stand below the induction heads.",
    ),
    "settled": Exercise(
        judge_settled,
        "logits.argmax(dim=-1) are the best tokens; go from the end backwards.",
        "Stop at the first layer, from the end, whose best token is another.",
    ),
}
