"""The exercises of 02_attention/01_averaging_the_past."""

import math

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict


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


def mean_by_loop(x):
    return torch.stack([x[:, : t + 1].mean(dim=1) for t in range(x.size(1))], dim=1)


def mean_by_while(x):
    y, t = x.clone(), 1
    while t < x.size(1):
        y[:, t] = x[:, : t + 1].mean(dim=1)
        t += 1
    return y


def mean_in_plain_python(x):
    rows = []
    for sequence in x.tolist():
        sums = [0.0] * x.size(2)
        rows.append([])
        for t, token in enumerate(sequence):
            sums = [a + b for a, b in zip(sums, token)]
            rows[-1].append([a / (t + 1) for a in sums])
    return torch.tensor(rows)


def mean_by_product(x):
    seen = torch.ones(x.size(1), x.size(1)).tril()
    return seen / seen.sum(dim=1, keepdim=True) @ x


def mean_by_softmax(x):
    scores = torch.zeros(x.size(1), x.size(1)).masked_fill(future(x.size(1)), -torch.inf)
    return torch.einsum("ts,bsd->btd", scores.softmax(dim=-1), x)


def mean_in_a_function(x):
    return torch.tensor(means_of_lists(x.tolist()))


def means_of_lists(sequences):
    return mean_in_plain_python(torch.tensor(sequences)).tolist()


def mean_in_place(x):
    return x.cumsum_(dim=1).div_(torch.arange(1, x.size(1) + 1)[:, None])


def halving(T):
    return (2.0 ** torch.arange(T)).expand(T, T).tril()


def step_of_log(T):
    return torch.arange(1.0, T + 1).log().expand(T, T).masked_fill(future(T), -torch.inf)


class Fading(torch.nn.Module):
    """A mixer of weights that change by `base` with each step."""

    def __init__(self, base=2.0, hide=True, dim=-1, add=False):
        super().__init__()
        self.scores, self.dim, self.add = decay(base, hide), dim, add

    def forward(self, x):
        y = self.scores(x.size(1)).softmax(dim=self.dim) @ x
        return x + y if self.add else y


def fading_sum(x):
    return decay(2.0)(x.size(1)).exp() @ x


