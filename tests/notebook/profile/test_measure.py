"""The facts of live tables: text that holds numbers and dates, keys, joins, odd labels, limits of time."""

from __future__ import annotations

import ast
import sqlite3
import time
from pathlib import Path

import pytest

pd = pytest.importorskip("pandas")
np = pytest.importorskip("numpy")

from nbcopilot.notebook.profile.beside import files  # noqa: E402
from nbcopilot.notebook.profile.disguise import disguise  # noqa: E402
from nbcopilot.notebook.profile.measure import measure  # noqa: E402


def read(texts: list[str]) -> list[float] | list[str] | None:
    """What the parse that is found makes of the texts."""
    found = disguise(texts)
    if found is None:
        return None
    series = pd.Series(texts)
    value = eval(found.parse.format(x="x"), {"pd": pd, "x": series})
    return value.tolist() if found.kind == "number" else [str(one)[:19] for one in value]


@pytest.mark.parametrize(
    ("texts", "values"),
    [
        (["1,234.50 €", "20.00 €", "7.5 €"], [1234.5, 20.0, 7.5]),
        (["1.234,50", "20,00", "-7,5"], [1234.5, 20.0, -7.5]),
        (["CHF 12", "CHF 1'200", "CHF 7.5"], [12.0, 1200.0, 7.5]),
        (["80%", "100%", "7.5%"], [80.0, 100.0, 7.5]),
        (["12 kg", "7.25 kg", "1000 kg"], [12.0, 7.25, 1000.0]),
        (["3.5", "12", "700"], [3.5, 12.0, 700.0]),
    ],
)
def test_texts_that_are_numbers_are_read_without_loss(texts: list[str], values: list[float]) -> None:
    assert read(texts) == values


@pytest.mark.parametrize(
    "texts",
    [
        ["00123", "00456", "11111"],
        ["A12", "B7", "C100"],
        ["1.2.3", "10.0.1", "2.4"],
        ["12:30", "13:45", "9:10"],
        ["35:31", "28:28", "30:29"],
        ["10115", "80331", "20095"],
        ["north", "south", ""],
        ["", " "],
        ["1,5", "1.5", "2,5.1.2"],
    ],
)
def test_codes_versions_times_and_words_stay_text(texts: list[str]) -> None:
    found = disguise(texts)
    assert found is None or found.kind != "number"


@pytest.mark.parametrize(
    ("texts", "first"),
    [
        (["31.12.2023", "01.02.2024"], "2023-12-31 00:00:00"),
        (["12/31/2023", "02/01/2024"], "2023-12-31 00:00:00"),
        (["2023-12-31T23:59", "2024-02-01T00:00"], "2023-12-31 23:59:00"),
        (["31/Dec/2023:23:59:58 +0100", "01/Feb/2024:00:00:00 +0100"], "2023-12-31 22:59:58"),
        (["Dec 31, 2023", "Feb 1, 2024"], "2023-12-31 00:00:00"),
    ],
)
def test_texts_that_are_dates_are_read_by_the_format_that_fits_all(texts: list[str], first: str) -> None:
    values = read(texts)
    assert values is not None and values[0] == first


def test_days_and_months_that_can_be_exchanged_are_both_said() -> None:
    found = disguise(["01/02/2024", "03/04/2024"])
    assert found is not None and found.other


def test_blank_cells_among_numbers_are_the_only_loss() -> None:
    texts = ["12.5", " ", "7"]
    values = read(texts)
    assert values is not None and values[0] == 12.5 and np.isnan(values[1])


def test_tables_join_on_what_they_share_not_on_what_counts_from_one() -> None:
    rng = np.random.default_rng(1)
    trips = pd.DataFrame({"trip": range(1, 501), "rider": rng.integers(1, 61, 500), "seats": rng.integers(1, 5, 500)})
    riders = pd.DataFrame({"id": range(1, 61), "home": rng.choice(["a", "b", "c"], 60)})
    state = measure({"trips": trips, "riders": riders}, ["trips", "riders"], None)
    assert [(j.left, j.left_on, j.right, j.right_on) for j in state.joins] == [("trips", "'rider'", "riders", "'id'")]
    assert state.joins[0].right_key and state.joins[0].match == 1.0


