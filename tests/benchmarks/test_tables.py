"""The published tables are those of the results."""

from benchmarks.tables import README, TABLES, section, with_tables


def test_the_readme_holds_the_tables_of_the_results() -> None:
    text = README.read_text(encoding="utf-8")
    assert with_tables(text) == text


def test_every_table_has_results() -> None:
    assert [name for name in TABLES if not section(name)] == []
