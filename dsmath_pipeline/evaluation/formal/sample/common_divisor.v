(* Problem: What is the greatest common divisor of 84 and 126? Show that it is 42. *)
(* Proof: 84 = 2 * 42 and 126 = 3 * 42, and 2 and 3 have no common factor. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem common_divisor : Z.gcd 84 126 = 42.
Proof.
  reflexivity.
Qed.
