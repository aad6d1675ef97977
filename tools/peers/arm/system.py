"""The emulated system: Debian's Python for arm64, rivals' wheels, and for each processor a root whose `/proc/cpuinfo` matches it. Nothing is installed on this machine."""

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import instructions
from contenders import Failure

HERE = Path(__file__).resolve().parent
RELEASE = "bookworm"
"""Debian's release that the emulated Python comes from."""
ARCHIVE = "http://deb.debian.org/debian"
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
PACKAGES = ("python3", "libgomp1", "libstdc++6")
PLATFORMS = [f"{name}_aarch64" for name in ("manylinux_2_28", "manylinux_2_27", "manylinux_2_17", "manylinux2014")]
"""Wheels that Debian's C library can load, the newest first."""
PATIENCE = 30 * 60
"""The longest that an emulated program may take, in seconds."""
FIRST_WITHOUT = 9
"""The first version of QEMU that refuses plugins of interface version 1."""
PROGRAMS = {"qemu-aarch64": "qemu-user", "gcc": "gcc", "apt-get": "apt", "dpkg-deb": "dpkg"}
"""Programs that this machine needs, and the Debian packages that have them."""

HWCAP = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm jscvt fcma lrcpc dcpop sha3 sm3 sm4 asimddp sha512 sve asimdfhm dit uscat ilrcpc flagm ssbs sb "
    "paca pacg"
).split()
HWCAP2 = "dcpodp sve2 sveaes svepmull svebitperm svesha3 svesm4 flagm2 frint svei8mm svef32mm svef64mm svebf16 i8mm bf16 dgh rng bti mte".split()
"""Names of the bits of the auxiliary vector's AT_HWCAP and AT_HWCAP2, as Linux writes them in /proc/cpuinfo; later ones are left out."""


@dataclass(frozen=True)
class Processor:
    """A processor that QEMU emulates, and how Linux names its model in /proc/cpuinfo."""

    name: str
    cpu: str
    part: int
    variant: int
    revision: int


PROCESSORS = {
    processor.name: processor
    for processor in (
        Processor("a53", "cortex-a53", 0xD03, 0, 4),
        Processor("a76", "cortex-a76", 0xD0B, 4, 1),
        # QEMU's own; libraries see the model number of a Cortex-A710, a core with matrix multiplication that they know.
        Processor("max", "max,sve=off,sme=off", 0xD47, 2, 0),
    )
}


def features(hwcap: int, hwcap2: int) -> list[str]:
    """The line `Features` of /proc/cpuinfo."""
    return [name for names, bits in ((HWCAP, hwcap), (HWCAP2, hwcap2)) for bit, name in enumerate(names) if bits >> bit & 1]


def cpuinfo(processor: Processor, names: list[str]) -> str:
    """`/proc/cpuinfo` of a system with one such processor."""
    lines = {
        "processor": 0,
        "BogoMIPS": "100.00",
        "Features": " ".join(names),
        "CPU implementer": "0x41",
        "CPU architecture": 8,
        "CPU variant": f"{processor.variant:#x}",
        "CPU part": f"{processor.part:#05x}",
        "CPU revision": processor.revision,
    }
    return "".join(f"{name:<16}: {value}\n" for name, value in lines.items()) + "\n"


def succeed(command: list, **more) -> str:
    """Standard output of a program; anything but success is a failure that shows the command and what it said."""
    words = [str(word) for word in command]
    try:
        ended = subprocess.run(words, capture_output=True, text=True, errors="replace", **more)
    except OSError as error:
        raise Failure(f"starting {words[0]}: {error}") from None
    except subprocess.TimeoutExpired:
        raise Failure(f"$ {' '.join(words)}\ndid not end in {more['timeout'] // 60} minutes") from None
    if ended.returncode:
        raise Failure(f"$ {' '.join(words)}\nended with {ended.returncode}: {(ended.stderr.strip() or ended.stdout.strip())[-2000:]}")
    return ended.stdout


def check_programs() -> str:
    """Checks that this machine has what is needed; returns QEMU's version."""
    if missing := [name for name in PROGRAMS if shutil.which(name) is None]:
        raise Failure(f"{', '.join(missing)} missing: install the Debian packages {' '.join(dict.fromkeys(PROGRAMS[name] for name in missing))}")
    version = succeed(["qemu-aarch64", "--version"]).split("version ")[1].split()[0].rstrip(",")
    if int(version.split(".")[0]) >= FIRST_WITHOUT:
        raise Failure(f"qemu-aarch64 {version}: the plugin is for versions below {FIRST_WITHOUT} (Debian 12 has 7.2)")
    return version


