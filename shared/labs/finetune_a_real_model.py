"""The lab of 05_instruction_finetuning/08_finetune_a_real_model: one model, several adapters."""

from collections.abc import Mapping
from html import escape
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from shared.evaluation import wilson_interval
from shared.generation import generate, next_token_probs
from shared.instructions import RESPONSE_MARK, format_input
from shared.kit.plots import BLUE, token_boxes
from shared.labs.instruction_data import ANSWER_COLOUR
from shared.lora import set_adapter

Scores = Mapping[str, tuple[int, int]]


def before_and_after(scores: Mapping[str, Scores]) -> Figure:
    """Each family's share of right answers before (grey) and after (blue), with Wilson intervals.

    The best family stands on top, all of them together at the bottom.
    """
    before, after = scores["before"], scores["after"]
    order = sorted(after, key=lambda family: after[family][0] / after[family][1])
    figure, ax = plt.subplots(figsize=(7, 1.0 + 0.24 * len(order)))
    for row, family in enumerate(["all", *order]):
        for results, colour, y in ((before, "#888888", row - 0.15), (after, BLUE, row + 0.15)):
            right, answers = total(results) if family == "all" else results[family]
            wide = 3.5 if family == "all" else 1.5
            ax.plot(wilson_interval(right, answers), [y, y], color=colour, linewidth=wide)
            ax.plot(right / answers, y, "o", color=colour, markersize=5)
    answers = total(after)[1]
    names = [f"all ({answers})", *(f"{family} ({after[family][1]})" for family in order)]
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="share of exact answers, with 95% intervals", xlim=(-0.03, 1.03))
    ax.plot([], [], "o-", color="#888888", label="before")
    ax.plot([], [], "o-", color=BLUE, label="after")
    ax.legend(loc="upper center", bbox_to_anchor=(0.5, 1.0 + 0.6 / len(order)), ncols=2)
    ax.grid(axis="x", alpha=0.4)
    figure.tight_layout()
    return figure


def total(scores: Scores) -> tuple[int, int]:
    """Right answers and answers of all families together."""
    return sum(right for right, _ in scores.values()), sum(count for _, count in scores.values())


def adapter_view(
    model: nn.Module,
    tokenizer: Any,
    adapters: Mapping[str, Mapping[str, Tensor]],
    question: str,
    adapter: str,
    strength: float,
    temperature: float,
    max_new_tokens: int = 20,
) -> str:
    """A question answered without and with an adapter, in token boxes with their chances, in HTML.

    The adapter's change counts `strength` times. Raises ValueError for an empty question, or one
    that leaves no room for an answer.
    """
    if not question.strip():
        raise ValueError("type a question, such as: What is the capital of France?")
    entry = {"instruction": question.strip(), "input": "", "output": ""}
    prompt = tokenizer.encode(format_input(entry, preamble=False) + RESPONSE_MARK)
    room = model.cfg.context_length - len(prompt)
    if room < 1:
        raise ValueError(
            f"the question has {len(prompt)} tokens, the model reads {model.cfg.context_length}: "
            "shorten it"
        )
    model.eval()
    parts = []
    for name, share in (("SmolLM2 alone", 0.0), (f"with {adapter}, {strength:g} times", strength)):
        set_adapter(model, scaled(adapters[adapter], share))
        idx = torch.tensor([prompt])  # (1, T)
        drawn = torch.Generator().manual_seed(123)
        out = generate(
            model,
            idx,
            min(max_new_tokens, room),
            model.cfg.context_length,
            temperature,
            eos_id=tokenizer.eot_token,
            generator=drawn,
        )  # (1, T + new)
        boxes = answer_boxes(model, tokenizer, out, len(prompt), temperature)
        parts.append(f"<p><b>{escape(name)}</b></p>{boxes}")
    return "".join(parts)


def scaled(weights: Mapping[str, Tensor], strength: float) -> dict[str, Tensor]:
    """The matrices of an adapter whose change counts `strength` times."""
    return {
        name: strength * weight if name.endswith(".B") else weight
        for name, weight in weights.items()
    }


def answer_boxes(
    model: nn.Module, tokenizer: Any, out: Tensor, start: int, temperature: float
) -> str:
    """The tokens of `out`, (1, T + new), from `start` on, each with its chance at a temperature."""
    answer = out[0, start:]  # (new,)
    if not len(answer):
        return "<p>The model ended its answer at once.</p>"
    with torch.no_grad():
        logits = model(out[:, :-1])[0, start - 1 :]  # (new, V)
    probs = next_token_probs(logits, temperature or 1.0)  # (new, V)
    chances = probs.gather(1, answer.unsqueeze(1)).flatten().tolist()
    tokens = [tokenizer.decode([i]) for i in answer.tolist()]
    notes = [f"{chance:.0%}" for chance in chances]
    return token_boxes(tokens, [ANSWER_COLOUR] * len(tokens), notes)
