"""The common judges: what they accept, and the sentence that each slip gets everywhere."""

import math
from functools import partial

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from shared.checks.judging import (
    asks_for_function,
    leak_hint,
    near,
    not_a_tuple,
    wrong_form,
    wrong_list,
    wrong_number,
    wrong_tensor,
    wrong_type,
)
from shared.checks.judging_ways import uses


@pytest.mark.parametrize(
    "answer",
    [10, 10.0, torch.tensor(10), torch.tensor(10.0), np.int64(10), np.float32(10), np.array(10)],
    ids=repr,
)
def test_one_number_is_accepted_in_every_form(answer):
    assert wrong_number(answer, 10) is None


@pytest.mark.parametrize(
    "answer, said",
    [
        ("10", "text: '10'"),
        (True, "True"),
        (np.bool_(True), "True"),
        (torch.tensor(True), "True"),
        (None, "None"),
        (math.nan, "nan"),
        (torch.tensor(math.nan), "nan"),
        (-math.inf, "-inf"),
        ([10], "a list: [10]"),
        ((10,), "a tuple: (10,)"),
        ({10}, "a set: {10}"),
        (list(range(100)), "a list: [0, 1, 2, 3, 4, 5, ...]"),
        (torch.tensor([10]), "a tensor of shape (1,)"),
        (np.array([1, 2]), "a NumPy array of shape (2,)"),
        (len, "a function"),
        (10j, "an object of type complex"),
    ],
    ids=repr,
)
def test_what_is_no_number_gets_one_sentence(answer, said):
    assert wrong_number(answer, 10) == f"expected one number, this is {said}"


@pytest.mark.parametrize(
    "answer, said",
    [
        (9, "the first is missing"),
        (9.0, "the first is missing"),
        (8, "8 is too small: count"),
        (1200, "1,200 is too large: count"),
        (10.5, "the answer is a whole number, not 10.5"),
        (10**400, f"{10**400:,} is too large: count"),
    ],
    ids=["slip", "slip as a float", "small", "large", "a half", "beyond every float"],
)
def test_a_wrong_whole_number(answer, said):
    assert wrong_number(answer, 10, {9: "the first is missing"}, how="count") == said


def test_the_tolerance_is_a_share_of_the_right_number_and_of_each_slip():
    def judge(answer):
        return wrong_number(answer, 200.0, {-50.0: "the sign"}, tolerance=0.01)

    assert judge(202) is None
    assert wrong_number(150.5, 200, tolerance=0.01) == "150.5 is too small"
    assert judge(198.0) is None
    assert judge(202.1) == "202.1 is too large"
    assert judge(-50.4) == "the sign"
    assert judge(-50.6) == "-50.6 is too small"


def test_without_a_tolerance_numbers_are_exact():
    assert wrong_number(2**60 + 1, 2**60) is not None
    assert wrong_number(0.5, 0.5) is None
    assert wrong_number(0.5000001, 0.5) == "0.5000001 is too large"


@pytest.mark.parametrize("answer", [3, "text", [], torch.zeros(2), {"a": 0}], ids=repr)
def test_what_is_no_function_gets_one_sentence(answer):
    judge = asks_for_function(lambda function: "looked closer")
    assert judge(len) == "looked closer"
    assert judge(answer) == ("give the function itself, by its name alone, and not what it returns")


def test_a_tuple_has_one_entry_for_each_name():
    assert not_a_tuple((1, 2), "steps", "passes") is None
    assert not_a_tuple([1, 2], "steps", "passes") is None
    said = "expected a tuple, (steps, passes), this is "
    assert not_a_tuple((1,), "steps", "passes") == said + "a tuple: (1,)"
    assert not_a_tuple("12", "steps", "passes") == said + "text: '12'"


def test_a_result_has_the_type_that_is_asked_for():
    assert wrong_type(True, bool, "True or False") is None
    assert wrong_type(np.bool_(False), bool, "True or False") is None
    assert wrong_type(1, bool, "True or False") == "it must return True or False, this is 1"


@pytest.mark.parametrize(
    "result, said",
    [
        ([[0.0, 0.0]], "the result must be a tensor, this is a list: [[0.0, 0.0]]"),
        (None, "the result must be a tensor, this is None"),
        (torch.zeros(2, 1), "the result has shape (2, 1), expected (1, 2)"),
        (torch.zeros(1, 2).long(), "the result has dtype torch.int64, expected torch.float32"),
        (torch.tensor([[0.0, math.nan]]), "the result holds NaN: "),
        (torch.tensor([[0.0, -math.inf]]), "the result holds numbers that are infinite"),
    ],
    ids=["list", "None", "shape", "dtype", "nan", "infinite"],
)
def test_the_form_of_a_tensor(result, said):
    assert wrong_form(torch.zeros(1, 2), (1, 2), dtype=torch.float) is None
    assert wrong_form(result, (1, 2), dtype=torch.float).startswith(said)


