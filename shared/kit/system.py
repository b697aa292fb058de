"""What a notebook asks of the machine: memory, times, work done, whether this is a quick run."""

import ctypes
import os
import re
import sys
import time
from collections.abc import Callable, Hashable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import psutil
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

T = TypeVar("T")
Name = TypeVar("Name", bound=Hashable)


def quick(normal: T, short: T) -> T:
    """`normal`, or `short` where LLM_COURSE_QUICK=1 asks for a quick run of the long cells."""
    return short if os.environ.get("LLM_COURSE_QUICK") == "1" else normal


def keep_freed_memory() -> bool:
    """Let this process keep large freed buffers for the next step instead of returning them to the
    system.

    Training frees and asks for hundreds of megabytes at every step; fresh pages cost time. Works
    with glibc (Linux); elsewhere it does nothing. Returns whether it took effect.
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
    if sys.platform == "linux":  # getrusage counts the peak of the parent process, too
        status = Path("/proc/self/status").read_text(encoding="utf-8")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 2**20
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**30


def available_memory_gib() -> float:
    """Memory that a new process could have without swapping, in GiB."""
    return psutil.virtual_memory().available / 2**30


def times_in_turn(
    calls: Mapping[Name, Callable[[], object]], rounds: int, threads: int = 1
) -> dict[Name, list[float]]:
    """The seconds of every call, {name: [first round, second round, ...]}.

    The calls take turns, so that other work on the machine disturbs all of them alike. PyTorch uses
    one thread, unless told otherwise: threads that must wait for each other are slowed down most by
    other work.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in calls}
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        for _ in range(rounds):
            for name, call in calls.items():
                start = time.perf_counter()
                call()
                seconds[name].append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return seconds


class CountOperations(TorchDispatchMode):
    """Counts what PyTorch is asked to do inside `with CountOperations() as counted:`, the same on
    every machine.

    `calls` is the number of operations, `largest` the bytes of the largest tensor that one of them
    returned.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls, self.largest = 0, 0

    def __torch_dispatch__(
        self, operation: Callable, types: Any, args: tuple = (), kwargs: Any = None
    ) -> Any:
        result = operation(*args, **kwargs or {})
        self.calls += 1
        sizes = [
            leaf.untyped_storage().nbytes()
            for leaf in tree_leaves(result)
            if isinstance(leaf, Tensor)
        ]
        self.largest = max([self.largest, *sizes])
        return result
