"""The template lab shows the record and counts its tokens; the report shows cuts and twins."""

import json
import re
from html import unescape

import pytest

from shared.instructions import split_records
from shared.labs.instruction_data import TEMPLATES, chosen_records, report_view, template_view


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_shows_the_record_and_counts_its_tokens(template):
    html = template_view(5, template)
    prompt, answer = map(int, re.search(r"(\d+) tokens of prompt, (\d+) of answer", html).groups())
    assert html.count("display:inline-block") == prompt + answer
    text = unescape("".join(re.findall(r"monospace\">(.*?)</span>", html)))
    entry = chosen_records()[5]
    assert entry["instruction"].replace(" ", "·") in text and text.endswith(
        entry["output"].replace(" ", "·")
    )


def test_template_without_preamble_is_shorter():
    count = {name: template_view(5, name).count("display:inline-block") for name in TEMPLATES}
    assert count["Alpaca, no preamble"] < count["Phi-3"] < count["Alpaca"]


def own_file(folder, records):
    path = folder / "own.jsonl"
    path.write_text("\n".join(map(json.dumps, records)))
    return str(path)


def test_the_template_lab_shows_a_file_of_the_readers(tmp_path):
    name = own_file(tmp_path, [{"instruction": "Say <|endoftext|>.", "output": "<b>"}])
    html = template_view(0, "Phi-3", name)  # the mark in the text is spelled, not one token
    assert "27 tokens of prompt, 3 of answer" in html


def cells_of(html, line):
    row = re.search(rf"<tr><td[^>]*>{re.escape(line)}</td>(.*?)</tr>", html)[1]
    return re.findall(r">([^<]*)</td>", row)


def test_the_report_counts_cuts_by_layout_and_lists_the_twins():
    parts = dict(zip(("training", "validation", "test"), split_records(chosen_records())))
    html = report_view(parts, 1024, "Alpaca")
    assert cells_of(html, "records") == ["935", "55", "110"]
    assert cells_of(html, "longest") == ["63", "61", "65"]
    assert cells_of(html, "will be cut") == ["0", "0", "0"]
    assert cells_of(report_view(parts, 64, "Alpaca"), "will be cut") == ["0", "0", "1"]
    assert cells_of(report_view(parts, 64, "Phi-3"), "will be cut") == ["0", "0", "0"]
    assert "2 records have all the words of an earlier one:" in html
    assert "training: Name the larger of 8 and 17. <b>|</b> Name the larger of 17 and 8." in html


def test_the_twins_of_held_out_records_come_first_and_are_escaped():
    def record(text):
        return {"instruction": text, "input": "", "output": "x"}

    parts = {"training": [record("<i> a"), record("a i")], "test": [record("I a?")]}
    html = report_view(parts, 1024, "Phi-3")
    assert html.index("test: I a? <b>|</b> &lt;i&gt; a") < html.index("training: a i")
    assert report_view({"training": parts["training"][:1]}, 9, "Phi-3").endswith("<ul></ul>")
