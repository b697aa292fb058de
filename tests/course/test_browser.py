"""Every notebook in a real JupyterLab in headless Chromium: all cells run, all controls moved, no
one else asked.

`pytest -m browser` runs these. They need Chromium (Debian: `apt-get install chromium`; or set
CHROMIUM to its path). Without it they are skipped, except where CI is set: there a missing browser
is an error. Long cells run with LLM_COURSE_QUICK=1. SHOTS names a folder for screenshots.
"""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, sync_playwright

from shared.kit.repository import ROOT, notebook_paths, short_name

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
SHOTS = os.environ.get("SHOTS")
# README's pictures of labs: PICTURES names the folder to which they are taken anew
PICTURES = os.environ.get("PICTURES")
SHOWN_IN_README = {
    "02_attention/05_inside_the_heads": "heads",
    "04_pretraining/04_decoding": "decoding",
    "04_pretraining/10_chat": "chat",
}
CHROMIUM_OPTIONS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
HANG_SECONDS = 1800  # so long no cell done and nothing shown: only then a kernel hangs
CHANGE_SECONDS, LAST_CHANGE_SECONDS = (
    7,
    120,
)  # waits for a picture to change; the last of several moves may take long
IDLE = "() => document.querySelector('#jp-main-statusbar')?.innerText.includes('| Idle')"
SETTINGS = {  # no news pop-up; all cells stay in the page, also those out of sight
    "apputils-extension/notification": '{"fetchNews": "false", "checkForUpdates": false}',
    "notebook-extension/tracker": '{"windowingMode": "none"}',
}

pytestmark = [pytest.mark.browser]
if not CHROMIUM and not os.environ.get("CI"):
    pytestmark.append(
        pytest.mark.skip(reason="no Chromium found: install it or set CHROMIUM to its path")
    )


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """A JupyterLab on the loopback with copies of all notebooks; yields its address and token."""
    home = tmp_path_factory.mktemp("jupyterlab")
    for path in [*notebook_paths(), *ROOT.glob("0*/*.py")]:
        copy = home / "course" / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    for name, text in SETTINGS.items():
        file = home / "settings" / "@jupyterlab" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex(16)
    folders = {
        "JUPYTER_CONFIG_DIR": "config",
        "JUPYTER_RUNTIME_DIR": "runtime",
        "JUPYTER_DATA_DIR": "data",
        "JUPYTERLAB_SETTINGS_DIR": "settings",
        "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
    }
    environment = (
        os.environ | {"LLM_COURSE_QUICK": "1"} | {k: str(home / v) for k, v in folders.items()}
    )
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        "--allow-root",
        "--ServerApp.ip=127.0.0.1",
        f"--ServerApp.port={port}",
        "--ServerApp.port_retries=0",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={home / 'course'}",
        "--LabApp.expose_app_in_browser=True",
    ]
    address = f"http://127.0.0.1:{port}"
    with (
        open(home / "log", "w") as log,
        subprocess.Popen(command, env=environment, stdout=log, stderr=log) as server,
    ):
        wait_for_server(f"{address}/api?token={token}", server, home / "log")
        yield address, token
        server.terminate()


def wait_for_server(url: str, server: subprocess.Popen, log: Path) -> None:
    for _ in range(3000):
        try:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url, timeout=1)
            return
        except OSError:
            assert server.poll() is None, log.read_text()
            time.sleep(0.1)
    pytest.fail("JupyterLab did not answer within five minutes:\n" + log.read_text())


@pytest.fixture(scope="module")
def browser():
    assert CHROMIUM, "CI needs Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=CHROMIUM_OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
    page.set_default_timeout(300_000)
    page.outside = []
    ours = ("http://127.0.0.1", "ws://127.0.0.1", "data:", "blob:")
    page.on(
        "request", lambda request: request.url.startswith(ours) or page.outside.append(request.url)
    )
    yield page
    page.close()


def shot(page: Page, name: str) -> None:
    if SHOTS:
        Path(SHOTS).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=Path(SHOTS, f"{name}.png"))


# A picture of a widget has a new address whenever it is drawn: each is read once.
WHAT_IS_SHOWN = """async () => {
    const sha = bytes => crypto.subtle.digest("SHA-256", bytes)
    const digest = async bytes => new Uint8Array(await sha(bytes)).join()
    const read = async address => digest(await (await fetch(address)).arrayBuffer())
    const known = window.pictures ??= new Map()
    const picture = address => {
        if (!address.startsWith('blob:')) return address
        if (!known.has(address)) known.set(address, read(address))
        return known.get(address)
    }
    const shown = document.querySelectorAll(
        '.jp-Notebook .jp-OutputArea img, .jp-Notebook .widget-html-content, '
        + '.jp-Notebook .jp-RenderedText, .jp-Notebook .widget-hprogress')
    const parts = [...shown].map(e => e.tagName === 'IMG' ? picture(e.src) : e.innerHTML)
    return digest(new TextEncoder().encode((await Promise.all(parts)).join('|')))
}"""


