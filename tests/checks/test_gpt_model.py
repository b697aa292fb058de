"""The exercises of 03_gpt/02_gpt_model."""

import math
from functools import partial, reduce

import pytest
import torch
import torch.nn.functional as F
from harness import exercise_tests
from torch import nn

from shared.checks import verdict
from shared.gpt import GPTModel

PAIR = {"positions", "mask"}


class Twin(nn.Module):
    """A GPTModel as a notebook defines it: another class with the same forward."""

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb(torch.arange(idx.shape[1]))
        for block in self.trf_blocks:
            x = block(x)
        return self.out_head(self.final_norm(x))


def forward(model, idx, first=0, norm=True, blocks=slice(None), after=lambda logits: logits):
    x = model.tok_emb(idx)
    if first is not None:
        x = x + model.pos_emb(torch.arange(idx.shape[1]) + first)
    for block in model.trf_blocks[blocks]:
        x = block(x)
    return after(model.out_head(model.final_norm(x) if norm else x))


def forward_with_dropout_named(model, idx):
    x = model.drop_emb(model.tok_emb(idx) + model.pos_emb.weight[: idx.size(1)])
    x = nn.Sequential(*model.trf_blocks)(x)
    return F.linear(model.final_norm(x), model.out_head.weight)


def forward_by_reduce(model, idx):
    """A function may bear the name "forward" and hold the model under another."""
    places = torch.arange(idx.size(1)).expand(idx.size(0), -1)
    x = reduce(
        lambda x, block: block(x), model.trf_blocks, model.tok_emb(idx).add(model.pos_emb(places))
    )
    return model.final_norm(x) @ model.out_head.weight.T


def first_block_each_time(model, idx):
    x = model.tok_emb(idx) + model.pos_emb(torch.arange(idx.shape[1]))
    for _ in model.trf_blocks:
        x = model.trf_blocks[0](x)
    return model.out_head(model.final_norm(x))


def without_head(model, idx):
    x = model.tok_emb(idx) + model.pos_emb(torch.arange(idx.shape[1]))
    for block in model.trf_blocks:
        x = block(x)
    return model.final_norm(x)


def positions_of_ids(model, idx):
    return model.out_head(model.final_norm(model.tok_emb(idx) + model.pos_emb(idx)))


