"""How peers prompt, written by us from what they document and do: baselines on the same model as ours.

Each takes what that peer would have: jupyter-ai the last two exchanges, chapyter the cells with short outputs after
a practice turn, CoML all variables and all cells after worked examples. The wording is ours, the content is theirs.
Earlier questions travel in `Cell.metadata["question"]`.
"""

from __future__ import annotations

from collections.abc import Callable

from nbcopilot.inference import Message, Prompt
from nbcopilot.types import Cell, Notebook, Task

# chapyter and CoML quote at most this many words of an output.
OUTPUT_WORDS = 100


def jupyter_ai(task: Task, notebook: Notebook) -> Prompt:
    """jupyter-ai's `%%ai -f code`: the last two exchanges and the prompt with its format line; no kernel state."""
    messages = []
    asked = [cell for cell in _run(notebook) if cell.metadata.get("question")]
    for cell in asked[-2:]:
        messages += [Message("user", _code_only(cell.metadata["question"])), Message("assistant", cell.source)]
    return Prompt(messages=(*messages, Message("user", _asked(task, notebook))))


def chapyter(task: Task, notebook: Notebook) -> Prompt:
    """chapyter's `%%chat -h`: a practice turn, then the request with the code and outputs so far."""
    history = "\n\n".join(_with_output(cell) for cell in _run(notebook))
    request = wording(task, notebook).strip() + (
        f"\n\nThis is the python code that was run so far:\n{history}" if history else ""
    )
    return Prompt(
        messages=(
            Message("system", "You help a python programmer in a chat."),
            Message("user", "From here on, answer each description with python code only."),
            Message("assistant", "Understood. Shall we practise first?"),
            Message("user", "Read the json file orders.json"),
            Message("assistant", "import json\nwith open('orders.json') as file:\n    orders = json.load(file)"),
            Message("user", "Right. Here is the next one."),
            Message("assistant", "I am ready."),
            Message("user", request),
        )
    )


def coml(task: Task, notebook: Notebook) -> Prompt:
    """CoML's `%coml`: instructions, worked examples, then all variables, all cells and the request."""
    variables = [(v.name, v.summary) for v in notebook.namespace or () if v.kind not in ("module", "function", "class")]
    cells = [cell.source for cell in _run(notebook)]
    messages = [Message("system", COML_SYSTEM)]
    for given, codes, question, answer in COML_EXAMPLES:
        messages.append(Message("user", _coml_turn(given, codes, question)))
        messages.append(Message("assistant", f"```\n{answer}\n```"))
    messages.append(Message("user", _coml_turn(variables, cells, wording(task, notebook))))
    return Prompt(messages=tuple(messages))


COML_SYSTEM = (
    "You are a data scientist who writes python cells in a Jupyter notebook with pandas, numpy, sklearn and matplotlib. "
    "The user tells you which variables exist, which cells were run and what is wanted; you write one new cell that does it.\n"
    "- Put the code between ``` and ```.\n"
    "- Import what the cell needs and has not been imported.\n"
    "- The last expression of the cell is its output: neither print it nor return it.\n"
    "- Do not change or overwrite the user's variables unless the user asks for that.\n"
    "- Output exactly what was asked for, without extra steps or example calls."
)

COML_EXAMPLES: tuple[tuple[list[tuple[str, str]], list[str], str, str], ...] = (
    (
        [("sales", "pandas.DataFrame(shape=(120, 3), columns=['shop', 'month', 'amount'])\n  shop month amount\n0 north 1 12.5\n1 south 1 9.0")],
        ["import pandas as pd", "sales = pd.read_csv('sales.csv')"],
        "Which shop has the highest total amount?",
        "sales.groupby('shop')['amount'].sum().idxmax()",
    ),
    (
        [("scores", "numpy.ndarray(shape=(50, 4), dtype=float64)")],
        ["import numpy as np"],
        "Scale each column of scores to mean 0 and deviation 1 and store it as scaled.",
        "scaled = (scores - scores.mean(axis=0)) / scores.std(axis=0)",
    ),
    (
        [("people", "pandas.DataFrame(shape=(8, 2), columns=['name', 'age'])\n  name age\n0 Ann 31\n1 Bob 25")],
        ["import pandas as pd"],
        "Rename the column age to years in place.",
        "people.rename(columns={'age': 'years'}, inplace=True)",
    ),
)  # fmt: skip


def _coml_turn(variables: list[tuple[str, str]], cells: list[str], question: str) -> str:
    described = "\n\n".join(f"{name}: {summary}" for name, summary in variables) or "(none)"
    code = "\n\n".join(f"```\n{cell.rstrip()}\n```" for cell in cells) or "(none)"
    return f"Variables:\n\n{described}\n\nCode that was run:\n\n{code}\n\nRequest:\n\n{question.strip()}"


def _run(notebook: Notebook) -> list[Cell]:
    """The code cells that were run: all but the one that asks."""
    return [cell for cell in notebook.cells if cell.kind == "code" and cell.executed is not None]


def _asked(task: Task, notebook: Notebook) -> str:
    text = wording(task, notebook)
    return text if task.kind in ("explain", "document") else _code_only(text)


def _code_only(question: str) -> str:
    return f"{question.strip()}\n\nProduce output as source code only, with no text or explanation before or after it."


def _with_output(cell: Cell) -> str:
    words = " ".join(output.text for output in cell.outputs).split()
    shown = " ".join(words[:OUTPUT_WORDS]) + ("..." if len(words) > OUTPUT_WORDS else "")
    return f"```\n{cell.source.rstrip()}\n```" + (f"\nOutput:\n{shown}" if shown else "")


def wording(task: Task, notebook: Notebook) -> str:
    """What a user types where there is nothing but a chat: the request, with the code that it is about."""
    if task.kind == "generate":
        return task.instruction
    source = task.target.source.rstrip()
    if task.kind == "testgen":
        return f"Write pytest tests for this code:\n\n```python\n{source}\n```"
    if task.kind == "explain":
        return f"Explain what this code does and why:\n\n```python\n{source}\n```"
    if task.kind == "document":
        cells = "\n\n".join(_with_output(cell) for cell in notebook.cells if cell.kind == "code")
        return f"Write the documentation of this notebook, in markdown:\n\n{cells}"
    cells = "\n\n".join(f"```python\n{cell.source.rstrip()}\n```" for cell in notebook.cells if cell.kind == "code")
    error = notebook.error.traceback if notebook.error else ""
    if error or not task.instruction:
        return f"These cells of a notebook fail:\n\n{cells}\n\n{error}\n\nFix the bug. Answer with the corrected cell only."
    return f"These are the cells of a notebook:\n\n{cells}\n\n{task.instruction}\n\nFix it. Answer with the corrected cell only."


PEERS: dict[str, Callable[[Task, Notebook], Prompt]] = {"jupyter-ai": jupyter_ai, "chapyter": chapyter, "coml": coml}
