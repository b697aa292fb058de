"""One small vocabulary for labs: a plain function that draws, its controls, its picture."""

import asyncio
import base64
import html
import io
import math
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import ipywidgets as W
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

WAIT_SECONDS = 0.05  # moves closer together than this share one redraw
WIDE = {"description_width": "initial"}
LAYOUT = W.Layout(width="560px", max_width="100%")


def slider(label: str, value: float, low: float, high: float, step: float = 1) -> W.Widget:
    """A slider of whole numbers, or of decimals if one of its numbers is one.

    The label names the unit.
    """
    whole = all(isinstance(x, int) for x in (value, low, high, step))
    kind = W.IntSlider if whole else W.FloatSlider
    return kind(
        value=value, min=low, max=high, step=step, description=label, style=WIDE, layout=LAYOUT
    )


def log_slider(label: str, value: float, low: int, high: int, step: float = 0.25) -> W.Widget:
    """A slider from 10**low to 10**high; starts at its step next to the value, as browsers do."""
    steps = round((math.log10(value) - low) / step)
    return W.FloatLogSlider(
        value=10 ** (low + steps * step),
        base=10,
        min=low,
        max=high,
        step=step,
        description=label,
        style=WIDE,
        layout=LAYOUT,
        readout_format=".1e",
    )


def choice(label: str, options: Any, value: Any = None) -> W.Dropdown:
    """A drop-down list; the first option is chosen unless `value` names another."""
    widget = W.Dropdown(options=options, description=label, style=WIDE, layout=LAYOUT)
    if value is not None:
        widget.value = value
    return widget


def switch(label: str, value: bool = False) -> W.Checkbox:
    """A box to tick."""
    return W.Checkbox(value=value, description=label, indent=False, layout=LAYOUT)


def textbox(label: str, value: str, rows: int = 1) -> W.Widget:
    """A place to type."""
    kind = W.Text if rows == 1 else W.Textarea
    return kind(value=value, description=label, style=WIDE, layout=W.Layout(width="720px"))


@contextmanager
def closed_figures() -> Iterator[None]:
    """Close the figures that the code inside leaves open in pyplot, so that no cell shows them."""
    before = plt.get_fignums()
    try:
        yield
    finally:
        for number in set(plt.get_fignums()) - set(before):
            plt.close(number)


def png_bytes(figure: Figure) -> bytes:
    """A figure as a PNG file; closes the figure, so that it is not shown a second time."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=80, bbox_inches="tight")
    plt.close(figure)
    return buffer.getvalue()


def align(controls: dict[str, W.Widget]) -> None:
    """Give all labels left of their control one width, so that all controls begin at one line."""
    labelled = [control for control in controls.values() if not isinstance(control, W.Checkbox)]
    longest = max((len(control.description) for control in labelled), default=0)
    width = f"{0.6 * longest + 1:.1f}em"  # 1: a short label of wide letters is not cut
    for control in controls.values():
        if control in labelled:
            control.style.description_width = width
        else:  # a box's text stands behind it
            control.layout = W.Layout(margin=f"2px 2px 2px {width}")


def error_html(error: Exception) -> str:
    """An error as one line in the page's own colour for errors, light or dark."""
    text = "".join(traceback.format_exception_only(error)).strip()
    style = "color:var(--jp-error-color1,#b00020)"
    return f'<span class="lab-error" style="{style}">{html.escape(text)}</span>'


def values_of(controls: dict[str, W.Widget]) -> dict[str, Any]:
    """The values that the controls have now, by name."""
    return {name: control.value for name, control in controls.items()}


def kernel_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop in which the kernel runs the cells; None without a kernel, as in a test."""
    with suppress(RuntimeError):
        return asyncio.get_running_loop()


def as_tuple(result: Any) -> tuple:
    """What a lab's function returned or yielded, always as a tuple of parts."""
    return result if isinstance(result, tuple) else (result,)


def new_part(part: Any) -> W.Widget:
    """A widget that shows a figure or HTML."""
    if not isinstance(part, Figure):
        return W.HTML(part)
    at_its_size = W.Layout(align_self="flex-start", max_width="100%")  # stretched it would blur
    return W.Image(value=png_bytes(part), format="png", layout=at_its_size)


def update_parts(widgets: list[W.Widget], parts: tuple) -> None:
    """Show other figures and HTML in the same widgets; a part that is None leaves its widget."""
    for widget, part in zip(widgets, parts, strict=True):
        if part is not None:
            widget.value = png_bytes(part) if isinstance(part, Figure) else part


class Lab:
    """Controls above what `draw` returns for their values: a figure, HTML, or a tuple of these.

    Without a kernel (GitHub, print) the saved notebook shows the picture of the first values.
    Quick moves share one redraw. An error in `draw` is shown in place and leaves the last picture;
    without an event loop it is raised. JupyterLab tells of a moved control in a second thread; the
    drawing is done in that of the cells, so that never two touch a model or pyplot at once. While a
    long cell runs, the lab waits and says so.
    """

    def __init__(self, draw: Callable[..., Any], **controls: W.Widget) -> None:
        self.draw = draw
        self.controls = controls
        align(controls)
        self.message = W.HTML()
        with closed_figures():
            self.parts = [new_part(part) for part in self.results()]
        self.box = W.VBox([*controls.values(), self.message, *self.parts])
        self.loop = kernel_loop()
        self.waiting: asyncio.TimerHandle | None = None
        for control in controls.values():
            control.observe(self.on_change, names="value")

    def results(self) -> tuple:
        """What `draw` returns for the controls' values."""
        return as_tuple(self.draw(**values_of(self.controls)))

    def redraw(self) -> None:
        """Draw again for the values that the controls have now."""
        self.waiting = None
        with closed_figures():
            update_parts(self.parts, self.results())
        self.message.value = ""

    def on_change(self, change: Any) -> None:
        """Ask the loop for a redraw; without a loop (a test) redraw at once."""
        if self.loop is None:
            return self.redraw()
        self.message.value = "<i>working ...</i>"
        self.loop.call_soon_threadsafe(self.redraw_soon)

    def redraw_soon(self) -> None:
        """Redraw in a moment, unless another move comes in between."""
        if self.waiting:
            self.waiting.cancel()
        self.waiting = self.loop.call_later(WAIT_SECONDS, self.redraw_or_explain)

    def redraw_or_explain(self) -> None:
        """Redraw, or show the error."""
        try:
            self.redraw()
        except Exception as error:
            self.message.value = error_html(error)

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        bundle = self.box._repr_mimebundle_()
        bundle["text/plain"] = f"<Lab: {', '.join(self.controls)}>"
        for widget in self.parts:
            if isinstance(widget, W.Image):
                bundle.setdefault("image/png", base64.b64encode(widget.value).decode())
            else:
                bundle.setdefault("text/html", widget.value)
        return bundle
