"""The Llama agrees with transformers'."""
