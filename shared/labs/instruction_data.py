"""The labs of 05_instruction_finetuning/01_instruction_data: a record as prompt and answer, and
the report on a data set.
"""

import html
from collections.abc import Mapping, Sequence
from functools import cache, partial

from shared.instructions import RESPONSE_MARK, format_input
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.plots import PALE, table, token_boxes
from shared.layouts import (
    ALPACA_RESPONSE_MARK,
    PHI3_RESPONSE_MARK,
    format_alpaca,
    format_input_phi3,
)
from shared.record_report import prompt_words, report_records
from shared.records import open_records

PROMPT_COLOUR = PALE[0]
ANSWER_COLOUR = PALE[1]
PADDING_COLOUR = "#e4e4e4"
TEMPLATES = {
    "Alpaca": (format_input, RESPONSE_MARK),
    "Alpaca, no preamble": (partial(format_input, preamble=False), RESPONSE_MARK),
    "Alpaca, two preambles": (format_alpaca, ALPACA_RESPONSE_MARK),
    "Phi-3": (format_input_phi3, PHI3_RESPONSE_MARK),
}


SHOWN = 5  # of the near duplicates


@cache
def chosen_records(name: str = "course") -> list[dict[str, str]]:
    """The records of a name, or of a file of the reader's, read once."""
    return open_records(name)


def course_records() -> list[dict[str, str]]:
    """The course's own records."""
    return chosen_records("course")


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


def template_view(number: int, template: str, name: str = "course") -> str:
    """One record's training text in a layout: tokens in boxes, prompt and answer in two colours."""
    format_prompt, mark = TEMPLATES[template]
    entry = chosen_records(name)[number]
    prompt = get_tokenizer().encode_ordinary(format_prompt(entry) + mark)
    answer = get_tokenizer().encode_ordinary(entry["output"])
    boxes = token_boxes(
        single_tokens(prompt + answer),
        [PROMPT_COLOUR] * len(prompt) + [ANSWER_COLOUR] * len(answer),
    )
    count = f"<p>{len(prompt)} tokens of prompt, {len(answer)} of answer</p>"
    return legend(prompt=PROMPT_COLOUR, answer=ANSWER_COLOUR) + boxes + count


@cache
def token_count(text: str) -> int:
    """Tokens of a text, counted once."""
    return len(get_tokenizer().encode_ordinary(text))


def report_view(
    parts: Mapping[str, Sequence[dict[str, str]]], context_length: int, template: str
) -> str:
    """The report on the parts of a split as a table, and records that are near to another."""
    format_prompt, mark = TEMPLATES[template]

    def length(record: dict[str, str]) -> int:
        return token_count(format_prompt(record) + mark + record["output"])

    reports = report_records(parts, length, context_length)
    lines = list(list(reports.values())[-1])
    rows = [[line, *(str(report.get(line, "")) for report in reports.values())] for line in lines]
    return table(["", *reports], rows) + near_list(parts)


def near_list(parts: Mapping[str, Sequence[dict[str, str]]]) -> str:
    """Records that have all their words in common with an earlier one, held-out ones first."""

    def shown(record: dict[str, str]) -> str:
        return html.escape(f"{record['instruction']} {record['input']}".strip()[:100])

    first: dict[frozenset[str], dict[str, str]] = {}
    near = []
    for name, part in parts.items():
        for record in part:
            twin = first.setdefault(prompt_words(record), record)
            if twin is not record:
                near.append(f"<li>{name}: {shown(record)} <b>|</b> {shown(twin)}</li>")
    head = f"{len(near)} records have all the words of an earlier one"
    return f"<p>{head}{':' if near else '.'}</p><ul>{''.join(near[::-1][:SHOWN])}</ul>"
