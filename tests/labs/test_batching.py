"""The mask lab: its counts are those of the collated batch."""

import re

from shared.labs.batching import mask_view
from shared.labs.instruction_data import course_records

END = ">end</span>"


def numbers(html):
    """Loss targets, targets, padding, positions, ends, records: the counts below a batch."""
    line = re.search(
        r"<p>(\d+) of (\d+) targets.*?; (\d+) of (\d+) input.*?; (\d+) of (\d+) end", html
    )
    return [int(n) for n in line.groups()]


def test_mask_view_counts_add_up():
    counted, targets, padding, positions, ends, records = numbers(mask_view(17, 3, 60, False))
    assert counted + padding == targets == positions and ends == records == 3
    html = mask_view(17, 3, 60, False)
    assert html.count(END) == 3 and html.count(">-100<") == padding == html.count(">pad<")


def test_masking_the_instruction_leaves_only_answers():
    all_counted, *_ = numbers(mask_view(17, 3, 60, False))
    masked, _, _, _, ends, _ = numbers(mask_view(17, 3, 60, True))
    assert 3 < masked < all_counted / 2 and ends == 3


def test_truncation_loses_end_tokens_and_then_everything():
    ends = [numbers(mask_view(17, 3, limit, False))[4] for limit in (60, 30, 10)]
    assert ends == sorted(ends, reverse=True) and ends[0] == 3 and ends[-1] == 0
    assert "would refuse" in mask_view(17, 3, 4, True)
    assert "would refuse" not in mask_view(17, 3, 4, False)


def test_mask_view_of_one_record_has_no_padding_and_the_last_record_is_followed_by_the_first():
    assert numbers(mask_view(0, 1, 60, False))[2] == 0
    assert f"record {len(course_records()) - 1}<" in mask_view(
        len(course_records()) - 1, 2, 60, False
    )
    assert "record 0<" in mask_view(len(course_records()) - 1, 2, 60, False)
