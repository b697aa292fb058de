"""The pictures behind the labs of chapter 5: plain functions of the values that the controls hold."""

import html
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import Any

import matplotlib.pyplot as plt
import torch
from matplotlib.figure import Figure
from torch import nn

from shared.evaluation import exact_match
from shared.generation import generate
from shared.instructions import (
    PHI3_RESPONSE_MARK,
    RESPONSE_MARK,
    InstructionDataset,
    custom_collate_fn,
    format_input,
    format_input_phi3,
    split_records,
)
from shared.kit.corpora import load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.instruction_records import family_of
from shared.kit.plots import BLUE, PALE, RED, token_boxes

PROMPT_COLOUR, ANSWER_COLOUR, END_COLOUR, PADDING_COLOUR = PALE[0], PALE[1], PALE[2], "#e4e4e4"
TEMPLATES = {
    "Alpaca": (format_input, RESPONSE_MARK),
    "Alpaca, no preamble": (partial(format_input, preamble=False), RESPONSE_MARK),
    "Phi-3": (format_input_phi3, PHI3_RESPONSE_MARK),
}


@cache
def course_records() -> list[dict[str, str]]:
    """The course's records, read once."""
    return load_instruction_data("course")


def single_tokens(ids: Sequence[int]) -> list[str]:
    """The text of each GPT-2 token by itself."""
    return [get_tokenizer().decode([i]) for i in ids]


def legend(**colours: str) -> str:
    """What each colour means, as one line of HTML."""
    boxes = [f'<span style="background:{colour};color:#000;padding:1px 6px;margin-right:8px">{html.escape(name)}</span>'
             for name, colour in colours.items()]
    return f'<p style="margin:4px 0">{"".join(boxes)}</p>'


def template_view(number: int, template: str) -> str:
    """One record's training text in a layout: its tokens in boxes, prompt and answer in two colours."""
    format_prompt, mark = TEMPLATES[template]
    entry = course_records()[number]
    prompt, answer = get_tokenizer().encode(format_prompt(entry) + mark), get_tokenizer().encode(entry["output"])
    boxes = token_boxes(single_tokens(prompt + answer),
                        [PROMPT_COLOUR] * len(prompt) + [ANSWER_COLOUR] * len(answer))
    count = f"<p>{len(prompt)} tokens of prompt, {len(answer)} of answer</p>"
    return legend(prompt=PROMPT_COLOUR, answer=ANSWER_COLOUR) + boxes + count


@cache
def short_datasets() -> dict[bool, InstructionDataset]:
    """The records without the preamble as token ids: with the instruction masked (True) or counted (False)."""
    format_prompt = partial(format_input, preamble=False)
    return {mask: InstructionDataset(course_records(), get_tokenizer(), format_prompt, mask_instruction=mask)
            for mask in (False, True)}


def pair_box(token: str, target: str, colour: str, counts: bool) -> str:
    """One position: the input token above, the target below, grey where the target does not count."""
    def visible(text: str) -> str:
        return html.escape(text).replace(" ", "·").replace("\n", "↵")

    below = ("#fff", "#000") if counts else (PADDING_COLOUR, "#666")
    style = "display:block;padding:1px 4px"
    return ('<span style="display:inline-block;margin:2px 1px;border:1px solid #999;border-radius:3px;'
            'text-align:center;font-family:monospace;font-size:11px;vertical-align:top">'
            f'<span style="{style};background:{colour};color:#000">{visible(token)}</span>'
            f'<span style="{style};background:{below[0]};color:{below[1]}">{visible(target)}</span></span>')


def mask_view(first: int, batch_size: int, allowed_max_length: int, mask_instruction: bool) -> str:
    """A collated batch of consecutive records, position by position, with what counts in its loss."""
    end, records = 50256, course_records()
    numbers = [(first + i) % len(records) for i in range(batch_size)]
    items = [short_datasets()[True][number] for number in numbers]  # (ids, prompt length)
    inputs, targets = custom_collate_fn([short_datasets()[mask_instruction][number] for number in numbers],
                                        allowed_max_length=allowed_max_length)  # (B, T), (B, T)
    rows = []
    for number, (ids, prompt_length), x, y in zip(numbers, items, inputs.tolist(), targets.tolist()):
        kinds = [PROMPT_COLOUR if t < prompt_length else ANSWER_COLOUR if t < len(ids) else PADDING_COLOUR
                 for t in range(len(x))]
        above = ["pad" if t >= len(ids) else token for t, token in enumerate(single_tokens(x))]
        below = ["-100" if i == -100 else "end" if i == end else single_tokens([i])[0] for i in y]
        boxes = [pair_box(a, b, kind, i != -100) for a, b, kind, i in zip(above, below, kinds, y)]
        rows.append(f'<div style="margin:6px 0"><b>record {number}</b><br>{"".join(boxes)}</div>')
    padding = sum(max(inputs.size(1) - len(ids), 0) for ids, _ in items)
    ends = int((targets == end).sum())
    summary = (f"<p>{int((targets != -100).sum())} of {targets.numel()} targets count in the loss; "
               f"{padding} of {inputs.numel()} input positions are padding ({padding / inputs.numel():.0%}); "
               f"{ends} of {batch_size} end tokens are left to learn from.</p>")
    if (targets == -100).all():
        summary += f'<p style="color:{RED}">Nothing counts: the training would refuse this batch.</p>'
    return legend(prompt=PROMPT_COLOUR, answer=ANSWER_COLOUR, padding=PADDING_COLOUR) + "".join(rows) + summary