def take_pictures(page: Page, notebook: str) -> None:
    """README's picture of a notebook's last lab, in the light theme and in the dark one."""
    if not PICTURES or notebook not in SHOWN_IN_README:
        return
    lab = page.locator(".jp-OutputArea-output .widget-vbox").last
    for theme in ("Dark", "Light"):
        page.evaluate(
            "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})",
            f"JupyterLab {theme}",
        )
        light = str(theme == "Light").lower()
        page.wait_for_selector(f"body[data-jp-theme-light='{light}']", state="attached")
        wait_until_still(page)
        lab.scroll_into_view_if_needed()
        lab.screenshot(path=Path(PICTURES, f"{SHOWN_IN_README[notebook]}_{theme.lower()}.png"))


def what_is_shown(page: Page) -> str:
    """A digest of every figure, HTML widget and printed text; not of the controls themselves."""
    return page.evaluate(WHAT_IS_SHOWN)


def wait_until_still(page: Page, seconds: float = 0.4) -> str:
    """Wait until nothing has changed for a while; return the digest."""
    last, since = what_is_shown(page), time.monotonic()
    end = since + 60
    while time.monotonic() - since < seconds and time.monotonic() < end:
        time.sleep(0.05)
        now = what_is_shown(page)
        if now != last:
            last, since = now, time.monotonic()
    return last


def changes(page: Page, moves: list) -> str:
    """Try moves until one changes what is shown; how long it took, as text, or "" if nothing
    changed.
    """
    for move in moves:
        before, start = wait_until_still(page), time.monotonic()
        move()
        patience = LAST_CHANGE_SECONDS if move is moves[-1] else CHANGE_SECONDS
        while time.monotonic() - start < patience:
            if what_is_shown(page) != before:
                return f"{1000 * (time.monotonic() - start):.0f} ms"
            time.sleep(0.03)
    return ""


def slider_moves(page: Page, handle: Locator) -> list:
    """A few steps with the keyboard, then the far end, then the near end."""

    def press(*keys: str):
        def move() -> None:
            handle.focus()
            for key in keys:
                page.keyboard.press(key)

        return move

    at_top = handle.get_attribute("aria-valuenow") == handle.get_attribute("aria-valuemax")
    return [press(*["ArrowLeft" if at_top else "ArrowRight"] * 3), press("End"), press("Home")]


def dropdown_moves(select: Locator) -> list:
    current = select.evaluate("e => e.selectedIndex")
    others = [i for i in range(select.locator("option").count()) if i != current]
    return [lambda i=i: select.select_option(index=i) for i in others[:4]]


def text_moves(page: Page, box: Locator) -> list:
    def type_more() -> None:
        box.focus()
        page.keyboard.press("Control+End")
        page.keyboard.type(" and")
        page.keyboard.press("Tab")

    return [type_more]


def open_and_run(page: Page, lab: tuple[str, str], path: Path) -> None:
    """Open a notebook, forget its saved outputs, run all its cells and wait for the last."""
    address, token = lab
    page.goto(f"{address}/lab/tree/{path.relative_to(ROOT).as_posix()}?token={token}&reset")
    page.wait_for_selector(".jp-Notebook .jp-CodeCell")
    page.wait_for_selector(".jp-NotebookPanel .jp-Spinner", state="hidden")
    page.wait_for_function(IDLE)
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")
    seen, since = None, time.monotonic()
    while any(cell["count"] is None for cell in cells_of(page)) and not unmeant_errors(page):
        now = what_is_shown(page), cells_of(page)
        if now != seen:
            seen, since = now, time.monotonic()
        if time.monotonic() - since > HANG_SECONDS:
            pytest.fail(f"nothing has happened for {HANG_SECONDS} s: {cells_of(page)}")
        time.sleep(0.5)
    page.wait_for_function(IDLE)


def cells_of(page: Page) -> list[dict]:
    """Count of execution, tags and errors of each code cell that holds code."""
    return page.evaluate(
        """() => window.jupyterapp.shell.currentWidget.content.widgets.map(w => w.model).filter(
        m => m.type === 'code' && m.sharedModel.getSource().trim()).map(m => ({
            count: m.executionCount, tags: m.getMetadata('tags') ?? [],
            errors: m.outputs.toJSON().filter(o => o.output_type === 'error').map(
                o => `${o.ename}: ${o.evalue}`)}))"""
    )


