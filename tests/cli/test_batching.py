"""What the batch commands share, as a user types it: clusters, kills, --resume, --since, reports, stores, refusals."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
from cell_builders import code, raw

from nbcopilot.batch.job import Outcome
from nbcopilot.batch.journal import Journal
from nbcopilot.cli.main import main
from nbcopilot.cli.progress import Progress
from nbcopilot.engine.fake import FakeEngine

BIG = "def f(x):\n    y = x + 1\n    return y"
DEADLINE = 120.0


@pytest.fixture(autouse=True)
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NBCOPILOT_MODEL", "fake")
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1795000000")
    monkeypatch.chdir(tmp_path)


def books(count: int, folder: str = "in") -> Path:
    """A folder with notebooks that lack documentation."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        (place / f"n{i:02d}.ipynb").write_bytes(
            raw(code(BIG.replace("f(", f"f{i}(")), code(BIG.replace("f(", f"g{i}(")))
        )
    return place


def contents(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.ipynb")}


def last_json(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def start(*words: str) -> subprocess.Popen[str]:
    program = [sys.executable, "-c", "import sys; from nbcopilot.cli.main import main; sys.exit(main())", *words]
    return subprocess.Popen(program, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)


@contextlib.contextmanager
def dask_cluster(scheduler_file: str) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A scheduler and a worker as somebody else starts them, from the command line."""
    Path(scheduler_file).unlink(missing_ok=True)
    running: list[subprocess.Popen[bytes]] = []
    names = {"dask_scheduler": ["--host", "127.0.0.1", "--port", "0"], "dask_worker": ["--nthreads", "2", "--no-nanny"]}
    try:
        for name, words in names.items():
            command = [sys.executable, "-m", f"distributed.cli.{name}", *words, "--no-dashboard"]
            silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            running.append(subprocess.Popen([*command, "--scheduler-file", scheduler_file], **silent))  # type: ignore[call-overload]
            wait_for(Path(scheduler_file).exists)
        yield running
    finally:
        for process in running:
            process.kill()
            process.wait()


def wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


# --------------------------------------------------------------------------- stopped and gone on with


def test_a_killed_client_of_a_cluster_goes_on_with_resume_and_the_result_is_that_of_one_run(
    capsys: pytest.CaptureFixture[str],
) -> None:
    books(12)
    assert main(["document", "in", "-o", "whole"]) == 0
    child = start("document", "in", "-o", "out", "--jobs", "2", "--model", "fake:60")
    wait_for(lambda: len(contents("out")) >= 3)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    done = len(contents("out"))
    assert 3 <= done < 12
    capsys.readouterr()
    assert main(["document", "in", "-o", "out", "--jobs", "2", "--resume", "--json", "--model", "fake:60"]) == 0
    found = last_json(capsys)
    assert (found["skipped"] + found["ok"], found["failed"]) == (12, [])
    assert found["skipped"] in (done - 1, done), "one may have been written and not yet noted: it is found as it is"
    assert contents("out") == contents("whole") and not Path("out/.nbcopilot").exists()


@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_ctrl_c_and_sigterm_stop_a_cluster_and_say_how_to_go_on(number: int, exit_code: int) -> None:
    books(12)
    child = start("document", "in", "-o", "out", "--jobs", "2", "--model", "fake:60", "--json")
    wait_for(lambda: len(contents("out")) >= 1)
    os.killpg(child.pid, number)  # as a terminal and the scheduler of a cluster do: to the workers too
    out, err = child.communicate(timeout=DEADLINE)
    assert child.returncode == exit_code and "go on with --resume" in err and "Traceback" not in err, err
    assert json.loads(out.splitlines()[-1])["failed"] == []
    assert all(json.loads(data)["cells"] for data in contents("out").values())


def test_a_scheduler_that_dies_for_good_ends_the_run_and_resume_goes_on_with_the_next_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from nbcopilot.batch import cluster

    monkeypatch.setattr(cluster, "BACK_SECONDS", 0)
    books(8)
    assert main(["document", "in", "-o", "whole"]) == 0
    words = ["document", "in", "-o", "out", "--scheduler", "cluster.json", "--json"]
    inner = Progress.done
    with dask_cluster("cluster.json") as processes, monkeypatch.context() as patch:

        def done(self: Progress, outcome: Outcome) -> None:
            inner(self, outcome)
            if self.count == 2:
                for process in processes:
                    process.kill()

        patch.setattr(Progress, "done", done)
        assert main(words) == 3
    captured = capsys.readouterr()
    assert "went away and did not come back" in captured.err and "run the same command with --resume" in captured.err
    with dask_cluster("cluster.json"):
        assert main([*words, "--resume"]) == 0
    found = last_json(capsys)
    assert found["skipped"] >= 2 and found["skipped"] + found["ok"] == 8
    assert contents("out") == contents("whole") and not Path("out/.nbcopilot").exists()


def test_workers_share_an_endpoint(capsys: pytest.CaptureFixture[str]) -> None:
    books(3)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with start("serve", "--port", str(port), "--model", "fake") as server:
        assert server.stderr is not None and any("answers at" in line for line in iter(server.stderr.readline, ""))
        words = ["--jobs", "2", "--endpoint", f"http://127.0.0.1:{port}/v1", "--model", "auto", "--report", "r.json"]
        assert main(["document", "in", "-o", "out", *words]) == 0
        os.killpg(server.pid, signal.SIGKILL)
    assert "text of your notebook goes to this machine" in capsys.readouterr().err
    rows = json.loads(Path("r.json").read_text())["rows"]
    assert len(rows) == 3 and all(row["cells"] == 3 and row["worker"] in ("0", "1") for row in rows)


def test_two_runs_on_one_output_at_once_are_refused_and_the_first_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    books(2)
    journal = Journal.open(Path("out/.nbcopilot"), {}, resume=False)
    assert main(["document", "in", "-o", "out"]) == 2
    assert f"A run on this output is under way (process {os.getpid()} on" in capsys.readouterr().err
    journal.close(complete=True)
    assert main(["document", "in", "-o", "out"]) == 0


def test_a_run_with_another_model_is_not_resumed(capsys: pytest.CaptureFixture[str]) -> None:
    books(2)
    Path("in/bad.ipynb").write_text("not json")
    assert main(["document", "in", "-o", "out"]) == 1
    assert main(["document", "in", "-o", "out", "--resume", "--model", "fake:900"]) == 2
    assert "model was fake, is fake:900" in capsys.readouterr().err


# --------------------------------------------------------------------------- what changed


def git(*words: str) -> None:
    author = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *author, *words], check=True, capture_output=True)


def test_since_takes_what_changed_and_what_is_new(capsys: pytest.CaptureFixture[str]) -> None:
    books(4, "in/sub")
    git("init", "-q", ".")
    git("add", "in")
    git("commit", "-q", "-m", "all")
    assert main(["document", "in", "--check", "--since", "HEAD", "--json"]) == 0
    assert last_json(capsys)["notebooks"] == 0
    Path("in/sub/n01.ipynb").write_bytes(raw(code("class Changed:\n    a = 1\n    b = 2")))
    Path("in/new one.ipynb").write_bytes(raw(code(BIG)))
    assert main(["document", "in", "--check", "--since", "HEAD", "--json"]) == 1
    captured = capsys.readouterr()
    assert "2 of 5 notebooks changed since HEAD" in captured.err
    stale = json.loads(captured.out.splitlines()[-1])["stale"]
    assert [Path(one["path"]).name for one in stale] == ["new one.ipynb", "n01.ipynb"]


@pytest.mark.parametrize(
    ("repository", "revision", "said"),
    [
        (False, "HEAD", "is in no git repository"),
        (True, "no-such", "git knows no revision no-such"),
        (True, "--output=x", "is not a revision"),
    ],
)
def test_a_revision_that_is_none_is_one_sentence(
    repository: bool, revision: str, said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    books(1)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(Path.cwd().parent))
    if repository:
        git("init", "-q", ".")
    assert main(["document", "in", "--check", f"--since={revision}"]) == 2
    assert said in capsys.readouterr().err


# --------------------------------------------------------------------------- reports


class Page(HTMLParser):
    """What a page links to, and the names of its rows."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.tags: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src") and value]


