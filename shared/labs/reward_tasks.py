"""05_instruction_finetuning/10_rewards: tasks of the records, and plurals for SmolLM2, whose
beginning is given.
"""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from shared.answer_groups import answer_texts, sample_groups
from shared.instructions import RESPONSE_MARK
from shared.kit.instruction_records import PLURALS, tasks_of

TO_LEARN = (  # all with the rule's plural
    "apple book boat car chair cloud door farm flag girl hotel king lamp letter match monkey "
    "party pen river road shirt star table tree"
).split()
HELD_OUT = (  # the same rule, other nouns
    "actor animal arm ball bank bed bird bottle boy bridge brother brush camera card castle cat "
    "church class coat country cow cup desk doctor dress driver duck egg engine eye family farmer "
    "finger flower fox garden glass guest hand head hill horse island key kitchen lady lake leg "
    "lion mirror month mountain nurse page parent picture plane plate queen ring room school shop "
    "sister song spoon street student ticket town train village wall wheel year"
).split()
WITHOUT_RULE = [noun for noun in PLURALS if PLURALS[noun] not in (f"{noun}s", f"{noun}es")]


def by_sentence(
    families: Sequence[str], written: int = 40
) -> tuple[list[dict[str, str]], dict[str, list], dict[str, list]]:
    """The families' tasks: some sentences with their answers, and two halves of the others."""
    taught, tests, unwritten = [], {}, {}
    for family in families:
        sentences = tasks_of(family)  # each in three phrasings
        random.Random(1).shuffle(sentences)
        taught += sum(sentences[:written], [])
        half = (len(sentences) - written) // 2
        tests[family] = sum(sentences[written : written + half], [])
        unwritten[family] = sum(sentences[written + half :], [])
    return taught, tests, unwritten


def drawn_right(
    model: nn.Module,
    tokenizer: Any,
    form: Callable[[dict[str, str]], str],
    tasks: Sequence[dict[str, str]],
    judge: Callable[[dict[str, str], str], float],
    draws: int = 8,
) -> Tensor:
    """The rewards of some drawn answers to each task, asked one by one: (tasks, draws)."""
    rows = []
    for number, task in enumerate(tasks):
        ids = torch.tensor([tokenizer.encode(form(task) + RESPONSE_MARK)])  # (1, T)
        generator = torch.Generator().manual_seed(number)
        groups = sample_groups(model, ids, draws, 24, tokenizer.eot_token, generator=generator)
        rows.append([judge(task, answer) for answer in answer_texts(groups, tokenizer)[0]])
    return torch.tensor(rows)


def prompt_for(noun: str) -> str:
    """The beginning of the family's answer, up to where the plural must come."""
    return f"The plural of '{noun}' is '"


def plural(noun: str) -> str:
    """The plural by the rule, or by the family's table where that knows the noun."""
    if noun in PLURALS:
        return PLURALS[noun]
    if noun[-1] == "y" and noun[-2] not in "aeiou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")


def right_plural(prompt: str, answer: str) -> float:
    """1 if the answer goes on with the plural of the prompt's noun and a closing quote."""
    return float(answer.startswith(plural(prompt.split("'")[1]) + "'"))


def drawn_once(
    model: nn.Module,
    tokenizer: Any,
    prompts: Sequence[str],
    reward: Callable[[str, str], float],
    max_new_tokens: int = 3,
) -> dict[str, tuple[str, float]]:
    """One drawn answer to each prompt and its reward; prompts of one length are asked together."""
    generator = torch.Generator().manual_seed(321)
    ids = {prompt: tokenizer.encode(prompt) for prompt in prompts}
    drawn = {}
    for length in sorted({len(tokens) for tokens in ids.values()}):
        same = [prompt for prompt in prompts if len(ids[prompt]) == length]
        rows = torch.tensor([ids[prompt] for prompt in same])  # (P, T)
        groups = sample_groups(
            model, rows, 1, max_new_tokens, tokenizer.eot_token, generator=generator
        )
        for prompt, (answer,) in zip(same, answer_texts(groups, tokenizer)):
            drawn[prompt] = (answer, reward(prompt, answer))
    return drawn
