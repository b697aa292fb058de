"""The exercises of 05_instruction_finetuning/06_lora_with_peft."""

import peft
import torch
from harness import exercise_tests

from shared.checks import verdict
from shared.peft_lora import Recipe, add_adapter, encode_record, pad_batch


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


QUESTIONS = "Who What When Where Which How Whose Why Whom Whence".split()
TEN = [
    {"instruction": f"{word} is it?", "input": "", "output": f"{word[::-1].lower()} it is."}
    for word in QUESTIONS
]
LAYERS = ["q_proj", "k_proj", "v_proj", "out_proj", "fc_in", "fc_out", "lm_head"]


def finetuner(steps=120, layers=LAYERS, ends=True, full=False, shown=10):
    """A finetuning that may lack something."""

    def finetune(model, tokenizer, records):
        items = [encode_record(r, tokenizer, 256, preamble=False) for r in records[:shown]]
        batch = pad_batch(items, tokenizer.pad_token_id)
        if not ends:
            batch["labels"][batch["labels"] == tokenizer.eos_token_id] = -100
        adapted = add_adapter(model, Recipe(layers=layers, dropout=0.0))
        if full:
            adapted.requires_grad_(True)
        weights = [weight for weight in adapted.parameters() if weight.requires_grad]
        optimizer = torch.optim.AdamW(weights, lr=1e-2)
        for step in range(steps):
            optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / steps)
            loss = adapted(**batch).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return adapted

    return finetune


def merges(model, tokenizer, records):
    return finetuner(1)(model, tokenizer, records).merge_and_unload()


def changed(number, **fields):
    return [{**record, **(fields if i == number else {})} for i, record in enumerate(TEN)]


def plain_peft(model, tokenizer, records):
    """Without the course's functions, one record at a time."""
    config = peft.LoraConfig(r=16, lora_alpha=32, target_modules=LAYERS, task_type="CAUSAL_LM")
    adapted = peft.get_peft_model(model, config)
    optimizer = torch.optim.Adam(adapted.parameters(), lr=5e-3)
    items = [encode_record(record, tokenizer, 256, preamble=False) for record in records]
    for step in range(60):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 60)
        for half in (items[:5], items[5:]):
            optimizer.zero_grad()
            adapted(**pad_batch(half, tokenizer.pad_token_id)).loss.backward()
            optimizer.step()
    return adapted


RIGHT = {
    "lora_schedule": (800, 32),
    "adapter_size": 14_680_064,
    "pad_to_multiple": padder(),
    "own_records": (TEN, finetuner()),
}
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
    ("own_records", "nine records", (TEN[:9], finetuner(0)), "list of ten records"),
    ("own_records", "the function alone", finetuner(0), r"a tuple, \(records, finetune\)"),
    ("own_records", "the trained model", (TEN, "adapted"), "the function itself"),
    ("own_records", "no output", (changed(3, output=" "), finetuner(0)), "record 3 has an empty"),
    ("own_records", "a question twice", (TEN[:9] + TEN[:1], finetuner(0)), "ask the same"),
    (
        "own_records",
        "one answer to all",
        ([{**record, "output": "Yes."} for record in TEN], finetuner(0)),
        "five different answers",
    ),
    ("own_records", "too long", (changed(2, output="a" * 200), finetuner(0)), "record 2 has 2"),
    ("own_records", "merged", (TEN, merges), "with its adapter on it"),
    ("own_records", "nothing returned", (TEN, lambda m, t, r: None), "with its adapter on it"),
    ("own_records", "all weights trained", (TEN, finetuner(1, full=True)), "base have changed"),
    ("own_records", "never trained", (TEN, finetuner(0)), "0 of your 10 answers are right"),
    ("own_records", "the end not learned", (TEN, finetuner(ends=False)), "talk on: is the end"),
    ("own_records", "five records seen", (TEN, finetuner(shown=5)), "of your 10 answers"),
    ("pad_to_multiple", "nothing returned", lambda items, pad_id, multiple: None, "dictionary"),
]

test_answers, test_tables = exercise_tests("lora_with_peft", RIGHT, WRONG)


def test_other_ways_to_finetune_are_right():
    assert verdict("lora_with_peft/own_records", (TEN, plain_peft)) == "right"
