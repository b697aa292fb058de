"""The exercises of chapter 2: each accepts its solution and meets well-known mistakes with a hint that fits."""

import pytest
import torch
import torch.nn.functional as F

from shared.checks import verdict
from shared.checks.attention import EXERCISES


def future(T: int) -> torch.Tensor:
    return torch.ones(T, T, dtype=torch.bool).triu(1)


def masked(scores: torch.Tensor) -> torch.Tensor:
    return scores.masked_fill(future(scores.size(-1)), -torch.inf).softmax(dim=-1)


# ---- 1 averaging the past


def decay(base: float, hide: bool = True):
    def scores(T):
        s = (torch.arange(T) * torch.log(torch.tensor(base))).expand(T, T)
        return s.masked_fill(future(T), -torch.inf) if hide else s
    return scores


def decay_linear(T):
    return torch.arange(1.0, T + 1).expand(T, T).masked_fill(future(T), -torch.inf)


def mean_right(x):
    return x.cumsum(dim=1) / torch.arange(1, x.size(1) + 1).unsqueeze(-1)


def mean_of_all(x):
    return x.mean(dim=1, keepdim=True).expand_as(x)


# ---- 2 queries, keys, values

SHIFT = torch.zeros(6, 6)
SHIFT[range(5), range(1, 6)] = 1.0


