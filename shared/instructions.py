"""Instruction records to masked batches.

Written from 05_instruction_finetuning/01_instruction_data, 05_instruction_finetuning/02_batching,
05_instruction_finetuning/03_dataloaders: change it there.
"""

import random
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shared.tokenizer import Tokenizer


def check_fields(entry: Any) -> None:
    """Raise ValueError unless a record has instruction, input and output, all of them text."""
    if not isinstance(entry, dict):
        raise ValueError(f"a record must be a dictionary, this is a {type(entry).__name__}: "
                         f"{entry!r}")
    for field in ("instruction", "input", "output"):
        if field not in entry:
            raise ValueError(f"the field {field!r} is missing from {entry}: add it, 'input' may be "
                             "the empty text")
        if not isinstance(entry[field], str):
            raise ValueError(f"the field {field!r} must be text, but it is {entry[field]!r} in "
                             f"{entry}")


RESPONSE_MARK = "\n\n### Response:\n"


def format_input(entry: dict[str, str], preamble: bool = True) -> str:
    """The prompt of a record in the Alpaca format, up to RESPONSE_MARK. Source: Taori et al. 2023.

    With one preamble for all records, as the lectures write it. Raises ValueError for a record
    without one of its fields.
    """
    check_fields(entry)
    text = ""
    if preamble:
        text += "Below is an instruction that describes a task. "
        text += "Write a response that appropriately completes the request.\n\n"
    text += f"### Instruction:\n{entry['instruction']}"
    if entry["input"]:
        text += f"\n\n### Input:\n{entry['input']}"
    return text


def split_records(records: Sequence[Any], train_ratio: float = 0.85, test_ratio: float = 0.10,
                  seed: int | None = None) -> tuple[list, list, list]:
    """Training, validation and test records, cut in the order train, test, validation.

    They are cut in file order, or with a seed shuffled before. Raises ValueError if one of the
    three would be empty.
    """
    records = list(records)
    if seed is not None:
        random.Random(seed).shuffle(records)
    train_end = int(len(records) * train_ratio)
    test_end = train_end + int(len(records) * test_ratio)
    train = records[:train_end]
    test = records[train_end:test_end]
    validation = records[test_end:]
    if not train or not validation or not test:
        sizes = [len(train), len(validation), len(test)]
        raise ValueError(f"{len(records)} records with train_ratio={train_ratio} and "
                         f"test_ratio={test_ratio} give {sizes} for training, validation, test: "
                         "none may be empty")
    return train, validation, test


class InstructionDataset(Dataset):
    """Token ids of each record, prompt and response; with mask_instruction, (ids, prompt length).

    The length counts the tokens up to and with the response mark. `marks` are special tokens that
    format_prompt and response_mark write. Raises ValueError for no records, and for a record that
    cannot be formatted or encoded, or holds a special token itself, naming its number.
    """

    def __init__(self, data: Sequence[dict[str, str]], tokenizer: Tokenizer,
                 format_prompt: Callable[[dict[str, str]], str] = format_input,
                 response_mark: str = RESPONSE_MARK, mask_instruction: bool = False,
                 marks: Set[str] = frozenset()) -> None:
        if not len(data):
            raise ValueError("no records: was this part of the split left empty?")
        self.data = data
        self.mask_instruction = mask_instruction
        self.encoded_texts = []
        for number, entry in enumerate(data):
            try:
                prompt = format_prompt(entry) + response_mark
                for mark in marks:
                    if any(mark in text for text in entry.values()):
                        raise ValueError(f"a text holds {mark!r}, which only the template may "
                                         "write: spell it in another way or leave the record out")
                # encoded apart, so that a token of its own starts the response, whatever it is
                prompt_ids = tokenizer.encode(prompt, allowed_special=marks)
                response_ids = tokenizer.encode(entry["output"])
            except ValueError as error:
                raise ValueError(f"record {number}: {error}") from error
            self.encoded_texts.append((prompt_ids + response_ids, len(prompt_ids)))

    def __len__(self) -> int:
        return len(self.data)

    def __getitem__(self, index: int) -> list[int] | tuple[list[int], int]:
        ids, prompt_length = self.encoded_texts[index]
        return (ids, prompt_length) if self.mask_instruction else ids


