import pickle
import threading
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from datetime import datetime
from multiprocessing import get_context

import pandas as pd
import psycopg
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.pool import NullPool

from loadprofiles.errors import InputError, ParameterError
from loadprofiles.sources import sql, sql_live
from loadprofiles.sources.sql_live import SqlQuery, jobs, live_url, parse_columns, read_meter
from loadprofiles.vee import RawMeter
from tests.postgres import PASSWORD

ROME = "Europe/Rome"
IN, OUT, VOLTS = "Energy_Apiu_1_8_0_M1.kWh", "Energy_Ameno_2_8_0_M1.kWh", "Voltage_L1_M1.V"
AWARE, NAIVE, TEXT = sa.DateTime(timezone=True), sa.DateTime(), sa.Text()
FLOAT, DECIMAL = sa.Float(53), sa.Numeric(18, 6)
HOSTILE = 'h"; DROP TABLE historian; --'

# a year's corners in local time: the hour that is not there, the hour that is there twice, a row written
# twice, two that contradict each other, one tag alone, no number, a tag beside
LOCAL_ROWS = [
    ("2020-03-29 01:45:00", IN, 0.5),
    ("2020-03-29 01:45:00", OUT, 0.125),
    ("2020-03-29 02:15:00", IN, 0.5),
    ("2020-03-29 03:00:00", IN, 0.75),
    ("2020-03-29 03:00:00", OUT, 0.25),
    ("2020-03-29 03:00:00", VOLTS, 230.0),
    *[(f"2020-10-25 02:{m}:00", tag, e) for m, e in (("00", 1.0), ("30", 2.0)) for tag in (IN, OUT)],
    *[(f"2020-10-25 02:{m}:00", tag, e) for m, e in (("00", 4.0), ("30", 8.0)) for tag in (IN,)],
    *[(f"2020-10-25 02:{m}:00", tag, e) for m, e in (("00", 0.5), ("30", 0.25)) for tag in (OUT,)],
    ("2020-11-01 00:00:00", IN, 1.5),
    ("2020-11-01 00:00:00", OUT, 0.5),
    ("2020-11-01 00:00:00", IN, 2.5),
    ("2020-11-02 00:00:00", IN, 1.0),
    ("2020-11-02 00:15:00", OUT, 1.0),
    ("2020-11-03 00:00:00", IN, None),
    ("2020-11-03 00:00:00", OUT, 1.0),
    (None, IN, 1.0),
]
AWARE_ROWS = [
    ("2020-10-25T00:30:00+00:00", IN, 1.0),
    ("2020-10-25T03:30:00+02:00", IN, 2.0),
    ("2020-10-25T00:30:00+00:00", OUT, 0.5),
    ("2020-10-25T02:30:00+01:00", OUT, 0.25),
    ("2020-10-25T02:30:00+01:00", IN, 4.0),
    ("2020-10-25T02:45:00+01:00", IN, float("inf")),
    ("2020-10-25T02:45:00+01:00", OUT, 4.0),
    ("2020-10-25T22:00:00-03:00", OUT, 1.0),
    (None, OUT, 1.0),
]

ZONED_ROWS = [(f"2020-{d}T{h:02}:30:00+00:00", IN, float(h)) for d in ("10-24", "10-25", "10-26") for h in range(24)]
PERIODS = [
    ("2020-10-25T00:30:00Z", "2020-10-25T01:30:00Z"),  # the second half of one hour, the first of its double
    ("2020-10-25T00:30:00.000001Z", "2020-10-25T01:30:00.000001Z"),
    ("2020-10-25T01:00:00Z", None),
    (None, "2020-10-25T01:00:00Z"),
    ("2020-10-25T02:30:00+05:30", "2020-10-26T00:00:00-03:00"),
    ("2021-01-01T00:00:00Z", None),
]


def engine_of(url):
    return sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"), poolclass=NullPool)


def fill(url, rows, stamps=TEXT, energies=FLOAT, *, name="historian", schema=None, columns=sql_live.NAMES):
    """A table of these rows, in their order."""
    types = (stamps, TEXT, energies)
    table = sa.Table(name, sa.MetaData(), *map(sa.Column, columns, types), schema=schema)
    is_text = isinstance(stamps, sa.Text)
    moments = [m if is_text or m is None else datetime.fromisoformat(m) for m, _, _ in rows]
    values = [(m, t, e) for m, (_, t, e) in zip(moments, rows, strict=True)]
    if isinstance(energies, sa.Text):
        values = [(m, t, e if e is None else str(e)) for m, t, e in values]
    engine = engine_of(url)
    table.create(engine)
    with engine.begin() as connection:
        if values:
            connection.execute(table.insert(), [dict(zip(columns, row, strict=True)) for row in values])


