(* Problem: Show that a^3 - b^3 = (a - b)(a^2 + ab + b^2). *)
(* Proof: Multiply out: the mixed terms cancel. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem difference_of_cubes (a b : R) : a ^ 3 - b ^ 3 = (a - b) * (a ^ 2 + a * b + b ^ 2).
Proof.
  ring.
Qed.