def test_infinite_scores_are_allowed_where_they_are_meant():
    scores = torch.tensor([0.0, -math.inf])
    assert wrong_form(scores, (2,), infinite=True) is None
    assert "NaN" in wrong_form(torch.tensor([0.0, math.nan]), (2,), infinite=True)


def test_the_values_of_a_tensor():
    right = torch.tensor([1.0, 2.0])
    slips = [(right.flip(0), "turned round"), (torch.zeros(2, 2), "of another shape")]
    assert wrong_tensor(right + 1e-6, right, slips) is None
    assert wrong_tensor(right.double(), right, slips) is None
    assert wrong_tensor(right.flip(0), right, slips) == "turned round"
    assert wrong_tensor(right + 1, right, slips) == "the shape is right, the numbers are not"
    assert wrong_tensor(right + 1, right, slips, "count again") == "count again"
    assert wrong_tensor(right[:1], right, slips) == "the result has shape (1,), expected (2,)"


def test_numbers_written_by_hand():
    assert wrong_list([[1, 2]], (1, 2)) is None
    assert wrong_list([1, 2], (1, 2)) == "your list has shape (2,), expected (1, 2)"
    assert wrong_list([[1], [1, 2]], (2, 2)).startswith("your list must hold numbers, this is ")
    assert wrong_list("12", (2,)) == "your list must hold numbers, this is text: '12'"


def test_a_leak_of_the_future_is_seen():
    x = torch.randn(1, 4, 2)
    assert leak_hint(lambda x: x.cumsum(dim=1), x) is None
    assert "the future leaks" in leak_hint(lambda x: x.flip(1).cumsum(dim=1).flip(1), x)


def test_near_tells_shapes_apart():
    assert near(torch.ones(2), torch.ones(2) + 1e-5)
    assert not near(torch.ones(2), torch.ones(1))
    assert not near(torch.ones(2), torch.ones(2) + 1e-3)


def softmaxed(x):
    """No softmax and no loop: for, while."""
    return F.softmax(x, dim=-1)


def by_exponentials(x):
    softmax = x.exp()  # a name of the reader's own
    return softmax / softmax.sum(-1, keepdim=True)


def through_a_helper(x):
    return softmaxed(x)


def row_by_row(x):
    rows = []
    for row in x:
        rows.append(row.exp() / row.exp().sum())
    return torch.stack(rows)


def imported(x):
    from torch import softmax as weights

    return weights(x, -1)


def softmax(x):
    return by_exponentials(x)


class Module(nn.Module):
    def forward(self, x):
        return x.softmax(-1)


@pytest.mark.parametrize(
    "answer, way",
    [
        (softmaxed, "softmax"),
        (through_a_helper, "softmax"),
        (imported, "softmax"),
        (Module(), "softmax"),
        (Module().forward, "softmax"),
        (partial(softmaxed), "softmax"),
        (lambda x: x.softmax(dim=-1), "softmax"),
        (row_by_row, "for"),
        (lambda x: torch.stack([row.exp() / row.exp().sum() for row in x]), "comprehension"),
        (by_exponentials, None),
        (softmax, None),
        (lambda x: softmax(x), None),
        (len, None),
        (3, None),
    ],
)
def test_a_forbidden_way_is_seen_in_the_source(answer, way):
    assert uses(answer, "softmax", "for", "while", "comprehension") == way


def test_only_the_ways_asked_for_count():
    assert uses(row_by_row, "while", "softmax") is None
    assert uses(row_by_row, "while", "for") == "for"


@pytest.mark.parametrize(
    "answer",
    [F.softmax, torch.softmax, nn.Softmax(dim=-1), partial(torch.Tensor.softmax, dim=-1)],
    ids=["function", "built-in", "module", "partial"],
)
def test_a_forbidden_way_is_seen_in_a_call(answer):
    given = (torch.ones(2, 3),) if isinstance(answer, (nn.Module, partial)) else (torch.ones(2), 0)
    assert uses(answer, "softmax", given=given) == "softmax"


def test_a_forbidden_way_under_another_name_and_without_source_is_seen_in_a_call():
    scope = {"weights": F.softmax}
    exec("def answer(x):\n    return weights(x, dim=-1)", scope)
    assert uses(scope["answer"], "softmax") is None
    assert uses(scope["answer"], "softmax", given=(torch.ones(2),)) == "softmax"
    assert uses(by_exponentials, "softmax", given=(torch.ones(2),)) is None


def test_two_lambdas_of_one_statement_are_not_mixed_up():
    pair = (lambda x: x.softmax(-1), lambda x: x + 1)
    assert uses(pair[1], "softmax", given=(torch.ones(2),)) is None
    assert uses(pair[0], "softmax", given=(torch.ones(2),)) == "softmax"
