"""The tamper-evident log: records, Merkle tree, checkpoints, proofs."""
