"""Requests of several domains and languages: what they are linked to, and first lines that run as they are written."""

from __future__ import annotations

from typing import Any

import pytest

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

from nbcopilot.grounding.ground import NOTHING, ground  # noqa: E402
from nbcopilot.grounding.link import STRONG  # noqa: E402
from nbcopilot.live_state import Grounding  # noqa: E402
from nbcopilot.notebook.profile.measure import measure  # noqa: E402
from nbcopilot.types import Cell, Notebook, Task  # noqa: E402

RNG = np.random.default_rng(11)


def clinic() -> dict[str, Any]:
    visits = pd.DataFrame(
        {
            "visit_no": range(1, 401),
            "patient": RNG.integers(1, 51, 400),
            "seen_on": np.sort(pd.Timestamp("2021-03-01") + pd.to_timedelta(RNG.integers(0, 300, 400), unit="D")),
            "bp_sys": RNG.normal(130, 12, 400),
            "bill": [f"{x:,.2f} CHF" for x in RNG.uniform(20, 2500, 400)],
        }
    )
    patients = pd.DataFrame(
        {"pid": range(1, 51), "surname": [f"P{n}" for n in range(50)], "ward": RNG.choice(["east", "west", "icu"], 50)}
    )
    return {"pd": pd, "visits": visits, "patients": patients}


def farm() -> dict[str, Any]:
    yields = pd.DataFrame(
        {
            "parzelle": RNG.choice(["Nord", "Süd", "Hang"], 200),
            "erntedatum": [f"{d.day:02d}.{d.month:02d}.{d.year}" for d in pd.date_range("2022-05-01", periods=200)],
            "ertrag_kg": RNG.gamma(3, 40, 200),
        }
    )
    return {"pd": pd, "yields": yields}


def notebook(names: dict[str, Any], cells: tuple[str, ...] = ()) -> Notebook:
    done = tuple(Cell(f"c{i}", "code", source, executed=i + 1) for i, source in enumerate(cells))
    state = measure(names, list(reversed(names)), None)
    return Notebook(done, cursor=len(done), names=frozenset(names), state=state)


def asked(request: str, names: dict[str, Any], cells: tuple[str, ...] = ()) -> Grounding:
    return ground(Task("generate", request), notebook(names, cells))


def run(opening: str, names: dict[str, Any], rest: str = "") -> dict[str, Any]:
    """The namespace after the opening, closed by `rest`."""
    space = {name: value.copy() if hasattr(value, "copy") else value for name, value in names.items()}
    exec(opening + rest, space)
    return space


def test_columns_of_two_tables_are_joined_before_the_model_goes_on() -> None:
    names = clinic()
    found = asked("mean systolic bp_sys per ward and month", names)
    (opening,) = found.openings
    space = run(opening, names, " values='bp_sys', aggfunc='mean')")
    assert space["table"].shape[1] == 3 and set(space["table"].columns) == {"east", "west", "icu"}
    assert len(space["data"]) == len(names["visits"])


def test_one_table_that_holds_all_is_not_joined() -> None:
    found = asked("mean bp_sys per patient", clinic())
    assert found.joins == () and not any("merge" in text for text in found.openings)


def test_days_are_counted_from_the_end_of_the_data() -> None:
    names = clinic()
    found = asked("which ward had the most visits in the last 30 days?", names)
    space = run(found.openings[0], names)
    assert space["today"] == names["visits"]["seen_on"].max()


def test_a_period_that_is_counted_is_no_distance_from_today() -> None:
    names = clinic()
    found = asked("monthly bill, and a forecast for the next 3 months", names)
    assert not any("today" in text for text in found.openings)


def test_numbers_in_text_are_parsed_and_the_users_table_stays() -> None:
    names = clinic()
    found = asked("total bill per ward and month", names)
    space = run(found.openings[0], names, " values='bill', aggfunc='sum')")
    assert space["data"]["bill"].notna().all() and space["data"]["bill"].dtype.kind == "f"
    assert space["visits"].equals(names["visits"])


def test_a_request_about_the_form_of_a_column_changes_that_column() -> None:
    names = clinic()
    space = run(asked("make bill numeric", names).openings[0], names)
    assert space["visits"]["bill"].dtype.kind == "f" and space["visits"]["bill"].notna().all()


@pytest.mark.parametrize(
    ("request_", "table", "column"),
    [
        ("Gesamtertrag je Parzelle und Monat", "yields", "'parzelle'"),
        ("durchschnittlicher Ertrag pro Woche", "yields", "'ertrag_kg'"),
        ("mediana de bp_sys por ward", "visits", "'bp_sys'"),
        ("moyenne de bp_sys par patient", "visits", "'patient'"),
        ("每个 ward 的 bp_sys 平均值", "patients", "'ward'"),
        ("средний bp_sys по ward", "visits", "'bp_sys'"),
        ("bpSys by ward", "visits", "'bp_sys'"),
        ("systolic blood pressure over time: BP_SYS", "visits", "'bp_sys'"),
    ],
)
def test_words_of_any_language_find_their_columns(request_: str, table: str, column: str) -> None:
    names = {**clinic(), **farm()}
    links = [(link.table, link.label) for link in asked(request_, names).links if link.score >= STRONG]
    assert (table, column) in links


def test_a_column_is_found_inside_a_run_of_a_script_without_blanks() -> None:
    names = {"pd": pd, "stock": pd.DataFrame({"数量": [3, 1, 2], "城市": ["北京", "上海", "北京"]})}
    links = asked("每个城市的数量平均值", names).links
    assert {link.label for link in links if link.score >= STRONG} == {"'数量'", "'城市'"}


