"""A chat template is a stranger's program: it is ended when it takes too much, and harms nobody."""

from __future__ import annotations

import gc
import os
import threading
import time
from collections.abc import Iterator

import psutil
import pytest

from nbcopilot.engine import templating
from nbcopilot.engine.template_worker import CPU_SECONDS, environment
from nbcopilot.engine.templating import Template, TemplateRefused
from nbcopilot.errors import EngineError

TURNS = [{"role": "user", "content": "hello"}]
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
# What must end with EngineError, soon, in bounded memory.
TOO_MUCH = {
    "endless": LOOP,
    "endless where the user says so": "{% if messages[0]['content'] == 'hello' %}" + LOOP + "{% endif %}",
    "doubled": "{% set ns = namespace(x='x' * 1000) %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}{{ ns.x }}",
    "padded": "{{ 'x'.ljust(9999999999) }}",
    "centred": "{{ 'x' | center(9999999999) }}",
    "formatted": "{{ '%9999999999d' % 1 }}",
    "a long answer": "{% for i in range(99999) %}0123456789{% endfor %}",
    "deep": "{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}",
    "indented": "{{ messages | tojson(indent=9999999999) }}",
}
REFUSED = {
    "repeated": "{{ 'x' * 4000000000 }}",
    "a repeated list": "{{ [1] * 4000000000 }}",
    "a repeated number": "{{ 4000000000 * 'x' }}",
    "a power": "{{ 9 ** 99999999 }}",
    "a long range": "{% for i in range(10 ** 9) %}{% endfor %}",
    "classes": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "format": "{{ ('{0.__globals__[sys].modules}' | attr('format'))(raise_exception) }}",
    "default of tojson": "{{ raise_exception | tojson(default='{0.__globals__[os].environ}'.format) }}",
    "of another form": "{% if %}",
    "its own words": "{{ raise_exception('no system turn') }}",
}


@pytest.fixture
def made() -> Iterator[list[Template]]:
    kept: list[Template] = []
    yield kept
    kept.clear()
    gc.collect()


def of(template: Template) -> psutil.Process:
    assert template._process is not None
    return psutil.Process(template._process.pid)


@pytest.mark.parametrize("name", TOO_MUCH)
def test_a_template_that_takes_too_much_is_ended_and_the_next_rendering_works(name: str) -> None:
    source = "{% if messages[0]['content'] == 'good' %}fine{% else %}" + TOO_MUCH[name] + "{% endif %}"
    template = Template(source if name != "deep" else TOO_MUCH[name])
    process = of(template)
    began = time.monotonic()
    with pytest.raises(EngineError, match="chat template cannot be used"):
        template.render(TURNS, "", "")
    assert time.monotonic() - began < templating.WALL_SECONDS
    still = [p for p in [process] if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not still or still[0].cpu_times().user < CPU_SECONDS + 1
    if name != "deep":
        assert template.render([{"role": "user", "content": "good"}], "", "") == "fine"


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_sandbox_refuses_is_the_template_s_own_fault(name: str) -> None:
    with pytest.raises(TemplateRefused):
        Template(REFUSED[name]).render(TURNS, "", "")


@pytest.mark.parametrize("reach", ["raise_exception.__globals__", "strftime_now.__globals__"])
def test_what_lies_behind_a_function_is_nothing_to_a_template(reach: str) -> None:
    assert Template("[{{ " + reach + " }}]").render(TURNS, "", "") == "[]"


def test_nothing_computes_on_after_an_endless_template() -> None:
    template = Template(LOOP)
    process = of(template)
    with pytest.raises(EngineError, match=f"after {CPU_SECONDS} s of computing"):
        template.render(TURNS, "", "")
    assert not process.is_running()


@pytest.mark.skipif(os.name != "posix", reason="processor time is bounded by the system there")
def test_a_template_that_never_ends_is_not_tried_for_ever() -> None:
    template = Template(LOOP)
    for _ in range(templating.TRIES):
        with pytest.raises(EngineError, match="was ended after"):
            template.render(TURNS, "", "")
    began = time.monotonic()
    with pytest.raises(EngineError, match=f"was ended {templating.TRIES} times"):
        template.render(TURNS, "", "")
    assert time.monotonic() - began < 0.5


def test_an_endless_template_holds_up_no_other_one() -> None:
    bad, good = Template(LOOP), Template("{{ messages[0]['content'] }}")
    good.render(TURNS, "", "")
    errors: list[EngineError] = []

    def ask() -> None:
        try:
            bad.render(TURNS, "", "")
        except EngineError as exc:
            errors.append(exc)

    asking = threading.Thread(target=ask)
    asking.start()
    time.sleep(0.2)
    began = time.monotonic()
    assert good.render(TURNS, "", "") == "hello"
    assert asking.is_alive() and time.monotonic() - began < 1
    asking.join()
    assert len(errors) == 1


def test_the_clock_ends_a_process_that_does_not_compute(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templating, "WALL_SECONDS", 0.5)
    template = Template("x")
    template.render(TURNS, "", "")
    process = of(template)
    process.suspend()
    with pytest.raises(EngineError):
        template.render(TURNS, "", "")
    assert not process.is_running()
    monkeypatch.setattr(templating, "WALL_SECONDS", 10.0)
    assert template.render(TURNS, "", "") == "x"


def test_its_process_ends_with_the_template_and_knows_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "hunter2")
    template = Template("x")
    assert template.render(TURNS, "", "") == "x"
    process = of(template)
    if os.name == "posix":
        assert "MY_TOKEN" not in process.environ()
    del template
    gc.collect()
    assert not process.is_running()


def test_text_of_any_kind_comes_through_whole() -> None:
    content = 'é漢字 "quoted" \\ \x00 \ud800 \u2028 ' + "long " * 100_000
    template = Template("{{ bos_token }}{{ messages[0]['content'] }}{{ eos_token }}")
    assert template.render([{"role": "user", "content": content}], "<s>", "</s>") == f"<s>{content}</s>"


def test_many_ask_at_once(made: list[Template]) -> None:
    template = Template("{{ messages[0]['content'] }}")
    found: list[str] = []
    ask = [
        threading.Thread(
            target=lambda n=n: found.append(template.render([{"role": "user", "content": str(n)}], "", ""))
        )
        for n in range(20)
    ]
    for one in ask:
        one.start()
    for one in ask:
        one.join()
    assert sorted(found, key=int) == [str(n) for n in range(20)]


def test_options_of_tojson_are_those_of_transformers() -> None:
    render = environment().from_string("{{ x | tojson(indent=1, sort_keys=True) }}").render
    assert render(x={"b": "é", "a": 1}) == '{\n "a": 1,\n "b": "é"\n}'


def test_a_template_as_long_as_a_book_is_refused_at_once() -> None:
    with pytest.raises(EngineError, match="characters"):
        Template("x" * (templating.TEMPLATE_CHARACTERS + 1))
