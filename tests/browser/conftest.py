"""A real JupyterLab (and Notebook 7) with real kernels in headless Chromium; one server and one page for a module."""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).resolve().parents[2]
# Keeps the browser from looking up hosts; none of these is needed for it to run.
QUIET = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
]  # fmt: skip
# The open notebook. The current widget may be another one: JupyterLab puts a launcher where nothing is open.
PANEL = """(() => { const shell = window.jupyterapp.shell; const isOne = w => w?.context?.sessionContext && !w.isDisposed;
    return isOne(shell.currentWidget) ? shell.currentWidget : [...shell.widgets('main')].find(isOne); })()"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def need(there: bool, reason: str) -> None:
    """Skip with `reason` when a need cannot be had; in CI that is a failure."""
    if not there and os.environ.get("CI"):
        pytest.fail(f"in CI nothing may skip: {reason}")
    if not there:
        pytest.skip(reason)


def find_browser() -> tuple[str | None, str]:
    """Path of a browser and "", or None and why there is none.

    One that is there, else Debian's package where apt-get may install it, else Playwright's own download.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return found, ""
    said = []
    if shutil.which("apt-get") and hasattr(os, "geteuid") and os.geteuid() == 0:
        environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (["update"], ["install", "-y", "--no-install-recommends", "chromium", "fonts-dejavu-core"]):
            done = subprocess.run(
                ["apt-get", "-qq", *command], env=environ, capture_output=True, text=True, check=False
            )
            said.append(done.stderr.strip()[-200:])
        if found := shutil.which("chromium"):
            return found, ""
    done = subprocess.run(
        [sys.executable, "-m", "playwright", "install", "chromium"], capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            return playwright.chromium.executable_path, ""
    return None, f"no Chromium could be had: {said[-1] if said else ''} {done.stderr.strip()[-200:]}"


@dataclass
class Server:
    """A Jupyter server of a test module: its address, token, folder of notebooks, and process."""

    url: str
    token: str
    root: Path
    process: subprocess.Popen[bytes]
    log: Path
    environ: dict[str, str] = field(default_factory=dict)

    def write(self, name: str, *cells: Any, **metadata: Any) -> Path:
        """A notebook in the server's folder: strings are code cells, the rest are nbformat cells."""
        made = [nbformat.v4.new_code_cell(cell) if isinstance(cell, str) else cell for cell in cells]
        node = nbformat.v4.new_notebook(cells=made)
        node.metadata.kernelspec = {"name": "python3", "display_name": "Python 3", "language": "python"}
        node.metadata.update(metadata)
        nbformat.write(node, self.root / name)
        return self.root / name

    def configure(self, **settings: Any) -> None:
        """Change the user's settings file: it counts from the next request on."""
        folder = Path(self.environ["NBCOPILOT_CONFIG_DIR"])
        folder.mkdir(parents=True, exist_ok=True)
        lines = (f"{name} = {json.dumps(value)}" for name, value in settings.items())
        (folder / "config.toml").write_text("\n".join(lines))

    def stop(self) -> None:
        """End the server, and the engine that it may have started: that one would live for half an hour."""
        subprocess.run(
            [sys.executable, "-m", "nbcopilot", "stop"], env=self.environ, capture_output=True, timeout=180, check=False
        )
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait(60)


def start_server(
    folder: Path,
    *,
    app: str = "jupyterlab",
    environ: dict[str, str] | None = None,
    python: str = sys.executable,
    shared: bool = False,
) -> Server:
    """A running server of the environment of `python`, with settings of its own; answers GET /api when this returns.

    shared: notebooks are edited together (jupyter-collaboration), which is off otherwise.
    """
    token, root = secrets.token_hex(8), folder / "notebooks"
    places = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")
    env = {**os.environ, **{f"JUPYTER_{name}": str(folder / name.lower()) for name in places}}
    env |= {
        "JUPYTERLAB_SETTINGS_DIR": str(folder / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(folder / "workspaces"),
    }
    env |= {"IPYTHONDIR": str(folder / "ipython"), "NBCOPILOT_CONFIG_DIR": str(folder / "nbcopilot")}
    env |= {"PYTHONUNBUFFERED": "1", **(environ or {})}
    env["PATH"] = f"{Path(python).parent}{os.pathsep}{env['PATH']}"
    for place in (root, *(Path(env[f"JUPYTER_{name}"]) for name in places)):
        place.mkdir(parents=True, exist_ok=True)
    runtime = folder / "run"
    runtime.mkdir(mode=0o700, exist_ok=True)
    env.setdefault("NBCOPILOT_RUNTIME_DIR", str(runtime))
    if "NBCOPILOT_MODEL" not in env:  # a fake one, which some tests slow down: it must not be cut before they stop it
        env.setdefault("NBCOPILOT_ANSWER_SECONDS", "0")
    news = folder / "settings" / "@jupyterlab" / "apputils-extension" / "notification.jupyterlab-settings"
    news.parent.mkdir(parents=True, exist_ok=True)
    news.write_text(json.dumps({"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True}))
    if not shared:  # as if it were not installed
        lab = Path(env["JUPYTER_CONFIG_DIR"]) / "labconfig"
        lab.mkdir()
        off = {"@jupyter/collaboration-extension": True, "@jupyter/docprovider-extension": True}
        (lab / "page_config.json").write_text(json.dumps({"disabledExtensions": off}))
    command = [
        python, "-m", app, "--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1",
        "--ServerApp.port=0", f"--ServerApp.root_dir={root}",  # a free one; it tells which
        f"--IdentityProvider.token={token}", "--LabApp.expose_app_in_browser=True",
        "--JupyterNotebookApp.expose_app_in_browser=True", "--LabApp.extension_manager=readonly",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        f"--YDocExtension.disable_rtc={not shared}",
    ]  # fmt: skip
    log = folder / "server.log"
    with log.open("wb") as sink:
        process = subprocess.Popen(command, env=env, stdout=sink, stderr=subprocess.STDOUT, cwd=folder)
    server = Server("", token, root, process, log, env)
    if "NBCOPILOT_MODEL" not in env:
        server.configure(model="fake")
    told = Path(env["JUPYTER_RUNTIME_DIR"]) / f"jpserver-{process.pid}.json"
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError, ValueError):  # not there, or half of it, or not listening yet
            server.url = f"http://127.0.0.1:{json.loads(told.read_text())['port']}"
            with urllib.request.urlopen(f"{server.url}/api", timeout=10):
                return server
        time.sleep(0.2)
    server.stop()
    raise RuntimeError(f"the server did not start:\n{log.read_text()[-3000:]}")


class Lab:
    """A page of JupyterLab or Notebook 7. Drives by commands, reads the shared model: cells may not be in the DOM."""

    def __init__(self, page: Any, server: Server, *, classic: bool = False) -> None:
        self.page, self.server, self.classic = page, server, classic
        self.errors: list[str] = []
        page.on("pageerror", lambda error: self.errors.append(f"{error} {getattr(error, 'stack', '')}"))

    def open(self, name: str, *, kernel: bool = True, workspace: str = "") -> None:
        """Open a notebook in a fresh workspace and wait for its kernel."""
        place = f"notebooks/{name}" if self.classic else f"lab{workspace and f'/workspaces/{workspace}'}/tree/{name}"
        query = f"token={self.server.token}" + ("" if self.classic else "&reset")
        self.page.goto(f"{self.server.url}/{place}?{query}")
        self.ready(kernel=kernel)

    def reopen(self, name: str) -> None:
        """The notebook as it is on disk, in a page without answers; opens it where it is not open."""
        self.clear()
        self.page.evaluate(
            """async name => { const app = window.jupyterapp;
            const panel = await app.commands.execute('docmanager:open', { path: name });
            await panel.context.ready; await panel.context.revert();
            panel.content.model.readOnly = false;
            await panel.sessionContext.ready;
            if (!panel.sessionContext.session?.kernel) await panel.sessionContext.startKernel();
            panel.content.activeCellIndex = 0; }""",
            name,
        )
        self.idle()

    def ready(self, *, kernel: bool = True) -> None:
        self.page.wait_for_function(
            "() => window.jupyterapp && document.querySelector('.jp-NotebookPanel .jp-Cell')", timeout=120_000
        )
        self.page.evaluate("() => window.jupyterapp.restored")
        if kernel:
            self.idle()

    def idle(self) -> None:
        """Wait until the kernel of the current notebook is idle."""
        from playwright.sync_api import TimeoutError as TookTooLong

        try:
            self.page.wait_for_function(f"() => {PANEL}?.context.sessionContext.session?.kernel?.status === 'idle'")
        except TookTooLong as exc:
            state = f"""() => {{ const shell = window.jupyterapp.shell, context = {PANEL}?.context.sessionContext;
                const kernel = context?.session?.kernel;
                return [shell.currentWidget?.title.label, [...shell.widgets('main')].map(w => w.title.label),
                context?.kernelDisplayStatus, kernel?.status, kernel?.connectionStatus,
                document.querySelector('.jp-Dialog')?.innerText] }}"""
            raise AssertionError(f"no kernel is idle: {self.page.evaluate(state)}") from exc

    def command(self, name: str, **args: Any) -> None:
        self.page.evaluate("([name, args]) => window.jupyterapp.commands.execute(name, args)", [name, args])

    def notebook(self, script: str, *args: Any) -> Any:
        """Evaluate `script` with `nb` (the shared model) and `panel` of the current notebook, and `args`."""
        code = f"""args => {{ const panel = {PANEL};
            const nb = panel.content.model.sharedModel; {script} }}"""
        return self.page.evaluate(code, list(args))

    def cells(self) -> list[dict[str, Any]]:
        """The cells as JSON."""
        found: list[dict[str, Any]] = self.notebook("return nb.toJSON().cells")
        return found

    def sources(self) -> list[str]:
        return [cell["source"] for cell in self.cells()]

    def select(self, index: int) -> None:
        self.notebook("panel.content.deselectAll(); panel.content.activeCellIndex = args[0]", index)

    def run(self, index: int) -> None:
        """Run one cell and wait for its end: the command has ended when the cell has, with all its outputs."""
        self.select(index)
        self.command("notebook:run-cell")
        self.idle()

    def wait(self, script: str, *args: Any, timeout: float = 120) -> None:
        """Wait until `script` (as for `notebook`) gives something true."""
        code = f"""args => {{ const panel = {PANEL};
            const nb = panel?.content?.model?.sharedModel; {script} }}"""
        self.page.wait_for_function(code, arg=list(args), timeout=timeout * 1000)

    def sidebar(self) -> Any:
        """The open sidebar."""
        self.command("nbcopilot:open")
        box = self.page.locator("#nbcopilot-sidebar")
        box.locator("textarea").wait_for()
        return box

    def clear(self) -> None:
        """Take all answers out of the sidebar; those that are under way are waited for."""
        answers = self.page.locator(".nbc-Answer")
        while left := answers.count():
            self.page.get_by_label("Remove this answer").first.click()
            answers.nth(left - 1).wait_for(state="detached")

    def ask(self, action: str, instruction: str = "", timeout: float = 120) -> Any:
        """Press a button of the sidebar; gives back its answer when that is finished."""
        box = self.sidebar()
        if instruction:
            box.get_by_role("textbox", name="Instruction").fill(instruction)
        button = box.get_by_role("button", name=re.compile(f"^{action}")).first
        return self.finished(self.begun(button.click), timeout)

    def press_fix(self, timeout: float = 120) -> Any:
        """Press the Fix button below the one error; gives back its answer when it is finished."""
        return self.finished(self.begun(self.page.locator(".nbc-FixButton").click), timeout)

    def suggested(self, text: str) -> Any:
        """Type `text` and give back the suggestion that comes; one that came too late was dropped, so type on."""
        from playwright.sync_api import TimeoutError as TookTooLong

        ghost = self.page.locator(".jp-GhostText")
        self.page.keyboard.type(text)
        for _ in range(5):
            with contextlib.suppress(TookTooLong):
                ghost.wait_for(timeout=20_000)
                break
            self.page.keyboard.press("Backspace")
            self.page.keyboard.type(text[-1])
        return ghost

    def begun(self, act: Callable[[], object]) -> Any:
        """The answer that `act` asks for: the one that was not there before."""
        keys = "() => [...document.querySelectorAll('.nbc-Answer')].map(answer => answer.dataset.key)"
        before = self.page.evaluate(keys)
        act()
        found = self.page.wait_for_function(f"before => ({keys})().find(key => !before.includes(key))", arg=before)
        return self.page.locator(f".nbc-Answer[data-key='{found.json_value()}']")

    def finished(self, answer: Any, timeout: float = 120) -> Any:
        """`answer`, when it is not under way any more."""
        answer.and_(self.page.locator("[aria-busy=false]")).wait_for(state="attached", timeout=timeout * 1000)
        return answer


@pytest.fixture(scope="session")
def needed() -> Callable[[bool, str], None]:
    return need


@pytest.fixture(scope="session")
def chromium_path() -> str:
    path, reason = find_browser()
    need(path is not None, reason)
    assert path is not None
    return path


@pytest.fixture(scope="session")
def extension() -> None:
    """The extension is installed: JupyterLab finds it."""
    done = subprocess.run(
        [sys.executable, "-m", "jupyter", "labextension", "list"], capture_output=True, text=True, check=False
    )
    listed = re.search(r"nbcopilot v\S+.*enabled.*OK", done.stdout + done.stderr)
    need(listed is not None, "the JupyterLab extension is not installed (make install, with Node.js)")


@dataclass
class Plain:
    """A fresh environment with nothing of the checkout in it: a user's own."""

    folder: Path
    packages: Path

    @property
    def python(self) -> str:
        return str(self.folder / "bin" / "python")

    def run(self, *arguments: str) -> str:
        """What `python ARGUMENTS` says in it, both streams; fails the test where it fails."""
        environ = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        done = subprocess.run(
            [self.python, *arguments], cwd=self.folder, env=environ, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout[-1000:]} {done.stderr[-3000:]}"
        return done.stdout + done.stderr


@pytest.fixture(scope="session")
def remove() -> Iterator[Callable[[Path], None]]:
    """Removes a large folder while the next tests run: that can take minutes on a slow disk."""
    under_way: list[subprocess.Popen[bytes]] = []
    code = "import shutil, sys; shutil.rmtree(sys.argv[1], ignore_errors=True)"
    yield lambda folder: under_way.append(subprocess.Popen([sys.executable, "-c", code, str(folder)]))
    for process in under_way:
        process.wait()


@pytest.fixture(scope="module")
def plain_install(
    distribution: Path, tmp_path_factory: pytest.TempPathFactory, remove: Callable[[Path], None]
) -> Iterator[Plain]:
    """A fresh environment after `pip install nbcopilot-….whl`, with torch as this one has it (some minute)."""
    folder = tmp_path_factory.mktemp("plain")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    plain = Plain(folder, next(folder.glob("lib/python*/site-packages")))
    same = folder / "constraints.txt"
    same.write_text(f"torch=={version('torch')}\n")
    wheel = next(distribution.glob("*.whl"))
    plain.run("-m", "pip", "install", "--quiet", "--no-compile", "--constraint", str(same), str(wheel))
    yield plain
    remove(folder)  # a gigabyte


@pytest.fixture(scope="module")
def browser(chromium_path: str) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=chromium_path, headless=True, args=QUIET)
        yield running
        running.close()


@pytest.fixture(scope="module")
def new_server(tmp_path_factory: pytest.TempPathFactory, extension: None) -> Iterator[Callable[..., Server]]:
    running: list[Server] = []

    def make(**options: Any) -> Server:
        running.append(start_server(tmp_path_factory.mktemp("server"), **options))
        return running[-1]

    yield make
    for server in running:
        server.stop()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory, extension: None) -> Iterator[Server]:
    running = start_server(tmp_path_factory.mktemp("server"))
    yield running
    running.stop()


@pytest.fixture(scope="module")
def server(shared_server: Server) -> Server:
    """The one JupyterLab server, with the fake engine."""
    shared_server.configure(model="fake")
    return shared_server


@pytest.fixture(scope="module")
def lab(browser: Any, server: Server) -> Lab:
    """A page of JupyterLab that the tests of a module share."""
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.set_default_timeout(120_000)
    return Lab(page, server)
