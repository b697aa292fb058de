"""The exercises of 03_gpt/04_generating_text."""

from functools import partial

import pytest
import torch
from harness import exercise_tests

from shared.checks.generating_text import EXERCISES
from shared.generation import generate_text_simple, stream_tokens


def generate(
    model, idx, n, size, eos_id, crop=True, stop=True, keep_eos=False, with_prompt=True, worst=False
):
    given = idx.shape[1]
    for _ in range(n):
        with torch.no_grad():
            logits = model(idx[:, -size:] if crop else idx[:, :size])[:, -1]
        new = (-logits if worst else logits).argmax(dim=-1, keepdim=True)
        if stop and new.item() == eos_id:
            return torch.cat([idx, new], dim=1) if keep_eos else idx
        idx = torch.cat([idx, new], dim=1)
    return idx if with_prompt else idx[:, given:]


def with_list(model, idx, n, size, eos_id):
    """The same with a list of ids."""
    ids = idx[0].tolist()
    for _ in range(n):
        logits = model(torch.tensor([ids[-size:]]))
        ids.append(int(logits[0, -1].argmax()))
        if ids[-1] == eos_id:
            ids.pop()
            break
    return torch.tensor([ids])


def cut_at_the_end(model, idx, n, size, eos_id):
    """Everything first, then cut at the first end token after the prompt."""
    out = generate_text_simple(model, idx, n, size)
    for i in range(idx.size(1), out.size(1)):
        if out[0, i] == eos_id:
            return out[:, :i]
    return out


def looks_at_the_prompt(model, idx, n, size, eos_id):
    for _ in range(n):
        if eos_id in idx[0]:
            return idx
        longer = generate_text_simple(model, idx, 1, size)
        if longer[0, -1] == eos_id:
            return idx
        idx = longer
    return idx


def with_the_stream(model, idx, n, size, eos_id):
    return torch.cat([idx, *stream_tokens(model, idx, n, size, eos_id=eos_id)], dim=1)


def one_too_few(model, idx, n, size, eos_id):
    return generate(model, idx, n - 1, size, eos_id)


def one_too_many(model, idx, n, size, eos_id):
    return generate(model, idx, n + 1, size, eos_id)


def cut_at_any_end_token(model, idx, n, size, eos_id):
    out = generate_text_simple(model, idx, n, size)
    places = (out[0] == eos_id).nonzero()
    return out[:, : places[0, 0]] if len(places) else out


def cropped_at_last(model, idx, n, size, eos_id):
    return generate(model, idx, n, size, eos_id)[:, -size:]


def cropped_at_first(model, idx, n, size, eos_id):
    return generate(model, idx[:, -size:], n, size, eos_id)


def in_training_mode(model, idx, n, size, eos_id):
    model.train()
    return generate(model, idx, n, size, eos_id)


XL = 2 * 48 * 1600 * 1024 * 4
RIGHT = {"own_generate": generate, "cache_bytes": XL, "token_passes": (1035, 49)}


@pytest.mark.parametrize("answer", [XL, float(XL), torch.tensor(XL), 2 * 48 * 25 * 64 * 2**12])
def test_the_cache_told_in_other_ways(answer):
    assert EXERCISES["cache_bytes"].judge(answer) is None


@pytest.mark.parametrize("answer", [(1035, 49), [1035, 49], (torch.tensor(1035), 49.0)])
def test_the_passes_told_in_other_ways(answer):
    assert EXERCISES["token_passes"].judge(answer) is None


@pytest.mark.parametrize("answer", [generate, with_list, cut_at_the_end])
def test_the_loop_written_in_other_ways(answer):
    assert EXERCISES["own_generate"].judge(answer) is None


WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("cache_bytes", "keys only", XL // 2, "both keys and values"),
    ("cache_bytes", "numbers, not bytes", XL // 4, "4 bytes"),
    ("cache_bytes", "times heads", 25 * XL, "share the width"),
    ("cache_bytes", "one layer", XL // 48, "one layer"),
    ("cache_bytes", "queries too", XL // 2 * 3, "queries are not kept"),
    ("cache_bytes", "pairs of tokens", XL * 1024, "pair of tokens"),
    ("cache_bytes", "the small model", 2 * 12 * 768 * 1024 * 4, "small model"),
    ("cache_bytes", "eight bytes", 2 * XL, "not 8"),
    ("cache_bytes", "megabytes", 629.1, "right in megabytes"),
    ("token_passes", "all fifty read", (1035, 50), "never read"),
    ("token_passes", "one step too many", (1085, 49), "one step too many"),
    ("token_passes", "read after writing", (1065, 49), "before anything was written"),
    ("token_passes", "prompt token by token", (1225, 49), "read at once"),
    ("token_passes", "no growth", (1500, 49), "the text grows"),
    ("token_passes", "prompt never read", (1035, 29), "prompt must be read"),
    ("token_passes", "swapped", (49, 1035), "order"),
    ("token_passes", "text inside", ("1035", 49), "one number, this is text"),
    ("token_passes", "one number", 1035, r"a tuple, \(without, cached\), this is 1035"),
    ("own_generate", "end token in the prompt", looks_at_the_prompt, "in the prompt"),
    ("own_generate", "with a cache", with_the_stream, "passes a cache"),
    ("own_generate", "one token too few", one_too_few, "one token too few"),
    ("own_generate", "one token too many", one_too_many, "more than max_new_tokens"),
    ("own_generate", "cut at any end token", cut_at_any_end_token, "in the prompt"),
    ("own_generate", "returns one context", cropped_at_last, "beginning of the text"),
    ("own_generate", "crops the prompt", cropped_at_first, "beginning of the text"),
    ("own_generate", "training mode", in_training_mode, "training mode"),
    ("own_generate", "does not stop", partial(generate, stop=False), "does not stop"),
    ("own_generate", "keeps the end token", partial(generate, keep_eos=True), "ends with eos_id"),
    (
        "own_generate",
        "first tokens of the context",
        partial(generate, crop=False),
        "last context_size tokens",
    ),
    ("own_generate", "least likely token", partial(generate, worst=True), "argmax"),
    (
        "own_generate",
        "without the prompt",
        partial(generate, with_prompt=False),
        "prompt is missing",
    ),
]

test_answers, test_tables = exercise_tests("generating_text", RIGHT, WRONG)
