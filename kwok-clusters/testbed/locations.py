"""Where things lie: sources in the repository, binaries in the cache, running beds in a temporary folder."""

import os
import shutil
import tempfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent
REPOSITORY = FOLDER.parent
MODULES = FOLDER / "modules"
FLEETS = FOLDER / "fleets"
STAGES = FOLDER / "stages"
GO_LOCK = REPOSITORY / "requirements" / "go.txt"

# A container's default /dev/shm has 64 MiB, which an etcd outgrows within seconds of a benchmark.
TMPFS_MINIMUM_FREE_BYTES = 2 * 1024**3


def cache_folder() -> Path:
    """`$MUSTER_CACHE`, else `muster` in the user's cache folder. Outside the work tree, so that clones share it."""
    if chosen := os.environ.get("MUSTER_CACHE"):
        return Path(chosen).expanduser().absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache").absolute() / "muster"


def beds_folder() -> Path:
    """Where beds are registered, one folder each: `$MUSTER_BEDS`, else a private folder in the temporary one."""
    if chosen := os.environ.get("MUSTER_BEDS"):
        return Path(chosen).expanduser().absolute()
    return Path(tempfile.gettempdir()) / f"muster-beds-{os.getuid()}"


def data_parent(home: Path) -> Path:
    """The folder for etcd's data: a tmpfs when there is one with room, else the bed's own `home`."""
    shared_memory = Path("/dev/shm")
    if os.access(shared_memory, os.W_OK) and shutil.disk_usage(shared_memory).free >= TMPFS_MINIMUM_FREE_BYTES:
        return shared_memory
    return home
