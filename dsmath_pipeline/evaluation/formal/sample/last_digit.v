(* Problem: What is the last digit of 7^2024? Show that it is 1. *)
(* Proof: 7^4 = 2401 ends in 1, and 2024 is a multiple of 4. *)
Require Import ZArith Lia.
Open Scope Z_scope.

Theorem last_digit : 7 ^ 2024 mod 10 = 1.
Proof.
  vm_compute.
  reflexivity.
Qed.
