"""Fetching over a real web server and over memory: mirrors, cache, faults, hostile servers, secrets."""

import gc
import io
import json
import logging
import multiprocessing
import os
import socket
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import fsspec
import pytest
from tqdm import tqdm

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources import customers, remote
from loadprofiles.sources.remote import fetch
from loadprofiles.step import is_remote
from tests.sources.web import ALWAYS, serve

ROOT = Path(__file__).parents[2]
CSV = "Fecha,Active_energy,Reactive_energy,Voltaje_FA,Voltaje_FC\n2021-01-01 00:00:00,1.5,0.5,220,221\n"
FILES = {
    "data/DATOSCLIENTE1.csv": CSV.encode(),
    "data/DATOSCLIENTE2.csv": CSV.replace("1.5", "2.5").encode() * 400,
    "data/sector económico.xlsx": bytes(range(256)) * 40,
    "data/more/50% off & #1 (a+b);c.csv": b"a,b\n1,2\n",
    "data/more/deep er/empty.csv": b"",
    "elsewhere/secret.csv": b"not for you\n",
}
NAMES = {name.removeprefix("data/") for name in FILES if name.startswith("data/")}
ONE = "/data/DATOSCLIENTE2.csv"


def write(folder, files=FILES):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def expected():
    return {name: FILES[f"data/{name}"] for name in NAMES}


def everything(cache):
    """All that lies in the cache but locks and records."""
    return {
        str(p.relative_to(cache)) for p in cache.rglob("*") if p.is_file() and p.suffix != ".json" and p.name != "lock"
    }


@pytest.fixture(autouse=True)
def no_proxy_and_short_waits(monkeypatch):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    monkeypatch.setattr(remote, "BACKOFF_SECONDS", 0.001)


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def web(tmp_path):
    folder = tmp_path / "served"
    write(folder)
    with serve(folder) as server:
        yield server


@pytest.fixture
def memory():
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()
    system.pseudo_dirs[:] = [""]


def one_line(url, cache, error=InputError):
    with pytest.raises(error) as caught:
        fetch(url, cache=cache)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    assert "\n" not in str(caught.value)
    return str(caught.value)


class TestWhatIsRemote:
    @pytest.mark.parametrize(
        "text",
        ["https://h/x", "HTTP://h", "s3://bucket/a", "memory://a", "github://o:r@/p", "file:///a", "nobody-knows://x"],
    )
    def test_urls_are(self, text):
        assert is_remote(text)

    @pytest.mark.parametrize(
        "text",
        ["", "customers", "/data/x", "C:\\data", "C:/data", "c://data", "a:b", "://x", "./https://x"],
    )
    def test_paths_and_drives_are_not(self, text):
        assert not is_remote(text)

    @pytest.mark.parametrize("text", ["runs:/1/x", "mlflow-artifacts:/1", "mlflow-artifacts://host/1"])
    def test_artifacts_are_not(self, text):
        assert not is_remote(text)

    def test_a_file_url_is_the_path_itself(self, tmp_path, cache):
        path = tmp_path / "with blank.csv"
        path.write_text("a")
        assert fetch(path.as_uri(), cache=cache) == path
        assert not cache.exists()
        assert "no such file" in one_line((tmp_path / "none.csv").as_uri(), cache)
        assert "another machine" in one_line("file://host/x.csv", cache)


