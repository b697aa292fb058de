"""The lab of 05_instruction_finetuning/06_lora_with_peft: two models answer side by side."""

import html
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from shared.hub_models import stream_answer
from shared.instructions import RESPONSE_MARK, format_input
from shared.kit.plots import BLUE, ORANGE, PALE, table


def score_table(scores: Mapping[str, Mapping[str, tuple[int, int]]]) -> str:
    """{"base": {family: (right, total)}, ...} as a table: families down, models across, a sum."""
    models = list(scores)
    families = list(scores[models[0]])
    rows = []
    for family in families:
        counts = [scores[model][family] for model in models]
        rows.append([family, *(f"{right} of {total}" for right, total in counts)])
    sums = [map(sum, zip(*scores[model].values())) for model in models]
    rows.append(["all", *(f"{right} of {total}" for right, total in sums)])
    return table(["family", *models], rows)


def loss_figure(log: Sequence[Mapping[str, float]]) -> Figure:
    """Training and validation loss over steps, from a Trainer's log."""
    figure, ax = plt.subplots(figsize=(6, 3.5))
    for name, label, style, colour in (
        ("loss", "training", "-", BLUE),
        ("eval_loss", "validation", "--", ORANGE),
    ):
        points = [(entry["step"], entry[name]) for entry in log if name in entry]
        ax.plot(*zip(*points), style, marker="o", color=colour, label=label)
    ax.set(xlabel="step", ylabel="loss (nats a token)")
    ax.legend()
    figure.tight_layout()
    return figure


def side_by_side(base: str, adapted: str) -> str:
    """Two answers as HTML columns."""
    columns = (("base model", base, PALE[1]), ("with the adapter", adapted, PALE[0]))
    style = "width:50%;vertical-align:top;color:#000;padding:8px;text-align:left"
    boxes = ""
    for title, answer, colour in columns:
        text = html.escape(answer).replace("\n", "<br>") or "..."
        boxes += f'<td style="{style};background:{colour}"><b>{title}</b><br>{text}</td>'
    return f'<table style="width:100%;table-layout:fixed"><tr>{boxes}</tr></table>'


def compare_answers(
    model: Any, tokenizer: Any, preamble: bool, instruction: str, text: str, max_new_tokens: int
) -> Iterator[str]:
    """Yield base and adapted answers side by side, one token more of each at a time.

    Raises ValueError if there is no instruction.
    """
    if not instruction.strip():
        raise ValueError("the instruction is empty: type what the model should do")
    entry = {"instruction": instruction, "input": text, "output": ""}
    prompt = format_input(entry, preamble) + RESPONSE_MARK
    streams = [
        stream_answer(model, tokenizer, prompt, max_new_tokens, adapter=adapter)
        for adapter in (False, True)
    ]
    answers = ["", ""]
    running = True
    while running:
        following = [next(stream, None) for stream in streams]
        answers = [old if new is None else new for new, old in zip(following, answers)]
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
