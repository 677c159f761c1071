(* Problem: The sum of two odd integers is even. *)
(* Proof: Write the numbers as 2k + 1 and 2m + 1. Their sum is 2(k + m + 1). *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem odd_plus_odd (a b : Z) (ha : Z.odd a = true) (hb : Z.odd b = true) :
  Z.even (a + b) = true.
Proof.
  rewrite Z.even_add, <- !Z.negb_odd, ha, hb.
  reflexivity.
Qed.