def test_the_reports_say_the_same_and_put_first_what_needs_a_human(capsys: pytest.CaptureFixture[str]) -> None:
    books(3)
    Path("in/bad <b>.ipynb").write_text("not json")
    words = ["--report", "r/night.html", "--report", "r/night.json", "--report", "r/night.xml"]
    assert main(["document", "in", "-o", "out", *words]) == 1
    page = Path("r/night.html").read_text()
    parsed = Page(page)
    assert page.index('bad &lt;b&gt;.ipynb</a><td class="failed"') < page.index('n00.ipynb</a><td class="ok"')
    assert (
        "invalid-notebook" in page and "<ins>" in page and "+Needed before" in page and "Energy = CPU seconds" in page
    )
    assert not {"script", "img", "link", "iframe"} & set(parsed.tags), "one self-contained page"
    files = [link for link in parsed.links if not link.startswith("#")]
    assert all(
        (Path("r") / link.replace("%20", " ").replace("%3C", "<").replace("%3E", ">")).exists() for link in files
    ), "what failed links to what was read, the others to what was written"
    found = json.loads(Path("r/night.json").read_text())
    assert (found["ok"], found["causes"], len(found["rows"])) == (3, {"invalid-notebook": 1}, 4)
    assert found["cost"]["completion_tokens"] == sum(row["completion_tokens"] for row in found["rows"]) > 0
    suite = ElementTree.parse("r/night.xml").getroot()[0]
    assert (suite.get("tests"), suite.get("failures")) == ("4", "1")
    assert [case.find("failure") is not None for case in suite] == [True, False, False, False]


