"""Where files come from: the folder that the course carries, and one download into the user's
cache.
"""

import os
from pathlib import Path

import pooch

DATA_FOLDER = Path(__file__).parent.parent / "data"


def download(address: str, sha256: str, file_name: str) -> Path:
    """Fetch a file once into the user's cache and check it; return its path."""
    try:
        cache = pooch.os_cache("llm-course")
        return Path(
            pooch.retrieve(address, known_hash=f"sha256:{sha256}", fname=file_name, path=cache)
        )
    except OSError as error:  # requests raises its own errors as OSError
        folder = os.environ.get("LLM_COURSE_DATA", "not set")
        raise ConnectionError(
            f"{file_name} is not in LLM_COURSE_DATA ({folder}) and could not be downloaded from"
            f" {address} ({error}). Either connect to the internet once, or save the file in a"
            " folder and set LLM_COURSE_DATA to that folder."
        ) from error
