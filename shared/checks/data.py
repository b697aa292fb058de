"""The exercises of chapter 1, with their hints; the judges stand in data_text.py and data_tensors.py."""

from shared.checks import Exercise
from shared.checks.data_tensors import (
    judge_count_batches,
    judge_count_windows,
    judge_embed_tokens,
    judge_embedding_parameters,
    judge_one_hot_lookup,
    judge_windows,
)
from shared.checks.data_text import (
    judge_build_vocab,
    judge_count_pieces,
    judge_learn_merges,
    judge_number_of_merges,
    judge_split_losslessly,
    judge_two_merges,
)

TOKENIZATION, BPE = "01_data/01_tokenization", "01_data/02_byte_pair_encoding"
LOADER, EMBEDDINGS = "01_data/03_dataloader", "01_data/04_embeddings"

EXERCISES = {
    "count_pieces": Exercise(TOKENIZATION, judge_count_pieces, (
        "Read from left to right and write each piece down: the first is a double quote.",
        "Signs: two quotes, one double hyphen, one question mark, one full stop.")),
    "build_vocab": Exercise(TOKENIZATION, judge_build_vocab, (
        "sorted(set(pieces)) is a list, and special_tokens is a list: lists can be added.",
        "enumerate gives (0, first), (1, second), ...; a dictionary comprehension swaps them.")),
    "split_losslessly": Exercise(TOKENIZATION, judge_split_losslessly, (
        "re.findall takes alternatives, parted by |, and returns all matches in order.",
        r"Three alternatives: \s+ and \w+ and one character that is neither: [^\w\s].")),
    "number_of_merges": Exercise(BPE, judge_number_of_merges, (
        "Each merge adds exactly one token to those that are there from the start.",)),
    "two_merges": Exercise(BPE, judge_two_merges, (
        "'a' + 'n' occurs four times. Write the tokens after joining all four; there are ten.",
        "Now 'b' + 'an' and 'an' + 'a' occur twice each. The rule for ties decides.")),
    "learn_merges": Exercise(BPE, judge_learn_merges, (
        "Start with ids = list(text.encode()) and a list of the 256 single bytes.",
        "In each round: count zip(ids, ids[1:]), choose with most_frequent_pair, join with merge_pair, append the "
        "new token's bytes.")),
    "count_windows": Exercise(LOADER, judge_count_windows, (
        "The last possible start is 1,000 - 64 - 1: the target needs one token more.",
        "Starts are 0, 32, 64, ... up to 935.")),
    "count_batches": Exercise(LOADER, judge_count_batches, (
        "First the number of windows by the formula of this notebook, then the batches.",
        "windows // batch_size counts full batches; -(-windows // batch_size) rounds up.")),
    "windows": Exercise(LOADER, judge_windows, (
        "range(0, len(ids) - T, stride) gives the starts.",
        "The target is ids[start + 1 : start + T + 1].")),
    "embedding_parameters": Exercise(EMBEDDINGS, judge_embedding_parameters, (
        "A table has as many numbers as rows times columns. There are two tables.",)),
    "one_hot_lookup": Exercise(EMBEDDINGS, judge_one_hot_lookup, (
        "F.one_hot(ids, num_classes=V) has shape (B, T, V) and holds whole numbers.",
        "Turn it into floats and multiply it by the table with @.")),
    "embed_tokens": Exercise(EMBEDDINGS, judge_embed_tokens, (
        "token_table[ids] has shape (B, T, D); pos_table[:T] has shape (T, D).",
        "Compare T with the number of rows of pos_table before anything else.")),
}
