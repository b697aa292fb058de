"""The exercises of 03_gpt/04_generating_text."""

from collections.abc import Callable
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
        right // 2: "both keys and values are kept",
        right // 4: "these are numbers; a float32 takes 4 bytes",
        right // 48: "this is one layer; each of the 48 has a cache of its own",
        right * 25: "the 25 heads share the width of 1600; they do not multiply it",
        right // 1024: "this is one token; the text has 1024",
    }
    return wrong_number(answer, right, slips)


def judge_token_passes(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "without", "cached"):
        return hint
    without, cached = answer
    if hint := not_a_number(without) or not_a_number(cached):
        return hint
    if (without, cached) == (13, 85):
        return "the order is: without a cache, with a cache"
    first = "the first step reads 4 tokens, before anything was written, and the tenth reads 13"
    prompt = "the prompt must be read too, once"
    slips = {
        99: f"you counted one step too many: {first}",
        95: first,
        140: f"the text grows: {first}",
        40: "without a cache each step reads the new tokens too, not only the prompt",
    }
    how = "without a cache, add what each of the ten steps reads"
    if hint := wrong_number(without, 85, slips, how=how):
        return hint
    slips = {14: "the last token is written but never read", 10: prompt, 9: prompt}
    how = "with a cache each token is read once, but for the last"
    return wrong_number(cached, 13, slips, how=how)


@asks_for_function
def judge_own_generate(answer: Callable[[GPTModel, Tensor, int, int, int], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(5)
    for seed, length in ((0, 3), (1, 3), (2, 12), (3, 12)):
        torch.manual_seed(seed)
        cfg = GPTConfig(vocab_size=23, context_length=8, emb_dim=16, n_heads=2, n_layers=1)
        model = GPTModel(cfg).eval()
        idx = torch.randint(23, (1, length), generator=generator)  # (1, T)
        plain = generate_text_simple(model, idx, 12, 8)  # (1, T + 12)
        for eos_id in (plain[0, length + 4].item(), plain[0, length].item(), 999):
            written = stream_tokens(model, idx, 12, 8, eos_id=eos_id)
            right = torch.cat([idx, *written], dim=1)
            out = answer(model, idx, 12, 8, eos_id)
            if not isinstance(out, Tensor) or out.dim() != 2 or out.shape[0] != 1:
                return f"the result must be a tensor of shape (1, T), this is {kind(out)}"
            if not torch.equal(out, right):
                return explain_generated(idx, out, right, plain, eos_id)
    return None


def explain_generated(idx: Tensor, out: Tensor, right: Tensor, plain: Tensor, eos_id: int) -> str:
    """What a generated text, (1, T), has that the right one has not."""
    if torch.equal(out, plain):
        return "your function does not stop when the model writes eos_id"
    longer = out.size(1) - right.size(1)
    if longer == 1 and torch.equal(out[:, :-1], right) and out[0, -1] == eos_id:
        return "the text ends with eos_id: stop before it is appended"
    if torch.equal(out, right[:, idx.size(1) :]):
        return "the prompt is missing: return it together with what was written"
    if longer == -1:
        return "your function writes one token too few"
    if torch.equal(out[:, :9], right[:, :9]) and right.size(1) > 9:  # eight are one context
        return (
            "a text longer than the context goes wrong: read the last context_size tokens, "
            "idx[:, -context_size:]"
        )
    return "the tokens differ from greedy ones: take the argmax of the logits at the last position"


EXERCISES = {
    "cache_bytes": Exercise(judge_cache_bytes, "2 x layers x width x tokens x bytes a number"),
    "token_passes": Exercise(
        judge_token_passes, "without a cache the steps read 4, 5, ... tokens: ten steps in all"
    ),
    "own_generate": Exercise(
        judge_own_generate,
        "start from generate_text_simple; look at the new token before torch.cat",
    ),
}
