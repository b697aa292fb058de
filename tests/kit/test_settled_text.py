"""Enter is told before the last letters: the text is read when it is whole, and once.

Waits are replaced by a clock that the test moves, so nothing here depends on how fast a machine is.
"""

from shared.kit.settled_text import LATE_SECONDS, SETTLE_SECONDS, SettledText


class Timer:
    def __init__(self, due, step):
        self.due, self.step, self.cancelled = due, step, False

    def cancel(self):
        self.cancelled = True


class Clock:
    """An event loop that does nothing by itself: `move` lets time pass."""

    def __init__(self):
        self.now, self.timers = 0.0, []

    def call_soon_threadsafe(self, step):
        step()

    def call_later(self, seconds, step):
        self.timers.append(Timer(self.now + seconds, step))
        return self.timers[-1]

    def move(self, seconds):
        self.now += seconds
        for timer in list(self.timers):
            if timer.due <= self.now and not timer.cancelled:
                timer.cancelled = True
                timer.step()


def field(loop=None):
    """A text field and what has happened to it: ("send", text), ("draft",), ("nothing",)."""
    events = []
    line = SettledText(
        "type",
        send=lambda text: events.append(("send", text)),
        draft=lambda: events.append(("draft",)),
        nothing=lambda: events.append(("nothing",)),
    )
    line.loop = loop
    return line, events


def sends(events):
    return [event[1] for event in events if event[0] == "send"]


def enter(line):
    line.widget._handle_custom_msg({"event": "submit"}, [])


def arrive(line, text):
    """Text comes from the browser."""
    line.widget.set_state({"value": text})


def test_text_before_enter():
    clock = Clock()
    line, events = field(clock)
    arrive(line, "hello")
    assert events == [("draft",)]
    enter(line)
    assert not sends(events)
    clock.move(SETTLE_SECONDS)
    assert sends(events) == ["hello"] and line.widget.value == ""


def test_enter_before_any_text():
    clock = Clock()
    line, events = field(clock)
    enter(line)
    clock.move(5 * SETTLE_SECONDS)
    assert events == []
    arrive(line, "hello")
    clock.move(SETTLE_SECONDS)
    assert sends(events) == ["hello"]


def test_enter_before_the_last_letters():
    clock = Clock()
    line, events = field(clock)
    arrive(line, "good")
    enter(line)
    clock.move(0.9 * SETTLE_SECONDS)
    arrive(line, "good morning")
    clock.move(0.9 * SETTLE_SECONDS)
    assert not sends(events)
    clock.move(SETTLE_SECONDS)
    assert sends(events) == ["good morning"]


def test_each_enter_sends_once():
    clock = Clock()
    line, events = field(clock)
    for text in ("one", "two"):
        enter(line)
        enter(line)
        arrive(line, text)
        clock.move(20 * LATE_SECONDS)
        clock.move(20 * LATE_SECONDS)
    assert sends(events) == ["one", "two"]


def test_enter_without_any_text_is_forgotten_after_a_while():
    clock = Clock()
    line, events = field(clock)
    enter(line)
    clock.move(LATE_SECONDS)
    assert events == [("nothing",)]
    arrive(line, "a draft")
    clock.move(20 * LATE_SECONDS)
    assert not sends(events)


def test_forgotten():
    clock = Clock()
    line, events = field(clock)
    arrive(line, "hello")
    enter(line)
    line.forget()
    clock.move(20 * LATE_SECONDS)
    assert not sends(events) and line.widget.value == "hello"


def test_without_a_loop_all_is_done_at_once():
    line, events = field()
    arrive(line, " hello ")
    enter(line)
    assert sends(events) == ["hello"]
    enter(line)
    arrive(line, "late")
    assert sends(events) == ["hello", "late"]


def test_other_messages_of_the_browser_are_no_enter():
    line, events = field()
    arrive(line, "hello")
    line.widget._handle_custom_msg({"event": "other"}, [])
    assert not sends(events)
