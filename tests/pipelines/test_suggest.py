"""What a newcomer types, and which option or command is suggested."""

import pytest

from padit.cli.main import main
from padit.pipelines.options import PaditOptions, option_names
from padit.pipelines.suggest import OptionParser, help_of, nearest_option

Capture = pytest.CaptureFixture[str]

MISTAKES = [
    ("--source=kafka://127.0.0.1:9092/metrics", "--input"),
    ("--src=a.jsonl", "--input"),
    ("--topic=metrics", "--input"),
    ("--kafka_topic=metrics", "--input"),
    ("--bootstrap=127.0.0.1:9092", "--input"),
    ("--bootstrap-servers=127.0.0.1:9092", "--input"),
    ("--inptu=a.jsonl", "--input"),
    ("-i=a.jsonl", "--input"),
    ("--out=alerts.jsonl", "--output"),
    ("--output_file=alerts.jsonl", "--output"),
    ("--sink=alerts.jsonl", "--output"),
    ("--window=60", "--window_size_sec"),
    ("--window_size=60", "--window_size_sec"),
    ("--window-size-sec=60", "--window_size_sec"),
    ("--interval=10", "--extract_interval_sec"),
    ("--threshold=3", "--config"),
    ("--detectors=novelty", "--config"),
    ("--allowed_lateness=5", "--out_of_orderness_sec"),
    ("--dead_letter=dlq.jsonl", "--dlq"),
    ("--since=-6h", "--start_time"),
    ("--from-beginning", "--start_offset"),
    ("--resume=/savepoints/1", "--savepoint_path"),
    ("--detahc", "--detach"),
    ("--workers=4", "--parallelism"),
    ("--runer=FlinkRunner", "--runner"),
    ("--from_savepoint=/savepoints/1", "--savepoint_path"),
]


@pytest.mark.parametrize(("typed", "meant"), MISTAKES)
def test_the_most_similar_option_is_suggested(typed: str, meant: str, capsys: Capture) -> None:
    assert main(["run", "--input=nothing.jsonl", typed]) == 2
    name = typed.partition("=")[0]
    assert f"padit: unknown option {name}; did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "typed", "meant"),
    [
        ("simulate", "--out=x.jsonl", "--output"),
        ("simulate", "--duration=2", "--hours"),
        ("sweep", "--tirals=5", "--trials"),
        ("sweep", "--start=5", "--start_time"),  # one of the job's, which it passes on
        ("doctor", "--topics=a", "--topic"),
        ("doctor", "--bootstrap_servers=a", "--bootstrap"),
        ("up", "--freeports", "--free_ports"),
        ("adapters", "--cfg=x", "--config"),
        ("explain", "--alerts=x", "--from"),
        ("train", "--sources=x", "--source"),
    ],
)
def test_every_command_suggests_its_own_options(
    command: str, typed: str, meant: str, capsys: Capture
) -> None:
    assert main([command, typed]) == 2
    assert f"did you mean {meant}?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("explan", "explain"), ("replya", "replay"), ("backtest", "replay"), ("start", "run"),
     ("stop", "down"), ("tune", "sweep"), ("generate", "simulate"), ("check", "doctor")],
)  # fmt: skip
def test_the_most_similar_command_is_suggested(typed: str, meant: str, capsys: Capture) -> None:
    assert main([typed]) == 2
    expected = f"padit: there is no command '{typed}'; did you mean `padit {meant}`?\n"
    assert capsys.readouterr().err == expected


def test_what_resembles_nothing_gets_no_suggestion(capsys: Capture) -> None:
    assert main(["fly"]) == 2
    assert main(["down", "--xyzzy"]) == 2
    assert main([]) == 2
    assert "did you mean" not in capsys.readouterr().err


def test_help_ends_with_the_most_similar_option(capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "--source", "x", "--help"])
    assert ended.value.code == 0
    last = capsys.readouterr().out.rstrip().splitlines()[-1]
    assert last.startswith("unknown option --source; did you mean --input?")


def test_a_value_without_an_option_is_named(capsys: Capture) -> None:
    assert main(["run", "a.jsonl"]) == 2
    assert "unexpected 'a.jsonl': a value belongs to an option" in capsys.readouterr().err
    assert main(["down", "now"]) == 2
    assert "unexpected 'now'; `padit down --help`" in capsys.readouterr().err


def test_every_option_of_beam_passes() -> None:
    assert {"--runner", "--parallelism", "--flink_master", "--experiments"} <= option_names()


def test_no_option_of_ours_with_a_letter_less_means_one_of_beam() -> None:
    parser = OptionParser(add_help=False)
    PaditOptions._add_argparse_args(parser)
    own = help_of(parser)
    passed = option_names()
    wrong = {}
    for name in own:
        for at in range(2, len(name)):
            typed = name[:at] + name[at + 1 :]
            if len(typed) > 5 and typed not in passed:
                found = nearest_option(typed, own, passed)
                if found not in own:
                    wrong[typed] = found
    assert wrong == {}
