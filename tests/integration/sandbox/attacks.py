"""Programs that try to get out, as data. Each is bounded by itself in count, bytes and time.

An attack prints `ESCAPED` with its reason where it notices that it succeeded. Everything else is
judged from outside (battery.py): secrets in the output, connections to the sockets that the battery
listens on, changed files, processes left over, a server that no longer answers.

`F` holds what an attacker could have learned: paths, ports, the server's process id.
"""

from __future__ import annotations

from dataclasses import dataclass

PRELUDE = """\
import ctypes, errno, json, os, resource, signal, socket, subprocess, sys, threading, time
F = json.load(open("facts.json"))
libc = ctypes.CDLL(None, use_errno=True)
getattr(libc, "prctl", print)(15, F["marker"].encode(), 0, 0, 0)
def escaped(*why): print("ESCAPED", *why, flush=True)
def show(path):
    try: print(open(path, "rb").read().decode("latin-1"), flush=True)
    except OSError as error: print("no:", error, flush=True)
def attempt(what, *arguments, **named):
    try: result = what(*arguments, **named)
    except (OSError, ValueError, subprocess.SubprocessError) as error: return print("no:", error)
    escaped(what, result)
def quietly(what, *arguments):
    try: what(*arguments)
    except OSError as error: print("no:", error)
def call(number, *arguments):
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *arguments)
    return result, ctypes.get_errno()
print("began", flush=True)
"""


@dataclass(frozen=True)
class Attack:
    """`limit` is the limit that has to end it, empty where it has to be refused and then end."""

    name: str
    code: str
    limit: str = ""
    timeout_seconds: float = 6.0


def _read(name: str, code: str) -> Attack:
    return Attack(f"read_{name}", code)


READING = (
    _read("environment", "print(dict(os.environ))"),
    _read(
        "environment_of_parents",
        """
for pid in {1, os.getppid(), F["server_pid"]}:
    show(f"/proc/{pid}/environ"); show(f"/proc/{pid}/cmdline")
""",
    ),
    _read("every_command_line", "[show(f'/proc/{p}/cmdline') for p in os.listdir('/proc') if p.isdigit()]"),
    _read("ssh_key", "show(F['home'] + '/.ssh/id_ed25519')"),
    _read("home_by_root_link", "[show(f'/proc/{p}/root' + F['home'] + '/.ssh/id_ed25519') for p in (1, os.getppid(), 'self')]"),
    _read("home_listing", "attempt(os.listdir, F['home']); attempt(os.stat, F['home'] + '/.ssh')"),
    _read("dotenv", "show(F['workspace'] + '/.env')"),
    _read("workspace", "show(F['workspace'] + '/module.py')"),
    _read("own_server_code", "attempt(open, F['server_source'])"),
    _read("shadow_passwords", "attempt(open, '/etc/shadow'); attempt(os.listdir, '/home'); os.path.exists('/root/.bashrc') and escaped()"),
    _read(
        "inherited_descriptors",
        """
for fd in range(3, 4096):
    try: kind = os.readlink(f"/proc/self/fd/{fd}")
    except OSError: continue
    if kind.startswith("/") and "memfd" not in kind: escaped(fd, kind)
    if "socket" in kind: escaped(fd, kind)
""",
    ),
    _read("home_by_link", "os.symlink('/proc/1/root' + F['home'], 'h'); attempt(os.listdir, 'h'); show('h/.ssh/id_ed25519')"),
    _read("everything_of_processes", "[show(f'/proc/{p}/{n}') for p in os.listdir('/proc') if p.isdigit() for n in ('environ', 'maps', 'stack', 'auxv', 'io')]"),
    _read("keyrings", "show('/proc/keys'); show('/proc/key-users')"),
    _read("stdin", "print(sys.stdin.read()); print(os.read(0, 100))"),
    _read(
        "server_memory",
        """
class Part(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("size", ctypes.c_size_t)]
room = ctypes.create_string_buffer(64)
here, there = Part(ctypes.addressof(room), 64), Part(F["secret_address"], 64)
for pid in (F["server_pid"], os.getppid(), 1):
    if libc.process_vm_readv(pid, ctypes.byref(here), 1, ctypes.byref(there), 1, 0) > 0: escaped(pid)
    attempt(open, f"/proc/{pid}/mem", "rb")
print(room.raw)
""",
    ),
    _read("core_of_init", "[attempt(open, f'/proc/1/{n}', 'rb') for n in ('mem', 'environ', 'maps', 'auxv')]"),
    _read("kernel_log", "r, e = call(103, 3, ctypes.create_string_buffer(4096), 4096); r < 0 or escaped(r); attempt(open, '/dev/kmsg')"),
    _read("file_handles", "r, e = call(304, -100, ctypes.create_string_buffer(64), 0); e == errno.EPERM or escaped(e)"),
    _read("block_devices", "[attempt(open, d, 'rb') for d in ('/dev/vda', '/dev/sda', '/dev/mem', '/dev/kcore', '/proc/kcore')]"),
    _read("other_mounts", "t = open('/proc/self/mountinfo').read(); F['home'] in t and escaped(t)"),
    _read("cgroups", "attempt(os.listdir, '/sys/fs/cgroup')"),
)  # fmt: skip

