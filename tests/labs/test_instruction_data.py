"""The template lab shows the record and counts its tokens."""

import re
from html import unescape

import pytest

from shared.labs.instruction_data import TEMPLATES, course_records, template_view


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_shows_the_record_and_counts_its_tokens(template):
    html = template_view(5, template)
    prompt, answer = map(int, re.search(r"(\d+) tokens of prompt, (\d+) of answer", html).groups())
    assert html.count("display:inline-block") == prompt + answer
    text = unescape("".join(re.findall(r"monospace\">(.*?)</span>", html)))
    entry = course_records()[5]
    assert entry["instruction"].replace(" ", "·") in text and text.endswith(
        entry["output"].replace(" ", "·")
    )


def test_template_without_preamble_is_shorter():
    count = {name: template_view(5, name).count("display:inline-block") for name in TEMPLATES}
    assert count["Alpaca, no preamble"] < count["Phi-3"] < count["Alpaca"]
