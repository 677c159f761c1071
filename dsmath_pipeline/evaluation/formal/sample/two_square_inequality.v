(* Problem: Show that 2ab is at most a^2 + b^2 for all real numbers a and b. *)
(* Proof: The square (a - b)^2 = a^2 - 2ab + b^2 is not negative. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem two_square_inequality (a b : R) : 2 * a * b <= a ^ 2 + b ^ 2.
Proof.
  pose proof (pow2_ge_0 (a - b)).
  lra.
Qed.
