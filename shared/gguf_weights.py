"""Weights and tokenizer of a GGUF file in our LlamaModel.

Written from 04_pretraining/09_open_a_real_model: change it there.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from gguf import GGUFReader
from torch import Tensor

from shared.kit.gguf_file import GGUFFile
from shared.kit.system import available_memory_gib
from shared.llama import LlamaConfig, LlamaModel
from shared.tokenizer import BPETokenizer
from shared.vocabulary import VocabularyForm, visible_bytes


def open_gguf(path: str | Path) -> GGUFReader:
    """The names, settings and packed tensors of a GGUF file, read from the disk when asked for.

    Raises ValueError if it is no whole GGUF file.
    """
    try:
        return GGUFFile(path)
    except (ValueError, IndexError, KeyError, OverflowError) as error:
        raise ValueError(f"{path} is no GGUF file, or is cut short ({error}): fetch it "
                         "again") from error


def gguf_setting(file: GGUFReader, name: str, default: Any = None) -> Any:
    """A setting of the file by name. Raises ValueError if it is missing and has no default."""
    field = file.fields.get(name)
    if field is not None:
        return field.contents()
    if default is None:
        raise ValueError(f"the file has no {name!r}: is it a language model?")
    return default


def unpack_f32(rows: np.ndarray) -> np.ndarray:
    """Numbers that are not packed: (R, N), a copy."""
    return rows.copy()


def unpack_q8_0(rows: np.ndarray) -> np.ndarray:
    """Blocks of 34 bytes, a scale and 32 whole numbers: (R, 34 N) -> (R, 32 N)."""
    blocks = rows.reshape(-1, 34)
    scale = blocks[:, :2].copy().view(np.float16).astype(np.float32)  # (N, 1)
    whole = blocks[:, 2:].copy().view(np.int8)  # (N, 32)
    return (whole * scale).reshape(len(rows), -1)


def unpack_q4_1(rows: np.ndarray) -> np.ndarray:
    """Blocks of 20 bytes, scale, minimum and 32 half bytes: (R, 20 N) -> (R, 32 N)."""
    blocks = rows.reshape(-1, 20)
    scale = blocks[:, 0:2].copy().view(np.float16).astype(np.float32)  # (N, 1)
    minimum = blocks[:, 2:4].copy().view(np.float16).astype(np.float32)  # (N, 1)
    low = blocks[:, 4:] & 15  # (N, 16), the first half of the block
    high = blocks[:, 4:] >> 4  # (N, 16), the second
    return (np.hstack([low, high]) * scale + minimum).reshape(len(rows), -1)


UNPACK = {"F32": unpack_f32, "Q8_0": unpack_q8_0, "Q4_1": unpack_q4_1}


def unpack_tensor(file: GGUFReader, name: str) -> Tensor:
    """One tensor of the file as float32, rows first. Raises ValueError if it cannot be had."""
    found = [tensor for tensor in file.tensors if tensor.name == name]
    if not found:
        raise ValueError(f"the file has no tensor {name!r}: is it cut short?")
    packing = found[0].tensor_type.name
    if packing not in UNPACK:
        raise ValueError(f"{name} is packed as {packing}; this loader knows {sorted(UNPACK)}: "
                         "take a file in one of these")
    return torch.from_numpy(UNPACK[packing](found[0].data))


GGUF_PARTS = {
    # ours: theirs; {} is the number of the block
    "tok_emb.weight": "token_embd.weight",
    "trf_blocks.{}.norm1.scale": "blk.{}.attn_norm.weight",
    "trf_blocks.{}.att.W_query.weight": "blk.{}.attn_q.weight",
    "trf_blocks.{}.att.W_key.weight": "blk.{}.attn_k.weight",
    "trf_blocks.{}.att.W_value.weight": "blk.{}.attn_v.weight",
    "trf_blocks.{}.att.out_proj.weight": "blk.{}.attn_output.weight",
    "trf_blocks.{}.norm2.scale": "blk.{}.ffn_norm.weight",
    "trf_blocks.{}.ff.gate.weight": "blk.{}.ffn_gate.weight",
    "trf_blocks.{}.ff.up.weight": "blk.{}.ffn_up.weight",
    "trf_blocks.{}.ff.down.weight": "blk.{}.ffn_down.weight",
    "final_norm.scale": "output_norm.weight",
    "out_head.weight": "output.weight",
}


def pairs_to_halves(weight: Tensor, n_heads: int) -> Tensor:
    """Rows of queries or keys, where pairs are neighbours, in our order: (H K, D), same.

    `rotate` turns number i with number i + K/2; the file keeps the two side by side.
    """
    rows = weight.view(n_heads, -1, 2, weight.size(1))  # (H, K / 2, 2, D)
    return rows.transpose(1, 2).reshape(weight.shape)  # (H K, D)


def gguf_names(cfg: LlamaConfig) -> dict[str, str]:
    """Our names of all weights of a model, and the file's; a tied head has none of its own."""
    names = {}
    for ours, theirs in GGUF_PARTS.items():
        copies = cfg.n_layers if "{}" in ours else 1
        names |= {ours.format(i): theirs.format(i) for i in range(copies)}
    if cfg.tie_weights:
        del names["out_head.weight"]
    return names


