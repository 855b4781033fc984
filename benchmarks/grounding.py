"""Requests of five domains on live tables, by what they are grounded in: right answers, seconds, tokens.

Data are made here with a fixed seed; an answer is right when the wanted numbers are in what the cell shows or makes last.
The last line is one JSON object.

    python benchmarks/grounding.py [--model qwen2.5-coder-1.5b] [--levels off,facts,plan,all] [--limit 16]
"""

from __future__ import annotations

import argparse
import ast
import json
import multiprocessing
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from nbcopilot.config import load, with_changes
from nbcopilot.judge import Judge
from nbcopilot.notebook.namespace import summarize
from nbcopilot.notebook.profile.measure import measure
from nbcopilot.pipeline import Copilot
from nbcopilot.session import Session
from nbcopilot.task import make_task
from nbcopilot.types import Cell, Notebook

RNG = np.random.default_rng(5)
Tables = dict[str, Any]
Item = tuple[Tables, str, Callable[[], Any]]


def days(start: str, span: int, count: int) -> Any:
    """Sorted dates."""
    return np.sort(pd.Timestamp(start) + pd.to_timedelta(RNG.integers(0, span, count), unit="D"))


def items() -> Iterator[Item]:
    """(tables, request, the wanted values) of every request."""
    readings = pd.DataFrame({
        "at": pd.date_range("2023-02-01", periods=2000, freq="30min"), "probe": RNG.integers(1, 13, 2000),
        "temp_c": RNG.normal(21, 3, 2000).round(2), "hum_pct": RNG.uniform(30, 80, 2000).round(1),
    })  # fmt: skip
    probes = pd.DataFrame(
        {
            "probe_id": range(1, 13),
            "building": RNG.choice(["Annex", "Main", "Lab"], 12),
            "floor": RNG.integers(0, 4, 12),
        }
    )
    both = readings.merge(probes, left_on="probe", right_on="probe_id")
    sensors = {"readings": readings, "probes": probes}
    week = both["at"].dt.to_period("W")
    yield (
        sensors,
        "mean temp per building and week",
        lambda: both.pivot_table(index=week, columns="building", values="temp_c"),
    )
    end = both["at"].max() - pd.Timedelta(days=7)
    yield (
        sensors,
        "max temperature in the last 7 days, per floor",
        lambda: both[both["at"] > end].groupby("floor")["temp_c"].max(),
    )
    yield sensors, "mean humidity per building", lambda: both.groupby("building")["hum_pct"].mean()

    held = pd.Series(days("2022-09-01", 280, 300)).dt.strftime("%d.%m.%Y")
    marks = pd.DataFrame({
        "student": [f"S{n:03d}" for n in RNG.integers(0, 60, 300)], "subject": RNG.choice(["math", "art", "biology"], 300),
        "mark": RNG.integers(1, 7, 300), "held": held,
    })  # fmt: skip
    students = pd.DataFrame(
        {"code": [f"S{n:03d}" for n in range(60)], "class_name": RNG.choice(["7a", "7b", "8a"], 60)}
    )
    school, graded = {"marks": marks, "students": students}, marks.merge(students, left_on="student", right_on="code")
    month = pd.to_datetime(graded["held"], format="%d.%m.%Y").dt.to_period("M")
    yield (
        school,
        "average mark by class and subject",
        lambda: graded.pivot_table(index="class_name", columns="subject", values="mark"),
    )
    yield (
        school,
        "durchschnittsnote je fach und monat",
        lambda: graded.pivot_table(index=month, columns="subject", values="mark"),
    )
    yield (
        school,
        "how many marks did each student of 7b get?",
        lambda: graded[graded["class_name"] == "7b"].groupby("student").size(),
    )

    moves = pd.DataFrame({
        "sku": RNG.integers(100, 140, 500), "qty": RNG.integers(-9, 20, 500), "moved": days("2024-03-01", 120, 500),
        "unit_price": [f"{price:.2f} USD" for price in RNG.uniform(1, 90, 500)],
    })  # fmt: skip
    goods = pd.DataFrame(
        {
            "item_no": range(100, 140),
            "label": [f"item {n}" for n in range(40)],
            "category": RNG.choice(["tools", "paint"], 40),
        }
    )
    stock, lines = {"moves": moves, "goods": goods}, moves.merge(goods, left_on="sku", right_on="item_no")
    value = lines["qty"] * lines["unit_price"].str[:-4].astype(float)
    moved = lines["moved"].dt.to_period("M")
    yield stock, "turnover (qty * price) per category", lambda: value.groupby(lines["category"]).sum()
    yield (
        stock,
        "cantidad total por categoría y mes",
        lambda: lines.pivot_table(index=moved, columns="category", values="qty", aggfunc="sum"),
    )
    yield stock, "the 5 labels with the lowest sum of qty", lambda: lines.groupby("label")["qty"].sum().nsmallest(5)

    trial = pd.DataFrame(
        {
            "dose_mg": RNG.choice([0, 50, 100], 240),
            "sex": RNG.choice(["f", "m"], 240),
            "relapse": RNG.choice(["yes", "no"], 240),
        }
    )
    yield (
        {"trial": trial},
        "relapse rate per dose in percent",
        lambda: trial["relapse"].eq("yes").groupby(trial["dose_mg"]).mean() * 100,
    )
    yield {"trial": trial}, "crosstab of dose and relapse", lambda: pd.crosstab(trial["dose_mg"], trial["relapse"])

    runs = pd.DataFrame(
        {
            "athlete": RNG.choice(["Ana", "Bo", "Cy"], 400),
            "run_on": days("2025-01-06", 200, 400),
            "km": RNG.gamma(4, 2.5, 400).round(1),
        }
    )
    recent = runs[runs["run_on"] > runs["run_on"].max() - pd.Timedelta(days=30)]
    yield (
        {"runs": runs},
        "km per athlete and month",
        lambda: runs.pivot_table(index=runs["run_on"].dt.to_period("M"), columns="athlete", values="km", aggfunc="sum"),
    )
    yield (
        {"runs": runs},
        "who ran most in the last 30 days? with the km of everybody",
        lambda: recent.groupby("athlete")["km"].sum(),
    )
    yield (
        {"runs": runs},
        "每个运动员每月的总公里数",
        lambda: runs.groupby([runs["athlete"], runs["run_on"].dt.to_period("M")])["km"].sum(),
    )


