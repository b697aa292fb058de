"""LoRA with PEFT and Trainer.

Written from 05_instruction_finetuning/06_lora_with_peft: change it there.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import peft
import torch
import transformers
from torch import Tensor, nn

from shared.instructions import RESPONSE_MARK, check_fields, format_input
from shared.kit.corpora import load_instruction_data


def load_records(name: str) -> list[dict[str, str]]:
    """The records of "course", of "alpaca-cleaned" (hub; non-commercial licence) or a JSON file."""
    if name == "course":
        return load_instruction_data()
    if name == "alpaca-cleaned":
        from datasets import load_dataset  # slow to import, and only this line needs it

        try:
            return list(load_dataset("yahma/alpaca-cleaned", split="train"))
        except OSError as error:
            raise ConnectionError(f"yahma/alpaca-cleaned cannot be reached ({error}): choose "
                                  "'course'") from error
    if not Path(name).is_file():
        raise ValueError(f"no records are named {name!r}: there are 'course', 'alpaca-cleaned' and "
                         "JSON files")
    records = json.loads(Path(name).read_text(encoding="utf-8"))
    for record in records:
        check_fields(record)
    return records


def leaves_room(record: dict[str, str], tokenizer: transformers.PreTrainedTokenizerBase,
                cutoff: int, preamble: bool = True) -> bool:
    """Whether a token of the answer and the end token fit behind the prompt."""
    prompt = tokenizer(format_input(record, preamble) + RESPONSE_MARK)["input_ids"]
    return len(prompt) <= cutoff - 2


def encode_record(record: dict[str, str], tokenizer: transformers.PreTrainedTokenizerBase,
                  cutoff: int, preamble: bool = True) -> dict[str, list[int]]:
    """Ids of prompt, response and end token, at most `cutoff`; in the labels the prompt is -100.

    A response that is too long loses its end, but not the end token. Raises ValueError if the
    prompt leaves no room.
    """
    prompt = tokenizer(format_input(record, preamble) + RESPONSE_MARK)["input_ids"]
    if len(prompt) > cutoff - 2:
        raise ValueError(f"a prompt of {len(prompt)} tokens leaves no room for an answer within "
                         f"cutoff={cutoff}: raise the cutoff or leave the record out: "
                         f"{record['instruction'][:60]!r}")
    # no second start token before the answer
    response = tokenizer(record["output"], add_special_tokens=False)["input_ids"]
    ids = (prompt + response)[: cutoff - 1] + [tokenizer.eos_token_id]
    return {"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt) :]}


def pad_batch(items: Sequence[dict[str, list[int]]], pad_id: int) -> dict[str, Tensor]:
    """Records padded on the right to the longest: ids, mask and labels, (B, T) each.

    Padding is neither seen, by the mask, nor learned, by the labels.
    """
    longest = max(len(item["input_ids"]) for item in items)
    ids = []
    mask = []
    labels = []
    for item in items:
        length = len(item["input_ids"])
        missing = longest - length
        ids.append(item["input_ids"] + [pad_id] * missing)
        mask.append([1] * length + [0] * missing)
        labels.append(item["labels"] + [-100] * missing)
    return {"input_ids": torch.tensor(ids), "attention_mask": torch.tensor(mask),
            "labels": torch.tensor(labels)}


@dataclass(frozen=True)
class Recipe:
    """The settings of a finetuning with LoRA."""

    batch_size: int = 128  # records a step
    micro_batch: int = 4  # records at once: as many as fit into memory
    epochs: float = 2
    warmup_steps: int = 100
    learning_rate: float = 3e-4
    rank: int = 8
    alpha: int = 16
    dropout: float = 0.05
    cutoff: int = 256  # tokens
    preamble: bool = True
    save_steps: int = 100
    layers: Sequence[str] = ()  # what LoRA adapts; empty: queries and values


RECIPES = {
    "gpt-j-6b": Recipe(),
    # for a processor: fewer records a step, so that an epoch has more steps, and a larger rate
    "smollm2-135m": Recipe(8, 8, 0.31, 6, 1e-3, preamble=False, save_steps=12),
    "tiny-gptj": Recipe(8, 4, 0.31, 6, 1e-2, preamble=False, save_steps=12),
}


def layers_to_adapt(model: nn.Module) -> list[str]:
    """The layers that make queries and values, by the names that most models give them.

    Raises ValueError for a model with other names.
    """
    names = {name.rpartition(".")[2] for name, _ in model.named_modules()}
    for layers in (["q_proj", "v_proj"], ["c_attn"], ["query_key_value"]):
        if set(layers) <= names:
            return layers
    raise ValueError(f"{type(model).__name__} names its layers otherwise: write "
                     f"replace(recipe, layers=[...]) with some of {sorted(names)}")


def add_adapter(model: Any, recipe: Recipe) -> peft.PeftModel:
    """Freeze the model, prepare it if it is in 8 or 4 bits, put LoRA on the recipe's layers."""
    if getattr(model, "is_loaded_in_8bit", False) or getattr(model, "is_loaded_in_4bit", False):
        model = peft.prepare_model_for_kbit_training(
            model, gradient_checkpointing_kwargs={"use_reentrant": False})
    config = peft.LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout,
                             bias="none", task_type="CAUSAL_LM",
                             target_modules=list(recipe.layers or layers_to_adapt(model)))
    return peft.get_peft_model(model, config)


def make_trainer(model: Any, tokenizer: transformers.PreTrainedTokenizerBase, train: list,
                 validation: list, recipe: Recipe, folder: Path) -> transformers.Trainer:
    """A Trainer that accumulates micro-batches and keeps the last three checkpoints in `folder`."""
    if recipe.batch_size % recipe.micro_batch:
        raise ValueError(f"batch_size={recipe.batch_size} must be a multiple of "
                         f"micro_batch={recipe.micro_batch}")
    on_gpu = next(model.parameters()).is_cuda
    wide_range = on_gpu and torch.cuda.is_bf16_supported()  # bfloat16 needs no scaled loss
    steps = recipe.epochs * len(train) / recipe.batch_size
    every = max(1, min(recipe.save_steps, int(steps / 3)))  # a short run is evaluated, too
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), seed=123, num_train_epochs=recipe.epochs,
        learning_rate=recipe.learning_rate, warmup_steps=min(recipe.warmup_steps, int(steps / 3)),
        per_device_train_batch_size=recipe.micro_batch,
        per_device_eval_batch_size=recipe.micro_batch,
        gradient_accumulation_steps=recipe.batch_size // recipe.micro_batch,
        logging_steps=every, eval_strategy="steps", eval_steps=every,
        save_strategy="steps", save_steps=every, save_total_limit=3,
        use_cpu=not on_gpu, bf16=wide_range, fp16=on_gpu and not wide_range,
        dataloader_pin_memory=on_gpu, disable_tqdm=False,
        report_to="none", remove_unused_columns=False, label_names=["labels"])
    return transformers.Trainer(
        model=model, args=arguments, train_dataset=train, eval_dataset=validation,
        processing_class=tokenizer, data_collator=partial(pad_batch, pad_id=tokenizer.pad_token_id))


# Written by `python -m shared.kit.course copy`: 206fc51f0ae1