def of_file(folder, rows, timezone=ROME):
    """What the reader of text exports makes of the same rows."""
    path = folder / "M1.txt"
    cells = (("" if cell is None else str(cell) for cell in row) for row in rows)
    path.write_text("".join(",".join((*cell, "0", "192", "192")) + "\n" for cell in cells))
    (raw,) = sql.read([path], timezone)
    return raw


def of_database(query=None, meter_id="M1", timezone=ROME):
    (raw,) = read_meter(query or SqlQuery(), meter_id, timezone)
    return raw


def assert_same(live: RawMeter, file: RawMeter):
    in_order = file.rows.sort_values("timestamp_utc", kind="stable", ignore_index=True)
    pd.testing.assert_frame_equal(live.rows, in_order, check_exact=True)
    others = file.dropped["other_tag"]  # those the server does not send
    assert live.rows_read == file.rows_read - others
    assert live.dropped == file.dropped - Counter(other_tag=others)
    assert live.meter_id == file.meter_id


def net(raw):
    return dict(zip(raw.rows["timestamp_utc"].dt.strftime("%d %H:%M"), raw.rows["energy_kwh"], strict=True))


@pytest.fixture
def sqlite_url(tmp_path, monkeypatch):
    """A SQLite file, named by the environment."""
    url = f"sqlite:///{tmp_path}/historian.db"
    sa.create_engine(url, poolclass=NullPool).connect().close()
    (tmp_path / "historian.db").touch()
    monkeypatch.setenv("SQL_URL", url)
    return url


@pytest.fixture
def postgres(postgres_url, postgres_schema, monkeypatch):
    """A schema on the server that the environment names."""
    monkeypatch.setenv("SQL_URL", postgres_url)
    return postgres_schema


@pytest.fixture
def statements():
    """The statements that reach a database, with their parameters and cursors."""
    sent = []

    def note(connection, cursor, statement, parameters, context, executemany):
        sent.append((statement, parameters, type(cursor).__name__))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    yield sent
    sa.event.remove(sa.Engine, "before_cursor_execute", note)


@pytest.fixture
def one_line():
    """The message of the error that reading ends with; it has no secret, nor has what led to it."""

    def message(read):
        with pytest.raises(InputError) as caught:
            list(read())
        error = caught.value
        assert error.__cause__ is None
        assert error.__suppress_context__ or error.__context__ is None
        text = str(error)
        assert "\n" not in text
        while error is not None:
            assert PASSWORD not in repr(error)
            assert PASSWORD not in str(error)
            error = error.__context__
        return text

    return message


