"""Text to token ids and back. `BPETokenizer` is born in 01_data/02_byte_pair_encoding."""

import tiktoken


def get_tokenizer() -> tiktoken.Encoding:
    """GPT-2's tokenizer, 50,257 tokens, from the files that the course carries; no network."""
    return tiktoken.get_encoding("gpt2")
