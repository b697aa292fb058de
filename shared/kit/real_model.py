"""Which language model the notebooks open: SmolLM2, the reader's own GGUF file, or a stand-in."""

import functools
import os
import tempfile
from pathlib import Path

import gguf
import numpy as np
import pooch

from shared.kit.smollm2 import GGUF_FILE, GGUF_SHA256, fetch_smollm2, sha256_of
from shared.kit.system import quick

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] + [f"<spare_{i}>" for i in range(14)]
WORDS = ["the", "and", "ing", "user", "system", "assistant", "help", "you"]
LAYERS, WIDTH, HEADS, KV_HEADS, HIDDEN = 3, 96, 3, 1, 192


def language_model_file() -> Path:
    """The GGUF file that LLM_COURSE_GGUF names ("stand-in" or a path); else SmolLM2's where it can
    be had, and the stand-in where not, and in quick runs.

    Raises ValueError if the named file does not exist.
    """
    named = os.environ.get("LLM_COURSE_GGUF")
    if named and named != "stand-in":
        if not Path(named).is_file():
            raise ValueError(
                f"LLM_COURSE_GGUF={named} is no file: give the path of a GGUF file, or 'stand-in'"
            )
        return Path(named)
    if named == "stand-in" or quick(False, True):
        return stand_in()
    try:
        return fetch_smollm2() / GGUF_FILE
    except ConnectionError:
        return stand_in()


def is_smollm2(path: Path) -> bool:
    """Whether a file is the SmolLM2 that the course's pages speak of."""
    if path.name != GGUF_FILE:
        return False
    state = path.stat()
    return known_sha256(path, state.st_mtime_ns, state.st_size) == GGUF_SHA256


@functools.cache
def known_sha256(path: Path, changed: int, size: int) -> str:
    """The SHA-256 of a file, read once as long as the file is the same."""
    return sha256_of(path)


def claim_of_smollm2(path: Path, sentence: str, true: bool) -> None:
    """Assert what the page says of SmolLM2; of another model nothing is known."""
    if is_smollm2(path):
        assert true, sentence


def stand_in() -> Path:
    """A Llama of 3 layers, random weights and a small vocabulary, in the form of SmolLM2's file.

    It knows nothing; with it every cell runs where SmolLM2 cannot be had.
    """
    folder = Path(pooch.os_cache("llm-course"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        where = tempfile.mkdtemp(dir=folder)
    except OSError:  # a cache that cannot be written
        folder = Path(tempfile.gettempdir())
        where = tempfile.mkdtemp()
    path = folder / "stand-in.gguf"
    written = Path(where) / path.name
    write_stand_in(written)
    os.replace(written, path)
    Path(where).rmdir()
    return path


def visible(text: str) -> str:
    """The text as a vocabulary of byte pairs writes it: each byte a visible character."""
    shown = [byte for byte in range(256) if chr(byte).isprintable() and chr(byte) != " "]
    names = {byte: chr(byte) for byte in shown}
    hidden = [byte for byte in range(256) if byte not in shown]
    names |= {byte: chr(256 + i) for i, byte in enumerate(hidden)}
    return "".join(names[byte] for byte in text.encode("latin-1"))


def stand_in_vocabulary() -> tuple[list[str], list[str]]:
    """Tokens and merges: special tokens, all bytes, a few words, each with a space before it."""
    tokens = SPECIAL + [visible(chr(byte)) for byte in range(256)]
    merges = []
    for word in WORDS:
        whole = visible(" ")
        for letter in word:
            merges.append(f"{whole} {letter}")
            whole += letter
            tokens.append(whole)
    merges = list(dict.fromkeys(merges))
    return list(dict.fromkeys(tokens)), merges


def write_stand_in(
    path: Path,
    architecture: str = "llama",
    pattern: str = "smollm",
    vocabulary: tuple[list[str], list[str]] | None = None,
    weights: list[tuple] | None = None,
) -> None:
    """Write the stand-in's file: settings, vocabulary, weights packed as SmolLM2's are.

    Tests write other files with other parts: what a loader must refuse.
    """
    tokens, merges = vocabulary or stand_in_vocabulary()
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_name("stand-in")
    writer.add_block_count(LAYERS)
    writer.add_context_length(2048)
    writer.add_embedding_length(WIDTH)
    writer.add_feed_forward_length(HIDDEN)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(KV_HEADS)
    writer.add_rope_freq_base(100_000.0)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pattern)
    writer.add_token_list(tokens)
    writer.add_token_types([3] * len(SPECIAL) + [1] * (len(tokens) - len(SPECIAL)))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    for name, weight, packing in weights or stand_in_weights(len(tokens)):
        packed = weight if packing is None else gguf.quants.quantize(weight, packing)
        writer.add_tensor(name, packed, raw_dtype=packing)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def stand_in_weights(vocab_size: int) -> list[tuple]:
    """(name, numbers, packing) of all tensors, drawn with a fixed seed; no packing: float32."""
    drawn = np.random.default_rng(1)
    head_dim = WIDTH // HEADS
    q4_1, q8_0 = gguf.GGMLQuantizationType.Q4_1, gguf.GGMLQuantizationType.Q8_0

    def matrix(rows: int, columns: int) -> np.ndarray:
        return (0.2 * drawn.standard_normal((rows, columns))).astype(np.float32)

    ones = np.ones(WIDTH, dtype=np.float32)
    weights = [("token_embd.weight", matrix(vocab_size, WIDTH), q8_0)]
    for i in range(LAYERS):
        weights += [
            (f"blk.{i}.attn_norm.weight", ones, None),
            (f"blk.{i}.ffn_down.weight", matrix(WIDTH, HIDDEN), q4_1),
            (f"blk.{i}.ffn_gate.weight", matrix(HIDDEN, WIDTH), q4_1),
            (f"blk.{i}.ffn_up.weight", matrix(HIDDEN, WIDTH), q4_1),
            (f"blk.{i}.ffn_norm.weight", ones, None),
            (f"blk.{i}.attn_k.weight", matrix(KV_HEADS * head_dim, WIDTH), q4_1),
            (f"blk.{i}.attn_output.weight", matrix(WIDTH, WIDTH), q4_1),
            (f"blk.{i}.attn_q.weight", matrix(WIDTH, WIDTH), q4_1),
            (f"blk.{i}.attn_v.weight", matrix(KV_HEADS * head_dim, WIDTH), q4_1),
        ]
    return [*weights, ("output_norm.weight", ones, None)]