class TestAsFromFiles:
    def test_sqlite(self, sqlite_url, tmp_path):
        fill(sqlite_url, LOCAL_ROWS)
        assert_same(of_database(), of_file(tmp_path, LOCAL_ROWS))

    @pytest.mark.parametrize("energies", [FLOAT, DECIMAL, TEXT], ids=["float", "decimal", "text"])
    @pytest.mark.parametrize("stamps", [NAIVE, TEXT], ids=["timestamp", "text"])
    def test_postgres_local_stamps(self, postgres_url, postgres, tmp_path, stamps, energies):
        fill(postgres_url, LOCAL_ROWS, stamps, energies, schema=postgres)
        assert_same(of_database(SqlQuery(f"{postgres}.historian")), of_file(tmp_path, LOCAL_ROWS))

    @pytest.mark.parametrize("stamps", [AWARE, TEXT], ids=["timestamptz", "text"])
    def test_postgres_stamps_of_mixed_offsets(self, postgres_url, postgres, tmp_path, stamps):
        fill(postgres_url, AWARE_ROWS, stamps, schema=postgres)
        assert_same(of_database(SqlQuery(f"{postgres}.historian")), of_file(tmp_path, AWARE_ROWS))

    def test_the_zone_of_the_session_does_not_matter(self, postgres_url, postgres, tmp_path, monkeypatch):
        fill(postgres_url, AWARE_ROWS, AWARE, schema=postgres)
        monkeypatch.setenv("SQL_URL", f"{postgres_url}?options=-ctimezone%3DAsia/Kolkata")
        assert_same(of_database(SqlQuery(f"{postgres}.historian")), of_file(tmp_path, AWARE_ROWS))

    @pytest.mark.parametrize("last", [("2020-11-09 00:00:00", IN, "abc"), ("2020-13-01 00:00:00", IN, "1.5")])
    def test_what_is_neither_number_nor_time_is_counted(self, sqlite_url, tmp_path, last):
        rows = [("2020-11-01 00:00:00", IN, "1.5"), last]
        fill(sqlite_url, rows, TEXT, TEXT)
        live = of_database()
        assert live.dropped["unreadable"] == 1
        assert_same(live, of_file(tmp_path, rows))

    def test_units_by_tag(self, sqlite_url, tmp_path):
        rows = [("2020-01-01 00:00:00", IN, 2.0), ("2020-01-01 00:00:00", OUT.replace("kWh", "Wh"), 500.0)]
        fill(sqlite_url, rows)
        assert net(of_database()) == {"31 23:00": 1.5}
        assert_same(of_database(), of_file(tmp_path, rows))

    def test_one_direction_alone_is_the_net_energy(self, sqlite_url):
        fill(sqlite_url, [("2020-01-01 00:00:00Z", OUT, 2.0)])
        assert net(of_database()) == {"01 00:00": -2.0}

    def test_chunks_do_not_show(self, sqlite_url, tmp_path, monkeypatch):
        monkeypatch.setattr(sql_live, "CHUNK_ROWS", 3)
        fill(sqlite_url, LOCAL_ROWS)
        assert_same(of_database(), of_file(tmp_path, LOCAL_ROWS))

    @given(
        st.lists(
            st.tuples(
                st.sampled_from(
                    [None, "x", *(f"2020-10-25 {h}:{m}" for h in ("01", "02", "03") for m in ("00:00", "30:00"))]
                ).flatmap(lambda s: st.sampled_from([s, s and s + "Z", s and s + "+01:00"])),
                st.sampled_from([IN, OUT, VOLTS]),
                st.sampled_from(["0.1", "1e-3", "2.5", "-1", "", "abc", "inf", "nan", None]),
            ),
            min_size=1,
        )
    )
    @settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30)
    def test_any_rows_in_any_order(self, tmp_path_factory, monkeypatch, rows):
        folder = tmp_path_factory.mktemp("any")
        rows = [*rows, ("2020-10-26 00:00:00", IN, "1.0")]
        url = f"sqlite:///{folder}/historian.db"
        (folder / "historian.db").touch()
        fill(url, rows, TEXT, TEXT)
        monkeypatch.setenv("SQL_URL", url)
        assert_same(of_database(), of_file(folder, rows))


class TestWhere:
    def place(self, url, row, reason="unreadable"):
        fill(url, [("2020-11-01 00:00:00", IN, "1.5"), row], TEXT, TEXT)
        return of_database().where[reason]

    def test_no_number(self, sqlite_url):
        place = self.place(sqlite_url, ("2020-11-09 00:15:00", IN, "abc"))
        assert place == f"tag {IN} at 2020-11-09 00:15:00: 'abc' is no number"

    def test_no_energy(self, sqlite_url):
        place = self.place(sqlite_url, ("2020-11-09 00:15:00", IN, None))
        assert place == f"tag {IN} at 2020-11-09 00:15:00: the energy is missing"

    def test_no_stamp(self, sqlite_url):
        assert self.place(sqlite_url, (None, IN, "1")) == f"tag {IN}: the timestamp is missing or out of range"

    def test_an_hour_that_is_not_there(self, sqlite_url):
        place = self.place(sqlite_url, ("2020-03-29 02:15:00", IN, "1"))
        assert place == f"tag {IN}: '2020-03-29 02:15:00' is no time in {ROME}"

    def test_one_direction_is_missing(self, sqlite_url):
        place = self.place(sqlite_url, ("2020-11-01 00:15:00", OUT, "1"), "unpaired")
        assert place == f"tag {IN} at 2020-11-01 00:00:00: the meter has both, here one alone"

    def test_moments_beyond_python(self, postgres_url, postgres):
        fill(postgres_url, [("2020-11-01T00:00:00+00:00", IN, 1.5)], AWARE, schema=postgres)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            for moment in ("infinity", "-infinity", "20000-01-01", "0044-03-15 BC"):
                connection.execute(f"INSERT INTO {postgres}.historian VALUES (%s, %s, 1)", (moment, IN))
        raw = of_database(SqlQuery(f"{postgres}.historian"))
        assert (raw.rows_read, raw.dropped["unreadable"], len(raw.rows)) == (5, 4, 1)
        assert raw.where["unreadable"] == f"tag {IN}: the timestamp is missing or out of range"