def custom_collate_fn(batch: Sequence, pad_token_id: int = 50256, ignore_index: int = -100,
                      allowed_max_length: int | None = None,
                      device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Pad to the longest of the batch, shift by one, mask: B items -> inputs, targets, (B, T) each.

    An item is a list of ids, or (ids, n) whose first n ids are not to be learned. The first
    pad_token_id after the text stays in the targets, as the end to be predicted; further ones
    become ignore_index. Raises ValueError for an allowed_max_length below 1 and for a negative
    pad_token_id.
    """
    if allowed_max_length is not None and allowed_max_length < 1:
        raise ValueError(f"allowed_max_length={allowed_max_length} must be at least 1, or None for "
                         "no limit")
    if pad_token_id < 0:
        raise ValueError(f"pad_token_id={pad_token_id} is no token: the inputs need one, only "
                         "targets may be -100")
    items = [item if isinstance(item, tuple) else (item, 0) for item in batch]
    batch_max_length = max(len(ids) for ids, _ in items) + 1
    inputs_list = []
    targets_list = []
    for ids, prompt_length in items:
        padded = torch.full((batch_max_length,), pad_token_id)  # (T + 1,)
        padded[: len(ids)] = torch.tensor(ids)
        inputs = padded[:-1]  # (T,)
        targets = padded[1:].clone()  # (T,)
        targets[len(ids) :] = ignore_index  # all after the first pad token
        targets[: max(prompt_length - 1, 0)] = ignore_index  # a prompt that is not to be learned
        inputs_list.append(inputs[:allowed_max_length])
        targets_list.append(targets[:allowed_max_length])
    inputs = torch.stack(inputs_list).to(device)  # (B, T)
    targets = torch.stack(targets_list).to(device)  # (B, T)
    return inputs, targets


def create_instruction_dataloader(data: Sequence[dict[str, str]], tokenizer: Tokenizer,
                                  batch_size: int = 8,
                                  format_prompt: Callable[[dict[str, str]], str] = format_input,
                                  mask_instruction: bool = False,
                                  allowed_max_length: int | None = 1024,
                                  device: torch.device | str = "cpu",
                                  pad_token_id: int | None = None, shuffle: bool = True,
                                  drop_last: bool = True,
                                  generator: torch.Generator | None = None) -> DataLoader:
    """Batches of records in the Alpaca format: inputs (B, T), targets (B, T), T varying by batch.

    Pads with the tokenizer's end token unless told otherwise. Raises ValueError for a pad id that
    the tokenizer does not have, and if drop_last leaves no batch.
    """
    if pad_token_id is None:
        pad_token_id = tokenizer.eot_token
    if not 0 <= pad_token_id < tokenizer.n_vocab:
        raise ValueError(f"pad_token_id={pad_token_id} is outside the vocabulary, whose ids go "
                         f"from 0 to {tokenizer.n_vocab - 1}: pad with the tokenizer's own end "
                         f"token, {tokenizer.eot_token}")
    if drop_last and len(data) < batch_size:
        raise ValueError(f"{len(data)} records make no full batch of batch_size={batch_size}: "
                         "use more records, a smaller batch or drop_last=False")
    dataset = InstructionDataset(data, tokenizer, format_prompt, mask_instruction=mask_instruction)
    collate_fn = partial(custom_collate_fn, pad_token_id=pad_token_id,
                         allowed_max_length=allowed_max_length, device=device)
    return DataLoader(dataset, batch_size=batch_size, shuffle=shuffle, drop_last=drop_last,
                      collate_fn=collate_fn, generator=generator)


# Written by `python -m shared.kit.course copy`: 7220d851990e
