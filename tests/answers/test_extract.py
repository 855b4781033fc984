"""Answers as small models really give them, and the code that must come out."""

from __future__ import annotations

import ast

import pytest

from nbcopilot.answers.extract import extract
from nbcopilot.inference import Completion, Prompt

CHAT = Prompt()
PREFILLED = Prompt(prefill="```python\n", stop=("\n```",))
MARKDOWN = Prompt(answer="markdown")
F = "def f(x):\n    return x"


def code(text: str, prompt: Prompt = CHAT, finish: str = "stop") -> str:
    return extract(Completion(text, finish=finish), prompt).text


@pytest.mark.parametrize(
    "answer",
    [
        f"```python\n{F}\n```",
        f"Sure! Here is the code:\n\n```python\n{F}\n```\n\nThis function returns its argument.",
        f"```py\n{F}\n```",
        f"```Python\n{F}\n```",
        f"```python3 title=x.py\n{F}\n```",
        f"```{{code-cell}} ipython3\n{F}\n```",
        f"```\n{F}\n```",
        f"~~~python\n{F}\n~~~",
        f"````python\n{F}\n````",
        f"``` python\r\n{F}\r\n```".replace("\n", "\r\n"),
        f"```python\n{F}",
        f"```python\n```python\n{F}\n```",
        f"```python\n{F}```",
        f"python\n{F}",
        f"Python:\n{F}",
        F,
        f"\n\n{F}\n\n",
        f"Here is the function:\n\n{F}\n\nIt returns `x`. Call it with a number.",
        f"Here is the function:\n{F}\n\nExplanation:\n- It takes one argument.\n- It returns it unchanged.",
        "1. Write this:\n\n   ```python\n   def f(x):\n       return x\n   ```\n\n2. Done.",
        "- ```python\n  def f(x):\n      return x\n  ```",
        ">>> def f(x):\n...     return x\n...\n",
        "```pycon\n>>> def f(x):\n...     return x\n```",
        "In [1]: def f(x):\n   ...:     return x\n",
        f"First install it:\n```bash\npip install numpy\n```\nThen:\n```python\n{F}\n```",
        f"```python\n!pip install numpy\n```\n```python\n{F}\n```",
        f"```python\n{F}\n```\nOutput:\n```\n3\n```",
        f"```python\n{F}\n```\nwhich gives\n```text\nx = 3\n```",
        f"```python\ndef f(x):\n    return 0\n```\nThat is wrong. Corrected:\n```python\n{F}\n```",
        f"```python\n{F}\n```\n```python\n{F}\n```",
        f"```python\n{F}\n```\nAlternatively:\n```python\nf = lambda x: x\n```",
    ],
)
def test_the_code_comes_out_of_any_wrapping(answer: str) -> None:
    assert code(answer) == F


@pytest.mark.parametrize("tail", ["", "\n```", "\n```\nThis works because it returns x."])
def test_a_prefilled_fence_is_part_of_the_answer(tail: str) -> None:
    assert code(F + tail, PREFILLED) == F


@pytest.mark.parametrize(
    ("begun", "said", "kept"),
    [
        ("def f(x):\n", "    return x", F),
        ("def f(x):\n", F, F),
        ("def f(x):\n", f"\n{F}", F),
        ("import os\n\ndef f(x):\n    # columns of x: 'a'\n", F, f"import os\n\n{F}"),
        ("def f(x):\n    return x.groupby('a').agg(", F, F),
        ("class Pair:\n", "class Pair:\n    a = 1", "class Pair:\n    a = 1"),
        ("def f(x):\n", "    return g(x)\n\ndef g(x):\n    return x", "def f(x):\n    return g(x)\n\ndef g(x):\n    return x"),
        ('def f(x):\n    """Give x."""\n', "    return x", 'def f(x):\n    """Give x."""\n    return x'),
    ],
)  # fmt: skip
def test_a_definition_that_was_begun_is_not_there_twice(begun: str, said: str, kept: str) -> None:
    prompt = Prompt(prefill=f"```python\n{begun}", stop=("\n```",))
    assert code(said, prompt).strip() == kept


def test_code_in_the_prefill_is_kept() -> None:
    prompt = Prompt(prefill="```python\nimport os\n", stop=("\n```",))
    assert code("x = os.getcwd()", prompt) == "import os\nx = os.getcwd()"


