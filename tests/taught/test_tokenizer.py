"""Our tokenizer: equal to tiktoken on everything, whole after saving, deaf to nonsense."""

import os
import pickle
from types import SimpleNamespace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from shared.bpe import cut_at_white_space, split_at, split_pieces
from shared.kit.corpora import load_corpus
from shared.kit.gpt2_vocabulary import get_tokenizer, gpt2_files
from shared.tokenizer import BPETokenizer, Tokenizer, check_text
from shared.vocabulary import VocabularyForm

END = "<|endoftext|>"
THEIRS = get_tokenizer()
OURS = BPETokenizer.from_gpt2_files(*gpt2_files())
NASTY = [
    "",
    " ",
    "   ",
    "\n\n",
    " \n \t x",
    "a  b",
    "I'll we've don't 'S 's",
    "123 1234 12345a",
    "_x_ --",
    "Ünïcödé",
    "e\u0301 o\u0308\u0323 \u0301\u0301\u0301",
    "👩‍👩‍👧‍👦🏳️‍🌈🇳🇱 1️⃣",
    "مرحبا بالعالم",
    "שָׁלוֹם \u200f!",
    "今夜の海",
    "x\x00y\x00\x00",
    "\u2028\u2029\x85\x1c",
    "\ud800",
    "a\udfffb",
    "\ud83d\ude00",
    "\ud83d \ude00",
    "\ude00\ud83d",
    "½²③Ⅳ٣",
    "ǅ ʰ ª",
    "\u00a0\u3000 x",
    "\ufeffx",
    "\U0010ffff",
    "<|endoftext|",
    "<|endoftext| >",
    "<<|endoftext|>>",
]
anything = st.lists(
    st.one_of(
        st.text(st.characters(), max_size=12),
        st.sampled_from(NASTY),
        st.text(" \n\t'sdmtlreva19", max_size=8),
        st.builds(lambda c, n: c * n, st.characters(), st.integers(1, 300)),
    )
).map("".join)
thorough = settings(deadline=None, max_examples=300, derandomize=True)


# ---- equal to tiktoken


def test_the_whole_story():
    text = load_corpus("story")
    assert OURS.encode(text) == THEIRS.encode(text)
    assert OURS.decode(OURS.encode(text)) == text


@pytest.mark.skipif(
    not os.environ.get("LLM_COURSE_DATA"), reason="LLM_COURSE_DATA names no folder with The Verdict"
)
def test_the_verdict():
    text = load_corpus("the-verdict")
    assert OURS.encode(text) == THEIRS.encode(text)


@pytest.mark.parametrize("text", NASTY, ids=ascii)
def test_nasty_texts(text):
    assert OURS.encode(text, allowed_special="all") == THEIRS.encode(text, allowed_special="all")


@thorough
@given(anything)
def test_any_text(text):
    ids = THEIRS.encode(text, disallowed_special=())
    assert OURS.encode(text, disallowed_special=()) == ids
    assert OURS.decode(ids) == THEIRS.decode(ids)


def test_every_character_falls_into_the_same_class():
    """Letters, digits and white space are the same to `regex` and tiktoken: every 17th sign."""
    for code in [*range(0x3000), *range(0x3000, 0x110000, 17)]:
        if not 0xD800 <= code < 0xE000:
            text = f" a{chr(code)}a 1{chr(code)}1 !{chr(code)}!  {chr(code)}x"
            assert OURS.encode(text) == THEIRS.encode(text), hex(code)
            OURS.known.clear()


@thorough
@given(
    st.lists(st.one_of(anything, st.sampled_from([END, "<|other|>"]))).map("".join),
    st.sampled_from(["all", set(), {END}, {"<|other|>"}]),
    st.sampled_from(["all", (), {END}, {"x"}, ["<|other|>"]]),
)
@example(END, set(), "all")
@example(f"a{END} b {END}", {END}, "all")
@example(f"{END}", {END}, {END})
@example("a<|other|>b", {"<|other|>"}, "all")
def test_special_tokens_allowed_and_forbidden(text, allowed, disallowed):
    def outcome(tokenizer):
        try:
            return tokenizer.encode(text, allowed_special=allowed, disallowed_special=disallowed)
        except ValueError:
            return "refused"

    assert outcome(OURS) == outcome(THEIRS)