RIGHT = {
    "own_forward": forward,
    "logits_shape": (3, 20, 1000),
    "first_loss": 7.03,
    "blind_to_order": [{"positions", "mask"}, {"positions", "block"}],
}
ALSO_RIGHT = [
    ("own_forward", forward_with_dropout_named),
    ("own_forward", forward_by_reduce),
    ("own_forward", lambda model, idx: forward(model, idx)),
    ("logits_shape", [3, 20, 1000]),
    ("logits_shape", torch.Size((3, 20, 1000))),
    ("logits_shape", torch.zeros(3, 20, 1000).shape),
    ("first_loss", math.log(1000) + 0.5**2 / 2),
    ("first_loss", 7.033),
    ("first_loss", 3 * math.log(10) + torch.tensor(0.125)),
    ("blind_to_order", [["mask", "positions"], ["block", "positions"]]),
    ("blind_to_order", (("block", "Positions"), ("positions", "mask "))),
    ("blind_to_order", {frozenset({"positions", "mask"}), frozenset({"positions", "block"})}),
]
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("logits_shape", "width instead of vocabulary", (3, 20, 64), "64 is the width"),
    ("logits_shape", "context instead of tokens", (3, 128, 1000), "does not fill the context"),
    ("logits_shape", "context instead of vocabulary", (3, 20, 128), "128 is the longest context"),
    ("logits_shape", "last position", (3, 1, 1000), "not the last position only"),
    ("logits_shape", "batch second", (20, 3, 1000), "batch comes first"),
    ("logits_shape", "scores second", (3, 1000, 20), "scores come last"),
    ("logits_shape", "another order", (1000, 3, 20), "order is batch"),
    ("logits_shape", "two dimensions", (60, 1000), "three dimensions"),
    ("logits_shape", "text inside", (3, 20, "1000"), "one number, this is text"),
    ("logits_shape", "not a tuple", 60_000, "three dimensions"),
    ("first_loss", "ln V only", 6.91, "half the squared spread"),
    ("first_loss", "not halved", math.log(1000) + 0.25, "counts half"),
    ("first_loss", "not squared", math.log(1000) + 0.5, "square the spread"),
    ("first_loss", "subtracted", math.log(1000) - 0.125, "cost something"),
    ("first_loss", "spread of the model above", 7.07, "spread of 0.58"),
    ("first_loss", "GPT-2's vocabulary", 10.95, "1,000 tokens"),
    ("first_loss", "the addition only", 0.125, "without an opinion is missing"),
    ("first_loss", "decimal logarithm", 3.125, "natural"),
    ("first_loss", "binary logarithm", 10.09, "natural"),
    ("own_forward", "no positions", partial(forward, first=None), "positions are missing"),
    ("own_forward", "positions from 1", partial(forward, first=1), "first position is 0"),
    ("own_forward", "positions of ids", positions_of_ids, "out of range"),
    ("own_forward", "no final norm", partial(forward, norm=False), "final_norm"),
    ("own_forward", "no blocks", partial(forward, blocks=slice(0)), "blocks are missing"),
    ("own_forward", "one block", partial(forward, blocks=slice(1)), "only the first block"),
    ("own_forward", "last block", partial(forward, blocks=slice(-1, None)), "only the last block"),
    ("own_forward", "backwards", partial(forward, blocks=slice(None, None, -1)), "wrong order"),
    ("own_forward", "first block each time", first_block_each_time, "first block ran each time"),
    ("own_forward", "no head", without_head, "out_head is missing"),
    ("own_forward", "last position", partial(forward, after=lambda x: x[:, -1]), "last position"),
    ("own_forward", "the model itself", lambda model, idx: model(idx), "called the model"),
    ("own_forward", "its method", lambda model, idx: model.forward(idx), "called the model"),
    (
        "own_forward",
        "its class",
        lambda model, idx: GPTModel.forward(model, idx),
        "called the model",
    ),
    (
        "own_forward",
        "another class",
        lambda model, idx: Twin.forward(model, idx),
        "called the model",
    ),
    (
        "own_forward",
        "softmax",
        partial(forward, after=lambda x: x.softmax(-1)),
        "without a softmax",
    ),
    (
        "own_forward",
        "logarithms",
        partial(forward, after=lambda x: x.log_softmax(-1)),
        "logarithms",
    ),
    ("blind_to_order", "one pair, bare", {"positions", "mask"}, "expected pairs"),
    ("blind_to_order", "one pair", [{"positions", "mask"}], "two such pairs and you gave 1"),
    ("blind_to_order", "one pair twice", [PAIR, PAIR], "two such pairs and you gave 1"),
    ("blind_to_order", "no pair", [], "two such pairs and you gave 0"),
    ("blind_to_order", "one switch", [PAIR, {"positions"}], "two switches, not 1"),
    ("blind_to_order", "three", [PAIR, {"positions", "mask", "head"}], "two switches, not 3"),
    ("blind_to_order", "with the norm", [PAIR, {"positions", "last norm"}], "Block 2 reads"),
    ("blind_to_order", "with a head", [PAIR, {"positions", "head"}], "Block 2 reads"),
    ("blind_to_order", "mask and block", [PAIR, {"mask", "block"}], "still there"),
    ("blind_to_order", "shortcuts", [{"mask", "shortcuts"}, PAIR], "still there"),
    (
        "blind_to_order",
        "another name",
        [PAIR, {"positions", "masks"}],
        "no switch is named 'masks'",
    ),
]

test_answers, test_tables = exercise_tests("gpt_model", RIGHT, WRONG)


@pytest.mark.parametrize("name, answer", ALSO_RIGHT)
def test_other_right_answers(name, answer):
    assert verdict(f"gpt_model/{name}", answer) == "right"
