"""Instruction records to padded, masked batches. Born in 05_instruction_finetuning/01 and 02."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from shared.downloads import read_course_file, read_lecture_file

RESPONSE_MARK = "\n\n### Response:\n"


def load_instruction_data(name: str = "course") -> list[dict[str, str]]:
    """The 1,100 records of "course" (written for it) or of "lectures", each with instruction, input and output."""
    if name == "course":
        return json.loads(read_course_file("instruction-data.json"))
    if name == "lectures":
        return json.loads(read_lecture_file("instruction-data.json"))
    raise ValueError(f"no instruction data is named {name!r}: there are 'course' and 'lectures'")


def format_input(entry: dict[str, str], preamble: bool = True) -> str:
    """The prompt of a record in the Alpaca format, without the response. Source: Taori et al. 2023.

    Raises ValueError for a record without one of its fields.
    """
    for field in ("instruction", "input", "output"):
        if not isinstance(entry.get(field), str):
            raise ValueError(f"the field {field!r} of the record {entry} must be text, 'input' may be empty")
    text = "Below is an instruction that describes a task. " if preamble else ""
    text += "Write a response that appropriately completes the request.\n\n" if preamble else ""
    text += f"### Instruction:\n{entry['instruction']}"
    return text + (f"\n\n### Input:\n{entry['input']}" if entry["input"] else "")


def split_records(records: Sequence[Any], train_ratio: float = 0.85,
                  test_ratio: float = 0.10) -> tuple[list, list, list]:
    """Training, validation and test records, cut in file order as train, test, validation."""
    train_end = int(len(records) * train_ratio)
    test_end = train_end + int(len(records) * test_ratio)
    parts = list(records[:train_end]), list(records[test_end:]), list(records[train_end:test_end])
    if not all(parts):
        raise ValueError(f"{len(records)} records split {train_ratio}/{test_ratio} leave an empty part: "
                         f"{[len(part) for part in parts]} (train, validation, test)")
    return parts


class InstructionDataset(Dataset):
    """Token ids of each record: prompt, response mark, response; with mask_instruction, (ids, prompt length)."""

    def __init__(self, data: Sequence[dict[str, str]], tokenizer: Any,
                 format_prompt: Callable[[dict[str, str]], str] = format_input, mask_instruction: bool = False) -> None:
        self.data, self.mask_instruction, self.encoded_texts = data, mask_instruction, []
        for entry in data:
            prompt_ids = tokenizer.encode(format_prompt(entry) + RESPONSE_MARK)
            self.encoded_texts.append((prompt_ids + tokenizer.encode(entry["output"]), len(prompt_ids)))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> list[int] | tuple[list[int], int]:
        return self.encoded_texts[index] if self.mask_instruction else self.encoded_texts[index][0]


def custom_collate_fn(batch: Sequence, pad_token_id: int = 50256, ignore_index: int = -100,
                      allowed_max_length: int | None = None,
                      device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Pad to the longest of the batch, shift by one, mask: B items -> inputs (B, T), targets (B, T).

    An item is a list of ids, or (ids, n) whose first n ids are not to be learned. The first pad_token_id after the
    text stays in the targets, as the end to be predicted; further ones become ignore_index.
    """
    if allowed_max_length is not None and allowed_max_length < 1:
        raise ValueError(f"allowed_max_length={allowed_max_length} must be at least 1, or None for no limit")
    items = [item if isinstance(item, tuple) else (item, 0) for item in batch]
    batch_max_length = max(len(ids) for ids, _ in items) + 1
    inputs_list, targets_list = [], []
    for ids, prompt_length in items:
        padded = torch.full((batch_max_length,), pad_token_id)  # (T + 1,)
        padded[: len(ids)] = torch.tensor(ids)
        inputs, targets = padded[:-1], padded[1:].clone()  # (T,), (T,)
        targets[len(ids) :] = ignore_index  # all after the first pad token
        targets[: max(prompt_length - 1, 0)] = ignore_index  # the instruction, where it is not learned
        inputs_list.append(inputs[:allowed_max_length])
        targets_list.append(targets[:allowed_max_length])
    return torch.stack(inputs_list).to(device), torch.stack(targets_list).to(device)  # (B, T), (B, T)
