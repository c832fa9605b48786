"""Real processes and a real browser.

`shim` has pages with the script tag, `own_pages` the service's pages, `calls` what happens to a call,
`running` starts, stops and restarts, `networks` what stands between a page and the service.
What they share is here.
"""