def test_a_function_and_its_usage_are_one_program() -> None:
    answer = f"```python\n{F}\n```\nUse it like this:\n```python\nprint(f(3))\n```"
    assert code(answer) == f"{F}\n\nprint(f(3))"


def test_steps_that_build_on_each_other_are_joined_in_order() -> None:
    answer = "Load:\n```python\nimport pandas as pd\n```\nMake:\n```python\ndf = pd.DataFrame()\n```\nClean:\n```python\ndf = df.dropna()\n```"
    assert code(answer) == "import pandas as pd\n\ndf = pd.DataFrame()\n\ndf = df.dropna()"


def test_the_full_version_replaces_the_steps_before_it() -> None:
    answer = "```python\nx = 1\n```\nthen\n```python\ny = x + 1\n```\nAll together:\n```python\nx = 1\ny = x + 1\nprint(y)\n```"
    assert code(answer) == "x = 1\ny = x + 1\nprint(y)"


def test_an_alternative_that_uses_the_main_answer_is_kept() -> None:
    answer = f"```python\n{F}\n```\nOr you can map it:\n```python\nlist(map(f, [1]))\n```"
    assert code(answer) == f"{F}\n\nlist(map(f, [1]))"


def test_a_fence_inside_a_docstring_does_not_end_the_block() -> None:
    body = 'def f():\n    """Use:\n\n    ```\n    f()\n    ```\n    """\n    return 1'
    assert code(f"```python\n{body}\n```\nDone.") == body


def test_a_class_with_blank_lines_is_never_split() -> None:
    body = "class A:\n\n    def f(self):\n\n        return 1\n\n\n    def g(self):\n        return 2"
    assert code(f"Here is the class:\n\n{body}\n\nIt has two methods, f and g.") == body
    assert code(f"```python\n{body}\n```") == body


def test_a_method_shown_alone_joins_the_class_above_it() -> None:
    answer = "```python\nclass A:\n    def f(self):\n        return 1\n```\nAdd:\n```python\n    def g(self):\n        return 2\n```"
    tree = ast.parse(code(answer))
    assert [type(s) for s in tree.body] == [ast.ClassDef]
    assert len(tree.body[0].body) == 2


def test_docstring_examples_are_not_taken_for_a_session() -> None:
    body = 'def f(x):\n    """\n    >>> f(1)\n    1\n    """\n    return x'
    assert code(body) == body
    assert code(body, PREFILLED) == body


def test_outputs_of_a_session_are_left_out() -> None:
    assert code("In [1]: x = 1\nIn [2]: x\nOut[2]: 1\nIn [3]: y = 2") == "x = 1\nx\ny = 2"
    assert code(">>> x = 1\n>>> x\n1\n>>> y = 2") == "x = 1\nx\ny = 2"


@pytest.mark.parametrize(
    "answer",
    [
        "I'm sorry, but I can't help with that.",
        "Sure",
        "Yes, certainly",
        "Would you like me to continue?",
        "The function uses a loop to add the numbers.\nIt then returns the total.",
        "",
        "   \n\n",
        "```python\n```",
        "```bash\npip install numpy\n```",
    ],
)
def test_prose_alone_gives_no_code(answer: str) -> None:
    assert code(answer) == ""


def test_prose_never_lands_in_the_cell() -> None:
    answer = "To group the data, use groupby.\n\nmonthly = df.groupby('m').sum()\nmonthly.plot()\n\nWould you like me to explain?"
    found = extract(Completion(answer), CHAT)
    assert found.text == "monthly = df.groupby('m').sum()\nmonthly.plot()"
    assert "Would you like" in found.prose and "To group" in found.prose


def test_code_with_a_syntax_error_is_still_shown() -> None:
    answer = "Here is the code you asked for:\n\nimport os\nfor x in range(3)\n    print(x)\n\nThis prints the numbers."
    assert code(answer) == "import os\nfor x in range(3)\n    print(x)"


@pytest.mark.parametrize(
    "body", ["%matplotlib inline\nx = 1", "%%time\nx = 1", "!ls\nx = 1", "data = await fetch()", "files = !ls"]
)
def test_ipython_syntax_counts_as_code(body: str) -> None:
    assert code(body) == body
    assert code(f"Here it is:\n```python\n{body}\n```") == body


def test_one_line_wrappings() -> None:
    assert code("`df.head()`") == "df.head()"
    assert code("```df.head()```") == "df.head()"
    assert code("Use this: \n```python df.head() ```") == "df.head()"


