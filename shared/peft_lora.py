"""LoRA as practitioners do it: one code path for three models. Born in 05_instruction_finetuning/06_lora_with_peft."""

import getpass
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftModel, get_peft_model, prepare_model_for_kbit_training
from torch import Tensor, nn
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    BitsAndBytesConfig,
    GPT2TokenizerFast,
    GPTJConfig,
    GPTJForCausalLM,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)

from shared import DATA_FOLDER
from shared.instructions import RESPONSE_MARK, check_fields, format_input, load_instruction_data
from shared.smollm2 import GGUF_FILE, smollm2_folder
from shared.system import available_memory_gib


@dataclass(frozen=True)
class ModelSource:
    """Where a model's weights are, and what they need."""

    place: str  # a name on the Hugging Face hub, or a folder
    memory_gib: float  # free memory to load and finetune it: of the GPU for "cuda", else of the machine
    device: str = "cpu"
    eight_bit: bool = False
    gguf_file: str | None = None


MODEL_SOURCES = {
    "gpt-j-6b": ModelSource("EleutherAI/gpt-j-6b", memory_gib=14, device="cuda", eight_bit=True),
    "smollm2-135m": ModelSource(str(smollm2_folder()), memory_gib=3, gguf_file=GGUF_FILE),
    "tiny-gptj": ModelSource("tiny-gptj", memory_gib=1),
}


def make_tiny_gptj(folder: Path) -> ModelSource:
    """Write a GPT-J of 2 layers with random weights, and GPT-2's tokenizer with GPT-J's extra tokens, into a folder."""
    files = DATA_FOLDER / "tiktoken"
    tokenizer = GPT2TokenizerFast(vocab=str(files / "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6"),
                                  merges=str(files / "6d1cbeee0f20b3d9449abfede4726ed8212e3aee"))
    tokenizer.add_tokens([f"<|extratoken_{i}|>" for i in range(1, 144)])  # 50,257 + 143 = 50,400, as GPT-J has them
    tokenizer.save_pretrained(folder)
    torch.manual_seed(123)
    config = GPTJConfig(vocab_size=50400, n_positions=256, n_embd=64, n_layer=2, n_head=4, rotary_dim=8,
                        bos_token_id=50256, eos_token_id=50256, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    GPTJForCausalLM(config).save_pretrained(folder)
    return ModelSource(str(folder), memory_gib=1)


def check_memory(source: ModelSource) -> None:
    """Raise RuntimeError where a model's GPU is missing, MemoryError where too little memory is free."""
    if source.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"{source.place} needs a GPU with {source.memory_gib} GiB free, and this machine has none: "
                           "choose smollm2-135m or tiny-gptj")
    free = torch.cuda.mem_get_info()[0] / 2**30 if source.device == "cuda" else available_memory_gib()
    if free < source.memory_gib:
        raise MemoryError(f"{source.place} needs {source.memory_gib} GiB of free memory, {free:.1f} GiB are free: "
                          "close other programs, or choose a smaller model")


PAD_TOKENS = ("<|extratoken_1|>", "<|endoftext|>")  # GPT-J's, SmolLM2's: tokens that no record holds


def load_base(source: ModelSource) -> tuple[Any, Any]:
    """The model, frozen nowhere yet, and its tokenizer with a padding token that is not the end token.

    Raises RuntimeError or MemoryError before loading, ConnectionError where the weights cannot be had.
    """
    check_memory(source)
    files = {"gguf_file": source.gguf_file} if source.gguf_file else {}
    eight_bit = {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)} if source.eight_bit else {}
    dtype = torch.float16 if source.device == "cuda" else torch.float32
    place = {"": 0 if source.device == "cuda" else "cpu"}
    try:
        tokenizer = AutoTokenizer.from_pretrained(source.place, **files)
        model = AutoModelForCausalLM.from_pretrained(source.place, dtype=dtype, device_map=place, **files, **eight_bit)
    except OSError as error:
        raise ConnectionError(f"{source.place} is neither a folder with a model nor reachable on the hub ({error}): "
                              "connect to the internet once, or choose tiny-gptj") from error
    vocabulary = tokenizer.get_vocab()
    tokenizer.pad_token = next(t for t in PAD_TOKENS if t in vocabulary and t != tokenizer.eos_token)
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def load_records(name: str) -> list[dict[str, str]]:
    """The records of "course", of "alpaca-cleaned" (hub; non-commercial licence), or of a JSON file of your own."""
    if name == "course":
        return load_instruction_data()
    if name == "alpaca-cleaned":
        from datasets import load_dataset  # slow to import, and only this line needs it

        try:
            return list(load_dataset("yahma/alpaca-cleaned", split="train"))
        except OSError as error:
            raise ConnectionError(f"yahma/alpaca-cleaned cannot be reached ({error}): choose 'course'") from error
    if not Path(name).is_file():
        raise ValueError(f"no records are named {name!r}: there are 'course', 'alpaca-cleaned' and JSON files")
    records = json.loads(Path(name).read_text(encoding="utf-8"))
    for record in records:
        check_fields(record)
    return records


