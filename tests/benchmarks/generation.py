"""How long a model of GPT-2's size writes 200 tokens: `python tests/benchmarks/generation.py`.

Four ways, interleaved in one run on two threads: ours without a cache, ours with the key-value
cache, the same with column-major weights, and Hugging Face's GPT2LMHeadModel.generate with its
cache. Prints medians and their ratios. Takes about five minutes.
"""

import argparse
import copy
import statistics
import time
from collections.abc import Callable

import torch
import transformers
from torch import Tensor

from shared.generation import generate_text_simple, stream_tokens, to_column_major
from shared.gpt import GPT_CONFIG_124M, GPTModel

PROMPT = torch.tensor([[15496, 11, 314, 716]])  # "Hello, I am"


def hugging_face() -> Callable[[int], Tensor]:
    """A function that generates with a fresh GPT2LMHeadModel of our model's size."""
    cfg = GPT_CONFIG_124M
    model = transformers.GPT2LMHeadModel(
        transformers.GPT2Config(
            vocab_size=cfg.vocab_size,
            n_positions=cfg.context_length,
            n_embd=cfg.emb_dim,
            n_layer=cfg.n_layers,
            n_head=cfg.n_heads,
        )
    ).eval()
    mask = torch.ones_like(PROMPT)
    return lambda n: model.generate(
        PROMPT,
        attention_mask=mask,
        min_new_tokens=n,
        max_new_tokens=n,
        do_sample=False,
        use_cache=True,
        pad_token_id=50256,
    )


def ours() -> dict[str, Callable[[int], Tensor]]:
    """Functions that generate with our model, by name."""
    torch.manual_seed(123)
    model, size = GPTModel(GPT_CONFIG_124M).eval(), GPT_CONFIG_124M.context_length
    columns = copy.deepcopy(model)
    to_column_major(columns)
    return {
        "without cache": lambda n: generate_text_simple(model, PROMPT, n, size),
        "with cache": lambda n: torch.cat([PROMPT, *stream_tokens(model, PROMPT, n, size)], dim=1),
        "column-major": lambda n: torch.cat(
            [PROMPT, *stream_tokens(columns, PROMPT, n, size)], dim=1
        ),
    }


def seconds(function: Callable[[int], Tensor], n: int) -> float:
    start = time.perf_counter()
    assert function(n).shape == (1, PROMPT.size(1) + n)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tokens", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=5, help="timings of the cached ways")
    parser.add_argument(
        "--plain-rounds",
        type=int,
        default=3,
        help="timings without a cache, which take a minute each",
    )
    arguments = parser.parse_args()
    torch.set_num_threads(2)
    ways = ours()
    plain, *others = [way(20) for way in ways.values()]
    assert all(torch.equal(plain, other) for other in others), (
        "the cache or the order of the weights changes the text"
    )
    ways["Hugging Face"] = hugging_face()
    for function in ways.values():
        function(5)  # warm up
    times: dict[str, list[float]] = {name: [] for name in ways}
    for round_number in range(arguments.rounds):
        for name, function in ways.items():
            if name != "without cache" or round_number < arguments.plain_rounds:
                times[name].append(seconds(function, arguments.tokens))
    medians = {name: statistics.median(values) for name, values in times.items()}
    for name, values in times.items():
        print(f"{name:14} {medians[name]:6.2f} s   ({', '.join(f'{v:.2f}' for v in values)})")
    for name in ("with cache", "column-major"):
        plain_ratio = medians["without cache"] / medians[name]
        their_ratio = medians["Hugging Face"] / medians[name]
        print(
            f"{name}: without cache / this {plain_ratio:.2f} (wanted: at least 5), "
            f"Hugging Face / this {their_ratio:.2f} (wanted: at least 1)"
        )


if __name__ == "__main__":
    main()