RIGHT = {
    "causal_mean_by_hand": [[2, 0], [3, 3], [2, 3], [2, 3]],
    "decay_scores": decay(2.0),
    "causal_mean": mean_right,
    "fading_mixer": Fading(),
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("causal_mean_by_hand", "mean of all", [[2, 3]] * 4, "only the tokens up to itself"),
    ("causal_mean_by_hand", "running sums", [[2, 0], [6, 6], [6, 9], [8, 12]], "running sums"),
    (
        "causal_mean_by_hand",
        "all sums divided by 4",
        [[0.5, 0], [1.5, 1.5], [1.5, 2.25], [2, 3]],
        "divided by 4",
    ),
    ("causal_mean_by_hand", "slip in one row", [[2, 0], [3, 3], [2, 4], [2, 3]], "row 2"),
    (
        "causal_mean_by_hand",
        "a row missing",
        [[2, 0], [3, 3]],
        r"shape \(2, 2\), expected \(4, 2\)",
    ),
    ("causal_mean_by_hand", "the page's", [[2, 0], [4, 1], [4, 2], [3, 2]], "page's tokens"),
    ("causal_mean_by_hand", "the tokens", [[2, 0], [4, 6], [0, 3], [2, 3]], "no means"),
    ("causal_mean_by_hand", "pairs", [[2, 0], [3, 3], [2, 4.5], [1, 3]], "the one before it"),
    ("causal_mean_by_hand", "halves", [[2, 0], [3, 3], [1.5, 3], [1.75, 3]], "weighs a half"),
    ("causal_mean_by_hand", "without itself", [[0, 0], [2, 0], [3, 3], [2, 3]], "is left out"),
    ("causal_mean_by_hand", "the future", [[2, 3], [2, 4], [1, 3], [2, 3]], "those after it"),
    ("causal_mean_by_hand", "one too few", [[2, 0], [6, 6], [3, 4.5], [8 / 3, 4]], "not t"),
    ("causal_mean_by_hand", "columns", [[0, 2], [3, 3], [3, 2], [3, 2]], "columns are exchanged"),
    ("causal_mean_by_hand", "words", "three", "must hold numbers, this is text"),
    ("decay_scores", "no mask", decay(2.0, hide=False), "future"),
    ("decay_scores", "step of one", decay_linear, "2.72 times"),
    ("decay_scores", "backwards", decay(0.5), "wrong way round"),
    ("decay_scores", "weights", lambda T: decay(2.0)(T).softmax(-1), "these are weights"),
    ("decay_scores", "four times", decay(4.0), "4.00 times"),
    (
        "decay_scores",
        "0 for -inf",
        lambda T: decay(2.0)(T).masked_fill(future(T), 0.0),
        "some weight lies on the future",
    ),
    ("decay_scores", "weights, not divided", halving, "they are weights"),
    (
        "decay_scores",
        "powers as scores",
        lambda T: halving(T).masked_fill(future(T), -torch.inf),
        "a weight of 2",
    ),
    ("decay_scores", "all alike", lambda T: decay(1.0)(T), "weigh alike"),
    ("decay_scores", "logarithms of places", step_of_log, "row 2, column 2, is 0.50"),
    (
        "decay_scores",
        "the diagonal hidden",
        lambda T: decay(2.0)(T).masked_fill(torch.eye(T).bool(), -torch.inf),
        "a token sees itself",
    ),
    ("causal_mean", "a loop in another function", mean_in_a_function, "come from a loop"),
    ("causal_mean", "x is changed", mean_in_place, "changes the tensor that it was given"),
    (
        "causal_mean",
        "along D",
        lambda x: x.cumsum(2) / torch.arange(1, x.size(1) + 1)[:, None],
        "along the D numbers",
    ),
    (
        "causal_mean",
        "counts along D",
        lambda x: x.cumsum(1) / torch.arange(1, x.size(2) + 1),
        r"shape them \(T, 1\)",
    ),
    (
        "causal_mean",
        "rounded down",
        lambda x: x.cumsum(1) // torch.arange(1, x.size(1) + 1)[:, None],
        "rounds down",
    ),
    ("causal_mean", "x itself", lambda x: x, "nothing is averaged"),
    (
        "causal_mean",
        "counts from 0",
        lambda x: x.cumsum(1) / torch.arange(x.size(1))[:, None],
        "begin at 1",
    ),
    (
        "causal_mean",
        "pairs",
        lambda x: torch.cat([x[:, :1], (x[:, 1:] + x[:, :-1]) / 2], dim=1),
        "mean of two tokens",
    ),
    ("causal_mean", "mean of all tokens", mean_of_all, "neither the sum nor the count"),
    ("causal_mean", "sum without division", lambda x: x.cumsum(dim=1), "running sums"),
    ("causal_mean", "sum divided by T", lambda x: x.cumsum(dim=1) / x.size(1), "count of 1"),
    (
        "causal_mean",
        "one count too many",
        lambda x: x.cumsum(1) / torch.arange(2, x.size(1) + 2)[:, None],
        "count of 1",
    ),
    (
        "causal_mean",
        "over the batch",
        lambda x: x.cumsum(dim=0) / torch.arange(1, x.size(1) + 1)[:, None],
        "along the batch",
    ),
    (
        "causal_mean",
        "from zero, dividing by zero",
        lambda x: x.cumsum(1) / torch.arange(x.size(1))[:, None] * 0,
        "NaN",
    ),
    ("causal_mean", "last row only", lambda x: x.mean(dim=1), "shape"),
    ("causal_mean", "a loop", mean_by_loop, "come from a loop"),
    ("causal_mean", "a while loop", mean_by_while, "come from a loop"),
    ("causal_mean", "a loop over plain numbers", mean_in_plain_python, "come from a loop"),
    ("causal_mean", "a product", mean_by_product, "come from a product"),
    ("causal_mean", "a product in other letters", mean_by_softmax, "come from a product"),
    (
        "fading_mixer",
        "scores without softmax",
        lambda x: decay(2.0)(x.size(1)) @ x,
        "as -inf times",
    ),
    (
        "fading_mixer",
        "scores without softmax, zeros for -inf",
        lambda x: decay(2.0, hide=False)(x.size(1)).tril() @ x,
        "the softmax is missing",
    ),
    ("fading_mixer", "x itself", lambda x: x, "nothing is mixed"),
    ("fading_mixer", "transposed", lambda x: decay(2.0)(x.size(1)).softmax(-1).T @ x, "exchanged"),
    (
        "fading_mixer",
        "softmax twice",
        lambda x: decay(2.0)(x.size(1)).softmax(-1).softmax(-1) @ x,
        "taken twice",
    ),
    ("fading_mixer", "a step of e", Fading(math.e), "2.72 times"),
    ("fading_mixer", "the plain average", mean_right, "plain average"),
    ("fading_mixer", "no mask", Fading(hide=False), "future leaks"),
    ("fading_mixer", "softmax down the columns", Fading(dim=0), "each column"),
    ("fading_mixer", "backwards", Fading(0.5), "the oldest token weighs most"),
    ("fading_mixer", "not divided", fading_sum, "must sum to one"),
    ("fading_mixer", "x added", Fading(add=True), "the frame adds x"),
    ("fading_mixer", "another step", Fading(3.0), "do not halve"),
    ("fading_mixer", "the class, not called", Fading, "with brackets"),
]