def encode_record(record: dict[str, str], tokenizer: Any, cutoff: int, preamble: bool = True) -> dict[str, list[int]]:
    """Ids of prompt, response and end token, at most `cutoff`; in the labels the prompt is -100.

    A response that is too long loses its end, but not the end token. Raises ValueError if the prompt leaves no room.
    """
    prompt = tokenizer(format_input(record, preamble) + RESPONSE_MARK)["input_ids"]
    if len(prompt) > cutoff - 2:
        raise ValueError(f"a prompt of {len(prompt)} tokens leaves no room for an answer within cutoff={cutoff}: "
                         f"raise the cutoff or leave the record out: {record['instruction'][:60]!r}")
    response = tokenizer(record["output"])["input_ids"]
    ids = (prompt + response)[: cutoff - 1] + [tokenizer.eos_token_id]
    return {"input_ids": ids, "labels": [-100] * len(prompt) + ids[len(prompt) :]}


def pad_batch(items: Sequence[dict[str, list[int]]], pad_id: int) -> dict[str, Tensor]:
    """Records padded on the right to the longest: ids, mask and labels, (B, T) each; padding is neither seen nor learned."""
    length = max(len(item["input_ids"]) for item in items)

    def padded(name: str, filler: int) -> Tensor:
        return torch.tensor([item[name] + [filler] * (length - len(item[name])) for item in items])  # (B, T)

    mask = [[1] * len(item["input_ids"]) + [0] * (length - len(item["input_ids"])) for item in items]
    return {"input_ids": padded("input_ids", pad_id), "attention_mask": torch.tensor(mask),
            "labels": padded("labels", -100)}


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


RECIPES = {
    "gpt-j-6b": Recipe(),
    # for a processor: fewer records a step, so that an epoch has more steps, and a larger rate for them
    "smollm2-135m": Recipe(8, 8, 0.5, 6, 1e-3, preamble=False, save_steps=10),
    "tiny-gptj": Recipe(8, 4, 0.5, 6, 1e-2, preamble=False, save_steps=10),
}


