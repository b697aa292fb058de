"""Instruction records, templates, batches, loaders: what must hold whatever the records are."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from small_parts import PLAIN, WITH_INPUT, Tokens

from shared.finetuning import create_small_gpt
from shared.instructions import (
    RESPONSE_MARK,
    InstructionDataset,
    create_instruction_dataloader,
    custom_collate_fn,
    format_input,
    split_records,
)
from shared.kit.corpora import load_instruction_data
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.tokenizer import BPETokenizer
from shared.training import calc_loss_batch

items = st.lists(st.lists(st.integers(0, 50), min_size=1, max_size=12), min_size=1, max_size=5)


def lecture_records():
    """The lectures' records; without that file the test is skipped aloud."""
    try:
        return load_instruction_data("lectures")
    except ConnectionError as error:
        pytest.skip(f"needs the lectures' instruction-data.json: {error}")


def prompts(records):
    return {(entry["instruction"], entry["input"]) for entry in records}


# ---- records and templates


def test_alpaca_prompt_leaves_the_empty_input_out_and_keeps_all_texts():
    assert "### Input" not in format_input(PLAIN)
    text = format_input(WITH_INPUT)
    assert text.index("### Instruction:\nName the opposite.") < text.index("### Input:\nhot")
    assert "cold" not in text and not text.endswith("\n")
    assert text.endswith(format_input(WITH_INPUT, preamble=False)) and text.startswith(
        "Below is an instruction"
    )


@pytest.mark.parametrize("field", ["instruction", "input", "output"])
def test_a_bad_field_is_named(field):
    with pytest.raises(ValueError, match=f"'{field}' is missing"):
        format_input({name: text for name, text in PLAIN.items() if name != field})
    with pytest.raises(ValueError, match=f"'{field}' must be text, but it is 7"):
        format_input({**PLAIN, field: 7})
    with pytest.raises(ValueError, match="must be a dictionary, this is a list"):
        format_input(["Add 2 and 3."])


def test_split_keeps_everything_once_in_the_lectures_order():
    numbers = list(range(1100))
    train, val, test = split_records(numbers)
    assert (len(train), len(val), len(test)) == (935, 55, 110)
    assert train + test + val == numbers


def test_a_seed_shuffles_before_the_cut_and_leaves_the_records_alone():
    numbers = list(range(100))
    parts = split_records(numbers, seed=5)
    assert numbers == list(range(100))
    assert parts == split_records(numbers, seed=5) != split_records(numbers, seed=6)
    assert sorted(sum(parts, [])) == numbers and [len(part) for part in parts] == [85, 5, 10]
    for part in parts:  # of a sorted file each part gets some of each end
        assert part != sorted(part) and max(part) - min(part) > 30


@pytest.mark.parametrize(
    ("count", "train", "test"), [(3, 0.85, 0.10), (100, 0.9, 0.1), (0, 0.85, 0.1)]
)
def test_a_split_with_an_empty_part_is_refused(count, train, test):
    with pytest.raises(ValueError, match="none may be empty"):
        split_records(list(range(count)), train, test)


def test_no_prompt_of_ours_leaks():
    train, val, test = split_records(load_instruction_data())
    assert not prompts(train) & prompts(val + test)


def test_the_lectures_file_leaks_two_test_and_four_validation_prompts():
    train, val, test = split_records(lecture_records())
    leaks = [
        sum((e["instruction"], e["input"]) in prompts(train) for e in part) for part in (val, test)
    ]
    assert leaks == [4, 2]


def test_the_lectures_file_gives_the_lectures_first_batches():
    train, _, _ = split_records(lecture_records())
    torch.manual_seed(123)
    shapes = [tuple(x.shape) for x, _ in create_instruction_dataloader(train, get_tokenizer())]
    assert shapes[:2] == [(8, 61), (8, 76)]


# ---- dataset


def test_dataset_splits_prompt_and_response_where_it_says():
    data = InstructionDataset([PLAIN, WITH_INPUT], Tokens(), mask_instruction=True)
    for i, entry in enumerate((PLAIN, WITH_INPUT)):
        ids, length = data[i]
        assert Tokens().decode(ids[:length]) == format_input(entry) + RESPONSE_MARK
        assert Tokens().decode(ids[length:]) == entry["output"]
    assert InstructionDataset([PLAIN], Tokens())[0] == data[0][0]


def test_encoding_in_two_parts_equals_encoding_at_once_for_all_records_of_the_course():
    records, tokenizer = load_instruction_data(), get_tokenizer()
    data = InstructionDataset(records, tokenizer)
    assert all(
        data[i] == tokenizer.encode(format_input(entry) + RESPONSE_MARK + entry["output"])
        for i, entry in enumerate(records)
    )


def test_dataset_names_the_record_that_is_broken():
    with pytest.raises(ValueError, match="record 2: the field 'output' is missing"):
        InstructionDataset([PLAIN, PLAIN, {"instruction": "x", "input": ""}], Tokens())
    with pytest.raises(ValueError, match="record 1: the text holds the end token"):
        InstructionDataset([PLAIN, {**PLAIN, "output": "\0"}], Tokens())
    with pytest.raises(ValueError, match="record 0:.*endoftext"):
        InstructionDataset([{**PLAIN, "output": "<|endoftext|>"}], get_tokenizer())
    with pytest.raises(ValueError, match="no records"):
        InstructionDataset([], Tokens())


