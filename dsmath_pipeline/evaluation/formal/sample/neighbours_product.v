(* Problem: Show that n(n + 1) is even for every integer n. *)
(* Proof: One of two neighbours is even. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem neighbours_product (n : Z) : Z.even (n * (n + 1)) = true.
Proof.
  rewrite Z.even_mul, Z.even_add.
  destruct (Z.even n); reflexivity.
Qed.
