"""The exercises of chapter 5, notebooks 1 to 4: nothing yet, right answers, named mistakes with a hint."""

import pytest
import torch
from torch.nn.utils.rnn import pad_sequence

from shared.checks import verdict
from shared.checks.instructions import EXERCISES, SMALL_GPT_PARAMETERS
from shared.finetuning import create_small_gpt
from shared.instructions import check_fields, custom_collate_fn


def find_leaks(train, other, key=None):
    def normal(entry):
        return tuple("".join(c for c in entry[f].lower() if c.isalnum()) for f in ("instruction", "input"))

    key = key or normal
    seen = {key(entry) for entry in train}
    return [entry for entry in other if key(entry) in seen]


def chatml(entry, end="<|im_end|>", strict=True, empty=""):
    if strict:
        check_fields(entry)
    text = f"\n{entry['input']}" if entry["input"] else empty
    return f"<|im_start|>user\n{entry['instruction']}{text}{end}"


def collate(batch, pad_token_id, ignore=-100):
    inputs = pad_sequence([torch.tensor(ids) for ids in batch], True, pad_token_id)
    return inputs, pad_sequence([torch.tensor([*ids[1:], pad_token_id]) for ids in batch], True, ignore)


def collate_and_spoil(batch, pad_token_id):
    for ids in batch:
        ids.append(pad_token_id)
    return collate([ids[:-1] for ids in batch], pad_token_id)


def mask_every_pad(batch, pad_token_id):
    inputs, targets = collate(batch, pad_token_id)
    return inputs, targets.masked_fill(targets == pad_token_id, -100)


def moved(loader, device, targets_too=True):
    for inputs, targets in loader:
        yield inputs.to(device), targets.to(device) if targets_too else targets


def bucket(lengths, batch_size, generator, shuffle_records=True, sort=True, shuffle_batches=True, drop=0):
    order = torch.randperm(len(lengths), generator=generator).tolist() if shuffle_records else [*range(len(lengths))]
    if sort:
        order.sort(key=lambda i: lengths[i])
    batches = [order[i : i + batch_size] for i in range(0, len(order) - drop, batch_size)]
    if not shuffle_batches:
        return batches
    return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]


def same_words(response, output, signs=".,;:!?'\"()"):
    def words(text):
        stripped = (word.strip(signs) for word in text.lower().split())
        return [word for word in stripped if word]

    return words(response) == words(output)


def first_difference(given, expected):
    for position, (a, b) in enumerate(zip(given, expected)):
        if a != b:
            return position
    return None if len(given) == len(expected) else min(len(given), len(expected))


