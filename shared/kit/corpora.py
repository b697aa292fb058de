"""The texts and records to learn from: the course's own, the lectures' by LLM_COURSE_DATA or one
download, and any file of the reader's.
"""

import hashlib
import json
import os
import re
from pathlib import Path

from shared.kit.downloads import DATA_FOLDER, download
from shared.kit.repository import ROOT

BOOK = "https://raw.githubusercontent.com/rasbt/LLMs-from-scratch/main/"
SHORTEST_TEXT = 10_000  # characters: a tenth of them must still fill a batch of windows
# file name: (address, SHA-256)
LECTURE_FILES = {
    "the-verdict.txt": (
        BOOK + "ch02/01_main-chapter-code/the-verdict.txt",
        "b41e41a68f0398a3154ae69e2e4c0e2694e17fe0d66730536837f1b01935b31f",
    ),
    "instruction-data.json": (
        BOOK + "ch07/01_main-chapter-code/instruction-data.json",
        "7e09a9af353722ca15c18bc580f093f9c39d3178335a75177319cb1e1d163944",
    ),
}


def read_course_file(file_name: str) -> str:
    """The text of a file that the course carries."""
    return (DATA_FOLDER / file_name).read_text(encoding="utf-8")


def read_lecture_file(file_name: str) -> str:
    """The text of one of the lectures' files, its hash checked.

    Looks in the folder named by LLM_COURSE_DATA first, then downloads once into the user's cache.
    Raises ValueError for a file with another hash, ConnectionError if there is no network.
    """
    address, sha256 = LECTURE_FILES[file_name]
    folder = os.environ.get("LLM_COURSE_DATA")
    path = Path(folder, file_name) if folder else None
    if path is None or not path.is_file():
        path = download(address, sha256, file_name)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(
            f"{path} is not the lectures' file: its SHA-256 is {found}, expected {sha256}; "
            f"delete it, or put the right file there (from {address})"
        )
    return content.decode("utf-8")


def default_corpus() -> str:
    """What the notebooks read: "story", or the text file that LLM_COURSE_TEXT names."""
    return os.environ.get("LLM_COURSE_TEXT") or "story"


def load_corpus(name: str = "story") -> str:
    """The text of "story", written for this course, of "the-verdict" (Edith Wharton, 1908), as the
    lectures use, or of a text file of one's own, named by its path.

    Raises ValueError for another name, a wrong hash, or a file that is no UTF-8 text or too short,
    ConnectionError if the lectures' file cannot be had.
    """
    if name == "story":
        return read_course_file("story.txt")
    if name == "the-verdict":
        return read_lecture_file("the-verdict.txt")
    return read_own_text(Path(name).expanduser())


def seen_file(path: Path) -> Path:
    """The file of this path, seen from here or from the top of the course; else the path itself."""
    return next((place for place in (path, ROOT / path) if place.is_file()), path)


def read_own_text(path: Path) -> str:
    """A text file of the reader's own, with line ends as Python writes them and no byte-order mark.

    Raises ValueError for what is no file, no UTF-8, or too short to learn from.
    """
    path = seen_file(path)
    if not path.is_file():
        raise ValueError(
            f"no corpus and no text file is named {str(path)!r}, seen from {Path.cwd()} or from"
            f" {ROOT}: there are 'story' and 'the-verdict', or give the path of a text file"
        )
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no UTF-8 text (byte {error.start:,} is {error.object[error.start]:#04x}):"
            " save it as UTF-8 in your editor"
        ) from error
    if len(text) < SHORTEST_TEXT:
        raise ValueError(
            f"{path} holds {len(text):,} characters: the notebooks need {SHORTEST_TEXT:,} or more"
        )
    return text


def claim(corpus: str, sentence: str, true: bool) -> None:
    """Assert what the page says of the course's story; of another text, say where it differs."""
    if corpus == "story":
        assert true, sentence
    elif not true:
        print(f"Here your text differs from the story. Of the story it is true that {sentence}.")


def fitting_vocab_size(text: str, vocab_size: int) -> int:
    """A vocabulary size that byte pair encoding reaches on this text, at most vocab_size.

    Beside the 256 bytes and the end token, each different word of two letters or more takes a merge
    at least, so only a text of few words gets less than was asked for.
    """
    words = set(re.findall(r"[^\W\d_]{2,}", text))
    return min(vocab_size, 257 + len(words))


def default_records() -> str:
    """What 5.1 to 5.3 read: "course", or the file of records that LLM_COURSE_RECORDS names."""
    return os.environ.get("LLM_COURSE_RECORDS") or "course"


def own_records_file(name: str) -> Path:
    """The file of records that a path names. Raises ValueError if there is none."""
    path = seen_file(Path(name).expanduser())
    if not path.is_file():
        raise ValueError(
            f"no records and no file are named {name!r}, seen from {Path.cwd()} or from {ROOT}:"
            " there are 'course' and 'lectures', or give the path of a JSON or JSONL file"
        )
    return path


def claim_of_course(records: str, sentence: str, true: bool) -> None:
    """Assert what the page says of the course's records; of others, say where they differ."""
    if records == "course":
        assert true, sentence
    elif not true:
        print(f"Here your records differ. Of the course's it is true that {sentence}.")


def load_instruction_data(name: str = "course") -> list[dict[str, str]]:
    """The 1,100 records of "course" (written for it) or of "lectures", each with instruction, input
    and output.

    Raises ValueError for another name or a wrong hash, ConnectionError if the lectures' file cannot
    be had.
    """
    if name == "course":
        return json.loads(read_course_file("instruction-data.json"))
    if name == "lectures":
        return json.loads(read_lecture_file("instruction-data.json"))
    raise ValueError(f"no instruction data is named {name!r}: there are 'course' and 'lectures'")