class TestPeriod:
    @staticmethod
    def in_period(rows, begin, end):
        moments = [pd.Timestamp(stamp) for stamp, _, _ in rows]
        inside = [(begin is None or m >= begin) and (end is None or m < end) for m in moments]
        return {f"{m:%d %H:%M}": row[2] for m, row, here in zip(moments, rows, inside, strict=True) if here}

    @pytest.mark.parametrize("period", PERIODS)
    @pytest.mark.parametrize("stamps", ["timestamptz", "timestamp", "text", "text of mixed offsets", "sqlite"])
    def test_half_open_in_every_kind_of_column(self, sqlite_url, postgres_url, postgres, monkeypatch, stamps, period):
        begin, end = (None if moment is None else pd.Timestamp(moment) for moment in period)
        written = ZONED_ROWS
        if stamps in ("timestamp", "text", "sqlite"):
            local = [pd.Timestamp(m).tz_convert(ROME).tz_localize(None).isoformat(" ") for m, _, _ in written]
            written = [(m, *row[1:]) for m, row in zip(local, written, strict=True)]
        elif stamps == "text of mixed offsets":
            zones = ["Pacific/Kiritimati", "Etc/GMT+12", ROME]
            written = [
                (pd.Timestamp(row[0]).tz_convert(zones[place % 3]).isoformat("T "[place % 2]), *row[1:])
                for place, row in enumerate(written)
            ]
        schema = None if stamps == "sqlite" else postgres
        if schema is None:
            monkeypatch.setenv("SQL_URL", sqlite_url)
        types = {"timestamptz": AWARE, "timestamp": NAIVE}
        fill(postgres_url if schema else sqlite_url, written, types.get(stamps, TEXT), schema=schema)
        query = SqlQuery(f"{schema}.historian" if schema else "historian", from_utc=begin, to_utc=end)
        raw = of_database(query)
        assert net(raw) == self.in_period(ZONED_ROWS, begin, end)
        assert raw.rows_read == len(raw.rows)
        assert not raw.dropped.total()

    def test_a_direction_without_rows_in_the_period_is_still_missing(self, sqlite_url):
        fill(sqlite_url, [("2020-01-01 00:00:00Z", OUT, 2.0), ("2020-02-01 00:00:00Z", IN, 2.0)])
        raw = of_database(SqlQuery(from_utc=pd.Timestamp("2020-01-15", tz="UTC")))
        assert raw.rows.empty
        assert raw.dropped == Counter(unpaired=1)

    @pytest.mark.parametrize("stamps", [AWARE, NAIVE, TEXT], ids=["timestamptz", "timestamp", "text"])
    def test_the_server_filters(self, postgres_url, postgres, statements, monkeypatch, stamps):
        days = pd.date_range("2020-01-01", periods=366, tz="UTC").strftime("%Y-%m-%dT%H:%M:%S+00:00")
        written = [day if stamps is not NAIVE else day[:19] for day in days]
        fill(postgres_url, [(day, tag, 1.0) for day in written for tag in (IN, VOLTS)], stamps, schema=postgres)
        begin, end = pd.Timestamp("2020-06-01", tz="UTC"), pd.Timestamp("2020-06-08", tz="UTC")
        came = []
        monkeypatch.setattr(sql_live._Progress, "came", lambda progress, rows: came.append(rows))
        statements.clear()
        raw = of_database(SqlQuery(f"{postgres}.historian", from_utc=begin, to_utc=end), timezone="UTC")
        assert len(raw.rows) == 7
        assert 7 <= sum(came) <= 11
        statement, parameters, _ = statements[-1]
        assert "WHERE" in statement
        assert "ORDER BY" in statement
        assert IN in parameters.values()
        assert any("2020-0" in str(value) for value in parameters.values())
        assert "2020" not in statement
        assert IN not in statement


class TestStreaming:
    def test_a_cursor_on_the_server_gives_chunks(self, postgres_url, postgres, statements, monkeypatch):
        fill(postgres_url, AWARE_ROWS, AWARE, schema=postgres)
        came = []
        monkeypatch.setattr(sql_live._Progress, "came", lambda progress, rows: came.append(rows))
        monkeypatch.setattr(sql_live, "CHUNK_ROWS", 4)
        of_database(SqlQuery(f"{postgres}.historian"))
        assert came == [4, 4, 1]
        assert [cursor for statement, _, cursor in statements if "ORDER BY" in statement][-1] == "ServerCursor"


