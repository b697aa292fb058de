"""The exercises of 02_attention/02_queries_keys_values."""

import pytest
import torch
import torch.nn.functional as F
from harness import exercise_tests

from shared.checks import verdict

SHIFT = torch.zeros(6, 6)
SHIFT[range(5), range(1, 6)] = 1.0
FIRST = torch.zeros(6, 6)
FIRST[0] = 20.0


def attend_right(q, k, v):
    return (q @ k.mT / q.size(-1) ** 0.5).softmax(dim=-1) @ v


def attend_in_loops(q, k, v):
    rows = []
    for b in range(q.size(0)):
        scores = torch.stack([k[b] @ query for query in q[b]]) * k.size(-1) ** -0.5
        rows.append(scores.softmax(dim=-1) @ v[b])
    return torch.stack(rows)


def attend_by_exponentials(q, k, v):
    shares = torch.einsum("btk,bsk->bts", q, k).div(k.shape[-1] ** 0.5).exp()
    return torch.bmm(shares / shares.sum(-1, keepdim=True), v)


def attend_scaled_query(q, k, v):
    scores = torch.matmul(q / torch.tensor(q.shape[2]).sqrt(), k.transpose(-1, -2))
    return torch.matmul(F.softmax(scores, dim=2), v)


def attend_by_whole_root(q, k, v):
    return (q @ k.transpose(1, 2) / int(k.size(-1) ** 0.5)).softmax(dim=-1) @ v


def attend_over_queries(q, k, v):
    return (q @ k.transpose(1, 2) / k.size(-1) ** 0.5).softmax(dim=1) @ v


def attend_divided(size):
    """Attention whose scores are divided by size(q, k, v)."""
    return lambda q, k, v: (q @ k.transpose(1, 2) / size(q, k, v)).softmax(dim=-1) @ v


def attend_after_softmax(q, k, v):
    return (q @ k.transpose(1, 2)).softmax(dim=-1) / k.size(-1) ** 0.5 @ v


def attend_by_pytorch(q, k, v):
    return F.scaled_dot_product_attention(q, k, v)


def attend_causal(q, k, v):
    future = torch.ones(q.size(1), k.size(1), dtype=torch.bool).triu(1)
    scores = q @ k.mT / k.size(-1) ** 0.5
    return scores.masked_fill(future, -torch.inf).softmax(dim=-1) @ v


def attend_by_cosine(q, k, v):
    return (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).mT).softmax(dim=-1) @ v


def attend_without_exponentials(q, k, v):
    scores = q @ k.mT / k.size(-1) ** 0.5
    return scores / scores.sum(dim=-1, keepdim=True) @ v


def attend_hard(q, k, v):
    return F.one_hot((q @ k.mT).argmax(dim=-1), k.size(1)).float() @ v


def attend_with_dropout(q, k, v):
    return F.dropout((q @ k.mT / k.size(-1) ** 0.5).softmax(dim=-1), 0.5) @ v


def attend_in_place(q, k, v):
    q /= k.size(-1) ** 0.5
    return (q @ k.mT).softmax(dim=-1) @ v


