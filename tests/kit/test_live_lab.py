"""The lab that works between Run and Stop."""

import asyncio
import threading
from collections.abc import Callable, Iterator

import matplotlib.pyplot as plt

from shared.kit.live_lab import LiveLab
from shared.kit.widgets import slider, textbox


def counting(to: int, label: str) -> Iterator[str]:
    if to > 90:
        raise ValueError("too far")
    for i in range(1, to + 1):
        yield f"{label} {i}"


def make_lab(draw: Callable[..., Iterator] = counting) -> LiveLab:
    return LiveLab(draw, to=slider("to", 3, 1, 100), label=textbox("label", "at"))


def test_a_live_lab_shows_the_last_of_its_first_values_and_runs_again():
    lab = make_lab()
    assert lab.parts[0].value == "at 3" and lab._repr_mimebundle_()["text/html"] == "at 3"
    lab.controls["to"].value = 5
    assert lab.parts[0].value == "at 3" and "press Run" in lab.message.value, (
        "it should wait for Run"
    )
    lab.run_button.click()
    assert lab.parts[0].value == "at 5"


def test_a_part_that_is_not_yielded_stays_as_it_was():
    def draw(to):
        yield "cost", "working"
        yield None, f"score {to}"

    lab = LiveLab(draw, to=slider("to", 3, 1, 100))
    assert [part.value for part in lab.parts] == ["cost", "score 3"]


def test_a_live_lab_in_a_kernel_is_run_stopped_and_explains_errors():
    async def drive():
        lab = make_lab()
        lab.controls["to"].value = 50
        lab.run_button.click()
        await asyncio.sleep(0.1)
        assert "working" in lab.message.value and not lab.stop_button.disabled
        lab.stop_button.click()
        stopped = lab.parts[0].value
        await asyncio.sleep(0.1)
        assert (
            lab.parts[0].value == stopped != "at 50"
            and lab.message.value == "stopped"
            and lab.stop_button.disabled
        )
        lab.controls["to"].value = 2
        lab.run_button.click()
        await asyncio.sleep(0.2)
        assert (
            lab.parts[0].value == "at 2"
            and lab.message.value == "done"
            and lab.stop_button.disabled
        )
        lab.controls["to"].value = 91
        lab.run_button.click()
        await asyncio.sleep(0.1)
        assert "ValueError: too far" in lab.message.value and lab.parts[0].value == "at 2"

    asyncio.run(drive())


def test_a_new_run_ends_the_old_one():
    async def drive():
        lab = make_lab()
        lab.controls["to"].value = 60
        lab.run_button.click()
        await asyncio.sleep(0.05)
        lab.controls["label"].value = "new"
        lab.run_button.click()
        await asyncio.sleep(0.1)
        assert lab.parts[0].value.startswith("new")
        lab.stop_button.click()

    asyncio.run(drive())


def test_a_moved_control_is_named_as_the_learner_sees_it():
    lab = LiveLab(lambda x: iter(["drawn"]), x=slider("rate <a step>", 0.1, 0.0, 1.0, 0.05))
    lab.controls["x"].value = 0.15000000000000002
    assert lab.message.value == "<i>rate &lt;a step&gt; is now 0.15: press Run</i>"


def test_what_a_second_thread_presses_is_run_in_the_thread_of_the_cells():
    names = []

    def draw(x: int) -> Iterator[str]:
        names.append(threading.current_thread().name)
        yield str(x)

    async def use() -> LiveLab:
        lab = LiveLab(draw, x=slider("x", 0, 0, 10))
        await asyncio.to_thread(lab.controls["x"].set_state, {"value": 8})
        await asyncio.to_thread(lab.run_button.click)
        await asyncio.sleep(0.2)
        return lab

    assert asyncio.run(use()).parts[0].value == "8"
    assert names == [threading.main_thread().name] * 2


def test_no_figure_is_left_open_by_a_run_a_stop_or_an_error():
    drawn = []

    def draw(x: int) -> Iterator[plt.Figure]:
        for i in range(x):
            figure, _ = plt.subplots()
            drawn.append(i)
            if i == 30:
                raise ValueError("thirty is too many")
            yield figure

    async def drive() -> None:
        lab = LiveLab(draw, x=slider("x", 2, 1, 100))
        lab.controls["x"].value = 20
        lab.run_button.click()
        while len(drawn) < 5:
            await asyncio.sleep(0.01)
        lab.stop_button.click()
        await asyncio.sleep(0.1)
        assert plt.get_fignums() == [] and len(drawn) < 22
        lab.controls["x"].value = 40
        lab.run_button.click()
        while not lab.stop_button.disabled:
            await asyncio.sleep(0.01)
        assert "thirty" in lab.message.value and plt.get_fignums() == []

    plt.close("all")
    asyncio.run(drive())


def test_a_run_that_another_press_replaces_at_once_does_no_step():
    begun = []

    def draw(x: int) -> Iterator[str]:
        begun.append(x)
        yield str(x)

    async def drive() -> None:
        lab = LiveLab(draw, x=slider("x", 0, 0, 10))
        lab.run_button.click()
        lab.run_button.click()
        await asyncio.sleep(0.1)

    asyncio.run(drive())
    assert len(begun) == 2, "the first values, and one of the two presses"
