"""The exercises of 03_gpt/04_generating_text."""

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, kind, not_a_number, not_a_tuple, wrong_number
from shared.generation import generate_text_simple, stream_tokens
from shared.gpt import GPTConfig, GPTModel


def judge_cache_bytes(answer: Any) -> str | None:
    right = 2 * 48 * 1600 * 1024 * 4
    slips = {
        right // 2: "half is missing: both keys and values are kept, and a float32 takes 4 bytes",
        right // 4: "these are numbers; a float32 takes 4 bytes",
        right // 8: "these are the numbers of the keys alone; a float32 takes 4 bytes",
        right // 48: "this is one layer; each of the 48 has a cache of its own",
        right // 25: "this is one head; the 25 heads together have the width of 1600",
        right * 25: "the 25 heads share the width of 1600; they do not multiply it",
        right // 2 * 3: "queries are not kept: only keys and values",
        right // 1024: "this is one token; the text has 1024",
        2 * 12 * 768 * 1024 * 4: "this is the small model; XL has 48 layers of width 1600",
        2 * right: "a float32 takes 4 bytes, not 8",
        right * 1024: "a key and a value are kept for each token, not for each pair of tokens",
    }
    hint = wrong_number(answer, right, slips)
    for unit, size in (("gigabytes", 1e9), ("megabytes", 1e6), ("MiB", 2**20), ("GiB", 2**30)):
        if hint and not wrong_number(answer, right / size, tolerance=0.02):
            return f"the number is right in {unit}; give bytes"
    return hint


def judge_token_passes(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "without", "cached"):
        return hint
    without, cached = answer
    if hint := not_a_number(without) or not_a_number(cached):
        return hint
    right = sum(range(20, 50))
    if (without, cached) == (49, right):
        return "the order is: without a cache, with a cache"
    first = "the first step reads 20 tokens, before anything was written, and the last reads 49"
    prompt = "the prompt must be read too, once"
    slips = {
        sum(range(20, 51)): f"you counted one step too many: {first}",
        sum(range(21, 51)): first,
        sum(range(1, 50)): f"the prompt is read at once, in the first step: {first}",
        sum(range(1, 51)): f"the prompt is read at once, in the first step: {first}",
        sum(range(30)): prompt,
        sum(range(1, 31)): prompt,
        30 * 50: f"the text grows: {first}",
        30 * 49: f"the text grows: {first}",
        30 * 20: "without a cache each step reads the new tokens too, not only the prompt",
    }
    how = "without a cache, add what each of the thirty steps reads"
    if hint := wrong_number(without, right, slips, how=how):
        return hint
    slips = {50: "the last token is written but never read", 30: prompt, 29: prompt}
    how = "with a cache each token is read once, but for the last"
    return wrong_number(cached, 49, slips, how=how)


@asks_for_function
def judge_own_generate(answer: Callable[[GPTModel, Tensor, int, int, int], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for seed, length in ((0, 3), (1, 3), (2, 12), (3, 12)):
        torch.manual_seed(seed)
        cfg = GPTConfig(vocab_size=23, context_length=8, emb_dim=16, n_heads=2, n_layers=1)
        model = GPTModel(cfg).eval()
        idx = torch.randint(23, (1, length), generator=generator)  # (1, T)
        plain = generate_text_simple(model, idx, 12, 8)  # (1, T + 12)
        given = idx[0, 0].item()  # an end token in the prompt ends nothing
        for eos_id in (plain[0, length + 4].item(), plain[0, length].item(), given, 999):
            written = stream_tokens(model, idx, 12, 8, eos_id=eos_id)
            right = torch.cat([idx, *written], dim=1)
            extras = []  # what the answer passes to the model beside the ids
            handle = model.register_forward_pre_hook(partial(note_extras, extras), with_kwargs=True)
            try:
                out = answer(model, idx.clone(), 12, 8, eos_id)
            finally:
                handle.remove()
            if any(extra is not None for extra in extras):
                return "the text must be read afresh each time: this passes a cache to the model"
            if model.training:
                return "the model is in training mode after your call: leave it in evaluation mode"
            if not isinstance(out, Tensor) or out.dim() != 2 or out.shape[0] != 1:
                return f"the result must be a tensor of shape (1, T), this is {kind(out)}"
            if not torch.equal(out, right):
                return explain_generated(idx, out, right, plain, eos_id)
    return None


def note_extras(extras: list, module: GPTModel, args: tuple, kwargs: dict) -> None:
    """A forward pre-hook: note what a model is given beside the ids."""
    extras.extend(args[1:])
    extras.extend(value for name, value in kwargs.items() if name != "idx")


def explain_generated(idx: Tensor, out: Tensor, right: Tensor, plain: Tensor, eos_id: int) -> str:
    """What a generated text, (1, T), has that the right one has not."""
    if torch.equal(out, plain):
        return "your function does not stop when the model writes eos_id"
    longer = out.size(1) - right.size(1)
    shorter = out.size(1) < right.size(1)
    if eos_id in idx[0] and out.size(1) <= idx.size(1) and torch.equal(out, idx[:, : out.size(1)]):
        return "an eos_id in the prompt must not stop it: look at the new token alone"
    if longer == 1 and torch.equal(out[:, :-1], right) and out[0, -1] == eos_id:
        return "the text ends with eos_id: stop before it is appended"
    if torch.equal(out, right[:, idx.size(1) :]):
        return "the prompt is missing: return it together with what was written"
    if shorter and out.size(1) > 0 and torch.equal(out, right[:, -out.size(1) :]):
        return (
            "the beginning of the text is missing: the model reads the last tokens alone, but all "
            "are returned"
        )
    if out.size(1) > idx.size(1) + 12:
        return "your function writes more than max_new_tokens"
    if longer == -1:
        return "your function writes one token too few"
    if torch.equal(out[:, :9], right[:, :9]) and right.size(1) > 9:  # eight are one context
        return (
            "a text longer than the context goes wrong: read the last context_size tokens, "
            "idx[:, -context_size:]"
        )
    return "the tokens differ from greedy ones: take the argmax of the logits at the last position"


EXERCISES = {
    "own_generate": Exercise(
        judge_own_generate,
        "start from generate_text_simple",
        "look at the new token before torch.cat: is it eos_id?",
    ),
    "cache_bytes": Exercise(
        judge_cache_bytes,
        "what does one layer keep for one token, and how many bytes is that?",
        "the cell above has the bytes of a token for the 162-million model",
    ),
    "token_passes": Exercise(
        judge_token_passes,
        "write down what the first step reads, what the second, and what the last",
        "without a cache: 20 + 21 + ..., thirty terms",
    ),
}
