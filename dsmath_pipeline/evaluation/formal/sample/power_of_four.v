(* Problem: Show that 4^n - 1 is divisible by 3 for every natural number n. *)
(* Proof: Induction on n: 4^(n + 1) - 1 = 4(4^n - 1) + 3. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem power_of_four (n : Z) (hn : 0 <= n) : (3 | 4 ^ n - 1).
Proof.
  revert n hn.
  apply natlike_ind.
  - exists 0. reflexivity.
  - intros n hn [k hk]. exists (4 * k + 1).
    rewrite Z.pow_succ_r by lia. lia.
Qed.
