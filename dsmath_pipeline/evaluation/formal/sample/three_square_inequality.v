(* Problem: Show that ab + bc + ca is at most a^2 + b^2 + c^2 for all real numbers a, b and c. *)
(* Proof: Half of the sum of (a - b)^2, (b - c)^2 and (c - a)^2 is the difference of the two sides. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem three_square_inequality (a b c : R) : a * b + b * c + c * a <= a ^ 2 + b ^ 2 + c ^ 2.
Proof.
  pose proof (pow2_ge_0 (a - b)).
  pose proof (pow2_ge_0 (b - c)).
  pose proof (pow2_ge_0 (c - a)).
  lra.
Qed.
