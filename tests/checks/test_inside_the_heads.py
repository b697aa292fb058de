"""The exercises of 02_attention/05_inside_the_heads."""

import copy

import pytest
import torch
from harness import exercise_tests

from shared.checks import verdict


def run_without(layer, x, heads, *, rows=False, bias=True, width=None, order=lambda heads: heads):
    cut = copy.deepcopy(layer)
    K = width or layer.out_proj.in_features // layer.num_heads
    for head in order(heads):
        part = slice(K * head, K * head + K)
        if rows:
            cut.out_proj.weight.data[part] = 0.0
        else:
            cut.out_proj.weight.data[:, part] = 0.0
    if not bias:
        cut.out_proj.bias.data.zero_()
    return cut(x)


def run_without_in_place(layer, x, heads):
    K = layer.out_proj.in_features // layer.num_heads
    for head in heads:
        layer.out_proj.weight.data[:, K * head : K * head + K] = 0.0
    return layer(x)


def restored(layer, x, heads):
    kept = layer.out_proj.weight.data.clone()
    out = run_without_in_place(layer, x, heads)
    layer.out_proj.weight.data = kept
    return out


def by_values(layer, x, heads):
    """Nothing that the heads could mix: neither the values' weights nor their biases."""
    cut = copy.deepcopy(layer)
    for parameter in cut.W_value.parameters():
        parameter.data.unflatten(0, (layer.num_heads, -1))[heads] = 0.0
    return cut(x)


def by_weights_of_values(layer, x, heads):
    cut = copy.deepcopy(layer)
    cut.W_value.weight.data.unflatten(0, (layer.num_heads, -1))[heads] = 0.0
    return cut(x)


def by_hook(layer, x, heads):
    def silence(module, given):
        parts = given[0].unflatten(-1, (layer.num_heads, -1)).clone()
        parts[..., heads, :] = 0.0
        return (parts.flatten(-2),)

    hook = layer.out_proj.register_forward_pre_hook(silence)
    out = layer(x)
    hook.remove()
    return out


def others(layer, x, heads):
    return run_without(layer, x, [h for h in range(layer.num_heads) if h not in heads])


def left_in_training(layer, x, heads):
    return run_without(layer.train(), x, heads)


def next_ones(heads):
    return [head + 1 for head in heads]


def by_stride(layer, x, heads):
    cut = copy.deepcopy(layer)
    for head in heads:
        cut.out_proj.weight.data[:, head :: layer.num_heads] = 0.0
    return cut(x)


RIGHT = {"induction_place": 2, "run_without": run_without, "find_heads": {1, 4}}
ALSO_RIGHT = [
    ("run_without", restored),
    ("run_without", by_values),
    ("run_without", by_hook),
    ("find_heads", [4, 1]),
    ("find_heads", (1, 4)),
    ("find_heads", frozenset({4, 1})),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("run_without", "the values' biases stay", by_weights_of_values, "not that of the other heads"),
    ("induction_place", "the same symbol", 1, "same symbol"),
    ("induction_place", "one back", 4, "previous-token"),
    ("induction_place", "itself", 5, "token itself"),
    ("induction_place", "one too far", 3, "one too far"),
    ("induction_place", "the first", 0, "too small"),
    ("induction_place", "outside", 7, "too large"),
    ("run_without", "in place", run_without_in_place, "work on a copy"),
    ("run_without", "rows", lambda *given: run_without(*given, rows=True), "read by columns"),
    ("run_without", "no bias", lambda *given: run_without(*given, bias=False), "belongs to no"),
    ("run_without", "all on", lambda layer, x, heads: layer(x), "nothing was switched off"),
    ("run_without", "the others", others, "other way round"),
    (
        "run_without",
        "the first alone",
        lambda *given: run_without(*given, order=lambda heads: heads[:1]),
        "only the first",
    ),
    (
        "run_without",
        "the last alone",
        lambda *given: run_without(*given, order=lambda heads: heads[-1:]),
        "only the last",
    ),
    (
        "run_without",
        "a fixed width",
        lambda *given: run_without(*given, width=1),
        r"columns h\*K to",
    ),
    ("run_without", "left in training", left_in_training, "work on a copy"),
    (
        "run_without",
        "counted from 1",
        lambda *given: run_without(*given, order=next_ones),
        "counted from 0",
    ),
    ("run_without", "every H-th column", by_stride, "side by side"),
    ("run_without", "weights", lambda layer, x, heads: layer.out_proj.weight, "shape"),
    ("find_heads", "the sharpest alone", {1}, "wrong in 0%"),
    ("find_heads", "with one that is not read", {1, 5}, "another head stands in"),
    ("find_heads", "all that look two back", {1, 4, 5}, "head 5 may stay on"),
    ("find_heads", "all", set(range(6)), "head 0 may stay on"),
    ("find_heads", "counted from 1", {2, 5}, "counted from 0"),
    ("find_heads", "beyond", {1, 6}, "from 0 to 5"),
    ("find_heads", "none", set(), "no head off"),
    ("find_heads", "one number", 1, "expected a set"),
    ("find_heads", "names", {"1", "4"}, "expected a set"),
]

test_answers, test_tables = exercise_tests("inside_the_heads", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_ways_are_right_too(name, answer):
    torch.manual_seed(1)
    assert verdict(f"inside_the_heads/{name}", answer) == "right"
