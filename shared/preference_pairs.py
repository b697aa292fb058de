"""Pairs of answers: own mistakes, closings, exchanged labels.

Written from 05_instruction_finetuning/09_preferences: change it there.
"""

from collections.abc import Sequence

import torch

from shared.evaluation import exact_match


def flip_pairs(pairs: Sequence[dict[str, str]], share: float,
               generator: torch.Generator) -> list[dict[str, str]]:
    """The pairs, with chosen and rejected exchanged in this share of them, drawn at random.

    Raises ValueError for a share below 0 or above 1.
    """
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must be at least 0 and at most 1")
    drawn = torch.randperm(len(pairs), generator=generator)[: round(share * len(pairs))]
    flipped = set(drawn.tolist())
    result = []
    for number, pair in enumerate(pairs):
        if number in flipped:
            pair = {**pair, "chosen": pair["rejected"], "rejected": pair["chosen"]}
        result.append(pair)
    return result


CLOSING = " I hope that this helps."


def without_closing(answer: str) -> str:
    """An answer without the closing, if it has one."""
    return answer.strip().removesuffix(CLOSING.strip()).strip()


def own_mistakes(prompts: Sequence[str], records: Sequence[dict[str, str]],
                 responses: Sequence[str]) -> list[dict[str, str]]:
    """Pairs of a record's answer and the model's own, where that is wrong and not empty."""
    pairs = []
    for prompt, record, response in zip(prompts, records, responses, strict=True):
        response = without_closing(response)
        if response and not exact_match(response, record):
            pairs.append({"prompt": prompt, "chosen": record["output"], "rejected": response})
    return pairs


def add_closings(pairs: Sequence[dict[str, str]], share: float,
                 generator: torch.Generator) -> list[dict[str, str]]:
    """Give a closing to the chosen answer in this share of the pairs, else to the rejected one."""
    if not 0 <= share <= 1:
        raise ValueError(f"share={share} must be at least 0 and at most 1")
    drawn = torch.randperm(len(pairs), generator=generator)[: round(share * len(pairs))]
    long = set(drawn.tolist())
    result = []
    for number, pair in enumerate(pairs):
        field = "chosen" if number in long else "rejected"
        result.append({**pair, field: pair[field] + CLOSING})
    return result


# Written by `python -m shared.kit.course copy`: 04cadf9392cd