@thorough
@given(st.lists(st.integers(0, 50_256)))
def test_decode_any_ids(ids):
    assert OURS.decode(ids) == THEIRS.decode(ids)


def test_interface():
    assert (OURS.n_vocab, OURS.eot_token) == (THEIRS.n_vocab, THEIRS.eot_token) == (50_257, 50_256)
    assert OURS.decode([50_256]) == END
    with pytest.raises(UnicodeDecodeError):
        OURS.decode(OURS.encode("🐋")[:1], errors="strict")
    assert pickle.loads(pickle.dumps(OURS)).encode("a whale") == OURS.encode("a whale")


@thorough
@given(st.lists(anything, max_size=4))
def test_batches_and_ordinary_text(texts):
    ids = THEIRS.encode_batch(texts, disallowed_special=())
    assert OURS.encode_batch(texts, disallowed_special=()) == ids
    assert [OURS.encode_ordinary(text) for text in texts] == ids
    assert OURS.decode_batch(ids) == THEIRS.decode_batch(ids)


def test_batches_obey_the_rule_for_special_tokens():
    marked = [f"a{END}", END]
    allowed = {"allowed_special": {END}}
    assert OURS.encode_batch(marked, **allowed) == THEIRS.encode_batch(marked, **allowed)
    assert OURS.encode_ordinary(END) == THEIRS.encode_ordinary(END)
    for encode in (OURS.encode_batch, lambda texts: list(OURS.encode_iterable(texts))):
        with pytest.raises(ValueError, match="pass allowed_special"):
            encode(marked)
    torn = THEIRS.encode("🐋")[:1]
    with pytest.raises(UnicodeDecodeError):
        OURS.decode_batch([torn], errors="strict")


def test_the_bytes_of_each_token():
    assert [OURS.decode_single_token_bytes(i) for i in range(50_257)] == [
        THEIRS.decode_single_token_bytes(i) for i in range(50_257)
    ]
    with pytest.raises(ValueError, match="50257 is not in the vocabulary"):
        OURS.decode_single_token_bytes(50_257)


# ---- text that comes in chunks


@st.composite
def chunked(draw):
    """A text with marks, cut anywhere, also into empty chunks."""
    text = "".join(draw(st.lists(st.one_of(anything, st.sampled_from([END, " ", "\n"])))))
    places = st.integers(0, len(text))
    cuts = [0, *sorted(draw(st.lists(places, max_size=20))), len(text)]
    return [text[a:b] for a, b in zip(cuts, cuts[1:])]


@thorough
@given(chunked(), st.sampled_from([{"allowed_special": "all"}, {"disallowed_special": ()}]))
@example(["it'", "s"], {"disallowed_special": ()})
@example(["a  ", " b"], {"disallowed_special": ()})
@example(["a\n", "\n b"], {"disallowed_special": ()})
@example(["\ud83d", "\ude00"], {"disallowed_special": ()})
@example(["a <|endof", "text|> b"], {"allowed_special": "all"})
def test_chunks_give_the_ids_of_the_whole_text(chunks, special):
    whole = OURS.encode("".join(chunks), **special)
    assert list(OURS.encode_iterable(chunks, **special)) == whole
    assert list(OURS.encode_iterable("".join(chunks), **special)) == whole, "letter by letter"


@thorough
@given(chunked())
def test_no_piece_is_cut(chunks):
    text = "".join(chunks)
    parts = list(cut_at_white_space(chunks))
    assert "".join(parts) == text
    assert [p for part in parts for p in split_pieces(part)] == split_pieces(text)


def test_a_file_is_read_only_as_far_as_needed():
    read = []

    def chunks():
        for i in range(10_000):
            read.append(i)
            yield f"line {i} of a long file\n"

    ids = OURS.encode_iterable(chunks())
    next(ids)
    assert len(read) == 1
    assert max(map(len, cut_at_white_space("a word or two\n" * 100 for _ in range(50)))) < 1_500


def test_marks_with_white_space_are_refused_where_chunks_are_cut():
    tokenizer = BPETokenizer.train("ab ab", 258, ("<| x |>",))
    with pytest.raises(ValueError, match="holds white space, where chunks are cut"):
        next(tokenizer.encode_iterable(["a<| ", "x |>"], allowed_special="all"))
    with pytest.raises(ValueError, match="holds white space"):
        next(OURS.encode_iterable(["a b"], disallowed_special=["a b"]))


