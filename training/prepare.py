"""`facewire prepare`: from a folder of raw videos to the folder of labelled clips that `facewire train` and `evaluate` read.

The paths of the videos say who is in them. The result is clips, labels, `manifest.csv` with people split into training and
validation, and `dropped.csv`, which says what was left out and why. `training.clips` prepares one video; this module finds
the videos and spreads them over processes. It can be killed at any moment and started again.
"""

from __future__ import annotations

import csv
import hashlib
import multiprocessing
import os
import re
import signal
import threading
import warnings
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from io import StringIO
from multiprocessing.synchronize import Event
from pathlib import Path, PurePosixPath

import av
import cv2
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from facewire.errors import InputError, reason
from facewire.files import write_whole
from facewire.sender.container import MIN_SIDE_PX
from facewire.training.clips import (
    RECORDS,
    Record,
    prepare_video,
    read_record,
    record_path,
    settings_of,
    unfinished,
    unreadable,
)
from facewire.training.face_labels import check_mesh_installed
from facewire.training.options import People

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi", ".m4v", ".mpg", ".mpeg", ".flv", ".wmv", ".ts", ".gif")
MANIFEST, DROPPED = "manifest.csv", "dropped.csv"
MAX_WORKERS = 1024


@dataclass(frozen=True)
class PrepareOptions:
    """What to prepare and how."""

    raw: Path
    """Folder of videos."""
    out: Path
    """Folder of labelled clips to make or to continue."""
    people: People = "folders"
    """How a path names the person: by its first folder, by the file's name, or as one person a file."""
    val: float = 0.1
    """Share of people kept for validation, above 0, at most 0.5."""
    videos_per_person: int | None = None
    """At most this many videos of a person; None for all."""
    min_side: int = 200
    """Smallest side of the square in the raw video, pixels."""
    workers: int = 1
    """Worker processes."""


@dataclass(frozen=True)
class Summary:
    """What a data folder holds."""

    train_clips: int
    train_people: int
    val_clips: int
    val_people: int
    minutes: float
    videos: int
    dropped: Mapping[str, int]
    """Stretches left out, by reason."""

    def print(self, console: Console, out: Path) -> None:
        """Print a table."""
        console.print(f"{self.minutes:.1f} minutes of clips from {self.videos} videos", highlight=False)
        table = Table()
        for column in ("", "people", "clips"):
            table.add_column(column, justify="left" if not column else "right")
        table.add_row("train", str(self.train_people), str(self.train_clips))
        table.add_row("val", str(self.val_people), str(self.val_clips))
        console.print(table)
        if not self.train_people or not self.val_people:
            console.print("training needs people in both splits: add videos of other people", style="yellow")
        if self.dropped:
            reasons = ", ".join(f"{why} {count}" for why, count in self.dropped.items())
            console.print(f"left out: {reasons}; see {out / DROPPED}", soft_wrap=True, markup=False)


def prepare(options: PrepareOptions, console: Console) -> Summary:
    """Prepare every video that is not done yet, then write the manifest of all.

    Raises InputError if the folders, their layout or the installation cannot be used, or if there is no clip in the end.
    """
    _check(options)
    sources = find_videos(options)
    check_mesh_installed()
    try:
        (options.out / RECORDS).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{options.out}: cannot be made ({error.strerror})") from error
    for path in unfinished(options.out):
        path.unlink()
    todo = [source for source in sources if not _done(options, source)]
    if len(todo) < len(sources):
        console.print(f"{len(sources) - len(todo)} of {len(sources)} videos are done already", markup=False)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[clips]} clips"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as bar:
        task, clips = bar.add_task("preparing videos", total=len(todo), clips=0), 0

        def done(record: Record) -> None:
            nonlocal clips
            clips += len(record.clips)
            bar.update(task, advance=1, clips=clips)

        _prepare_all(options, todo, done)
    return write_manifest(options)


