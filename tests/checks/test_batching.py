"""The exercises of 05_instruction_finetuning/02_batching."""

import torch
from harness import exercise_tests
from torch.nn.utils.rnn import pad_sequence

from shared.instructions import custom_collate_fn


def collate(batch, pad_token_id, ignore=-100):
    inputs = pad_sequence([torch.tensor(ids) for ids in batch], True, pad_token_id)
    return inputs, pad_sequence(
        [torch.tensor([*ids[1:], pad_token_id]) for ids in batch], True, ignore
    )


def collate_and_spoil(batch, pad_token_id):
    for ids in batch:
        ids.append(pad_token_id)
    return collate([ids[:-1] for ids in batch], pad_token_id)


def mask_every_pad(batch, pad_token_id):
    inputs, targets = collate(batch, pad_token_id)
    return inputs, targets.masked_fill(targets == pad_token_id, -100)


RIGHT = {
    "loss_tokens": 16,
    "whole_records": lambda items, limit: [i for i in items if limit is None or len(i) <= limit],
    "collate": collate,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("loss_tokens", "all positions", 21, "padding"),
    ("loss_tokens", "without the end", 13, "end token"),
    ("loss_tokens", "the ignored ones", 5, "-100"),
    (
        "whole_records",
        "one too strict",
        lambda items, limit: [i for i in items if limit is None or len(i) < limit],
        "survives",
    ),
    (
        "whole_records",
        "one too lax",
        lambda items, limit: [i for i in items if limit is None or len(i) <= limit + 1],
        "is cut",
    ),
    (
        "whole_records",
        "no limit not handled",
        lambda items, limit: [i for i in items if len(i) <= limit],
        "TypeError",
    ),
    (
        "whole_records",
        "no limit keeps nothing",
        lambda items, limit: [i for i in items if limit and len(i) <= limit],
        "None keeps every item",
    ),
    ("collate", "not shifted", lambda b, p: (collate(b, p)[0], collate(b, p)[0]), "token after it"),
    ("collate", "every pad masked", mask_every_pad, "keep the first"),
    ("collate", "padding counted", lambda b, p: collate(b, p, ignore=p), "turn them into -100"),
    (
        "collate",
        "inputs padded with -100",
        lambda b, p: (pad_sequence([torch.tensor(i) for i in b], True, -100), collate(b, p)[1]),
        "embedding",
    ),
    (
        "collate",
        "one column too many",
        lambda b, p: custom_collate_fn([[*ids, p] for ids in b], pad_token_id=p),
        "shape",
    ),
    ("collate", "records changed", collate_and_spoil, "were changed"),
    (
        "collate",
        "decimals",
        lambda b, p: tuple(part.float() for part in collate(b, p)),
        "dtype torch.float32",
    ),
]

test_answers, test_tables = exercise_tests("batching", RIGHT, WRONG)
