import sys
import time

import pytest

from dsmath_pipeline.evaluation.formal.command import CommandProver
from dsmath_pipeline.evaluation.formal.prover import ProofLimits, ProofStatus, ProverUnavailable

CHECKER = """
import json, sys, time
for number, line in enumerate(sys.stdin):
    request = json.loads(line)
    proof = request["proof"]
    if proof == "sleep": time.sleep(60)
    if proof == "die": sys.exit(3)
    if proof == "babble": print("Isabelle says hello", flush=True); continue
    if proof == "halves": print('{"accepted":', flush=True); continue
    if proof == "slow": reply = {"accepted": False, "timeout": True, "message": "sledgehammer gave up"}
    elif proof == "broken": reply = {"accepted": False, "unavailable": True, "message": "no theory"}
    else: reply = {"accepted": proof == "by " + request["statement"], "message": f"request {number}"}
    print(json.dumps(reply), flush=True)
"""


@pytest.fixture
def prover(tmp_path):
    (tmp_path / "checker.py").write_text(CHECKER)
    made = CommandProver(f"{sys.executable} '{tmp_path / 'checker.py'}'", ProofLimits(wall_seconds=5.0))
    yield made
    made.close()


def test_verdicts_are_those_of_the_command_and_one_process_serves_many_checks(prover):
    right, wrong = prover.check("simp", "by simp"), prover.check("simp", "by auto")
    assert (right.status, right.message) == (ProofStatus.ACCEPTED, "request 0")
    assert (wrong.status, wrong.message) == (ProofStatus.REJECTED, "request 1")
    assert prover.check("simp", "slow").status is ProofStatus.TIMEOUT
    assert prover.check("simp", "broken").status is ProofStatus.UNAVAILABLE


@pytest.mark.parametrize("proof", ["die", "babble", "halves"])
def test_a_command_that_breaks_the_protocol_is_started_anew(prover, proof):
    result = prover.check("simp", proof)
    assert result.status is ProofStatus.UNAVAILABLE and "JSON" in result.message
    assert prover.check("simp", "by simp").message == "request 0"


def test_a_silent_command_is_killed_at_the_deadline(prover):
    prover.limits = ProofLimits(wall_seconds=0.3)
    started = time.monotonic()
    assert prover.check("simp", "sleep").status is ProofStatus.TIMEOUT
    assert time.monotonic() - started < 20
    prover.limits = ProofLimits(wall_seconds=20.0)
    assert prover.check("simp", "by simp").message == "request 0"


@pytest.mark.parametrize(
    "proof",
    ["sorry", "by (simp) oops", "proof - show ?thesis sorry qed", "ML_val x", "by (tactic x)", " "],
)
def test_what_gives_up_never_reaches_the_command(prover, proof):
    assert prover.check(proof, proof).status is ProofStatus.REJECTED
    assert prover.check("simp", "by simp").message == "request 0"  # the first line that the command reads


def test_a_command_that_is_not_there_is_named():
    for command in ("no-such-isabelle --fast", ""):
        with pytest.raises(ProverUnavailable, match="cannot start the command"):
            CommandProver(command)
