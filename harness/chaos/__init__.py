"""Parts of both services that are broken in the middle of calls, and what the calls saw of it.

`parts` says what can be broken, `faults` how, `callers` and `page` who looks, `scene` composes one case, and
`outcome` is what is measured. Tests and the script of docs/reliability.md use it.
"""
