"""What a framework brings to a run: its steps, its measurements, its devices."""
