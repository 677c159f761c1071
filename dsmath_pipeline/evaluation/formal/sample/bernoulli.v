(* Problem: Show that (1 + x)^n is at least 1 + nx for every natural number n and every real x >= -1. *)
(* Proof: Induction on n: (1 + x)^(n + 1) >= (1 + nx)(1 + x) = 1 + (n + 1)x + nx^2. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem bernoulli (x : R) (n : nat) (hx : -1 <= x) : 1 + INR n * x <= (1 + x) ^ n.
Proof.
  induction n as [| n step].
  - simpl. lra.
  - rewrite S_INR. simpl.
    assert (bound : (1 + x) * (1 + INR n * x) <= (1 + x) * (1 + x) ^ n)
      by (apply Rmult_le_compat_l; lra).
    assert (rest : 0 <= INR n * (x * x))
      by (apply Rmult_le_pos; [apply pos_INR | apply Rle_0_sqr]).
    lra.
Qed.
