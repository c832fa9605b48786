"""What comes from outside, made up: each target takes any bytes and raises nothing but its own refusal.

`targets` says what is fed, `seeds` what good input looks like. hypothesis feeds them in every run of the
tests, atheris in `make fuzz`, which keeps in `corpus/` what reaches code that other input does not.
"""
