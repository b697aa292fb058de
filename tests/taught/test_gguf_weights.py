"""GGUF files in our LlamaModel."""
