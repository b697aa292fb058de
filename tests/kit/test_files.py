"""A file is old or new, whole; a folder has one owner at a time."""

import errno
import multiprocessing
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared.kit.files import own, write_text, write_whole
from shared.kit.repository import ROOT


def no_space(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_file_appears_whole_in_a_folder_that_was_not_there(tmp_path):
    path = tmp_path / "new" / "a.bin"
    seen = []

    def write(file) -> None:
        file.write(b"new")
        seen.append(path.exists())

    write_whole(path, write)
    assert seen == [False] and path.read_bytes() == b"new"
    assert [found.name for found in path.parent.iterdir()] == ["a.bin"]


@pytest.mark.parametrize("moment", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_what_was_there(tmp_path, monkeypatch, moment):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    if moment != "write":
        monkeypatch.setattr(os, moment, no_space)
    with pytest.raises(OSError, match="a.bin could not be written.*No space left.*make room"):
        write_whole(path, no_space if moment == "write" else lambda file: file.write(b"new"))
    assert path.read_bytes() == b"old" and [found.name for found in tmp_path.iterdir()] == ["a.bin"]


def test_what_the_writer_raises_goes_on_and_leaves_what_was_there(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def write(file) -> None:
        file.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, write)
    assert path.read_bytes() == b"old" and [found.name for found in tmp_path.iterdir()] == ["a.bin"]


def test_two_writers_of_one_path_do_not_mix_their_bytes(tmp_path):
    path, meet = tmp_path / "a.bin", threading.Barrier(2)

    def write_all(letter: bytes) -> None:
        def write(file) -> None:
            meet.wait(20)  # both files are open
            file.write(letter * 1000)
            meet.wait(20)

        write_whole(path, write)

    writers = [threading.Thread(target=write_all, args=(letter,)) for letter in (b"a", b"b")]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert path.read_bytes() in (b"a" * 1000, b"b" * 1000)
    assert [found.name for found in tmp_path.iterdir()] == ["a.bin"]


def test_half_a_character_is_refused_and_the_old_text_stands(tmp_path):
    write_text(tmp_path / "a.txt", "naïve \U0001f642\n")
    with pytest.raises(ValueError, match=r"a.txt was not written: '\\ud800' at place 2"):
        write_text(tmp_path / "a.txt", "ab\ud800")
    assert (tmp_path / "a.txt").read_bytes() == "naïve \U0001f642\n".encode()


@pytest.mark.skipif(os.name == "nt", reason="links need rights on Windows")
def test_a_link_is_kept_and_the_file_that_it_means_is_written(tmp_path):
    write_text(tmp_path / "file.txt", "old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "file.txt")
    write_text(tmp_path / "link.txt", "new")
    assert (tmp_path / "link.txt").is_symlink() and (tmp_path / "file.txt").read_text() == "new"


OWN = """
import sys
from pathlib import Path
from shared.kit.files import own
held = own(Path(sys.argv[1]))
print("owned", flush=True)
sys.stdin.read()
"""


def test_a_folder_has_one_owner_and_a_kill_frees_it(tmp_path):
    folder = tmp_path / "run"
    other = subprocess.Popen(
        [sys.executable, "-c", OWN, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert other.stdout.readline().strip() == b"owned"
    (folder / "left.pt.part").write_bytes(b"half")
    with pytest.raises(BlockingIOError, match="another run is writing into .*run"):
        own(folder)
    assert (folder / "left.pt.part").exists(), "the file that the owner is writing"
    other.kill()
    other.wait()
    mine = own(folder)
    assert own(folder) is mine, "a process shares with itself: a cell may be run twice"
    assert not (folder / "left.pt.part").exists()
    del mine
    shutil.rmtree(folder)


def try_to_own(folder: Path) -> None:
    try:
        own(folder)
    except BlockingIOError:
        sys.exit(7)


@pytest.mark.skipif(sys.platform != "linux", reason="starts a process by fork")
def test_a_fork_does_not_own_what_its_parent_does(tmp_path):
    held = own(tmp_path)
    process = multiprocessing.get_context("fork").Process(target=try_to_own, args=(tmp_path,))
    process.start()
    process.join()
    assert process.exitcode == 7 and held
