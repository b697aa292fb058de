"""The exercises of 05_instruction_finetuning/03_dataloaders."""

import torch
from harness import exercise_tests


def moved(loader, device, targets_too=True):
    for inputs, targets in loader:
        yield inputs.to(device), targets.to(device) if targets_too else targets


def bucket(
    lengths, batch_size, generator, shuffle_records=True, sort=True, shuffle_batches=True, drop=0
):
    order = (
        torch.randperm(len(lengths), generator=generator).tolist()
        if shuffle_records
        else [*range(len(lengths))]
    )
    if sort:
        order.sort(key=lambda i: lengths[i])
    batches = [order[i : i + batch_size] for i in range(0, len(order) - drop, batch_size)]
    if not shuffle_batches:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


RIGHT = {"steps": 116, "moved": moved, "bucket_batches": bucket}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("steps", "last batch kept", 118, "drop_last"),
    ("steps", "one epoch", 58, "two"),
    ("steps", "batches of eight", 232, "8"),
    ("moved", "a list", lambda b, d: list(moved(b, d)), "one at a time"),
    ("moved", "targets forgotten", lambda b, d: moved(b, d, targets_too=False), "targets"),
    ("moved", "nothing moved", lambda b, d: ((x, y) for x, y in b), "inputs arrived on cpu"),
    ("moved", "read ahead", lambda b, d: iter(list(moved(b, d))), "were read before"),
    ("bucket_batches", "not sorted", lambda n, b, g: bucket(n, b, g, sort=False), "padding"),
    (
        "bucket_batches",
        "in order of length",
        lambda n, b, g: bucket(n, b, g, shuffle_batches=False),
        "shuffle",
    ),
    (
        "bucket_batches",
        "same neighbours",
        lambda n, b, g: bucket(n, b, g, shuffle_records=False),
        "before you sort",
    ),
    (
        "bucket_batches",
        "records dropped",
        lambda n, b, g: bucket(n, b, g, drop=8),
        "exactly one batch",
    ),
    ("bucket_batches", "own randomness", lambda n, b, g: bucket(n, b, None), "generator"),
    ("bucket_batches", "wrong size", lambda n, b, g: bucket(n, 4, g), "hold 8"),
]

test_answers, test_tables = exercise_tests("dataloaders", RIGHT, WRONG)