class TestMirror:
    @pytest.mark.parametrize("path", ["data/", "data"])
    def test_a_folder_comes_byte_for_byte_with_all_below_it(self, web, cache, path):
        folder = fetch(web.url + path, cache=cache)
        assert folder.name == "data"
        assert contents(folder) == expected()

    @pytest.mark.parametrize("path", ["data/sector económico.xlsx", "data/sector%20econ%C3%B3mico.xlsx"])
    def test_a_single_file_keeps_its_name(self, web, cache, path):
        file = fetch(web.url + path, cache=cache)
        assert file.name == "sector económico.xlsx"
        assert file.read_bytes() == FILES["data/sector económico.xlsx"]
        assert everything(cache) == {str(file.relative_to(cache))}

    def test_the_whole_server_is_a_folder_too(self, web, cache):
        assert contents(fetch(web.url, cache=cache)) == FILES

    def test_no_sizes_and_chunked_answers_do_no_harm(self, web, cache):
        web.length = False
        assert contents(fetch(web.url + "data/", cache=cache)) == expected()

    def test_links_to_folders_without_their_slash_are_entered(self, web, cache):
        web.pages["/data/"] = '<a href="more">more</a>'
        assert set(contents(fetch(web.url + "data/", cache=cache))) == {n for n in NAMES if n.startswith("more/")}

    def test_memory_is_a_protocol_like_any_other(self, memory, cache):
        for name, content in FILES.items():
            memory.pipe_file(f"/{name}", content)
        folder = fetch("memory://data", cache=cache)
        assert (folder.name, contents(folder)) == ("data", expected())
        assert fetch("memory://data/DATOSCLIENTE1.csv", cache=cache).read_bytes() == CSV.encode()

    def test_the_samples_customers_are_found_in_what_was_fetched(self, cache):
        with serve(ROOT / "customers") as web:
            folder = fetch(web.url, cache=cache)
        assert [f.name for f in customers.find_files(folder)] == [
            f.name for f in customers.find_files(ROOT / "customers")
        ]
        assert (folder / customers.SECTOR_SHEET).read_bytes() == (
            ROOT / "customers" / customers.SECTOR_SHEET
        ).read_bytes()

    def test_the_cache_is_where_the_environment_says(self, web, tmp_path, monkeypatch):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
        monkeypatch.delenv("LOADPROFILES_CACHE", raising=False)
        assert fetch(web.url + "data").is_relative_to(tmp_path / "xdg" / "loadprofiles" / "remote")
        monkeypatch.setenv("LOADPROFILES_CACHE", str(tmp_path / "own"))
        assert fetch(web.url + "data").is_relative_to(tmp_path / "own")

    def test_a_cache_that_cannot_be_written_is_named(self, web, tmp_path):
        (tmp_path / "file").write_text("in the way")
        assert "LOADPROFILES_CACHE" in one_line(web.url + "data/", tmp_path / "file")