WRITING = tuple(
    Attack(f"write_{name}", f"attempt(lambda: {code})")
    for name, code in {
        "victim": "open(F['victim'], 'w').write('x')",
        "by_shell": "subprocess.run(['/bin/sh', '-c', 'echo x > ' + F['victim']], check=True)",
        "truncate": "os.truncate(F['victim'], 0)",
        "unlink": "os.unlink(F['victim'])",
        "rename_over": "(open('n', 'w').write('x'), os.replace('n', F['victim']))",
        "hard_link": "os.link(F['victim'], 'mine')",
        "workspace": "open(F['workspace'] + '/module.py', 'a').write('x')",
        "site_packages": "open(F['site'] + '/evil.pth', 'w').write('x')",
        "system": "open('/usr/evil', 'w').write('x')",
        "root_folder": "open('/evil', 'w').write('x')",
        "etc": "open('/etc/passwd', 'a').write('x')",
        "sysctl": "open('/proc/sys/kernel/core_pattern', 'w').write('|/bin/sh')",
        "oom_score": "open('/proc/1/oom_score_adj', 'w').write('-1000')",
        "device": "os.mknod('d', 0o60600, os.makedev(8, 0))",
    }.items()
) + (
    # Without a mount namespace these succeed and do nothing: only the state outside counts.
    Attack("write_mode", "quietly(os.chmod, F['victim'], 0o777)"),
    Attack("write_times", "quietly(os.utime, F['victim'], (1, 1))"),
    Attack(
        "write_flags",
        "call(469, -100, F['victim'].encode(), bytes([64] + [0] * 23), ctypes.c_size_t(24), 0)[0] < 0 or escaped()",
    ),
    Attack("write_attribute", "quietly(os.setxattr, F['victim'], 'user.x', b'1')"),
    Attack(
        "write_many_attributes",
        """
stored = 0
def store():
    global stored
    for n in range(100):
        open(f"f{n}", "w").close()
        for k in range(40): os.setxattr(f"f{n}", f"user.a{k}", b"x" * 60000); stored += 60000
quietly(store)
stored < 128 << 20 or escaped(stored)
""",
    ),
    # Below /tmp this makes private folders of the same names, which is no escape.
    Attack("write_byte_code", "quietly(os.makedirs, F['workspace'] + '/__pycache__')"),
    Attack(
        "write_through_links",
        """
for n, target in enumerate((F["victim"], F["home"], F["workspace"] + "/.env")):
    os.symlink(target, f"artifact{n}")
os.symlink(F["victim"], "generated_code.py")
""",
    ),
)

PROCESSES = (
    Attack(
        "kill_parents",
        """
for pid in (1, os.getppid(), F["server_pid"]):
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGKILL, signal.SIGSTOP, 63):
        if pid == os.getpid(): continue
        try: os.kill(pid, number)
        except OSError as error: print("no:", error)
time.sleep(.1)
""",
    ),
    Attack("trace_init", "r, e = call(101, 16, 1, 0, 0); r < 0 or escaped('ptrace')"),
    Attack(
        "limits_of_server",
        "[attempt(resource.prlimit, p, resource.RLIMIT_NOFILE, (9, 9)) for p in (F['server_pid'], 1)]",
    ),
    Attack(
        "daemon",
        """
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.closerange(0, 256)
time.sleep(9)
""",
    ),
    Attack(
        "rabbit",
        """
end, n = time.time() + 8, 0
if os.fork(): time.sleep(.2); os._exit(0)
os.setsid()
while time.time() < end and n < 40000:
    n += 1
    if os.fork(): os._exit(0)
""",
        timeout_seconds=3,
    ),
    Attack("ignore_signals", "[signal.signal(s, signal.SIG_IGN) for s in range(1, 32) if s not in (9, 19)]\nwhile True: pass", "time", 1),
    Attack("hang_at_exit", "import atexit; atexit.register(time.sleep, 60)", "time", 1),
    Attack("hang_in_thread", "threading.Thread(target=time.sleep, args=(60,)).start()", "time", 1),
    Attack("stop_itself", "os.kill(os.getpid(), signal.SIGSTOP)", "time", 1),
    Attack("vfork_stop", "p = subprocess.Popen(['sleep', '60']); os.kill(p.pid, signal.SIGSTOP); os._exit(0)"),
)  # fmt: skip

