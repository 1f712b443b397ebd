"""The documentation: its commands are understood and carried out somewhere, its links lead on, its messages exist.

`python -m benchmarks.first_minute` carries out README's first commands themselves, which takes minutes.
"""

import ast
import importlib
import re
import shlex
import shutil
import subprocess
import warnings
from functools import cache
from itertools import chain, groupby, pairwise
from pathlib import PurePosixPath

import click
import pytest
from markdown_it import MarkdownIt

from loadprofiles.anomalies.bench_step import run_bench
from loadprofiles.entry_points import command_of, scripts
from loadprofiles.sourcecode import ROOT
from tests.anomalies.customers import customer, write

PAGES = {path.relative_to(ROOT).as_posix(): path for path in (ROOT / "README.md", *sorted(ROOT.glob("docs/*.md")))}
OPERATIONS, TROUBLESHOOTING, SPANISH = "docs/operations.md", "docs/troubleshooting.md", "docs/inicio_rapido.md"

FIRST_MINUTE = "benchmarks/first_minute.py::main"
EXECUTED = {
    "pip install mlflow==3.17.2 uv": FIRST_MINUTE,
    "mlflow run . --env-manager=uv": FIRST_MINUTE,
    "make dashboard": FIRST_MINUTE,
    "make test": ".ci/run::make test",
    "make env": FIRST_MINUTE,
    ". .venv/bin/activate": FIRST_MINUTE,
    "mlflow run --experiment-name uc7_clustering --entry-point pipeline.py . -P model=kmeans -P number_of_clusters=12 "
    "--env-manager=local": "tests/test_pipeline.py::test_the_earlier_pipelines_call_works_verbatim",
    "mlflow run . -e sweep --env-manager=local -P models=kmeans,som -P k_max=12": "tests/test_sweep.py::whole",
    "mlflow run . -e forecasting --env-manager=local -P in_csv=… -P readings=… -P model=lstm -P frequency=8h "
    "-P horizon=48":
    "tests/test_forecasting.py::test_the_chosen_models_forecasts_are_on_the_run_and_each_model_below_it",
    "mlflow run . -e anomalies --env-manager=local -P in_csv=… -P readings=… -P since=2024-06-01 -P tariff=0.15":
    "tests/test_anomalies.py::test_alerts_are_those_of_one_run_though_others_were_killed",
    "python alerts.py --dry_run digest.html": "tests/test_alerts.py::test_a_dry_run_writes_the_digest",
    "python alerts.py --alert_id … --state confirmed --note meter bypassed --who ana":
    "tests/test_alerts.py::test_a_person_says_whether_an_alert_was_right",
    "mlflow run . -e theft_bench --env-manager=local -P readings=…":
    "tests/test_readme.py::test_the_theft_bench_tells_what_is_found_on_ones_own_meters",
    "mlflow run . --env-manager=local -P customers_folder=../shared/data/electrodunas -P oldmongo_folder= "
    "-P sql_folder= -P newmongo_folder= -P timezone=America/Lima -P number_of_clusters=12":
    "tests/test_pipeline.py::test_the_real_customers_run_through",
    "mlflow run . --env-manager=local -P oldmongo_folder=../shared/data/asm/oldmongo "
    "-P smart_meter_description_csv=../shared/data/asm/smart_meter_description.csv -P customers_folder= "
    "-P sql_folder= -P newmongo_folder= -P timezone=Europe/Rome -P number_of_clusters=4":
    "tests/test_pipeline.py::test_the_real_old_meter_runs_through_with_its_changes_of_scale",
}  # fmt: skip
"""README's commands, and what carries each of them out, perhaps on less data: a file, and what stands in it."""

SYSTEM = {
    ".", "cd", "curl", "export", "git", "journalctl", "mkdir", "pg_dump", "pip", "set", "sqlite3", "sudo", "systemctl",
    "tar", "createuser", "createdb",
}  # fmt: skip
"""Programs of the system, whose options are not ours to check."""

OURS = ("mlflow ", "python ", "make ", "dask ")
PLACEHOLDERS = {"S": "1"}


@cache
def tokens(page):
    """All tokens of a page, those within lines among them."""
    found = MarkdownIt("commonmark").enable("table").parse(PAGES[page].read_text(encoding="utf-8"))
    return [inner for token in found for inner in (token, *(token.children or ()))]


def fences(page, language):
    return [token.content for token in tokens(page) if token.type == "fence" and token.info.strip() == language]


def spans(page):
    return [token.content for token in tokens(page) if token.type == "code_inline"]


