(* Problem: Three pens cost 9/2 dollars. What does one pen cost? Show that it is 3/2. *)
(* Proof: Dividing 9/2 by 3 gives 3/2. *)
Require Import QArith Lqa.
Open Scope Q_scope.

Theorem price_of_a_pen (x : Q) (h : 3 * x == 9 # 2) : x == 3 # 2.
Proof.
  lra.
Qed.
