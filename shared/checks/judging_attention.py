"""What goes wrong in attention: matrices exchanged, a slip in the scale, softmax or mask."""

from collections.abc import Callable, Sequence
from itertools import product

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks.judging import near

Slips = list[tuple[Tensor, str]]
# what does the whole of attention at once
PYTORCHS = ("scaled_dot_product_attention", "multi_head_attention_forward", "MultiheadAttention")


def attend(q: Tensor, k: Tensor, v: Tensor, scale: float | None = None) -> Tensor:
    """Causal attention of queries, keys and values: (..., T, K) three times -> (..., T, K)."""
    scores = q @ k.mT * (q.size(-1) ** -0.5 if scale is None else scale)  # (..., T, T)
    return scores.masked_fill(above(q.size(-2), 1), -torch.inf).softmax(dim=-1) @ v


def above(T: int, first: int) -> Tensor:
    """True from the diagonal `first` on: (T, T)."""
    return torch.ones(T, T, dtype=torch.bool).triu(first)


def exchanged(
    out: Tensor, made: Callable[..., Tensor], matrices: Sequence[Tensor], x: Tensor
) -> str | None:
    """A hint if `out` is made(*matrices) with matrices that have taken each other's places.

    The matrices are those of queries, keys, values and perhaps of the output.
    """
    roles = ("the queries", "the keys", "the values", "the last product")[: len(matrices)]
    names = ["W_query", "W_key", "W_value", "W_out"][: len(matrices)]
    tried = list(matrices)
    if x.size(-1) == matrices[0].size(1):
        tried.append(torch.eye(x.size(-1)))
        names.append("x itself")
    places = range(len(matrices))
    orders = product(range(len(tried)), repeat=len(matrices))
    for order in sorted(orders, key=lambda order: sum(order[i] != i for i in places)):
        wrong = [f"{roles[i]} are made with {names[order[i]]}" for i in places if order[i] != i]
        if wrong and near(out, made(*(tried[i] for i in order))):
            said = ", ".join(wrong).replace("made with x itself", "x itself, without a matrix")
            said = said.replace("product are made", "product is made")
            return f"{'a wrong matrix' if len(wrong) == 1 else 'wrong matrices'}: {said}"
    if x.size(-1) == matrices[0].size(1) and near(out, made(*(W.T for W in matrices))):
        return "the matrices are transposed: they are used as x @ W, without .T"
    return None


def attention_slips(q: Tensor, k: Tensor, v: Tensor, width: int) -> Slips:
    """Wrong causal attention of q, k, v, (..., T, K) each, made from x of a width, with hints."""
    T, K = q.shape[-2:]
    scores = q @ k.mT  # (..., T, T)
    scaled = scores / K**0.5
    hidden = scaled.masked_fill(above(T, 1), -torch.inf)
    late = scaled.masked_fill(above(T, 2), -torch.inf)
    past = scaled.masked_fill(above(T, 1).T, -torch.inf)
    average = torch.ones(T, T).tril() / torch.arange(1, T + 1)[:, None]
    root = "you divided by the square root of"
    leaks = "the future leaks:"
    return [
        (
            attend(q, k, v, scale=1.0),
            "the scores are not scaled: divide them by the square root of K",
        ),
        (attend(q, k, v, 1 / K), "you divided by the width K: divide by its square root"),
        (attend(q, k, v, width**-0.5), f"{root} D, the width of x: queries and keys are K wide"),
        (attend(q, k, v, T**-0.5), f"{root} T, the number of tokens: take that of the width K"),
        (attend(q, k, v, K**0.5), "the scores are multiplied by the square root of K: divide"),
        (attend(q, k, v, 1 / int(K**0.5)), "the square root of K was rounded to a whole number"),
        (
            attend(q, k, v, scale=1.0) / K**0.5,
            "it is not the weights that are divided by the square root of K: divide the scores, "
            "before the softmax",
        ),
        (scaled.softmax(dim=-1) @ v, f"{leaks} there is no mask"),
        (
            scaled.softmax(dim=-1).tril() @ v,
            f"{leaks} the mask comes after the softmax, whose denominator has seen everything",
        ),
        (
            scaled.masked_fill(above(T, 1), 0.0).softmax(dim=-1) @ v,
            f"{leaks} a score of 0 hides nothing, for e^0 = 1. Fill with -inf",
        ),
        (late.softmax(dim=-1) @ v, "the future leaks by one token: the mask begins at triu(1)"),
        (past.softmax(dim=-1) @ v, f"{leaks} the mask hides the past instead, below the diagonal"),
        (
            hidden.softmax(dim=-2) @ v,
            f"{leaks} the softmax runs down the columns, over the queries. Take dim=-1",
        ),
        (scaled.tril() @ v, "the softmax is missing: the scores themselves mix the values"),
        (average @ v, "this is the plain average of the past: where are the scores?"),
        (v, "these are the values alone: they are not mixed"),
    ]


