import json
import shutil
import sys

import pytest

from dsmath_pipeline import cli, doctor
from dsmath_pipeline.evaluation.benchmarks.files import BenchmarkError
from dsmath_pipeline.evaluation.benchmarks.registry import load_benchmark
from dsmath_pipeline.evaluation.formal import coq, stage
from dsmath_pipeline.evaluation.formal.coq_script import read_proof, read_statement
from dsmath_pipeline.evaluation.formal.prover import ProofResult, ProofStatus, ProverUnavailable
from dsmath_pipeline.evaluation.formal.stage import PROOF_SCHEMA, evaluate_proofs, open_prover, proof_prompt
from dsmath_pipeline.evaluation.prompts import read_examples
from dsmath_pipeline.recipe.schema import EvaluationSettings
from dsmath_pipeline.records import Completion
from dsmath_pipeline.storage import read_manifest, read_table

SETTINGS = EvaluationSettings(num_samples=4, max_sampled_problems=1000)


class ToyProver:
    """Accepts `exact N.` for the statement that ends in N; cannot judge statement 3."""

    name, version, language, hammer_proof = "toy", "1", "coq", "exact 1."

    def __init__(self):
        self.checked = []

    def check(self, statement, proof):
        self.checked.append((statement, proof))
        number = statement.rstrip(".")[-1]
        if number == "3":
            return ProofResult(ProofStatus.UNAVAILABLE, "no Coquelicot")
        status = ProofStatus.ACCEPTED if proof == f"exact {number}." else ProofStatus.REJECTED
        return ProofResult(status, "" if status is ProofStatus.ACCEPTED else "wrong", 0.5)

    def close(self):
        pass


class ToyModel:
    """Greedy: proves every statement. Sampled: the first of the samples of odd statements only."""

    def __init__(self):
        self.prompts = []

    def complete(self, prompts, *, max_new_tokens, temperature, num_samples, seed, stop_texts=()):
        self.prompts += prompts
        groups = []
        for prompt in prompts:
            number = int(prompt.rstrip().removesuffix("Proof.").rstrip().rstrip(".")[-1])
            right, wrong = f"  exact {number}.\nQed.\n\n(* Problem", "  exact 0.\nQed."
            texts = [right if temperature == 0 or (i == 0 and number % 2) else wrong for i in range(num_samples)]
            groups.append([Completion(text, (1, 2, 3)) for text in texts])
        return groups


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data" / "minif2f_coq" / "test"
    folder.mkdir(parents=True)
    for number in range(1, 5):
        (folder / f"p{number}.v").write_text(
            f"Require Import ZArith.\n\nTheorem p{number} : P {number}.\nProof.\nAdmitted."
        )
    informal = tmp_path / "data" / "minif2f" / "isabelle_test.jsonl"
    informal.parent.mkdir()
    rows = [
        {"problem_name": f"p{n}", "informal_statement": f"Show P{n} (*)", "informal_proof": f"Clear {n}.",
         "formal_statement": f'theorem p{n}: shows "P {n}"'}
        for n in (1, 2)
    ]  # fmt: skip
    informal.write_text("\n".join(map(json.dumps, rows)))
    return tmp_path / "data"


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return folder


def test_figures_and_rows_of_a_model(model, data, tmp_path):
    prover, engine = ToyProver(), ToyModel()
    out = tmp_path / "out"
    manifest = evaluate_proofs(model, "minif2f_coq_test", data, out, SETTINGS, prover, engine=engine)
    counts = manifest.counts
    assert counts["greedy"] == 3 / 4  # statement 3 cannot be judged
    assert counts["pass_at_k"] == 1 / 4  # of 4 samples one proves statement 1; of statement 3 none is judged
    assert counts["num_unavailable"] == 1 + 4 and counts["num_problems"] == 4 and counts["k"] == 4
    assert counts["prover"] == "toy: 1" and set(counts["by_benchmark"]) == {"minif2f_coq_test"}
    table = read_table(out / "results.parquet")
    assert table.schema.equals(PROOF_SCHEMA) and table.num_rows == 4 + 4 * 4
    first = table.to_pylist()[0]
    assert (first["problem_id"], first["proof"], first["status"], first["grade"], first["num_tokens"]) == (
        "p1", "exact 1.", "accepted", True, 3,
    )  # fmt: skip
    assert first["problem"] == "Show P1 (*)" and first["completion"] == "  exact 1.\n"
    # Equal attempts are checked once: of each statement the right one and `exact 0.`
    assert len(prover.checked) == len(set(prover.checked)) == 8


def test_the_prompt_is_examples_then_problem_proof_and_statement(data):
    first, *_, last = load_benchmark("minif2f_coq_test", data)
    prompt = proof_prompt(first)
    examples = read_examples("proof_coq")
    assert prompt.startswith(examples)
    assert prompt.removeprefix(examples) == (
        "\n\n(* Problem: Show P1 (* ) *)\n(* Proof: Clear 1. *)\nRequire Import ZArith.\n\nTheorem p1 : P 1.\nProof.\n"
    )
    assert "(* Problem: p4 *)\nRequire" in proof_prompt(last)  # no words known: its name, and no proof
    isabelle = load_benchmark("minif2f_test", data)[0]
    assert proof_prompt(isabelle).endswith('(* Proof: Clear 1. *)\ntheorem p1: shows "P 1"\n')