def test_marks_of_the_template_are_single_tokens_and_a_record_that_spells_one_is_refused():
    marks = ("<|in|>", "<|out|>")
    tokenizer = BPETokenizer.train("Add 2 and 3. " * 9, 262, ("<|endoftext|>", *marks))

    def encoded(**fields):
        data = InstructionDataset(
            [PLAIN, {**PLAIN, **fields}], tokenizer, lambda e: f"<|in|>{e['instruction']}",
            "<|out|>", mask_instruction=True, marks=set(marks),
        )  # fmt: skip
        return data[1]

    ids, length = encoded()
    assert (ids[0], ids[length - 1]) == tuple(tokenizer.special_tokens[mark] for mark in marks)
    assert tokenizer.decode(ids[length:]) == "5"
    for field in PLAIN:
        with pytest.raises(ValueError, match=r"record 1: a text holds '<\|out\|>'"):
            encoded(**{field: "What is <|out|>?"})
    with pytest.raises(ValueError, match="record 1: .*endoftext"):
        encoded(output="<|endoftext|>")
    with pytest.raises(ValueError, match=r"record 0: .*<\|in\|>"):  # a mark that nobody named
        InstructionDataset([PLAIN], tokenizer, lambda e: "<|in|>")


# ---- collate


@given(items, st.sampled_from([0, 50, 50256]))
def test_every_item_comes_back_with_one_end_and_nothing_behind_it(batch, pad):
    inputs, targets = custom_collate_fn(batch, pad_token_id=pad)
    longest = max(map(len, batch))
    assert inputs.shape == targets.shape == (len(batch), longest)
    for ids, x, y in zip(batch, inputs.tolist(), targets.tolist()):
        assert x == ids + [pad] * (longest - len(ids))
        assert y == ids[1:] + [pad] + [-100] * (longest - len(ids))


@given(items, st.integers(1, 12), st.integers(0, 12))
def test_a_masked_prompt_hides_the_targets_inside_it_and_no_other(batch, limit, length):
    pairs = [(ids, min(length, len(ids))) for ids in batch]
    _, plain = custom_collate_fn(batch)
    _, masked = custom_collate_fn(pairs)
    for (_, prompt), before, after in zip(pairs, plain.tolist(), masked.tolist()):
        hidden = max(prompt - 1, 0)
        assert after[:hidden] == [-100] * hidden and after[hidden:] == before[hidden:]
    cut_inputs, cut_targets = custom_collate_fn(pairs, allowed_max_length=limit)
    assert torch.equal(cut_targets, masked[:, :limit]) and cut_inputs.size(1) <= limit


def test_collate_leaves_the_records_alone():
    batch = [[1, 2, 3], [4]]
    _, targets = custom_collate_fn(batch)
    targets[:] = 0
    assert batch == [[1, 2, 3], [4]]


def test_collate_moves_to_the_device():
    inputs, targets = custom_collate_fn([[1, 2], [3]], device="meta")
    assert inputs.is_meta and targets.is_meta


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(limit):
    with pytest.raises(ValueError, match=f"allowed_max_length={limit} must be at least 1"):
        custom_collate_fn([[1, 2]], allowed_max_length=limit)


def test_a_pad_id_that_is_no_token_is_refused():
    with pytest.raises(ValueError, match="pad_token_id=-100"):
        custom_collate_fn([[1, 2]], pad_token_id=-100)


@given(items)
@settings(max_examples=20, deadline=None)
def test_loss_of_a_padded_batch_is_the_mean_over_the_tokens_of_its_items(batch):
    torch.manual_seed(0)
    model = create_small_gpt(60, 16).eval()
    with torch.no_grad():
        whole = calc_loss_batch(*custom_collate_fn(batch, pad_token_id=59), model, "cpu").item()
        losses = []
        for ids in batch:
            logits = model(torch.tensor([ids]))[0]
            losses += F.cross_entropy(
                logits, torch.tensor([*ids[1:], 59]), reduction="none"
            ).tolist()
    assert math.isclose(whole, sum(losses) / len(losses), abs_tol=1e-4)


def test_a_batch_that_is_all_mask_is_refused():
    data = InstructionDataset([PLAIN, WITH_INPUT], Tokens(), mask_instruction=True)
    batch = custom_collate_fn([data[0], data[1]], pad_token_id=0, allowed_max_length=5)
    assert (batch[1] == -100).all()
    with pytest.raises(ValueError, match="-100.*allowed_max_length"):
        calc_loss_batch(*batch, create_small_gpt(128, 8), "cpu")


# ---- loaders


def test_loader_pads_with_the_end_token_of_its_tokenizer():
    loader = create_instruction_dataloader(
        [PLAIN, WITH_INPUT], Tokens(), batch_size=2, shuffle=False
    )
    inputs, targets = next(iter(loader))
    assert inputs[0, -1] == Tokens.eot_token
    assert (targets == Tokens.eot_token).sum() == 2


@pytest.mark.parametrize("pad", [50256, 128, -1])
def test_a_pad_id_outside_the_vocabulary_is_refused(pad):
    with pytest.raises(ValueError, match=f"pad_token_id={pad} is outside.*0 to 127"):
        create_instruction_dataloader([PLAIN], Tokens(), batch_size=1, pad_token_id=pad)


def test_a_loader_without_a_batch_is_refused():
    with pytest.raises(ValueError, match="2 records make no full batch of batch_size=3"):
        create_instruction_dataloader([PLAIN, PLAIN], Tokens(), batch_size=3)
    assert (
        len(create_instruction_dataloader([PLAIN, PLAIN], Tokens(), batch_size=3, drop_last=False))
        == 1
    )


def test_a_generator_of_its_own_fixes_the_order():
    def order(noise):
        torch.rand(noise)
        loader = create_instruction_dataloader(
            load_instruction_data()[:40],
            Tokens(),
            batch_size=4,
            generator=torch.Generator().manual_seed(5),
        )
        return [x.tolist() for x, _ in loader]

    assert order(0) == order(7)
