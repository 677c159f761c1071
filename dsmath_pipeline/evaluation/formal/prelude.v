(* What every Coq proof may use besides the imports of its statement. Compiled once for each prover.

   `gap` closes a goal without thought, as Sledgehammer does in an Isabelle sketch: cheap decision procedures first,
   each for a few seconds, then CoqHammer (first-order provers find the lemmas, Coq rebuilds the proof). *)
Require Import Arith ZArith QArith Reals List.
Require Import Ring Field.
Require Export Lia Lra Psatz.
From Hammer Require Export Hammer.

Ltac quick_gap :=
  intros;
  first
    [ solve [ timeout 2 trivial ]
    | solve [ timeout 5 lia ]
    | solve [ timeout 5 lra ]
    | solve [ timeout 5 ring ]
    | solve [ timeout 5 nia ]
    | solve [ timeout 5 nra ]
    | solve [ timeout 10 (psatz R 2) ]
    | solve [ timeout 10 (psatz Z 2) ]
    | solve [ timeout 5 (field; repeat split; lra) ]
    | solve [ timeout 5 (vm_compute; (reflexivity || discriminate || intuition discriminate)) ]
    | solve [ timeout 5 (subst; simpl in *; intuition (auto; try lia; try lra; try nia; try nra)) ]
    | solve [ timeout 10 sauto ] ].

Ltac gap := first [ quick_gap | hammer ].
