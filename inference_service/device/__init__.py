"""The GPU or the CPU: memory, transfers, colours."""
