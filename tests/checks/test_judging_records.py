"""Ten records of the reader's own, judged by a model's answers: here models are plain tables."""

import pytest

from shared.checks.judging_records import judge_ten_records

NAMES = "Anna Bela Carl Dora Emil Fina Gina Hans Ilse Jana".split()
RECORDS = [
    {"instruction": "Greet the person.", "input": name, "output": f"Ahoy, {name}!"}
    for name in NAMES
]


def greet(records):
    return [f"Ahoy, {record['input']}!" for record in records]


def mumble(records):
    return ["Lima." for _ in records]


def knows(count, first=0):
    """Greets the first of NAMES as it should, and others wrongly."""
    learned = NAMES[first : first + count]
    return lambda records: [
        f"Ahoy, {r['input']}!" if r["input"] in learned else "Ahoy, Lima!" for r in records
    ]


def numbered(records):
    """What a list of finished answers in the order of the records would be."""
    return greet(RECORDS)


def changed(place, **fields):
    records = [dict(record) for record in RECORDS]
    records[place].update(fields)
    return records


LESSON = (RECORDS, mumble, greet)
WRONG_LESSONS = [
    ("not trained", (RECORDS, mumble, mumble), "train for more epochs"),
    ("too little trained", (RECORDS, mumble, knows(7)), "7 of 10.*'Ahoy, Hans!'"),
    ("known before", (RECORDS, greet, greet), "10 of 10.*before the training"),
    ("swapped", (RECORDS, greet, mumble), "before the training"),
    ("nine records", (RECORDS[:9], mumble, greet), "too few"),
    ("one record ten times", (RECORDS[:1] * 10, mumble, greet), "ask the same"),
    ("one answer", ([{**r, "output": "Ahoy!"} for r in RECORDS], mumble, greet), "vary"),
    ("an empty output", (changed(3, output=" "), mumble, greet), "output of record 4 is empty"),
    ("an output that is a number", (changed(3, output=5), mumble, greet), "record 4 .*found 5"),
    ("no input", ([{"instruction": "a", "output": "b"}], mumble, greet), "'input', found None"),
    ("records alone", RECORDS, "records, before, after"),
    ("answers in place of functions", (RECORDS, mumble(RECORDS), greet(RECORDS)), "a function"),
    ("answers by their order", (RECORDS, mumble, numbered), "another order"),
    ("the outputs read off", (RECORDS, mumble, lambda rs: [r["output"] for r in rs]), "0 of 10"),
    ("one text", (RECORDS, lambda rs: "Lima.", greet), "before must return a list"),
    ("too few answers", (RECORDS, mumble, lambda rs: greet(rs)[:3]), "3 answers to 10"),
]


@pytest.mark.parametrize(
    "lesson",
    [
        LESSON,
        (RECORDS + [{"instruction": "Wave.", "input": "", "output": "Bye."}], knows(2), knows(9)),
        (tuple(RECORDS), knows(2, first=8), lambda rs: [f"  {answer}\n" for answer in greet(rs)]),
        (RECORDS, mumble, knows(8)),
    ],
    ids=["all right", "an eleventh", "spaces around", "eight"],
)
def test_right_lessons(lesson):
    assert judge_ten_records(lesson) is None
