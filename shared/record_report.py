"""Record report.

Written from 05_instruction_finetuning/01_instruction_data: change it there.
"""

import re
from collections.abc import Callable, Mapping, Sequence


def exact_prompt(record: dict[str, str]) -> tuple[str, str]:
    """Instruction and input of a record."""
    return record["instruction"].strip(), record["input"].strip()


def prompt_words(record: dict[str, str]) -> frozenset[str]:
    """The words of a prompt, without order, capitals and signs: equal for near duplicates."""
    text = f"{record['instruction']} {record['input']}".casefold()
    return frozenset(re.findall(r"\w+", text)) or frozenset([text])


def report_records(parts: Mapping[str, Sequence[dict[str, str]]],
                   count_tokens: Callable[[dict[str, str]], int],
                   context_length: int) -> dict[str, dict[str, int]]:
    """What is to be known of each part before a training; the first part is the training part."""
    training = next(iter(parts.values()))
    reports = {}
    for name, part in parts.items():
        lengths = sorted(count_tokens(record) for record in part)
        report = {"records": len(part),
                  "with an input": sum(record["input"] != "" for record in part),
                  "shortest text (tokens)": lengths[0],
                  "median": lengths[len(lengths) // 2],
                  "longest": lengths[-1],
                  "will be cut": sum(length > context_length for length in lengths)}
        for what, key in (("same prompt", exact_prompt), ("same words", prompt_words)):
            trained = {key(record) for record in training}
            found = [key(record) for record in part]
            report[f"{what} again"] = len(found) - len(set(found))
            if part is not training:
                report[f"{what} in training"] = sum(one in trained for one in found)
        reports[name] = report
    return reports


# Written by `python -m shared.kit.course copy`: 6622f8e3bf4d