def gguf_config(file: GGUFReader, context_length: int | None = None) -> LlamaConfig:
    """The configuration of a Llama file; a shorter context saves memory while it writes.

    Raises ValueError for another architecture, or a context longer than the model was trained for.
    """
    architecture = gguf_setting(file, "general.architecture")
    if architecture != "llama":
        raise ValueError(f"the file holds a model of the kind {architecture!r}, and LlamaModel "
                         "is 'llama': take a Llama file")
    longest = gguf_setting(file, "llama.context_length")
    context_length = context_length or longest
    if not 1 <= context_length <= longest:
        raise ValueError(f"context_length={context_length} must be at least 1 and at most "
                         f"{longest}, which the model was trained for")
    scaling = gguf_setting(file, "llama.rope.scaling.type", "none")
    if scaling != "none":
        raise ValueError(f"the file scales its rotary positions ({scaling!r}), and LlamaModel does "
                         "not: take a file without llama.rope.scaling")
    names = [tensor.name for tensor in file.tensors]
    return LlamaConfig(
        vocab_size=len(gguf_setting(file, "tokenizer.ggml.tokens")),
        context_length=context_length,
        emb_dim=gguf_setting(file, "llama.embedding_length"),
        n_heads=gguf_setting(file, "llama.attention.head_count"),
        n_kv_heads=gguf_setting(file, "llama.attention.head_count_kv"),
        n_layers=gguf_setting(file, "llama.block_count"),
        hidden_dim=gguf_setting(file, "llama.feed_forward_length"),
        rope_base=gguf_setting(file, "llama.rope.freq_base", 10_000.0),
        norm_eps=gguf_setting(file, "llama.attention.layer_norm_rms_epsilon"),
        tie_weights="output.weight" not in names,
    )


def load_llama(path: str | Path, context_length: int | None = None) -> LlamaModel:
    """A LlamaModel, in evaluation mode, with the weights of a GGUF file.

    Raises ValueError for a file that is none, of another kind, or does not fit together, and
    MemoryError, before anything is unpacked, if memory is short.
    """
    file = open_gguf(path)
    cfg = gguf_config(file, context_length)
    needed = 4 * sum(int(tensor.n_elements) for tensor in file.tensors) / 2**30
    free = available_memory_gib()
    if free < 1.2 * needed:
        raise MemoryError(f"the weights of {path} need {needed:.1f} GiB as float32 and "
                          f"{free:.1f} GiB are free: close other programs, or take a smaller model")
    names = gguf_names(cfg)
    left = {tensor.name for tensor in file.tensors} - set(names.values())
    if left:
        raise ValueError(f"the file holds {len(left)} tensors that LlamaModel has not, "
                         f"{min(left)} among them: take a plain Llama")
    model = LlamaModel(cfg)
    places = dict(model.named_parameters())
    for ours, theirs in names.items():
        weight = unpack_tensor(file, theirs)
        if weight.shape != places[ours].shape:
            raise ValueError(f"{theirs} has the shape {tuple(weight.shape)}, the file's settings "
                             f"ask for {tuple(places[ours].shape)}: the file is damaged")
        if theirs.endswith(("attn_q.weight", "attn_k.weight")):
            weight = pairs_to_halves(weight, weight.size(0) * cfg.n_heads // cfg.emb_dim)
        places[ours].data.copy_(weight)
    return model.eval()


# digits one by one, then the pieces of GPT-2
SMOLLM_PATTERN = (r"\p{N}|'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?[^\s\p{L}\p{N}]+"
                  r"|\s+(?![^\s\p{N}])|\s+")


def gguf_tokenizer(path: str | Path) -> BPETokenizer:
    """The tokenizer of a GGUF file: byte pairs as in GPT-2, with SmolLM's pattern.

    Raises ValueError for another kind, or if the file's tokens and merges do not fit together.
    """
    file = open_gguf(path)
    kind = [gguf_setting(file, f"tokenizer.ggml.{name}") for name in ("model", "pre")]
    if kind != ["gpt2", "smollm"]:
        raise ValueError(f"the file's tokenizer is of the kind {kind}, and this one reads "
                         "['gpt2', 'smollm']: take a file of the SmolLM family")
    tokens = gguf_setting(file, "tokenizer.ggml.tokens")
    kinds = gguf_setting(file, "tokenizer.ggml.token_type")
    end = gguf_setting(file, "tokenizer.ggml.eos_token_id")
    special = [token for token, kind in zip(tokens, kinds) if kind == 3]
    ordinary = tokens[len(special) :]
    byte_of = visible_bytes()
    order = [byte_of[token] for token in ordinary if token in byte_of]
    form = VocabularyForm(special_first=True, pattern=SMOLLM_PATTERN, end_token=tokens[end],
                          missing_bytes=256 - len(order))
    ids = {token: i for i, token in enumerate(tokens)}
    lines = [line.split(" ") for line in gguf_setting(file, "tokenizer.ggml.merges")]
    try:
        tokenizer = BPETokenizer(order, [(ids[a], ids[b]) for a, b in lines], special, form)
        written = [bytes(byte_of[character] for character in token) for token in ordinary]
    except (KeyError, ValueError) as error:
        raise ValueError(f"{path}: tokens and merges do not fit together ({error!r}): fetch the "
                         "file again") from error
    if tokenizer.token_bytes[len(special) :] != written or tokens[: len(special)] != special:
        raise ValueError(f"{path} does not number its {len(tokens)} tokens in the order of its "
                         "merges: fetch it again")
    return tokenizer


# Written by `python -m shared.kit.course copy`: ef5c733cb1b2
