"""The exercises of 05_instruction_finetuning/02_batching."""

import pytest
import torch
from harness import exercise_tests
from torch.nn.utils.rnn import pad_sequence

from shared.checks import verdict
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


def count_what_is_not_pad(batch, pad_token_id):
    """[5, 0] is taken for [5] if 0 is the padding."""
    inputs = pad_sequence([torch.tensor(ids) for ids in batch], True, pad_token_id)
    longer = torch.cat([inputs, torch.full((len(batch), 1), pad_token_id)], dim=1)
    targets = longer[:, 1:].clone()
    for row, target in zip(inputs, targets):
        target[int((row != pad_token_id).sum()) or 1 :] = -100
    return inputs, targets


def mask_after_first_pad(batch, pad_token_id):
    """Right where no text holds the padding's id."""
    inputs, targets = collate(batch, pad_token_id, ignore=pad_token_id)
    for target in targets:
        target[(target == pad_token_id).nonzero().squeeze(1)[1:]] = -100
    return inputs, targets


def pad_left(batch, pad_token_id):
    longest = max(map(len, batch))
    inputs, targets = [], []
    for ids in batch:
        missing = longest - len(ids)
        inputs.append([pad_token_id] * missing + ids)
        targets.append([-100] * missing + [*ids[1:], pad_token_id])
    return torch.tensor(inputs), torch.tensor(targets)


RIGHT = {
    "loss_tokens": 16,
    "whole_records": lambda items, limit: [i for i in items if limit is None or len(i) <= limit],
    "collate": collate,
}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("loss_tokens", "all positions", 21, "padding"),
    ("loss_tokens", "without the end", 13, "end token"),
    ("loss_tokens", "the ignored ones", 5, "-100"),
    ("loss_tokens", "a start and an end", 18, "once"),
    ("loss_tokens", "two ends", 19, "first id"),
    ("loss_tokens", "the longest", 7, "too small"),
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
    (
        "whole_records",
        "cut instead of left out",
        lambda items, limit: [i[:limit] for i in items],
        "came back",
    ),
    (
        "whole_records",
        "their places",
        lambda items, limit: [n for n, i in enumerate(items) if limit is None or len(i) <= limit],
        "the items themselves",
    ),
    (
        "whole_records",
        "sorted",
        lambda items, limit: sorted(
            (i for i in items if limit is None or len(i) <= limit), key=len
        ),
        "came back|order",
    ),
    (
        "whole_records",
        "in pairs with their lengths",
        lambda items, limit: [(len(i), i) for i in items if limit is None or len(i) <= limit],
        "the items themselves",
    ),
    (
        "whole_records",
        "by the limit of the longest",
        lambda items, limit: items if limit is None or max(map(len, items)) <= limit else [],
        "survives",
    ),
    ("collate", "lengths counted by what is not padding", count_what_is_not_pad, "the target"),
    ("collate", "the mask of the lectures", mask_after_first_pad, "the target|behind the end"),
    ("collate", "padded on the left", pad_left, "on the right"),
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


def by_hand(batch, pad_token_id):
    longest = max(map(len, batch))
    inputs = torch.full((len(batch), longest), pad_token_id)
    targets = torch.full((len(batch), longest), -100)
    for row, ids in enumerate(batch):
        inputs[row, : len(ids)] = torch.tensor(ids)
        targets[row, : len(ids)] = torch.tensor([*ids[1:], pad_token_id])
    return inputs, targets


@pytest.mark.parametrize(
    "answer", [by_hand, lambda b, p: list(custom_collate_fn(b, pad_token_id=p))]
)
def test_other_right_ways_to_collate(answer):
    assert verdict("batching/collate", answer) == "right"


@pytest.mark.parametrize(
    "answer",
    [
        lambda items, limit: list(filter(lambda i: limit is None or limit >= len(i), items)),
        lambda items, limit: [i for i in items if len(i) <= (10**9 if limit is None else limit)],
    ],
)
def test_other_right_ways_to_keep_whole_records(answer):
    assert verdict("batching/whole_records", answer) == "right"