class TestCache:
    @pytest.mark.parametrize("etag", [True, False])
    def test_a_second_fetch_downloads_nothing(self, web, cache, etag):
        web.etag = etag  # else the date and the size tell
        first = fetch(web.url + "data/", cache=cache)
        assert len(web.downloads()) == len(NAMES)
        assert web.encodings == {"identity"}  # others have other sizes and ETags
        assert fetch(web.url + "data", cache=cache) == first
        assert web.downloads().keys() <= {"/data"}
        assert contents(first) == expected()

    def test_of_a_changed_file_only_that_is_fetched(self, web, cache):
        folder = fetch(web.url + "data/", cache=cache)
        (web.folder / "data/DATOSCLIENTE1.csv").write_bytes(b"new")
        web.downloads()
        fetch(web.url + "data/", cache=cache)
        assert web.downloads() == {"/data/DATOSCLIENTE1.csv": 1}
        assert contents(folder) == expected() | {"DATOSCLIENTE1.csv": b"new"}

    def test_without_the_servers_word_the_digest_decides_and_the_same_content_keeps_its_date(self, web, cache):
        web.etag = web.dates = False
        folder = fetch(web.url + "data/", cache=cache)
        for path in folder.rglob("*.csv"):
            os.utime(path, (1, 1))
        (web.folder / "data/DATOSCLIENTE1.csv").write_bytes(b"new")
        web.downloads()
        fetch(web.url + "data/", cache=cache)
        assert len(web.downloads()) == len(NAMES)
        dates = {path.name: path.stat().st_mtime for path in folder.rglob("*.csv")}
        assert dates.pop("DATOSCLIENTE1.csv") > 1
        assert set(dates.values()) == {1}
        assert contents(folder) == expected() | {"DATOSCLIENTE1.csv": b"new"}

    def test_memory_has_no_versions_and_is_read_again(self, memory, cache):
        memory.pipe_file("/d/a.csv", b"1")
        memory.pipe_file("/d/b.csv", b"1")
        folder = fetch("memory://d", cache=cache)
        os.utime(folder / "b.csv", (1, 1))
        memory.pipe_file("/d/a.csv", b"2")
        assert contents(fetch("memory://d", cache=cache)) == {"a.csv": b"2", "b.csv": b"1"}
        assert (folder / "b.csv").stat().st_mtime == 1

    @pytest.mark.parametrize("damage", [b"", FILES["data/DATOSCLIENTE2.csv"][::-1], None])
    def test_a_truncated_altered_or_lost_copy_is_fetched_anew(self, web, cache, damage):
        copy = fetch(web.url + "data/", cache=cache) / "DATOSCLIENTE2.csv"
        if damage is None:
            copy.unlink()
        else:
            copy.write_bytes(damage)
        web.downloads()
        fetch(web.url + "data/", cache=cache)
        assert web.downloads() == {ONE: 1}
        assert copy.read_bytes() == FILES["data/DATOSCLIENTE2.csv"]

    def test_a_copy_cut_short_is_noticed_whatever_its_date(self, web, cache):
        copy = fetch(web.url + ONE[1:], cache=cache)
        date = copy.stat().st_mtime_ns
        copy.write_bytes(b"Fecha")
        os.utime(copy, ns=(date, date))
        assert fetch(web.url + ONE[1:], cache=cache).read_bytes() == FILES[ONE[1:]]

    @pytest.mark.parametrize("text", ["", "[]", "{}", "null", '{"size_bytes": "x"}'])
    def test_an_unreadable_record_counts_as_none(self, web, cache, text):
        file = fetch(web.url + ONE[1:], cache=cache)
        (record,) = cache.rglob("*.json")
        noted = json.loads(record.read_text())
        record.write_text(text)
        web.downloads()
        assert fetch(web.url + ONE[1:], cache=cache) == file
        assert web.downloads() == {ONE: 1}
        assert json.loads(record.read_text())["sha256"] == noted["sha256"]

    def test_what_vanished_on_the_server_vanishes_here_and_is_counted(self, web, cache, caplog):
        folder = fetch(web.url + "data/", cache=cache)
        (web.folder / "data/DATOSCLIENTE1.csv").unlink()
        (web.folder / "data/more/deep er/empty.csv").unlink()
        with caplog.at_level(logging.INFO, remote.__name__):
            fetch(web.url + "data/", cache=cache)
        assert set(contents(folder)) == NAMES - {"DATOSCLIENTE1.csv", "more/deep er/empty.csv"}
        assert "0 files fetched, 3 unchanged, 2 removed" in caplog.text
        assert not (folder / "more/deep er").exists()
        assert len(list(cache.rglob("*.json"))) == 3

    def test_a_file_that_became_a_folder_is_mirrored(self, web, cache):
        folder = fetch(web.url + "data/", cache=cache)
        (web.folder / "data/DATOSCLIENTE1.csv").unlink()
        write(web.folder, {"data/DATOSCLIENTE1.csv/a.csv": b"x"})
        fetch(web.url + "data/", cache=cache)
        assert (folder / "DATOSCLIENTE1.csv/a.csv").read_bytes() == b"x"


