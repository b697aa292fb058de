"""Finds data files: the course's own in shared/data, the lectures' in LLM_COURSE_DATA or by one download."""

import hashlib
import os
from pathlib import Path

import pooch

from shared import DATA_FOLDER

BOOK = "https://raw.githubusercontent.com/rasbt/LLMs-from-scratch/main/"
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

    Looks in the folder named by LLM_COURSE_DATA first, then downloads once into the user's cache. Raises ValueError
    for a file with another hash, ConnectionError if there is no network.
    """
    address, sha256 = LECTURE_FILES[file_name]
    folder = os.environ.get("LLM_COURSE_DATA")
    path = Path(folder, file_name) if folder else None
    if path is None or not path.is_file():
        path = download(address, sha256, file_name)
    content = path.read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise ValueError(f"{path} is not the lectures' file: its SHA-256 is {found}, expected {sha256}; "
                         f"delete it, or put the right file there (from {address})")
    return content.decode("utf-8")


def download(address: str, sha256: str, file_name: str) -> Path:
    """Fetch a file once into the user's cache and check it; return its path."""
    try:
        cache = pooch.os_cache("llm-course")
        return Path(pooch.retrieve(address, known_hash=f"sha256:{sha256}", fname=file_name, path=cache))
    except OSError as error:  # requests raises its own errors as OSError
        folder = os.environ.get("LLM_COURSE_DATA", "not set")
        raise ConnectionError(
            f"{file_name} is not in LLM_COURSE_DATA ({folder}) and could not be downloaded from {address} ({error}). "
            f"Either connect to the internet once, or save the file in a folder and set LLM_COURSE_DATA to that folder."
        ) from error