def test_a_check_reports_what_is_missing_as_junit(capsys: pytest.CaptureFixture[str]) -> None:
    books(1)
    assert main(["document", "in", "--check", "--report", "check.xml"]) == 1
    failure = ElementTree.parse("check.xml").getroot()[0][0].find("failure")
    assert failure is not None and "cell #1: summary missing" in str(failure.text)


_LOADED = """
import sys
from nbcopilot.cli.main import main
main(["document", "in", "--check", "--since", "HEAD", "--report", "r.xml", "--report", "r.html"])
print(*{module.partition(".")[0].lower() for module in sys.modules})
"""


def test_a_check_needs_no_more_than_the_example_for_github_installs() -> None:
    import yaml

    books(1, "in")
    Path("in/magics.ipynb").write_bytes(raw(code("%matplotlib inline\nfiles = !ls\n" + BIG), code("%%time\n" + BIG)))
    old = {"cell_type": "code", "collapsed": False, "input": BIG, "language": "python", "metadata": {}, "outputs": []}
    node = {"metadata": {"name": ""}, "nbformat": 3, "nbformat_minor": 0, "worksheets": [{"cells": [old]}]}
    Path("in/old.ipynb").write_text(json.dumps(node))
    git("init", "-q", ".")
    git("commit", "-q", "-m", "nothing", "--allow-empty")
    done = subprocess.run([sys.executable, "-c", _LOADED], capture_output=True, text=True, check=True)
    assert "3 of 3 notebooks done" in done.stderr, done.stderr
    example = Path(__file__).parents[2] / "docs" / "ci" / "github-actions.yml"
    steps = yaml.safe_load(example.read_text())["jobs"]["documented"]["steps"]
    installed = next(step["run"].splitlines()[0].split()[2:] for step in steps if "--no-deps" in step.get("run", ""))
    ours = {re.split(r"[^\w-]", one)[0].lower().replace("-", "_") for one in requires("nbcopilot") or []}
    needed = ours & set(done.stdout.splitlines()[-1].split())
    assert {"filelock", "ipython"} <= needed <= {*installed, "tomli"}, (
        "tomli is for Python 3.10; the example has another"
    )


