"""What the fork server imports (nursery.py): all of a media process.

Frozen, so that no child's garbage collector writes into the memory that they share.
"""

from __future__ import annotations

import gc

from signaling_service.processes import media_process

gc.collect()
gc.freeze()

__all__ = ["media_process"]
