"""Identifiers and words meet, and rare words weigh more."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nbcopilot.retrieval.lexical import Lexical, is_telling, terms


def test_identifiers_are_split_at_case_and_underscores() -> None:
    assert terms("loadCSVFile") == ["loadcsvfile", "load", "csv", "file"]
    assert terms("load_csv_file2") == ["load_csv_file2", "load", "csv", "file"]
    assert terms("HTTPServer größe") == ["httpserver", "http", "server", "größe"]


def test_the_rare_word_decides() -> None:
    index = Lexical(
        [terms(text) for text in ("the sales table", "the sales of oats", "the table of oats", "fiscal sales")]
    )
    assert index.search(terms("fiscal sales"))[0][0] == 3
    assert index.rarity("fiscal") == 0.75 and index.rarity("absent") == 0.0


def test_spelling_of_an_identifier_does_not_matter() -> None:
    index = Lexical([terms("def parseDate(text): ..."), terms("def draw(): ...")])
    assert [hit[0] for hit in index.search(terms("parse_date"))] == [0]


def test_words_of_every_request_find_nothing() -> None:
    assert not is_telling("function") and not is_telling("of") and is_telling("fiscal")
    assert Lexical([terms("write a function")]).search(terms("write a function that does it")) == []


@given(st.lists(st.text(max_size=40), max_size=6), st.text(max_size=40))
def test_any_texts_can_be_searched(documents: list[str], query: str) -> None:
    found = Lexical([terms(document) for document in documents]).search(terms(query))
    assert [hit[1] for hit in found] == sorted((hit[1] for hit in found), reverse=True)
