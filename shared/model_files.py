"""Model files.

Written from 04_pretraining/10_chat: change it there.
"""

from pathlib import Path

from torch import nn

from shared.checkpoints import check_fit, read_checkpoint
from shared.gguf_weights import gguf_tokenizer, load_llama
from shared.gpt import GPTConfig, GPTModel
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.real_model import language_model_file
from shared.llama import LlamaConfig, LlamaModel
from shared.tokenizer import BPETokenizer, Tokenizer


def tokenizer_of(vocab_size: int, path: Path | None = None) -> Tokenizer:
    """The tokenizer in a file, GGUF or our own; without one GPT-2's or that of the real model.

    Raises ValueError unless it has vocab_size tokens.
    """
    if path is not None and not holds_gguf(path):
        tokenizer = BPETokenizer.load(path)
    elif path is None and vocab_size == get_tokenizer().n_vocab:
        tokenizer = get_tokenizer()
    else:
        tokenizer = gguf_tokenizer(path or language_model_file())
    if tokenizer.n_vocab != vocab_size:
        raise ValueError(f"the model has {vocab_size} tokens and the tokenizer "
                         f"{tokenizer.n_vocab}: name the file of the model's own tokenizer")
    return tokenizer


def holds_gguf(path: Path) -> bool:
    """Whether a file begins as a GGUF file does."""
    with open(path, "rb") as file:
        return file.read(4) == b"GGUF"


def open_language_model(path: Path, tokenizer: Path | None = None) -> tuple[nn.Module, Tokenizer]:
    """Model and tokenizer of a GGUF file, or of a checkpoint of this course.

    Raises ValueError for a file that is neither, or a tokenizer of another size.
    """
    if holds_gguf(path):
        return load_llama(path), gguf_tokenizer(tokenizer or path)
    content = read_checkpoint(path)
    config = content["config"]
    if not config:
        raise ValueError(f"{path.name} does not say how its model was built: save a model that has "
                         "a cfg")
    llama = "n_kv_heads" in config
    model = LlamaModel(LlamaConfig(**config)) if llama else GPTModel(GPTConfig(**config))
    check_fit(path, content, model)
    model.load_state_dict(content["model"])
    return model.eval(), tokenizer_of(config["vocab_size"], tokenizer)


# Written by `python -m shared.kit.course copy`: 375b1b2a087d
