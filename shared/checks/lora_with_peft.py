"""The exercises of 05_instruction_finetuning/06_lora_with_peft."""

from collections.abc import Callable
from typing import Any

import peft
import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import (
    asks_for_function,
    kind,
    not_a_function,
    not_a_number,
    not_a_tuple,
    wrong_form,
    wrong_number,
)
from shared.hub_models import answer_prompts
from shared.instructions import RESPONSE_MARK, check_fields, format_input
from shared.kit.hugging_face import make_letter_gptj
from shared.peft_adapters import peft_fingerprint


def judge_lora_schedule(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "steps", "passes"):
        return hint
    steps, passes = answer
    if hint := not_a_number(steps) or not_a_number(passes):
        return hint
    if (steps, passes) == (32, 800):
        return "the right numbers in the wrong order: (steps, passes)"
    slips = {
        400: "that is one epoch; there are two",
        2 * 51_200 // 4: "that counts micro-batches; an optimizer step comes after 128 records",
    }
    how = "steps are records times epochs, divided by the records of a step"
    if hint := wrong_number(steps, 800, slips, how=how):
        return hint
    return wrong_number(passes, 32, how="128 records are read 4 at a time")


def judge_adapter_size(answer: Any) -> str | None:
    slips = {
        28 * 4 * 16 * 4096: "that is half of it: four projections a layer, each with A, "
        "(16, 4096), and B, (4096, 16)",
        28 * 2 * 8 * (4096 + 4096): "that is rank 8 on two projections; here it is rank 16 on four",
        4 * 16 * (4096 + 4096): "that is one layer; there are 28",
        28 * 4 * 4096 * 4096: "these are the frozen matrices themselves",
    }
    how = "layers, times matrices in a layer, times rank, times the sum of both sides"
    return wrong_number(answer, 28 * 4 * 16 * (4096 + 4096), slips, how=how)


@asks_for_function
def judge_pad_to_multiple(
    answer: Callable[[list[dict], int, int], dict[str, Tensor]],
) -> str | None:
    generator = torch.Generator().manual_seed(7)
    for multiple in (8, 4, 1, 8):
        lengths = torch.randint(1, 20, (3,), generator=generator).tolist()
        if multiple == 8:
            lengths = [16, *(min(length, 16) for length in lengths[1:])]  # one that fits as it is
        items = [
            {"input_ids": list(range(10, 10 + n)), "labels": [-100, *range(11, 10 + n)]}
            for n in lengths
        ]
        found = answer([dict(item) for item in items], 3, multiple)
        if hint := wrong_padding(found, items, 3, multiple):
            return hint
    return None


def wrong_padding(batch: Any, items: list[dict], pad_id: int, multiple: int) -> str | None:
    """What is wrong with a padded batch, if anything."""
    names = ["attention_mask", "input_ids", "labels"]
    if not isinstance(batch, dict) or sorted(batch) != names:
        return f"return a dictionary with {names}"
    longest = max(len(item["input_ids"]) for item in items)
    length = longest + -longest % multiple
    for name in names:
        if hint := wrong_form(batch[name], (len(items), length), name):
            return f"for a longest record of {longest} tokens and multiple={multiple}, {hint}"
    for i, item in enumerate(items):
        mask = [1] * len(item["input_ids"])
        rows = {name: batch[name][i].tolist() for name in names}
        if hint := (
            wrong_filling(rows, "input_ids", item["input_ids"], pad_id)
            or wrong_filling(rows, "attention_mask", mask, 0)
            or wrong_filling(rows, "labels", item["labels"], -100)
        ):
            return hint
    return None


def wrong_filling(
    rows: dict[str, list[int]], name: str, start: list[int], filler: int
) -> str | None:
    """A hint unless a row begins with `start` and is filled up with `filler`."""
    head = rows[name][: len(start)]
    tail = rows[name][len(start) :]
    if head != start:
        return (
            f"{name} should start with {start}, it starts with {head}: is the padding on the right?"
        )
    if tail != [filler] * len(tail):
        return f"{name} is to be filled up with {filler}, it is filled up with {tail}"
    return None


LONGEST = 200  # bytes of a prompt and its answer: the small model sees 256


def judge_own_records(answer: Any) -> str | None:
    if hint := not_a_tuple(answer, "records", "finetune"):
        return hint
    records, finetune = answer
    if hint := wrong_records(records) or not_a_function(finetune):
        return hint
    model, tokenizer = make_letter_gptj()
    before = peft_fingerprint(model)
    torch.manual_seed(123)
    adapted = finetune(model, tokenizer, [dict(record) for record in records])
    if not isinstance(adapted, peft.PeftModel):
        return f"return the model with its adapter on it, as add_adapter does, not {kind(adapted)}"
    if peft_fingerprint(adapted) != before:
        return "the weights of the base have changed: only the adapter's matrices may be trained"
    prompts = [format_input(record, preamble=False) + RESPONSE_MARK for record in records]
    longest = max(len(record["output"].encode()) for record in records)
    found = answer_prompts(adapted, tokenizer, prompts, longest + 8)
    expected = [record["output"].strip() for record in records]
    right = sum(map(str.__eq__, found, expected))
    if right >= 8:
        return None
    talks_on = sum(a != b and a.startswith(b) for a, b in zip(found, expected))
    if right + talks_on >= 8:
        return (
            f"{talks_on} answers begin right and talk on: is the end token among what is learned?"
        )
    wrong = next(i for i in range(10) if found[i] != expected[i])
    return (
        f"{right} of your 10 answers are right, 8 are needed; to {records[wrong]['instruction']!r} "
        f"the model says {found[wrong]!r}: more steps, a larger rate, or more layers?"
    )


def wrong_records(records: Any) -> str | None:
    """What is wrong with ten records, if anything."""
    if not isinstance(records, (list, tuple)) or len(records) != 10:
        return f"the first entry must be a list of ten records, this is {kind(records)}"
    for number, record in enumerate(records):
        try:
            check_fields(record)
        except ValueError as error:
            return f"record {number}: {error}"
        for field in ("instruction", "output"):
            if not record[field].strip():
                return f"record {number} has an empty {field}"
        text = format_input(record, preamble=False) + RESPONSE_MARK + record["output"]
        if len(text.encode()) > LONGEST:
            return f"record {number} has {len(text.encode())} bytes, at most {LONGEST}: shorten it"
    prompts = {(record["instruction"].strip(), record["input"].strip()) for record in records}
    if len(prompts) < 10:
        return "two of your records ask the same: a model can give but one answer to it"
    if len({record["output"].strip() for record in records}) < 5:
        return "at least five different answers: one sentence for all is learned by any bias"
    return None


EXERCISES = {
    "lora_schedule": Exercise(judge_lora_schedule, "One epoch has 51,200 / 128 steps."),
    "adapter_size": Exercise(
        judge_adapter_size,
        "The cell that builds GPT-J on the device meta computes the same for rank 8 and two "
        "matrices.",
    ),
    "pad_to_multiple": Exercise(
        judge_pad_to_multiple, "-length % multiple is the number of columns that are missing."
    ),
    "own_records": Exercise(
        judge_own_records,
        "encode_record and pad_batch make one batch of all ten; add_adapter puts LoRA on the "
        "layers that its recipe names.",
        "Queries and values alone cannot steer random weights: adapt all linear layers, the "
        "head too, with rank 8, and a rate that falls from 0.01 to 0 in 120 steps.",
    ),
}
