"""docs/paper.md tells the numbers that the code uses."""

from pathlib import Path

from dsmath_pipeline.recipe.document import paper_page


def test_the_page_in_docs_is_current():
    page = Path(__file__).parents[2] / "docs" / "paper.md"
    assert page.read_text() == paper_page(), "run `make docs`"


def test_the_page_holds_a_setting_with_its_source_and_the_demos_value():
    (line,) = [line for line in paper_page().splitlines() if line.startswith("| `group_size`")]
    assert "| 64 |" in line and "| 8 |" in line and line.endswith("| section 4.2 |")
