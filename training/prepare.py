"""`facewire prepare`: a folder of raw videos into the folder of labelled clips that `facewire train` and `evaluate` read.

Comes in: videos, laid out so that their paths tell the person. Goes out: clips, labels and `manifest.csv` with people split into
training and validation, and `dropped.csv`, which says what was left out and why. `training.clips` does one video; this module
finds them, spreads them over processes, and can be killed at any moment and started again.
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
from facewire.sender.media import MIN_SIDE_PX
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
    """Folder of labelled clips to make, or to go on with."""
    people: People = "folders"
    """What tells the person: the first folder below raw, the file's name, or each file is a person of its own."""
    val: float = 0.1
    """Share of people kept for validation, above 0, at most 0.5."""
    videos_per_person: int | None = None
    """At most so many videos of a person, None for all."""
    min_side: int = 200
    """Least side of the square in the raw video, pixels; smaller ones are left out."""
    workers: int = 1
    """Processes."""


@dataclass(frozen=True)
class Summary:
    """What a data folder holds now."""

    train_clips: int
    train_people: int
    val_clips: int
    val_people: int
    minutes: float
    videos: int
    dropped: Mapping[str, int]
    """Stretches left out, by reason."""

    def print(self, console: Console, out: Path) -> None:
        """A table of it."""
        console.print(f"{self.minutes:.1f} minutes of clips from {self.videos} videos", highlight=False)
        table = Table()
        for column in ("", "people", "clips"):
            table.add_column(column, justify="left" if not column else "right")
        table.add_row("train", str(self.train_people), str(self.train_clips))
        table.add_row("val", str(self.val_people), str(self.val_clips))
        console.print(table)
        if not self.train_people or not self.val_people:
            console.print("training needs people for both: add videos of other people", style="yellow")
        if self.dropped:
            reasons = ", ".join(f"{why} {count}" for why, count in self.dropped.items())
            console.print(f"left out: {reasons}; see {out / DROPPED}", soft_wrap=True, markup=False)


def prepare(options: PrepareOptions, console: Console) -> Summary:
    """Prepares every video that is not done yet, then writes the manifest of all that is.

    InputError where the folders, the layout or the installation cannot be used, or nothing comes out.
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
    """Paths below raw of the videos to use, sorted; InputError if there are none or the layout tells no two people."""
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
            f"{options.raw}: all videos are of one person, {next(iter(of_person))!r}; people to validate on are needed "
            f"besides. If they are of several people, --people must say how to tell them"
        )
    if options.videos_per_person is not None:  # by hash: the choice stays when videos are added
        for person, sources in of_person.items():
            of_person[person] = sorted(sources, key=_share)[: options.videos_per_person]
    return sorted(source for sources in of_person.values() for source in sources)


def person_of(source: str, people: People) -> str:
    """The person in a video, by its path below raw; InputError if the layout does not tell."""
    path = PurePosixPath(source)
    if people == "files":
        return str(path.with_suffix(""))
    if people == "names":
        name = re.match(r"(.+?)#|(.+)_\d+$", path.stem)  # id10001#…#… as VoxCeleb's crops, WDA_Name_000 as HDTF
        return path.stem if name is None else name[1] or name[2]
    if len(path.parts) < 2:
        raise InputError(f"{source} lies in no folder: with --people folders the first folder is the person")
    return path.parts[0]


def split_people(people: Iterable[str], val: float, before: Mapping[str, str]) -> dict[str, str]:
    """Every person's split, train or val. Who has one (before) keeps it; the rest is drawn by a hash of the name, so that it does
    not depend on who else is there. One person at least goes to each side.
    """
    names = sorted(people, key=lambda name: (_share(name), name))
    splits = {name: before.get(name, "val" if _share(name) < val else "train") for name in names}
    if len(names) > 1 and "val" not in splits.values():
        splits[names[0]] = "val"
    if len(names) > 1 and "train" not in splits.values():
        splits[names[-1]] = "train"
    return splits


def write_manifest(options: PrepareOptions) -> Summary:
    """`manifest.csv` and `dropped.csv` of all records in the data folder; InputError if there is no clip."""
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
        told = ", ".join(f"{why} {count}" for why, count in reasons.items())
        raise InputError(f"{options.raw}: no clip came out of {len(records)} videos ({told}); see {out / DROPPED}")
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
        raise InputError(f"{out}: clips and raw videos must lie in folders of their own, neither inside the other")
    if out.is_file():
        raise InputError(f"{out}: is a file; the name of a folder is needed")
    if out.is_dir() and any(out.iterdir()) and not (out / RECORDS).is_dir():
        raise InputError(f"{out}: holds other things than clips of facewire prepare; give a new folder")


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
    write_whole(path, file.getvalue().encode(errors="backslashreplace"))  # a file's name need not be text


# --- processes


def _prepare_all(options: PrepareOptions, sources: Sequence[str], done: Callable[[Record], None]) -> None:
    """Prepares videos in worker processes. A video whose decoder kills its worker is found and recorded as that."""
    queue = deque(sources)
    while queue:
        for suspect in _work(options, queue, min(options.workers, len(queue)), done):
            if _work(options, deque([suspect]), 1, done):
                done(unreadable(options.raw, options.out, suspect, options.min_side, "the process that read it died"))


def _work(options: PrepareOptions, queue: deque[str], workers: int, done: Callable[[Record], None]) -> list[str]:
    """Empties the queue, unless a worker dies: then returns the videos that were being done."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    running: dict[Future[Record], str] = {}
    with ProcessPoolExecutor(workers, context, _start_worker, (stop,)) as pool:
        try:
            while queue or running:
                while queue and len(running) < 2 * workers:  # a short line: there may be a million videos
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
    """Ctrl-C is the parent's to handle, and a parent that was killed takes its workers along."""
    global _stop
    _stop = stop
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # MediaPipe and FFmpeg's libraries talk past sys.stderr
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
    ) as error:  # what no check foresaw in one file of a million
        return unreadable(raw, out, source, min_side, reason(error))


def _tick() -> None:
    if _stop is not None and _stop.is_set():
        raise KeyboardInterrupt
