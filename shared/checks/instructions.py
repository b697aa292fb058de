"""Judges of the exercises of chapter 5. Each notebook adds its own to EXERCISES."""

import random
from collections.abc import Callable

import torch
from torch import Tensor

from shared.checks import Exercise
from shared.checks.instructions_lora import EXERCISES as LORA_EXERCISES
from shared.instructions import check_fields, split_records
from shared.kit.corpora import load_instruction_data

FOLDER = "05_instruction_finetuning/"
SMALL_GPT_PARAMETERS = 925_952
EXERCISES: dict[str, Exercise] = dict(LORA_EXERCISES)


def whole_number(answer: object) -> str | None:
    """A hint unless the answer is a whole number."""
    if isinstance(answer, bool) or not isinstance(answer, int):
        return f"give one whole number, this is a {type(answer).__name__}"
    return None


def function(answer: object) -> str | None:
    """A hint unless the answer can be called."""
    return None if callable(answer) else f"give the function itself, this is a {type(answer).__name__}"


# ---- 01_instruction_data ----


def judge_preamble_tokens(answer: int) -> str | None:
    if problem := whole_number(answer):
        return problem
    tokens, records = 20, 935
    named = {
        tokens * records: "that is one epoch; there are two",
        tokens * 1100 * 2: "only the training part is read in training, not all 1,100 records",
        tokens * 1100: "only the training part is read in training, and for two epochs",
        tokens * 2: "that is one record in two epochs; count all training records",
    }
    if answer == tokens * records * 2:
        return None
    return named.get(answer, f"{answer} is not it: preamble tokens a record, times training records, times epochs")