def split(text):
    """The simple commands of a script, each as its words."""
    commands = []
    for line in text.replace("\\\n", " ").splitlines():
        line = re.sub(r"\$\(date [^)]*\)", "2024-01-31", line)
        lexer = shlex.shlex(line, posix=True, punctuation_chars="&;|")
        lexer.whitespace_split = True
        parts = groupby(lexer, key=lambda word: not set(word) - set("&;|"))
        commands += [list(words) for is_between, words in parts if not is_between]
    return commands


def commands(page):
    """The commands of a page's blocks of shell."""
    return [words for block in fences(page, "sh") for words in split(block)]


def all_commands():
    """Every command of ours on any page, in blocks and in sentences."""
    for page in PAGES:
        yield from ((page, words) for words in commands(page))
        lines = chain(*(block.splitlines() for block in fences(page, "")))
        yield from ((page, split(line)[0]) for line in lines if line.startswith(OURS))
        for span in filter(is_call, spans(page)):
            # what a sentence leaves out
            yield from ((page, [PLACEHOLDERS.get(w, w) for w in words if w != "…"]) for words in split(span))


def is_call(span):
    """Whether a sentence says what to call, and not just the name of a program or how calls look."""
    is_general = "<" in span or "benchmarks.…" in span
    has_parameters = span.startswith("make ") or not set("-.").isdisjoint(span)
    return span.startswith(OURS) and has_parameters and not is_general


def check(words):
    """Fail unless a command and all its parameters are known, and their values can be used."""
    match words:
        case ["mlflow", "run", *given]:
            told = mlflow_command().commands["run"].make_context("mlflow run", given).params
            script = told["entry_point"].removesuffix(".py")
            parameters = [part for given in told["param_list"] for part in f"--{given}".split("=", 1)]
            parse(command_of(scripts().get(script, script)), script, parameters)
        case ["mlflow", *given]:
            parse(mlflow_command(), "mlflow", given)
        case ["dask", *given]:
            from distributed.cli import dask_scheduler, dask_worker

            parse({"scheduler": dask_scheduler, "worker": dask_worker}[given[0]].main, "dask", given[1:])
        case ["python", "-c", code]:
            compile(code, "code", "exec")
        case ["python", "-m", module, *given] if module.startswith(("benchmarks.", "loadprofiles.")):
            parse(importlib.import_module(module).main, module, given)
        case ["python", script, *given] if script.endswith(".py"):
            parse(command_of(script.removesuffix(".py")), script, given)
        case ["make", target, *_]:
            assert target in re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)
        case ["sudo", "-u", _, *inner]:
            check(inner)
        case _:
            assert words[0] in SYSTEM or words[:3] == ["python", "-m", "http.server"], words