def attend_right(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def attend_over_queries(q, k, v):
    return (q @ k.transpose(1, 2) / k.size(-1) ** 0.5).softmax(dim=1) @ v


def attend_divided_by_width(q, k, v):
    return (q @ k.transpose(1, 2) / k.size(-1)).softmax(dim=-1) @ v


# ---- 3 causal attention

EVERYTHING = torch.ones(5, 5, dtype=torch.bool)
WINDOW = EVERYTHING.triu(1) | EVERYTHING.tril(-3)


def causal(x, W_query, W_key, W_value, *, scale=True, mask="before", swap=False):
    q, k, v = x @ W_query, x @ W_key, x @ W_value
    q, k = (k, q) if swap else (q, k)
    scores = q @ k.transpose(1, 2) / (k.size(-1) ** 0.5 if scale else 1.0)
    hide = future(x.size(1))
    if mask == "before":
        return masked(scores) @ v
    if mask == "after":
        return scores.softmax(dim=-1).masked_fill(hide, 0.0) @ v
    if mask == "inverted":
        return scores.masked_fill(~hide, -torch.inf).softmax(dim=-1) @ v
    return scores.softmax(dim=-1) @ v


def causal_with(**settings):
    return lambda *arguments: causal(*arguments, **settings)


# ---- 4 many heads


def split(x, num_heads):
    return x.unflatten(-1, (num_heads, -1)).transpose(1, 2)


def split_by_view(x, num_heads):
    B, T, D = x.shape
    return x.view(B, num_heads, T, D // num_heads)


def merge(x):
    return x.transpose(1, 2).flatten(2)


def merge_without_transpose(x):
    B, H, T, K = x.shape
    return x.reshape(B, T, H * K)


def multi_head(x, W_query, W_key, W_value, W_out, num_heads, *, one_head=False, out=True, width=None, mask=True):
    num_heads = 1 if one_head else num_heads
    q, k, v = (split(x @ W, num_heads) for W in (W_query, W_key, W_value))
    scale = {None: k.size(-1) ** -0.5, "whole": x.size(-1) ** -0.5, "none": 1.0}[width]
    mixed = merge(F.scaled_dot_product_attention(q, k, v, is_causal=mask, scale=scale))
    return mixed @ W_out if out else mixed


def multi_head_with(**settings):
    return lambda *arguments: multi_head(*arguments, **settings)


def grouped(q, k, v, *, repeat="interleave", mask=True):
    share = q.size(1) // k.size(1)
    if repeat == "interleave":
        k, v = (t.repeat_interleave(share, dim=1) for t in (k, v))
    elif repeat == "tile":
        k, v = (t.repeat(1, share, 1, 1) for t in (k, v))
    elif repeat == "first":
        k, v = (t[:, :1].expand(-1, q.size(1), -1, -1) for t in (k, v))
    return F.scaled_dot_product_attention(q, k, v, is_causal=mask)


def grouped_with(**settings):
    return lambda *arguments: grouped(*arguments, **settings)


SOLUTIONS = {
    "causal_mean_by_hand": [[2, 0], [3, 3], [2, 3], [2, 3]],
    "decay_scores": decay(2.0),
    "causal_mean": mean_right,
    "scaled_scores": [1.0, 2.0, 0.0],
    "previous_token": (20 * torch.eye(6), SHIFT),
    "attend": attend_right,
    "window_mask": WINDOW,
    "who_leaks": {"A", "C"},
    "causal_forward": causal,
    "count_parameters": 10_246_400,
    "split_and_merge": (split, merge),
    "multi_head_forward": multi_head,
    "grouped": grouped,
}

# exercise, name of the mistake, wrong answer, words that the hint must hold
MISTAKES = [
    ("causal_mean_by_hand", "mean of all", [[2, 3]] * 4, "only the tokens up to itself"),
    ("causal_mean_by_hand", "running sums", [[2, 0], [6, 6], [6, 9], [8, 12]], "running sums"),
    ("causal_mean_by_hand", "slip in one row", [[2, 0], [3, 3], [2, 4], [2, 3]], "row 2"),
    ("causal_mean_by_hand", "a row missing", [[2, 0], [3, 3]], "shape (2, 2), expected (4, 2)"),
    ("causal_mean_by_hand", "words", "three", "raised"),
    ("decay_scores", "no mask", decay(2.0, hide=False), "future"),
    ("decay_scores", "step of one", decay_linear, "2.72 times"),
    ("decay_scores", "backwards", decay(0.5), "0.50 times"),
    ("decay_scores", "weights instead of scores", lambda T: decay(2.0)(T).softmax(-1), "future"),
    ("causal_mean", "mean of all tokens", mean_of_all, "future leaks"),
    ("causal_mean", "sum without division", lambda x: x.cumsum(dim=1), "divide by the tokens seen"),
    ("causal_mean", "one count too many", lambda x: x.cumsum(1) / torch.arange(2, x.size(1) + 2)[:, None], "first"),
    ("causal_mean", "over the batch", lambda x: x.cumsum(dim=0), "first output|must be|divide"),
    ("causal_mean", "from zero, dividing by zero", lambda x: x.cumsum(1) / torch.arange(x.size(1))[:, None] * 0, "NaN"),
    ("causal_mean", "last row only", lambda x: x.mean(dim=1), "shape"),
    ("scaled_scores", "not scaled", [2, 4, 0], "not scaled"),
    ("scaled_scores", "divided by the width", [0.5, 1, 0], "square root"),
    ("scaled_scores", "weights", torch.tensor([1.0, 2, 0]).softmax(0).tolist(), "before"),
    ("scaled_scores", "a slip", [1, 2, 1], "work out"),
    ("previous_token", "look at themselves", (20 * torch.eye(6), torch.eye(6)), "themselves"),
    ("previous_token", "shift the other way", (20 * torch.eye(6), SHIFT.T), "other way"),
    ("previous_token", "too soft", (torch.eye(6), SHIFT), "too softly"),
    ("previous_token", "one matrix", torch.eye(6), "tuple"),
    ("previous_token", "wrong size", (torch.eye(5), torch.eye(5)), "expected (6, 6)"),
    ("previous_token", "zeros", (torch.zeros(6, 6), SHIFT), "largest entry at t - 1"),
    ("attend", "not scaled", lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0), "not divided"),
    ("attend", "softmax over the queries", attend_over_queries, "sum to one over the keys"),
    ("attend", "divided by the width", attend_divided_by_width, "which size"),
    ("attend", "transpose forgotten", lambda q, k, v: (q @ k).softmax(-1) @ v, "raised RuntimeError"),
    ("attend", "returns the weights", lambda q, k, v: (q @ k.transpose(1, 2)).softmax(-1), "shape"),
    ("window_mask", "inverted", ~WINDOW, "inverted"),
    ("window_mask", "no window", EVERYTHING.triu(1), "hides 0"),
    ("window_mask", "window too narrow", EVERYTHING.triu(1) | EVERYTHING.tril(-2), "hides 3"),
    ("window_mask", "diagonal hidden", EVERYTHING.triu(0) | EVERYTHING.tril(-3), "sees itself"),
    ("window_mask", "future visible", EVERYTHING.tril(-3), "future is visible"),
    ("who_leaks", "B too", {"A", "B", "C"}, "B does not leak"),
    ("who_leaks", "D too", {"A", "C", "D"}, "D does not leak"),
    ("who_leaks", "A missing", {"C"}, "A:"),
    ("who_leaks", "C missing", {"A"}, "C:"),
    ("who_leaks", "a number", {"E"}, "A to D"),
    ("causal_forward", "no mask", causal_with(mask="none"), "future leaks"),
    ("causal_forward", "mask after softmax", causal_with(mask="after"), "future leaks"),
    ("causal_forward", "inverted mask", causal_with(mask="inverted"), "NaN"),
    ("causal_forward", "not scaled", causal_with(scale=False), "not scaled"),
    ("causal_forward", "swapped", causal_with(swap=True), "swapped"),
    ("count_parameters", "no biases", 10_240_000, "biases are not"),
    ("count_parameters", "one bias", 10_241_600, "only out_proj"),
    ("count_parameters", "times the heads", 25 * 10_240_000, "share out the width"),
    ("count_parameters", "three matrices", 3 * 1600**2, "four matrices"),
    ("split_and_merge", "view without transpose", (split_by_view, merge), "tokens are mixed"),
    ("split_and_merge", "merge without transpose", (split, merge_without_transpose), "transpose before the reshape"),
    ("split_and_merge", "no transpose", (lambda x, H: x.unflatten(-1, (H, -1)), merge), "the split has shape"),
    ("split_and_merge", "one function", split, "two functions"),
    ("multi_head_forward", "one wide head", multi_head_with(one_head=True), "one wide head"),
    ("multi_head_forward", "no W_out", multi_head_with(out=False), "W_out"),
    ("multi_head_forward", "scaled by the whole width", multi_head_with(width="whole"), "only K = D / num_heads wide"),
    ("multi_head_forward", "not scaled", multi_head_with(width="none"), "not scaled"),
    ("multi_head_forward", "no mask", multi_head_with(mask=False), "future leaks"),
    ("grouped", "taking turns", grouped_with(repeat="tile"), "take turns"),
    ("grouped", "no mask", grouped_with(mask=False), "future leaks"),
    ("grouped", "one head for all", grouped_with(repeat="first"), "its own head"),
    ("grouped", "no repeat", grouped_with(repeat="none"), "raised|own head"),
]


def test_every_exercise_has_a_solution_and_two_mistakes():
    assert set(SOLUTIONS) == set(EXERCISES)
    for name in EXERCISES:
        assert len([m for m in MISTAKES if m[0] == name]) >= 2, name


@pytest.mark.parametrize("name", EXERCISES)
def test_not_attempted_yet(name):
    assert verdict(f"attention/{name}", None) == "not attempted yet"


@pytest.mark.parametrize("name", EXERCISES)
def test_solution_is_right(name):
    assert verdict(f"attention/{name}", SOLUTIONS[name]) == "right"


@pytest.mark.parametrize("name", [name for name, solution in SOLUTIONS.items() if callable(solution)])
def test_a_stub_is_not_attempted_yet(name):
    def stub(*arguments):
        raise NotImplementedError

    assert verdict(f"attention/{name}", stub) == "not attempted yet"


@pytest.mark.parametrize(("name", "mistake", "answer", "words"), MISTAKES, ids=[f"{m[0]}-{m[1]}" for m in MISTAKES])
def test_mistake_gets_a_hint_that_fits(name, mistake, answer, words):
    said = verdict(f"attention/{name}", answer)
    assert said.startswith("not yet: ")
    assert any(part in said for part in words.split("|")), said


@pytest.mark.parametrize("name", EXERCISES)
@pytest.mark.parametrize("answer", [0, "x", [], {}, object(), lambda: 1, torch.zeros(0), float("nan")],
                         ids=["zero", "text", "list", "dict", "object", "function", "empty", "nan"])
def test_nonsense_never_raises(name, answer):
    assert verdict(f"attention/{name}", answer).startswith("not yet: ")
