"""What tests, benchmarks and the scripts of `docs/make` share: services, networks, browsers, peers, pictures.

It imports none of them, and neither service imports it.
"""
