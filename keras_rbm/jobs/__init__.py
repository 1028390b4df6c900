"""What the command `keras-rbm` does: training jobs, and the use of what they leave."""
