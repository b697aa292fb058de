"""How long our tokenizer takes, beside tiktoken: `python tests/benchmarks/tokenizer.py`.

Learning 1,000 tokens of the story, loading GPT-2's files, encoding the story. Prints the median of
each; the calls take turns. tiktoken has no fast way to learn, so ours stands alone there.
"""

import argparse
import statistics

from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.kit.system import times_in_turn
from shared.tokenizer import BPETokenizer


def load_ours() -> BPETokenizer:
    return BPETokenizer.from_gpt2_files(*gpt2_files())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=7, help="timings of each (default: 7)")
    rounds = parser.parse_args().rounds
    text = load_corpus("story")
    theirs = get_tokenizer()
    ours = load_ours()
    calls = {
        "learn 1,000 tokens, ours": lambda: BPETokenizer.train(text, 1000),
        "load GPT-2's files, ours": load_ours,
        "load GPT-2's files, tiktoken": get_tokenizer.__wrapped__,  # not the one remembered
        "encode the story, ours, first time": lambda: load_known_nothing(ours).encode(text),
        "encode the story, ours, again": lambda: ours.encode(text),
        "encode the story, tiktoken": lambda: theirs.encode(text),
    }
    for name, seconds in times_in_turn(calls, rounds).items():
        print(f"{name:36} {1000 * statistics.median(seconds):8.1f} ms")


def load_known_nothing(tokenizer: BPETokenizer) -> BPETokenizer:
    """The tokenizer without the pieces that it remembers."""
    tokenizer.known.clear()
    return tokenizer


if __name__ == "__main__":
    main()