@cache
def training_lengths() -> list[int]:
    """Tokens of each training record in the Alpaca format."""
    train, _, _ = split_records(course_records())
    dataset = InstructionDataset(train, get_tokenizer())
    return [len(dataset[i]) for i in range(len(dataset))]


def batch_order(batch_size: int, bucketed: bool, seed: int) -> list[list[int]]:
    """The record numbers of each batch: shuffled, or of similar lengths with only the batches shuffled."""
    generator, lengths = torch.Generator().manual_seed(seed), training_lengths()
    order = torch.randperm(len(lengths), generator=generator).tolist()
    if bucketed:
        order.sort(key=lambda i: lengths[i])  # a stable sort: equal lengths stay shuffled
    batches = [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
    if bucketed:
        batches = [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]
    return batches


def batch_widths_view(batch_size: int, bucketed: bool, seed: int) -> Figure:
    """Real tokens and padding of each batch of one epoch, as stacked bars."""
    lengths = training_lengths()
    batches = batch_order(batch_size, bucketed, seed)
    real = [sum(lengths[i] for i in batch) for batch in batches]
    padding = [max(lengths[i] for i in batch) * len(batch) - tokens for batch, tokens in zip(batches, real)]
    figure, ax = plt.subplots(figsize=(7, 3))
    ax.stackplot(range(1, len(batches) + 1), real, padding, step="mid", colors=(BLUE, RED),
                 labels=("tokens of records", "padding"))
    ax.set(xlabel="batch of the epoch", ylabel="input positions (tokens)", ylim=(0, None),
           title=f"{sum(padding) / (sum(real) + sum(padding)):.1%} of the epoch is padding")
    ax.legend(loc="lower left")
    return figure


def escaped(text: str) -> str:
    """Text for an HTML table: special signs escaped, line breaks shown."""
    return html.escape(text).replace("\n", "<br>")


def answer_table(records: Sequence[dict[str, str]], before: Sequence[str], after: Sequence[str]) -> str:
    """The first record of each family with a model's answers before and after training, as an HTML table."""
    rows, seen = [], set()
    for entry, early, late in zip(records, before, after, strict=True):
        family = family_of(entry)
        if family in seen:
            continue
        seen.add(family)
        cells = [family, f"{entry['instruction']}\n{entry['input']}".strip(), early[:40], late]
        mark = "✓" if exact_match(late, entry) else f"no: {entry['output']}"
        row = "".join(f'<td style="text-align:left">{escaped(cell)}</td>' for cell in (*cells, mark))
        rows.append(f"<tr>{row}</tr>")
    head = "".join(f'<th style="text-align:left">{name}</th>'
                   for name in ("family", "prompt", "before (first 40 characters)", "after", "exact?"))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def plot_scores(scores: dict[str, tuple[int, int]]) -> Figure:
    """The share of exact answers of each family as bars, best on top, with the counts written beside them."""
    ordered = sorted(scores.items(), key=lambda item: item[1][0] / item[1][1])
    figure, ax = plt.subplots(figsize=(6, 0.26 * len(ordered) + 0.8))
    ax.barh([name for name, _ in ordered], [right / total for _, (right, total) in ordered], color=BLUE)
    for i, (_, (right, total)) in enumerate(ordered):
        ax.text(right / total + 0.01, i, f"{right}/{total}", va="center", fontsize=8)
    ax.set(xlabel="exact answers (share)", xlim=(0, 1.12))
    return figure


def answer_view(model: nn.Module, tokenizer: Any, format_prompt: Callable[[dict[str, str]], str], instruction: str,
                text: str, max_new_tokens: int = 40) -> str:
    """A model's greedy answer in token boxes, each with its probability. Raises ValueError for an empty instruction."""
    if not instruction.strip():
        raise ValueError("type an instruction, such as: Name the capital of Peru.")
    entry = {"instruction": instruction.strip(), "input": text.strip(), "output": ""}
    prompt = tokenizer.encode(format_prompt(entry) + RESPONSE_MARK)
    context_size = model.pos_emb.num_embeddings
    if len(prompt) >= context_size:
        raise ValueError(f"the prompt has {len(prompt)} tokens, the model reads {context_size}: shorten it")
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
    return token_boxes(tokens, [ANSWER_COLOUR] * len(tokens), [f"{chance:.0%}" for chance in chances])