class TestFaults:
    @pytest.mark.parametrize("how", ["length", "chunked", "close"])
    @pytest.mark.parametrize("length", [True, False])
    def test_a_download_that_breaks_off_twice_is_complete_in_the_end(self, web, cache, how, length):
        web.breaks, web.how, web.length = {ONE: 2}, how, length or how == "close"
        assert contents(fetch(web.url + "data/", cache=cache)) == expected()
        assert web.breaks == {ONE: 0}

    @pytest.mark.parametrize("how", ["length", "chunked", "close"])
    def test_one_that_always_breaks_off_is_told_and_leaves_nothing_but_the_complete_files(self, web, cache, how):
        web.breaks, web.how = {ONE: ALWAYS}, how
        message = one_line(web.url + "data/", cache)
        size = len(FILES[ONE[1:]])
        assert f"{web.url}data/: DATOSCLIENTE2.csv: " in message
        assert f"{size // 2} of {size} bytes came" in message
        assert "try again" in message
        kept = {Path(name).name for name in everything(cache)}
        assert "DATOSCLIENTE2.csv" not in kept
        assert kept <= {Path(name).name for name in NAMES}
        assert web.downloads()[ONE] == remote.ATTEMPTS

        web.breaks = {}
        assert contents(fetch(web.url + "data/", cache=cache)) == expected()
        assert web.downloads().keys() == {f"/data/{name}" for name in NAMES if Path(name).name not in kept}

    def test_after_a_failure_no_more_files_are_begun(self, web, cache):
        write(web.folder, {f"many/{n}.csv": b"x" * 10 for n in range(40)})
        web.breaks = {f"/many/{n}.csv": ALWAYS for n in range(40)}
        one_line(web.url + "many/", cache)
        assert len(web.downloads()) < 40

    def test_the_old_copy_stays_while_the_new_one_breaks_off(self, web, cache):
        file = fetch(web.url + ONE[1:], cache=cache)
        (web.folder / ONE[1:]).write_bytes(b"new content")
        web.breaks = {ONE: ALWAYS}
        one_line(web.url + ONE[1:], cache)
        assert file.read_bytes() == FILES[ONE[1:]]

    @pytest.mark.parametrize("status", [500, 503, 429])
    def test_a_server_under_load_is_asked_again(self, web, cache, status):
        web.statuses = {"/data/": (status, 2), ONE: (status, 3)}
        assert contents(fetch(web.url + "data/", cache=cache)) == expected()

    def test_a_file_that_grows_between_look_and_download_is_taken_as_it_is_now(self, web, cache, monkeypatch):
        real = remote._Web.info

        def outdated(self, address):
            info = real(self, address)
            monkeypatch.setattr(remote._Web, "info", real)
            (web.folder / ONE[1:]).write_bytes(b"longer than before" * 9999)
            return info

        monkeypatch.setattr(remote._Web, "info", outdated)
        assert fetch(web.url + ONE[1:], cache=cache).read_bytes() == b"longer than before" * 9999

    def test_partial_downloads_of_a_killed_process_are_cleared_away(self, web, cache):
        file = fetch(web.url + ONE[1:], cache=cache)
        left = file.parents[1] / "partial-of-yesterday"
        left.mkdir()
        (left / "x").write_text("half")
        fetch(web.url + ONE[1:], cache=cache)
        assert not left.exists()

    @pytest.mark.parametrize(("status", "words"), [(401, "rights"), (403, "rights"), (404, "check the address")])
    def test_refusals_say_what_to_do(self, web, cache, status, words):
        web.statuses = {ONE: (status, ALWAYS), "/data/": (status, ALWAYS)}
        message = one_line(web.url + ONE[1:], cache)
        assert str(status) in message or "no such file" in message
        assert words in message
        folder = one_line(web.url + "data/", cache)
        assert ("index page" in folder) == (status != 401)
        assert not cache.exists()

    def test_a_page_without_links_is_told_from_a_folder(self, web, cache):
        web.pages = {"/data/": "<h1>Welcome</h1>", "/data/x.csv": "<form>Log in</form>"}
        assert "no index page" in one_line(web.url + "data/", cache)
        assert "~/.netrc" in one_line(web.url + "data/x.csv", cache)

    def test_a_dead_link_is_named(self, web, cache):
        web.pages = {"/data/": '<a href="gone.csv">gone</a>'}
        message = one_line(web.url + "data/", cache)
        assert f"{web.url}data/gone.csv" in message

    def test_nobody_listening_and_unknown_hosts_are_told_at_once(self, cache):
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{held.getsockname()[1]}/data/"
            assert "cannot reach 127.0.0.1" in one_line(url, cache)
        assert "unknown host" in one_line("http://no-such-host.invalid/x.csv", cache)

    def test_https_where_there_is_none_is_told(self, web, cache):
        assert "does not speak TLS" in one_line(web.url.replace("http", "https"), cache)

    def test_a_silent_server_is_not_waited_for_for_ever(self, cache, monkeypatch):
        monkeypatch.setattr(remote, "SILENCE_SECONDS", 0.2)
        with closing(socket.create_server(("127.0.0.1", 0))) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}/x.csv"
            assert "no answer within" in one_line(url, cache)

    def test_a_server_that_falls_silent_in_the_middle_is_given_a_second_chance(self, web, cache, monkeypatch):
        monkeypatch.setattr(remote, "SILENCE_SECONDS", 0.3)
        web.how = "silence"
        web.breaks = {ONE: 1}
        assert fetch(web.url + ONE[1:], cache=cache / "a").stat().st_size == len(FILES[ONE[1:]])
        web.breaks = {ONE: ALWAYS}
        web.downloads()
        message = one_line(web.url + ONE[1:], cache / "b")
        assert "no answer within" in message
        assert f"of {len(FILES[ONE[1:]])} bytes came" in message
        assert web.downloads() == {ONE: 2}

    @pytest.mark.parametrize(
        ("url", "words"),
        [
            ("nobody://h/x", "unknown scheme nobody://"),
            ("gs://bucket/x", "pip install gcsfs"),
            ("sftp://host/x", "pip install paramiko"),
            ("http:///x", "no usable address"),
            ("http://h:port/x", "no usable address"),
            ("ftp://127.0.0.1:1/x", "cannot reach the server"),
            ("zip://a::https://h/x.zip", "joined by ::"),
            ("memory://nothing/here", "no such file"),
            ("customers", "no URL"),
        ],
    )
    def test_unusable_urls_say_what_is_wrong(self, url, words, cache):
        assert words in one_line(url, cache)
        assert not cache.exists()

    def test_an_empty_folder_of_a_store_is_refused(self, memory, cache):
        memory.mkdir("/hollow")
        assert "no files in it" in one_line("memory://hollow", cache)

    def test_a_folder_that_contains_itself_ends_with_an_error(self, web, cache, monkeypatch):
        monkeypatch.setattr(remote, "MAX_DEPTH", 4)
        (web.folder / "data/again").symlink_to(web.folder / "data", target_is_directory=True)
        assert "nested more than" in one_line(web.url + "data/", cache)


