"""The lab of 05_instruction_finetuning/04_finetuning: answers, their chances, their scores."""

from collections.abc import Callable, Sequence
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn

from shared.evaluation import exact_match
from shared.generation import generate
from shared.instructions import RESPONSE_MARK
from shared.kit.instruction_records import family_of
from shared.kit.plots import BLUE, table, token_boxes
from shared.labs.instruction_data import ANSWER_COLOUR


def answer_table(
    records: Sequence[dict[str, str]], before: Sequence[str], after: Sequence[str]
) -> str:
    """The first record of each family with a model's answers before and after training, in HTML."""
    rows = []
    seen: set[str] = set()
    for entry, early, late in zip(records, before, after, strict=True):
        family = family_of(entry)
        if family in seen:
            continue
        seen.add(family)
        cells = [family, f"{entry['instruction']}\n{entry['input']}".strip(), early[:40], late]
        mark = "✓" if exact_match(late, entry) else f"no: {entry['output']}"
        rows.append([*cells, mark])
    return table(("family", "prompt", "before (first 40 characters)", "after", "exact?"), rows)


def plot_scores(scores: dict[str, tuple[int, int]]) -> Figure:
    """The share of exact answers of each family as bars with counts, best on top."""
    ordered = sorted(scores.items(), key=lambda item: item[1][0] / item[1][1])
    figure, ax = plt.subplots(figsize=(6, 0.26 * len(ordered) + 0.8))
    shares = [right / total for _, (right, total) in ordered]
    ax.barh([name for name, _ in ordered], shares, color=BLUE)
    for i, (_, (right, total)) in enumerate(ordered):
        ax.text(right / total + 0.01, i, f"{right}/{total}", va="center", fontsize=8)
    ax.set(xlabel="exact answers (share)", xlim=(0, 1.12))
    return figure


def answer_view(
    model: nn.Module,
    tokenizer: Any,
    format_prompt: Callable[[dict[str, str]], str],
    instruction: str,
    text: str,
    max_new_tokens: int = 40,
) -> str:
    """A model's greedy answer in token boxes, each with its probability.

    Raises ValueError for an empty instruction, or one that leaves no room for an answer.
    """
    if not instruction.strip():
        raise ValueError("type an instruction, such as: Name the capital of Peru.")
    entry = {"instruction": instruction.strip(), "input": text.strip(), "output": ""}
    prompt = tokenizer.encode(format_prompt(entry) + RESPONSE_MARK)
    context_size = model.cfg.context_length
    if len(prompt) >= context_size:
        raise ValueError(
            f"the prompt has {len(prompt)} tokens, the model reads {context_size}: shorten it"
        )
    model.eval()
    idx = torch.tensor([prompt], device=next(model.parameters()).device)  # (1, T)
    room = min(max_new_tokens, context_size - len(prompt))
    out = generate(model, idx, room, context_size, eos_id=tokenizer.eot_token)  # (1, T + new)
    answer = out[0, len(prompt) :]  # (new,)
    if not len(answer):
        return "<p>The model ended its answer at once.</p>"
    with torch.no_grad():
        probs = model(out[:, :-1])[0, len(prompt) - 1 :].softmax(dim=-1)  # (new, V)
    chances = probs.gather(1, answer.unsqueeze(1)).flatten().tolist()
    tokens = [tokenizer.decode([i]) for i in answer.tolist()]
    notes = [f"{chance:.0%}" for chance in chances]
    return token_boxes(tokens, [ANSWER_COLOUR] * len(tokens), notes)
