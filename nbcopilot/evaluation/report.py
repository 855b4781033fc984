"""Results -> a table to read and the JSON object that other programs read. Pure: measures nothing.

Shares are fractions from 0 to 1 in the JSON and per cent in the table.
"""

from __future__ import annotations

import os
import platform
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nbcopilot import git
from nbcopilot._version import __version__
from nbcopilot.evaluation import metrics
from nbcopilot.evaluation.peers import PEERS
from nbcopilot.evaluation.tasks import Result
from nbcopilot.inference import ModelInfo


def figures(results: Sequence[Result]) -> dict[str, Any]:
    """The numbers of one mode: n, pass_at_1, ci95, score, tokens, seconds, and how good its own verdict was.

    `caught` of `wrong` answers were rejected by the system itself, `false_alarms` of the `right` ones were too.
    """
    judged = [r for r in results if not r.excluded]
    passed = [float(r.ok) for r in judged]
    low, high = metrics.interval(passed)
    found: dict[str, Any] = {
        "n": len(judged),
        "pass_at_1": round(metrics.mean(passed), 4),
        "ci95": [round(low, 4), round(high, 4)],
        "prompt_tokens": sum(r.prompt_tokens for r in judged),
        "completion_tokens": sum(r.completion_tokens for r in judged),
        "generations": sum(r.generations for r in judged),
        "seconds_per_question": round(metrics.mean([r.seconds for r in judged]), 2),
    }
    scores = [r.score for r in judged]
    if scores != passed:
        found["score"] = round(metrics.mean(scores), 4)
    for key in ("exact", "right_cell", "valid", "line_coverage", "mutation_score"):
        values = [float(r.detail[key]) for r in judged if key in r.detail]
        if values:
            found[key] = round(metrics.mean(values), 4)
    checked = [r for r in judged if r.accepted is not None]
    if checked:
        found["verdict"] = {
            "wrong": sum(not r.ok for r in checked),
            "caught": sum(not r.ok and not r.accepted for r in checked),
            "right": sum(r.ok for r in checked),
            "false_alarms": sum(r.ok and not r.accepted for r in checked),
        }
    return found


def summary(
    results: Sequence[Result], modes: Sequence[str], conditions: Mapping[str, Any], seconds: float
) -> dict[str, Any]:
    """The JSON object of `nbcopilot eval`; the headline is the last of `modes`, the ablation has all of them."""
    ablation = {mode: figures([r for r in results if r.mode == mode]) for mode in modes}
    for mode in modes:
        for base in bases(ablation, mode):
            gained = gain(results, mode, base)
            if gained:
                ablation[mode][f"over_{base}"] = [round(value, 4) for value in gained]
    headline = ablation[modes[-1]]
    excluded = sorted({(r.id, r.excluded) for r in results if r.excluded})
    return {
        "suite": conditions["suite"],
        "model": conditions["model"],
        "n": headline["n"],
        "pass_at_1": headline["pass_at_1"],
        "ci95": headline["ci95"],
        "raw_pass_at_1": ablation["raw"]["pass_at_1"] if "raw" in ablation else None,
        "ablation": ablation,
        "tokens": headline["prompt_tokens"] + headline["completion_tokens"],
        "seconds": round(seconds, 1),
        "mode": modes[-1],
        "causes": causes([r for r in results if r.mode == modes[-1]]),
        "excluded": [{"id": name, "reason": reason} for name, reason in excluded],
        "conditions": dict(conditions),
    }


def bases(ablation: Mapping[str, Mapping[str, Any]], mode: str) -> list[str]:
    """The modes that `mode` is held against: raw, and the best of the peers' ways of prompting."""
    peers = [name for name in ablation if name in PEERS and ablation[name]["n"]]
    best = max(peers, key=lambda name: float(ablation[name]["pass_at_1"]), default="")
    return [base for base in ("raw", best) if base in ablation and mode != base and mode not in PEERS and mode != "raw"]


def gain(results: Sequence[Result], mode: str, base: str) -> tuple[float, float, float] | None:
    """(gain, low, high): `mode` minus `base` on the same questions, with its 95 % interval; None without any."""
    ours, theirs = ({r.id: float(r.ok) for r in results if r.mode == name and not r.excluded} for name in (mode, base))
    names = sorted(ours.keys() & theirs.keys())
    if not names:
        return None
    pairs = [ours[n] for n in names], [theirs[n] for n in names]
    return metrics.mean(pairs[0]) - metrics.mean(pairs[1]), *metrics.paired_interval(*pairs)


