(* Problem: Let a and b be positive with a + b = 1. Show that 1/a + 1/b is at least 4. *)
(* Proof: 1/a + 1/b = 1/(ab), and ab is at most 1/4 because 1 - 4ab = (a - b)^2. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem reciprocal_sum (a b : R) (ha : 0 < a) (hb : 0 < b) (h : a + b = 1) : 4 <= 1 / a + 1 / b.
Proof.
  assert (sum : 1 / a + 1 / b = 4 + (a - b) ^ 2 / (a * b)).
  { replace b with (1 - a) in * by lra. field. lra. }
  rewrite sum.
  assert (rest : 0 <= (a - b) ^ 2 / (a * b)).
  { apply Rmult_le_pos; [apply pow2_ge_0 |].
    apply Rlt_le, Rinv_0_lt_compat, Rmult_lt_0_compat; assumption. }
  lra.
Qed.
