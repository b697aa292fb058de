"""What a notebook asks of the machine: turns, counts, memory, and whether the run is quick."""

import platform
import subprocess
import sys

import psutil
import pytest
import torch

from shared.kit import system
from shared.kit.system import CountOperations, times_in_turn


@pytest.fixture
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("value, expected", [("1", "short"), ("0", "normal"), (None, "normal")])
def test_a_quick_run_is_asked_for_by_its_variable(monkeypatch, value, expected):
    monkeypatch.delenv("LLM_COURSE_QUICK", raising=False)
    if value is not None:
        monkeypatch.setenv("LLM_COURSE_QUICK", value)
    assert system.quick("normal", "short") == expected


# ---- times in turn


def test_calls_take_turns_on_one_thread_and_each_is_timed(three_threads):
    seen = []
    calls = {name: lambda name=name: seen.append((name, torch.get_num_threads())) for name in "ab"}
    seconds = times_in_turn(calls, rounds=3)
    assert seen == [("a", 1), ("b", 1)] * 3
    assert [len(seconds["a"]), len(seconds["b"])] == [3, 3]
    assert torch.get_num_threads() == 3


def test_the_number_of_threads_can_be_chosen_and_comes_back_after_an_error(three_threads):
    def fail() -> None:
        assert torch.get_num_threads() == 2
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        times_in_turn({"a": fail}, rounds=1, threads=2)
    assert torch.get_num_threads() == 3


# ---- counted operations


def test_operations_are_counted_and_the_largest_result_measured():
    x = torch.ones(10, 10)
    with CountOperations() as counted:
        y = x + 1
        torch.cat([y, y])  # 200 numbers of 4 bytes
        y.sum()
    assert (counted.calls, counted.largest) == (3, 800)
    y.exp()
    assert counted.calls == 3, "nothing is counted outside"


def test_a_view_has_the_size_of_what_it_shows_and_lists_are_looked_into():
    x = torch.ones(6, 5)
    with CountOperations() as counted:
        x[:1]
    assert counted.largest == 4 * 30
    with CountOperations() as counted:
        torch.ones(4).split(2)
    assert counted.largest == 16


# ---- memory


def run(script: str) -> str:
    command = [sys.executable, "-c", script]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_the_peak_is_this_process_alone_and_stays_when_memory_is_freed():
    held_here = b"x" * (256 << 20)  # the process that starts another one does not count in it
    script = """
from shared.kit.system import peak_memory_gib
before = peak_memory_gib()
held = b"x" * (64 << 20)
during = peak_memory_gib()
del held
print(during - before, peak_memory_gib() - during)
"""
    grown, after = map(float, run(script).split())
    assert 0.06 < grown < 0.07 and abs(after) < 0.01
    assert len(held_here) == 256 << 20


def test_available_memory_is_a_part_of_the_machines():
    assert 0 < system.available_memory_gib() < psutil.virtual_memory().total / 2**30


def test_freed_memory_is_kept_on_linux():
    found = run("from shared.kit.system import keep_freed_memory; print(keep_freed_memory())")
    assert found.strip() == str(platform.libc_ver()[0] == "glibc")


def test_elsewhere_nothing_is_asked_of_the_c_library(monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(system.ctypes, "CDLL", lambda name: pytest.fail(f"{name} was loaded"))
    assert system.keep_freed_memory() is False