def find_videos(options: PrepareOptions) -> list[str]:
    """Paths of the videos to use, below raw and sorted; InputError if there are none or they show only one person."""
    suffixes = set(VIDEO_SUFFIXES)
    paths = [path for path in sorted(options.raw.rglob("*")) if path.suffix.lower() in suffixes and path.is_file()]
    if not paths:
        raise InputError(f"{options.raw}: holds no videos ({', '.join(suffix[1:] for suffix in VIDEO_SUFFIXES)})")
    of_person: dict[str, list[str]] = {}
    for path in paths:
        source = path.relative_to(options.raw).as_posix()
        of_person.setdefault(person_of(source, options.people), []).append(source)
    if len(of_person) < 2:
        raise InputError(
            f"{options.raw}: all videos are of one person, {next(iter(of_person))!r}, but validation needs other people. "
            f"If there are several, choose with --people how paths name them"
        )
    if options.videos_per_person is not None:  # by hash, so that the choice stays when videos are added
        for person, sources in of_person.items():
            of_person[person] = sorted(sources, key=_share)[: options.videos_per_person]
    return sorted(source for sources in of_person.values() for source in sources)


def person_of(source: str, people: People) -> str:
    """The person in a video, by its path below raw; InputError if the path does not say."""
    path = PurePosixPath(source)
    if people == "files":
        return str(path.with_suffix(""))
    if people == "names":
        name = re.match(r"(.+?)#|(.+)_\d+$", path.stem)  # id10001#…#… in VoxCeleb's crops, WDA_Name_000 in HDTF
        return path.stem if name is None else name[1] or name[2]
    if len(path.parts) < 2:
        raise InputError(f"{source} is not in a folder: with --people folders the first folder names the person")
    return path.parts[0]


def split_people(people: Iterable[str], val: float, before: Mapping[str, str]) -> dict[str, str]:
    """The split of every person, "train" or "val", with at least one person in each.

    before: people who keep their split. That of others depends on a hash of the name, but not on who else is there.
    """
    names = sorted(people, key=lambda name: (_share(name), name))
    splits = {name: before.get(name, "val" if _share(name) < val else "train") for name in names}
    if len(names) > 1 and "val" not in splits.values():
        splits[names[0]] = "val"
    if len(names) > 1 and "train" not in splits.values():
        splits[names[-1]] = "train"
    return splits


def write_manifest(options: PrepareOptions) -> Summary:
    """Write `manifest.csv` and `dropped.csv` from all records in the data folder; InputError if there is no clip."""
    out = options.out
    records = [read_record(path) for path in sorted((out / RECORDS).rglob("*.json"))]
    clips = [(person_of(record.source, options.people), clip) for record in records for clip in record.clips]
    dropped = [(record.source, stretch) for record in records for stretch in record.dropped]
    reasons = dict(Counter(stretch.reason for _, stretch in dropped).most_common())
    columns = ("source_path", "start_s", "end_s", "reason", "detail")
    _write_csv(
        out / DROPPED, columns, ([s, f"{d.start_s:.2f}", f"{d.end_s:.2f}", d.reason, d.detail] for s, d in dropped)
    )
    if not clips:
        counts = ", ".join(f"{why} {count}" for why, count in reasons.items())
        raise InputError(f"{options.raw}: no clips in {len(records)} videos ({counts}); see {out / DROPPED}")
    before: dict[str, str] = {}
    if (out / MANIFEST).is_file():
        with (out / MANIFEST).open(newline="") as file:
            before = {row["identity"]: row["split"] for row in csv.DictReader(file)}
    splits = split_people({person for person, _ in clips}, options.val, before)
    fields = [asdict(clip) | {"identity": person, "split": splits[person]} for person, clip in clips]
    _write_csv(out / MANIFEST, list(fields[0]), (list(row.values()) for row in fields))

    def of(split: str) -> tuple[int, int]:
        people = [person for person, _ in clips if splits[person] == split]
        return len(people), len(set(people))

    minutes = sum(clip.frames / clip.fps for _, clip in clips) / 60
    return Summary(*of("train"), *of("val"), minutes, len(records), reasons)


