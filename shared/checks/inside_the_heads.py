"""The exercises of 02_attention/05_inside_the_heads."""

import copy
from collections.abc import Callable, Collection
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.attention import MultiHeadAttention
from shared.checks import Exercise
from shared.checks.judging import asks_for_function, draw, kind, near, wrong_number, wrong_tensor


class MysteryLayer:
    """Six heads, made by hand, that name the token two places before: which of them do it?

    `weights` are what the heads look at, (1, H, T, T).
    """

    BACK = (0, 2, 11, 1, 2, 2)  # how far back each head looks, or to the first token
    STRENGTH = (0.0, 1.0, 0.0, 0.3, 0.8, 0.0)  # how loudly the output says what the head has found

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(123)
        self.tokens = torch.randint(8, (500, 12), generator=generator)  # (B, T)
        places = torch.arange(12) - torch.tensor(self.BACK).unsqueeze(1)  # (H, T)
        self.weights = F.one_hot(places.clamp(min=0), 12).float().unsqueeze(0)  # (1, H, T, T)

    def errors(self, off: Collection[int] = ()) -> float:
        """The share of tokens named wrongly while the heads in `off` are switched off.

        Raises ValueError for a head that is not there.
        """
        if unknown := set(off) - set(range(len(self.BACK))):
            raise ValueError(f"the heads are 0 to {len(self.BACK) - 1}, not {sorted(unknown)}")
        strength = torch.tensor(self.STRENGTH)
        strength[sorted(off)] = 0.0
        values = F.one_hot(self.tokens, 8).float().unsqueeze(1)  # (B, 1, T, 8)
        found = self.weights @ values  # (B, H, T, 8)
        scores = (strength.view(-1, 1, 1) * found).sum(dim=1)  # (B, T, 8)
        wrong = scores.argmax(dim=-1)[:, 2:] != self.tokens[:, :-2]
        return wrong.float().mean().item()


def judge_induction_place(answer: Any) -> str | None:
    slips = {
        1: "there stands the same symbol, a: the head looks at what came after it",
        3: "one too far: r followed the t, and what followed the a?",
        4: "that is one back: so looks the previous-token head of layer 1",
        5: "that is the token itself: it looks for a place in the past",
    }
    how = "find the earlier place of the last symbol, a, and the place right after it"
    return wrong_number(answer, 2, slips, how=how)


@asks_for_function
def judge_run_without(answer: Callable[..., Tensor]) -> str | None:
    for H, K, heads in ((3, 4, [1]), (4, 2, [0, 2]), (3, 3, []), (4, 8, [3, 1])):
        torch.manual_seed(0)
        layer = MultiHeadAttention(
            H * K, H * K, 8, dropout=0.0, num_heads=H, qkv_bias=H == 4
        ).eval()
        before = copy.deepcopy(layer)
        x = draw(2, 6, H * K, seed=1)
        with torch.no_grad():
            out = answer(layer, x, list(heads))
            if changed(layer, before):
                return (
                    "the layer itself was changed, and stays so for its next user: work on a copy"
                )
            slips = [(without(before, x, off), hint) for off, hint in other_heads(H, heads)]
            slips.append((without(before, x, heads, rows=True), ROWS))
            slips.append((without(before, x, heads, bias=False), BIAS))
            slips.append((taking_turns(before, x, heads), TURNS))
            right = without(before, x, heads)
            slips = [(wrong, hint) for wrong, hint in slips if not near(wrong, right)]
            otherwise = (
                f"for {H} heads of width {K}, without {heads}, the result is not that of the other "
                "heads: head h stands in columns h*K to h*K + K - 1 of out_proj.weight"
            )
            if hint := wrong_tensor(out, right, slips, otherwise):
                return hint
    return None


ROWS = (
    "rows of out_proj.weight were zeroed, these are the outputs: what a head sends in is read by "
    "columns"
)
BIAS = "the bias of out_proj is gone: it belongs to no head and stays"


TURNS = "every H-th column was zeroed: the K columns of a head stand side by side"


def taking_turns(layer: MultiHeadAttention, x: Tensor, heads: list[int]) -> Tensor:
    """A layer's output with every H-th column zeroed."""
    cut = copy.deepcopy(layer)
    for head in heads:
        cut.out_proj.weight.data[:, head :: layer.num_heads] = 0.0
    return cut(x)


def other_heads(num_heads: int, heads: list[int]) -> list[tuple[list[int], str]]:
    """Wrong sets of heads that may have been switched off, each with its hint."""
    rest = [head for head in range(num_heads) if head not in heads]
    return [
        ([], "the result is that of the whole layer: nothing was switched off"),
        (rest, "these heads were kept and all others switched off: it is the other way round"),
        (
            [head + 1 for head in heads if head + 1 < num_heads],
            "heads are counted from 0: others are off",
        ),
        (heads[:1], "only the first head of the list is off"),
        (heads[-1:], "only the last head of the list is off"),
    ]


def changed(layer: MultiHeadAttention, before: MultiHeadAttention) -> bool:
    """Whether a layer differs from its copy."""
    pairs = zip(layer.parameters(), before.parameters(), strict=True)
    if layer.training or layer.num_heads != before.num_heads:
        return True
    return any(not torch.equal(now, then) for now, then in pairs)


def without(
    layer: MultiHeadAttention,
    x: Tensor,
    heads: Collection[int],
    rows: bool = False,
    bias: bool = True,
) -> Tensor:
    """A layer's output with heads switched off, or with a slip: rows zeroed, the bias lost."""
    cut = copy.deepcopy(layer)
    K = cut.out_proj.in_features // cut.num_heads
    weight = cut.out_proj.weight.data
    for head in heads:
        (weight if rows else weight.T)[head * K : (head + 1) * K] = 0.0
    if not bias:
        cut.out_proj.bias.data.zero_()
    return cut(x)


def judge_find_heads(answer: Any) -> str | None:
    whole = isinstance(answer, (set, frozenset, list, tuple)) and all(
        isinstance(head, int) and not isinstance(head, bool) for head in answer
    )
    if not whole:
        return f"expected a set of head numbers, such as {{0, 3}}, this is {kind(answer)}"
    heads = set(answer)
    if not heads:
        return "with no head off nothing fails: name the heads that the layer needs"
    if not heads <= set(range(6)):
        return "the heads are counted from 0 to 5"
    mystery = MysteryLayer()
    named = "head " + " and ".join(map(str, sorted(heads)))
    if mystery.errors(heads) < 0.5:
        counted = " (are the heads counted from 0?)" if heads == {2, 5} else ""
        return (
            f"without {named} the layer is wrong in {mystery.errors(heads):.0%} of the cases only: "
            f"another head stands in{counted}"
        )
    idle = [head for head in sorted(heads) if mystery.errors(heads - {head}) > 0.5]
    if idle:
        return f"it fails without these, but head {idle[0]} may stay on: name no more than needed"
    return None


EXERCISES = {
    "induction_place": Exercise(
        judge_induction_place, "The head asks: who has before it what I am?"
    ),
    "run_without": Exercise(
        judge_run_without,
        "copy.deepcopy(layer) is a copy; then zero columns as the page does.",
        "K is out_proj.in_features // num_heads; go over all heads of the list.",
    ),
    "find_heads": Exercise(
        judge_find_heads,
        "Heads that look at the same place can stand in for each other: switch two off.",
        "itertools.combinations(range(6), 2) gives all pairs; there are 15.",
    ),
}
