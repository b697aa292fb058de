"""A file is fetched once, checked, and its absence explained; the server stands on this machine."""

import hashlib
import http.server
import threading
from functools import partial

import pytest

from shared.kit import downloads

CONTENT = b"The sea, the sea."
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Nothing: the test's output stays readable."""


@pytest.fixture
def address(tmp_path, monkeypatch):
    """The address of a text on a server, and an empty cache."""
    monkeypatch.setattr(downloads.pooch, "os_cache", lambda name: tmp_path / "cache" / name)
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "sea.txt").write_bytes(CONTENT)
    handler = partial(Quiet, directory=tmp_path / "served")
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/sea.txt"
        server.shutdown()


def test_a_file_is_fetched_once(address, tmp_path):
    path = downloads.download(address, SHA256, "sea.txt")
    assert path == tmp_path / "cache" / "llm-course" / "sea.txt" and path.read_bytes() == CONTENT
    (tmp_path / "served" / "sea.txt").unlink()
    assert downloads.download(address, SHA256, "sea.txt") == path


def test_a_file_with_another_hash_is_refused(address, tmp_path):
    with pytest.raises(ValueError, match="(?i)hash"):
        downloads.download(address, "0" * 64, "sea.txt")
    assert not list((tmp_path / "cache").rglob("sea.txt"))


@pytest.mark.parametrize("folder", ["/some/folder", None])
def test_what_cannot_be_had_is_explained(address, monkeypatch, folder):
    monkeypatch.delenv("LLM_COURSE_DATA", raising=False)
    if folder is not None:
        monkeypatch.setenv("LLM_COURSE_DATA", folder)
    missing = address.replace("sea.txt", "lake.txt")
    message = rf"lake.txt is not in LLM_COURSE_DATA \({folder or 'not set'}\).*{missing}.*404"
    with pytest.raises(ConnectionError, match=message):
        downloads.download(missing, SHA256, "lake.txt")


def test_the_courses_files_are_there():
    assert (downloads.DATA_FOLDER / "story.txt").is_file()
