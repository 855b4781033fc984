"""The house rules: imports point down only, no cycles, and `import nbcopilot` never loads torch."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "nbcopilot"
# From the bottom up: a part imports only parts of lower layers, so no part has an exception of its own.
LAYERS = [
    {"preview"},
    {"turns"},
    {"_version", "errors", "git", "hashing", "live_state", "printable", "verdict"},
    {"inference"},
    {"types"},
    {"confidence"},
    {"deadline", "events", "execution", "paths", "places", "redaction", "urls"},
    {"config_schema", "trust"},
    {"policy", "project"},
    {"locks"},
    {"config", "features"},
    {"models", "notebook"},
    {"engine", "examples", "retrieval"},
    {"checks"},
    {"answers", "context", "grounding", "prompts", "sandbox", "write"},
    {"testgen"},
    {"fixes"},
    {"check_budget", "checking", "sampling_plan", "task"},
    {"generation", "judge", "repair_history"},
    {"proposed_edits"},
    {"repair"},
    {"pipeline"},
    {"conversation", "serve"},
    {"session"},
    {"batch"},
    {"evaluation"},
    {"panel", "pytest_plugin"},
    {"cli", "magics", "server"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def part(module: str) -> str:
    return module.split(".")[1] if "." in module else "__init__"


def imports() -> list[tuple[Path, str, str]]:
    """(file, its part, the part it imports) for every import of our own, also those inside functions."""
    found = []
    for path in sorted(PACKAGE.rglob("*.py")):
        own = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ImportFrom) and node.level == 0 and (node.module or "").startswith("nbcopilot"):
                if node.module == "nbcopilot":
                    found += [(path, own, alias.name) for alias in node.names if alias.name in LEVEL]
                else:
                    found.append((path, own, part(node.module or "")))
            elif isinstance(node, ast.Import):
                found += [(path, own, part(a.name)) for a in node.names if a.name.startswith("nbcopilot.")]
    return found


def test_every_part_has_a_layer() -> None:
    parts = {p.relative_to(PACKAGE).parts[0].removesuffix(".py") for p in PACKAGE.rglob("*.py")}
    assert parts - {"__init__", "__main__"} <= set(LEVEL), parts - set(LEVEL)


def test_imports_point_down() -> None:
    wrong = []
    for path, own, other in imports():
        if own in ("__init__", "__main__") or own == other or other not in LEVEL:
            continue
        if LEVEL[other] >= LEVEL[own]:
            wrong.append(f"{path.relative_to(ROOT)}: {own} must not import {other}")
    assert not wrong, "\n".join(wrong)


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name; a package has the name of its folder."""
    return {
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(PACKAGE.rglob("*.py"))
    }


def import_graph() -> dict[str, set[str]]:
    """What every module imports of ours, at its top or inside a function."""
    known = modules()
    graph: dict[str, set[str]] = {name: set() for name in known}
    for name, path in known.items():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Import):
                graph[name] |= {alias.name for alias in node.names if alias.name in known}
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{name}:{node.lineno} has a relative import"
                for alias in node.names:
                    whole = f"{node.module}.{alias.name}"
                    graph[name] |= {whole if whole in known else node.module} & set(known)  # type: ignore[arg-type]
    return graph


def cycles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The strongly connected components of more than one module (Tarjan 1972), and modules that import themselves."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    found = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            at = stack.index(name)
            if len(stack) - at > 1 or name in graph[name]:
                found.append(sorted(stack[at:]))
            del stack[at:]

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return found


def test_cycles_are_found() -> None:
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"a"}, "d": {"e"}, "e": set(), "f": {"f"}}
    assert cycles(graph) == [["a", "b", "c"], ["f"]]
    assert cycles({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) == []


def test_no_import_cycle_even_inside_functions() -> None:
    assert cycles(import_graph()) == []


def test_only_one_module_says_what_cannot_be_parsed() -> None:
    """`notebook.syntax` knows all the ways in which the parser fails: a second list of them is soon another one."""
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                names = {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
                if "SyntaxError" in names and names & {"RecursionError", "MemoryError", "SystemError"}:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, f"use syntax.tree, plain_tree, expression or literal: {wrong}"


def test_only_engine_imports_torch() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        own = path.relative_to(PACKAGE).parts[0]
        for node in ast.walk(parsed(path)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if any(name.split(".")[0] in ("torch", "transformers") for name in names) and own != "engine":
                wrong.append(str(path.relative_to(ROOT)))
    assert not wrong, f"torch or transformers imported outside engine/: {wrong}"


def test_nothing_of_an_untrusted_process_is_unpickled() -> None:
    # The values of a session, by the process they are judged in; what the caller sends into its own sandbox.
    allowed = {"evaluation/worker.py", "sandbox/worker/job.py"}
    found = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                name = f"{node.value.id}.{node.attr}"
                if name in (
                    "pickle.loads",
                    "pickle.load",
                    "pickle.Unpickler",
                    "marshal.loads",
                    "dill.loads",
                    "shelve.open",
                ):
                    found.add(path.relative_to(PACKAGE).as_posix())
    assert found == allowed


def test_no_model_folder_brings_code_of_its_own() -> None:
    wrong = []
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "from_pretrained":
                told = {k.arg: k.value.value for k in node.keywords if isinstance(k.value, ast.Constant)}
                if told.get("trust_remote_code") is not False or told.get("local_files_only") is not True:
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert not wrong, f"from_pretrained without trust_remote_code=False, local_files_only=True: {wrong}"


def test_import_loads_neither_torch_nor_the_network() -> None:
    code = "import sys, nbcopilot; print([m for m in ('torch', 'transformers', 'huggingface_hub', 'numpy') if m in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_error_tree_is_the_one_drawn_in_the_docstring() -> None:
    from nbcopilot import errors

    drawn = errors.__doc__ or ""
    for name, value in vars(errors).items():
        if isinstance(value, type) and issubclass(value, errors.NbcopilotError):
            line = next((row for row in drawn.splitlines() if f"{name} " in row and value.code in row), None)
            assert line or value is errors.NbcopilotError, f"{name} ({value.code}) is not in the drawing"
            assert line is None or str(value.exit_code) in line
