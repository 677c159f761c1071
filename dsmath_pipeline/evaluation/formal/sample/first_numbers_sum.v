(* Problem: Show that twice the sum of the numbers from 1 to n is n(n + 1). *)
(* Proof: Induction on n: the step adds 2(n + 1), and n(n + 1) + 2(n + 1) = (n + 1)(n + 2). *)
Require Import Arith Lia List.
Open Scope nat_scope.

Theorem first_numbers_sum (n : nat) : 2 * list_sum (seq 1 n) = n * (n + 1).
Proof.
  induction n as [| n step].
  - reflexivity.
  - rewrite seq_S, list_sum_app, Nat.mul_add_distr_l, step.
    simpl. lia.
Qed.
