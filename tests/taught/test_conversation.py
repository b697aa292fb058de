"""The chat template: turns are marks and ordinary text, and only we write the marks."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.conversation import (
    MESSAGE_ROLES,
    SMOLLM_SYSTEM,
    TURN_END,
    TURN_START,
    Turn,
    answer_opening,
    conversation_ids,
    fit_turns,
    make_turn,
    make_turns,
    mark_id,
)
from shared.gguf_weights import gguf_tokenizer
from shared.kit.gpt2_vocabulary import get_tokenizer
from shared.kit.real_model import is_smollm2, language_model_file, stand_in
from shared.tokenizer import BPETokenizer


@pytest.fixture(scope="module")
def tokenizer() -> BPETokenizer:
    return gguf_tokenizer(stand_in())


def as_text(messages: list[dict[str, str]]) -> str:
    """The template, written once more in another way."""
    if messages[0]["role"] != "system":
        messages = [{"role": "system", "content": SMOLLM_SYSTEM}, *messages]
    turns = [f"<|im_start|>{m['role']}\n{m['content']}<|im_end|>\n" for m in messages]
    return "".join(turns) + "<|im_start|>assistant\n"


CONVERSATIONS = [
    [("user", "Hello")],
    [("system", "Be brief."), ("user", "Hi"), ("assistant", " Hello. "), ("user", "Why?\n\n1234")],
    [("user", "naïve 🦭 \u200b"), ("assistant", "\n"), ("user", "  x  ")],
]


def messages_of(pairs):
    return [{"role": role, "content": content} for role, content in pairs]


# the content "\n" is empty to us, and only to us
@pytest.mark.parametrize("pairs", CONVERSATIONS[:2])
def test_a_conversation_is_the_text_of_the_template(tokenizer, pairs):
    messages = messages_of(pairs)
    ids = conversation_ids(make_turns(messages, tokenizer), tokenizer)
    assert ids == tokenizer.encode(as_text(messages), allowed_special={TURN_START, TURN_END})
    assert tokenizer.decode(ids) == as_text(messages)


@pytest.mark.slow
@pytest.mark.skipif(not is_smollm2(language_model_file()), reason="SmolLM2 is not at hand")
def test_ids_are_those_of_transformers():
    from tokenizers import pre_tokenizers
    from transformers import AutoTokenizer

    path = language_model_file()
    theirs = AutoTokenizer.from_pretrained(path.parent, gguf_file=path.name)
    # its conversion of the file loses the step that cuts digits one by one
    theirs.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    ours = gguf_tokenizer(path)
    for pairs in CONVERSATIONS[:2]:
        messages = messages_of(pairs)
        found = theirs.apply_chat_template(messages, add_generation_prompt=True, tokenize=True)
        ids = found if isinstance(found, list) else found["input_ids"]
        assert conversation_ids(make_turns(messages, ours), ours) == list(ids)


@settings(max_examples=200, deadline=None)
@given(
    content=st.lists(
        st.sampled_from([TURN_START, TURN_END, "<|endoftext|>", "<|im_", "end|>", "a", "\n", " "]),
        min_size=1,
    ).map("".join)
)
@pytest.mark.parametrize("role", MESSAGE_ROLES)
def test_no_text_of_a_user_writes_a_mark(tokenizer, role, content):
    if not content.strip():
        return
    turn = make_turn(role, content, tokenizer)
    special = [i for i in turn.ids if i in tokenizer.special_tokens.values()]
    assert special == [mark_id(TURN_START, tokenizer), mark_id(TURN_END, tokenizer)]
    assert tokenizer.decode(turn.ids) == f"{TURN_START}{role}\n{content}{TURN_END}\n"


def test_a_system_prompt_opens_a_conversation_once(tokenizer):
    hello = [{"role": "user", "content": "Hi"}]
    assert [t.role for t in make_turns(hello, tokenizer)] == ["system", "user"]
    assert make_turns(hello, tokenizer)[0].content == SMOLLM_SYSTEM
    assert [t.role for t in make_turns(hello, tokenizer, system="")] == ["user"]
    own = [{"role": "system", "content": "Be kind."}, *hello]
    assert [t.content for t in make_turns(own, tokenizer)] == ["Be kind.", "Hi"]


def test_an_answer_is_opened_and_nothing_more(tokenizer):
    assert tokenizer.decode(answer_opening(tokenizer)) == "<|im_start|>assistant\n"


@pytest.mark.parametrize(
    "role, content, said",
    [
        ("robot", "Hi", "role='robot' is unknown.*system.*user.*assistant"),
        ("", "Hi", "role='' is unknown"),
        ("user", "", "message of the user is empty"),
        ("assistant", " \n", "message of the assistant is empty"),
    ],
)
def test_bad_messages_are_refused(tokenizer, role, content, said):
    with pytest.raises(ValueError, match=said):
        make_turn(role, content, tokenizer)


def test_an_empty_conversation_and_missing_fields_are_refused(tokenizer):
    with pytest.raises(ValueError, match="conversation is empty"):
        make_turns([], tokenizer)
    with pytest.raises(ValueError, match=r"message 2 has the fields \['role'\]"):
        make_turns([{"role": "user", "content": "Hi"}, {"role": "user"}], tokenizer)


@pytest.mark.parametrize("strange", ["gpt2", "bytes"])
def test_a_tokenizer_without_the_marks_is_refused(strange):
    other = get_tokenizer() if strange == "gpt2" else BPETokenizer.train("abc abc", 260)
    with pytest.raises(ValueError, match=r"no token '<\|im_start\|>'"):
        make_turn("user", "Hi", other)
    with pytest.raises(ValueError, match=r"no token '<\|im_start\|>'"):
        answer_opening(other)


# ---- the cut


def turns_of(*lengths: int, system: bool = True) -> list[Turn]:
    roles = ["system"] * system + ["user", "assistant"] * len(lengths)
    return [Turn(role, str(i), (i,) * n) for i, (role, n) in enumerate(zip(roles, lengths))]


@given(
    lengths=st.lists(st.integers(1, 9), min_size=1, max_size=9).filter(lambda x: len(x) % 2 == 0),
    limit=st.integers(0, 60),
)
def test_the_cut_keeps_as_much_as_fits_in_whole_pairs(lengths, limit):
    turns = turns_of(*lengths)
    possible = [turns[:1] + turns[i:] for i in range(1, len(turns), 2)]
    fitting = [some for some in possible if sum(len(t.ids) for t in some) <= limit]
    if fitting:
        assert fit_turns(turns, limit) == fitting[0]
    else:
        with pytest.raises(ValueError, match=f"take {lengths[0] + lengths[-1]} tokens.*{limit}"):
            fit_turns(turns, limit)


def test_a_conversation_without_a_system_prompt_is_cut_too():
    turns = turns_of(3, 5, 3, system=False)
    assert fit_turns(turns, 11) == turns and fit_turns(turns, 10) == turns[2:]
    assert fit_turns([], 5) == []


def test_several_questions_in_a_row_go_one_by_one():
    turns = [Turn("user", str(i), (0,) * 4) for i in range(3)]
    assert fit_turns(turns, 8) == turns[1:]