# ---- long runs


@pytest.mark.parametrize("letter", ["a", "e", "=", "é", "7", " ", "\n"])
def test_100_000_equal_letters(letter):
    ids = OURS.encode(letter * 100_000)
    assert ids == THEIRS.encode(letter * 100_000)


def test_long_pieces_are_not_remembered():
    tokenizer = BPETokenizer.train("abab", 259)
    tokenizer.encode("b" * 10_000 + " short")
    assert set(tokenizer.known) == {" short"}


# ---- learning


@thorough
@given(st.text(min_size=1, max_size=80), st.integers(0, 15), st.text())
def test_encode_and_decode_are_inverse(text, more, other):
    for size in range(257 + more, 256, -1):
        try:
            tokenizer = BPETokenizer.train(text, size)
            break
        except ValueError:
            continue
    assert tokenizer.n_vocab == size and tokenizer.eot_token == size - 1
    for s in (text, other):
        ids = tokenizer.encode(s, disallowed_special=())
        assert tokenizer.decode(ids) == s and all(0 <= i < size - 1 for i in ids)
    assert len(set(tokenizer.token_bytes[:-1])) == size - 1, "two tokens have the same bytes"


def test_a_larger_vocabulary_begins_with_the_smaller_and_is_never_longer():
    text = load_corpus("story")
    large = BPETokenizer.train(text, 1000)
    lengths = []
    for size in (257, 300, 500, 1000):
        small = BPETokenizer.train(text, size)
        assert list(small.merges) == list(large.merges)[: size - 257]
        lengths.append(len(small.encode(text)))
    assert lengths == sorted(lengths, reverse=True) and lengths[0] == len(text.encode())


def test_special_tokens_are_not_learned_from():
    with_mark = BPETokenizer.train(f"ab ab{END}cd cd{END}", 262, (END, "<|pad|>"))
    assert with_mark.special_tokens == {END: 260, "<|pad|>": 261}
    assert not any(b"|" in token or b"endo" in token for token in with_mark.token_bytes[256:260])
    assert with_mark.encode(f"<|pad|>{END}", allowed_special="all") == [261, 260]
    assert BPETokenizer.train("abc", 257, ()).eot_token is None


def test_of_overlapping_special_tokens_the_longest_wins():
    assert split_at("<|a|><|a|>b", ["<|a|>", "<|a|>b"]) == ["", "<|a|>", "", "<|a|>b", ""]


# ---- vocabularies of another form

SMALL = [*b"abc 12"]  # the bytes that have a token
OTHER_FORM = VocabularyForm(True, r"\p{N}| ?\p{L}+|\s+(?![^\s\p{N}])|\s+", "<|end|>", 250)
# ids 0 and 1 are special, 2 to 7 the bytes, then "ab", " ab", "11"
OTHER = BPETokenizer(SMALL, [(2, 3), (5, 8), (6, 6)], ["<|start|>", "<|end|>"], OTHER_FORM)


def test_special_tokens_that_come_first():
    assert OTHER.special_tokens == {"<|start|>": 0, "<|end|>": 1} and OTHER.eot_token == 1
    assert OTHER.n_vocab == 11 and OTHER.token_bytes[8:] == [b"ab", b" ab", b"11"]
    ids = OTHER.encode("<|start|>ab ab<|end|>", allowed_special="all")
    assert ids == [0, 8, 9, 1] and OTHER.decode(ids) == "<|start|>ab ab<|end|>"
    with pytest.raises(ValueError, match=r"the special token '<\|end\|>'"):
        OTHER.encode("a<|end|>")


def test_the_forms_pattern_cuts_the_text():
    assert OTHER.encode("11") == [6, 6], "digits stand alone, so the merge of two cannot apply"
    assert OTHER.encode("a  12") == [2, 5, 5, 6, 7]


def test_bytes_without_a_token_are_left_out():
    assert OTHER.decode(OTHER.encode("axbéc")) == "abc"
    assert OTHER.encode("axb") == OTHER.encode("ab") == [8], "as transformers: dropped, then merged"
    assert OTHER.encode("xyz") == [] == OTHER.encode_ordinary("")


