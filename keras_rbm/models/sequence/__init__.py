"""Machines of sequences: an RBM a frame."""
