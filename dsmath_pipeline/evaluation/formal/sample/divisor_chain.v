(* Problem: Let a divide b and b divide c. Show that a divides b + c. *)
(* Proof: a divides b, and through b also c, so it divides their sum. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem divisor_chain (a b c : Z) (h1 : (a | b)) (h2 : (b | c)) : (a | b + c).
Proof.
  apply Z.divide_add_r.
  - exact h1.
  - exact (Z.divide_trans a b c h1 h2).
Qed.
