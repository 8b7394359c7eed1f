"""macOS: a profile for sandbox-exec. Written from Apple's and Chromium's profiles; not tried."""

from __future__ import annotations

from collections.abc import Iterable

SYSTEM = ("/usr/lib", "/usr/bin", "/bin", "/System", "/Library/Frameworks", "/private/etc/ssl")


def command(readable: Iterable[str], folder: str) -> list[str]:
    """What to put before `python ...`; `folder` is the only place that may be written to."""
    may_read = " ".join(f'(subpath "{path}")' for path in (*SYSTEM, *readable, folder))
    profile = f"""(version 1)
(deny default)
(allow process-fork process-exec signal (target same-sandbox))
(allow sysctl-read mach-lookup)
(allow file-read-metadata)
(allow file-read* (literal "/") (literal "/dev/null") (literal "/dev/urandom") {may_read})
(allow file-write* (literal "/dev/null") (subpath "{folder}"))
(deny network*)
"""
    return ["/usr/bin/sandbox-exec", "-p", profile]
