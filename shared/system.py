"""What a notebook asks of the machine: memory, and whether this is a quick run."""

import ctypes
import os
import sys
from typing import TypeVar

import psutil

T = TypeVar("T")


def quick(normal: T, short: T) -> T:
    """`normal`, or `short` where LLM_COURSE_QUICK=1 asks for a quick run of the long cells."""
    return short if os.environ.get("LLM_COURSE_QUICK") == "1" else normal


def keep_freed_memory() -> bool:
    """Let this process keep large freed buffers for the next step instead of returning them to the system.

    Training frees and asks for hundreds of megabytes at every step; fresh pages cost time. Works with glibc (Linux);
    elsewhere it does nothing. Returns whether it took effect.
    """
    if not sys.platform.startswith("linux"):
        return False
    os.environ["THP_MEM_ALLOC_ENABLE"] = "1"  # torch asks for transparent huge pages
    try:
        mallopt = ctypes.CDLL("libc.so.6").mallopt
    except (OSError, AttributeError):  # another C library
        return False
    M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # malloc.h
    return bool(mallopt(M_MMAP_MAX, 0)) and bool(mallopt(M_TRIM_THRESHOLD, -1))


def peak_memory_gib() -> float:
    """The most memory that this process has held so far, in GiB."""
    if sys.platform == "win32":
        return psutil.Process().memory_info().peak_wset / 2**30
    import resource  # not on Windows

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**30 if sys.platform == "darwin" else peak / 2**20  # bytes there, KiB here


def available_memory_gib() -> float:
    """Memory that a new process could have without swapping, in GiB."""
    return psutil.virtual_memory().available / 2**30