def _check(options: PrepareOptions) -> None:
    raw, out = options.raw, options.out
    if not raw.is_dir():
        raise InputError(f"{raw}: no such folder of videos")
    if not 0 < options.val <= 0.5:
        raise InputError(f"--val {options.val}: a share of people above 0, at most 0.5")
    if options.videos_per_person is not None and options.videos_per_person < 1:
        raise InputError(f"--videos-per-person {options.videos_per_person}: at least 1")
    if not MIN_SIDE_PX <= options.min_side <= 4096:
        raise InputError(f"--min-side {options.min_side}: pixels, from {MIN_SIDE_PX} to 4096")
    if not 1 <= options.workers <= MAX_WORKERS:
        raise InputError(f"--workers {options.workers}: from 1 to {MAX_WORKERS}")
    if out.resolve().is_relative_to(raw.resolve()) or raw.resolve().is_relative_to(out.resolve()):
        raise InputError(f"{out}: clips and raw videos need separate folders, neither inside the other")
    if out.is_file():
        raise InputError(f"{out}: is a file; give a folder")
    if out.is_dir() and any(out.iterdir()) and not (out / RECORDS).is_dir():
        raise InputError(f"{out}: holds something other than clips of facewire prepare; give a new folder")


def _done(options: PrepareOptions, source: str) -> bool:
    path = record_path(options.out, source)
    if not path.is_file():
        return False
    record, state = read_record(path), (options.raw / source).stat()
    wanted = (state.st_size, state.st_mtime_ns, settings_of(options.min_side))
    return (record.size, record.modified_ns, record.settings) == wanted


def _share(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode(errors="backslashreplace")).digest()[:8], "big") / 2**64


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    file = StringIO(newline="")
    writer = csv.writer(file)
    writer.writerow(columns)
    writer.writerows(rows)
    write_whole(path, file.getvalue().encode(errors="backslashreplace"))  # file names need not be text


# --- processes


def _prepare_all(options: PrepareOptions, sources: Sequence[str], done: Callable[[Record], None]) -> None:
    """Prepare videos in worker processes. A video whose decoder kills its worker is found and recorded as unreadable."""
    queue = deque(sources)
    while queue:
        for suspect in _work(options, queue, min(options.workers, len(queue)), done):
            if _work(options, deque([suspect]), 1, done):
                done(unreadable(options.raw, options.out, suspect, options.min_side, "the process that read it died"))


def _work(options: PrepareOptions, queue: deque[str], workers: int, done: Callable[[Record], None]) -> list[str]:
    """Work off the queue. If a worker dies, return the videos that were in progress."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    running: dict[Future[Record], str] = {}
    with ProcessPoolExecutor(workers, context, _start_worker, (stop,)) as pool:
        try:
            while queue or running:
                while queue and len(running) < 2 * workers:  # not all at once: there may be a million videos
                    source = queue.popleft()
                    running[pool.submit(_job, options.raw, options.out, source, options.min_side)] = source
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    record = future.result()
                    del running[future]
                    done(record)
        except BrokenProcessPool:
            return list(running.values())
        except BaseException:
            stop.set()
            pool.shutdown(cancel_futures=True)
            raise
    return []


_stop: Event | None = None


def _start_worker(stop: Event) -> None:
    """Leave Ctrl-C to the parent, and exit if the parent is killed."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MediaPipe and FFmpeg's libraries bypass sys.stderr
    warnings.simplefilter("ignore")
    cv2.setNumThreads(1)


def _job(raw: Path, out: Path, source: str, min_side: int) -> Record:
    try:
        return prepare_video(raw, out, source, min_side, _tick)
    except (
        av.FFmpegError,
        cv2.error,
        ValueError,
        MemoryError,
    ) as error:  # whatever one file in a million brings
        return unreadable(raw, out, source, min_side, reason(error))


def _tick() -> None:
    if _stop is not None and _stop.is_set():
        raise KeyboardInterrupt