def test_keys_of_other_types_join_through_a_cast_that_runs() -> None:
    members = pd.DataFrame({"No.": [f"{n:05d}" for n in range(1, 31)], "Name": [f"N{n}" for n in range(30)]})
    dues = pd.DataFrame({"number": list(range(1, 26)) * 2, "paid": np.arange(50) / 7})
    state = measure({"members": members, "dues": dues}, ["members", "dues"], None)
    (join,) = state.joins
    cast = join.left_cast or join.right_cast
    assert eval(cast.format(x="members['No.']"), {"members": members}).tolist() == list(range(1, 31))


def test_tables_with_nothing_in_common_do_not_join() -> None:
    left = pd.DataFrame({"price": np.linspace(1, 9, 30), "size": [1, 2, 3] * 10})
    right = pd.DataFrame({"rank": range(1, 41), "team": [f"t{n}" for n in range(40)]})
    assert measure({"left": left, "right": right}, ["left", "right"], None).joins == ()


ODD = [
    "plain", "with space", "x['a'] + 1", "def", "", " ", "naïve café", "销售额", "выручка", "a\nb", "quote's", 'double"', 7, 2.5, None, True,
    ("a", 1), ("b", ("c", None)), pd.Timestamp("2024-01-01"), "plain", "very long " * 40,
]  # fmt: skip


def test_every_odd_label_is_source_that_names_its_column() -> None:
    frame = pd.DataFrame([range(len(ODD))] * 3)
    frame.columns = pd.Index(ODD, dtype=object)
    (table,) = measure({"frame": frame}, ["frame"], None).tables
    assert len(table.columns) == len(ODD)
    assert [c.duplicated for c in table.columns if c.text == "plain"] == [True, True]
    for column, label in zip(table.columns, ODD, strict=True):
        value = eval(column.label, {"pd": pd})
        assert value == label or (value is None and label is None)


def test_wide_long_and_broken_tables_stay_within_the_time() -> None:
    wide = pd.DataFrame(np.zeros((50, 3000)), columns=[f"c{n}" for n in range(3000)])
    long = pd.DataFrame({"t": pd.date_range("2020", periods=2_000_000, freq="s"), "v": np.arange(2_000_000)})
    lists = pd.DataFrame({"nested": [[1, {"a": 2}]] * 5, "mixed": [1, "x", None, 2.5, {}]})
    names = {"wide": wide, "long": long, "lists": lists, "empty": pd.DataFrame(), "none": pd.DataFrame({"a": []})}
    started = time.thread_time()
    state = measure(names, list(names), None, seconds=1.0)
    assert time.thread_time() - started < 2.5
    found = {table.name: table for table in state.tables}
    assert len(found["wide"].columns) == 3000 and set(found) >= {"wide", "long"}
    assert {one.split(":")[0] for one in state.skipped} | set(found) >= set(names)


class Hostile:
    """An object that raises whatever is asked of it."""

    def __getattribute__(self, name: str) -> object:
        raise RuntimeError(name)


def test_hostile_objects_and_subclasses_are_passed_over() -> None:
    class Frame(pd.DataFrame):
        @property
        def columns(self) -> object:
            raise RuntimeError

    state = measure({"x": Hostile(), "f": Frame({"a": [1]}), "g": pd.DataFrame({"a": [1, 2]})}, ["x", "f", "g"], None)
    assert [table.name for table in state.tables] == ["g"]


def test_open_databases_give_their_tables_and_keys_and_are_left_as_they_were() -> None:
    con = sqlite3.connect(":memory:")
    con.execute("create table genre (id integer primary key, label text)")
    con.execute("create table film (id integer primary key, title text, genre_id int references genre(id))")
    con.executemany("insert into genre values (?, ?)", [(1, "noir"), (2, "western")])
    con.commit()
    state = measure({"con": con}, ["con"], None)
    assert {t.name: [c.text for c in t.columns] for t in state.tables}["film"] == ["id", "title", "genre_id"]
    assert [(j.left, ast.literal_eval(j.left_on), j.right) for j in state.joins] == [("film", "genre_id", "genre")]
    con.execute("insert into genre values (3, 'musical')")
    assert con.in_transaction and measure({"con": con}, ["con"], None).tables == ()


def test_files_beside_the_notebook_show_their_header_and_no_more(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x;y z;w\n1;2;3\n")
    (tmp_path / "b.jsonl").write_text('{"k": 1, "l": [2]}\n{"k": 2}\n')
    (tmp_path / "c.exe").write_text("no")
    (tmp_path / "d.csv").symlink_to("/etc/passwd")
    found = {file.name: file.columns for file in files(tmp_path, time.thread_time() + 5)}
    assert found == {"a.csv": ("x", "y z", "w"), "b.jsonl": ("k", "l")}
