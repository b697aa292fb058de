"""Windows, batches, splits: the loader gives what the formula says, on lists and on files alike."""

import os
import re
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.dataloader import GPTDataset, create_dataloader, split_text
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer

needs_the_verdict = pytest.mark.skipif(
    not os.environ.get("LLM_COURSE_DATA"), reason="LLM_COURSE_DATA names no folder with The Verdict"
)
thorough = settings(deadline=None, max_examples=300, derandomize=True)
sizes = st.tuples(
    st.integers(2, 120), st.integers(1, 20), st.integers(1, 25), st.integers(1, 9)
).filter(lambda s: s[0] > s[1])  # tokens, context, stride, batch size


@needs_the_verdict
def test_the_numbers_that_the_lectures_speak():
    text = load_corpus("the-verdict")
    ids = get_tokenizer().encode(text)
    pieces = [p for p in re.split(r"""([,.:;?_!"()']|--|\s)""", text) if p.strip()]
    assert (len(text), len(ids), len(pieces), len(set(pieces))) == (20_479, 5_145, 4_690, 1_130)
    inputs, targets = next(iter(create_dataloader(ids, 1, 4, 1, shuffle=False)))
    assert inputs.tolist() == [[40, 367, 2885, 1464]] and targets.tolist() == [
        [367, 2885, 1464, 1807]
    ]
    train, val = (get_tokenizer().encode(part) for part in split_text(text, 0.9))
    assert len(create_dataloader(train, 2, 256, 256)) == 9
    assert len(create_dataloader(val, 2, 256, 256, drop_last=False)) == 1


# ---- splits


@thorough
@given(st.text(), st.floats(0.01, 0.99))
def test_a_split_loses_nothing(text, ratio):
    train, val = split_text(text, ratio)
    assert train + val == text and len(train) == int(ratio * len(text))


@pytest.mark.parametrize("ratio", [0, 1, -0.1, 1.5, float("nan")])
def test_wrong_ratio(ratio):
    with pytest.raises(ValueError, match=f"train_ratio={ratio}"):
        split_text("abc", ratio)


# ---- windows


@thorough
@given(sizes)
def test_every_window_and_its_target(size):
    n, T, stride, _ = size
    ids = list(range(1000, 1000 + n))
    dataset = GPTDataset(ids, T, stride)
    starts = [s for s in range(0, n, stride) if s + T + 1 <= n]
    assert len(dataset) == len(starts)
    for index, start in enumerate(starts):
        x, y = dataset[index]
        assert x.tolist() == ids[start : start + T] and y.tolist() == ids[start + 1 : start + T + 1]
        assert x.dtype == y.dtype == torch.long


