"""Clicks on a quiz: the first counts, each says why, the end says how many were right."""

import random

import pytest

from shared.kit.quiz import Question, Quiz, question

ASKED = [
    Question("1 + 1?", ("1", "2", "3"), "2", "Two ones.", "sum"),
    Question("A tag?", ("<b>", "b"), "<b>", "It has brackets.", "tag"),
]


@pytest.fixture
def told():
    return []


@pytest.fixture
def quiz(told):
    return Quiz(ASKED, lambda asked, right: told.append((asked.name, right)))


def press(quiz, choice):
    next(b for b in quiz.choices.children if b.description == choice).click()


def test_a_right_answer(quiz, told):
    assert quiz.heading.value == "<b>1 of 2.</b> 1 + 1?"
    assert quiz.next.disabled and not quiz.feedback.value
    press(quiz, "2")
    assert quiz.feedback.value == "<b>Right.</b> Two ones."
    assert told == [("sum", True)] and not quiz.next.disabled
    assert [b.button_style for b in quiz.choices.children] == ["", "success", ""]


def test_a_wrong_answer_shows_the_right_one_and_only_the_first_click_counts(quiz, told):
    press(quiz, "3")
    press(quiz, "2")
    assert told == [("sum", False)]
    assert quiz.feedback.value == "<b>No: it is 2.</b> Two ones."
    assert [b.button_style for b in quiz.choices.children] == ["", "success", "danger"]
    assert all(b.disabled for b in quiz.choices.children)


def test_the_end_says_how_many(quiz):
    press(quiz, "2")
    quiz.next.click()
    assert quiz.heading.value == "<b>2 of 2.</b> A tag?" and not quiz.feedback.value
    press(quiz, "b")
    assert "No: it is &lt;b&gt;." in quiz.feedback.value
    quiz.next.click()
    assert quiz.heading.value == "<b>1 of 2 were right.</b>"
    assert "What was missed comes back" in quiz.feedback.value
    assert not quiz.choices.children and quiz.next.layout.display == "none"


def test_without_a_kernel_there_is_a_sentence(quiz):
    shown = quiz._repr_mimebundle_()
    assert shown["text/html"] == "2 questions, drawn anew each time: run this cell."


def test_choices_are_told_apart_and_shuffled():
    places = set()
    for seed in range(30):
        asked = question(random.Random(seed), "?", 1000, (1000, 999, 999, 998, 997, 996), "So.")
        assert sorted(asked.choices) == ["1,000", "997", "998", "999"]
        places.add(asked.choices.index("1,000"))
    assert places == {0, 1, 2, 3}


def test_no_choice_and_no_question_are_refused():
    with pytest.raises(ValueError, match="no wrong choice beside '1': one"):
        question(random.Random(1), "one?", 1, (1, "1"), "So.")
    with pytest.raises(ValueError, match="there is no question to ask"):
        Quiz([], print)