PRIVILEGES = (
    Attack("mount", "os.makedirs('m'); libc.mount(b't', b'm', b'tmpfs', 0, None) == 0 and escaped()"),
    Attack("namespaces", "[libc.unshare(f) == 0 and escaped(hex(f)) for f in (0x10000000, 0x20000, 0x40000000, 0x20000000, 0x80)]"),
    Attack("clone_namespaces", "r, e = call(56, 0x10000000 | 17, 0, 0, 0, 0)\nif r == 0: os._exit(0)\nr < 0 or escaped(r)"),
    Attack("clone3_namespaces", "a = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17)\nr, e = call(435, a, 64)\nif r == 0: os._exit(0)\nr < 0 or escaped(r)"),
    Attack("enter_namespaces", "fd = os.open('/proc/self/ns/net', os.O_RDONLY); r, e = call(308, fd, 0); r < 0 or escaped()"),
    Attack("change_root", "attempt(os.chroot, '.'); r, e = call(155, b'.', b'.'); r < 0 or escaped()"),
    Attack("open_tree", "r, e = call(428, -100, b'/', 1); r < 0 or escaped(); r, e = call(430, b'tmpfs', 0); r < 0 or escaped()"),
    Attack("real_time", "attempt(os.sched_setscheduler, 0, os.SCHED_FIFO, os.sched_param(1)); attempt(os.nice, -5)"),
    Attack("list_mounts", "room = ctypes.create_string_buffer(512)\nfor n in (457, 458, 467, 303): r, e = call(n, room, room, 512, 0); e in (1, 38) or escaped(n, e)"),
    Attack("become_root", "attempt(os.setuid, 0); attempt(os.setgid, 0); attempt(os.setgroups, [0])"),
    Attack("set_user_id_program", "r = subprocess.run(['/bin/su', '-c', 'id'], capture_output=True, text=True); 'uid=0' in r.stdout and escaped(r)"),
    Attack(
        "status_says_so",
        """
status = dict(l.split(":\\t", 1) for l in open("/proc/self/status").read().splitlines() if ":\\t" in l)
if status["NoNewPrivs"] != "1" or status["Seccomp"] != "2": escaped(status)
if any(int(status[n], 16) for n in ("CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb")): escaped(status)
""",
    ),
    Attack(
        "kernel_surface",
        """
room = ctypes.create_string_buffer(512)
for name, number, arguments in (
    ("io_uring", 425, (1, room)), ("bpf", 321, (0, room, 0)), ("perf", 298, (room, 0, -1, -1, 0)),
    ("userfaultfd", 323, (1,)), ("userfaultfd, own faults", 323, (0,)), ("keyctl", 250, (0, -3, 0, 0, 0)),
    ("add_key", 248, (b"user", b"x", b"x", 1, -2)), ("request_key", 249, (b"user", b"x", 0, -2)),
    ("kexec", 246, (0, 0, 0, 0)), ("module", 175, (room, 0, b"")), ("fanotify", 300, (0, 0)),
    ("memfd_secret", 447, (0,)), ("pidfd_getfd", 438, (0, 0, 0)), ("kcmp", 312, (1, 1, 0, 0, 0)),
    ("vmsplice", 278, (1, 0, 0, 0)), ("modify_ldt", 154, (0, room, 16)), ("syslog", 103, (2, room, 9)),
    ("a later call", 900, ()), ("x32 getpid", 0x40000000 + 39, ()),
):
    result, error = call(number, *arguments)
    if result >= 0 or error not in (errno.EPERM, errno.ENOSYS): escaped(name, result, error)
""",
    ),
    Attack("type_into_terminal", "import fcntl, termios, pty\nm, s = pty.openpty()\nattempt(fcntl.ioctl, s, termios.TIOCSTI, b'x'); attempt(open, '/dev/tty')\nr = libc.ioctl(s, ctypes.c_ulong(0x100005412), b'x'); r < 0 or escaped('high bits')"),
    Attack("raise_limits", "h = resource.getrlimit(resource.RLIMIT_NOFILE)[1]\nattempt(resource.setrlimit, resource.RLIMIT_NOFILE, (h + 9, h + 9)); attempt(resource.setrlimit, resource.RLIMIT_CORE, (9, 9))"),
    Attack("executable_in_memory", "fd = os.memfd_create('x')\nos.write(fd, open('/bin/cat', 'rb').read())\nr = subprocess.run([f'/proc/self/fd/{fd}', F['home'] + '/.ssh/id_ed25519'], pass_fds=[fd], capture_output=True); print(r.stdout, r.stderr)"),
    Attack("personality", "r, e = call(135, 0x0040000); r < 0 or escaped('no randomization')"),
    Attack("dumpable_again", "F['kind'] == 'tests' and libc.prctl(4, 1, 0, 0, 0) == 0 and escaped()"),
    Attack("abort", "os.abort()"),
    Attack("c_stack", "sys.setrecursionlimit(10**8)\nclass A:\n    def __add__(s, o): return s + o\nA() + A()"),
)  # fmt: skip