@thorough
@given(sizes, st.booleans(), st.booleans())
def test_number_of_batches_by_formula(size, drop_last, shuffle):
    n, T, stride, B = size
    loader = create_dataloader(list(range(n)), B, T, stride, shuffle=shuffle, drop_last=drop_last)
    windows = (n - T - 1) // stride + 1
    batches = [tuple(x.shape) for x, _ in loader]
    assert len(loader) == len(batches) == (windows // B if drop_last else -(-windows // B))
    assert all(shape == (B, T) for shape in batches[:-1])
    if not drop_last:
        assert sum(b for b, _ in batches) == windows


def test_at_most_one_context_is_lost_at_the_end():
    for T in (1, 4, 256):
        for n in range(T + 1, 4 * T + 3):
            seen = {int(token) for x, _ in GPTDataset(range(n), T, T) for token in x}
            assert seen == set(range(n - len(set(range(n)) - seen))) and 1 <= n - len(seen) <= T


@pytest.mark.filterwarnings("error")
def test_lists_arrays_tensors_and_files_give_the_same(tmp_path):
    ids = get_tokenizer().encode(load_corpus())
    np.array(ids, dtype=np.uint16).tofile(tmp_path / "ids.bin")
    forms = [
        np.array(ids),
        torch.tensor(ids),
        np.array(ids, dtype=np.uint16),
        np.memmap(tmp_path / "ids.bin", dtype=np.uint16, mode="r"),
    ]
    for form in forms:
        for ours, theirs in zip(
            create_dataloader(form, 4, 32, 16, shuffle=False),
            create_dataloader(ids, 4, 32, 16, shuffle=False),
            strict=True,
        ):
            assert torch.equal(ours[0], theirs[0]) and torch.equal(ours[1], theirs[1])


@pytest.mark.filterwarnings("error")
def test_a_mapped_file_is_read_without_warnings_and_never_written(tmp_path):
    np.arange(100, dtype=np.uint16).tofile(tmp_path / "ids.bin")
    x, _ = GPTDataset(np.memmap(tmp_path / "ids.bin", dtype=np.uint16, mode="r"), 4, 4)[0]
    x += 1
    assert GPTDataset(np.memmap(tmp_path / "ids.bin", dtype=np.uint16, mode="r"), 4, 4)[0][
        0
    ].tolist() == [0, 1, 2, 3]


def test_a_changed_batch_leaves_the_corpus_alone():
    ids = torch.arange(10)
    x, _ = GPTDataset(ids, 4, 4)[0]
    x[:] = 7
    assert ids.tolist() == list(range(10))


# ---- order


def epoch(seed, num_workers=0):
    generator = torch.Generator().manual_seed(seed)
    loader = create_dataloader(
        range(200), 3, 4, 4, drop_last=False, generator=generator, num_workers=num_workers
    )
    return [int(row[0]) for x, _ in loader for row in x]


def test_shuffling_is_repeatable_and_complete():
    assert epoch(1) == epoch(1) != epoch(2)
    assert epoch(1) != sorted(epoch(1)) == list(range(0, 196, 4))


def test_two_workers_give_the_same_batches():
    assert epoch(1, num_workers=2) == epoch(1)


# ---- bad input


@pytest.mark.parametrize("ids", [None, "text", b"bytes", 5], ids=repr)
def test_what_is_no_sequence_of_ids(ids):
    for use in (GPTDataset, lambda i, T, s: create_dataloader(i, 1, T, s)):
        with pytest.raises(TypeError, match=f"not {type(ids).__name__}: encode the text first"):
            use(ids, 4, 4)


@pytest.mark.parametrize("n", [0, 1, 4])
def test_too_few_tokens(n):
    with pytest.raises(ValueError, match=rf"{n} tokens are too few.*context_length=4.*need 5"):
        GPTDataset(list(range(n)), 4, 1)
    assert len(GPTDataset(list(range(5)), 4, 1)) == 1


@pytest.mark.parametrize("T, stride", [(0, 1), (4, 0), (-1, 1), (4, -2)])
def test_impossible_windows(T, stride):
    with pytest.raises(ValueError, match=f"context_length={T} and stride={stride}"):
        GPTDataset(list(range(50)), T, stride)


@pytest.mark.parametrize("index", [-1, 10, 10**9])
def test_a_window_that_is_not_there(index):
    with pytest.raises(IndexError, match=f"window {index} of 10"):
        GPTDataset(list(range(41)), 4, 4)[index]


@pytest.mark.parametrize("text", [None, b"bytes"], ids=repr)
def test_splitting_what_is_not_text(text):
    with pytest.raises(TypeError, match="must be a str"):
        split_text(text)


# ---- a corpus larger than memory

MEASURE = """
import sys
import numpy as np
from shared.dataloader import create_dataloader
from shared.kit.system import peak_memory_gib

ids = np.memmap(sys.argv[1], dtype=np.uint16, mode="r")
shuffle = sys.argv[2] == "shuffle"
loader = create_dataloader(ids, batch_size=8, context_length=256, stride=256, shuffle=shuffle)
for step, (inputs, targets) in zip(range(4), loader):
    assert inputs.shape == targets.shape == (8, 256)
for i in range(0, len(loader.dataset), len(loader.dataset) // 30):
    loader.dataset[i]
print(len(loader.dataset), peak_memory_gib() * 1024)
"""


@pytest.mark.parametrize("order, more_mib", [("in order", 16), ("shuffle", 64)])
def test_100_million_tokens_cost_no_more_memory_than_one_million(tmp_path, order, more_mib):
    """Shuffling needs one number a window, so it costs a little; all windows would be 1.6 GB."""
    peaks = {}
    for tokens in (1_000_000, 100_000_000):
        path = tmp_path / f"{tokens}.bin"
        with path.open("wb") as file:
            file.truncate(2 * tokens)  # zeros that take no room on most disks
        command = [sys.executable, "-c", MEASURE, str(path), order]
        windows, peak = subprocess.run(
            command, capture_output=True, text=True, check=True
        ).stdout.split()
        assert int(windows) == (tokens - 257) // 256 + 1
        peaks[tokens] = float(peak)
    assert peaks[100_000_000] - peaks[1_000_000] < more_mib, peaks