def mlflow_command():
    """MLflow's own command; importing it takes a second, and warns of MLflow."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("mlflow.cli").cli


def parse(command, name, words):
    """Let click parse the words as it would to carry them out."""
    while isinstance(command, click.Group) and words:
        name, command, words = command.resolve_command(click.Context(command), words)
    if not isinstance(command, click.Group):
        command.make_context(name, [word for word in words if word != "--help"])


def test_every_command_and_its_parameters_are_known():
    asked = list(all_commands())
    assert {f"{words[0]} " for _, words in asked} >= set(OURS)
    wrong = []
    for page, words in asked:
        try:
            check(words)
        except (click.ClickException, ImportError, AssertionError, OSError) as error:
            told = error.format_message() if isinstance(error, click.ClickException) else error
            wrong.append(f"{page}: {shlex.join(words)}: {told}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "command",
    [
        "mlflow run . -e clustering -P modle=som",
        "mlflow run . -P timezone=Lima",
        "python alerts.py --send_to nobody",
        "python -m benchmarks.dtw pears",
        "mlflow server --hots 127.0.0.1",
        "make tea",
        "frobnicate",
    ],
)
def test_a_command_that_would_fail_is_seen(command):
    with pytest.raises((click.ClickException, AssertionError)):
        check(split(command)[0])


def test_every_command_of_the_readme_is_carried_out_by_a_test_or_script():
    assert {" ".join(words) for words in commands("README.md")} == set(EXECUTED)


@pytest.mark.parametrize("where", sorted(set(EXECUTED.values())))
def test_what_carries_out_the_commands_is_there(where):
    file, _, what = where.partition("::")
    text = (ROOT / file).read_text(encoding="utf-8")
    assert re.search(rf"def {what}\(", text) if file.endswith(".py") else what in text


def test_the_spanish_page_has_no_commands_of_its_own():
    known = {" ".join(words) for page in ("README.md", OPERATIONS) for words in commands(page)}
    asked = {" ".join(words) for words in commands(SPANISH)}
    assert asked
    assert asked <= known


def test_the_theft_bench_tells_what_is_found_on_ones_own_meters(tmp_path):
    write([customer("A", 150, 0)], tmp_path / "readings")
    less = ("--attacks", "h1", "--repeats", "1", "--jobs", "1", "--readings", str(tmp_path / "readings"))
    asked = command_of("theft_bench").make_context("theft_bench", list(less)).params
    result = run_bench(**asked, workspace=tmp_path)
    assert result.metrics["all_thefts_recall"] == 1
    assert (tmp_path / "theftBench.png").is_file()


@pytest.mark.parametrize("page", PAGES)
def test_blocks_of_shell_can_be_read_by_a_shell(page):
    script = "\n".join(fences(page, "sh"))
    told = subprocess.run(["sh", "-n"], input=script, capture_output=True, text=True, check=False)
    assert told.stderr == ""


def units():
    """The units of systemd: name to text."""
    found = {}
    for block in fences(OPERATIONS, "ini"):
        path = re.match(r"# (/etc/systemd/system/\S+)\n", block)
        found[PurePosixPath(path[1]).name] = block
    return found


@pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed (Debian: systemd)"
)
def test_systemd_takes_the_units(tmp_path):
    for name, text in units().items():
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", *sorted(tmp_path.iterdir())]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    # the programs are where the page puts them, not here
    wrong = [line for line in told.stderr.splitlines() if "is not executable: No such file" not in line]
    assert wrong == []


def test_what_the_units_start_is_known():
    started = [
        line.partition("=")[2] for text in units().values() for line in text.splitlines() if "ExecStart=" in line
    ]
    assert len(started) == 3
    for command in started:
        program, *given = shlex.split(command)
        if given:
            check([PurePosixPath(program).name, *given])
        else:
            assert f"`{program}`" in PAGES[OPERATIONS].read_text(encoding="utf-8")


@cache
def anchors(path):
    """What the headings of a page are linked by, as GitHub makes it."""
    found = MarkdownIt().parse(path.read_text(encoding="utf-8"))
    titles = [after.content for before, after in pairwise(found) if before.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_links_and_pictures_lead_somewhere(page):
    asked = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(page)]
    dead = []
    for link in asked:
        if not link or "://" in link:
            continue
        file, _, anchor = link.partition("#")
        path = (PAGES[page].parent / file).resolve() if file else PAGES[page]
        if not path.exists() or (anchor and anchor not in anchors(path)):
            dead.append(link)
    assert dead == []


@cache
def files():
    """All files of the repository that a page may name."""
    found = [path for pattern in ("*.*", ".ci/*", "docs/*") for path in ROOT.glob(pattern)]
    found += [path for folder in ("loadprofiles", "tests", "benchmarks") for path in (ROOT / folder).rglob("*.*")]
    return {f"/{path.relative_to(ROOT).as_posix()}" for path in found}


@pytest.mark.parametrize("page", PAGES)
def test_modules_and_pages_that_are_named_exist(page):
    named = [span for span in spans(page) if re.fullmatch(r"[\w./-]+\.(py|md|ipynb)", span)]
    assert [name for name in named if not any(file.endswith(f"/{name}") for file in files())] == []


def texts_of(module):
    """The texts of a module; … stands for what is put into them."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.JoinedStr):
            yield "".join(part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


@pytest.fixture(scope="module")
def texts():
    """All texts of the package, its scripts, and the Makefile."""
    modules = [*ROOT.glob("*.py"), *(ROOT / "loadprofiles").rglob("*.py")]
    return [*chain.from_iterable(map(texts_of, modules)), (ROOT / "Makefile").read_text(encoding="utf-8")]


def test_every_message_that_is_explained_is_one_of_ours(texts):
    page = PAGES[TROUBLESHOOTING].read_text(encoding="utf-8")
    told = re.findall(r"^- Message: `([^`]+)`$", page, flags=re.MULTILINE)
    assert len(told) == page.count("Message:") > 30
    patterns = {message: ".*".join(map(re.escape, message.strip("…").split("…"))) for message in told}
    unknown = [m for m, pattern in patterns.items() if not any(re.search(pattern, text, re.DOTALL) for text in texts)]
    assert unknown == []


def test_the_table_of_the_environment_has_all_variables_that_are_read(texts):
    names = re.compile(r"(ALERT|DASHBOARD|LOADPROFILES|MONGO|SQL)_[A-Z_]+")
    read = {text for text in texts if names.fullmatch(text)}
    rows = re.findall(r"^\| (`[^|]+) \|", PAGES[OPERATIONS].read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert {name for row in rows for name in re.findall(r"`(\w+)`", row) if names.fullmatch(name)} == read