class System:
    """Emulates programs; everything that it needs it makes in `folder` the first time."""

    def __init__(self, folder: Path):
        self.folder = folder.resolve()
        self.folder.mkdir(parents=True, exist_ok=True)
        if "," in str(self.folder):
            raise Failure(f"{self.folder}: QEMU's options cannot take a comma in a path; say another --folder")
        self.qemu = check_programs()
        # Files of this run alone: another run may use the same folder.
        self._own = tempfile.TemporaryDirectory(dir=self.folder, prefix="run-")
        self.own = Path(self._own.name)
        self.plugin = self.own / "count.so"
        succeed(["gcc", "-shared", "-fPIC", "-O2", "-Wall", "-fvisibility=hidden", "-o", self.plugin, HERE / "count.c"])
        self._features: dict[str, list[str]] = {}

    def _made(self, name: str, make) -> Path:
        """A folder that `make` fills once; whole or not there."""
        folder = self.folder / name
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=self.folder) as fresh:
                make(Path(fresh))
                # Unless another run was faster.
                if not folder.is_dir():
                    os.rename(Path(fresh) / "whole", folder)
        return folder

    def root(self) -> Path:
        """Debian's Python for arm64, unpacked."""

        def make(fresh: Path) -> None:
            print(f"fetching Debian {RELEASE}'s Python for arm64 ...", file=sys.stderr)
            if not KEYRING.is_file():
                raise Failure(f"{KEYRING} is missing: install the Debian package debian-archive-keyring")
            for name in ("state/lists/partial", "cache/archives/partial", "whole"):
                (fresh / name).mkdir(parents=True)
            (fresh / "state/status").touch()
            (fresh / "sources.list").write_text(f"deb [signed-by={KEYRING}] {ARCHIVE} {RELEASE} main\n")
            settings = {
                "Dir::State": fresh / "state",
                "Dir::State::status": fresh / "state/status",
                "Dir::Cache": fresh / "cache",
                "Dir::Etc::sourcelist": fresh / "sources.list",
                "Dir::Etc::sourceparts": "-",
                "APT::Architecture": "arm64",
                "APT::Architectures::": "arm64",
                "APT::Sandbox::User": "",
                "Debug::NoLocking": 1,
            }
            apt = ["apt-get", "-q", *(f"-o{name}={value}" for name, value in settings.items())]
            succeed([*apt, "update"])
            succeed([*apt, "install", "--yes", "--no-install-recommends", "--download-only", *PACKAGES])
            for package in (fresh / "cache/archives").glob("*.deb"):
                succeed(["dpkg-deb", "-x", package, fresh / "whole"])

        return self._made(f"root-{RELEASE}", make)

    def python(self) -> Path:
        """The emulated Python."""
        found = [path for path in (self.root() / "usr/bin").glob("python3.*") if path.name.removeprefix("python3.").isdigit()]
        if len(found) != 1:
            raise Failure(f"{self.root()}: {len(found)} Pythons, expected one; remove the folder and start again")
        return found[0]

    def site(self) -> Path:
        """Packages of the emulated Python: the wheels of `requirements-arm.txt`."""
        wanted = HERE / "requirements-arm.txt"

        def make(fresh: Path) -> None:
            print("fetching wheels for aarch64 ...", file=sys.stderr)
            pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
            version = ["--only-binary=:all:", "--python-version", self.python().name.removeprefix("python"), *(f"--platform={name}" for name in PLATFORMS)]
            succeed([*pip, "download", "--no-deps", *version, "--dest", fresh / "wheels", "-r", wanted])
            succeed([*pip, "install", "--no-deps", "--no-index", "--find-links", fresh / "wheels", *version, "--target", fresh / "whole", "-r", wanted])

        return self._made(f"site-{hashlib.sha256(wanted.read_bytes()).hexdigest()[:12]}", make)

    def versions(self) -> dict[str, str]:
        """Versions of the emulated Python's packages, names in lower case."""
        found = [folder.name.removesuffix(".dist-info").rsplit("-", 1) for folder in self.site().glob("*.dist-info")]
        return {name.lower(): version for name, version in found}

    def features(self, processor: Processor) -> list[str]:
        """Features of the emulated processor, from its auxiliary vector, which is the same in every program."""
        if processor.name not in self._features:
            ask = "import ctypes; get = ctypes.CDLL(None).getauxval; get.restype = ctypes.c_ulong; print(get(16), get(26))"
            said = succeed(["qemu-aarch64", "-cpu", processor.cpu, "-L", self.root(), self.python(), "-c", ask], timeout=PATIENCE)
            self._features[processor.name] = features(*map(int, said.split()))
        return self._features[processor.name]

    def root_of(self, processor: Processor) -> Path:
        """The root with a /proc and /sys of one such processor."""
        root = self.own / f"root-{processor.name}"
        if root.is_dir():
            return root
        (root / "proc").mkdir(parents=True)
        (root / "proc/cpuinfo").write_text(cpuinfo(processor, self.features(processor)))
        processors = root / "sys/devices/system/cpu"
        processors.mkdir(parents=True)
        for name, content in {"possible": "0\n", "present": "0\n", "online": "0\n", "kernel_max": "0\n"}.items():
            (processors / name).write_text(content)
        for entry in self.root().iterdir():
            (root / entry.name).symlink_to(entry)
        return root

    def run(self, processor: Processor, program: list) -> tuple[list[instructions.Frame], int, str]:
        """Emulates a program: the frames that it marks, the threads that it had, what it printed. The first frame is its warm-up and is left out."""
        root = self.root_of(processor)
        with tempfile.NamedTemporaryFile("r", dir=self.own, suffix=".counts") as counts:
            emulator = ["qemu-aarch64", "-cpu", processor.cpu, "-L", root, "-plugin", f"{self.plugin},out={counts.name}"]
            one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONPATH": str(self.site()), "PYTHONDONTWRITEBYTECODE": "1"}
            said = succeed([*emulator, *program], env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **one_thread}, timeout=PATIENCE)
            try:
                frames, threads = instructions.read(counts)
            except ValueError as error:
                raise Failure(f"{program[0]} on {processor.cpu}: {error}") from None
        if len(frames) < 2:
            raise Failure(f"{program[0]} on {processor.cpu}: {len(frames)} frames between marks, expected a warm-up and at least one")
        return frames[1:], threads, said
