"""Layouts.

Written from 05_instruction_finetuning/01_instruction_data, 05_instruction_finetuning/02_batching:
change it there.
"""

from collections.abc import Mapping, Sequence

from shared.conversation import TURN_END, TURN_START, mark_id
from shared.instructions import check_fields, format_input
from shared.tokenizer import Tokenizer

ALPACA_RESPONSE_MARK = "\n\n### Response:"


def format_alpaca(entry: dict[str, str]) -> str:
    """The prompt of a record as Alpaca itself has it, up to ALPACA_RESPONSE_MARK: two preambles.

    Raises ValueError for a record without one of its fields. Source: Taori et al. 2023.
    """
    text = "Below is an instruction that describes a task"
    if entry.get("input"):
        text += ", paired with an input that provides further context"
    text += ". Write a response that appropriately completes the request.\n\n"
    return text + format_input(entry, preamble=False)


PHI3_RESPONSE_MARK = "<|end|>\n<|assistant|>\n"


def format_input_phi3(entry: dict[str, str]) -> str:
    """The prompt of a record in the Phi-3 format, up to PHI3_RESPONSE_MARK.

    Raises ValueError for a record without one of its fields. Source: Abdin et al. 2024, section 2.
    """
    check_fields(entry)
    text = f"<|user|>\n{entry['instruction']}"
    if entry["input"]:
        text += f"\n{entry['input']}"
    return text


def encode_chat(messages: Sequence[Mapping[str, str]],
                tokenizer: Tokenizer) -> tuple[list[int], list[bool]]:
    """Ids of a conversation in ChatML, and for each whether it is learned: answers with their ends.

    Marks that a message spells stay ordinary text. Raises ValueError if the tokenizer lacks them.
    """
    ids = []
    learned = []
    for message in messages:
        role, content = message["role"], message["content"]
        opening = [mark_id(TURN_START, tokenizer), *tokenizer.encode_ordinary(f"{role}\n")]
        said = [*tokenizer.encode_ordinary(content), mark_id(TURN_END, tokenizer)]
        behind = tokenizer.encode_ordinary("\n")
        ids += opening + said + behind
        learned += [False] * len(opening) + [role == "assistant"] * len(said)
        learned += [False] * len(behind)
    return ids, learned


# Written by `python -m shared.kit.course copy`: 60d777922908
