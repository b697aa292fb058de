"""The exercises of 03_gpt/02_gpt_model."""

import math
from functools import partial

import torch
from harness import exercise_tests


def forward(model, idx, positions=True, norm=True, blocks=None, softmax=False):
    x = model.tok_emb(idx)
    if positions:
        x = x + model.pos_emb(torch.arange(idx.shape[1]))
    for block in model.trf_blocks[:blocks]:
        x = block(x)
    logits = model.out_head(model.final_norm(x) if norm else x)
    return logits.softmax(dim=-1) if softmax else logits


RIGHT = {"logits_shape": (3, 20, 1000), "first_loss": 7.03, "own_forward": forward}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("logits_shape", "width instead of vocabulary", (3, 20, 64), "64 is the width"),
    ("logits_shape", "context instead of tokens", (3, 128, 1000), "does not fill the context"),
    ("logits_shape", "two dimensions", (60, 1000), "three dimensions"),
    ("logits_shape", "text inside", (3, 20, "1000"), "one number, this is text"),
    ("logits_shape", "not a tuple", 60_000, "three dimensions"),
    ("first_loss", "ln V only", 6.91, "half the squared spread"),
    ("first_loss", "not halved", math.log(1000) + 0.25, "counts half"),
    ("first_loss", "decimal logarithm", 3.125, "natural"),
    ("own_forward", "no positions", partial(forward, positions=False), "positions are missing"),
    ("own_forward", "no final norm", partial(forward, norm=False), "final_norm"),
    ("own_forward", "no blocks", partial(forward, blocks=0), "blocks are missing"),
    ("own_forward", "one block", partial(forward, blocks=1), "only the first block"),
    ("own_forward", "the model itself", lambda model, idx: model(idx), "called the model"),
    ("own_forward", "its method", lambda model, idx: model.forward(idx), "called the model"),
    ("own_forward", "softmax", partial(forward, softmax=True), "without a softmax"),
]

test_answers, test_tables = exercise_tests("gpt_model", RIGHT, WRONG)
