(* Problem: Show that n is less than 2^n for every natural number n. *)
(* Proof: Induction on n: 2^(n + 1) = 2^n + 2^n is more than n + 1, because 2^n is at least 1. *)
Require Import Arith Lia List.
Open Scope nat_scope.

Theorem doubling_outgrows (n : nat) : n < 2 ^ n.
Proof.
  induction n as [| n step].
  - simpl. lia.
  - simpl. lia.
Qed.
