"""Parts of both services break in the middle of calls (harness/chaos)."""
