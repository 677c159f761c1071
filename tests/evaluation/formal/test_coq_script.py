import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsmath_pipeline.evaluation.formal.coq_script import (
    MAX_PROOF_CHARS,
    ScriptError,
    cut_proof,
    read_proof,
    read_statement,
    sentences,
    strip_comments,
)

HONEST = [
    "lra.",
    "Proof.\n  intros x. destruct x as [y | z].\n  - lia.\n  - { assert (h : y < z) by lia. exact h. }\nQed.",
    "1: { lia. } 2: nia. all: auto.",
    "induction n.\n+ simpl. auto.\n+ (* the step (* nested *) *) rewrite IHn. lia.",
    "(split; [lia | nra]).",
    "[h]: { lia. }",
    "[> lia | lra ].",
    "pose proof (Z.mod_pos_bound n 5 ltac:(lia)) as bound. set (S := x + y). nia.",
    "gap.",
]


@pytest.mark.parametrize("proof", HONEST)
def test_tactic_scripts_are_read(proof):
    script = read_proof(proof)
    assert "Proof." not in script and "Qed" not in script and "(*" not in script
    assert read_proof(script) == script  # what Coq is given would be read the same way again


CHEATS = {
    "gives up": "Admitted.",
    "gives up one goal": "split. admit. lia.",
    "gives up quietly": "give_up.",
    "ends early and adds an axiom": "lia. Qed. Axiom cheat : forall P : Prop, P.",
    "axiom in the proof": "Axiom cheat : False. destruct cheat.",
    "axiom behind a bullet": "- Axiom cheat : False.\n  destruct cheat.",
    "axiom behind a brace": "{ Parameter cheat : False. destruct cheat. }",
    "axiom behind a closing brace": "{ lia. } Conjecture cheat : False.",
    "axiom behind a selector": "1: { Axiom cheat : False. }",
    "axiom behind `all:`": "all: Axiom cheat : False.",
    "axiom behind an ellipsis": "lia... Axiom cheat : False.",
    "axiom behind a comment": "lia.(**)Axiom cheat : False.",
    "axiom between comments": "(* lia. *) Axiom (* *) cheat : False.",
    "hypothesis": "Hypothesis h : False. destruct h.",
    "variable": "Variable h : False. destruct h.",
    "another theorem": "Abort. Theorem easy : True. exact I.",
    "a lemma inside": "Lemma helper : False. Proof. auto. Qed. exact helper.",
    "guard off": "Unset Guard Checking. fix f 1.",
    "guard off by attribute": "#[bypass_check(guard)] Fixpoint f (n : nat) : False := f n.",
    "universes off": "Unset Universe Checking. auto.",
    "notation": 'Notation "x < y" := True.',
    "notation without string": "Infix == := eq. auto.",
    "tactic redefinition": "Ltac lia := admit.",
    "reset": "Reset Initial.",
    "load": "Load evil.",
    "plugin": "Declare ML Module evil.",
    "toplevel": "Drop.",
    "write a file": "Redirect out Print nat.",
    "extraction": "Extraction nat.",
    "import": "Require Import Coq.Logic.Classical.",
    "a section": "Section s. Context (h : False).",
    "a module": "Module m.",
    "time": "Time lia.",
    "fail": "Fail lia.",
    "native compiler": "native_compute. reflexivity.",
    "a string": 'idtac "Closed under the global context".',
    "string hides a comment": 'idtac "(*". lia. (* " *) Axiom cheat : False.',
    "comment hides a string": '(* " *) lia. (* " *) " Axiom cheat : False.',
    "comment never ends": "lia. (* Axiom",
    "comment mark": "lia. *) Axiom cheat : False.",
    "not ASCII": "lia.\u00a0Axiom cheat : False.",
    "control character": "lia.\x0bAxiom cheat : False.",
    "nothing": "  (* I do not know *) ",
    "only Qed": "Proof. Qed.",
    "too long": "lia. " * MAX_PROOF_CHARS,
}


@pytest.mark.parametrize("proof", CHEATS.values(), ids=CHEATS.keys())
def test_what_is_not_a_tactic_script_is_refused(proof):
    with pytest.raises(ScriptError):
        read_proof(proof)


PIECES = ["lia.", "Axiom", "x", ".", " ", "\n", "-", "{", "}", "1:", "all:", "(*", "*)", "..."]


@given(st.lists(st.sampled_from(PIECES)))
def test_no_arrangement_lets_a_command_begin_a_sentence(pieces):
    """Oracle: in what is accepted no sentence, freed of all that is no letter, begins with a capital letter."""
    try:
        script = read_proof(" ".join(pieces))
    except ScriptError:
        return
    for sentence in sentences(script):
        letters = [c for c in sentence.replace("all:", "") if c.isalpha()]
        assert not letters or letters[0].islower()
    assert "Axiom" not in script


def test_comments_nest_and_strings_hide_their_marks():
    assert strip_comments("a (* b (* c *) d *) e") == "a   e"
    assert strip_comments('a "(* b" c') == 'a "(* b" c'
    assert strip_comments('a (* "*)" *) b') == "a   b"


def test_a_full_stop_ends_a_sentence_only_before_white_space():
    assert sentences("apply Z.le_trans. lia.\nexact (x.(f)).") == ["apply Z.le_trans.", "lia.", "exact (x.(f))."]
    assert sentences('idtac "a. b". lia') == ['idtac "a. b".', "lia"]


def test_a_statement_ends_with_its_theorem():
    theorem = "Require Import ZArith.\nOpen Scope Z_scope.\nTheorem it's (x : Z) :\n  x = x."
    statement = read_statement(f"(* Theorem no : x. *)\n{theorem}\nProof. Qed.")
    assert statement.name == "it's"
    assert statement.text == theorem
    with pytest.raises(ScriptError, match="cannot stand before"):
        read_statement("Local Axiom h : False. Theorem a : False.")
    for wrong in ("Definition x := 1.", "Theorem a : True. Theorem b : True."):
        with pytest.raises(ScriptError, match="exactly one theorem"):
            read_statement(wrong)


@pytest.mark.parametrize(
    "written",
    ["lra.", "Proof.\n  lra.\nQed.\n\nTheorem next", "```coq\nlra.\n```", "Theorem t : x.\nProof.\nlra.\nQed."],
)
def test_the_proof_is_cut_out_of_what_a_model_wrote(written):
    assert cut_proof(written) == "lra."
