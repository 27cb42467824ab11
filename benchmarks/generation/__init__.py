"""How well the embedded model does what it is told, against the world that it learnt from."""
