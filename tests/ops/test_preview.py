"""Preview pictures: what they show, that files are whole, that memory stays small."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from airoto.errors import OutputError
from airoto_server.ops import preview
from airoto_server.ops.preview_movie import OverlayMovie

ORANGE = (255, 140, 40)


def picture(height: int = 90, width: int = 160) -> np.ndarray:
    rng = np.random.default_rng(1)
    small = rng.uniform(0.2, 0.8, (6, 8, 3)).astype(np.float32)
    return np.clip(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), 0, 1)


def matte(height: int = 90, width: int = 160, name: str = "hero") -> preview.Matte:
    alpha = np.zeros((height, width), np.float32)
    alpha[height // 4 : height * 3 // 4, width // 4 : width // 2] = 1
    return preview.Matte(alpha, ORANGE, name)


def test_an_overlay_dims_and_greys_only_what_is_outside() -> None:
    plate = picture()
    shown = preview.overlay(plate, [matte(name="")]).astype(np.float32) / 255
    outside = (slice(0, 15), slice(100, 160))
    inside = (slice(35, 55), slice(50, 70))
    assert shown[outside].mean() < 0.75 * plate[outside].mean()
    spread = plate[outside].max(-1) - plate[outside].min(-1)
    assert (shown[outside].max(-1) - shown[outside].min(-1)).mean() < 0.5 * spread.mean()
    assert shown[inside].mean() > 0.8 * plate[inside].mean()


def test_an_overlay_tints_the_object_in_its_colour() -> None:
    plate = np.full((90, 160, 3), 0.5, np.float32)
    r, g, b = preview.overlay(plate, [matte(name="")])[45, 60].astype(int)
    assert r > g > b


def test_an_overlay_draws_a_line_where_alpha_is_one_half() -> None:
    plate = np.full((90, 160, 3), 0.5, np.float32)
    shown = preview.overlay(plate, [matte(name="")]).astype(int)
    edge = shown[22:24, 50:70]
    line = np.abs(edge - np.array(ORANGE)).sum(-1).min(0)
    assert (line < 120).all()


def test_an_overlay_without_objects_is_the_dimmed_picture() -> None:
    plate = picture()
    assert preview.overlay(plate, []).mean() < plate.mean() * 255 * 0.8


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (17, 31), (540, 961)])
def test_an_overlay_has_the_size_of_its_picture(size: tuple[int, int]) -> None:
    alpha = np.ones(size, np.float32)
    shown = preview.overlay(
        np.zeros((*size, 3), np.float32), [preview.Matte(alpha, ORANGE, "a_very_long_name")]
    )
    assert shown.shape == (*size, 3)
    assert shown.dtype == np.uint8


def test_a_name_is_written_inside_the_picture_even_at_its_upper_edge() -> None:
    plate = np.zeros((200, 320, 3), np.float32)
    alpha = np.zeros((200, 320), np.float32)
    alpha[:60, :40] = 1
    named = preview.overlay(plate, [preview.Matte(alpha, ORANGE, "hero")])
    bare = preview.overlay(plate, [preview.Matte(alpha, ORANGE, "")])
    rows, columns = np.where((named != bare).any(-1))
    assert len(rows) > 50
    assert rows.min() > 0
    assert columns.min() > 0


def test_one_matte_is_white_and_several_have_their_colours() -> None:
    one = preview.matte_picture([matte()], 90, 160)
    assert one[45, 60].tolist() == [255, 255, 255]
    assert one[5, 5].tolist() == [0, 0, 0]
    two = preview.matte_picture(
        [matte(), preview.Matte(np.zeros((90, 160), np.float32), (0, 0, 255), "b")], 90, 160
    )
    assert two[45, 60].tolist() == list(ORANGE)


def test_a_comp_shows_the_object_over_a_card() -> None:
    plate = picture()
    shown = preview.comp(plate, [matte()])
    inside = (slice(30, 60), slice(45, 75))
    assert np.array_equal(shown[inside], preview.as_bytes(plate[inside]))
    card = preview.as_bytes(preview.checker(90, 160))
    assert np.array_equal(shown[:, 100:], card[:, 100:])
    other = preview.comp(plate, [matte()], np.zeros_like(plate))
    assert other[inside].max() == 0


def test_at_most_twelve_frames_are_picked_with_first_and_last() -> None:
    assert preview.picked([1001, 1005, 1009]) == [1001, 1005, 1009]
    many = preview.picked(list(range(1001, 1601)))
    assert len(many) == len(set(many)) == 12
    assert (many[0], many[-1]) == (1001, 1600)
    assert preview.picked([1, 2, 3], 1) == [1]


def test_a_cell_keeps_thumbnails_only() -> None:
    cell = preview.cell(1001, picture(1080, 1920), [matte(1080, 1920)])
    assert cell.overlay.shape == (225, 400, 3)
    assert cell.matte.shape == (225, 400, 3)
    assert cell.overlay.base is None or cell.overlay.base.nbytes <= 4 * cell.overlay.nbytes


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 3, 1), (3, 3, 1), (4, 3, 2), (12, 4, 3)]
)
def test_a_contact_sheet_has_room_for_every_cell(count: int, columns: int, rows: int) -> None:
    cells = [preview.cell(1001 + i, picture(), [matte()], 0.5) for i in range(count)]
    sheet = preview.contact_sheet(cells, columns, "sample")
    bare = preview.contact_sheet(cells[:1], 1, "sample")
    cell_height = bare.shape[0] - preview._TITLE
    assert sheet.shape[0] == preview._TITLE + rows * cell_height
    assert sheet.shape[1] == pytest.approx(min(columns, count) * bare.shape[1], abs=60)


def test_a_confidence_bar_is_as_long_as_the_confidence() -> None:
    def length(confidence: float | None) -> int:
        cells = [preview.cell(1001, picture(), [matte()], confidence)]
        strip = preview.contact_sheet(cells, 1)[-preview._LABEL - preview._GAP :].astype(int)
        coloured = (strip.max(-1) - strip.min(-1)) > 60
        return int(coloured.any(0).sum())

    assert length(None) == 0
    whole = length(1.0)
    assert whole > 100
    assert length(0.5) == pytest.approx(whole / 2, abs=2)
    assert length(0.1) == pytest.approx(whole / 10, abs=2)


def test_a_long_title_does_not_leave_the_sheet() -> None:
    cells = [preview.cell(1001, picture(), [matte()])]
    sheet = preview.contact_sheet(cells, 1, "title " * 200)
    title = sheet[: preview._TITLE].astype(int)
    written = (np.abs(title - title[0, 0]).sum(-1) > 90).any(0)
    assert written.any()
    assert not written[-4:].any()


def test_a_sheet_without_cells_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one cell"):
        preview.contact_sheet([])


def test_a_png_comes_back_as_it_was(tmp_path: Path) -> None:
    shown = preview.as_bytes(picture())
    preview.write_png(tmp_path / "sheet.png", shown)
    back = cv2.imread(str(tmp_path / "sheet.png"))[..., ::-1]
    assert np.array_equal(back, shown)
    assert [p.name for p in tmp_path.iterdir()] == ["sheet.png"]


def test_a_png_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    path = tmp_path / "no-such-folder" / "sheet.png"
    with pytest.raises(OutputError, match="no-such-folder"):
        preview.write_png(path, preview.as_bytes(picture()))


@pytest.mark.parametrize("size", [(90, 160), (91, 161), (45, 33), (720, 1280)])
def test_a_movie_reads_back_with_all_frames_in_order(tmp_path: Path, size: tuple[int, int]) -> None:
    path = tmp_path / "overlay.mp4"
    levels = [0.1, 0.5, 0.9, 0.3]
    with OverlayMovie(path, size[1], size[0], 25) as movie:
        for level in levels:
            plate = np.full((*size, 3), level, np.float32)
            movie.add(plate, [preview.Matte(np.ones(size, np.float32), (255, 255, 255), "")])
    assert (movie.width % 2, movie.height % 2) == (0, 0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == 25
        assert stream.codec_context.name == ("h264" if movie.codec == "libx264" else "mpeg4")
        assert stream.codec_context.pix_fmt == "yuv420p"
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert len(frames) == 4
    for frame, level in zip(frames, levels, strict=True):
        assert frame.shape == (movie.height, movie.width, 3)
        third = frame.shape[1] // 3
        comp = frame[4 : size[0] // 4, 2 * third + 8 : -8]
        assert comp.mean() == pytest.approx(level * 255, abs=8)


def test_a_movie_s_index_comes_first_so_that_it_starts_at_once(tmp_path: Path) -> None:
    path = tmp_path / "overlay.mp4"
    with OverlayMovie(path, 160, 90) as movie:
        movie.add(picture(), [matte()])
    data = path.read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_a_movie_that_fails_half_way_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "overlay.mp4"
    path.write_bytes(b"what was there before")
    movie = OverlayMovie(path, 160, 90)
    movie.add(picture(), [matte()])
    with pytest.raises(cv2.error), movie:
        movie.add(np.zeros((0, 0, 3), np.float32), [])
    assert path.read_bytes() == b"what was there before"
    assert [p.name for p in tmp_path.iterdir()] == ["overlay.mp4"]


def test_a_movie_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no-such-folder"):
        OverlayMovie(tmp_path / "no-such-folder" / "overlay.mp4", 160, 90)


def test_a_movie_without_frames_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "overlay.mp4"
    with pytest.raises(OutputError, match="no frames"), OverlayMovie(path, 160, 90):
        pass
    assert list(tmp_path.iterdir()) == []


def test_colours_are_read_from_text() -> None:
    assert preview.parse_tint("#ff8c28") == ORANGE
    for wrong in ("ff8c28", "#ff8c2", "#gg0000", "#+f8c28", ""):
        with pytest.raises(ValueError, match="#rrggbb"):
            preview.parse_tint(wrong)
    assert len({preview.tint_for(i) for i in range(12)}) == 12


_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
import numpy as np
from airoto.errors import OutputError
from airoto_server.ops import preview
from airoto_server.ops.preview_movie import OverlayMovie

# A file may not grow beyond this: what a full disk looks like from here.
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
noise = np.random.default_rng(0).random((180, 320, 3), np.float32)
try:
    if sys.argv[2] == "png":
        preview.write_png(Path(sys.argv[1]), preview.as_bytes(noise))
    else:
        with OverlayMovie(Path(sys.argv[1]), 320, 180) as movie:
            for _ in range(60):
                movie.add(noise, [])
except OutputError as error:
    print(error.message)
"""


@pytest.mark.parametrize("kind", ["png", "mp4"])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"preview.{kind}"
    run = subprocess.run(
        [sys.executable, "-c", _FULL_DISK, str(path), kind],
        capture_output=True,
        text=True,
        check=True,
    )
    assert f"{path} cannot be written: " in run.stdout
    assert list(tmp_path.iterdir()) == []