def exchanges(q: Tensor, k: Tensor, v: Tensor) -> Slips:
    """Attention of queries, keys and values of one shape in each other's places."""
    whole = F.scaled_dot_product_attention
    return [
        (whole(k, q, v), "queries and keys have taken each other's places"),
        (whole(q, v, k), "keys and values have taken each other's places"),
        (whole(v, k, q), "queries and values have taken each other's places"),
    ]


def slips_of_attention(q: Tensor, k: Tensor, v: Tensor) -> Slips:
    """Wrong attention of (B, T, K), (B, S, K), (B, S, D), with hints; T, S and K differ."""
    T, S, K, D = q.size(1), k.size(1), k.size(2), v.size(2)
    scores = q @ k.mT  # (B, T, S)
    scaled = scores / K**0.5
    root = "you divided by the square root of"
    future = torch.ones(T, S, dtype=torch.bool).triu(1)
    return [
        (scores.softmax(-1) @ v, "the scores are not scaled: divide them by the square root of K"),
        ((scores / K).softmax(-1) @ v, "you divided by the width K: divide by its square root"),
        (
            (scores / S**0.5).softmax(-1) @ v,
            f"{root} the number of keys: take that of the width K, the last size of k",
        ),
        (
            (scores / T**0.5).softmax(-1) @ v,
            f"{root} the number of queries: take that of the width K, the last size of q",
        ),
        (
            (scores / D**0.5).softmax(-1) @ v,
            f"{root} the values' width D: the scores come from queries and keys, of width K",
        ),
        (
            (scores * K**0.5).softmax(-1) @ v,
            "the scores are multiplied by the square root of K: divide",
        ),
        ((scores / int(K**0.5)).softmax(-1) @ v, "the square root was rounded to a whole number"),
        ((scores / K**0.25).softmax(-1) @ v, "you took the root of K twice: K**0.5 is enough"),
        (
            scores.softmax(-1) @ v / K**0.5,
            "the division comes too late: divide the scores, before the softmax",
        ),
        (scaled @ v, "the softmax is missing: the scores themselves mix the values"),
        (scores @ v, "the softmax is missing: the scores themselves mix the values"),
        (
            scaled.softmax(-2) @ v,
            "the softmax runs over the queries: the weights must sum to one over the keys, dim=-1",
        ),
        (
            scaled.masked_fill(future, -torch.inf).softmax(-1) @ v,
            "no mask is asked for here: every query may look at every key",
        ),
        (
            v.mean(dim=1, keepdim=True).expand(-1, T, -1),
            "this is the plain mean: where are q and k?",
        ),
        (
            F.one_hot(scores.argmax(-1), S).float() @ v,
            "only the best value is taken: the softmax mixes all of them",
        ),
        (
            scaled / scaled.sum(-1, keepdim=True) @ v,
            "the scores are divided by their sum, without exponentials: the softmax takes e^score",
        ),
        (
            (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT).softmax(-1) @ v,
            "these are cosines, lengths are lost: take the dot products, divided by sqrt(K)",
        ),
        (scaled.softmax(-1) @ v.flip(1), "the values come in the reverse order"),
    ]
