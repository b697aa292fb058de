"""The exercises of 01_data/04_embeddings."""

import re
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from shared.checks import Exercise
from shared.checks.judging import asks_for_function, plain, wrong_number, wrong_tensor, wrong_type


def judge_embedding_parameters(answer: Any) -> str | None:
    slips = {
        50_257 * 768: "that is the token table alone: the positions have a table too",
        1_024 * 768: "that is the position table alone: the tokens have a table too",
        50_257 + 1_024: "that counts the rows of both tables: each row holds 768 numbers",
        50_257 * 768 * 1_024: ("the tables are added, not multiplied: each is rows times columns"),
        50_257 * 768 + 1_024: "a position has a whole vector of 768 numbers, not one number",
    }
    how = "rows times columns, for each of the two tables"
    return wrong_number(answer, 50_257 * 768 + 1_024 * 768, slips, how=how)


@asks_for_function
def judge_one_hot_lookup(lookup: Callable[[Tensor, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(0)
    for B, T, V, D in ((1, 1, 2, 3), (2, 5, 7, 3), (3, 4, 4, 4)):
        ids = torch.randint(V, (B, T), generator=generator)  # (B, T)
        weight = torch.randn(V, D, generator=generator)  # (V, D)
        found = lookup(ids, weight)  # (B, T, D)
        if isinstance(found, Tensor) and found.shape == (B, T, V) and V != D:
            return (
                f"the result has shape {tuple(found.shape)}: these are the one-hot rows; "
                "multiply them by the table"
            )
        slips = []
        if V == D:
            slips = [
                (
                    F.one_hot(ids, V).float() @ weight.T,
                    "the table was transposed: a one-hot row times the table (V, D) picks a row",
                )
            ]
        row = ids[0].tolist()
        otherwise = f"ids {row} do not give the rows {row} of the table"
        if hint := wrong_tensor(found, weight[ids], slips, otherwise):
            return hint
    weight = torch.tensor([[1.0, 2.0], [torch.nan, torch.nan]])  # 0 times nan is nan: a product
    if not lookup(torch.zeros(1, 2, dtype=torch.long), weight).isnan().all():
        return (
            "the rows are right, but they were picked by index: here they come from one-hot "
            "rows times the table"
        )
    return None


def cosine_winner(vectors: Tensor, row: int) -> int:
    """The row of (V, D) with the greatest cosine to one of them, itself left out."""
    directions = F.normalize(vectors, dim=1)
    cosines = directions @ directions[row]
    cosines[row] = -2
    return int(cosines.argmax())


@asks_for_function
def judge_nearest_word(nearest: Callable[[Tensor, int], int]) -> str | None:
    table = torch.tensor([[-3.0, 0.1], [10, 6], [1, 0], [0.5, 0.05], [0.9, 0.3]])
    found = nearest(table.clone(), 2)
    if hint := wrong_type(found, int, "the number of a row, a whole number"):
        return hint
    slips = {
        2: "it returns the row asked for: that one's cosine is 1, so it must be left out",
        1: "a long row won by its length: scale all rows to length 1 before the product",
        4: "this is the row at the smallest distance: the greatest cosine was asked for",
        0: "this row points the opposite way: its cosine is near -1, the greatest one is wanted",
    }
    generator = torch.Generator().manual_seed(0)
    tables = [torch.randn(V, D, generator=generator) for V, D in ((8, 2), (30, 5))]
    cases = [(table, row) for table in tables for row in range(len(table))]
    given = [plain(nearest(table.clone(), row)) for table, row in cases]
    right = [cosine_winner(table, row) for table, row in cases]
    if given == [winner - (winner > row) for (_, row), winner in zip(cases, right)]:
        return "you took the row out, so the rows behind it moved up by one: number them as before"
    if plain(found) in slips:
        return slips[plain(found)]
    small = torch.tensor([[1, 0], [-2, 0.5]])
    for table, row in [(small, 0), (small, 1), *cases]:
        copy = table.clone()
        found = plain(nearest(copy, row))
        if found == row:
            return "it returns the row asked for: leave it out, whatever cosines the others have"
        if found != cosine_winner(table, row):
            return (
                f"of {len(table)} rows, row {found} has not the greatest cosine to row {row}; "
                "the length of a row is the root of the sum of its squares"
            )
        if not torch.equal(copy, table):
            return "the table that it was given is changed afterwards: work on a copy"
    twins = torch.tensor([[1.0, 0], [2, 0], [0, 1]])  # two rows that point the same way
    if [plain(nearest(twins.clone(), row)) for row in (0, 1)] != [1, 0]:
        return "where two rows point the same way, each is the nearest to the other, not to itself"
    return None


def judge_two_steps(answer: Any) -> str | None:
    slips = {
        2.0: "that is w after one step: the second step takes the slope at the new place",
        3.0: "the slope changes on the way: the second step takes the slope at the new place",
        -1.5: "w moved uphill: the slope times the learning rate is taken away, not added",
        -2.25: "a step takes the slope, 2(w - 3), and not the loss itself",
        1.0: "the learning rate is missing: a step is 0.25 times the slope",
        1.875: "the slope of (w - 3)² is 2(w - 3): a factor 2 is missing",
    }
    return wrong_number(answer, 2.5, slips, tolerance=1e-6, how="new w = w - 0.25 times the slope")


@asks_for_function
def judge_embed_tokens(embed: Callable[[Tensor, Tensor, Tensor], Tensor]) -> str | None:
    generator = torch.Generator().manual_seed(0)
    token_table = torch.randn(11, 4, generator=generator)  # (V, D)
    pos_table = torch.randn(6, 4, generator=generator)  # (positions, D)
    for B, T in ((1, 1), (2, 4), (4, 4), (3, 6)):
        ids = torch.randint(11, (B, T), generator=generator)  # (B, T)
        tokens = token_table[ids]  # (B, T, D)
        positions = pos_table[:T]  # (T, D)
        slips = [
            (tokens, "the position vectors are missing: row t of pos_table is added at position t"),
            (positions.expand_as(tokens), "the token vectors are missing: row i of token_table"),
            (tokens * positions, "the two vectors were multiplied: they are added"),
            (tokens + pos_table[-T:], "these are the last rows of pos_table: take the first T"),
            (tokens + pos_table[0], "each token got the vector of position 0"),
        ]
        if B == T:
            slips += [
                (
                    tokens + positions.unsqueeze(1),
                    "the positions were added along the batch: all tokens of row b got the "
                    "vector of position b",
                )
            ]
        otherwise = (
            f"for ids of shape {(B, T)} the result is not the token vector plus the "
            "vector of its position"
        )
        try:
            found = embed(ids, token_table, pos_table)
        except ValueError as error:
            if T < len(pos_table):
                raise
            return f"{T} tokens fit into {T} positions, but raised ValueError: {error}"
        if isinstance(found, Tensor) and found.shape[-1:] == (8,):
            return "the two vectors stand side by side in 8 numbers: add them, number by number"
        if hint := wrong_tensor(found, tokens + positions, slips, otherwise):
            return hint
    return wrong_refusal(embed, token_table, pos_table)


def wrong_refusal(embed: Callable, token_table: Tensor, pos_table: Tensor) -> str | None:
    """A hint unless seven tokens for a table of six positions raise the right error."""
    try:
        embed(torch.zeros(1, 7, dtype=torch.long), token_table, pos_table)
    except ValueError as error:
        if {"7", "6"} <= set(re.findall(r"\d+", str(error))):
            return None
        return f"7 tokens, 6 positions: the message must name both numbers, but is {str(error)!r}"
    except Exception as error:
        return (
            "7 tokens with a table of 6 positions should raise ValueError, but raised "
            f"{type(error).__name__}"
        )
    return "7 tokens do not fit into a table of 6 positions: raise ValueError and name both numbers"


EXERCISES = {
    "one_hot_lookup": Exercise(
        judge_one_hot_lookup,
        "F.one_hot(ids, num_classes=V) has shape (B, T, V) and holds whole numbers.",
        "Turn it into floats and multiply it by the table with @.",
    ),
    "nearest_word": Exercise(
        judge_nearest_word,
        "F.normalize(vectors, dim=1) gives rows of length 1; their products are cosines.",
        "Put -2 in the place of the row itself, then take argmax().item().",
    ),
    "embedding_parameters": Exercise(
        judge_embedding_parameters,
        "A table has as many numbers as rows times columns. There are two tables.",
    ),
    "embed_tokens": Exercise(
        judge_embed_tokens,
        "token_table[ids] has shape (B, T, D); pos_table[:T] has shape (T, D).",
        "Compare T with the number of rows of pos_table before anything else.",
    ),
    "two_steps": Exercise(
        judge_two_steps, "The slope of (w - 3)² at w = 1 is -4, which moves w up. And then?"
    ),
}