@pytest.mark.parametrize("unit", ["month", "Monat", "mes", "mois", "месяц", "mese"])
def test_the_month_is_known_by_its_name_in_the_locale_data(unit: str) -> None:
    names = farm()
    opening = asked(f"ertrag_kg, parzelle, {unit}", names).openings[0]
    space = run(opening, names, " values='ertrag_kg')")
    assert str(space["data"]["month"].dtype) == "period[M]"


def test_values_are_found_and_codes_of_two_letters_only_as_written() -> None:
    frame = pd.DataFrame({"dept": ["IT", "HR", "No"] * 5, "town": ["New York", "Oslo", "Rome"] * 5, "n": range(15)})
    links = asked("how many in new york and oslo? no it is not urgent", {"staff": frame}).links
    assert {link.value for link in links if link.kind == "value"} == {"'New York'", "'Oslo'"}
    assert any(link.value == "'IT'" for link in asked("only IT please", {"staff": frame}).links)


def test_it_is_what_the_cell_above_made() -> None:
    names = clinic()
    names["summary"] = names["patients"].groupby("ward").size()
    found = asked("now as a pie", names, ("summary = patients.groupby('ward').size()\nsummary",))
    assert found.last is not None and found.last.name == "summary" and found.plan == ("it: summary",)


def test_a_function_that_is_named_is_begun_and_one_that_exists_is_not() -> None:
    names = clinic()
    found = asked("a function overdue(visits, days=30) that lists patients", names)
    assert found.head == "overdue" and all(
        text.startswith("def overdue(visits, days=30):\n") for text in found.openings
    )
    assert asked("use print(x) and len(y) on visits(all)", names).head == ""
    assert ground(Task("generate", "write clamp(x, low, high)"), Notebook()).openings == ("def clamp(x, low, high):\n",)


@pytest.mark.parametrize("request_", ["hmm", "thanks!", "def f(x):\n    '''doc'''", "sort a list of numbers", "?"])
def test_requests_without_a_link_get_no_first_lines(request_: str) -> None:
    assert asked(request_, clinic()).openings == ()


def test_other_kinds_and_levels_are_not_grounded() -> None:
    book = notebook(clinic())
    assert ground(Task("fix", "bill per ward"), book) == NOTHING
    assert ground(Task("generate", "bill per ward"), book, "off") == NOTHING
    assert ground(Task("generate", "bill per ward and month"), book, "plan").openings == ()


ODD = pd.DataFrame([range(6)] * 4)
ODD.columns = pd.Index(["x['a']; import os", ("total", 2021), "", "销售额", "dup", "dup"], dtype=object)


@pytest.mark.parametrize(
    "request_", ["x['a']; import os per month", "total 2021", "销售额 的平均值", "dup per week", '"" and ()']
)
def test_odd_labels_never_break_the_first_lines(request_: str) -> None:
    for opening in asked(request_, {"pd": pd, "odd": ODD}).openings:
        run(opening, {"pd": pd, "odd": ODD})


def test_wide_tables_are_linked_in_time() -> None:
    wide = pd.DataFrame(np.zeros((5, 3000)), columns=[f"sensor_{n}_temp" for n in range(3000)])
    links = asked("plot sensor_1234_temp", {"wide": wide}).links
    assert links[0].label == "'sensor_1234_temp'" and links[0].score == 1.0


def test_a_table_that_is_named_is_meant_rather_than_rows_taken_from_it() -> None:
    names = clinic()
    names["dear"] = names["visits"][names["visits"]["bp_sys"] > 130]
    found = asked("mean bp_sys per patient, number of visits and the last seen_on", names)
    assert found.tables == ("visits",) and found.joins == ()


def test_a_table_is_not_joined_to_the_one_that_it_was_made_from() -> None:
    plots = pd.DataFrame({"plot": [f"p{n}" for n in range(30)], "soil": ["clay", "sand", "loam"] * 10})
    plots[["w1", "w2"]] = RNG.normal(9, 1, (30, 2))
    long = plots.melt(["plot", "soil"], var_name="week", value_name="height")
    found = asked("do the heights differ by soil in the 2 weeks?", {"pd": pd, "plots": plots, "long": long})
    assert found.joins == ()


@pytest.mark.parametrize("request_", ["visits per weekday", "Besuche je Wochentag"])
def test_the_days_of_the_week_are_not_weeks(request_: str) -> None:
    assert not any("to_period" in text for text in asked(request_, clinic()).openings)


def test_a_column_that_was_parsed_into_another_one_is_not_parsed_again() -> None:
    names = clinic()
    names["visits"]["chf"] = names["visits"]["bill"].str.replace(r"[^\d.]", "", regex=True).astype(float)
    assert not any("'bill'" in text for text in asked("total per patient", names).openings)


def test_of_two_columns_that_differ_in_case_the_one_that_is_written_is_meant() -> None:
    frame = pd.DataFrame({"FTE": ["80%", "100%", "50%"], "fte": [0.8, 1.0, 0.5], "dept": ["a", "b", "a"]})
    labels = [link.label for link in asked("sum of fte per dept", {"pd": pd, "staff": frame}).links]
    assert "'fte'" in labels and "'FTE'" not in labels


def test_a_sum_by_period_alone_is_not_begun_where_another_column_is_named() -> None:
    names = {"pd": pd, "shows": pd.DataFrame({"aired": pd.date_range("2020-01-01", periods=90), "hosts": [["A"]] * 90})}
    openings = asked("shows per year and hosts", names).openings
    assert openings and not any("groupby" in text for text in openings)


def test_an_answer_is_not_begun_with_facts_alone() -> None:
    found = asked("is bp higher in the east?", clinic())
    assert found.links and all(any(not x.startswith("#") for x in text.splitlines()) for text in found.openings)