RIGHT = {
    "previous_token": (20 * torch.eye(6), SHIFT),
    "scaled_scores": [1.0, 2.0, 0.0],
    "attend": attend_right,
}
OTHERS_RIGHT = [  # the same, written in other ways
    ("previous_token", (20 * SHIFT.T, torch.eye(6))),
    ("previous_token", [torch.eye(6), 15 * SHIFT]),
    ("previous_token", (torch.eye(6).int(), 30 * SHIFT.int())),
    ("scaled_scores", (1, 2, 0)),
    ("scaled_scores", torch.tensor([1.0, 2.0, 0.0])),
    ("scaled_scores", [2 / 2, 4 / 4**0.5, 0]),
    ("attend", attend_in_loops),
    ("attend", attend_by_exponentials),
    ("attend", attend_scaled_query),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("attend", "a whole number for the root", attend_by_whole_root, "rounded to a whole"),
    ("scaled_scores", "not scaled", [2, 4, 0], "not scaled"),
    ("scaled_scores", "divided by the width", [0.5, 1, 0], "square root"),
    ("scaled_scores", "weights", torch.tensor([1.0, 2, 0]).softmax(0).tolist(), "before"),
    ("scaled_scores", "a slip", [1, 2, 1], "work out"),
    ("scaled_scores", "by three keys", [2 / 3**0.5, 4 / 3**0.5, 0], "number of numbers"),
    ("scaled_scores", "sums of the keys", [4, 5, 2], "where is the query"),
    ("scaled_scores", "one number", 1.0, "shape"),
    ("scaled_scores", "exchanged", [2, 1, 0], "first two scores are exchanged"),
    ("scaled_scores", "backwards", [0, 2, 1], "reverse order"),
    ("scaled_scores", "multiplied", [4, 8, 0], "are multiplied"),
    ("scaled_scores", "a minus lost", [1, 2, 6], "is taken as 6"),
    ("scaled_scores", "a part forgotten", [1, 2, 3], "has four parts"),
    ("scaled_scores", "one slip", [1, 5, 0], "second score: work out"),
    ("previous_token", "a minus", (-20 * torch.eye(6), SHIFT), "a minus too many"),
    ("previous_token", "too large", (1e20 * SHIFT.T, 1e20 * torch.eye(6)), "too large for"),
    ("previous_token", "both shifted", (20 * SHIFT, SHIFT), "themselves"),
    ("previous_token", "NumPy", (SHIFT.T.numpy(), torch.eye(6)), "this is a NumPy array"),
    (
        "previous_token",
        "two back",
        (20 * torch.diag(torch.ones(4), -2) + FIRST.roll(1, 0) * FIRST.T.sign(), torch.eye(6)),
        "token 2 gives most",
    ),
    (
        "previous_token",
        "the last forgotten",
        (20 * torch.diag(torch.tensor([1.0, 1, 1, 1, 0]), -1), torch.eye(6)),
        "token 5 gives all tokens",
    ),
    ("previous_token", "look at themselves", (20 * torch.eye(6), torch.eye(6)), "themselves"),
    ("previous_token", "shift the other way", (20 * torch.eye(6), SHIFT.T), "other way"),
    ("previous_token", "too soft", (torch.eye(6), SHIFT), "too softly"),
    ("previous_token", "one matrix", torch.eye(6), r"a tuple, \(W_q, W_k\), this is a tensor"),
    ("previous_token", "wrong size", (torch.eye(5), torch.eye(5)), r"expected \(6, 6\)"),
    ("previous_token", "zeros", (torch.zeros(6, 6), SHIFT), "none is chosen"),
    ("previous_token", "all at token 0", (torch.ones(6, 6), FIRST), "query of its own"),
    ("previous_token", "only one row", (20 * FIRST, SHIFT), "token 1 gives all tokens the same"),
    (
        "attend",
        "not scaled",
        lambda q, k, v: F.scaled_dot_product_attention(q, k, v, scale=1.0),
        "not scaled: divide",
    ),
    ("attend", "softmax over the queries", attend_over_queries, "sum to one over the keys"),
    ("attend", "by the width", attend_divided(lambda q, k, v: k.size(-1)), "its square root"),
    ("attend", "by the keys", attend_divided(lambda q, k, v: k.size(1) ** 0.5), "number of keys"),
    ("attend", "by T", attend_divided(lambda q, k, v: q.size(1) ** 0.5), "number of queries"),
    ("attend", "by D", attend_divided(lambda q, k, v: v.size(-1) ** 0.5), "values' width"),
    ("attend", "multiplied", attend_divided(lambda q, k, v: k.size(-1) ** -0.5), "are multiplied"),
    ("attend", "scaled after the softmax", attend_after_softmax, "comes too late"),
    ("attend", "PyTorch's function", attend_by_pytorch, "write the steps yourself"),
    ("attend", "PyTorch's itself", F.scaled_dot_product_attention, "write the steps yourself"),
    (
        "attend",
        "transpose forgotten",
        lambda q, k, v: (q @ k).softmax(-1) @ v,
        "raised RuntimeError",
    ),
    ("attend", "returns the weights", lambda q, k, v: (q @ k.transpose(1, 2)).softmax(-1), "shape"),
]

WRONG += [
    ("attend", "q and k exchanged", lambda q, k, v: attend_right(k, q, v), "queries and keys have"),
    ("attend", "k and v exchanged", lambda q, k, v: attend_right(q, v, k), "keys and values have"),
    (
        "attend",
        "no softmax",
        lambda q, k, v: q @ k.mT / k.size(-1) ** 0.5 @ v,
        "softmax is missing",
    ),
    ("attend", "a mask", attend_causal, "no mask is asked for"),
    (
        "attend",
        "plain mean",
        lambda q, k, v: v.mean(1, keepdim=True) + 0 * q[..., :1],
        "plain mean",
    ),
    (
        "attend",
        "a root too many",
        attend_divided(lambda q, k, v: k.size(-1) ** 0.25),
        "root of K twice",
    ),
    ("attend", "cosines", attend_by_cosine, "these are cosines"),
    ("attend", "no exponentials", attend_without_exponentials, "without exponentials"),
    ("attend", "values backwards", lambda q, k, v: attend_right(q, k, v.flip(1)), "reverse order"),
    ("attend", "the best alone", attend_hard, "only the best"),
    ("attend", "dropout", attend_with_dropout, "two calls"),
    ("attend", "q is changed", attend_in_place, "changes the tensor"),
]

test_answers, test_tables = exercise_tests("queries_keys_values", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", OTHERS_RIGHT)
def test_other_right_answers(name, answer):
    assert verdict(f"queries_keys_values/{name}", answer) == "right"
