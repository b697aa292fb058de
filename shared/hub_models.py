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
from shared.kit.hugging_face import cache_free_gib, missing_download
from shared.kit.smollm2 import GGUF_FILE, smollm2_folder
from shared.kit.system import available_memory_gib


@dataclass(frozen=True)
class ModelSource:
    """Where a model's weights are, and what they need."""

    place: str  # a name on the Hugging Face hub, or a folder
    memory_gib: float  # free memory to load and finetune it: of the GPU, where there is one
    needs_gpu: bool = False
    bits: int | None = None  # 8 or 4: how the large matrices are kept
    gguf_file: str | None = None
    revision: str = "main"  # which version on the hub
    file_gib: float = 0  # its file on the hub: fetched to disk, then read into memory


MODEL_SOURCES = {
    "gpt-j-6b": ModelSource("EleutherAI/gpt-j-6b", memory_gib=14, needs_gpu=True, bits=8,
                            revision="float16", file_gib=11.3),
    "smollm2-135m": ModelSource(str(smollm2_folder()), memory_gib=3, gguf_file=GGUF_FILE),
    "tiny-gptj": ModelSource("tiny-gptj", memory_gib=1),
}


def check_memory(source: ModelSource) -> None:
    """Raise RuntimeError where a model's GPU is missing, MemoryError where there is no room."""
    needs = {"memory": (source.memory_gib, available_memory_gib())}
    if torch.cuda.is_available():
        free_bytes, _ = torch.cuda.mem_get_info()
        needs = {"GPU memory": (source.memory_gib, free_bytes / 2**30),
                 "memory": (source.file_gib, available_memory_gib())}
    elif source.needs_gpu:
        raise RuntimeError(f"{source.place} needs a GPU with {source.memory_gib} GiB free, and "
                           "this machine has none: choose smollm2-135m or tiny-gptj")
    missing = missing_download(source.place, source.revision, source.file_gib)
    needs["disk space"] = (missing, cache_free_gib())
    for kind, (needed, free) in needs.items():
        if free < needed:
            raise MemoryError(f"{source.place} needs {needed} GiB of free {kind}, {free:.1f} GiB "
                              "are free: close or delete what is not needed, or choose a smaller "
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


def find_source(name: str, tiny: ModelSource) -> ModelSource:
    """The source that is meant by a name of MODEL_SOURCES, or by a folder with a model.

    Raises ValueError for any other name.
    """
    if name == "tiny-gptj":
        return tiny
    if name in MODEL_SOURCES:
        return MODEL_SOURCES[name]
    files = [*Path(name).glob("*.safetensors"), *Path(name).glob("*.bin")]
    if not files:
        raise ValueError(f"no model is named {name!r}, and no folder of that name holds weights: "
                         f"choose one of {sorted(MODEL_SOURCES)}, or a folder")
    file_gib = sum(file.stat().st_size for file in files) / 2**30
    return ModelSource(name, memory_gib=round(1 + 2 * file_gib, 1))


PAD_TOKENS = ("<|extratoken_1|>", "<|endoftext|>")  # GPT-J's, SmolLM2's: no record holds them


def choose_pad_token(tokenizer: transformers.PreTrainedTokenizerBase, place: str) -> str:
    """A token to pad with that is not the end token; the end token itself if there is no other.

    Raises ValueError for a tokenizer without an end token, or that ends each text by itself.
    """
    end = tokenizer.eos_token
    if end is None or tokenizer("a")["input_ids"][-1:] == [tokenizer.eos_token_id]:
        raise ValueError(f"the tokenizer of {place} has the end token {end!r} and puts it behind "
                         "every text, or has none: set eos_token and add_eos_token=false in its "
                         "tokenizer_config.json")
    known = tokenizer.get_vocab()
    for token in (*PAD_TOKENS, tokenizer.pad_token, tokenizer.unk_token):
        if token in known and token != end:
            return token
    return end


def loading_options(source: ModelSource) -> dict[str, Any]:
    """The types, the place and the packing of the weights, as `from_pretrained` takes them."""
    on_gpu = torch.cuda.is_available()
    options = {"dtype": torch.float32, "device_map": {"": 0 if on_gpu else "cpu"}}  # "": all layers
    if source.needs_gpu:
        options["dtype"] = torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    if source.bits == 8:
        options["quantization_config"] = transformers.BitsAndBytesConfig(load_in_8bit=True)
    elif source.bits == 4:
        options["quantization_config"] = transformers.BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
            bnb_4bit_compute_dtype=options["dtype"])
    elif source.gguf_file is not None:  # expanded, so that it can be trained
        options["quantization_config"] = transformers.GgufConfig(dequantize=True)
    return options


def load_base(source: ModelSource) -> tuple[transformers.PreTrainedModel,
                                            transformers.PreTrainedTokenizerBase]:
    """The model, frozen nowhere yet, and its tokenizer with a token to pad with.

    Raises RuntimeError or MemoryError before loading, then ConnectionError or ValueError.
    """
    check_memory(source)
    where = {"revision": source.revision, "gguf_file": source.gguf_file}
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(source.place, **where)
        model = transformers.AutoModelForCausalLM.from_pretrained(
            source.place, **where, **loading_options(source))
    except OSError as error:
        if Path(source.place).is_dir():
            raise ValueError(f"the folder {source.place} holds no whole model ({error}): it needs "
                             "config.json, the weights and the tokenizer's files") from error
        raise ConnectionError(f"{source.place} is neither a folder with a model nor reachable on "
                              f"the hub ({error}): connect to the internet once, or choose "
                              "tiny-gptj") from error
    tokenizer.pad_token = choose_pad_token(tokenizer, source.place)
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
        for number, ids in zip(numbers, out[:, batch["input_ids"].size(1) :].tolist(), strict=True):
            if tokenizer.eos_token_id in ids:  # behind it is padding
                ids = ids[: ids.index(tokenizer.eos_token_id)]
            answers[number] = tokenizer.decode(ids, skip_special_tokens=True).strip()
    tokenizer.padding_side = side
    model.train(was_training)
    return answers


def own_prompt(record: dict[str, str],
               tokenizer: transformers.PreTrainedTokenizerBase) -> str | None:
    """A record's prompt in the template that the model was finetuned on; None if it has none."""
    if tokenizer.chat_template is None:
        return None
    text = "\n".join(part for part in (record["instruction"], record["input"]) if part)
    return tokenizer.apply_chat_template([{"role": "user", "content": text}], tokenize=False,
                                         add_generation_prompt=True)


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


# Written by `python -m shared.kit.course copy`: 59fff7ac1f4b
