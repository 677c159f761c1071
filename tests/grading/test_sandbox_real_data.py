"""1,319 published tool-integrated GSM8K solutions, their programs run again: same outputs, same accuracy."""

import json
import os
import re
from pathlib import Path

import pytest

from dsmath_pipeline.grading.answers import extract_answer
from dsmath_pipeline.grading.equality import decide
from dsmath_pipeline.grading.sandbox import Sandbox, available_walls

DATA = Path(__file__).parents[2] / os.environ.get("DSMATH_REAL_DATA", "../shared/data")
FOLDER = DATA / "benchmarks" / "grader_parity"
BLOCK = re.compile(r"```python[ \t]*\n(.*?)(?:```\s*```output\n(.*?)```|\Z)", re.DOTALL)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not FOLDER.is_dir(), reason=f"no real data at {FOLDER}"),
    pytest.mark.skipif(not available_walls()["bubblewrap"], reason="no bubblewrap jail on this machine"),
]


@pytest.fixture(scope="module")
def solutions():
    """Rows of (reference, text, match of its program and recorded output, result of running the program)."""
    path = FOLDER / "gsm8k_tool_integrated_outputs.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    texts = [row["code"][0] for row in rows]
    found = [BLOCK.search(text) for text in texts]
    with Sandbox(workers=2) as sandbox:
        results = sandbox.run([match[1] for match in found])
    return [(row["gt"], *rest) for row, *rest in zip(rows, texts, found, results, strict=True)]


def shown(result):
    """What the recorded run showed the model: the output, or the last line of the error."""
    return result.stdout.strip() if result.status == "ok" else result.stderr.strip().splitlines()[-1]


def test_every_recorded_output_is_given_again(solutions):
    recorded = [(match[2].strip(), shown(result)) for _, _, match, result in solutions if match[2] is not None]
    assert len(recorded) == 1318  # one program has a syntax error and no recorded output
    assert [(old, new) for old, new in recorded if old != new] == []
    (error,) = [result for _, _, match, result in solutions if match[2] is None]
    assert error.status == "error" and "SyntaxError" in error.stderr


def test_the_published_accuracy_follows_from_our_outputs(solutions):
    published = float(re.search(r"Mean score: \[([\d.]+)\]", (FOLDER / "toracode34b_gsm8k.metrics").read_text())[1])
    num_correct = {"strict": 0, "paper": 0}
    for reference, text, match, result in solutions:
        if match[2] is not None:
            text = f"{text[: match.start(2)]}{shown(result)}\n{text[match.end(2) :]}"
        answer = extract_answer(text)
        for mode in num_correct:
            num_correct[mode] += decide(reference, answer, mode=mode).is_correct
    assert num_correct == {"strict": 1062, "paper": 1064}
    assert all(abs(100 * number / len(solutions) - published) <= 0.3 for number in num_correct.values())