NETWORK = (
    Attack("tcp", "s = socket.socket(); s.settimeout(1); attempt(s.connect, ('127.0.0.1', F['tcp']))"),
    Attack("udp", "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\ntry: s.sendto(b'x', ('127.0.0.1', F['udp']))\nexcept OSError as e: print(e)"),
    Attack("internet", "s = socket.socket(); s.settimeout(1); attempt(s.connect, ('93.184.215.14', 80)); attempt(socket.getaddrinfo, 'example.com', 80)"),
    Attack("unix", "s = socket.socket(socket.AF_UNIX); attempt(s.connect, F['unix'])"),
    Attack("abstract", "s = socket.socket(socket.AF_UNIX); attempt(s.connect, chr(0) + F['abstract'])"),
    Attack("abstract_datagram", "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); attempt(s.sendto, b'x', chr(0) + F['abstract'])"),
    Attack("families", "[attempt(socket.socket, f, k, p) for f, k, p in ((40, 1, 0), (16, 3, 0), (38, 5, 0), (17, 3, 0), (30, 1, 0), (31, 3, 0), (44, 3, 0), (2, 3, 1))]"),
    Attack("further_families", "[attempt(socket.socket, f, k, p) for f, k, p in ((40, 2, 0), (16, 3, 9), (16, 3, 15), (2, 3, 255), (10, 3, 58), (29, 3, 1), (21, 5, 0), (41, 2, 0))]"),
    Attack("packets", "a = (ctypes.c_int * 2)()\nlibc.socketpair(40, 1, 0, a) == 0 and escaped()"),
    Attack("shared_memory_left", "r, e = call(29, F['shm_key'], 4096, 0o1666); print(r)"),
    Attack("queue_left", "r, e = call(240, b'evil', 0o102, 0o666, 0); print(r, e)"),
)  # fmt: skip

