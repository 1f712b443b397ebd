"""A DTW matrix in an object store: a real server that speaks S3, over HTTP."""

import logging
import os

import pytest
from zarr.core.sync import sync

from loadprofiles.distances import lock
from loadprofiles.distances.generations import MatrixParameters, profile_keys
from loadprofiles.distances.matrix import DtwMatrix, stored_digests
from loadprofiles.distances.place import Place
from loadprofiles.errors import InputError, StaleMatrixError
from tests.distances.conftest import (
    PARAMETERS,
    bring_up,
    interrupted,
    is_right,
    one_line,
    pairs_of,
    profiles_of,
    selected,
    square,
)
from tests.servers import free_port, unavailable

pytestmark = pytest.mark.usefixtures("small_tiles", "access")

BUCKET = "bucket"
KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI-bPxRfiCYEXAMPLEKEY"


@pytest.fixture(scope="module")
def server():
    try:
        from moto.server import ThreadedMotoServer
    except ImportError as error:
        unavailable(f"no S3 server: {error}")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    try:
        server.start()
        host, port = server.get_host_and_port()
    except (OSError, RuntimeError) as error:
        unavailable(f"no S3 server: {error}")
    yield f"http://{host}:{port}"
    server.stop()


def forget_connections():
    """Drivers keep what they connected to; another process would connect anew."""
    import s3fs

    for system in list(s3fs.S3FileSystem._cache.values()):
        # zarr's are asynchronous, and nobody closes these before the process ends
        if system.asynchronous and system._s3 is not None:
            sync(system._s3.close())
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def access(server, monkeypatch):
    for name, value in {
        "AWS_ENDPOINT_URL": server,
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_MAX_ATTEMPTS": "1",
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.05)
    forget_connections()
    yield
    forget_connections()


@pytest.fixture
def url(access):
    """A folder in a fresh bucket."""
    import boto3

    client = boto3.client("s3")
    client.create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}/all/dtw"
    listed = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
    for found in listed:
        client.delete_object(Bucket=BUCKET, Key=found["Key"])
    client.delete_bucket(Bucket=BUCKET)
    client.close()


def tiles(url):
    """When each tile was written, by its name."""
    place = Place(url)
    found = place.files.find(place.root, detail=True)
    return {name: info["LastModified"] for name, info in found.items() if "/distances/c/" in name}


def no_secret(message):
    assert KEY not in message
    assert SECRET not in message
    return message


class TestLife:
    def test_it_is_written_read_extended_and_replaced(self, url, tmp_path):
        profiles = profiles_of(20)
        done = bring_up(url, profiles[:18])
        assert (done.reason, done.n_pairs) == ("it was missing", pairs_of(18))
        before = tiles(url)
        done = bring_up(url, profiles)
        assert (done.reason, done.n_pairs) == ("2 of 20 profiles were missing", 2 * 18 + 1)
        after = tiles(url)
        assert {name: after[name] for name in before} == before
        assert bring_up(url, profiles[::-1]).n_pairs == 0

        matrix = DtwMatrix(url, PARAMETERS)
        keys = profile_keys(profiles)
        assert matrix.select(keys).tobytes() == square(profiles).tobytes()
        index = [17, 3, 19, 3]
        assert (matrix.select(keys[index], file=tmp_path / "x.npy") == square(profiles[index])).all()
        assert matrix.size_bytes() == sum(Place(f"{url}/{PARAMETERS.name}").sizes().values()) > 4000
        assert stored_digests(url) == {PARAMETERS.name: matrix.digest}
        assert not [name for name in Place(url).sizes() if "lock" in name]

        bring_up(url, profiles[:5], anew=True)
        assert is_right(url, profiles[:5])
        assert not set(tiles(url)) & set(after)
        with pytest.raises(StaleMatrixError, match="does not hold 15 of the 20 profiles") as caught:
            selected(url, profiles)
        assert f"-P dtw_path={url} " in one_line(caught)

    def test_interrupted_it_is_continued(self, url):
        profiles = profiles_of(20)
        interrupted(url, profiles, 4)
        with pytest.raises(InputError, match="there is no DTW matrix"):
            DtwMatrix(url, PARAMETERS)
        before = tiles(url)
        done = bring_up(url, profiles)
        assert (len(before), done.tiles_found) == (3, 3)
        after = tiles(url)
        assert {name: after[name] for name in before} == before
        assert len(after) == 6
        assert is_right(url, profiles)

    def test_a_damaged_tile_is_an_error(self, url):
        profiles = profiles_of(10)
        bring_up(url, profiles)
        place = Place(url)
        file = sorted(tiles(url))[1]
        content = place.files.cat_file(file)
        place.files.pipe_file(file, content[:20] + bytes([content[20] ^ 1]) + content[21:])
        with pytest.raises(InputError, match=r"cannot be read \(.*checksum.*compute_dtw=anew") as caught:
            selected(url, profiles)
        one_line(caught)
        place.files.rm(file)
        with pytest.raises(InputError, match=r"tile \(0, 1\) of generation .* is missing") as caught:
            selected(url, profiles)
        one_line(caught)


