"""What `bench/first_gpu.py` finds out, stage by stage: each takes a `Stage` and gives what it found."""
