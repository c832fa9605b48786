"""The real thing: both services as processes, real peers, a real browser, a picture that can be read back."""