class TestLease:
    def test_a_live_writer_is_not_disturbed_and_a_dead_one_is_taken_over(self, url, monkeypatch):
        # renewing takes a server's answer
        monkeypatch.setattr(lock, "BEAT_SECONDS", 0.3)
        profiles = profiles_of(4)
        place = Place(url)
        with lock.writer_lock(place, PARAMETERS.name):
            with pytest.raises(InputError) as caught:
                bring_up(url, profiles)
            assert f"{url} is being written by process {os.getpid()} on " in no_secret(one_line(caught))
        left = {"token": "x", "process": 1, "host": "elsewhere", "since_utc": "2026-01-01"}
        lock._write_lease(place, f"{place.root}/{PARAMETERS.name}.lock", left)
        bring_up(url, profiles)
        assert is_right(url, profiles)
        assert place.folders() == [PARAMETERS.name]
        assert f"{PARAMETERS.name}.lock" not in place.sizes()


class TestTrouble:
    """One line that names the place and no secret."""

    def failures(self, url):
        messages = []
        for attempt in (
            lambda: bring_up(url, profiles_of(3)),
            lambda: DtwMatrix(url, PARAMETERS),
        ):
            forget_connections()
            with pytest.raises(InputError) as caught:
                attempt()
            messages.append(no_secret(one_line(caught)))
            assert url in messages[-1]
        return messages

    def test_a_bucket_that_is_not_there(self, url):
        other = url.replace(BUCKET, "nobodys")
        writing, reading = self.failures(other)
        assert "cannot be written (The specified bucket does not exist)" in writing
        assert "there is no DTW matrix" in reading

    def test_credentials_that_are_not_known(self, url, monkeypatch):
        from moto import settings

        bring_up(url, profiles_of(3))
        with monkeypatch.context() as patch:
            patch.setattr(settings, "INITIAL_NO_AUTH_ACTION_COUNT", 0.0)
            writing, reading = self.failures(url)
            assert "cannot be written (Forbidden)" in writing
            assert "cannot be read (Forbidden)" in reading
            with pytest.raises(InputError, match="cannot be listed") as caught:
                stored_digests(url)
            no_secret(one_line(caught))

    def test_no_credentials(self, url, monkeypatch, tmp_path):
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.delenv(name)
        for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
            monkeypatch.setenv(name, str(tmp_path / "none"))
        for message in self.failures(url):
            assert "Unable to locate credentials" in message

    def test_a_server_that_is_gone(self, url, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
        for message in self.failures(url):
            assert "Could not connect to the endpoint URL" in message

    def test_a_server_that_goes_in_the_middle_of_it(self, url, monkeypatch):
        from zarr.storage import FsspecStore

        profiles, put, count = profiles_of(20), FsspecStore.set, 0

        async def fail_at_fourth_tile(store, *arguments, **options):
            nonlocal count
            count += "/distances/c/" in arguments[0]
            if count >= 4:
                raise ConnectionResetError("connection reset by peer")
            await put(store, *arguments, **options)

        with monkeypatch.context() as patch, pytest.raises(InputError, match="connection reset by peer") as caught:
            patch.setattr(FsspecStore, "set", fail_at_fourth_tile)
            bring_up(url, profiles)
        assert "what is complete is kept" in one_line(caught)
        assert bring_up(url, profiles).tiles_found == 3
        assert is_right(url, profiles)


def test_memory_is_a_place_too(memory):
    profiles = profiles_of(30)
    interrupted(memory, profiles, 4)
    assert bring_up(memory, profiles).tiles_found == 3
    bring_up(memory, profiles_of(33))
    assert is_right(memory, profiles_of(33))
    wide = MatrixParameters(None, "l2", 24, 60)
    bring_up(memory, profiles, wide)
    assert set(stored_digests(memory)) == {PARAMETERS.name, wide.name}
