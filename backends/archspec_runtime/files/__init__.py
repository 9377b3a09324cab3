"""Files of a run, written whole; what the system refuses of them, and what JSON has to hold."""