def judge_find_leaks(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    train, val, test = split_records(load_instruction_data())
    rng = random.Random(5)
    shouted = [{**entry, "instruction": entry["instruction"].upper() + " !"} for entry in rng.sample(train, 5)]
    moved = [{**entry, "input": entry["input"].replace(" ", "  ")} for entry in rng.sample(train, 5)]
    swapped = {**next(entry for entry in train if entry["input"]), "input": "Nobody knows.", "output": "So it is."}
    exact = answer(train, val[:10] + train[:3])
    if not isinstance(exact, list):
        return f"return a list of records, this is a {type(exact).__name__}"
    if swapped in answer(train, [swapped]):
        return "a record with a known instruction but a new input was called a leak: the input counts too"
    if exact != train[:3]:
        return f"three training records among ten others should be found, in order; {len(exact)} records came back"
    if answer(train, shouted) != shouted:
        return "a prompt in capitals, with another sign at its end, is still the same prompt"
    if answer(train, moved) != moved:
        return "a second space in the input does not make a new prompt"
    known_answer = {**test[0], "output": train[0]["output"]}
    if answer(train, [known_answer]):
        return "only the prompts are compared; an answer that is known is no leak here"
    return None


def judge_format_chatml(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    plain = {"instruction": "Add 2 and 3.", "input": "", "output": "5"}
    full = {"instruction": "Say it in one word.", "input": "very cold", "output": "icy"}
    expected = "<|im_start|>user\nAdd 2 and 3.<|im_end|>"
    if (given := answer(plain)) != expected:
        if given == "<|im_start|>user\nAdd 2 and 3.\n<|im_end|>":
            return "without an input there is no line break before <|im_end|>"
        return f"for an instruction alone expected {expected!r}, got {given!r}"
    expected = "<|im_start|>user\nSay it in one word.\nvery cold<|im_end|>"
    if (given := answer(full)) != expected:
        return f"with an input expected {expected!r}, got {given!r}"
    for field in full:
        broken = {name: text for name, text in full.items() if name != field}
        try:
            check_fields(broken)
        except ValueError as error:
            message = str(error)
        try:
            answer(broken)
            return f"a record without {field!r} went through: call check_fields first"
        except Exception as error:
            if str(error) != message or not isinstance(error, ValueError):
                return f"a record without {field!r} raised {type(error).__name__}: {error}; call check_fields first"
    return None


EXERCISES |= {
    "preamble_tokens": Exercise(FOLDER + "01_instruction_data", judge_preamble_tokens, (
        "The cell under 'What the layout costs' prints the tokens of one preamble.",
        "20 tokens, 935 records, 2 epochs.",
    )),
    "find_leaks": Exercise(FOLDER + "01_instruction_data", judge_find_leaks, (
        "Write an inner function first: record -> its prompt in normal form, a pair of two texts.",
        "str.isalnum says whether a character is a letter or a digit.",
    )),
    "format_chatml": Exercise(FOLDER + "01_instruction_data", judge_format_chatml, (
        "Start from format_input_phi3: the shape is the same.",
    )),
}


# ---- 02_batching ----


def judge_loss_tokens(answer: int) -> str | None:
    if problem := whole_number(answer):
        return problem
    named = {
        21: "that is every position; the targets that are padding do not count",
        13: "every item has one more target: the end token after its last id",
        5: "that is how many targets are -100; the others count",
        18: "every item ends once: n ids have n targets, not n - 1 and not n + 1",
        19: "an item of n ids has n targets: the first id is nobody's target, the end is one",
    }
    return None if answer == 16 else named.get(answer, f"{answer} is not it: count the targets of each item alone")


def judge_whole_records(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    items = [list(range(1, n + 1)) for n in (3, 5, 4, 1, 9)]
    for limit in (1, 3, 4, 5, 8, 9, 20, None):
        expected = [ids for ids in items if limit is None or len(ids) <= limit]
        given = answer(items, limit)
        if given == expected:
            continue
        if not isinstance(given, list):
            return f"return a list of items, this is a {type(given).__name__}"
        if limit is not None and given == [ids for ids in items if len(ids) < limit]:
            return (f"an item of exactly {limit} ids survives the limit {limit}: its end token is the target of its "
                    "last id")
        if limit is not None and given == [ids for ids in items if len(ids) <= limit + 1]:
            return f"an item of {limit + 1} ids is cut at {limit}: the target of its last id is lost"
        lengths = [len(ids) for ids in given]
        return f"with the limit {limit} items of lengths {lengths} came back, expected {[len(i) for i in expected]}"
    return None


def collate_hint(batch: list[list[int]], inputs: Tensor, targets: Tensor, pad: int) -> str | None:
    """What is wrong with a collated batch, in the order in which one would look."""
    longest = max(map(len, batch))
    for name, tensor in (("inputs", inputs), ("targets", targets)):
        if not isinstance(tensor, Tensor):
            return f"{name} must be a tensor, this is a {type(tensor).__name__}"
        if tuple(tensor.shape) != (len(batch), longest):
            return (f"{name} have shape {tuple(tensor.shape)}, expected {(len(batch), longest)} "
                    f"for items of lengths {[len(ids) for ids in batch]}")
    for ids, x, y in zip(batch, inputs.tolist(), targets.tolist()):
        n = len(ids)
        if x[:n] != ids:
            return f"the inputs of {ids} start with {x[:n]}: pad on the right, change nothing else"
        if x[n:] != [pad] * (longest - n):
            return f"the inputs of {ids} are filled with {x[n:]}, expected {pad}: an embedding has no row for -100"
        if y[: n - 1] != ids[1:]:
            return f"the targets of {ids} start with {y[: n - 1]}: the target of a position is the token after it"
        if y[n - 1] != pad:
            return f"the last id of {ids} has the target {y[n - 1]}: keep the first {pad}, so that stopping is learned"
        if y[n:] != [-100] * (longest - n):
            return f"behind the end, the targets of {ids} are {y[n:]}: turn them into -100"
    return None


def judge_collate(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    rng = random.Random(11)
    batches = [([[11, 12, 13], [21]], 50256), ([[7]], 0)]
    for _ in range(20):
        pad = rng.choice((50256, 0, 999))
        # the padding's own id may stand inside a text too
        batches.append(([rng.choices([1, 2, 3, pad], k=rng.randint(1, 9)) for _ in range(rng.randint(1, 5))], pad))
    for batch, pad in batches:
        before = [list(ids) for ids in batch]
        result = answer(batch, pad)
        if batch != before:
            return "the lists of the batch were changed: the dataset hands them out again in the next epoch; copy them"
        if not isinstance(result, tuple) or len(result) != 2:
            return "return two tensors, inputs and targets"
        if hint := collate_hint(batch, *result, pad):
            return hint
    return None


EXERCISES |= {
    "loss_tokens": Exercise(FOLDER + "02_batching", judge_loss_tokens, (
        "Take an item of one id: how many targets has it, and what is it?",
        "An item of n ids has n - 1 next tokens and one end.",
    )),
    "whole_records": Exercise(FOLDER + "02_batching", judge_whole_records, (
        "At which position does the end token of an item of n ids stand among its targets?",
    )),
    "collate": Exercise(FOLDER + "02_batching", judge_collate, (
        "Start with the targets of one item, unpadded: ids[1:] and the end.",
        "Pad inputs with pad_token_id, and targets with -100, each in one call of pad_sequence(..., batch_first=True).",
    )),
}


# ---- 03_dataloaders ----


def judge_steps(answer: int) -> str | None:
    if problem := whole_number(answer):
        return problem
    named = {
        58: "that is one epoch; there are two",
        118: "drop_last=True leaves out the incomplete batch of each epoch",
        117: "seven records are left out in each epoch; they are not saved up for the next",
        232: "that is for batches of 8",
        136: "only the 935 training records count",
    }
    return None if answer == 116 else named.get(answer, f"{answer} is not it: full batches an epoch, times two")


def judge_moved(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    asked = []

    def loader():
        for i in range(3):
            asked.append(i)
            yield torch.full((2, 3), i), torch.full((2, 3), -100)

    batches = answer(loader(), "meta")
    if isinstance(batches, (list, tuple)):
        return "all batches came back at once, so all would be on the device at once: yield them one at a time"
    first = next(iter(batches))
    if len(asked) > 1:
        return f"{len(asked)} batches were read before the first was handed out: yield each as it comes"
    if not isinstance(first, (tuple, list)) or len(first) != 2:
        return "yield two tensors, inputs and targets"
    if not first[0].is_meta:
        return f"the inputs arrived on {first[0].device}, not on the device: .to gives back a new tensor"
    if not first[1].is_meta:
        return f"the targets arrived on {first[1].device}; they must be where the logits are"
    result = list(answer(loader(), "cpu"))
    if [int(x[0, 0]) for x, _ in result] != [0, 1, 2]:
        return f"a loader of 3 batches gave {len(result)}: every batch should come, once, in order"
    return None


def judge_bucket_batches(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    rng = random.Random(7)
    lengths = [rng.choice(range(20, 60)) for _ in range(203)]

    def ask(seed: int) -> list[list[int]]:
        return [list(batch) for batch in answer(list(lengths), 8, torch.Generator().manual_seed(seed))]

    one, same, other = ask(1), ask(1), ask(2)
    members = sorted(i for batch in one for i in batch)
    if members != list(range(len(lengths))):
        return (f"{len(members)} record numbers came back, {len(set(members))} of them different; "
                f"each of the {len(lengths)} must be in exactly one batch")
    if sorted(map(len, one))[1:] != [8] * 25:
        return f"all batches but one must hold 8 records, these hold {sorted(set(map(len, one)))}"
    if max(max(map(len, batches)) for batches in (one, other)) > 8:
        return "a batch is larger than batch_size"
    width = [max(lengths[i] for i in batch) for batch in one]
    waste = 1 - sum(lengths) / sum(w * len(batch) for w, batch in zip(width, one))
    if waste > 0.08:
        return f"{waste:.0%} of the positions are padding: put records of similar length into one batch"
    if one != same:
        return "the same generator seed gave two results: draw only from `generator`"
    if width in (sorted(width), sorted(width, reverse=True)):
        return "the batches come in order of length: shuffle the batches too"
    if sorted(map(sorted, one)) == sorted(map(sorted, other)):
        return "another seed gave the same batches in another order: shuffle the records before you sort them"
    return None


EXERCISES |= {
    "steps": Exercise(FOLDER + "03_dataloaders", judge_steps, (
        "How many full batches of 16 are in 935 records?",
    )),
    "moved": Exercise(FOLDER + "03_dataloaders", judge_moved, (
        "A function with `yield` in its body is a generator function: it runs on as each batch is asked for.",
    )),
    "bucket_batches": Exercise(FOLDER + "03_dataloaders", judge_bucket_batches, (
        "torch.randperm(n, generator=generator).tolist() is a shuffled list of 0 to n - 1.",
        "Python's sort is stable: what was shuffled before stays shuffled among equal lengths.",
    )),
}


# ---- 04_finetuning ----


def judge_embedding_share(answer: float) -> str | None:
    if isinstance(answer, bool) or not isinstance(answer, (int, float)):
        return f"give one number, this is a {type(answer).__name__}"
    right = 128_000 / SMALL_GPT_PARAMETERS
    if abs(answer - right) < 0.002:
        return None
    if abs(answer - 100 * right) < 0.5:
        return "as a share between 0 and 1, not in percent"
    if abs(answer - (128_000 + 48 * 128) / SMALL_GPT_PARAMETERS) < 0.002:
        return "token embeddings only: the positions have a matrix of their own"
    if abs(answer - 2 * right) < 0.002:
        return "embedding and head are tied: one matrix, counted once"
    return f"{answer} is not it: vocabulary times width, over all parameters"


def judge_same_words(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    cases = [
        ("The capital city of Peru is Lima", "The capital city of Peru is Lima.", True, "a missing full stop"),
        ("the capital city of peru is lima.", "The capital city of Peru is Lima.", True, "small letters"),
        ("  As  white as\nsnow. ", "As white as snow.", True, "other white space"),
        ("An antonym of hot is cold.", "An antonym of 'hot' is 'cold'.", True, "missing quotation marks"),
        ("The capital city of Peru is Quito.", "The capital city of Peru is Lima.", False, "another city"),
        ("snow as white as", "As white as snow", False, "the words in another order"),
        ("As white as", "As white as snow.", False, "a missing word"),
        ("As white as snow, snow.", "As white as snow.", False, "a repeated word"),
        ("25 feet is equal to 30 inches.", "2.5 feet is equal to 30 inches.", False, "25 in place of 2.5"),
        ("2 5 feet", "2.5 feet", False, "'2 5' in place of 2.5"),
        ("", "Yes.", False, "an empty answer"),
    ]
    for response, output, expected, what in cases:
        given = answer(response, output)
        if not isinstance(given, bool):
            return f"return True or False, this is a {type(given).__name__}"
        if given != expected:
            return f"{what} should count as {'the same' if expected else 'different'}: {response!r} and {output!r}"
    return None


def judge_first_difference(answer: Callable) -> str | None:
    if problem := function(answer):
        return problem
    rng = random.Random(3)
    cases = [([1, 2, 3], [1, 2, 3]), ([1, 2], [1, 2, 3]), ([1, 2, 3], [1, 2]), ([], [5]), ([], []), ([9], [5])]
    cases += [(rng.choices([1, 2], k=rng.randint(0, 6)), rng.choices([1, 2], k=rng.randint(0, 6))) for _ in range(60)]
    for given, expected in cases:
        pairs = [*zip(given, expected)]
        right = next((i for i, (a, b) in enumerate(pairs) if a != b), len(pairs))
        right = None if given == expected else right
        result = answer(list(given), list(expected))
        if result == right and type(result) is type(right):
            continue
        if given == expected:
            return f"{given} and {expected} are equal: expected None, got {result!r}"
        if right == len(pairs):
            return f"of {given} and {expected} one ends at position {right}: there they differ; got {result!r}"
        return f"for {given} and {expected} expected {right}, got {result!r}; positions count from 0"
    return None


EXERCISES |= {
    "embedding_share": Exercise(FOLDER + "04_finetuning", judge_embedding_share, (
        "1,000 tokens, width 128; the number of all parameters is printed where the model is made.",
    )),
    "same_words": Exercise(FOLDER + "04_finetuning", judge_same_words, (
        "text.lower().split() cuts at any white space.",
        "word.strip(\".,'\") takes signs off a word's ends and leaves the point inside 2.5.",
    )),
    "first_difference": Exercise(FOLDER + "04_finetuning", judge_first_difference, (
        "Go through zip(given, expected) with enumerate; then compare the lengths.",
    )),
}
