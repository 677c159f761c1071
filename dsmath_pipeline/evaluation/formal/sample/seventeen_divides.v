(* Problem: Let 17 divide 2a + 3b. Show that 17 divides 9a + 5b. *)
(* Proof: 13(2a + 3b) = 26a + 39b, which is 9a + 5b plus 17(a + 2b). *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem seventeen_divides (a b : Z) (h : (17 | 2 * a + 3 * b)) : (17 | 9 * a + 5 * b).
Proof.
  destruct h as [k hk].
  exists (13 * k - a - 2 * b).
  lia.
Qed.
