"""What the extension costs a page, and how soon an answer is seen. A table, and a last line of JSON.

Start-up: time to `app.restored` of JupyterLab with the extension and with it switched off, alternating, medians.
First token: from the press on Generate to the first text on the screen, with the fake engine, so that it is the
cost of page, server and pipeline without a model. Needs the test and browser extras and a Chromium.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
RESTORED = "async () => { await window.jupyterapp.restored; return performance.now() }"
FIRST_TEXT = """() => new Promise(resolve => {
  const box = document.querySelector('#nbcopilot-sidebar');
  const button = [...box.querySelectorAll('button')].find(b => b.textContent === 'Generate');
  const seen = new MutationObserver(() => {
    const text = box.querySelector('.nbc-Answer .nbc-Code')?.textContent;
    if (text) { seen.disconnect(); resolve(performance.now() - start); }
  });
  seen.observe(box, { childList: true, subtree: true, characterData: true });
  const start = performance.now();
  button.click();
})"""


def harness() -> Any:
    """The server and page of tests/browser/conftest.py."""
    spec = importlib.util.spec_from_file_location("harness", ROOT / "tests" / "browser" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = module
    spec.loader.exec_module(module)
    return module


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    lab_tests = harness()
    from playwright.sync_api import sync_playwright

    servers = {}
    for name in ("with", "without"):
        folder = Path(tempfile.mkdtemp())
        if name == "without":
            config = folder / "config_dir" / "labconfig" / "page_config.json"
            config.parent.mkdir(parents=True)
            config.write_text(json.dumps({"disabledExtensions": {"nbcopilot": True}}))
        servers[name] = lab_tests.start_server(folder)
        servers[name].write("a.ipynb", "x = 1")
    path, _ = lab_tests.find_browser()
    starts: dict[str, list[float]] = {"with": [], "without": []}
    first: list[float] = []
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=path, headless=True, args=lab_tests.QUIET)
            for number in range(rounds + 1):
                for name, server in servers.items():
                    page = browser.new_context().new_page()
                    page.goto(f"{server.url}/lab?token={server.token}&reset")
                    page.wait_for_function("() => window.jupyterapp")
                    elapsed = page.evaluate(RESTORED)
                    if number:  # the first round fills the disk's cache
                        starts[name].append(elapsed)
                    page.close()
            page = browser.new_context().new_page()
            lab = lab_tests.Lab(page, servers["with"])
            lab.open("a.ipynb")
            for number in range(rounds + 1):
                lab.sidebar().get_by_role("textbox", name="Instruction").fill("write mean(values)")
                elapsed = page.evaluate(FIRST_TEXT)
                lab.finished(page.locator(".nbc-Answer").first)
                page.get_by_label("Remove this answer").first.click()
                if number:
                    first.append(elapsed)
            browser.close()
    finally:
        for server in servers.values():
            server.stop()
    size = sum(file.stat().st_size for file in (ROOT / "nbcopilot" / "labextension" / "static").glob("*.js"))
    result = {
        "bundle_bytes": size,
        "start_ms": {name: round(statistics.median(values)) for name, values in starts.items()},
        "start_spread_ms": {name: [round(min(values)), round(max(values))] for name, values in starts.items()},
        "first_token_ms": round(statistics.median(first)),
        "first_token_spread_ms": [round(min(first)), round(max(first))],
        "rounds": rounds,
        "machine": f"{os.cpu_count()} cores, {platform.machine()}, load {os.getloadavg()[0]:.1f}",
    }
    print(f"bundle            {size / 1000:.0f} kB")
    for name, median in result["start_ms"].items():  # type: ignore[attr-defined]
        print(f"start {name:<8}    {median} ms")
    print(f"press to text     {result['first_token_ms']} ms (fake engine)")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
