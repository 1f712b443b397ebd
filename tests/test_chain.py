"""The running of a table of steps, with small steps in a folder of their own."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import mlflow
import pytest

from loadprofiles import chain, tracking
from loadprofiles.errors import StepFailedError
from loadprofiles.step import Step, Url, same
from tests.project import ROOT
from tests.sources.web import serve

SCRIPT = """
import os, signal, sys, time
import click
from pathlib import Path
from loadprofiles import cli
from loadprofiles.errors import InputError
from loadprofiles.step import StepResult

@click.command()
{options}
@cli.out_csv("out.csv")
def main(**params):
    cli.run_step("{name}", work, params)

def work(workspace, out_csv, **params):
    {body}
    outputs = {{"{name}": out_csv}}
    {also}
    read = lambda v: Path(v).read_text() if Path(str(v)).is_file() else str(v)
    out_csv.write_text(",".join(read(v) for _, v in sorted(params.items())))
    return StepResult(outputs=outputs, metrics={{"done": 1.0}})

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """An MLflow store for all tests, as making one takes a while."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{folder / 'mlflow.db'}")
        patch.delenv("MLFLOW_RUN_ID", raising=False)
        mlflow.search_experiments()
        yield


@pytest.fixture
def place(store, tmp_path, monkeypatch, request):
    """A folder for the steps' scripts, and an experiment of each test's own."""
    experiment = mlflow.create_experiment(request.node.name)
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", experiment)
    monkeypatch.setattr("mlflow.tracking.fluent._active_experiment_id", experiment)
    monkeypatch.setattr(chain, "ROOT", tmp_path)
    monkeypatch.chdir(tmp_path)
    chain.code_digest.cache_clear()
    yield tmp_path
    chain.code_digest.cache_clear()


def script(place, name, *options, body="pass", also="pass"):
    lines = "\n".join(f'@cli.path_option("{option}", "none", "", optional=True)' for option in options)
    (place / f"{name}.py").write_text(SCRIPT.format(name=name, options=lines, body=body, also=also))


def two_steps(place, **bodies):
    script(place, "make", "source", body=bodies.get("make", "pass"))
    script(place, "use", "made", "word", body=bodies.get("use", "pass"))
    return (
        Step("make", "make_csv", same("source"), files=("source",), live="LIVE_URI"),
        Step("use", "use_csv", same("word"), inputs={"made": "make_csv"}),
    )


def run(steps, **params):
    given = {"source": None, "word": "w", "ignore_previous_runs": False, "load_new": False} | params
    with tracking.run("pipeline", {}) as parent:
        return chain.Chain(steps, given, parent).run()


def artifact(step_run, tag):
    return tracking.local_path(tracking.step_output(step_run, tag), Path("downloads"))


def running():
    return mlflow.search_runs(filter_string="attributes.status = 'RUNNING'", output_format="list")


def test_outputs_are_handed_on_through_mlflow(place):
    (place / "in.txt").write_text("hello")
    runs = run(two_steps(place), source=place / "in.txt")
    assert artifact(runs["use"], "use_csv").read_text() == "hello,w"
    assert not Path("downloads").exists(), "a local store is read in place"
    assert all(r.info.status == "FINISHED" and r.data.metrics == {"done": 1.0} for r in runs.values())


def test_what_stayed_the_same_is_reused_and_the_log_says_why_the_rest_runs(place, capfd):
    source = place / "in.txt"
    source.write_text("hello")
    steps = two_steps(place)
    first = run(steps, source=source)
    second = run(steps, source=source)
    assert {n: r.info.run_id for n, r in first.items()} == {n: r.info.run_id for n, r in second.items()}

    third = run(steps, source=source, word="other")
    assert third["make"].info.run_id == first["make"].info.run_id
    assert "use: runs, changed since run" in capfd.readouterr().out

    source.write_text("changed")
    run(steps, source=source, word="other")
    out = capfd.readouterr().out
    assert "make: runs, changed since run" in out
    assert out.count("input source") == 1
    assert "input made" in out


def test_an_input_that_gives_the_same_result_again_stops_there(place):
    steps = two_steps(place, make="params = {'constant': 1}")
    (place / "in.txt").write_text("hello")
    first = run(steps, source=place / "in.txt")
    (place / "in.txt").write_text("changed")
    second = run(steps, source=place / "in.txt")
    assert second["make"].info.run_id != first["make"].info.run_id
    assert second["use"].info.run_id == first["use"].info.run_id


def test_changed_code_runs_again(place, capfd):
    steps = two_steps(place)
    run(steps)
    script(place, "make", "source", body="time.time()")
    chain.code_digest.cache_clear()
    run(steps)
    assert "make: runs, changed since run" in (out := capfd.readouterr().out)
    assert ": code\n" in out


def test_a_lost_artifact_is_made_again(place, capfd):
    steps = two_steps(place)
    first = run(steps)
    artifact(first["make"], "make_csv").unlink()
    run(steps)
    assert f"make: runs, the artifact make_csv of run {first['make'].info.run_id} is gone" in capfd.readouterr().out


MORE = 'outputs["more"] = workspace / "more.txt"; outputs["more"].write_text("more of {name}"); time.sleep({seconds})'


def steps_with_more(place):
    """Two sources that hand on two artifacts each, and a step that takes the second of them alone."""
    script(place, "one", "source", also=MORE.format(name="one", seconds=0))
    script(place, "two", "word", also=MORE.format(name="two", seconds=1))
    script(place, "use", "first", "second")
    return (
        Step("one", "one_csv", same("source"), files=("source",), source="source", also=("more",)),
        Step("two", "two_csv", same("word"), also=("more",)),
        Step("use", "use_csv", {}, inputs={"first": "one.more", "second": "two.more"}),
    )


def test_further_artifacts_of_one_name_are_told_apart_by_their_steps(place):
    (place / "in.txt").write_text("hello")
    runs = run(steps_with_more(place), source=place / "in.txt")
    assert artifact(runs["use"], "use_csv").read_text() == "more of one,more of two"
    assert artifact(runs["one"], "one_csv").read_text() == "hello"
    assert [runs[step].data.tags["more_csv"].endswith("/more/more.txt") for step in ("one", "two")] == [True, True]


def test_a_further_artifact_of_a_source_that_is_left_out_is_left_out_too(place, capfd):
    (place / "in.txt").write_text("hello")
    steps = steps_with_more(place)
    run(steps, source=place / "in.txt")
    runs = run(steps)
    assert artifact(runs["use"], "use_csv").read_text() == "None,more of two"
    assert "use: runs, changed since run" in (out := capfd.readouterr().out)
    assert ": input first\n" in out


def test_a_further_artifact_that_is_lost_or_changed_is_an_input_as_any_other(place, capfd):
    steps = steps_with_more(place)
    first = run(steps)
    assert run(steps)["use"].info.run_id == first["use"].info.run_id
    artifact(first["two"], "more_csv").unlink()
    second = run(steps)
    assert f"two: runs, the artifact two.more of run {first['two'].info.run_id} is gone" in capfd.readouterr().out
    assert second["use"].info.run_id == first["use"].info.run_id, "it was made again as it was"
    script(place, "two", "word", also=MORE.format(name="another", seconds=0))
    chain.code_digest.cache_clear()
    assert artifact(run(steps)["use"], "use_csv").read_text() == "None,more of another"
    assert ": input second\n" in capfd.readouterr().out


def test_a_step_reads_the_live_system_that_is_named_now(place, monkeypatch):
    steps = two_steps(place, make='params["system"] = os.environ.get("LIVE_URI")')
    assert artifact(run(steps)["make"], "make_csv").read_text() == "None,None"
    monkeypatch.setenv("LIVE_URI", "mongodb://here")
    assert artifact(run(steps, load_new=True)["make"], "make_csv").read_text() == "None,mongodb://here"


def test_a_live_system_is_read_again_only_when_load_new_asks(place, monkeypatch, capfd):
    steps = two_steps(place)
    monkeypatch.setenv("LIVE_URI", "mongodb://ana:s3cret@db/x")
    first = run(steps, ignore_previous_runs=True)
    assert run(steps, ignore_previous_runs=True)["make"].info.run_id == first["make"].info.run_id
    assert run(steps, load_new=True)["make"].info.run_id != first["make"].info.run_id
    assert "make: runs, load_new=true" in capfd.readouterr().out
    monkeypatch.setenv("LIVE_URI", "mongodb://ana:s3cret@other/x")
    run(steps, ignore_previous_runs=True)
    assert "input source" in capfd.readouterr().out


def test_of_a_live_step_the_other_files_count_still(place, monkeypatch, capfd):
    script(place, "make", "source", "known")
    steps = (Step("make", "make_csv", same("source", "known"), files=("source", "known"), live="LIVE_URI"),)
    monkeypatch.setenv("LIVE_URI", "sqlite:///x.db")
    known = place / "known.csv"
    known.write_text("1")
    first = run(steps, known=known)
    assert run(steps, known=known)["make"].info.run_id == first["make"].info.run_id
    known.write_text("2")
    run(steps, known=known)
    assert ": input known\n" in capfd.readouterr().out


def test_a_live_step_adds_to_what_it_made_of_the_same_system_before(place, monkeypatch):
    script(place, "load", "source", "word", "previous_csv")
    steps = (Step("load", "load_csv", same("source", "word"), ("source",), live="LIVE_URI", resumes="previous_csv"),)
    monkeypatch.setenv("LIVE_URI", "mongodb://db/x")
    assert artifact(run(steps, load_new=True)["load"], "load_csv").read_text() == "None,None,w"
    script(place, "load", "source", "word", "previous_csv", body="time.time()")  # another version of the code
    chain.code_digest.cache_clear()
    assert artifact(run(steps, load_new=True)["load"], "load_csv").read_text() == "None,None,w,None,w"
    assert artifact(run(steps, load_new=True, word="v")["load"], "load_csv").read_text() == "None,None,v"
    monkeypatch.delenv("LIVE_URI")
    from_files = run(steps, word="v", ignore_previous_runs=True)
    assert artifact(from_files["load"], "load_csv").read_text() == "None,None,v"


def test_where_the_work_is_done_does_not_count(place):
    script(place, "make", "source", "jobs")
    steps = (Step("make", "make_csv", same("source", "jobs"), files=("source",)),)
    first = run(steps, jobs=1)
    assert run(steps, jobs=2)["make"].info.run_id == first["make"].info.run_id


def test_the_content_behind_a_url_counts(place, monkeypatch):
    monkeypatch.setenv("LOADPROFILES_CACHE", str(place / "cache"))
    (place / "www").mkdir()
    (place / "www" / "in.txt").write_text("hello")
    script(place, "make", "source")
    steps = (Step("make", "make_csv", same("source"), files=("source",)),)
    with serve(place / "www") as web:
        url = Url(f"{web.url}in.txt")
        first = run(steps, source=url)["make"]
        assert artifact(first, "make_csv").read_text() == "hello"
        assert first.data.params["source"] == url
        assert run(steps, source=url)["make"].info.run_id == first.info.run_id
        (place / "www" / "in.txt").write_text("changed")
        assert artifact(run(steps, source=url)["make"], "make_csv").read_text() == "changed"


def test_a_failing_step_stops_the_others_and_leaves_no_running_run(place):
    script(place, "slow", body="time.sleep(600)")
    script(place, "wrong", body="raise InputError('x.csv: bad, mend it')")
    steps = (Step("slow", "slow_csv", {}), Step("wrong", "wrong_csv", {}))
    with pytest.raises(StepFailedError, match=r"step wrong \(run \w+\) failed: x\.csv: bad, mend it"):
        run(steps)
    assert not running()
    by_step = {r.data.tags["step"]: r for r in mlflow.search_runs(output_format="list")}
    assert {s: r.info.status for s, r in by_step.items()} == {"slow": "KILLED", "wrong": "FAILED", "pipeline": "FAILED"}
    assert not list(place.glob("*.csv"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "its process was killed by signal 9; out of memory"),
        ("os._exit(3)", "its process ended with status 3"),
        ("sys.exit(0)", "failed: SystemExit: 0"),
    ],
)
def test_a_process_that_dies_without_a_word_fails_its_run(place, body, message):
    script(place, "dies", body=body)
    with pytest.raises(StepFailedError, match=message):
        run((Step("dies", "dies_csv", {}),))
    assert not running()


def test_an_interruption_ends_the_steps(place):
    script(place, "slow", body="time.sleep(600)")
    steps = (Step("slow", "slow_csv", {}),)

    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    started = time.monotonic()
    signal.alarm(8)
    try:
        with pytest.raises(KeyboardInterrupt):
            run(steps)
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 40
    assert not running()


def test_the_code_of_a_step_is_its_script_and_what_it_imports():
    chain.code_digest.cache_clear()
    assert chain.code_digest("etl_sql") != chain.code_digest("etl_oldmongo")
    assert chain.code_digest("etl_sql") == chain.code_digest("etl_sql")


def test_the_environment_of_this_process_is_left_alone(place):
    run(two_steps(place))
    assert "MLFLOW_RUN_ID" not in os.environ


def test_steps_and_their_processes_find_the_package_though_a_loaded_model_put_parts_of_it_in_front(place, monkeypatch):
    (place / "code" / "loadprofiles").mkdir(parents=True)
    (place / "code" / "loadprofiles" / "__init__.py").touch()
    monkeypatch.setattr(sys, "path", [str(place / "code"), *sys.path])
    before = sys.path.copy()
    find = "from importlib.machinery import PathFinder; found = PathFinder.find_spec('loadprofiles').origin"
    script(place, "look", "source", body=f"{find}; params = {{'found': Path(found).parent}}")
    runs = run((Step("look", "look_csv", same("source")),))
    assert artifact(runs["look"], "look_csv").read_text() == str(ROOT / "loadprofiles")
    assert sys.path == before


START = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[1]]
from loadprofiles import workers
process = workers.start(Path("look.py"), [], {})
process.join()
sys.exit(process.exitcode)
"""


def test_steps_need_not_import_again_what_is_heavy_wherever_we_are(tmp_path):
    (tmp_path / "loadprofiles").mkdir()
    (tmp_path / "loadprofiles" / "__init__.py").touch()
    (tmp_path / "look.py").write_text("import sys\nsys.exit('loadprofiles.clustering.step' not in sys.modules)\n")
    done = subprocess.run(
        [sys.executable, "-c", START, str(ROOT)], cwd=tmp_path, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_parent_shows_the_numbers_of_the_steps_that_are_to_be_shown_and_the_name_of_the_first(place):
    script(place, "one", "source")
    script(place, "two", "word")
    script(place, "three", "source")
    steps = (
        Step("one", "one_csv", same("source")),
        Step("two", "two_csv", same("word"), shown=True),
        Step("three", "three_csv", same("source"), source="source", shown=True),
    )
    given = {"source": None, "word": "w", "ignore_previous_runs": False, "load_new": False}
    chain.run_pipeline(steps, given)
    (parent,) = mlflow.search_runs(filter_string="tags.step = 'pipeline'", output_format="list")
    assert parent.info.run_name == "pipeline two"
    assert parent.data.metrics == {"done": 1.0}
    assert "run_id.three" not in parent.data.tags, "its source is left empty"