def notebook(tables: Tables, request: str) -> Notebook:
    """The notebook as a magic would see it."""
    names = {"pd": pd, "np": np, **tables}
    cells = (
        Cell("a", "code", "import pandas as pd\nimport numpy as np", executed=1),
        Cell("b", "code", f"%%generate\n{request}"),
    )
    return Notebook(
        cells,
        cursor=1,
        namespace=summarize(names, focus=request),
        names=frozenset(names),
        state=measure(names, list(reversed(names)), None),
    )


def right(code: str, tables: Tables, want: Any) -> bool:
    """Whether the wanted numbers are in the value of the last expression, or in what was made last; run in a child."""
    asks, tells = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("fork").Process(target=_answer, args=(code, tables, want, tells), daemon=True)
    child.start()
    found = bool(asks.poll(30) and asks.recv())
    child.kill()
    return found


def _answer(code: str, tables: Tables, want: Any, tells: Any) -> None:
    space: Tables = {"pd": pd, "np": np, **{name: table.copy() for name, table in tables.items()}}
    try:
        tree = ast.parse(code)
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        exec(compile(tree, "cell", "exec"), space)
        shown = (
            eval(compile(ast.Expression(last.value), "cell", "eval"), space)
            if isinstance(last, ast.Expr)
            else list(space.values())[-1]
        )
        numbers = (
            shown.select_dtypes("number").to_numpy() if isinstance(shown, pd.DataFrame) else np.asarray(shown, float)
        )
        wanted = np.asarray(want, float).ravel()
        tells.send(
            all(np.isclose(numbers.ravel(), one, rtol=1e-3, atol=5e-3).any() for one in wanted[~np.isnan(wanted)])
        )
    except Exception:
        tells.send(False)


def main() -> None:
    """Ask every request at every level; print a line each, then the sums."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="qwen2.5-coder-1.5b")
    parser.add_argument("--levels", default="off,facts,plan,all")
    parser.add_argument("--limit", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=0, help="answer_seconds; 0 is no limit")
    asked = parser.parse_args()
    session = Session(with_changes(load(), model=asked.model))
    some = list(items())[: asked.limit]
    sums: dict[str, dict[str, float]] = {}
    for level in asked.levels.split(","):
        config = with_changes(session.config, grounding=level, answer_seconds=asked.seconds)
        total = {"right": 0.0, "n": float(len(some)), "seconds": 0.0, "tokens": 0.0}
        for tables, request, want in some:
            started = time.monotonic()
            result = Copilot(session.engine(config), config).run(
                make_task("generate", config, request),
                notebook(tables, request),
                judge=Judge(config, namespace={"pd": pd, "np": np, **tables}),
            )
            good = right(result.candidate.text if result.candidate else "", tables, want())
            total["right"] += good
            total["seconds"] += time.monotonic() - started
            total["tokens"] += result.usage.completion_tokens
            print(
                f"{level:8} {'right' if good else 'wrong':6} {time.monotonic() - started:6.1f} s  {request}", flush=True
            )
        sums[level] = {key: round(value, 1) for key, value in total.items()}
    print(json.dumps({"benchmark": "grounding", "model": asked.model, "levels": sums}))


if __name__ == "__main__":
    main()
