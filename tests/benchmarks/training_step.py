"""How long a training step of the 162M model takes: `python tests/benchmarks/training_step.py`.

Ours beside Hugging Face's GPT-2 of the same size. Each side runs in a process of its own, in turn,
so that neither warms the machine or the memory for the other; the figure to read is the ratio of
the medians. Hugging Face runs as it comes: its model, its loss, default AdamW.
"""

import argparse
import statistics
import subprocess
import sys
import time

import torch

VOCABULARY, CONTEXT, WIDTH, HEADS, LAYERS = 50257, 256, 768, 12, 12


def our_step():
    """The course's model, loss and optimizer, with the settings of the headline run."""
    from shared.gpt import GPT_CONFIG_124M, GPTModel
    from shared.kit.system import keep_freed_memory
    from shared.training import calc_loss_batch

    keep_freed_memory()
    torch.manual_seed(123)
    model = GPTModel(GPT_CONFIG_124M)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-4, weight_decay=0.1, fused=True)

    def step(inputs: torch.Tensor, targets: torch.Tensor) -> float:
        optimizer.zero_grad()
        loss = calc_loss_batch(inputs, targets, model, "cpu")
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, step


def hugging_face_step():
    """GPT2LMHeadModel of the same size, head not tied, with PyTorch's default AdamW."""
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(123)
    config = GPT2Config(
        vocab_size=VOCABULARY,
        n_positions=CONTEXT,
        n_embd=WIDTH,
        n_layer=LAYERS,
        n_head=HEADS,
        tie_word_embeddings=False,
    )
    model = GPT2LMHeadModel(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=4e-4, weight_decay=0.1)

    def step(inputs: torch.Tensor, targets: torch.Tensor) -> float:
        optimizer.zero_grad()
        logits = model(inputs).logits
        loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten())
        loss.backward()
        optimizer.step()
        return loss.item()

    return model, step


def measure(side: str, steps: int, threads: int) -> None:
    """Print the seconds of each step after two to warm up."""
    torch.set_num_threads(threads)
    model, step = {"ours": our_step, "theirs": hugging_face_step}[side]()
    model.train()
    tokens = torch.randint(VOCABULARY, (2, CONTEXT + 1), generator=torch.Generator().manual_seed(0))
    for i in range(steps + 2):
        start = time.perf_counter()
        step(tokens[:, :-1], tokens[:, 1:])
        if i >= 2:
            print(time.perf_counter() - start, flush=True)


def matrix_rate(threads: int, seconds: float = 3.0) -> float:
    """Best rate of a large float32 matrix product on this machine, in GFLOP/s."""
    torch.set_num_threads(threads)
    a, b, best, end = (
        torch.randn(2048, 2048),
        torch.randn(2048, 2048),
        0.0,
        time.perf_counter() + seconds,
    )
    while time.perf_counter() < end:
        start = time.perf_counter()
        a @ b
        best = max(best, 2 * 2048**3 / (time.perf_counter() - start) / 1e9)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--steps", type=int, default=4, help="steps to time in each turn (default 4)"
    )
    parser.add_argument("--turns", type=int, default=3, help="turns of each side (default 3)")
    parser.add_argument(
        "--threads", type=int, default=torch.get_num_threads(), help="threads (default: all cores)"
    )
    parser.add_argument("--side", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side:
        measure(arguments.side, arguments.steps, arguments.threads)
        return
    times = {"ours": [], "theirs": []}
    for _ in range(arguments.turns):
        for side in times:
            command = [
                sys.executable,
                __file__,
                "--side",
                side,
                "--steps",
                str(arguments.steps),
                "--threads",
                str(arguments.threads),
            ]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            times[side] += [float(line) for line in output.split()]
    for side, seconds in times.items():
        median = statistics.median(seconds)
        print(f"{side:7s} median {median:.2f} s a step ({min(seconds):.2f} to {max(seconds):.2f})")
    ours, theirs = (statistics.median(times[side]) for side in ("ours", "theirs"))
    # a matrix weight costs 2 FLOPs a token forward and 4 backward;
    # attention adds its two products over the context
    matrices = LAYERS * 12 * WIDTH**2 + VOCABULARY * WIDTH
    flop = 6 * matrices * 2 * CONTEXT + 12 * LAYERS * WIDTH * CONTEXT * 2 * CONTEXT
    rate = matrix_rate(arguments.threads)
    print(f"ratio   {theirs / ours:.2f} (Hugging Face / ours)")
    our_rate = flop / ours / 1e9
    print(
        f"rate    {our_rate:.0f} GFLOP/s in our step, {rate:.0f} in a large matrix product: "
        f"{our_rate / rate:.0%} of it"
    )


if __name__ == "__main__":
    main()
