(* Problem: What is the square root of 9 + 16? Show that it is 5. *)
(* Proof: 9 + 16 = 25 = 5 * 5. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem square_root_of_sum : sqrt (9 + 16) = 5.
Proof.
  replace (9 + 16) with (5 * 5) by lra.
  apply sqrt_square.
  lra.
Qed.