def test_a_cut_tail_after_whole_definitions_is_left_out_and_said() -> None:
    found = extract(Completion(f"{F}\n\nprint(f(1", finish="length"), PREFILLED)
    assert (found.text, found.complete) == (F, False)
    assert "last 2 lines" in found.notes[0]


@pytest.mark.parametrize(
    "body",
    ["class A:\n    def f(self):\n        return 1\n\n    def g(self", "x = [1, 2,", "import os\ny = os.path.joi"],
)
def test_a_cut_answer_is_kept_whole_when_trimming_is_not_safe(body: str) -> None:
    found = extract(Completion(body, finish="length"), PREFILLED)
    assert (found.text, found.complete) == (body, False)
    assert "--max-tokens" in found.notes[0]


def test_an_answer_cut_in_the_prose_after_its_code_is_complete() -> None:
    found = extract(Completion(f"```python\n{F}\n```\nThis function ret", finish="length"), CHAT)
    assert (found.text, found.complete) == (F, True)


def test_other_languages_take_their_own_fence() -> None:
    prompt = Prompt(language="r")
    assert code("Sure:\n```r\nx <- 1\n```\n```bash\nls\n```", prompt) == "x <- 1"
    assert code("x <- 1\nprint(x)", prompt) == "x <- 1\nprint(x)"


def test_markdown_loses_the_chat_around_it_and_keeps_its_fences() -> None:
    answer = "Sure! Here is a summary:\n\n# Title\n\n```python\nx = 1\n```\n\nLet me know if you need more!"
    assert code(answer, MARKDOWN) == "# Title\n\n```python\nx = 1\n```"


@pytest.mark.parametrize("inner", ["# T\n\ntext", "# T\n\n```python\nx\n```\n\ntext"])
def test_a_fence_around_a_whole_markdown_answer_is_taken_off(inner: str) -> None:
    assert code(f"```markdown\n{inner}\n```", MARKDOWN) == inner


def test_markdown_that_is_cut_inside_a_fence_is_closed() -> None:
    found = extract(Completion("## A\n```python\nx = 1", finish="length"), MARKDOWN)
    assert found.text == "## A\n```python\nx = 1\n```"
    assert not found.complete


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ("It adds `a` and `b`. The `min` function is", "It adds `a` and `b`."),
        ("It adds.\n\nThen it prints. And", "It adds.\n\nThen it prints."),
        ("Steps:\n\n- read the file\n- drop the", "Steps:\n\n- read the file"),
        ("Steps.\n\n1. Reads it. Also the", "Steps.\n\n1. Reads it."),
        ("It adds both of the", "It adds both of the"),
        ("It adds. It prints.", "It adds. It prints."),
        ("It is 3.5 of", "It is 3.5 of"),
    ],
)
def test_prose_that_was_cut_ends_with_a_whole_sentence(answer: str, kept: str) -> None:
    assert extract(Completion(answer, finish="length"), MARKDOWN).text == kept
    assert extract(Completion(answer, finish="stop"), MARKDOWN).text == answer


def test_text_answers_are_not_touched() -> None:
    assert code("  x = 1\n", Prompt(answer="text")) == "  x = 1\n"


def test_a_long_answer_of_prose_ends_quickly() -> None:
    assert code("This is one more sentence about the data = it is long.\n" * 2000) == ""


def test_prose_in_the_fence_that_was_opened_for_the_model_is_left_out() -> None:
    prompt = Prompt(prefill="Here is the code:\n```python\n")
    answer = "Sure! Here it is:\n\n```python\nx = 1\n\ny = 2\n```\n\nEnjoy."
    assert extract(Completion(answer), prompt).text == "x = 1\n\ny = 2"
    closed = "x = 1\n```\nand used so:\n```python\nprint(x)\n```"
    assert extract(Completion(closed), prompt).text.startswith("x = 1")


@pytest.mark.parametrize("lead", ["Answer:", "Sure! Here is a function that returns its argument:", "To do this:\n"])
def test_prose_inside_the_fence_that_was_opened_for_the_model_never_becomes_code(lead: str) -> None:
    assert code(f"{lead}\n```\n{F}\n```", PREFILLED) == F
    assert code(f"{lead}\n\n{F}\n```\nIt returns x.", PREFILLED) == F
    assert code(lead, PREFILLED) == "", "the model's own fence was the stop"
