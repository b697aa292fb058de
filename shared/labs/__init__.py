"""The pictures behind the labs, one module a notebook: plain functions that draw."""