# --------------------------------------------------------------------------- stores


def test_a_zip_goes_in_and_a_zip_comes_out_whole(capsys: pytest.CaptureFixture[str]) -> None:
    books(3)
    with zipfile.ZipFile("nb.zip", "w") as archive:
        for path in Path("in").iterdir():
            archive.write(path, f"a/{path.name}")
    assert main(["document", "in", "-o", "whole"]) == 0
    assert main(["document", "nb.zip", "-o", "out.zip"]) == 0
    with zipfile.ZipFile("out.zip") as archive:
        assert {Path(name).name: archive.read(name) for name in archive.namelist()} == contents("whole")
    assert not Path("out.zip.parts").exists()
    assert main(["document", "nb.zip", "--in-place"]) == 2
    assert "zip:// can only be read" in capsys.readouterr().err


def test_a_store_is_documented_in_place_and_its_journal_stands_at_home(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec

    monkeypatch.setenv("NBCOPILOT_STATE_DIR", "state")
    fs = fsspec.filesystem("memory")
    fs.pipe_file("/bucket/n.ipynb", raw(code(BIG)))
    fs.pipe_file("/bucket/bad.ipynb", b"not json")
    assert main(["document", "memory://bucket", "--in-place"]) == 1
    assert "memory:///bucket/bad.ipynb: is not JSON" in capsys.readouterr().err
    assert b"nbcopilot" in fs.cat_file("/bucket/n.ipynb") and fs.cat_file("/bucket/bad.ipynb") == b"not json"
    assert list(Path("state").rglob("journal.sqlite")), "it can be gone on with"
    fs.pipe_file("/bucket/bad.ipynb", raw(code(BIG)))
    assert main(["document", "memory://bucket", "--in-place", "--resume"]) == 0
    assert not list(Path("state").rglob("journal.sqlite"))


# --------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("words", "exit_code", "said"),
    [
        (["document", "in", "--in-place", "--scheduler", "tcp://127.0.0.1:1"], 3, "No Dask scheduler answers at tcp://127.0.0.1:1"),
        (["document", "in", "--in-place", "--scheduler", "gateway://night"], 2, "gateway:// needs dask-gateway. pip install"),
        (["document", "in", "--in-place", "--scheduler", "gateway://"], 2, "gateway:// names no cluster"),
        (["document", "in", "--in-place", "--scheduler", ""], 2, "--scheduler is empty"),
        (["document", "in", "--in-place", "--scheduler", "x", "--jobs", "2"], 2, "--jobs and --scheduler exclude each other"),
        (["document", "in", "--in-place", "--jobs", "2", "--resources", "GPU=many"], 2, "--resources GPU=many cannot be read"),
        (["document", "in", "--in-place", "--jobs", "2", "--worker-memory", "much"], 2, "--worker-memory much cannot be read"),
        (["document", "in", "--in-place", "--report", "r.doc"], 2, "--report r.doc is of no known kind"),
        (["document", "in", "--in-place", "--watts", "-1"], 2, "--watts is -1"),
        (["document", "in", "-o", "file/out"], 1, "file/out cannot be made"),
        (["document", "in", "-o", "nosuch://b"], 2, "is not a URL that can be opened"),
        (["strip", "https://h/n.ipynb", "--in-place"], 2, "No notebook"),
        (["document", "many", "--in-place"], 2, "No notebook in the folder many"),
        (["document", "circle", "--in-place", "--json"], 0, "1 of 1 notebook done"),
    ],
)  # fmt: skip
def test_bad_input_is_one_sentence_and_nothing_is_lost(
    words: list[str],
    exit_code: int,
    said: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from nbcopilot.batch import cluster

    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 0.5)
    monkeypatch.setitem(sys.modules, "dask_gateway", None)
    books(2)
    before = contents("in")
    Path("file").write_text("in the way")
    Path("many").mkdir()
    if "many" in words:
        for i in range(2000):
            (Path("many") / f"{i}.txt").touch()
    Path("circle/a").mkdir(parents=True)
    Path("circle/a/n.ipynb").write_bytes(raw(code(BIG)))
    Path("circle/a/up").symlink_to(Path("circle").absolute())
    assert main(words) == exit_code if "https://h" not in words[1] else main(words) in (2, 3)
    err = capsys.readouterr().err
    assert "Traceback" not in err and (said in err or "https://h" in words[1])
    assert contents("in") == before


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_names_that_are_no_text_are_worked_on_and_told(capsys: pytest.CaptureFixture[str]) -> None:
    books(2)
    odd = Path("in", os.fsdecode(b"\xff\n.ipynb"))
    Path("in/n00.ipynb").rename(odd)
    words = ["--json", "--report", "r.html", "--report", "r.json", "--report", "r.xml"]
    assert main(["document", "in", "-o", "out", *words]) == 0 and last_json(capsys)["ok"] == 2
    assert sorted(contents("out")) == sorted(contents("in"))
    assert main(["document", str(odd), "--in-place"]) == 0
    assert main(["document", "in", "--check"]) == 1
    assert main(["document", "in", "-o", "out.zip"]) == 1
    assert "The results are in out.zip.parts" in capsys.readouterr().err and list(Path("out.zip.parts").iterdir())


