"""A LlamaModel as a GGUF file, packed by our own code.

Written from 05_instruction_finetuning/11_take_it_away: change it there.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType, GGUFWriter, LlamaFileType
from torch import Tensor

from shared.export import PATTERN_NAMES, check_export, head_is_tied, visible_tokens
from shared.gguf_weights import gguf_names
from shared.llama import LlamaModel
from shared.tokenizer import BPETokenizer


def pack_f32(rows: np.ndarray) -> np.ndarray:
    """Numbers that are not packed: (R, N), the same."""
    return rows


def pack_q8_0(rows: np.ndarray) -> np.ndarray:
    """Blocks of 32 numbers as a scale and 32 whole numbers: (R, 32 N) -> (R, 34 N) bytes."""
    blocks = rows.reshape(-1, 32)
    scale = np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)  # (N, 1)
    per_step = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)  # (N, 1)
    whole = (blocks * per_step).round().astype(np.int8)  # (N, 32), -127 to 127
    packed = np.hstack([scale.astype(np.float16).view(np.uint8), whole.view(np.uint8)])  # (N, 34)
    return packed.reshape(len(rows), -1)


def pack_q4_1(rows: np.ndarray) -> np.ndarray:
    """Blocks of 32 numbers as scale, minimum and 32 half bytes: (R, 32 N) -> (R, 20 N) bytes."""
    blocks = rows.reshape(-1, 32)
    minimum = blocks.min(axis=1, keepdims=True)  # (N, 1)
    scale = (blocks.max(axis=1, keepdims=True) - minimum) / np.float32(15)  # (N, 1)
    per_step = np.divide(1, scale, out=np.zeros_like(scale), where=scale > 0)  # (N, 1)
    steps = np.floor((blocks - minimum) * per_step + np.float32(0.5))  # (N, 32), 0 to 15
    steps = steps.clip(0, 15).astype(np.uint8)
    both = steps[:, :16] | steps[:, 16:] << 4  # (N, 16): the halves of the block
    ends = [part.astype(np.float16).view(np.uint8) for part in (scale, minimum)]
    return np.hstack([*ends, both]).reshape(len(rows), -1)


PACK = {"F32": pack_f32, "Q8_0": pack_q8_0, "Q4_1": pack_q4_1}


def halves_to_pairs(weight: Tensor, n_heads: int) -> Tensor:
    """Rows of queries or keys in the order of a GGUF file, pairs as neighbours: (H K, D), same."""
    rows = weight.view(n_heads, 2, -1, weight.size(1))  # (H, 2, K / 2, D)
    return rows.transpose(1, 2).reshape(weight.shape)  # (H K, D)


def packing_of(name: str, shape: tuple[int, ...], packing: str) -> str:
    """How a tensor of the file is packed if its large matrices are packed as `packing`."""
    if len(shape) == 1 or shape[1] % 32:
        return "F32"  # a norm, or rows that are no whole blocks
    if packing == "Q4_1" and name in ("token_embd.weight", "output.weight"):
        return "Q8_0"
    return packing


def gguf_tensors(model: LlamaModel, packing: str) -> Iterator[tuple[str, np.ndarray, str]]:
    """Name in the file, packed rows and packing of every weight."""
    cfg = replace(model.cfg, tie_weights=head_is_tied(model))
    places = dict(model.named_parameters(remove_duplicate=False))
    for ours, theirs in gguf_names(cfg).items():
        weight = places[ours].detach().cpu()
        if theirs.endswith(("attn_q.weight", "attn_k.weight")):
            weight = halves_to_pairs(weight, weight.size(0) * cfg.n_heads // cfg.emb_dim)
        kind = packing_of(theirs, tuple(weight.shape), packing)
        yield theirs, PACK[kind](weight.float().contiguous().numpy()), kind


def write_settings(writer: GGUFWriter, model: LlamaModel, tokenizer: BPETokenizer, name: str,
                   chat_template: str) -> None:
    """Add the settings of model and tokenizer to a GGUF file."""
    cfg = model.cfg
    writer.add_name(name)
    writer.add_vocab_size(cfg.vocab_size)
    writer.add_context_length(cfg.context_length)
    writer.add_embedding_length(cfg.emb_dim)
    writer.add_block_count(cfg.n_layers)
    writer.add_feed_forward_length(cfg.hidden_dim)
    writer.add_head_count(cfg.n_heads)
    writer.add_head_count_kv(cfg.n_kv_heads)
    writer.add_rope_dimension_count(cfg.emb_dim // cfg.n_heads)
    writer.add_rope_freq_base(cfg.rope_base)
    writer.add_layer_norm_rms_eps(cfg.norm_eps)
    names = visible_tokens(tokenizer)
    writer.add_tokenizer_model("gpt2")  # byte pairs
    writer.add_tokenizer_pre(PATTERN_NAMES[tokenizer.form.pattern])
    writer.add_token_list(names)
    special = set(tokenizer.special_tokens.values())
    writer.add_token_types([3 if i in special else 1 for i in range(len(names))])
    writer.add_token_merges([f"{names[a]} {names[b]}" for a, b in tokenizer.merges])
    writer.add_bos_token_id(tokenizer.eot_token)  # named, and never added by itself
    writer.add_eos_token_id(tokenizer.eot_token)
    writer.add_add_bos_token(False)
    if chat_template:
        writer.add_chat_template(chat_template)


def save_gguf(model: LlamaModel, tokenizer: BPETokenizer, path: str | Path, packing: str = "F32",
              name: str = "a model of the course", chat_template: str = "") -> None:
    """Write model and tokenizer as one GGUF file, whole or not at all.

    Raises ValueError for an unknown packing or what would not arrive whole, FileExistsError for a
    file that is there.
    """
    path = Path(path)
    check_export(model, tokenizer)
    if packing not in PACK:
        raise ValueError(f"no packing is named {packing!r}: there are {', '.join(PACK)}")
    if path.exists():
        raise FileExistsError(f"{path.name} is there, so nothing was written: name a new file")
    kinds = {"F32": LlamaFileType.ALL_F32, "Q8_0": LlamaFileType.MOSTLY_Q8_0,
             "Q4_1": LlamaFileType.MOSTLY_Q4_1}
    part = path.with_name(f"{path.name}.part")
    writer = GGUFWriter(part, "llama")
    try:
        write_settings(writer, model, tokenizer, name, chat_template)
        writer.add_file_type(kinds[packing])
        for tensor, rows, kind in gguf_tensors(model, packing):
            writer.add_tensor(tensor, rows, raw_dtype=GGMLQuantizationType[kind])
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        part.replace(path)
    finally:
        writer.close()
        part.unlink(missing_ok=True)


# Written by `python -m shared.kit.course copy`: e2e6da78bce4