def causes(results: Sequence[Result]) -> dict[str, Any]:
    """What went wrong, by cause: the questions, and what the judge said of them, most frequent first.

    `accepted`: wrong, and the checks did not tell; `rejected`: they did, and no other answer held; `empty`: no usable
    answer; `unchecked`: wrong and nothing was checked; `false_alarms`: right, and rejected.
    """
    found: dict[str, Any] = {}
    for result in results:
        if result.excluded or (result.ok and result.accepted is not False):
            continue
        if result.ok:
            cause = "false_alarms"
        elif not result.answer.strip():
            cause = "empty"
        else:
            cause = {True: "accepted", False: "rejected", None: "unchecked"}[result.accepted]
        found.setdefault(cause, []).append(result.id)
    said = Counter(r.reason.split(":")[0] for r in results if not r.ok and not r.excluded)
    return {**{cause: sorted(names) for cause, names in sorted(found.items())}, "reasons": dict(said.most_common(12))}


def table(report: Mapping[str, Any], results: Sequence[Result]) -> str:
    """The report to read: a line per mode, gains over raw on the same questions, what was excluded."""
    lines = [
        f"{report['suite']} on {report['model']} ({report['conditions'].get('precision', '')}): {report['n']} questions",
        "",
        "| mode | pass@1 | 95 % interval | over raw | completion tokens | answers | wrong ones rejected | right ones rejected |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for mode, row in report["ablation"].items():
        low, high = (f"{100 * v:.1f}" for v in row["ci95"])
        verdict = row.get("verdict")
        caught = f"{verdict['caught']} of {verdict['wrong']}" if verdict else ""
        alarms = f"{verdict['false_alarms']} of {verdict['right']}" if verdict else ""
        lines.append(
            f"| {mode} | {100 * row['pass_at_1']:.1f} | {low} to {high} | {_gain(row, 'raw')} "
            f"| {row['completion_tokens']} | {row['generations']} | {caught} | {alarms} |"
        )
        extras = [
            f"{key} {100 * row[key]:.1f} %"
            for key in ("score", "exact", "right_cell", "valid", "line_coverage", "mutation_score")
            if key in row
        ]
        if extras:
            lines.append(f"| | {', '.join(extras)} | | | | | | |")
    headline = report["ablation"][report["mode"]]
    for base in bases(report["ablation"], report["mode"]):
        if base != "raw":
            lines += ["", f"{report['mode']} over {base}, the best of the peers' prompts: {_gain(headline, base)}"]
    sorted_out = [f"{cause} {len(names)}" for cause, names in report["causes"].items() if cause != "reasons"]
    if sorted_out:
        lines += ["", f"What went wrong in {report['mode']}: {', '.join(sorted_out)}"]
    if report["excluded"]:
        lines += ["", f"Not judged here: {len(report['excluded'])}"]
        lines += [f"  {entry['id']}: {entry['reason']}" for entry in report["excluded"][:20]]
    return "\n".join(lines)


def _gain(row: Mapping[str, Any], base: str) -> str:
    found = row.get(f"over_{base}")
    return f"{100 * found[0]:+.1f} ({100 * found[1]:+.1f} to {100 * found[2]:+.1f})" if found else ""


def failures(results: Sequence[Result], mode: str, *, limit: int = 1000) -> str:
    """Every wrong answer of `mode` with the judge's reason and the code, for reading."""
    wrong = [r for r in results if r.mode == mode and not r.ok and not r.excluded]
    parts = []
    for result in wrong[:limit]:
        beside = result.detail.get("human")
        parts.append(f"## {result.id}\n\n{result.reason}\n\n```python\n{result.answer.rstrip()}\n```")
        if beside is not None:
            parts.append(f"The repair by a human:\n\n```python\n{str(beside).rstrip()}\n```")
    return "\n\n".join(parts)


def conditions(info: ModelInfo, **settings: Any) -> dict[str, Any]:
    """What a number must be published with: model, hash, precision, version, commit, machine kind, settings."""
    return {
        "model": info.id,
        "sha256": info.sha256,
        "precision": info.precision,
        "engine": info.engine,
        "version": __version__,
        "commit": _commit(),
        "machine": f"{platform.system()} {platform.machine()}, {_cpu()}",
        "python": platform.python_version(),
        **settings,
    }


def _commit() -> str:
    """Short hash of the checkout this package runs from, "" outside of one."""
    try:
        done = git.run(Path(__file__).parent, "describe", "--always", "--dirty", seconds=10)
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return os.fsdecode(done.stdout).strip() if done.returncode == 0 else ""


def _cpu() -> str:
    """The processor's name and how many there are."""
    import os

    name = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line for line in info.read_text(encoding="utf-8", errors="replace").splitlines() if "model name" in line
        ]
        name = names[0].partition(":")[2].strip() if names else name
    return f"{os.cpu_count()} x {name or 'unknown processor'}"
