"""The lab: values in, picture out; errors shown in place; quick moves share one redraw."""

import asyncio
import threading

import matplotlib.pyplot as plt
import pytest

from shared.kit.widgets import Lab, choice, log_slider, slider, switch, textbox


def draw_figure(x: int) -> plt.Figure:
    figure, ax = plt.subplots()
    ax.plot([0, x], [0, 1])
    return figure


def test_a_moved_slider_draws_another_picture_and_closes_its_figures():
    plt.close("all")
    lab = Lab(draw_figure, x=slider("x (tokens)", 1, 0, 5))
    before = lab.parts[0].value
    lab.controls["x"].set_state({"value": 4})  # the browser's way
    assert lab.parts[0].value != before and bytes(lab.parts[0].value).startswith(b"\x89PNG")
    assert plt.get_fignums() == []


def test_a_saved_notebook_shows_the_first_picture():
    bundle = Lab(
        lambda x: (draw_figure(x), f"<b>{x}</b>"), x=slider("x", 1, 0, 5)
    )._repr_mimebundle_()
    assert bundle["text/html"] == "<b>1</b>" and bundle["text/plain"] == "<Lab: x>"
    assert bundle["image/png"] and "application/vnd.jupyter.widget-view+json" in bundle


def test_without_a_kernel_an_error_is_raised():
    lab = Lab(lambda text: f"{1 / len(text):.2f}", text=textbox("text", "a"))
    with pytest.raises(ZeroDivisionError):
        lab.controls["text"].value = ""


def test_in_a_kernel_quick_moves_share_one_redraw_and_errors_are_shown():
    drawn = []

    def draw(x: int, on: bool) -> str:
        drawn.append(x)
        if x == 9:
            raise ValueError("nine <is> too much")
        return str(x)

    async def use() -> Lab:
        lab = Lab(draw, x=slider("x", 0, 0, 10), on=switch("on"))
        for value in range(1, 6):
            lab.controls["x"].value = value
        assert "working" in lab.message.value
        await asyncio.sleep(0.2)
        assert drawn == [0, 5] and lab.parts[0].value == "5" and lab.message.value == ""
        lab.controls["x"].value = 9
        await asyncio.sleep(0.2)
        return lab

    lab = asyncio.run(use())
    assert "nine &lt;is&gt; too much" in lab.message.value and lab.parts[0].value == "5"


def test_what_a_second_thread_moves_is_drawn_in_the_thread_of_the_cells():
    names = []

    def draw(x: int) -> str:
        names.append(threading.current_thread().name)
        return str(x)

    async def use() -> Lab:
        lab = Lab(draw, x=slider("x", 0, 0, 10))
        await asyncio.to_thread(lab.controls["x"].set_state, {"value": 7})
        await asyncio.sleep(0.2)
        return lab

    lab = asyncio.run(use())
    assert lab.parts[0].value == "7"
    assert names == [threading.main_thread().name] * 2


def test_figures_of_a_drawing_that_fails_are_closed_and_others_stay():
    def draw(x: int) -> plt.Figure:
        figure = draw_figure(x)
        if x:
            raise ValueError("no")
        return figure

    plt.close("all")
    plt.figure(7)  # a learner's own
    lab = Lab(draw, x=slider("x", 0, 0, 5))
    with pytest.raises(ValueError, match="no"):
        lab.controls["x"].value = 3
    assert plt.get_fignums() == [7]
    plt.close("all")


def test_a_long_label_of_a_box_pushes_no_slider_aside():
    lab = Lab(
        lambda x, on: "",
        x=slider("x (m)", 1, 0, 5),
        on=switch("a much longer text beside a box to tick"),
    )
    assert lab.controls["x"].style.description_width == "4.0em"
    assert lab.controls["on"].layout.margin.endswith(" 4.0em")


def test_controls():
    assert isinstance(slider("n", 1, 0, 2).value, int) and isinstance(
        slider("p", 1, 0, 2, 0.1).value, float
    )
    assert choice("kind", ["a", "b"], "b").value == "b" and choice("kind", ["a", "b"]).value == "a"
    assert log_slider("rate", 1e-3, -5, 0).value == pytest.approx(1e-3)
    assert log_slider("rate", 3e-3, -5, 0).value == pytest.approx(10**-2.5), "on one of its steps"
