"""What an answer gave is in the sidebar and in the cell's output before anything is accepted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from scripted import Scripted

pytestmark = pytest.mark.browser

STATE = (
    "import pandas as pd\nimport matplotlib.pyplot as plt\n"
    "orders = pd.DataFrame({'segment': ['a', 'b'] * 100, 'amount': [1.5, 2.25] * 100})"
)
TABLE = "orders['month'] = 1\norders.assign(note='<b>x</b>')"
CHART = "orders.groupby('segment')['amount'].sum().plot(kind='bar', title='Sales')"


@pytest.fixture(scope="module")
def page_lab(lab: Any, server: Any) -> Iterator[Any]:
    script = Scripted()
    server.configure(
        engine=script.url, model="scripted", consensus_samples=0, answer_seconds=0, check_seconds=60, grounding="off"
    )
    server.write("outcome.ipynb", STATE)
    lab.open("outcome.ipynb")
    lab.run(0)
    lab.script = script
    yield lab
    server.configure(model="fake")
    script.close()


def ask(lab: Any, code: str) -> Any:
    lab.script.answer = f"```python\n{code}\n```"
    lab.select(0)
    return lab.ask("Generate", f"show {code[:12]}")


def test_a_table_and_what_changes_are_shown_before_it_is_accepted(page_lab: Any) -> None:
    lab = page_lab
    answer = ask(lab, TABLE)
    outcome = answer.get_by_role("region", name="Outcome")
    assert outcome.locator("thead th").all_inner_texts() == ["segment", "amount", "month", "note"]
    assert outcome.locator("tbody tr").first.locator("td").all_inner_texts() == ["a", "1.50", "1", "<b>x</b>"]
    assert outcome.locator("li").all_inner_texts() == ["orders: +1 column month, 200 rows kept"]
    line = answer.locator(".nbc-Truth").inner_text()
    assert line.startswith("Ran in ") and "200 rows × 4 columns" in line and "unsure" in line
    assert answer.locator(".nbc-Chip").count() == 0, "a wall of chips"
    answer.get_by_role("button", name="details").click()
    assert answer.locator(".nbc-Chip").count() > 0
    assert len(lab.cells()) == 1
    assert "month" not in lab.notebook("return nb.cells[0].getSource()")


def test_a_figure_is_shown_as_a_picture_with_a_description(page_lab: Any) -> None:
    answer = ask(page_lab, CHART)
    picture = answer.get_by_role("img", name="2 bars, “Sales”, x: segment")
    assert picture.evaluate("image => image.complete && image.naturalWidth > 200")
    assert picture.get_attribute("src").startswith("data:image/png;base64,")


def test_a_magic_shows_the_outcome_in_its_output(page_lab: Any) -> None:
    lab = page_lab
    lab.script.answer = f"```python\n{TABLE}\n```"
    lab.notebook("nb.insertCell(1, {cell_type: 'code', source: args[0]})", "%load_ext nbcopilot")
    lab.run(1)
    lab.notebook("nb.insertCell(2, {cell_type: 'code', source: args[0]})", "%%generate\nadd the month")
    lab.run(2)
    output = lab.page.locator(".jp-OutputArea-output table")
    output.wait_for()
    assert output.locator("th").all_inner_texts()[:5] == ["", "segment", "amount", "month", "note"]
    assert lab.page.locator(".jp-OutputArea-output b").count() == 0
    lab.page.get_by_text("orders: +1 column `month`, 200 rows kept").wait_for()
