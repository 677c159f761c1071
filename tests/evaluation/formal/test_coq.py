"""The real prover: hand-written proofs are accepted, wrong and cheating ones are not."""

import shutil

import pytest

from dsmath_pipeline.evaluation.benchmarks.coq_files import sample_folder
from dsmath_pipeline.evaluation.formal import coq
from dsmath_pipeline.evaluation.formal.coq import CoqProver, foreign_assumption, is_sound_summary
from dsmath_pipeline.evaluation.formal.prover import ProofLimits, ProofStatus
from dsmath_pipeline.evaluation.prompts import read_examples

needs_coq = pytest.mark.skipif(not shutil.which("coqc"), reason=f"no Coq: apt-get install {coq.PACKAGES}")
SAMPLE = sorted(sample_folder().glob("*.v"))
LESS = "Require Import Arith Lia.\nTheorem less (n : nat) : n < n + 1."


def split(name):
    statement, _, proof = (sample_folder() / f"{name}.v").read_text().partition("Proof.\n")
    return statement, proof


@pytest.fixture(scope="module")
def prover():
    with CoqProver() as made:
        yield made


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize("name", [file.stem for file in SAMPLE])
def test_a_proof_by_hand_is_accepted(prover, name):
    result = prover.check(*split(name))
    assert result.status is ProofStatus.ACCEPTED, result.message


WRONG = {
    "sum_and_difference": "intros. lia.",
    "quadratic_roots": "left. lra.",
    "bernoulli": "induction n as [| n step].\n- simpl. lra.\n- rewrite S_INR. simpl. lra.",
    "two_square_inequality": "exact (Rle_refl _).",
    "divisor_chain": "exact h2.",
    "common_divisor": "exact (eq_refl 21).",
    "first_numbers_sum": "induction n.\n- reflexivity.",
    "seventeen_divides": "exists 13. lia.",
    "neighbours_product": "apply no_such_lemma.",
    "square_root_of_sum": "lra",
    "power_of_four": "fix cheat 1. apply cheat.",
    "odd_plus_odd": "exact (odd_plus_odd a b ha hb).",
}


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize(("name", "proof"), WRONG.items(), ids=WRONG)
def test_a_wrong_proof_is_rejected_by_coq(prover, name, proof):
    result = prover.check(split(name)[0], proof)
    assert result.status is ProofStatus.REJECTED and result.message.startswith("Coq refused the proof: ")


SAME = "Theorem less (n : nat) : n < n + 1. Proof."
CHEATS = {
    "admitted": ("Admitted. Theorem more : True. exact I.", "assumes `Candidate.less"),
    "axiom": (f"Abort. Axiom cheat : False. {SAME} destruct cheat.", "assumes `Candidate.cheat"),
    "axiom with a trusted name": (
        "Abort. Module Classical_Prop. Axiom classic : False. End Classical_Prop. "
        f"{SAME} destruct Classical_Prop.classic.",
        "assumes `Candidate.Classical_Prop.classic",
    ),
    "another statement": ("Abort. Theorem less (n : nat) : True. exact I.", "what was proved is not the statement"),
    "a weaker statement": (
        "Abort. Theorem less (n : nat) (h : n < n + 1) : n < n + 1. exact h.",
        "what was proved is not the statement",
    ),
    "another meaning": (
        f'Abort. Local Notation "x < y" := (x = x). {SAME} reflexivity.',
        "what was proved is not the statement",
    ),
    "own numbers": (
        f"Abort. Inductive nat := O. Definition lt (a b : nat) := True. {SAME} exact I.",
        "",
    ),
    "endless recursion": (
        f"Abort. Unset Guard Checking. Fixpoint cheat (n : nat) : False := cheat n. {SAME} destruct (cheat 0).",
        "is assumed to be guarded",
    ),
    "a paradoxical type": (
        "Abort. #[bypass_check(positivity)] Inductive bad := mk : (bad -> False) -> bad. "
        "Definition cheat (b : bad) : False := match b with mk f => f b end. "
        f"{SAME} destruct (cheat (mk cheat)).",
        "assumes `Candidate.bad is assumed to be positive",
    ),
    "types without levels": (
        f"Abort. Unset Universe Checking. Definition cheat : Set := Type. {SAME} pose (x := cheat). lia.",
        "",
    ),
    "a variable": (
        f"Abort. Section s. Variable cheat : False. {SAME} destruct cheat. Qed. End s. Lemma z : True. auto.",
        "what was proved is not the statement",
    ),
}


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize(("script", "reason"), CHEATS.values(), ids=CHEATS)
def test_cheats_fail_at_the_later_walls_even_if_the_script_is_not_read(prover, script, reason, monkeypatch):
    """`read_proof` refuses all of these (test_coq_script.py); here the first wall is torn down."""
    monkeypatch.setattr(coq, "read_proof", lambda text: text)
    result = prover.check(LESS, script)
    assert result.status is ProofStatus.REJECTED and reason in result.message, result.message


