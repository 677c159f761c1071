(* Problem: Show that the square of an integer leaves the remainder 0 or 1 when it is divided by 4. *)
(* Proof: An even number 2k has the square 4k^2. An odd number 2k + 1 has the square 4(k^2 + k) + 1. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem square_mod_four (n : Z) : (n * n) mod 4 = 0 \/ (n * n) mod 4 = 1.
Proof.
  destruct (Z.Even_or_Odd n) as [[k hk] | [k hk]]; subst n.
  - left. replace (2 * k * (2 * k)) with (k * k * 4) by ring. apply Z.mod_mul. lia.
  - right. replace ((2 * k + 1) * (2 * k + 1)) with (1 + (k * k + k) * 4) by ring.
    rewrite Z.mod_add by lia. reflexivity.
Qed.