test_answers, test_tables = exercise_tests("averaging_the_past", RIGHT, WRONG)


def mean_by_accumulation(x):
    sums = torch.cumsum(x, dim=-2)
    return sums.div(torch.ones_like(x).cumsum(dim=-2))


def mean_as_a_change_of_axes(x):
    counts = torch.arange(1, x.shape[1] + 1, dtype=x.dtype)
    return (x.transpose(1, 2).cumsum(-1) / counts).transpose(1, 2)


def decay_by_distance(T):
    places = torch.arange(T)
    back = (places[:, None] - places[None, :]).float()
    return torch.where(back >= 0, -back * 0.6931472, -torch.inf)


def decay_by_logarithm(T):
    weights = (2.0 ** torch.arange(T)).repeat(T, 1).tril()
    return weights.log()


def fading_by_recursion(x):
    sums, total, rows = torch.zeros_like(x[:, 0]), 0.0, []
    for t in range(x.size(1)):
        sums, total = sums / 2 + x[:, t], total / 2 + 1
        rows.append(sums / total)
    return torch.stack(rows, dim=1)


def fading_by_distance(x):
    return torch.einsum("ts,bsd->btd", decay_by_distance(x.size(1)).softmax(-1), x)


def fading_by_powers(x):
    weights = (2.0 ** torch.arange(x.size(1))).repeat(x.size(1), 1).tril()
    return weights / weights.sum(-1, keepdim=True) @ x


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("fading_mixer", fading_by_recursion),
        ("fading_mixer", fading_by_distance),
        ("fading_mixer", fading_by_powers),
        ("causal_mean_by_hand", torch.tensor([[2, 0], [3, 3], [2, 3], [2, 3]])),
        ("causal_mean_by_hand", ((2.0, 0.0), (3.0, 3.0), (2.0, 3.0), (2.0, 3.0))),
        ("decay_scores", decay_by_distance),
        ("decay_scores", decay_by_logarithm),
        ("causal_mean", mean_by_accumulation),
        ("causal_mean", mean_as_a_change_of_axes),
        ("causal_mean", lambda x: x.cumsum(1) / torch.arange(1, x.size(1) + 1).view(1, -1, 1)),
    ],
)
def test_other_right_answers(name, answer):
    assert verdict(f"averaging_the_past/{name}", answer) == "right"