@needs_coq
@pytest.mark.slow
def test_every_other_outcome_has_its_status(prover):
    assert prover.check(LESS, "lia.").status is ProofStatus.ACCEPTED
    assert prover.check("Theorem x : no_such_thing.", "auto.").status is ProofStatus.UNAVAILABLE
    assert prover.check("Definition x := 1.", "auto.").status is ProofStatus.UNAVAILABLE
    assert prover.check(LESS, "Admitted.").status is ProofStatus.REJECTED
    limits, prover.limits = prover.limits, ProofLimits(cpu_seconds=4, wall_seconds=30.0)
    try:
        endless = prover.check(LESS, "do 1000000000 (pose proof I as x; clear x). lia.")
        assert endless.status is ProofStatus.TIMEOUT
    finally:
        prover.limits = limits


@needs_coq
@pytest.mark.slow
@pytest.mark.parametrize(
    "example", read_examples("proof_coq").split("Qed.")[:-1], ids=("linear", "divides", "inverse", "odd")
)
def test_the_examples_of_the_prompt_are_proofs(prover, example):
    statement, _, proof = example.partition("Proof.\n")
    result = prover.check(statement, proof)
    assert result.status is ProofStatus.ACCEPTED, result.message


@needs_coq
@pytest.mark.slow
def test_definitions_before_the_theorem_may_be_used(prover):
    own = "Definition f (x : nat) := x + x.\nFixpoint g (n : nat) := match n with 0 => 0 | S m => f (g m) end.\n"
    assert prover.check(own + "Theorem zero : g 3 = 0.", "reflexivity.").status is ProofStatus.ACCEPTED


@needs_coq
@pytest.mark.slow
def test_the_gap_tactic_finishes_a_sketch(prover):
    statement, _ = split("two_square_inequality")
    sketch = "assert (square : 0 <= (a - b) ^ 2) by apply pow2_ge_0.\ngap."
    assert prover.check(statement, sketch).status is ProofStatus.ACCEPTED


@pytest.mark.parametrize(
    ("answer", "is_clean"),
    [
        ("Closed under the global context\n", True),
        ("Axioms:\nClassical_Prop.classic : forall P : Prop, P \\/ ~ P\n", True),
        ("Axioms:\nClassicalDedekindReals.sig_forall_dec\n  : forall P : nat -> Prop,\n    cheat\n", True),
        ("Axioms:\nClassical_Prop.classic : x\nCandidate.cheat : False\n", False),
        ("Axioms:\nCandidate.Classical_Prop.classic : False\n", False),
        ("Axioms:\nf is assumed to be guarded.\n", False),
        ("Axioms:\ncheat relies on an unsafe hierarchy.\n", False),
        ("Section Variables:\nh : False\n", False),
        ("", False),
        ("hello\nClosed under the global context\n", False),
    ],
)
def test_only_axioms_of_coqs_library_are_allowed(answer, is_clean):
    assert (foreign_assumption(answer) == "") is is_clean


def test_a_summary_of_coqchk_must_say_that_no_rule_was_off():
    summary = (
        "* Axioms: <none>\n* Constants/Inductives relying on type-in-type: <none>\n"
        "* Constants/Inductives relying on unsafe (co)fixpoints: <none>\n"
        "* Inductives whose positivity is assumed: <none>"
    )
    assert is_sound_summary(summary)
    for rule in ("type-in-type", "(co)fixpoints", "assumed"):
        assert not is_sound_summary(summary.replace(f"{rule}: <none>", f"{rule}: Candidate.cheat"))
    assert not is_sound_summary("")


@needs_coq
@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("csdp"), reason="no csdp: apt-get install coinor-csdp")
def test_semidefinite_programs_are_solved_inside_the_jail(prover):
    """csdp's libraries lie behind links that the jail must hold; without csdp `psatz` finds nothing here."""
    statement, _ = split("three_square_inequality")
    assert prover.check(statement, "psatz R 2.").status is ProofStatus.ACCEPTED