def test_every_example_of_the_prompt_is_a_statement_with_a_tactic_script():
    parts = read_examples("proof_coq").split("Qed.")[:-1]
    assert len(parts) == 4
    for part in parts:
        statement, _, proof = part.partition("Proof.\n")
        assert read_statement(statement).name and read_proof(proof)


def test_the_hammer_needs_no_model_and_has_one_attempt(data, tmp_path):
    manifest = evaluate_proofs(None, "minif2f_coq_test", data, tmp_path / "out", SETTINGS, ToyProver(), "hammer")
    assert manifest.counts["hammer"] == 1 / 4  # `exact 1.` proves statement 1 alone
    assert manifest.counts["pass_at_k"] is None and manifest.num_rows == 4


def test_a_killed_run_keeps_its_chunks_and_another_prover_is_another_run(model, data, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "CHUNK_PROBLEMS", 2)

    class Dying(ToyProver):
        def check(self, statement, proof):
            if statement.endswith("3."):
                raise KeyboardInterrupt
            return super().check(statement, proof)

    run = {"engine": ToyModel(), "workers": 1}
    with pytest.raises(KeyboardInterrupt):
        evaluate_proofs(model, "minif2f_coq_test", data, tmp_path / "out", SETTINGS, Dying(), **run)
    prover = ToyProver()
    manifest = evaluate_proofs(model, "minif2f_coq_test", data, tmp_path / "out", SETTINGS, prover, **run)
    assert {statement[-2] for statement, _ in prover.checked} == {"3", "4"}
    whole = evaluate_proofs(model, "minif2f_coq_test", data, tmp_path / "whole", SETTINGS, ToyProver(), **run)
    assert manifest.counts == whole.counts and manifest.key == whole.key
    other = ToyProver()
    other.version = "2"
    assert evaluate_proofs(model, "minif2f_coq_test", data, tmp_path / "out", SETTINGS, other, **run).key != whole.key


def test_wrong_benchmarks_are_named(model, data, tmp_path):
    with pytest.raises(BenchmarkError, match=r"is written in isabelle, the prover toy reads coq.*--prover"):
        evaluate_proofs(model, "minif2f_test", data, tmp_path / "out", SETTINGS, ToyProver())
    with pytest.raises(BenchmarkError, match="gsm8k holds questions"):
        evaluate_proofs(model, "gsm8k", data, tmp_path / "out", SETTINGS, ToyProver())
    with pytest.raises(BenchmarkError, match=r"no folder .*valid of \.v files.*--data"):
        evaluate_proofs(model, "minif2f_coq_validation", data, tmp_path / "out", SETTINGS, ToyProver())
    with pytest.raises(ValueError, match="with a model"):
        evaluate_proofs(None, "minif2f_coq_test", data, tmp_path / "out", SETTINGS, ToyProver())


def test_the_sample_holds_words_statement_and_idea_but_no_proof():
    problems = load_benchmark("coq_sample", None)  # type: ignore[arg-type]
    assert len(problems) == 21
    for problem in problems:
        assert problem.problem[-1] in ".?" and problem.solution and read_statement(problem.answer).name == problem.id
        assert "Proof" not in problem.answer and "(*" not in problem.answer


def test_without_coq_the_packages_are_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ProverUnavailable, match="apt-get install coq libcoq-hammer eprover cvc4 coinor-csdp"):
        open_prover("coq")
    assert coq.missing_parts() == ["coqc", "eprover", "cvc4", "csdp", "CoqHammer"]
    finding = doctor._prover()
    assert finding.state == "missing" and "libcoq-hammer" in finding.meaning and not finding.is_required


CHECKER = """
import json, sys
for line in sys.stdin:
    request = json.loads(line)
    accepted = request["proof"] == "sledgehammer" and "P 2" in request["statement"]
    print(json.dumps({"accepted": accepted, "message": ""}), flush=True)
"""


def test_the_command_line_proves_isabelle_statements_with_a_command(data, tmp_path, capsys):
    (tmp_path / "checker.py").write_text(CHECKER)
    command = f"{sys.executable} {tmp_path / 'checker.py'}"
    words = ["evaluate", "--benchmark", "minif2f_test", "--data", str(data), "--method", "hammer", "--prover", command]
    with pytest.raises(SystemExit) as leaving:
        cli.main([*words, "--out", str(tmp_path / "out")])
    assert leaving.value.code == 0
    assert read_manifest(tmp_path / "out").counts["hammer"] == 0.5
    with pytest.raises(SystemExit) as leaving:
        cli.main([*words[:-3], "proof", "--out", str(tmp_path / "out")])
    assert leaving.value.code == 1 and "--model" in capsys.readouterr().err
