"""Measuring a trained net: errors, views, responses."""
