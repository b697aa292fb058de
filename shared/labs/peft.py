"""The pictures behind the lab on PEFT: losses, lengths, and two models that answer side by side."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.hub_models import stream_answer
from shared.instructions import RESPONSE_MARK, format_input
from shared.kit.plots import BLUE, ORANGE, PALE


def loss_figure(log: Sequence[Mapping[str, float]]) -> Figure:
    """Training and validation loss over steps, from a Trainer's log."""
    figure, ax = plt.subplots(figsize=(6, 3.5))
    for name, label, style, colour in (("loss", "training", "-", BLUE), ("eval_loss", "validation", "--", ORANGE)):
        points = [(entry["step"], entry[name]) for entry in log if name in entry]
        ax.plot(*zip(*points), style, marker="o", color=colour, label=label)
    ax.set(xlabel="step", ylabel="loss (nats a token)")
    ax.legend()
    figure.tight_layout()
    return figure


def side_by_side(base: str, adapted: str) -> str:
    """Two answers as HTML columns."""
    boxes = "".join(
        f'<td style="width:50%;vertical-align:top;background:{colour};color:#000;padding:8px;text-align:left">'
        f"<b>{title}</b><br>{html.escape(text).replace(chr(10), '<br>') or '...'}</td>"
        for title, text, colour in (("base model", base, PALE[1]), ("with the adapter", adapted, PALE[0]))
    )
    return f'<table style="width:100%;table-layout:fixed"><tr>{boxes}</tr></table>'


def compare_answers(model: Any, tokenizer: Any, preamble: bool, instruction: str, text: str,
                    max_new_tokens: int) -> Iterator[str]:
    """Yield base and adapted answers side by side, one token more of each at a time.

    Raises ValueError if there is no instruction.
    """
    if not instruction.strip():
        raise ValueError("the instruction is empty: type what the model should do")
    prompt = format_input({"instruction": instruction, "input": text, "output": ""}, preamble) + RESPONSE_MARK
    streams = [stream_answer(model, tokenizer, prompt, max_new_tokens, adapter=adapter) for adapter in (False, True)]
    answers, running = ["", ""], True
    while running:
        following = [next(stream, None) for stream in streams]
        answers = [new if new is not None else old for new, old in zip(following, answers, strict=True)]
        running = any(new is not None for new in following)
        yield side_by_side(*answers)


def length_figure(lengths: Sequence[int], cutoff: int) -> Figure:
    """How many records have how many tokens, with the cutoff as a line."""
    figure, ax = plt.subplots(figsize=(6, 3))
    ax.hist(lengths, bins=range(0, max(lengths) + 2), color=BLUE)
    ax.axvline(cutoff, color=ORANGE, linestyle="--", label=f"cutoff, {cutoff} tokens")
    ax.set(xlabel="length of prompt, answer and end (tokens)", ylabel="records")
    ax.legend()
    figure.tight_layout()
    return figure
