(* Problem: Two numbers have the sum 10 and the difference 4. What is the larger one? Show that it is 7. *)
(* Proof: Adding the two equations gives 2x = 14, so x = 7. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem sum_and_difference (x y : R) (h1 : x + y = 10) (h2 : x - y = 4) : x = 7.
Proof.
  lra.
Qed.