@thorough
@given(st.text("abc 12x\n", max_size=30), st.integers(0, 30))
def test_another_form_in_chunks_and_saved(text, cut):
    ids = OTHER.encode(text)
    assert list(OTHER.encode_iterable([text[:cut], text[cut:]])) == ids
    assert OTHER.decode(ids) == text.replace("x", "").replace("\n", "")


def test_another_form_is_kept_by_save_and_load(tmp_path):
    OTHER.save(tmp_path / "other.json")
    loaded = BPETokenizer.load(tmp_path / "other.json")
    assert loaded.form == OTHER_FORM and loaded.token_bytes == OTHER.token_bytes
    text = "<|start|>ab  12 abc<|end|>"
    assert loaded.encode(text, allowed_special="all") == OTHER.encode(text, allowed_special="all")
    assert loaded.eot_token == 1


# ---- the interface


@pytest.mark.parametrize("missing", ["n_vocab", "eot_token", "encode", "decode"])
def test_a_tokenizer_has_all_that_the_course_asks_of_one(missing):
    assert isinstance(OURS, Tokenizer) and isinstance(THEIRS, Tokenizer)
    partial = SimpleNamespace(n_vocab=257, eot_token=256, encode=OURS.encode, decode=OURS.decode)
    assert isinstance(partial, Tokenizer)
    delattr(partial, missing)
    assert not isinstance(partial, Tokenizer)


# ---- files


def test_save_and_load(tmp_path):
    for tokenizer in (BPETokenizer.train(load_corpus("story"), 400, (END, "<|größe|>")), OURS):
        tokenizer.save(tmp_path / "vocabulary.json")
        loaded = BPETokenizer.load(str(tmp_path / "vocabulary.json"))
        assert (
            loaded.token_bytes == tokenizer.token_bytes
            and loaded.special_tokens == tokenizer.special_tokens
        )
        for text in (load_corpus("story"), *NASTY):
            text = check_text(text)
            assert loaded.encode(text, allowed_special="all") == tokenizer.encode(
                text, allowed_special="all"
            )
        assert "\r" not in (tmp_path / "vocabulary.json").read_bytes().decode("utf-8")


# ---- bad input


@pytest.mark.parametrize("text", [None, b"bytes", 3, ["a"]], ids=repr)
def test_what_is_not_text(text):
    for use in (OURS.encode, lambda t: BPETokenizer.train(t, 300)):
        with pytest.raises(TypeError, match=f"must be a str, not {type(text).__name__}"):
            use(text)


@pytest.mark.parametrize("ids", [[50_257], [-1], [5, 10**9]], ids=str)
def test_ids_outside_the_vocabulary(ids):
    with pytest.raises(
        ValueError, match=rf"{ids[-1]} is not in the vocabulary: ids run from 0 to 50256"
    ):
        OURS.decode(ids)


@pytest.mark.parametrize("size", [-1, 0, 255, 256])
def test_vocabulary_too_small(size):
    with pytest.raises(ValueError, match=rf"vocab_size={size} is too small.*at least 257"):
        BPETokenizer.train("some text", size)
    assert BPETokenizer.train("some text", 257).n_vocab == 257


def test_text_too_small():
    with pytest.raises(ValueError, match="the text is empty"):
        BPETokenizer.train("", 300)
    with pytest.raises(ValueError, match=r"pairs for 2 merges, but 743 were asked for"):
        BPETokenizer.train("abc", 1000)
    with pytest.raises(ValueError, match="pairs for 0 merges"):
        BPETokenizer.train(END, 258)


def test_a_refused_special_token_says_what_to_do():
    with pytest.raises(
        ValueError, match=r"allowed_special=\{'<\|endoftext\|>'\}.*disallowed_special=\(\)"
    ):
        OURS.encode(f"a{END}")


@thorough
@given(anything)
def test_pieces_lose_nothing_and_no_token_crosses_them(text):
    text = check_text(text)
    assert "".join(split_pieces(text)) == text
    ids = OURS.encode(text, disallowed_special=())
    assert ids == [
        i for piece in split_pieces(text) for i in OURS.encode(piece, disallowed_special=())
    ]
