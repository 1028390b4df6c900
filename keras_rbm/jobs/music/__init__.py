"""The music job: an RNN-RBM learns tunes, and makes music up."""
