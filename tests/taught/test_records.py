"""Records of the reader's own: both forms are read, and each fault is told with its place."""

import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.kit.corpora import load_instruction_data
from shared.records import open_records, read_records

HI = {"instruction": "Say hi.", "output": "Hi."}
CHAT = [{"role": "user", "content": "Say hi."}, {"role": "assistant", "content": "Hi."}]


def chat(*roles):
    return {"messages": [{"role": role, "content": f"{role} {i}"} for i, role in enumerate(roles)]}


def written(folder, content, name="own.jsonl"):
    path = folder / name
    if isinstance(content, list):
        content = "\n".join(json.dumps(record) for record in content)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def silently(path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return read_records(path)


@settings(max_examples=40, deadline=None)
@given(
    texts=st.lists(
        st.tuples(*[st.text(min_size=1).filter(str.strip)] * 2, st.text()),
        min_size=1,
        max_size=5,
        unique_by=lambda row: (row[0].strip(), row[2].strip()),
    ),
    as_list=st.booleans(),
    ascii_only=st.booleans(),
)
def test_what_was_written_is_read(tmp_path_factory, texts, as_list, ascii_only):
    records = [dict(zip(("instruction", "output", "input"), row, strict=True)) for row in texts]
    if as_list:
        text = json.dumps(records, indent=1, ensure_ascii=ascii_only)
    else:
        text = "\n".join(json.dumps(record, ensure_ascii=ascii_only) for record in records)
    path = tmp_path_factory.mktemp("own") / "own.json"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    assert silently(path) == records


@pytest.mark.parametrize("given_input", [{}, {"input": ""}, {"input": None}])
def test_an_input_may_be_missing_or_empty(tmp_path, given_input):
    path = written(tmp_path, [{**HI, **given_input}])
    assert silently(path) == [{**HI, "input": ""}]


def test_a_byte_order_mark_windows_line_ends_and_empty_lines_are_no_fault(tmp_path):
    text = f"\ufeff{json.dumps(HI)}\r\n\r\n  \r\n{json.dumps({'messages': CHAT[:1] + CHAT[1:]})}"
    text = text.replace("Say hi.", "Say ho.", 1)
    read = silently(written(tmp_path, text))
    assert [r["instruction"] for r in read] == ["Say ho.", "Say hi."]


def test_each_answer_of_a_chat_becomes_a_record_with_what_was_said_before(tmp_path):
    path = written(tmp_path, [chat("system", "user", "assistant", "user", "assistant")])
    assert silently(path) == [
        {"instruction": "user 1", "input": "system: system 0", "output": "assistant 2"},
        {
            "instruction": "user 3",
            "input": "system: system 0\nuser: user 1\nassistant: assistant 2",
            "output": "assistant 4",
        },
    ]
    assert silently(written(tmp_path, [{"messages": CHAT}])) == [{**HI, "input": ""}]


@pytest.mark.parametrize(
    "content, words",
    [
        (b"", "own.jsonl holds no record"),
        ("  \n\n", "holds no record"),
        ("[]", "holds no record"),
        (b'{"instruction": "a",\n "output": "\xff"}', "line 2: the byte 0xff is not UTF-8"),
        ('{"instruction": "a"\n}', "line 1: this is not JSON"),
        (f"{json.dumps(HI)}\nSay ho.", "line 2: this is not JSON"),
        (f"[{json.dumps(HI)}", "own.jsonl: this is not JSON"),
        (f"{json.dumps(HI)}\n3", "line 2: a record is an object .* this is 3"),
        (f"[{json.dumps(HI)}, []]", r"record 2: a record is an object .* this is \[\]"),
        ('{"instruction": "a", "instruction": "b", "output": "c"}', "stands there twice"),
        ([HI, {"instruction": "Say ho."}], "line 2: the field 'output' is missing"),
        ([{"output": "Hi."}], "line 1: the field 'instruction' is missing"),
        ([{**HI, "output": 5}], "line 1: the field 'output' must be text, but it is 5"),
        ([{**HI, "input": ["a"]}], "line 1: the field 'input' must be text"),
        ([{**HI, "input": []}], r"line 1: the field 'input' must be text, but it is \[\]"),
        ([{**HI, "input": False}], "line 1: the field 'input' must be text, but it is False"),
        ([{**HI, "input": 0}], "line 1: the field 'input' must be text, but it is 0"),
        ([{"conversations": []}], r"and so are the 'messages' .* only \['conversations'\]"),
        ([{**HI, "output": " \n"}], "line 1: the field 'output' is empty"),
        ([{**HI, "instruction": ""}], "line 1: the field 'instruction' is empty"),
        ([{**HI, "messages": CHAT}], "line 1: the record has 'messages' and an 'instruction'"),
        ([{"messages": []}], r"must list at least a question and an answer, this is \[\]"),
        ([{"messages": "hi"}], "must list at least .* this is 'hi'"),
        ([{"messages": ["hi"]}], "line 1, message 1: a message has a 'role'"),
        ([{"messages": [{"role": "user"}]}], "message 1: a message has a 'role' and a 'content'"),
        ([chat("user", "robot")], "message 2: the role 'robot' is unknown; there are system, user"),
        ([{"messages": [CHAT[0], {**CHAT[1], "content": " "}]}], "message 2: the content must be"),
        ([{"messages": [CHAT[0], {**CHAT[1], "content": 1}]}], "message 2: .* this is 1"),
        ([chat("user")], "the roles are user; "),
        ([chat("system")], "the roles are system; "),
        ([chat("assistant", "user")], "the roles are assistant, user"),
        ([chat("user", "user", "assistant")], "take turns"),
        ([chat("user", "system", "assistant")], "at most one system message"),
        ([chat("user", "assistant", "user")], "the assistant ends"),
    ],
)
def test_each_fault_is_told_with_its_place(tmp_path, content, words):
    with pytest.raises(ValueError, match=words):
        read_records(written(tmp_path, content))


def test_a_list_names_records_and_lines_name_lines(tmp_path):
    bad = {"instruction": "x"}
    with pytest.raises(ValueError, match="^own.json, record 2: "):
        read_records(written(tmp_path, json.dumps([HI, bad]), "own.json"))
    with pytest.raises(ValueError, match="^own.jsonl, line 3: "):
        read_records(written(tmp_path, f"{json.dumps(HI)}\n\n{json.dumps(bad)}"))


def test_questions_asked_twice_are_told_and_kept(tmp_path):
    asked = [
        HI,
        {**HI, "input": "loudly"},
        {**HI, "instruction": "Say hi. "},
        {**HI, "output": "x"},
    ]
    with pytest.warns(UserWarning) as told:
        assert len(read_records(written(tmp_path, asked))) == 4
    assert [str(warning.message) for warning in told] == [
        "own.jsonl, line 3 asks what own.jsonl, line 1 asks, with the same answer",
        "own.jsonl, line 4 asks what own.jsonl, line 1 asks, with another answer",
    ]


def test_fields_that_nobody_reads_are_told(tmp_path):
    with pytest.warns(UserWarning, match=r"own.jsonl: these fields are not read: \['text'\]"):
        read_records(written(tmp_path, [{**HI, "text": "x"}]))


def test_a_missing_file_is_an_error_of_its_own(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_records(tmp_path / "nothing.json")


def test_records_are_opened_by_their_name_or_their_path(tmp_path):
    assert open_records("course") == load_instruction_data()
    path = written(tmp_path, [HI])
    assert open_records(str(path)) == [{**HI, "input": ""}]
    with pytest.raises(ValueError, match="'nothing.json'.*'course' and 'lectures'.*JSONL"):
        open_records("nothing.json")
    path.write_text("[]")
    with pytest.raises(ValueError, match="holds no record"):
        open_records(str(path))
