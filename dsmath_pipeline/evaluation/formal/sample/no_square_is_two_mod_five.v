(* Problem: Show that no square of an integer leaves the remainder 2 when it is divided by 5. *)
(* Proof: The remainders of squares are 0, 1, 4, 4, 1 for the five remainders of n. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem no_square_is_two_mod_five (n : Z) : (n * n) mod 5 <> 2.
Proof.
  rewrite Z.mul_mod by lia.
  pose proof (Z.mod_pos_bound n 5 ltac:(lia)) as bound.
  assert (cases : n mod 5 = 0 \/ n mod 5 = 1 \/ n mod 5 = 2 \/ n mod 5 = 3 \/ n mod 5 = 4) by lia.
  destruct cases as [c | [c | [c | [c | c]]]]; rewrite c; discriminate.
Qed.