RESOURCES = (
    Attack(
        "processes",
        """
signal.alarm(5)
for n in range(300):
    pid = os.fork()
    if pid == 0: time.sleep(3); os._exit(0)
""",
        "processes",
    ),
    Attack(
        "threads",
        "threading.stack_size(65536)\nfor n in range(900): threading.Thread(target=time.sleep, args=(2,), daemon=True).start()",
        "processes",
    ),
    Attack("memory", "b = bytearray(900 << 20); b[::4096] = b'x' * len(b[::4096]); time.sleep(2)", "memory"),
    Attack(
        "memory_of_many",
        """
for n in range(4):
    if os.fork() == 0:
        b = bytearray(os.urandom(64) * (300 << 14)); time.sleep(3); os._exit(0)
time.sleep(3)
""",
        "memory",
    ),
    Attack("shared_memory", "f = open('/dev/shm/x', 'wb', 0)\nfor n in range(200): f.write(bytes(1 << 20))", "disk"),
    Attack("memory_of_no_process", "attempt(os.memfd_create, 'x')\nfor n in (29, 68, 64): r, e = call(n, 0, 4096, 0o1600); r < 0 or escaped(n)"),
    Attack("memory_shared", "import mmap\nm = mmap.mmap(-1, 900 << 20)\nfor n in range(0, 900 << 20, 4096): m[n] = 1\ntime.sleep(2)", "memory"),
    Attack(
        "memory_in_sockets",
        """
for n in range(9):
    if os.fork() == 0:
        kept = [socket.socketpair() for _ in range(100)]
        for a, _ in kept: a.setblocking(False); a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 26); quietly(a.send, bytes(1 << 22))
        time.sleep(3); os._exit(0)
a, b = socket.socketpair()
a.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 26)
a.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) < 1 << 20 or escaped("large buffers")
time.sleep(3)
""",
        "files",
    ),
    Attack(
        "threads_of_many",
        """
threading.stack_size(65536)
def many():
    for n in range(200): threading.Thread(target=time.sleep, args=(3,), daemon=True).start()
for c in range(6):
    if os.fork() == 0:
        try: many()
        except RuntimeError: time.sleep(3)
        os._exit(0)
many()
""",
        "processes",
    ),
    Attack("sparse_file", "quietly(lambda: open('x', 'wb').truncate(1 << 40))"),
    Attack("both_streams", "def f(n):\n    while True: os.write(n, b'x' * 65536)\nthreading.Thread(target=f, args=(2,), daemon=True).start(); f(1)", "output"),
    Attack("disk", "f = open('x', 'wb', 0)\nfor n in range(300): f.write(bytes(1 << 20))", "disk"),
    Attack("disk_of_many", "for k in range(10):\n    f = open(f'x{k}', 'wb', 0)\n    for n in range(30): f.write(bytes(1 << 20))", "disk"),
    Attack("files", "kept = [open('/dev/null') for n in range(2000)]", "files"),
    Attack("inodes", "for n in range(60000): open(f'f{n}', 'w').close()", "disk", 10),
    Attack("inodes_of_shared_memory", "quietly(lambda: [open(f'/dev/shm/f{n}', 'w').close() for n in range(60000)])\nlen(os.listdir('/dev/shm')) < 40000 or escaped()", timeout_seconds=10),
    Attack("output", "while True: os.write(1, b'x' * 65536)", "output"),
    Attack("output_of_children", "for n in range(20): subprocess.Popen(['/bin/sh', '-c', 'head -c 3000000 /dev/zero'])\ntime.sleep(4)", "output"),
    Attack("records", "while True: os.write(4000, b'x' * 65536)", "output"),
    Attack(
        "page_tables",
        """
import mmap
kept = []
for n in range(40):
    m = mmap.mmap(-1, 4 << 30, flags=0x4022, prot=1); m.madvise(15); kept.append(m)
    len(bytes(memoryview(m)[::2 << 20]))
escaped("reserved 160 GB")
""",
        "memory",
    ),
    Attack(
        "page_tables_of_many",
        """
import mmap
for c in range(20):
    if os.fork() == 0:
        kept = []
        for n in range(12):
            m = mmap.mmap(-1, 4 << 30, flags=0x4022, prot=1); m.madvise(15); kept.append(m)
            len(bytes(memoryview(m)[::2 << 20]))
        time.sleep(9); os._exit(0)
time.sleep(9)
""",
        "memory",
        12,
    ),
    Attack("requests_of_the_whole_system", "c = ctypes.c_ulong(0)\ncall(206, 30000, ctypes.byref(c))[0] < 0 or escaped('aio')"),
    Attack("watches_on_the_system", "fd = libc.inotify_init1(0)\nfd < 0 or libc.inotify_add_watch(fd, b'/usr/bin', 0xfff) < 0 or escaped('inotify')"),
    Attack("other_protocols", "for kind, number in ((1, 262), (2, 136), (1, 132)): attempt(socket.socket, socket.AF_INET, kind, number)"),
    Attack("processor", "while True: pass", "time", 1),
    Attack("deep_folders", "for n in range(1300): os.mkdir('d' * 100); os.chdir('d' * 100)"),
    Attack("closed_folders", "os.makedirs('a/b/c'); os.mkdir('z', 0); os.chmod('a/b', 0); os.chmod('a', 0); open('n' * 255, 'w').close()"),
)  # fmt: skip

ATTACKS = (*READING, *WRITING, *PROCESSES, *PRIVILEGES, *NETWORK, *RESOURCES)
