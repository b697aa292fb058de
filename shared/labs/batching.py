"""The lab of 05_instruction_finetuning/02_batching: what counts in the loss of a batch."""

import html
from functools import cache, partial

from torch import Tensor

from shared.instructions import InstructionDataset, custom_collate_fn, format_input
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.plots import RED
from shared.labs.instruction_data import (
    ANSWER_COLOUR,
    PADDING_COLOUR,
    PROMPT_COLOUR,
    chosen_records,
    legend,
    single_tokens,
)


@cache
def short_dataset(mask_instruction: bool, name: str) -> InstructionDataset:
    """The records without the preamble as token ids, their instruction masked or counted."""
    return InstructionDataset(
        chosen_records(name),
        get_tokenizer(),
        partial(format_input, preamble=False),
        mask_instruction=mask_instruction,
    )


def pair_box(token: str, target: str, colour: str, counts: bool) -> str:
    """One position: the input token above, the target below, grey where it does not count."""

    def visible(text: str) -> str:
        return html.escape(text).replace(" ", "·").replace("\n", "↵")

    style = "display:block;padding:1px 4px"
    above = f"{style};background:{colour};color:#000"
    below = f"{style};background:#fff;color:#000"
    if not counts:
        below = f"{style};background:{PADDING_COLOUR};color:#666"
    return (
        '<span style="display:inline-block;margin:2px 1px;border:1px solid #999;border-radius:3px;'
        'text-align:center;font-family:monospace;font-size:11px;vertical-align:top">'
        f'<span style="{above}">{visible(token)}</span>'
        f'<span style="{below}">{visible(target)}</span></span>'
    )


def mask_view(
    first: int,
    batch_size: int,
    allowed_max_length: int,
    mask_instruction: bool,
    name: str = "course",
) -> str:
    """A collated batch of consecutive records, and what counts in its loss."""
    numbers = [(first + i) % len(chosen_records(name)) for i in range(batch_size)]
    items = [short_dataset(True, name)[number] for number in numbers]  # (ids, prompt length)
    batch = [short_dataset(mask_instruction, name)[number] for number in numbers]
    inputs, targets = custom_collate_fn(batch, allowed_max_length=allowed_max_length)  # (B, T) each
    rows = []
    for number, (ids, prompt_length), x, y in zip(
        numbers, items, inputs.tolist(), targets.tolist()
    ):
        row = record_row(x, y, prompt_length, len(ids))
        rows.append(f'<div style="margin:6px 0"><b>record {number}</b><br>{row}</div>')
    padding = sum(max(inputs.size(1) - len(ids), 0) for ids, _ in items)
    colours = legend(prompt=PROMPT_COLOUR, answer=ANSWER_COLOUR, padding=PADDING_COLOUR)
    return colours + "".join(rows) + batch_summary(targets, padding)


def record_row(x: list[int], y: list[int], prompt_length: int, length: int) -> str:
    """One record of a batch as boxes: its input and target ids, its tokens of prompt and in all."""
    end = get_tokenizer().eot_token
    boxes = []
    for t, (token, target) in enumerate(zip(single_tokens(x), y)):
        colour = PROMPT_COLOUR if t < prompt_length else ANSWER_COLOUR
        if t >= length:
            token = "pad"
            colour = PADDING_COLOUR
        named = {-100: "-100", end: "end"}
        below = named[target] if target in named else single_tokens([target])[0]
        boxes.append(pair_box(token, below, colour, target != -100))
    return "".join(boxes)


def batch_summary(targets: Tensor, padding: int) -> str:
    """What counts in the loss of a batch with targets (B, T), in words."""
    counted = int((targets != -100).sum())
    ends = int((targets == get_tokenizer().eot_token).sum())
    size = targets.numel()
    summary = (
        f"<p>{counted} of {size} targets count in the loss; "
        f"{padding} of {size} input positions are padding ({padding / size:.0%}); "
        f"{ends} of {len(targets)} end tokens are left to learn from.</p>"
    )
    if not counted:
        refused = "Nothing counts: the training would refuse this batch."
        summary += f'<p style="color:{RED}">{refused}</p>'
    return summary
