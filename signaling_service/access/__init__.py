"""Who may call, and what a call may do: origins and hosts, the key, tokens."""