def unmeant_errors(page: Page) -> list[str]:
    return [
        error
        for cell in cells_of(page)
        if "raises-exception" not in cell["tags"]
        for error in cell["errors"]
    ]


@pytest.mark.parametrize("path", notebook_paths(), ids=lambda p: f"{p.parent.name}/{p.stem}")
def test_notebook(lab, page, path):
    open_and_run(page, lab, path)
    assert not unmeant_errors(page)
    take_pictures(page, short_name(path))
    notebook = page.locator(".jp-Notebook")
    kinds = {
        "slider": (".widget-slider .noUi-handle", lambda c: slider_moves(page, c)),
        "list": (".widget-dropdown select", dropdown_moves),
        "box": (".widget-checkbox input", lambda c: [c.click]),
        "text": (".widget-text input, .widget-textarea textarea", lambda c: text_moves(page, c)),
        "button": ("button.jupyter-button:not([disabled])", lambda c: [c.click]),
    }
    report = []
    for kind, (selector, moves) in kinds.items():
        for i in range(notebook.locator(selector).count()):
            control = notebook.locator(selector).nth(i)
            if not control.is_visible() or control.is_disabled():
                continue
            control.scroll_into_view_if_needed()
            took = changes(page, moves(control))
            assert took, f"{kind} {i} was moved, and nothing changed"
            report.append(f"{kind} {i}: {took}")
            wait_until_still(page)
            shot(page, f"{path.parent.name}_{path.stem}_{kind}{i}")
    print(f"{path.stem}: " + (", ".join(report) or "no controls"))
    assert notebook.locator(".lab-error").count() == 0, notebook.locator(
        ".lab-error"
    ).first.inner_text()
    assert not unmeant_errors(page)
    assert not page.outside, f"the page asked the internet for {page.outside}"
    shot(page, f"{path.parent.name}_{path.stem}")
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")


# ---- the chat box


def box_notebook(source: str) -> dict:
    """A notebook with one cell, as Jupyter's contents service takes it."""
    cell = {"cell_type": "code", "id": "box", "source": source, "metadata": {}, "outputs": []}
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": kernel},
        "cells": [cell | {"execution_count": None}],
    }


COUNTING = """
import itertools
from shared.kit.chat_box import ChatBox

def answer(message, system, temperature, top_p):
    numbers = itertools.count(1) if message == "count without an end" else range(1, 4)
    return (f"{message} {number}; " for number in numbers)

ChatBox(answer, lambda: None, lambda draft, system: f"<p>draft: {draft}; system: {system}</p>")
"""


def test_a_chat_box_is_talked_to_stopped_and_emptied(lab, page):
    """Every step waits for what it must bring about: a slow machine needs longer, and no less."""
    address, token = lab
    page.goto(f"{address}/lab?token={token}&reset")
    page.wait_for_function("() => window.jupyterapp?.serviceManager?.isReady")
    page.evaluate(
        """notebook => window.jupyterapp.serviceManager.contents.save(
        'chat_box.ipynb', {type: 'notebook', format: 'json', content: notebook})""",
        box_notebook(COUNTING),
    )
    open_and_run(page, lab, ROOT / "chat_box.ipynb")
    notebook = page.locator(".jp-Notebook")
    line = notebook.locator(".widget-text input")
    said = notebook.locator(".widget-html-content")

    def press(name: str) -> None:
        notebook.locator(f"button.jupyter-button:not([disabled]):has-text('{name}')").click()

    def wait_for(words: str) -> None:
        said.filter(has_text=words).first.wait_for()

    line.fill("hello")
    line.press("Enter")
    wait_for("hello 3;")
    assert line.input_value() == ""

    line.press_sequentially("count without an end")
    line.press("Enter")
    wait_for("count without an end 5;")
    shot(page, "chat_box_writing")
    press("Stop")
    wait_for("stopped")
    notebook.locator("button.jupyter-button[disabled]:has-text('Stop')").wait_for()
    stopped = said.filter(has_text="count without an end 5;").first.inner_text()

    line.fill("once more")
    press("Send")
    wait_for("once more 3;")
    # what was stopped has written nothing since
    assert stopped.strip() in said.filter(has_text="once more 3;").first.inner_text()
    shot(page, "chat_box_stopped")

    line.fill("only a draft")
    line.press("Tab")
    wait_for("draft: only a draft")
    press("New")
    wait_for("a new conversation")
    said.filter(has_text="hello 3;").wait_for(state="detached")
    assert line.input_value() == "only a draft"
    assert not unmeant_errors(page) and notebook.locator(".lab-error").count() == 0
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
