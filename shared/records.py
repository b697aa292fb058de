"""Records.

Written from 05_instruction_finetuning/01_instruction_data: change it there.
"""

import json
import warnings
from pathlib import Path
from typing import Any

from shared.instructions import check_fields
from shared.kit.corpora import load_instruction_data, own_records_file


def unique_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The fields of a JSON object. Raises ValueError for a field that stands there twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(f"a field stands there twice: {[name for name, _ in pairs]}")
    return fields


def parse_json(text: str, place: str) -> Any:
    """What a JSON text holds. Raises ValueError, which names the place, if it is none."""
    try:
        return json.loads(text, object_pairs_hook=unique_fields)
    except ValueError as error:
        raise ValueError(f"{place}: this is not JSON ({error}); a file holds a list [...] of "
                         "records, or one record {...} a line") from error


def placed_records(path: str | Path) -> list[tuple[str, Any]]:
    """What a file lists, each with its place, such as "tips.jsonl, line 3".

    Raises ValueError for a file that is not UTF-8 or not JSON, or lists nothing.
    """
    path = Path(path)
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise ValueError(f"{path.name}, line {line}: the byte {data[error.start]:#04x} is not "
                         "UTF-8: save the file as UTF-8") from error
    if text.lstrip().startswith("["):
        listed = enumerate(parse_json(text, path.name), start=1)
        found = [(f"{path.name}, record {number}", record) for number, record in listed]
    else:
        lines = [(f"{path.name}, line {number}", line)
                 for number, line in enumerate(text.split("\n"), start=1)]
        found = [(place, parse_json(line, place)) for place, line in lines if line.strip()]
    if not found:
        raise ValueError(f"{path.name} holds no record: write at least one")
    return found


def alpaca_record(record: dict[str, Any], place: str) -> dict[str, str]:
    """Instruction, input and output of a record; an input that is missing or null is empty.

    Raises ValueError for a field that is missing, empty or no text.
    """
    if "instruction" not in record:
        raise ValueError(f"{place}: the field 'instruction' is missing, and so are the 'messages' "
                         f"of a chat: the record has only {sorted(record)}")
    fields = {**record, "input": "" if record.get("input") is None else record["input"]}
    try:
        check_fields(fields)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from error
    for name in ("instruction", "output"):
        if not fields[name].strip():
            raise ValueError(f"{place}: the field {name!r} is empty: nothing can be learned from "
                             "it; fill it in or leave the record out")
    return {name: fields[name] for name in ("instruction", "input", "output")}


ROLES = ("system", "user", "assistant")


def read_message(message: Any, place: str) -> tuple[str, str]:
    """Role and text of a message. Raises ValueError for another role, and for no text."""
    if not isinstance(message, dict) or not {"role", "content"} <= set(message):
        raise ValueError(f"{place}: a message has a 'role' and a 'content', this is {message!r}")
    role, text = message["role"], message["content"]
    if role not in ROLES:
        raise ValueError(f"{place}: the role {role!r} is unknown; there are {', '.join(ROLES)}")
    if not isinstance(text, str) or not text.strip():
        raise ValueError(f"{place}: the content must be a text that is not empty, this is {text!r}")
    return role, text


def chat_records(messages: Any, place: str) -> list[dict[str, str]]:
    """A record for each answer of a conversation; what was said before is its input.

    Raises ValueError unless users and assistant take turns, and the assistant has the last word.
    """
    if not isinstance(messages, list) or not messages:
        raise ValueError(f"{place}: 'messages' must list at least a question and an answer, this "
                         f"is {messages!r}")
    turns = [read_message(message, f"{place}, message {number}")
             for number, message in enumerate(messages, start=1)]
    roles = [role for role, _ in turns]
    spoken = roles[1:] if roles[0] == "system" else roles
    if not spoken or len(spoken) % 2 or spoken != ["user", "assistant"] * (len(spoken) // 2):
        raise ValueError(f"{place}: the roles are {', '.join(roles)}; after at most one system "
                         "message, user and assistant take turns, and the assistant ends")
    records = []
    for i in range(len(roles) - len(spoken), len(turns), 2):
        before = "\n".join(f"{role}: {text}" for role, text in turns[:i])
        records.append({"instruction": turns[i][1], "input": before, "output": turns[i + 1][1]})
    return records


def read_records(path: str | Path) -> list[dict[str, str]]:
    """The records of a JSON or JSONL file of Alpaca's fields or of chats, in Alpaca's fields.

    Raises ValueError, naming file and line or record, for the first that is wrong. Warns of a
    question that is asked twice and of fields that are not read.
    """
    records: list[dict[str, str]] = []
    first_places: dict[tuple[str, str], tuple[str, str]] = {}
    unread = set()
    for place, record in placed_records(path):
        if not isinstance(record, dict):
            raise ValueError(f"{place}: a record is an object {{...}}, this is {record!r}")
        if "messages" in record and "instruction" in record:
            raise ValueError(f"{place}: the record has 'messages' and an 'instruction': which one "
                             "is meant? Keep one")
        if "messages" in record:
            unread |= set(record) - {"messages"}
            found = chat_records(record["messages"], place)
        else:
            unread |= set(record) - {"instruction", "input", "output"}
            found = [alpaca_record(record, place)]
        for entry in found:
            asked = (entry["instruction"].strip(), entry["input"].strip())
            other, answer = first_places.setdefault(asked, (place, entry["output"]))
            if other != place or answer != entry["output"]:
                same = "the same answer" if answer == entry["output"] else "another answer"
                warnings.warn(f"{place} asks what {other} asks, with {same}", stacklevel=2)
        records += found
    if unread:
        warnings.warn(f"{Path(path).name}: these fields are not read: {sorted(unread)}",
                      stacklevel=2)
    return records


def open_records(name: str) -> list[dict[str, str]]:
    """The records of "course", of "lectures", or of a JSON or JSONL file, named by its path.

    Raises ValueError for a name that is none of these, and for the first faulty record of a file.
    """
    if name in ("course", "lectures"):
        return load_instruction_data(name)
    return read_records(own_records_file(name))


# Written by `python -m shared.kit.course copy`: 0057b6c989d4
