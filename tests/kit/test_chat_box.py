"""The chat box: send, stop, new, and what is shown. No test here knows of time: they wait for what
must happen, however long it takes.
"""

import asyncio
import threading

import pytest

from shared.kit import settled_text
from shared.kit.chat_box import ChatBox


class Model:
    """Answers with numbers: as many as the message says, or without an end."""

    def __init__(self):
        self.asked, self.closed, self.restarts, self.written = [], [], 0, 0
        self.threads = set()

    def answer(self, message, system, temperature, top_p):
        self.asked.append((message, system, temperature, top_p))
        number = 0
        try:
            while message == "endless" or number < int(message):
                self.threads.add(threading.get_ident())
                number += 1
                self.written = number
                yield f"{number} "
        finally:
            self.closed.append(message)

    def restart(self):
        self.restarts += 1

    def seen(self, draft, system):
        return f"<p>{len(self.asked)} asked, draft {draft!r}, system {system!r}</p>"

    def box(self, **options):
        return ChatBox(self.answer, self.restart, self.seen, **options)


@pytest.fixture
def model():
    return Model()


def enter(box, text):
    """As the browser does it: Enter first, then the text."""
    box.line.widget._handle_custom_msg({"event": "submit"}, [])
    box.line.widget.set_state({"value": text})


# ---- without an event loop


def test_a_message_is_answered_and_shown(model):
    box = model.box(system="Be kind.")
    enter(box, "3")
    assert model.asked == [("3", "Be kind.", 0.0, 0.9)]
    assert box.said == [["user", "3"], ["assistant", "1 2 3 "]] and "1 2 3 " in box.transcript.value
    assert box.line.widget.value == "" and box.stop_button.disabled and box.message.value == ""
    assert "1 asked" in box.seen_part.value


def test_the_button_sends_too(model):
    box = model.box()
    box.line.widget.set_state({"value": "2"})
    box.send_button.click()
    assert box.said[-1] == ["assistant", "1 2 "]


def test_the_first_message_is_answered_for_readers_without_a_kernel(model):
    box = model.box(first="2")
    bundle = box._repr_mimebundle_()
    assert "1 2 " in bundle["text/html"] and "1 asked" in bundle["text/html"]
    assert bundle["text/plain"].startswith("<ChatBox") and len(model.asked) == 1


def test_new_begins_anew(model):
    box = model.box(first="2")
    box.new_button.click()
    assert box.said == [] and model.restarts == 1 and "new conversation" in box.message.value


def test_a_draft_and_another_system_prompt_are_shown(model):
    box = model.box()
    box.line.widget.set_state({"value": "draft"})
    assert "draft 'draft'" in box.seen_part.value
    box.system.set_state({"value": "Be kind."})
    assert "Be kind." in box.seen_part.value and "system prompt" in box.message.value
    box.temperature.set_state({"value": 1.2})
    assert "temperature is now 1.2" in box.message.value
    box.line.widget.set_state({"value": ""})
    enter(box, "1")
    assert model.asked == [("1", "Be kind.", 1.2, 0.9)]


def test_an_error_is_shown_and_the_next_message_is_answered(model):
    box = model.box()
    enter(box, "no number")
    assert "invalid literal" in box.message.value and "lab-error" in box.message.value
    assert box.stop_button.disabled
    enter(box, "1")
    assert box.said[-1] == ["assistant", "1 "] and box.message.value == ""


def test_what_is_said_is_text_and_no_html(model):
    box = ChatBox(lambda *given: iter(["<b>&\nx"]), model.restart, model.seen)
    enter(box, "<script>")
    assert "&lt;script&gt;" in box.transcript.value and "<b>" not in box.transcript.value
    assert "&lt;b&gt;&amp;<br>x" in box.transcript.value


# ---- in an event loop, as in a kernel


def in_a_kernel(drive):
    """Run a test with an event loop; it fails, rather than hangs, if a wait has no end."""
    asyncio.run(asyncio.wait_for(drive(), 600))


async def until(condition):
    while not condition():
        await asyncio.sleep(0)


@pytest.fixture
def no_waits(monkeypatch):
    monkeypatch.setattr(settled_text, "SETTLE_SECONDS", 0.0)


def test_stop_ends_an_answer_that_has_no_end(model, no_waits):
    async def drive():
        box = model.box()
        enter(box, "endless")
        await until(lambda: model.written >= 3)
        assert not box.stop_button.disabled and "writing" in box.message.value
        box.stop_button.click()
        await until(lambda: model.closed)
        for _ in range(5):  # what is left of the work does not wipe the message out
            await asyncio.sleep(0.02)
        assert box.stop_button.disabled and "stopped" in box.message.value
        said = box.said[-1][1]
        assert said.startswith("1 2 3 ")
        enter(box, "2")
        await until(lambda: model.closed == ["endless", "2"])
        assert box.said[1][1] == said and box.said[-1] == ["assistant", "1 2 "]

    in_a_kernel(drive)


def test_a_stop_from_another_thread_is_heard_and_all_is_written_in_one(model, no_waits):
    """JupyterLab tells of a click in a thread of its own."""

    async def drive():
        box = model.box()
        here = threading.get_ident()
        for click in (lambda: enter(box, "endless"), box.stop_button.click):
            thread = threading.Thread(target=click)
            thread.start()
            thread.join()
            await until(lambda: model.written >= 2)
        await until(lambda: model.closed)
        assert model.threads == {here} and "stopped" in box.message.value

    in_a_kernel(drive)


def test_new_stops_what_is_being_written(model, no_waits):
    async def drive():
        box = model.box()
        enter(box, "endless")
        await until(lambda: model.written >= 2)
        box.new_button.click()
        await until(lambda: model.restarts)
        assert model.closed == ["endless"] and box.said == []
        written = model.written
        for _ in range(5):
            await asyncio.sleep(0.02)
        assert model.written == written and box.said == [], "the old answer goes on"

    in_a_kernel(drive)


def test_a_message_while_an_answer_is_written_waits_in_the_line(model, no_waits):
    async def drive():
        box = model.box()
        enter(box, "endless")
        await until(lambda: model.written >= 2)
        enter(box, "3")
        await until(lambda: "press Stop first" in box.message.value)
        assert len(model.asked) == 1 and box.line.widget.value == "3"
        box.stop_button.click()
        await until(lambda: model.closed)
        box.send_button.click()
        await until(lambda: "3" in model.closed)
        assert box.said[-1] == ["assistant", "1 2 3 "]

    in_a_kernel(drive)


def test_the_last_letters_may_come_after_enter(model):
    async def drive():
        box = model.box()
        box.line.widget.set_state({"value": "1"})
        box.line.widget._handle_custom_msg({"event": "submit"}, [])
        box.line.widget.set_state({"value": "12"})
        await until(lambda: model.closed)
        assert [asked[0] for asked in model.asked] == ["12"]

    in_a_kernel(drive)
