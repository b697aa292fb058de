"""Answers to held-out prompts, and their scores.

Written from 05_instruction_finetuning/04_finetuning, 05_instruction_finetuning/07_evaluation:
change it there.
"""

import json
import platform
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import NormalDist
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shared.generation import generate, token_ids_to_text
from shared.tokenizer import Tokenizer

END_OF_TEXT = "<|endoftext|>"


def extract_response(generated_text: str, prompt: str, end: str = END_OF_TEXT) -> str:
    """What a model wrote after the prompt, up to the end of text, without white space around it."""
    if not generated_text.startswith(prompt):
        raise ValueError(f"the generated text does not start with the prompt {prompt!r}: "
                         f"{generated_text!r}")
    return generated_text[len(prompt) :].split(end)[0].strip()


def generate_responses(model: nn.Module, tokenizer: Tokenizer, prompts: Sequence[str],
                       max_new_tokens: int = 64) -> list[str]:
    """The model's greedy answer to each prompt, a prompt ending with its response mark.

    Prompts of the same number of tokens are answered together. Raises ValueError for a prompt that
    fills the context.
    """
    was_training = model.training
    device = next(model.parameters()).device
    context_size = model.cfg.context_length
    encoded = [tokenizer.encode(prompt) for prompt in prompts]
    groups = defaultdict(list)  # number of tokens -> which prompts
    for number, ids in enumerate(encoded):
        groups[len(ids)].append(number)
    if groups and max(groups) >= context_size:
        raise ValueError(f"a prompt of {max(groups)} tokens leaves no room to answer in a context "
                         f"of {context_size}")
    responses = [""] * len(prompts)
    end = tokenizer.decode([tokenizer.eot_token])  # each vocabulary has its own
    model.eval()
    for length, numbers in groups.items():
        idx = torch.tensor([encoded[number] for number in numbers], device=device)  # (B, T)
        room = min(max_new_tokens, context_size - length)
        out = generate(model, idx, room, context_size, eos_id=tokenizer.eot_token)  # (B, T + new)
        for number, row in zip(numbers, out, strict=True):
            text = token_ids_to_text(row, tokenizer)
            responses[number] = extract_response(text, prompts[number], end)
    model.train(was_training)
    return responses


def exact_match(response: str, entry: dict[str, str]) -> bool:
    """Whether a response is the record's answer, character for character, but for outer spaces."""
    return response.strip() == entry["output"].strip()


def score_by_family(responses: Sequence[str], records: Sequence[dict[str, str]],
                    family_of: Callable[[dict[str, str]], str]) -> dict[str, tuple[int, int]]:
    """(right answers, answers) of each family, in the order in which the families first appear."""
    scores: dict[str, tuple[int, int]] = {}
    for response, entry in zip(responses, records, strict=True):
        family = family_of(entry)
        right, total = scores.get(family, (0, 0))
        if exact_match(response, entry):
            right += 1
        scores[family] = (right, total + 1)
    return scores


def wilson_interval(right: int, answers: int, confidence: float = 0.95) -> tuple[float, float]:
    """Bounds between which the true share of right answers lies with this confidence.

    Raises ValueError if the numbers do not fit together. Source: Wilson 1927.
    """
    if not 0 <= right <= answers or answers < 1 or not 0 < confidence < 1:
        raise ValueError(f"right={right} must be between 0 and answers={answers}, answers at least "
                         f"1, and confidence={confidence} above 0 and below 1")
    z = NormalDist().inv_cdf((1 + confidence) / 2)  # 1.96 for 95%
    share = right / answers
    spread = z**2 / answers
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (share * (1 - share) / answers + spread / (4 * answers)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def answer_loss(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]]) -> float:
    """Mean cross-entropy over all targets that are not -100, in nats a token.

    A batch is inputs and targets, (B, T) each; each token weighs the same, whatever its batch.
    Raises ValueError if no target counts.
    """
    was_training = model.training
    device = next(model.parameters()).device
    model.eval()
    total = 0.0
    tokens = 0
    with torch.no_grad():
        for inputs, targets in batches:
            logits = model(inputs.to(device)).flatten(0, 1)  # (B * T, V)
            targets = targets.to(device).flatten()  # (B * T,)
            total += F.cross_entropy(logits, targets, reduction="sum").item()
            tokens += (targets != -100).sum().item()
    model.train(was_training)
    if not tokens:
        raise ValueError("no target counts: the batches are empty, or every target is -100")
    return total / tokens


def save_responses(path: str | Path, records: Sequence[dict[str, str]], responses: Sequence[str],
                   made_by: dict[str, Any]) -> None:
    """Write records with their responses as JSON, and above them what made them.

    That is the model, its training, the settings; versions are added. Raises ValueError if nothing
    says what made them.
    """
    if not made_by:
        raise ValueError("made_by is empty: name at least the model and the settings it used")
    answered = []
    for entry, response in zip(records, responses, strict=True):
        answered.append({**entry, "response": response})
    made_by = {**made_by, "torch": torch.__version__, "python": platform.python_version()}
    text = json.dumps({"made_by": made_by, "records": answered}, indent=2, ensure_ascii=False)
    Path(path).write_text(text + "\n", encoding="utf-8", newline="\n")


def load_responses(path: str | Path) -> tuple[list[dict[str, str]], list[str], dict[str, Any]]:
    """Records, responses and what made them, as `save_responses` wrote them.

    Raises ValueError for another file.
    """
    content = json.loads(Path(path).read_text(encoding="utf-8"))
    if not isinstance(content, dict) or not {"made_by", "records"} <= set(content):
        raise ValueError(f"{path} was not written by save_responses: no made_by, or no records")
    records = content["records"]
    responses = [record.pop("response") for record in records]
    return records, responses, content["made_by"]


# Written by `python -m shared.kit.course copy`: d75b1ed4398c
