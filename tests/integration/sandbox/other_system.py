"""Runs `ml-coach` as if on another system, as far as Linux allows: `other_system.py SYSTEM ...`.

SYSTEM is `win32` or `darwin`. What that system's Python lacks is taken away, and our own code sees
its name. Libraries have a part for each system: they are loaded before, for this one. `os.name`
stays, because pathlib would make paths of the other system, which cannot be used here.
"""

import asyncio
import ctypes
import importlib
import os
import platform
import runpy
import shutil
import signal
import sys
import sysconfig

LIBRARIES = (
    "click typer rich.console rich.live rich.progress rich.prompt psutil filelock platformdirs "
    "httpx openai pygls.lsp.server lsprotocol.types aiohttp tempfile subprocess multiprocessing "
    "concurrent.futures logging.handlers uuid getpass shutil zipfile threading pytest pdb"
)
MODULES = {
    "win32": "resource fcntl pwd grp termios tty pty syslog crypt spwd",
    "darwin": "spwd",
}
IN_OS = {
    "win32": "fork forkpty killpg setsid getuid geteuid getgid getegid setuid setgid getpgid getpgrp "
    "nice openpty pidfd_open memfd_create eventfd listxattr getxattr setxattr mkfifo mknod chroot "
    "chown lchown sysconf uname wait3 wait4 sched_getaffinity O_DIRECTORY O_NOFOLLOW "
    "O_CLOEXEC O_PATH ctermid getloadavg",
    "darwin": "pidfd_open memfd_create eventfd listxattr getxattr setxattr sched_getaffinity O_PATH "
    "unshare setns",
}
IN_SIGNAL = {
    "win32": "SIGALRM SIGHUP SIGQUIT SIGUSR1 SIGUSR2 SIGRTMIN SIGRTMAX SIGCHLD SIGPIPE SIGXCPU "
    "setitimer alarm pause sigwait pthread_kill",
    "darwin": "SIGRTMIN SIGRTMAX sigtimedwait sigwaitinfo",
}


class Lacking:
    def __init__(self, names: set[str]) -> None:
        self.names = names

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name in self.names:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Kernel32:
    """Windows' own library: each function there says that it succeeded."""

    def __getattr__(self, name: str) -> object:
        def succeeds(*_: object) -> int:
            return 1

        setattr(self, name, succeeds)
        return succeeds


def not_there(*_: object, **__: object) -> None:
    raise NotImplementedError


def become(system: str) -> None:
    for name in LIBRARIES.split():
        importlib.import_module(name)
    sysconfig.get_config_vars()  # It asks which system this is, once.
    names = set(MODULES[system].split())
    for name in names:
        sys.modules.pop(name, None)
    sys.meta_path.insert(0, Lacking(names))
    for module, listed in ((os, IN_OS[system]), (signal, IN_SIGNAL[system])):
        for name in listed.split():
            if hasattr(module, name):
                delattr(module, name)
    if system == "win32":
        ctypes.WinDLL = lambda *_, **__: Kernel32()  # type: ignore[attr-defined]
        here = {name: shutil.which(name) for name in ("deno", "git")}
        shutil.which = lambda name, *_, **__: here.get(str(name))
        for name in ("add_signal_handler", "add_reader", "create_unix_connection"):
            setattr(asyncio.SelectorEventLoop, name, not_there)
    else:
        platform.machine = lambda: "arm64"
    sys.platform = system


if __name__ == "__main__":
    become(sys.argv[1])
    sys.argv[:] = ["ml-coach", *sys.argv[2:]]
    runpy.run_module("ml_coach", run_name="__main__")
