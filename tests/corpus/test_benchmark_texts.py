"""Which strings of which files count as benchmark texts."""

import gzip
import json

import pytest

from dsmath_pipeline.corpus.benchmark_texts import field_kind, item_texts, load_benchmark_texts
from dsmath_pipeline.storage import ArtifactError


def write_lines(path, *items):
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)) + "\n" for item in items)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("question", "question"), ("Body", "question"), ("informal_statement", "question"), ("inputText", "question"),
        ("answer", "answer"), ("golden", "answer"), ("ground_truth", "answer"), ("informal_proof", "answer"),
        ("options", "option"), ("choices", "option"),
        ("question_number", None), ("problem_name", None), ("answer_type", None), ("task_id", None), ("code", None),
        ("canonical_solution", None), ("level", None), ("ID", None), ("test_list", None),
    ],
)  # fmt: skip
def test_field_names_decide_what_a_string_is(name, kind):
    assert field_kind(name) == kind


def test_lists_and_chat_messages_are_read_and_numbers_are_not():
    item = {
        "messages": [{"role": "user", "content": "How many?"}, {"role": "assistant", "content": ""}],
        "options": ["A) one", "B) two"],
        "answer": 18.0,
        "solution": None,
    }
    assert list(item_texts(item)) == [("question", "How many?"), ("option", "A) one"), ("option", "B) two")]


def test_items_are_named_by_file_and_line_and_bad_lines_are_counted(tmp_path):
    write_lines(tmp_path / "gsm8k" / "test.jsonl", {"question": "One?"}, "{broken", "", "[1]", {"question": "Two?"})
    write_lines(tmp_path / "cmath" / "test.jsonl.gz", {"question": "几只鸭子？", "golden": "三只"})
    found = load_benchmark_texts(tmp_path)
    assert [(text.item, text.kind, text.text) for text in found.texts] == [
        ("cmath/test:1", "question", "几只鸭子？"),
        ("cmath/test:1", "answer", "三只"),
        ("gsm8k/test:1", "question", "One?"),
        ("gsm8k/test:5", "question", "Two?"),
    ]
    assert (found.num_files, found.num_items, found.num_bad_lines) == (2, 3, 2)
    assert found.texts[-1].benchmark == "gsm8k/test"


def test_a_repeated_text_counts_for_the_first_item_and_judged_outputs_are_no_benchmark(tmp_path):
    write_lines(tmp_path / "a" / "x.jsonl", {"question": "Same?"})
    write_lines(tmp_path / "b" / "x.jsonl", {"question": "Same?"})
    write_lines(tmp_path / "grader_parity" / "x.jsonl", {"question": "Judged?"})
    found = load_benchmark_texts(tmp_path)
    assert [text.item for text in found.texts] == ["a/x:1"]
    assert found.num_repeated_texts == 1


def test_a_file_in_which_no_field_is_taken_is_named(tmp_path):
    write_lines(tmp_path / "a.jsonl", {"question": "One?"})
    write_lines(tmp_path / "b.jsonl", {"thing": "text"}, {"thing": "text"})
    assert load_benchmark_texts(tmp_path).items_without_text == {"b": 2}


def test_one_file_can_be_given_instead_of_a_folder(tmp_path):
    write_lines(tmp_path / "a.jsonl", {"question": "One?"})
    assert [text.item for text in load_benchmark_texts(tmp_path / "a.jsonl").texts] == ["a:1"]


def test_an_empty_or_missing_folder_and_one_without_questions_are_clear_errors(tmp_path):
    with pytest.raises(ArtifactError, match="no benchmark file"):
        load_benchmark_texts(tmp_path)
    with pytest.raises(ArtifactError, match="does not exist"):
        load_benchmark_texts(tmp_path / "nothing")
    write_lines(tmp_path / "a.jsonl", {"thing": "text"}, "{")
    with pytest.raises(ArtifactError, match="1 items read, 1 bad lines"):
        load_benchmark_texts(tmp_path)
