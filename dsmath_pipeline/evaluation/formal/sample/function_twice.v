(* Problem: Let f(x) = 2x + 1. What is f(f(3))? Show that it is 15. *)
(* Proof: f(3) = 7 and f(7) = 15. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem function_twice (f : R -> R) (hf : forall x, f x = 2 * x + 1) : f (f 3) = 15.
Proof.
  rewrite !hf.
  lra.
Qed.