def add_adapter(model: Any, recipe: Recipe) -> PeftModel:
    """Freeze the model, prepare it if it is in 8 bits, and put LoRA on the query and value projections."""
    if getattr(model, "is_loaded_in_8bit", False):
        model = prepare_model_for_kbit_training(model)
    config = LoraConfig(r=recipe.rank, lora_alpha=recipe.alpha, lora_dropout=recipe.dropout, bias="none",
                        target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    return get_peft_model(model, config)


def make_trainer(model: Any, tokenizer: Any, train: list, validation: list, recipe: Recipe, folder: Path) -> Trainer:
    """A Trainer that accumulates micro-batches, evaluates, and keeps the last three checkpoints in `folder`."""
    if recipe.batch_size % recipe.micro_batch:
        raise ValueError(f"batch_size={recipe.batch_size} must be a multiple of micro_batch={recipe.micro_batch}")
    on_gpu = next(model.parameters()).is_cuda
    arguments = TrainingArguments(
        output_dir=str(folder), seed=123, num_train_epochs=recipe.epochs, learning_rate=recipe.learning_rate,
        per_device_train_batch_size=recipe.micro_batch, per_device_eval_batch_size=recipe.micro_batch,
        gradient_accumulation_steps=recipe.batch_size // recipe.micro_batch, warmup_steps=recipe.warmup_steps,
        logging_steps=recipe.save_steps, eval_strategy="steps", eval_steps=recipe.save_steps,
        save_strategy="steps", save_steps=recipe.save_steps, save_total_limit=3,
        use_cpu=not on_gpu, fp16=on_gpu, report_to="none", remove_unused_columns=False, label_names=["labels"],
        dataloader_pin_memory=on_gpu,
    )
    return Trainer(model=model, args=arguments, train_dataset=train, eval_dataset=validation,
                   processing_class=tokenizer, data_collator=lambda items: pad_batch(items, tokenizer.pad_token_id))


class StopAt(TrainerCallback):
    """Ends a training after a step, as a power cut would, only that the checkpoint is whole."""

    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        control.should_training_stop = control.should_training_stop or state.global_step >= self.step


def answer_prompts(model: Any, tokenizer: Any, prompts: Sequence[str], max_new_tokens: int = 32,
                   batch_size: int = 16) -> list[str]:
    """The greedy answer to each prompt; prompts of similar length are padded on the left and answered together."""
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    answers, was_training, side = [""] * len(prompts), model.training, tokenizer.padding_side
    model.eval()
    tokenizer.padding_side = "left"  # an answer follows its prompt at once
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        batch = tokenizer([prompts[n] for n in numbers], padding=True, return_tensors="pt").to(model.device)  # (B, T)
        out = model.generate(**batch, max_new_tokens=max_new_tokens, do_sample=False)  # (B, T + new)
        new_tokens = out[:, batch["input_ids"].size(1) :]  # (B, new)
        texts = tokenizer.batch_decode(new_tokens, skip_special_tokens=True)
        for number, text in zip(numbers, texts, strict=True):
            answers[number] = text.strip()
    tokenizer.padding_side = side
    model.train(was_training)
    return answers


def stream_answer(model: Any, tokenizer: Any, prompt: str, max_new_tokens: int = 32,
                  adapter: bool = True) -> Iterator[str]:
    """Yield the greedy answer so far after each token, with the adapter or by the base model alone."""
    unread, cache, ids = tokenizer(prompt, return_tensors="pt")["input_ids"].to(model.device), None, []  # (1, T)
    model.eval()
    for _ in range(max_new_tokens):
        with torch.no_grad(), nullcontext() if adapter else model.disable_adapter():
            out = model(input_ids=unread, past_key_values=cache, use_cache=True)
        cache, unread = out.past_key_values, out.logits[:, -1:].argmax(dim=-1)  # (1, 1)
        if unread.item() == tokenizer.eos_token_id:
            return
        ids.append(unread.item())
        yield tokenizer.decode(ids).strip()


def check_adapter(folder: Path, model: nn.Module) -> None:
    """Raise ValueError unless a saved adapter, or a checkpoint's, fits the model's layers."""
    from safetensors import safe_open

    path = Path(folder) / "adapter_model.safetensors"
    if not path.is_file():
        raise ValueError(f"{folder} holds no adapter (adapter_model.safetensors): it has {os.listdir(folder)}")
    layers = {name.replace(".base_layer", ""): layer for name, layer in model.named_modules()}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():
            layer_name, matrix = name.removesuffix(".weight").rsplit(".lora_", 1)
            if not isinstance(model, PeftModel):
                layer_name = layer_name.removeprefix("base_model.model.")
            layer, shape = layers.get(layer_name), file.get_slice(name).get_shape()
            sides = (getattr(layer, "in_features", None), getattr(layer, "out_features", None))
            if sides["AB".index(matrix)] != shape[1 if matrix == "A" else 0]:
                raise ValueError(f"{folder} is an adapter for another model: {name} is {tuple(shape)}, "
                                 f"the layer here has (in, out) = {sides}")


def load_adapted(model: Any, folder: Path) -> PeftModel:
    """A fresh base model with a saved adapter on it. Raises ValueError for an adapter of another model."""
    check_adapter(folder, model)
    return PeftModel.from_pretrained(model, folder).eval()


def push_to_hub(model: PeftModel, repository: str, on: bool = False, ask: Callable[[str], str] = getpass.getpass) -> str:
    """Upload the adapter to your account if `on`; only then a token is asked for. Returns what was done.

    Raises ConnectionError if the hub cannot be reached.
    """
    if not on:
        return "not pushed: the switch is off"
    token = os.environ.get("HF_TOKEN") or ask("Hugging Face token with write access: ")
    try:
        model.push_to_hub(repository, token=token)
    except OSError as error:
        raise ConnectionError(f"{repository} was not pushed ({error}): the adapter is still in its folder") from error
    return f"pushed to {repository}"
