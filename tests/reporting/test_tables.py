"""Tables of a run and their printed forms; expected numbers come from the made-up run in conftest.py."""

import pytest

from dsmath_pipeline.reporting.tables import (
    accuracy_table,
    format_cell,
    held_out_table,
    html_table,
    iterations_table,
    markdown_table,
)


def test_iterations_show_pages_overlap_and_precision_and_recall(finished_run):
    first, second = iterations_table(finished_run, finished_run / "truth")
    assert (first["iteration"], first["num_pages"], first["already_collected_pages_share"]) == (1, 90, None)
    # iteration 1: 80 of 90 collected pages are mathematics; 80 of the 90 mathematics pages were collected
    assert first["precision"] == pytest.approx(80 / 90)
    assert first["recall"] == pytest.approx(80 / 90)
    # iteration 2: 95 pages, of which p0-p79 and p100-p104 were in iteration 1; all 90 mathematics pages are there
    assert second["already_collected_pages_share"] == pytest.approx(85 / 95)
    assert second["precision"] == pytest.approx(90 / 95)
    assert second["recall"] == 1.0
    # page i has 100 + i tokens: sum over 0-89 is 9000 + 4005, over 100-104 is 500 + 510
    assert second["num_tokens"] == 13_005 + 1_010
    # of them old: sum over 0-79 is 8000 + 3160, and the same 1,010
    assert second["already_collected_tokens_share"] == pytest.approx((11_160 + 1_010) / 14_015)
    assert (second["num_math_domains"], second["num_math_prefixes"]) == (7, 5)
    assert not second["is_carried_forward"]


def test_recall_counts_only_mathematics_that_survived_dedup(finished_run, tmp_path):
    import pyarrow as pa

    from dsmath_pipeline import storage

    truth = tmp_path / "other_truth.parquet"
    urls = storage.read_table(finished_run / "documents", ["url"])["url"].to_pylist()
    # p270-p299 are called mathematics; p280-p299 were dropped as repetitions, and none was collected
    storage.write_table(truth, pa.table({"url": urls, "is_math": [i < 90 or i >= 270 for i in range(300)]}))
    assert iterations_table(finished_run, truth)[1]["recall"] == pytest.approx(90 / 100)


def test_without_a_truth_precision_and_recall_are_left_out(finished_run):
    assert "precision" not in iterations_table(finished_run, None)[0]
    assert "precision" not in iterations_table(finished_run, finished_run / "nothing")[0]


def test_a_folder_without_iterations_or_evaluations_gives_no_rows(tmp_path):
    assert iterations_table(tmp_path, None) == []
    assert accuracy_table(tmp_path) == []


def test_accuracies_come_in_the_order_of_training(finished_run):
    rows = accuracy_table(finished_run)
    assert [(row["model"], row["greedy"], row["pass_at_k"], row["k"]) for row in rows] == [
        ("base", 0.05, 0.45, 8),
        ("SFT", 0.4, 0.9, 8),
        ("RL", 0.9, 0.95, 8),
    ]
    assert rows[0]["benchmark"] == "word problems"


@pytest.mark.parametrize(
    ("column", "value", "text"),
    [
        ("num_pages", 12345, "12,345"), ("greedy", 0.125, "12.5%"), ("collected_share", 1.0, "100.0%"),
        ("loss", 0.12345, "0.1235"), ("seconds", 1234.56, "1,234.6"), ("GSM8K", 3.0, "3.0"), ("x", None, "–"),
        ("ok", True, "yes"),
    ],
)  # fmt: skip
def test_values_are_printed_for_people(column, value, text):
    assert format_cell(column, value) == text


ROWS = [{"name": "a|b <i>", "num_pages": 1200, "greedy": 0.5}, {"name": "c\nd", "num_pages": None, "greedy": 1.0}]


def test_markdown_tables_align_numbers_and_cells_cannot_break_out():
    assert markdown_table(ROWS).split("\n") == [
        "| name | pages | greedy |",
        "|---|--:|--:|",
        "| a\\|b &lt;i&gt; | 1,200 | 50.0% |",
        "| c d | – | 100.0% |",
    ]
    assert markdown_table([]) == ""


def test_html_tables_escape_everything():
    table = html_table([{"<b>": "<script>", "num_pages": 3}], caption="a & b")
    assert "<script>" not in table and "&lt;script&gt;" in table and "&lt;b&gt;" in table and "a &amp; b" in table
    assert '<td class="number">3</td>' in table
    assert html_table([]) == ""


def test_held_out_figures_follow_the_iterations_that_trained(finished_run):
    rows = held_out_table(finished_run)
    assert [(row["iteration"], row["held_out"], row["recall"]) for row in rows] == [
        (1, "seed and crawl", pytest.approx(0.8)), (1, "judged", None),
        (2, "seed and crawl", pytest.approx(0.9)), (2, "judged", None),
    ]  # fmt: skip
    assert "80.0%" in html_table(rows) and "seed and crawl" in html_table(rows)
