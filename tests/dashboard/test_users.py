import logging
from hashlib import pbkdf2_hmac
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadprofiles.dashboard.users import Users, UsersError, add_user, load_users
from loadprofiles.errors import InputError, ParameterError


def cheap_hash(password: str, salt: str = "salt") -> str:
    return f"pbkdf2:sha256:1${salt}${pbkdf2_hmac('sha256', password.encode(), salt.encode(), 1).hex()}"


ANA, EVA = cheap_hash("correct horse"), cheap_hash("battery staple")


@pytest.fixture(autouse=True)
def no_users_of_the_environment(monkeypatch):
    monkeypatch.delenv("DASHBOARD_USERS", raising=False)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "users.txt"
    path.write_text(f"# the analysts\n\nana:{ANA}\n eva : {EVA}\n")
    path.chmod(0o600)
    return path


def test_users_of_a_file_are_known_by_their_passwords_alone(file):
    users = load_users(file)
    assert users.check("ana", "correct horse")
    assert users.check("eva", "battery staple")
    assert not users.check("ana", "battery staple")
    assert not users.check("ana", "")
    assert not users.check("leo", "correct horse")


def test_without_file_and_variable_there_are_no_users():
    users = load_users(None)
    assert not users
    assert not users.check("ana", "correct horse")


@pytest.mark.parametrize("between", [";", "\n", " ; \n"])
def test_users_of_the_environment_have_semicolons_or_line_breaks_between(monkeypatch, between):
    monkeypatch.setenv("DASHBOARD_USERS", f"ana:{ANA}{between}eva:{EVA}")
    users = load_users(None)
    assert users.check("ana", "correct horse")
    assert users.check("eva", "battery staple")


def test_file_and_environment_count_together(monkeypatch, file):
    monkeypatch.setenv("DASHBOARD_USERS", f"leo:{ANA}")
    users = load_users(file)
    assert "leo" in users
    assert "ana" in users


def test_a_name_in_both_file_and_environment_is_refused(monkeypatch, file):
    monkeypatch.setenv("DASHBOARD_USERS", f"eva:{ANA}")
    with pytest.raises(InputError, match=r"users\.txt, row 4: user 'eva' is there twice"):
        load_users(file)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("only-a-password", "no user"),
        (f":{ANA}", "no name of a user"),
        (f"{'x' * 65}:{ANA}", "no name of a user"),
        (f"a\tb:{ANA}", "no name of a user"),
        ("leo:", "'leo' has no password hash"),
        ("leo:plain-password", "'leo' has no password hash"),
        ("leo:md5$salt$abcdef", "'leo' has no password hash"),
        ("leo:pbkdf2:nohash:1$salt$abcdef", "'leo' has no password hash"),
        ("leo:scrypt:3:8:1$salt$abcdef", "'leo' has no password hash"),
        ("leo:pbkdf2:sha256:1$salt$nohex", "'leo' has no password hash"),
        (f"ana:{EVA}", "'ana' is there twice"),
    ],
)
def test_a_wrong_line_is_refused_with_its_row_and_without_what_it_holds(file, line, reason):
    file.write_text(f"ana:{ANA}\n# eva is away\n{line}\n")
    with pytest.raises(InputError, match=r"users\.txt, row 3: ") as caught:
        load_users(file)
    assert reason in str(caught.value)
    assert (line.rpartition(":")[2] or "$") not in str(caught.value)


def test_a_wrong_entry_of_the_environment_is_refused_with_its_number(monkeypatch):
    monkeypatch.setenv("DASHBOARD_USERS", f"ana:{ANA};eva")
    with pytest.raises(InputError, match="DASHBOARD_USERS, entry 2: no user"):
        load_users(None)


def test_a_file_that_is_missing_or_holds_nobody_or_no_text_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"none\.txt: .* cannot be read"):
        load_users(tmp_path / "none.txt")
    with pytest.raises(InputError, match="cannot be read"):
        load_users(tmp_path)
    empty = tmp_path / "empty.txt"
    empty.write_text("# nobody yet\n")
    with pytest.raises(InputError, match="holds no user: add one with"):
        load_users(empty)
    empty.write_bytes(b"ana:\xff")
    with pytest.raises(InputError, match="no text in UTF-8"):
        load_users(empty)


