"""GPT-2's tokenizer is the one that tiktoken makes; it sets no variable and writes no file."""

import os
import shutil
import subprocess
import sys

import tiktoken

from shared.kit.gpt2_vocabulary import bytes_by_character, get_tokenizer, gpt2_files

# the names that tiktoken gives the two files in its cache: the SHA-1 of their addresses
CACHED_NAMES = (
    "6d1cbeee0f20b3d9449abfede4726ed8212e3aee",
    "6c7ea1a7e38e3a7f062df639a5b80947f075ffe6",
)

COMPARE = """
import tiktoken

theirs = tiktoken.get_encoding("gpt2")
tiktoken.registry.ENCODINGS.clear()
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer

ours = get_tokenizer()
assert ours is not theirs
for name in ("name", "n_vocab", "_pat_str", "_special_tokens", "_mergeable_ranks"):
    assert getattr(ours, name) == getattr(theirs, name), name
assert ours.encode(load_corpus()) == theirs.encode(load_corpus())
"""

WATCH = """
import os, sys

written = []


def watch(event, arguments):
    if event == "open" and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        written.append(arguments[0])


before = dict(os.environ)
sys.addaudithook(watch)
import shared
from shared.kit.gpt2_vocabulary import get_tokenizer

assert get_tokenizer().encode("Hello") == [15496]
assert dict(os.environ) == before
assert not written, written
"""


def run(script: str, **variables: str) -> None:
    command = [sys.executable, "-B", "-c", script]
    done = subprocess.run(command, env=os.environ | variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_it_equals_the_one_that_tiktoken_makes_of_the_same_files(tmp_path):
    for path, name in zip(gpt2_files(), CACHED_NAMES, strict=True):
        shutil.copy(path, tmp_path / name)
    run(COMPARE, TIKTOKEN_CACHE_DIR=str(tmp_path))


def test_no_variable_is_set_and_no_file_written():
    run(WATCH)


def test_tiktoken_gives_the_same_one_by_its_name():
    ours = get_tokenizer()
    assert tiktoken.get_encoding("gpt2") is ours is get_tokenizer()


def test_every_byte_has_one_character():
    table = bytes_by_character()
    assert sorted(table.values()) == list(range(256))
    assert table["A"] == ord("A") and table["\u0120"] == ord(" ") and table["\u010a"] == ord("\n")