class TestJobs:
    def test_one_a_meter_in_the_order_of_names(self, sqlite_url):
        tags = ["Energy_Apiu_1_8_0_b.kWh", "Energy_Apiu_1_8_0_a_2.kWh", "Energy_Ameno_2_8_0_b.kWh", VOLTS, None]
        fill(sqlite_url, [("2020-01-01 00:00:00", tag, 1.0) for tag in tags])
        found = jobs(SqlQuery(), ROME)
        assert [job.origin for job in found] == ["table historian, meter a_2", "table historian, meter b"]
        assert [job.size_bytes for job in found] == [60, 120]
        assert [raw.meter_id for job in found for raw in job.read()] == ["a_2", "b"]

    def test_only_the_meters_wanted(self, sqlite_url):
        fill(sqlite_url, [("2020-01-01 00:00:00", f"Energy_Apiu_1_8_0_{m}.kWh", 1.0) for m in "abc"])
        found = jobs(SqlQuery(meters=("c", "a")), ROME)
        assert [raw.meter_id for job in found for raw in job.read()] == ["a", "c"]

    def test_a_job_reads_what_read_meter_reads_without_asking_for_the_tags_again(self, sqlite_url, statements):
        fill(sqlite_url, LOCAL_ROWS)
        (job,) = jobs(SqlQuery(), ROME)
        statements.clear()
        (raw,) = job.read()
        assert not any("GROUP BY" in statement for statement, _, _ in statements)
        assert_same(raw, of_database())

    def test_a_meter_without_rows_in_the_period_has_a_job(self, sqlite_url):
        fill(sqlite_url, LOCAL_ROWS)
        (job,) = jobs(SqlQuery(from_utc=pd.Timestamp("2030-01-01", tz="UTC")), ROME)
        assert job.size_bytes == 0
        (raw,) = job.read()
        assert (len(raw.rows), raw.rows_read, list(raw.rows)) == (0, 0, ["timestamp_utc", "energy_kwh"])

    def test_jobs_hold_no_secret_and_run_in_another_process(self, postgres_url, postgres):
        fill(postgres_url, AWARE_ROWS, AWARE, schema=postgres)
        (job,) = jobs(SqlQuery(f"{postgres}.historian"), ROME)
        pickled = pickle.dumps(job)
        assert PASSWORD.encode() not in pickled
        assert b"postgresql" not in pickled
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            (raw,) = pool.submit(list_of, pickled).result()
        assert_same(raw, of_database(SqlQuery(f"{postgres}.historian")))

    def test_a_view_and_other_names(self, postgres_url, postgres):
        names = ("Zeit", "tag name", "value%s")
        fill(postgres_url, ZONED_ROWS, AWARE, schema=postgres, columns=names)
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE VIEW {postgres}.seen AS SELECT * FROM {postgres}.historian")
        columns = dict(zip(sql_live.NAMES, names, strict=True))
        table, view = (of_database(SqlQuery(f"{postgres}.{name}", columns)) for name in ("historian", "seen"))
        assert_same(view, table)
        assert len(table.rows) == len(ZONED_ROWS)

    @pytest.mark.parametrize("server", ["sqlite", "postgres"])
    def test_hostile_names_are_only_names(self, sqlite_url, postgres_url, postgres, monkeypatch, server):
        schema, url = (None, sqlite_url) if server == "sqlite" else (postgres, postgres_url)
        monkeypatch.setenv("SQL_URL", url)
        head = f"{schema}." if schema else ""
        fill(url, LOCAL_ROWS, schema=schema)
        names = tuple(f"{name}{HOSTILE}%(x)s:y" for name in sql_live.NAMES)
        hostile = HOSTILE.replace("historian", f"{head}historian").replace(".", "")
        fill(url, LOCAL_ROWS, name=hostile, schema=schema, columns=names)
        columns = dict(zip(sql_live.NAMES, names, strict=True))
        for meters in ((), (HOSTILE,)):
            query = SqlQuery(head + hostile, columns, meters)
            if meters:
                with pytest.raises(InputError, match="no meter h"):
                    jobs(query, ROME)
            else:
                (raw,) = jobs(query, ROME)[0].read()
                assert_same(raw, of_database(SqlQuery(f"{head}historian")))
        with pytest.raises(InputError, match="no table"):
            jobs(SqlQuery(head + "x" + hostile), ROME)
        with pytest.raises(InputError, match="has no column"):
            jobs(SqlQuery(f"{head}historian", columns), ROME)
        assert of_database(SqlQuery(f"{head}historian")).rows_read

    def test_the_primary_key_settles_the_order_of_equal_stamps(self, sqlite_url):
        engine = engine_of(sqlite_url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE historian (id INTEGER PRIMARY KEY, timestamp, tagname, energy)")
            for number, energy in ((2, 20.0), (1, 10.0)):
                row = (number, "2020-10-25 02:30:00", IN, energy)
                connection.exec_driver_sql("INSERT INTO historian VALUES (?, ?, ?, ?)", row)
        assert net(of_database()) == {"25 00:30": 10.0, "25 01:30": 20.0}


def list_of(pickled):
    return list(pickle.loads(pickled).read())


class TestOutages:
    ROWS = 100_000

    @pytest.fixture
    def long_table(self, own_postgres_server, monkeypatch):
        """A meter of many rows on a server that may be killed."""
        monkeypatch.setenv("SQL_URL", own_postgres_server.url)
        monkeypatch.setattr(sql_live, "CHUNK_ROWS", 5_000)
        with psycopg.connect(own_postgres_server.url, autocommit=True) as connection:
            connection.execute("CREATE TABLE historian (timestamp timestamptz, tagname text, energy float8)")
            connection.execute(
                "INSERT INTO historian SELECT timestamptz '2020-01-01Z' + n / 2 * interval '15 min', "
                "CASE n %% 2 WHEN 0 THEN %s ELSE %s END, n * 0.001 FROM generate_series(0, %s) n",
                (IN, OUT, self.ROWS - 1),
            )
        return own_postgres_server

    @staticmethod
    def at_chunk(monkeypatch, number, act):
        """Do something once, when this chunk has come."""
        came, chunks = sql_live._Progress.came, []

        def noted(progress, rows):
            came(progress, rows)
            chunks.append(rows)
            if len(chunks) == number:
                act()

        monkeypatch.setattr(sql_live._Progress, "came", noted)
        return chunks

    def test_a_server_killed_in_mid_read_and_back_after_a_while(self, long_table, monkeypatch, caplog):
        undisturbed = of_database()
        restart = threading.Timer(1.5, long_table.start)

        def power_cut():
            long_table.kill()
            restart.start()

        chunks = self.at_chunk(monkeypatch, 10, power_cut)
        disturbed = of_database()
        restart.join()
        assert len(chunks) == 10 + self.ROWS // 5_000
        assert_same(disturbed, undisturbed)
        assert len(disturbed.rows) == self.ROWS // 2
        lost = [record.getMessage() for record in caplog.records]
        assert "lost after 50000 rows of meter M1" in lost[0]
        assert f"postgresql server at 127.0.0.1:{long_table.port}, database postgres" in lost[0]
        assert not any(PASSWORD in message for message in lost)

    def test_a_connection_that_the_server_ends(self, long_table, monkeypatch):
        undisturbed = of_database()

        def end_all():
            with psycopg.connect(long_table.url, autocommit=True) as connection:
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
                )

        self.at_chunk(monkeypatch, 3, end_all)
        assert_same(of_database(), undisturbed)

    def test_a_server_away_when_a_worker_begins(self, long_table):
        (job,) = jobs(SqlQuery(), ROME)
        long_table.kill()
        restart = threading.Timer(1.0, long_table.start)
        restart.start()
        (raw,) = job.read()
        restart.join()
        assert raw.rows_read == self.ROWS

    def test_a_server_that_stays_away(self, long_table, monkeypatch, one_line):
        monkeypatch.setattr(sql_live, "RETRY_SECONDS", 1.0)
        self.at_chunk(monkeypatch, 2, long_table.kill)
        message = one_line(of_database)
        assert "lost after 10000 rows of meter M1 and not back within 1 s" in message
        assert "start again when the server is up" in message

    def test_a_server_that_ends_every_read_is_given_up(self, long_table, monkeypatch, one_line):
        monkeypatch.setattr(sql_live, "ATTEMPTS", 3)

        def end(progress, rows):
            progress.rows += rows
            raise sql_live._LostError("terminated")

        monkeypatch.setattr(sql_live._Progress, "came", end)
        assert "or 3 attempts (terminated)" in one_line(of_database)