def test_a_file_open_to_everybody_is_warned_of(file, caplog):
    caplog.set_level(logging.WARNING)
    load_users(file)
    assert not caplog.messages
    file.chmod(0o644)
    load_users(file)
    assert caplog.messages == [f"{file} is open to every user of this machine: `chmod 600` it"]


def test_a_changed_file_counts_at_once(file):
    users = load_users(file)
    mark = users.mark("ana")
    file.write_text(f"ana:{EVA}\n")
    assert "eva" not in users
    assert users.check("ana", "battery staple")
    assert mark != users.mark("ana") != ""
    assert users.mark("eva") == ""


def test_a_file_spoilt_or_removed_lets_nobody_in_until_it_is_mended(file):
    users = load_users(file)
    sound = file.read_text()
    file.write_text("ana\n")
    for _ in range(2):
        with pytest.raises(UsersError, match="row 1"):
            users.check("ana", "correct horse")
    file.unlink()
    with pytest.raises(UsersError, match="cannot be read"):
        users.mark("ana")
    file.write_text(sound)
    assert users.check("ana", "correct horse")


def test_an_unknown_name_costs_a_hash_of_the_same_kind(monkeypatch):
    hashed = []

    def check(password_hash: str, _password: str) -> bool:
        hashed.append(password_hash.split("$")[0])
        return True

    users = Users({"ana": ANA})
    monkeypatch.setattr("loadprofiles.dashboard.users.check_password_hash", check)
    assert not users.check("leo", "correct horse")
    assert hashed == ["pbkdf2:sha256:1"]


def test_a_user_added_can_sign_in_and_only_the_owner_can_read_the_file(tmp_path):
    file = tmp_path / "users.txt"
    assert add_user(file, "Íñigo Ríos", "battery: staple; ñ")
    assert file.stat().st_mode & 0o777 == 0o600
    assert "staple" not in file.read_text()
    assert load_users(file).check("Íñigo Ríos", "battery: staple; ñ")


def test_a_password_is_replaced_and_other_lines_stay(file):
    assert not add_user(file, "ana", "a new password")
    lines = file.read_text().splitlines()
    assert lines[:2] == ["# the analysts", ""]
    assert lines[3:] == [f" eva : {EVA}"]
    assert load_users(file).check("ana", "a new password")


def test_a_link_to_the_file_stays_a_link(file, tmp_path):
    link = tmp_path / "link.txt"
    link.symlink_to(file)
    add_user(link, "leo", "a new password")
    assert link.is_symlink()
    assert "leo" in load_users(file)


def test_a_spoilt_file_is_left_as_it_is(file):
    file.write_text("ana\n")
    with pytest.raises(InputError, match="row 1"):
        add_user(file, "leo", "a new password")
    assert file.read_text() == "ana\n"


def test_a_file_that_cannot_be_written_is_told_and_nothing_is_left_behind(file, monkeypatch):
    before = file.read_text()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(InputError, match=r"cannot be written.*No space left"):
        add_user(file, "leo", "a new password")
    assert [path.name for path in file.parent.iterdir()] == ["users.txt"]
    assert file.read_text() == before


@pytest.mark.parametrize("name", ["", "x" * 65, "a:b", "a;b", "#ana", " ana", "ana ", "a\nb", "a\x00b", "a\u2028b"])
def test_a_name_that_the_file_could_not_hold_is_refused(tmp_path, name):
    with pytest.raises(ParameterError, match="a name has 1 to 64 printable characters"):
        add_user(tmp_path / "users.txt", name, "a new password")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("password", ["", "ninechars", " " * 12])
def test_a_short_password_is_refused_and_not_repeated(tmp_path, password):
    with pytest.raises(ParameterError, match="the password of ana is too short: take 10") as caught:
        add_user(tmp_path / "users.txt", "ana", password)
    assert "ninechars" not in str(caught.value)


@given(st.text(max_size=70))
def test_every_name_is_either_refused_or_comes_back_from_the_file(name):
    with TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("loadprofiles.dashboard.users.generate_password_hash", cheap_hash)
        file = Path(folder) / "users.txt"
        try:
            add_user(file, name, "correct horse")
        except ParameterError:
            return
        assert Users(file=file).check(name, "correct horse")
