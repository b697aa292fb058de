"""Three language models on one path.

Written from 05_instruction_finetuning/06_lora_with_peft: change it there.
"""

from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers

from shared.kit.gpt2_vocabulary import gpt2_files
from shared.kit.smollm2 import GGUF_FILE, smollm2_folder
from shared.kit.system import available_memory_gib


@dataclass(frozen=True)
class ModelSource:
    """Where a model's weights are, and what they need."""

    place: str  # a name on the Hugging Face hub, or a folder
    memory_gib: float  # free memory to load and finetune it, of the GPU for "cuda"
    device: str = "cpu"
    eight_bit: bool = False
    gguf_file: str | None = None


MODEL_SOURCES = {
    "gpt-j-6b": ModelSource("EleutherAI/gpt-j-6b", memory_gib=14, device="cuda", eight_bit=True),
    "smollm2-135m": ModelSource(str(smollm2_folder()), memory_gib=3, gguf_file=GGUF_FILE),
    "tiny-gptj": ModelSource("tiny-gptj", memory_gib=1),
}


def check_memory(source: ModelSource) -> None:
    """Raise RuntimeError where a model's GPU is missing, MemoryError where memory is short."""
    if source.device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError(f"{source.place} needs a GPU with {source.memory_gib} GiB free, and "
                           "this machine has none: choose smollm2-135m or tiny-gptj")
    free = available_memory_gib()
    if source.device == "cuda":
        free_bytes, _ = torch.cuda.mem_get_info()
        free = free_bytes / 2**30
    if free < source.memory_gib:
        raise MemoryError(f"{source.place} needs {source.memory_gib} GiB of free memory, "
                          f"{free:.1f} GiB are free: close other programs, or choose a smaller "
                          "model")


def make_tiny_gptj(folder: Path) -> ModelSource:
    """Write a GPT-J of 2 layers with random weights, and its tokenizer, into a folder.

    The tokenizer is GPT-2's with GPT-J's extra tokens.
    """
    vocab_bpe, encoder_json = gpt2_files()
    tokenizer = transformers.GPT2TokenizerFast(vocab=str(encoder_json), merges=str(vocab_bpe))
    # 50,257 + 143 = 50,400, as GPT-J has them
    tokenizer.add_tokens([f"<|extratoken_{i}|>" for i in range(1, 144)])
    tokenizer.save_pretrained(folder)
    torch.manual_seed(123)
    # all else is as in GPT-J
    config = transformers.GPTJConfig(n_positions=256, n_embd=64, n_layer=2, n_head=4, rotary_dim=8)
    transformers.GPTJForCausalLM(config).save_pretrained(folder)
    return ModelSource(str(folder), memory_gib=1)


PAD_TOKENS = ("<|extratoken_1|>", "<|endoftext|>")  # GPT-J's, SmolLM2's: no record holds them


def load_base(source: ModelSource) -> tuple[transformers.PreTrainedModel,
                                            transformers.PreTrainedTokenizerBase]:
    """The model, frozen nowhere yet, and its tokenizer, whose padding token is not the end token.

    Raises RuntimeError or MemoryError before loading, ConnectionError where the weights cannot be
    had.
    """
    check_memory(source)
    options = {}
    if source.gguf_file is not None:
        options["gguf_file"] = source.gguf_file
    how = {"dtype": torch.float32, "device_map": {"": "cpu"}}  # "": all layers
    if source.device == "cuda":
        how = {"dtype": torch.float16, "device_map": {"": 0}}  # on the first GPU
    if source.eight_bit:
        how["quantization_config"] = transformers.BitsAndBytesConfig(load_in_8bit=True)
    elif source.gguf_file is not None:  # expand the packed numbers, so that it can be trained
        how["quantization_config"] = transformers.GgufConfig(dequantize=True)
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.place, **options)
        model = transformers.AutoModelForCausalLM.from_pretrained(source.place, **options, **how)
    except OSError as error:
        raise ConnectionError(f"{source.place} is neither a folder with a model nor reachable on "
                              f"the hub ({error}): connect to the internet once, or choose "
                              "tiny-gptj") from error
    known = tokenizer.get_vocab()
    choices = [token for token in PAD_TOKENS if token in known and token != tokenizer.eos_token]
    tokenizer.pad_token = choices[0]
    model.generation_config.pad_token_id = tokenizer.pad_token_id
    return model, tokenizer


def answer_prompts(model: Any, tokenizer: transformers.PreTrainedTokenizerBase,
                   prompts: Sequence[str], max_new_tokens: int = 32,
                   batch_size: int = 16) -> list[str]:
    """The greedy answer to each prompt; those of similar length are answered together."""
    order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
    answers = [""] * len(prompts)
    was_training = model.training
    side = tokenizer.padding_side
    model.eval()
    tokenizer.padding_side = "left"  # an answer follows its prompt at once
    for start in range(0, len(order), batch_size):
        numbers = order[start : start + batch_size]
        texts = [prompts[number] for number in numbers]
        batch = tokenizer(texts, padding=True, return_tensors="pt").to(model.device)  # (B, T)
        out = model.generate(**batch, max_new_tokens=max_new_tokens, do_sample=False)
        new_tokens = out[:, batch["input_ids"].size(1) :]  # (B, new)
        new_texts = tokenizer.batch_decode(new_tokens, skip_special_tokens=True)
        for number, text in zip(numbers, new_texts, strict=True):
            answers[number] = text.strip()
    tokenizer.padding_side = side
    model.train(was_training)
    return answers


def stream_answer(model: Any, tokenizer: transformers.PreTrainedTokenizerBase, prompt: str,
                  max_new_tokens: int = 32, adapter: bool = True) -> Iterator[str]:
    """Yield the greedy answer so far after each token, with the adapter or by the base alone."""
    ids = []
    cache = None
    unread = tokenizer(prompt, return_tensors="pt")["input_ids"].to(model.device)  # (1, T)
    model.eval()
    for _ in range(max_new_tokens):
        adapter_or_base = nullcontext() if adapter else model.disable_adapter()
        with torch.no_grad(), adapter_or_base:
            out = model(input_ids=unread, past_key_values=cache, use_cache=True)
        cache = out.past_key_values
        unread = out.logits[:, -1:].argmax(dim=-1)  # (1, 1)
        if unread.item() == tokenizer.eos_token_id:
            return
        ids.append(unread.item())
        yield tokenizer.decode(ids).strip()


# Written by `python -m shared.kit.course copy`: 5e0df1fbba18
