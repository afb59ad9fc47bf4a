"""What holds for every test."""

from __future__ import annotations

import os
import signal

from hypothesis import HealthCheck, settings

settings.register_profile(
    "shared-machine",
    deadline=None,  # a timing never decides a test
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",  # a change is judged by what it changes, not by luck
)
settings.load_profile("shared-machine")

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # a shell starts background jobs so, and their children would not hear the Ctrl-C that some tests send
    signal.signal(signal.SIGINT, signal.default_int_handler)