class TestMessages:
    def fails(self, one_line, monkeypatch, url, **query):
        if url is not None:
            monkeypatch.setenv("SQL_URL", url)
        start = time.monotonic()
        message = one_line(lambda: jobs(SqlQuery(**query), ROME))
        assert time.monotonic() - start < 8
        return message

    def test_unreachable_server_within_seconds(self, one_line, monkeypatch):
        message = self.fails(one_line, monkeypatch, f"postgresql://reader:{PASSWORD}@127.0.0.1:9/energy")
        assert message.startswith("cannot reach the postgresql server at 127.0.0.1:9, database energy (connection ")
        assert "check host and port" in message

    def test_unreachable_mariadb(self, one_line, monkeypatch):
        message = self.fails(one_line, monkeypatch, f"mariadb://reader:{PASSWORD}@127.0.0.1:9/energy")
        assert message.startswith("cannot reach the mariadb server at 127.0.0.1:9, database energy")

    def test_unknown_host(self, one_line, monkeypatch):
        message = self.fails(one_line, monkeypatch, f"postgresql://reader:{PASSWORD}@no.such.host.invalid/energy")
        assert "server at no.such.host.invalid, database energy cannot be reached" in message

    def test_wrong_password(self, one_line, monkeypatch, own_postgres_server):
        url = own_postgres_server.url.replace(f":{PASSWORD}", f":{PASSWORD}x")
        message = self.fails(one_line, monkeypatch, url)
        assert "refuses the login" in message
        assert 'password authentication failed for user "tester"' in message

    def test_a_password_that_changes_between_listing_and_reading(self, one_line, monkeypatch, own_postgres_server):
        monkeypatch.setenv("SQL_URL", own_postgres_server.url)
        fill(own_postgres_server.url, AWARE_ROWS, AWARE)
        (job,) = jobs(SqlQuery(), ROME)
        monkeypatch.setenv("SQL_URL", own_postgres_server.url.replace(f":{PASSWORD}", f":{PASSWORD}x"))
        start = time.monotonic()
        assert "refuses the login" in one_line(job.read)
        assert time.monotonic() - start < 5

    def test_unknown_database(self, one_line, monkeypatch, own_postgres_server):
        message = self.fails(one_line, monkeypatch, own_postgres_server.url.replace("/postgres", "/nope"))
        assert 'database "nope" does not exist): check its name in SQL_URL' in message

    def test_a_user_who_may_not_read(self, one_line, monkeypatch, own_postgres_server):
        fill(own_postgres_server.url, AWARE_ROWS, AWARE)
        with psycopg.connect(own_postgres_server.url, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        message = self.fails(one_line, monkeypatch, own_postgres_server.url.replace("tester:", "reader:"))
        assert "does not let this user read (permission denied for table historian)" in message

    @pytest.mark.parametrize(
        "url",
        [
            "reader",
            f"postgresql://reader:{PASSWORD}@{PASSWORD}@host/d",
            f"postgresql://reader:x@{PASSWORD}/y@host/d",
            f"postgresql://reader@host:{PASSWORD}/d",
            f"{PASSWORD}:5432/energy",
        ],
    )
    def test_unreadable_url(self, one_line, monkeypatch, url):
        assert self.fails(one_line, monkeypatch, url).startswith("SQL_URL cannot be read: write dialect://")

    @pytest.mark.parametrize("value", [None, "", "  "])
    def test_no_url(self, one_line, monkeypatch, value):
        monkeypatch.delenv("SQL_URL", raising=False)
        if value is not None:
            monkeypatch.setenv("SQL_URL", value)
        assert live_url() is None
        assert self.fails(one_line, monkeypatch, None).startswith("no database to read: set SQL_URL")

    def test_an_option_that_the_driver_does_not_know(self, one_line, monkeypatch, own_postgres_server):
        url = own_postgres_server.url
        assert "connection option" in self.fails(one_line, monkeypatch, f"{url}?nonsense={PASSWORD}")
        message = self.fails(one_line, monkeypatch, f"mysql://reader:{PASSWORD}@127.0.0.1:9/d?nonsense={PASSWORD}")
        assert "the options in SQL_URL cannot be used for the mysql server at 127.0.0.1:9" in message

    def test_missing_driver(self, one_line, monkeypatch):
        message = self.fails(one_line, monkeypatch, f"postgresql+pg8000://reader:{PASSWORD}@127.0.0.1/d")
        assert message == "the driver of postgresql+pg8000 is not installed: pip install 'pg8000'"

    def test_unknown_dialect(self, one_line, monkeypatch):
        message = self.fails(one_line, monkeypatch, f"nonsense://reader:{PASSWORD}@127.0.0.1/d")
        assert message == "unknown dialect nonsense in SQL_URL: use postgresql, mysql, mariadb or sqlite"

    def test_missing_sqlite_file_is_not_made(self, one_line, monkeypatch, tmp_path):
        path = tmp_path / "nope.db"
        assert f"{path}: no such SQLite database file" in self.fails(one_line, monkeypatch, f"sqlite:///{path}")
        assert not path.exists()

    def test_not_a_sqlite_file(self, one_line, monkeypatch, tmp_path):
        path = tmp_path / "text.db"
        path.write_text("no database at all, " * 100)
        assert "file is not a database" in self.fails(one_line, monkeypatch, f"sqlite:///{path}")

    def test_missing_table_names_what_is_there(self, one_line, monkeypatch, sqlite_url):
        fill(sqlite_url, LOCAL_ROWS, name="history")
        fill(sqlite_url, LOCAL_ROWS, name="meters")
        message = self.fails(one_line, monkeypatch, None)
        assert message == "no table historian in the database: it has history, meters"

    def test_missing_schema_names_what_is_there(self, one_line, monkeypatch, postgres):
        message = self.fails(one_line, monkeypatch, None, table="nope.historian")
        assert message.startswith("no schema nope for table nope.historian: the database has ")
        message = self.fails(one_line, monkeypatch, None, table=f"{postgres}.historian")
        assert message.endswith("in the database: it has none that this user sees")

    def test_missing_column_names_what_is_there(self, one_line, monkeypatch, sqlite_url):
        fill(sqlite_url, LOCAL_ROWS, columns=("ts", "tagname", "value"))
        message = self.fails(one_line, monkeypatch, None, columns={"timestamp": "ts"})
        assert message == "table historian has no column energy: it has tagname, ts, value"

    def test_a_timestamp_column_of_another_type(self, one_line, monkeypatch, postgres_url, postgres):
        with psycopg.connect(postgres_url, autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {postgres}.historian (timestamp bigint, tagname text, energy float8)")
        message = self.fails(one_line, monkeypatch, None, table=f"{postgres}.historian")
        assert "is of type BIGINT: a timestamp must be timestamp, timestamp with time zone, or text" in message

    def test_unknown_meters_name_those_that_are_there(self, one_line, monkeypatch, sqlite_url):
        fill(sqlite_url, LOCAL_ROWS)
        message = self.fails(one_line, monkeypatch, None, meters=("M9", "M1", "M8"))
        assert message == "no meter M8, M9 in table historian: it has M1"
        assert one_line(lambda: read_meter(SqlQuery(), "M9", ROME)) == "no meter M9 in table historian: it has M1"

    def test_no_energy_tag_names_tags_seen(self, one_line, monkeypatch, sqlite_url):
        fill(sqlite_url, [("2020-01-01 00:00:00", VOLTS, 230.0)])
        message = self.fails(one_line, monkeypatch, None)
        assert message.endswith(f"<meter>.kWh: the tags seen there are {VOLTS}")

    def test_empty_table(self, one_line, monkeypatch, sqlite_url):
        fill(sqlite_url, [])
        assert self.fails(one_line, monkeypatch, None).endswith("<meter>.kWh: it is empty")


class TestParameters:
    def test_columns(self):
        same = {"timestamp": "timestamp", "tagname": "tagname", "energy": "energy"}
        assert parse_columns("") == same
        assert parse_columns(" energy = a=b ") == {**same, "energy": "a=b"}
        assert parse_columns("timestamp=ts,tagname=tag,energy=value,") == {
            "timestamp": "ts",
            "tagname": "tag",
            "energy": "value",
        }

    @pytest.mark.parametrize(
        ("text", "reason"),
        [
            ("time=ts", "unknown name 'time': the names are timestamp, tagname, energy"),
            ("energy=a,energy=b", "energy is given twice"),
            ("energy", "'energy' is not name=column"),
            ("energy=", "'energy=' is not name=column"),
            ("=a", "'=a' is not name=column"),
            ("energy=tagname", "tagname, energy are the same column 'tagname'"),
        ],
    )
    def test_columns_that_cannot_be_meant(self, text, reason):
        with pytest.raises(ParameterError, match=reason):
            parse_columns(text)

    @pytest.mark.parametrize(
        ("query", "reason"),
        [
            ({"table": " "}, "table is empty"),
            ({"columns": {"time": "ts"}}, "unknown column time"),
            ({"from_utc": pd.Timestamp("2020-01-01")}, "has no offset from UTC"),
            (
                {"from_utc": pd.Timestamp("2020-01-01", tz="UTC"), "to_utc": pd.Timestamp("2020-01-01", tz="UTC")},
                "is empty",
            ),
        ],
    )
    def test_queries_that_cannot_be_meant(self, query, reason):
        with pytest.raises(ParameterError, match=reason):
            SqlQuery(**query)
