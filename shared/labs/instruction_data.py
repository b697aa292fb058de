"""The lab of 05_instruction_finetuning/01_instruction_data: a record as prompt and answer."""

import html
from collections.abc import Sequence
from functools import cache, partial

from shared.instructions import PHI3_RESPONSE_MARK, RESPONSE_MARK, format_input, format_input_phi3
from shared.kit.corpora import load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.plots import PALE, token_boxes

PROMPT_COLOUR = PALE[0]
ANSWER_COLOUR = PALE[1]
PADDING_COLOUR = "#e4e4e4"
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
    style = "color:#000;padding:1px 6px;margin-right:8px"
    boxes = [
        f'<span style="background:{colour};{style}">{html.escape(name)}</span>'
        for name, colour in colours.items()
    ]
    return f'<p style="margin:4px 0">{"".join(boxes)}</p>'


def template_view(number: int, template: str) -> str:
    """One record's training text in a layout: tokens in boxes, prompt and answer in two colours."""
    format_prompt, mark = TEMPLATES[template]
    entry = course_records()[number]
    prompt = get_tokenizer().encode(format_prompt(entry) + mark)
    answer = get_tokenizer().encode(entry["output"])
    boxes = token_boxes(
        single_tokens(prompt + answer),
        [PROMPT_COLOUR] * len(prompt) + [ANSWER_COLOUR] * len(answer),
    )
    count = f"<p>{len(prompt)} tokens of prompt, {len(answer)} of answer</p>"
    return legend(prompt=PROMPT_COLOUR, answer=ANSWER_COLOUR) + boxes + count