HOSTILE = [
    "../../etc/passwd",
    "../elsewhere/secret.csv",
    "%2e%2e/elsewhere/secret.csv",
    "%2E%2E%2Felsewhere%2Fsecret.csv",
    "..%2felsewhere/secret.csv",
    "more/../../elsewhere/secret.csv",
    "more/%2e%2e/%2e%2e/elsewhere/secret.csv",
    "&#46;&#46;/elsewhere/secret.csv",
    ".&#x2e;/elsewhere/",
    "..%5celsewhere%5csecret.csv",
    "..\\elsewhere\\secret.csv",
    "/elsewhere/secret.csv",
    "a%00b.csv",
    "javascript:alert(1)",
    "mailto:a@b",
    "file:///etc/passwd",
    "DATOSCLIENTE2.csv?delete=1",
]


class TestHostileServers:
    @pytest.fixture
    def other(self, tmp_path):
        folder = tmp_path / "other"
        write(folder, {"data/stolen.csv": b"x", "stolen.csv": b"x"})
        with serve(folder) as server:
            yield server

    def test_links_out_of_the_folder_are_neither_followed_nor_written(self, web, other, cache, tmp_path, caplog):
        hrefs = [*HOSTILE, f"{other.url}stolen.csv", f"//127.0.0.1:{other.url[17:]}stolen.csv", other.url + "data/"]
        links = "".join(f'<a href="{href}">x</a>' for href in [*hrefs, "DATOSCLIENTE1.csv", "?C=N;O=D", "#top", "./"])
        web.pages = {"/data/": links}
        before = contents(tmp_path)
        folder = fetch(web.url + "data/", cache=cache)
        assert contents(folder) == {"DATOSCLIENTE1.csv": CSV.encode()}
        assert {n for n in everything(cache) if "files" not in n} == set()
        assert {n: c for n, c in contents(tmp_path).items() if not n.startswith("cache/")} == before
        assert not other.asked
        assert {path for _, path in web.asked} == {"/data/", "/data/DATOSCLIENTE1.csv"}
        assert "lead out of the folder" in caplog.text

    @pytest.mark.parametrize("link", ["http://other/d/a.csv", "http://h:81/d/a.csv", "http://h/e/a.csv", "http://[/"])
    def test_only_what_begins_with_the_folder_is_below_it(self, link):
        assert remote._below(urlsplit("http://h/d/"), link)[0] == [".."]
        assert remote._below(urlsplit("http://h/d/"), "http://h/d/x/a.csv") == (["x", "a.csv"], False)

    def test_a_sub_folders_page_cannot_lead_up_either(self, web, cache):
        web.pages = {"/data/": '<a href="more/">m</a>', "/data/more/": '<a href="../../elsewhere/secret.csv">s</a>'}
        assert "no index page" in one_line(web.url + "data/", cache)
        assert not any("elsewhere" in path for _, path in web.asked)

    @pytest.mark.parametrize("path", [ONE, "/data/more/"])
    def test_redirects_of_a_folder_to_another_server_are_not_followed(self, web, other, cache, path):
        web.redirects = {path: other.url + "stolen.csv"}
        message = one_line(web.url + "data/", cache)
        assert "sends us to another one" in message
        assert not other.asked
        assert not cache.exists()

    def test_a_folder_that_moved_to_another_server_is_to_be_named_anew(self, web, other, cache):
        web.redirects = {"/data": other.url + "data/"}
        assert f"name the address itself, {other.url}data/" in one_line(web.url + "data", cache)

    def test_a_single_file_that_was_named_may_be_elsewhere(self, web, other, cache):
        web.redirects = {"/data/link.csv": other.url + "stolen.csv"}
        file = fetch(web.url + "data/link.csv", cache=cache)
        assert (file.name, file.read_bytes()) == ("link.csv", b"x")

    def test_keys_of_a_store_that_lead_out_are_left_out(self, memory, cache, caplog):
        memory.pipe_file("/d/a.csv", b"1")
        memory.store["/d/../../up.csv"] = memory.store["/d/a.csv"]
        assert contents(fetch("memory://d", cache=cache)) == {"a.csv": b"1"}
        assert "1 links lead out of the folder" in caplog.text

    def test_a_name_with_an_encoded_slash_is_no_name(self, web, cache):
        web.pages["/data/a%2F..%2Fb.html"] = "x"
        assert fetch(web.url + "data/a%2F..%2Fb.html", cache=cache).name == "b.html"
        web.pages["/data/%2E%2E"] = "x"
        assert one_line(web.url + "data/%2E%2E", cache)