RIGHT = {
    "preamble_tokens": 37400,
    "find_leaks": find_leaks,
    "format_chatml": chatml,
    "loss_tokens": 16,
    "whole_records": lambda items, limit: [i for i in items if limit is None or len(i) <= limit],
    "collate": collate,
    "steps": 116,
    "moved": moved,
    "bucket_batches": bucket,
    "embedding_share": 128_000 / SMALL_GPT_PARAMETERS,
    "same_words": same_words,
    "first_difference": first_difference,
}
WRONG = {  # (exercise, name of the mistake): (answer, what the hint must say)
    ("preamble_tokens", "one epoch"): (18700, "two"),
    ("preamble_tokens", "all records"): (44000, "training part"),
    ("preamble_tokens", "a text"): ("37400", "whole number"),
    ("find_leaks", "exact comparison"): (
        lambda a, b: find_leaks(a, b, lambda e: (e["instruction"], e["input"])), "capitals"),
    ("find_leaks", "instruction only"): (
        lambda a, b: find_leaks(a, b, lambda e: "".join(filter(str.isalnum, e["instruction"].lower()))),
        "the input counts too"),
    ("find_leaks", "outputs compared"): (
        lambda a, b: find_leaks(a, b, lambda e: e["output"]), "three training records"),
    ("find_leaks", "prompt or output"): (
        lambda a, b: [e for e in b if e in find_leaks(a, b) or e["output"] in {t["output"] for t in a[:1]}], "answer"),
    ("find_leaks", "a count"): (lambda a, b: len(find_leaks(a, b)), "list"),
    ("find_leaks", "called"): ([], "function itself"),
    ("format_chatml", "no check"): (lambda e: chatml(e, strict=False), "check_fields"),
    ("format_chatml", "line break for an empty input"): (lambda e: chatml(e, empty="\n"), "no line break"),
    ("format_chatml", "no end mark"): (lambda e: chatml(e, end=""), "expected"),
    ("loss_tokens", "all positions"): (21, "padding"),
    ("loss_tokens", "without the end"): (13, "end token"),
    ("loss_tokens", "the ignored ones"): (5, "-100"),
    ("whole_records", "one too strict"): (
        lambda items, limit: [i for i in items if limit is None or len(i) < limit], "survives"),
    ("whole_records", "one too lax"): (
        lambda items, limit: [i for i in items if limit is None or len(i) <= limit + 1], "is cut"),
    ("whole_records", "no limit not handled"): (
        lambda items, limit: [i for i in items if len(i) <= limit], "TypeError"),
    ("collate", "not shifted"): (lambda b, p: (collate(b, p)[0], collate(b, p)[0]), "token after it"),
    ("collate", "every pad masked"): (mask_every_pad, "keep the first"),
    ("collate", "padding counted"): (lambda b, p: collate(b, p, ignore=p), "turn them into -100"),
    ("collate", "inputs padded with -100"): (
        lambda b, p: (pad_sequence([torch.tensor(i) for i in b], True, -100), collate(b, p)[1]), "embedding"),
    ("collate", "one column too many"): (
        lambda b, p: custom_collate_fn([[*ids, p] for ids in b], pad_token_id=p), "shape"),
    ("collate", "records changed"): (collate_and_spoil, "were changed"),
    ("steps", "last batch kept"): (118, "drop_last"),
    ("steps", "one epoch"): (58, "two"),
    ("steps", "batches of eight"): (232, "8"),
    ("moved", "a list"): (lambda b, d: list(moved(b, d)), "one at a time"),
    ("moved", "targets forgotten"): (lambda b, d: moved(b, d, targets_too=False), "targets"),
    ("moved", "nothing moved"): (lambda b, d: ((x, y) for x, y in b), "inputs arrived on cpu"),
    ("moved", "read ahead"): (lambda b, d: iter(list(moved(b, d))), "were read before"),
    ("bucket_batches", "not sorted"): (lambda n, b, g: bucket(n, b, g, sort=False), "padding"),
    ("bucket_batches", "in order of length"): (lambda n, b, g: bucket(n, b, g, shuffle_batches=False), "shuffle"),
    ("bucket_batches", "same neighbours"): (lambda n, b, g: bucket(n, b, g, shuffle_records=False), "before you sort"),
    ("bucket_batches", "records dropped"): (lambda n, b, g: bucket(n, b, g, drop=8), "exactly one batch"),
    ("bucket_batches", "own randomness"): (lambda n, b, g: bucket(n, b, None), "generator"),
    ("bucket_batches", "wrong size"): (lambda n, b, g: bucket(n, 4, g), "hold 8"),
    ("embedding_share", "percent"): (100 * 128_000 / SMALL_GPT_PARAMETERS, "percent"),
    ("embedding_share", "counted twice"): (256_000 / SMALL_GPT_PARAMETERS, "tied"),
    ("embedding_share", "positions too"): (134_144 / SMALL_GPT_PARAMETERS, "positions"),
    ("same_words", "exact"): (lambda a, b: a == b, "full stop"),
    ("same_words", "as sets"): (
        lambda a, b: set(a.lower().replace(".", "").replace("'", "").split())
        == set(b.lower().replace(".", "").replace("'", "").split()), "order"),
    ("same_words", "points dropped everywhere"): (
        lambda a, b: same_words(a.replace(".", ""), b.replace(".", "")), "2.5"),
    ("same_words", "a number"): (lambda a, b: int(same_words(a, b)), "True or False"),
    ("first_difference", "shorter counts as equal"): (
        lambda a, b: next((i for i, (x, y) in enumerate(zip(a, b)) if x != y), None), "ends at"),
    ("first_difference", "zero for equal"): (lambda a, b: first_difference(a, b) or 0, "expected None"),
    ("first_difference", "counted from one"): (
        lambda a, b: None if first_difference(a, b) is None else first_difference(a, b) + 1, "ends at"),
}
names = pytest.mark.parametrize("name", RIGHT)


@names
def test_nothing_yet(name):
    assert verdict(f"instructions/{name}", None) == "not attempted yet"


@names
def test_the_right_answer_is_right(name):
    assert verdict(f"instructions/{name}", RIGHT[name]) == "right"


@pytest.mark.parametrize(("name", "mistake"), WRONG)
def test_a_named_mistake_gets_a_hint_that_fits(name, mistake):
    answer, hint = WRONG[name, mistake]
    said = verdict(f"instructions/{name}", answer)
    assert said.startswith("not yet:") and hint in said, said


@names
def test_every_exercise_has_two_named_mistakes_and_a_further_hint(name):
    assert sum(exercise == name for exercise, _ in WRONG) >= 2
    assert EXERCISES[name].hints


def test_a_wrong_type_never_raises():
    for name in RIGHT:
        for answer in (3.5, "text", [], {}, object(), lambda: None, len, True):
            assert verdict(f"instructions/{name}", answer).startswith("not yet:")


def test_the_counted_parameters_are_those_of_the_notebook():
    model = create_small_gpt(1000, 48)
    assert sum(weight.numel() for weight in model.parameters()) == SMALL_GPT_PARAMETERS
