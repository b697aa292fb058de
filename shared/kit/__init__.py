"""Plumbing: what a lesson needs and does not teach. It imports nothing that is taught."""
