"""The exercises of 02_attention/01_averaging_the_past."""

import torch
from harness import exercise_tests


def future(T: int) -> torch.Tensor:
    return torch.ones(T, T, dtype=torch.bool).triu(1)


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


RIGHT = {
    "causal_mean_by_hand": [[2, 0], [3, 3], [2, 3], [2, 3]],
    "decay_scores": decay(2.0),
    "causal_mean": mean_right,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("causal_mean_by_hand", "mean of all", [[2, 3]] * 4, "only the tokens up to itself"),
    ("causal_mean_by_hand", "running sums", [[2, 0], [6, 6], [6, 9], [8, 12]], "running sums"),
    ("causal_mean_by_hand", "slip in one row", [[2, 0], [3, 3], [2, 4], [2, 3]], "row 2"),
    (
        "causal_mean_by_hand",
        "a row missing",
        [[2, 0], [3, 3]],
        r"shape \(2, 2\), expected \(4, 2\)",
    ),
    ("causal_mean_by_hand", "words", "three", "must hold numbers, this is text"),
    ("decay_scores", "no mask", decay(2.0, hide=False), "future"),
    ("decay_scores", "step of one", decay_linear, "2.72 times"),
    ("decay_scores", "backwards", decay(0.5), "0.50 times"),
    ("decay_scores", "weights instead of scores", lambda T: decay(2.0)(T).softmax(-1), "future"),
    ("causal_mean", "mean of all tokens", mean_of_all, "future leaks"),
    ("causal_mean", "sum without division", lambda x: x.cumsum(dim=1), "divide by the tokens seen"),
    (
        "causal_mean",
        "one count too many",
        lambda x: x.cumsum(1) / torch.arange(2, x.size(1) + 2)[:, None],
        "first",
    ),
    ("causal_mean", "over the batch", lambda x: x.cumsum(dim=0), "first output|must be|divide"),
    (
        "causal_mean",
        "from zero, dividing by zero",
        lambda x: x.cumsum(1) / torch.arange(x.size(1))[:, None] * 0,
        "NaN",
    ),
    ("causal_mean", "last row only", lambda x: x.mean(dim=1), "shape"),
]

test_answers, test_tables = exercise_tests("averaging_the_past", RIGHT, WRONG)
