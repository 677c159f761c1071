(* Problem: Find all real solutions of x^2 - 5x + 6 = 0. Show that they are 2 and 3. *)
(* Proof: The left side is (x - 2)(x - 3), which is zero only if a factor is. *)
Require Import Reals Lra.
Open Scope R_scope.

Theorem quadratic_roots (x : R) (h : x ^ 2 - 5 * x + 6 = 0) : x = 2 \/ x = 3.
Proof.
  assert (product : (x - 2) * (x - 3) = 0) by lra.
  destruct (Rmult_integral _ _ product) as [first | second].
  - left. lra.
  - right. lra.
Qed.
