"""The pictures behind the labs, one module a chapter: plain functions of the values that the controls hold."""
