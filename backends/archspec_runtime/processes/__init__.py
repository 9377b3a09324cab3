"""The processes of a run: who they are, their launch, signals, interrupts, and the memory that they take."""