def test_a_full_store_ends_the_run_at_once_and_resume_goes_on(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import fsspec
    from failing_stores import Full

    fsspec.register_implementation("full", Full, clobber=True)
    monkeypatch.setenv("NBCOPILOT_STATE_DIR", "state")
    books(8)
    assert main(["document", "in", "-o", "full://b"]) == 3
    err = capsys.readouterr().err
    assert "the disk is full. Free some space and go on with --resume" in err
    assert len(re.findall(r"^\d+/8 ", err, re.M)) <= 3, "the others were not worked on in vain"


@pytest.mark.parametrize(
    ("blocked", "words", "said"),
    [
        ("n00.ipynb", ["--in-place"], "in/n00.ipynb: could not be written: it is read-only"),
        ("in", ["--in-place"], "in/n00.ipynb: could not be written: its folder is read-only"),
        ("out", ["-o", "out"], "No permission to write in out"),
    ],
)
def test_what_is_read_only_is_refused_before_a_model_works(
    blocked: str, words: list[str], said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    books(1)
    before = contents("in")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != blocked)
    monkeypatch.setattr(FakeEngine, "generate", lambda *args, **more: pytest.fail("a model was asked"))
    assert main(["document", "in", *words]) == 1
    assert said in capsys.readouterr().err and contents("in") == before


# --------------------------------------------------------------------------- testgen


def test_testgen_writes_tests_below_every_cell_with_functions_once_and_strip_takes_them_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("in").mkdir()
    book = Path("in/a.ipynb")
    book.write_bytes(
        raw(code("def add(a, b):\n    return a + b"), code("x = add(1, 2)"), code("def neg(a):\n    return -a"))
    )
    before = book.read_bytes()
    assert main(["testgen", "in", "--in-place", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out.splitlines()[-1])["cells_written"] == 2 and "mutants caught" in captured.err
    kinds = ["tests" if "nbcopilot" in cell["metadata"] else "" for cell in json.loads(book.read_text())["cells"]]
    assert kinds == ["", "tests", "", "", "tests"]
    written = book.read_bytes()
    assert main(["testgen", "in", "--in-place"]) == 0 and book.read_bytes() == written
    book.write_bytes(written.replace(b"return -a", b"return 0 - a"))
    capsys.readouterr()
    assert main(["testgen", "in", "--in-place", "--json"]) == 0
    assert last_json(capsys)["cells_written"] == 1, "only the tests of what changed are outdated"
    book.write_bytes(written)
    assert main(["strip", "in", "--in-place"]) == 0 and book.read_bytes() == before
