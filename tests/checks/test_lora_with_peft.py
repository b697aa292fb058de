"""The exercises of 05_instruction_finetuning/06_lora_with_peft."""

import torch
from harness import exercise_tests


def padder(left=False, mask_filler=0, label_filler=-100, more=0):
    def pad(items, pad_id, multiple):
        longest = max(len(item["input_ids"]) for item in items)
        length = longest + -longest % multiple + more * multiple

        def fill(values, filler):
            missing = [filler] * (length - len(values))
            return missing + values if left else values + missing

        return {
            "input_ids": torch.tensor([fill(item["input_ids"], pad_id) for item in items]),
            "attention_mask": torch.tensor(
                [fill([1] * len(item["input_ids"]), mask_filler) for item in items]
            ),
            "labels": torch.tensor([fill(item["labels"], label_filler) for item in items]),
        }

    return pad


RIGHT = {"lora_schedule": (800, 32), "adapter_size": 14_680_064, "pad_to_multiple": padder()}
WRONG = [  # exercise, what is wrong, the answer, what the hint says
    ("lora_schedule", "swapped", (32, 800), "order"),
    ("lora_schedule", "one epoch", (400, 32), "one epoch"),
    ("lora_schedule", "micro-batches", (25_600, 32), "micro-batches"),
    ("lora_schedule", "records a pass", (800, 128), "4 at a time"),
    ("lora_schedule", "one number", 800, r"a tuple, \(steps, passes\), this is 800"),
    ("lora_schedule", "text inside", (800, "32"), "one number, this is text"),
    ("adapter_size", "two projections", 7_340_032, "half of it: four"),
    ("adapter_size", "rank 8 on two", 3_670_016, "rank 8 on two"),
    ("adapter_size", "the frozen matrices", 28 * 4 * 4096 * 4096, "frozen matrices"),
    ("pad_to_multiple", "padded on the left", padder(left=True), "on the right"),
    ("pad_to_multiple", "one multiple too many", padder(more=1), "expected"),
    (
        "pad_to_multiple",
        "padding attended to",
        padder(mask_filler=1),
        "attention_mask is to be filled up with 0",
    ),
    (
        "pad_to_multiple",
        "padding in the loss",
        padder(label_filler=3),
        "labels is to be filled up with -100",
    ),
    ("pad_to_multiple", "nothing returned", lambda items, pad_id, multiple: None, "dictionary"),
]

test_answers, test_tables = exercise_tests("lora_with_peft", RIGHT, WRONG)