class TestSecrets:
    def test_a_password_is_refused_and_not_repeated(self, cache):
        message = one_line("https://me:s3cret@host/x.csv", cache, ParameterError)
        assert "s3cret" not in message
        assert "AWS_" in message

    def test_the_colon_of_github_is_no_password(self, monkeypatch):
        assert remote._checked("github://org:repo@ref/customers") == "github://org:repo@ref/customers"

    @pytest.mark.parametrize(
        "query",
        ["X-Amz-Signature=s3cret", "a=1&sig=s3cret", "access_token=s3cret", "api_key=s3cret", "q=" + "s3cret" * 9],
    )
    def test_signatures_and_tokens_are_masked_in_messages_and_logs(self, web, cache, query, caplog):
        web.statuses = {"/data/x.csv": (503, ALWAYS)}
        message = one_line(f"{web.url}data/x.csv?{query}", cache)
        assert "s3cret" not in message + caplog.text
        assert "=***" in message
        assert "trying again" in caplog.text

    def test_a_login_without_password_is_masked(self, web, cache):
        url = web.url.replace("http://", "http://s3cret@") + "data/none.csv"
        assert "s3cret" not in one_line(url, cache)

    def test_a_link_signed_anew_finds_the_old_copy_and_other_queries_do_not(self, web, cache):
        url = web.url + ONE[1:]
        first = fetch(f"{url}?v=1&Expires=1&Signature=a%2Fb", cache=cache)
        web.downloads()
        assert fetch(f"{url}?v=1&Expires=2&Signature=c", cache=cache) == first
        assert web.downloads() == {}
        assert fetch(f"{url}?v=2&Expires=2&Signature=c", cache=cache) != first
        assert fetch(f"{url}?v=1&token=x", cache=cache) != fetch(f"{url}?v=1&token=y", cache=cache)

    def test_the_query_arrives_to_the_letter_and_is_not_kept(self, web, cache):
        query = "X-Amz-Credential=k%2F2026%2Fs3&X-Amz-Signature=s3cret%2B"
        fetch(f"{web.url}{ONE[1:]}?{query}", cache=cache)
        assert web.targets == {f"{ONE}?{query}"}
        assert all("s3cret" not in path.name + path.read_text() for path in cache.rglob("*") if path.is_file())


