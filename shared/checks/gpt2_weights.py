"""The exercises of 04_pretraining/06_gpt2_weights."""

import re
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, not_a_tuple, wrong_form, wrong_number


def judge_gpt2_tensors(answer: Any) -> str | None:
    ours = "you counted our names: theirs has one c_attn for queries, keys and values"
    slips = {
        12: "that is one block of twelve, without what stands outside",
        12 * 12: "those are the blocks; two embeddings and the final norm stand outside",
        12 * 12 + 1: "outside the blocks stand two embeddings and a norm",
        12 * 12 + 2: "outside the blocks stand two embeddings and a norm of two tensors",
        12 * 12 + 3: "one is missing: are there two embeddings, and two tensors of the final norm?",
        13 * 12 + 4: "you counted a mask in each block: the file has none",
        12 * 12 + 5: "the head is tied: it is the token embedding and not saved again",
        16 * 12 + 4: ours,
        16 * 12 + 5: ours,
    }
    how = "count the lines of one block in the list, times 12, and add those outside"
    return wrong_number(answer, 12 * 12 + 4, slips, how=how)


def judge_largest_gpt2(answer: Any) -> str | None:
    if not isinstance(answer, str):
        return "answer with one of the names, as a text: gpt2, gpt2-medium, gpt2-large, gpt2-xl"
    name = re.sub(r"[\s_-]+", "-", answer.strip().lower()).replace("gpt-2", "gpt2")
    name = name if name.startswith("gpt2") else f"gpt2-{name}"
    if name in ("gpt2", "gpt2-small", "gpt2-medium"):
        return (
            f"{answer} fits, but a larger one fits too: compare twice the GB printed above with 8"
        )
    if name == "gpt2-xl":
        return (
            "its weights alone fit, but for a moment both stand in memory, the file and the model"
        )
    if name != "gpt2-large":
        return "answer with one of the names: gpt2, gpt2-medium, gpt2-large, gpt2-xl"
    return None


@asks_for_function
def judge_to_c_attn(
    answer: Callable[[nn.Linear, nn.Linear, nn.Linear], tuple[Tensor, Tensor]],
) -> str | None:
    torch.manual_seed(0)
    for D in (4, 6):
        parts = [nn.Linear(D, D) for _ in range(3)]
        pair = answer(*parts)
        if hint := not_a_tuple(pair, "weight", "bias") or wrong_c_attn(*pair, parts):
            return hint
    return None


def wrong_c_attn(weight: Any, bias: Any, parts: list[nn.Linear]) -> str | None:
    """A hint unless weight, (D, 3D), and bias, (3D,), do what three layers do."""
    D = parts[0].in_features
    if isinstance(weight, Tensor) and tuple(weight.shape) == (3 * D, D):
        return (
            "your weight is (3D, D), as PyTorch stores it; Hugging Face stores (in, out): "
            "transpose at the end"
        )
    form = wrong_form(weight, (D, 3 * D), "the weight")
    if hint := form or wrong_form(bias, (3 * D,), "the bias"):
        return f"for D={D} {hint}"
    x = torch.randn(2, 3, D)
    product = x @ weight  # (2, 3, 3D)
    if torch.allclose(x @ torch.cat([part.weight for part in parts], dim=1), product, atol=1e-6):
        return "the matrices stand side by side untransposed: (out, in) must become (in, out) first"
    mixed = torch.stack([part.weight.T for part in parts], dim=-1).flatten(1)  # (D, 3D)
    if torch.allclose(x @ mixed, product, atol=1e-6):
        return "queries, keys and values take turns: all queries first, then all keys, all values"
    right = torch.cat([part(x) for part in parts], dim=-1)  # (2, 3, 3D)
    right_bias = torch.cat([part.bias for part in parts])  # (3D,)
    if not torch.allclose(product + right_bias, right, atol=1e-6):
        return (
            "the product with your weight gives other queries, keys and values: is the order "
            "query, key, value?"
        )
    if not torch.allclose(product + bias, right, atol=1e-6):
        return "the weight is right, the bias is not"
    return None


EXERCISES = {
    "largest_gpt2": Exercise(judge_largest_gpt2, "a model of up to 4 GB fits"),
    "gpt2_tensors": Exercise(judge_gpt2_tensors, "each line of the list is one tensor of a block"),
    "to_c_attn": Exercise(judge_to_c_attn, "torch.cat, then .T"),
}
