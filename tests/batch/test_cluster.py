"""A real Dask cluster of worker processes: the same results, lost workers, units that kill them, and who is refused."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cell_builders import code, raw

pytest.importorskip("distributed", reason="the batch extra is part of `make install`")

from distributed import LocalCluster

from nbcopilot import config
from nbcopilot.batch import cluster as clusters
from nbcopilot.batch import worker
from nbcopilot.batch.cluster import Cluster
from nbcopilot.batch.discover import discover
from nbcopilot.batch.job import Item, Job, MismatchError, Outcome, Unit
from nbcopilot.batch.runner import Run
from nbcopilot.batch.tasks import PART_GROUPS, perform
from nbcopilot.batch.texts import Options
from nbcopilot.batch.worker import guarded
from nbcopilot.engine.fake import FakeEngine
from nbcopilot.errors import EngineUnavailableError

BIG = "def f(x):\n    y = x + 1\n    return y"
DEADLINE = 120.0


def job(model: str = "fake") -> Job:
    return Job("document", config.Config(model=model), Options(created="2026-11-21T23:00:00Z"))


def alone(unit: Unit) -> bytes | None:
    """What one process makes of a notebook."""
    item = Item(unit, Path(unit.path).read_bytes(), unit.path)
    return guarded(lambda j, i, stop: perform(j, i, FakeEngine, stop), job(), item, threading.Event()).data


@pytest.fixture(scope="module")
def running() -> Iterator[LocalCluster]:
    """Somebody's cluster, with one worker that has a GPU to give."""
    with LocalCluster(
        n_workers=1, threads_per_worker=2, resources={"GPU": 1}, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        yield cluster


def test_processes_give_the_same_bytes_as_one_and_a_failure_stays_where_it_is(
    books: Callable[..., Path], tmp_path: Path
) -> None:
    folder = books(6)
    (folder / "bad.ipynb").write_text("not json")
    (folder / "huge.ipynb").write_bytes(raw(*[code(BIG.replace("f", f"f{i}")) for i in range(2 * PART_GROUPS)]))
    units, _ = discover([str(folder)])
    places = {unit: str(tmp_path / "out" / unit.name) for unit in units}
    wanted = {unit: alone(unit) for unit in units}
    done: list[Outcome] = []
    report = Run(job(), units, Cluster(2), places=places, on_done=done.append).run()
    assert (report.count("ok"), [one.unit.name for one in report.failed]) == (7, ["bad.ipynb"])
    assert {unit: Path(place).read_bytes() for unit, place in places.items() if unit.name != "bad.ipynb"} == {
        unit: data for unit, data in wanted.items() if unit.name != "bad.ipynb"
    }
    assert {one.worker for one in done if one.worker} == {"0", "1"}
    assert report.cost.cpu_seconds > 0 and report.cost.completion_tokens > 0


def test_a_unit_that_kills_workers_twice_is_set_aside_and_named_and_nothing_else_is_lost(
    books: Callable[..., Path], tmp_path: Path
) -> None:
    units, _ = discover([str(books(4))])
    executor = Cluster(2)
    items = [Item(unit, Path(unit.path).read_bytes(), unit.path) for unit in units]
    executor.submit(job("fake:0.2"), items[0])  # minutes: it never ends by itself
    outcomes: dict[str, Outcome] = {}
    killed: set[str] = set()
    deaths, end = 0, time.monotonic() + DEADLINE
    while len(outcomes) < len(units) and time.monotonic() < end:
        for item in items[1 : 1 + executor.slots - len(executor._under_way)]:
            items.remove(item)
            executor.submit(job(), item)
        begun = next((executor._running[k] for k, (_, i, _) in executor._under_way.items() if i.unit == units[0] and k in executor._running), None)  # fmt: skip
        if deaths < 2 and begun is not None and begun not in killed:
            killed.add(begun)
            os.kill(executor._client.run(os.getpid, workers=[begun])[begun], signal.SIGKILL)
            deaths += 1
        finished = executor.next(0.05)
        if finished is not None:
            outcomes[finished[0].unit.name] = finished[1]
    notices = executor.notices()
    executor.close()
    assert deaths == 2 and len(outcomes) == 4
    assert "n00.ipynb was set aside: 2 workers died" in str(outcomes.pop("n00.ipynb").error)
    assert all(outcome.state == "ok" and outcome.data for outcome in outcomes.values()), outcomes
    assert sum("lost the worker" in text for text in notices) == 2


@pytest.mark.parametrize("resources", [{}, {"GPU": 1.0}])
def test_any_cluster_works_by_its_address_and_gives_its_resources(
    running: LocalCluster, books: Callable[..., Path], resources: dict[str, float]
) -> None:
    units, _ = discover([str(books())])
    executor = Cluster(scheduler=running.scheduler_address, resources=resources)
    assert executor.slots == (2 if resources else 3), (
        "one GPU or two threads, and one more that a new worker could take"
    )
    report = Run(job(), units, executor, places={unit: unit.path for unit in units}).run()
    assert report.complete and report.cells_written == 12
    assert len(running.workers) == 1, "the cluster is its owner's: it is still there"


def test_workers_that_share_the_storage_get_names_and_read_themselves(
    running: LocalCluster, books: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    units, _ = discover([str(books(2))])
    sent: list[bytes | None] = []
    inner = Cluster.submit
    monkeypatch.setattr(Cluster, "submit", lambda self, j, item: (sent.append(item.data), inner(self, j, item))[1])
    executor = Cluster(scheduler=running.scheduler_address)
    report = Run(job(), units, executor, places={unit: unit.path for unit in units}, shared=True).run()
    assert report.complete and sent == [None, None] and b"nbcopilot" in Path(units[0].path).read_bytes()


def test_a_scheduler_file_names_a_cluster_too(running: LocalCluster, tmp_path: Path) -> None:
    path = tmp_path / "scheduler.json"
    path.write_text(json.dumps({"type": "Scheduler", "id": "x", "address": running.scheduler_address, "workers": {}}))
    executor = Cluster(scheduler=str(path))
    executor.close()


def test_workers_of_another_version_are_refused_and_both_are_named(
    running: LocalCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clusters, "__version__", "9.9.9")
    with pytest.raises(MismatchError, match=r"This is nbcopilot 9\.9\.9, but the worker tcp://.* has 0\."):
        Cluster(scheduler=running.scheduler_address)


def test_a_worker_that_comes_later_with_another_version_does_nothing(running: LocalCluster) -> None:
    executor = Cluster(scheduler=running.scheduler_address)
    other = Job("strip", version="9.9.9")
    executor.submit(other, Item(Unit("n.ipynb", "n.ipynb"), raw(code(BIG)), "n.ipynb"))
    finished, end = None, time.monotonic() + DEADLINE
    while finished is None and time.monotonic() < end:
        finished = executor.next(0.5)
    executor.close()
    assert finished is not None and isinstance(finished[1].error, MismatchError)


def test_a_worker_opens_its_engine_once(books: Callable[..., Path]) -> None:
    units, _ = discover([str(books(3))])
    before = worker._engine.cache_info().misses
    wanted = job("fake:987654321")
    items = [Item(unit, Path(unit.path).read_bytes(), unit.path) for unit in units]
    assert all(worker.on_worker(wanted, item, threading.Event(), "w").state == "ok" for item in items)
    assert worker._engine.cache_info().misses == before + 1


def test_a_model_that_a_worker_lacks_ends_the_run_and_names_the_worker(
    running: LocalCluster, books: Callable[..., Path], tmp_path: Path
) -> None:
    units, _ = discover([str(books(2))])
    settings = config.Config(model=str(tmp_path / "no-such-model"), engine="in-process")
    places = {unit: unit.path for unit in units}
    report = Run(Job("document", settings), units, Cluster(scheduler=running.scheduler_address), places=places).run()
    assert report.exit_code == 3 and "no-such-model" in str(report.fatal) and "(worker " in str(report.fatal)


def test_a_scheduler_that_is_not_there_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clusters, "CONNECT_SECONDS", 0.5)
    with pytest.raises(EngineUnavailableError, match=r"No Dask scheduler answers at tcp://127\.0\.0\.1:1\."):
        Cluster(scheduler="tcp://127.0.0.1:1")
