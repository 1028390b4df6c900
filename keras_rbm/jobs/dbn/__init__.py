"""The main job: a deep belief network, and a classifier that starts from it."""
