"""One way to write any file: beside it, flushed, renamed; and one owner for a folder."""

import errno
import os
import secrets
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO
from weakref import WeakValueDictionary

if os.name == "nt":
    import msvcrt
else:
    import fcntl


def write_whole(path: str | Path, write: Callable[[BinaryIO], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then rename it: `path` is old or new, whole.

    The temporary file has a name of its own, so two writers of one path do not mix their bytes.
    Raises OSError if it cannot be written (a full disk); what was there before is untouched.
    """
    path = Path(os.path.realpath(path))  # through a link to the file that it means
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "xb") as file:
            write(file)
            file.flush()  # out of Python's buffer
            os.fsync(file.fileno())  # out of the system's memory, onto the disk
        os.replace(temporary, path)
    except (OSError, RuntimeError) as error:  # torch.save turns a full disk into a RuntimeError
        free = shutil.disk_usage(path.parent).free / 1e6 if path.parent.is_dir() else 0
        raise OSError(
            f"{path.name} could not be written, {free:,.0f} MB are free in {path.parent} "
            f"({error}). What was there before is whole: make room, or write elsewhere"
        ) from error
    finally:
        temporary.unlink(missing_ok=True)  # renamed already, unless something failed
    if os.name == "posix":  # the new name is an entry of the folder, which must reach the disk too
        folder = os.open(path.parent, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)


def write_text(path: str | Path, text: str) -> None:
    """Write a text as UTF-8. Raises ValueError, writing nothing, for what UTF-8 cannot hold."""
    try:
        content = text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise ValueError(
            f"{path} was not written: {text[error.start]!r} at place {error.start} is half of a "
            "character, which UTF-8 cannot hold; take it out of the text"
        ) from error
    write_whole(path, lambda file: file.write(content))


TAKEN = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)  # what systems say of a lock that is held


class Owned:
    """A folder that this process alone writes into, for as long as somebody holds this object."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.file = open(folder / ".lock", "a+b")  # open as long as it is owned
        try:
            self.file.seek(0)
            if os.name == "nt":
                msvcrt.locking(self.file.fileno(), msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in TAKEN:
                return  # this file system has no locks
            raise BlockingIOError(
                f"another run is writing into {folder}: wait for its end, or name another folder"
            ) from error
        for left in folder.glob("*.part"):  # by a process that was killed
            left.unlink(missing_ok=True)

    def __del__(self) -> None:
        if hasattr(self, "file"):
            self.file.close()  # the system takes the lock back, after a kill too


OWNED: WeakValueDictionary[tuple[int, str], Owned] = WeakValueDictionary()


def own(folder: Path) -> Owned:
    """Own a folder, made if it is not there; this process may ask again and shares it with itself.

    Raises BlockingIOError if another process owns it.
    """
    key = (os.getpid(), os.path.realpath(folder))  # a fork owns nothing of its parent's
    owned = OWNED.get(key)
    if owned is None:
        owned = Owned(Path(folder))
        OWNED[key] = owned
    return owned