def fetch_to(url, cache, results):
    results.put(contents(fetch(url, cache=Path(cache))))


class TestProcesses:
    def test_two_processes_fetch_the_same_at_once(self, web, cache):
        fetch(web.url + "data/", cache=cache / "other")  # fsspec's thread runs here already
        # no fork server: it would stay, without what steps need, for all later tests of this process
        context = multiprocessing.get_context("spawn")
        results = context.SimpleQueue()
        processes = [context.Process(target=fetch_to, args=(web.url + "data/", str(cache), results)) for _ in range(2)]
        for process in processes:
            process.start()
        answers = [results.get() for _ in processes]
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0, 0]
        assert answers == [expected(), expected()]
        assert not list(cache.rglob("partial-*"))

    def test_threads_take_turns_and_only_one_downloads(self, web, cache):
        with ThreadPoolExecutor(4) as pool:
            folders = set(pool.map(lambda _: fetch(web.url + "data/", cache=cache), range(4)))
        assert len(folders) == 1
        assert contents(folders.pop()) == expected()
        assert web.downloads() == {f"/data/{name}": 1 for name in NAMES}

    def test_importing_starts_no_thread(self):
        code = "import threading, loadprofiles.sources.remote; print([t.name for t in threading.enumerate()])"
        run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
        assert "fsspecIO" not in run.stdout

    @pytest.mark.parametrize("breaks", [0, 1, ALWAYS])
    def test_nothing_is_left_open(self, web, cache, breaks, caplog):
        web.breaks = {ONE: breaks}
        gc.collect()
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            with suppress(InputError):
                fetch(web.url + "data/", cache=cache)
            # by type: of a weak reference's stand-in isinstance asks what may be gone
            sessions = [thing for thing in gc.get_objects() if type(thing) is aiohttp.ClientSession]
            assert all(session.closed for session in sessions)
            gc.collect()
        assert not told
        assert "nclosed" not in caplog.text


class TestProgress:
    @pytest.mark.parametrize("breaks", [0, 3])
    def test_the_bar_ends_at_the_size_of_all_files(self, web, cache, monkeypatch, breaks):
        bars = []

        def on_a_terminal(**options):
            bars.append(tqdm(**(options | {"disable": False, "file": io.StringIO()})))
            return bars[-1]

        monkeypatch.setattr(remote, "tqdm", on_a_terminal)
        web.breaks = {ONE: breaks}
        fetch(web.url + "data/", cache=cache)
        assert bars[0].n == bars[0].total == sum(map(len, expected().values()))
        assert f"{len(NAMES)}/{len(NAMES)} files" in bars[0].postfix
