"""Answers to held-out prompts, and how many are right. Born in 05_instruction_finetuning/04_finetuning."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from shared.generation import generate, token_ids_to_text

END_OF_TEXT = "<|endoftext|>"


def extract_response(generated_text: str, prompt: str) -> str:
    """What a model wrote after the prompt, up to the end of text, without white space around it."""
    if not generated_text.startswith(prompt):
        raise ValueError(f"the generated text does not start with the prompt {prompt!r}: {generated_text!r}")
    return generated_text[len(prompt) :].split(END_OF_TEXT)[0].strip()


def generate_responses(model: nn.Module, tokenizer: Any, prompts: Sequence[str],
                       max_new_tokens: int = 64) -> list[str]:
    """The model's greedy answer to each prompt, a prompt ending with its response mark.

    Prompts of the same number of tokens are answered together. Raises ValueError for a prompt that fills the context.
    """
    was_training, device = model.training, next(model.parameters()).device
    context_size = model.pos_emb.num_embeddings
    encoded = [tokenizer.encode(prompt) for prompt in prompts]
    groups = defaultdict(list)  # number of tokens -> which prompts
    for number, ids in enumerate(encoded):
        groups[len(ids)].append(number)
    if groups and max(groups) >= context_size:
        raise ValueError(f"a prompt of {max(groups)} tokens leaves no room to answer in a context of {context_size}")
    responses = [""] * len(prompts)
    model.eval()
    for length, numbers in groups.items():
        idx = torch.tensor([encoded[number] for number in numbers], device=device)  # (B, T)
        room = min(max_new_tokens, context_size - length)
        out = generate(model, idx, room, context_size, eos_id=tokenizer.eot_token)  # (B, T + new)
        for number, row in zip(numbers, out, strict=True):
            responses[number] = extract_response(token_ids_to_text(row, tokenizer), prompts[number])
    model.train(was_training)
    return responses


def exact_match(response: str, entry: dict[str, str]) -> bool:
    """Whether a response is the record's answer, character for character, white space around it aside."""
    return response.strip() == entry["output"].strip()


def score_by_family(responses: Sequence[str], records: Sequence[dict[str, str]],
                    family_of: Callable[[dict[str, str]], str]) -> dict[str, tuple[int, int]]:
    """(right answers, answers) of each family, in the order in which the families first appear."""
    scores: dict[str, tuple[int, int]] = {}
    for response, entry in zip(responses, records, strict=True):
        right, total = scores.get(family_of(entry), (0, 0))
        scores[family_of(entry)] = (right + exact_match(response, entry), total + 1)
    return scores
