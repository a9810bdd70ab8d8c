"""Samples of logs whose lines are JSON, at least inside."""

from tests.codecs.log_kinds import US, S, Sample, T, as_json, as_lines, case, docker

JSON_SAMPLES: dict[str, Sample] = {
    "cri-json": case("cri-json"),
    "cri-json-2": Sample(
        as_lines(
            f'{T}0.1Z stdout F {{"severity":"NOTICE","message":"started","timestamp":"{T}0Z"}}',
            f'{T}1.1Z stderr P {{"severity":"CRITICAL","mess',
            f'{T}1.1Z stderr F age":"no route"}}',
            f"{T}2.1Z stderr F level=error msg=x duration=1.5ms",
            f"{T}3.1Z stdout F {{ 'no': json",
        ),
        ("", "CRITICAL", "ERROR", "INFO"),
        latency=1.5,
    ),
    "docker": case("docker"),
    "docker-2": Sample(
        docker(
            ('{"level":"info","msg":"started"}\n', "stdout"),
            ("java.lang.IllegalStateException: no route\n", "stderr"),
            ("INFO a very ", "stdout"),
            ("\tat a.b.C.run(C.java:10)\n", "stderr"),
            ("long line\r\n", "stdout"),
            ("\tat a.b.C.run(C.java:11)\n", "stderr"),
            ("level=fatal msg=gone\n", "stdout"),
        ),
        ("ERROR", "FATAL", "INFO", "INFO"),
    ),
    "docker-no-newline-2": Sample(
        docker(
            ("INFO started", "stdout"),
            ("ERROR no route", "stderr"),
            ("ERROR no route", "stderr"),
            ("INFO ok", "stdout"),
        )
    ),
    "duration": Sample(
        as_json(
            {"time": f"{T}0Z", "level": "INFO", "msg": "served", "duration": 1_500_000},
            {"time": f"{T}1Z", "level": "INFO", "msg": "served", "duration": 900},
        ),
        ("INFO", "INFO"),
        latency=1.5,
    ),
    "ecs": Sample(
        as_json(
            {"@timestamp": f"{T}0Z", "log": {"level": "info"}, "message": "started"},
            {"@timestamp": f"{T}1Z", "log": {"level": "error", "logger": "a"}, "message": "no"},
            {
                "@timestamp": f"{T}2Z",
                "log.level": "ERROR",
                "message": "no route",
                "event": {"duration": 1_500_000},
            },
            {
                "@timestamp": f"{T}3Z",
                "log.level": "INFO",
                "message": "ok",
                "event.duration": 7000,
                "service": {"name": "svc"},
            },
        ),
        latency=1.5,
    ),
    "gelf": Sample(
        as_json(
            {
                "version": "1.1",
                "host": "h",
                "short_message": "a",
                "timestamp": US / 1e6,
                "level": 6,
            },
            {
                "version": "1.1",
                "host": "h",
                "short_message": "b",
                "timestamp": US / 1e6,
                "level": 3,
            },
            {
                "version": "1.1",
                "host": "h",
                "short_message": "b",
                "timestamp": US / 1e6,
                "level": 2,
            },
            {
                "version": "1.1",
                "host": "h",
                "short_message": "c",
                "timestamp": US / 1e6,
                "level": 4,
            },
        ),
        ("CRITICAL", "ERROR", "INFO", "WARNING"),
    ),
    "journald": Sample(
        as_json(
            *(
                {
                    "__REALTIME_TIMESTAMP": str(US + i * 10**6),
                    "PRIORITY": priority,
                    "SYSLOG_IDENTIFIER": "svc",
                    "_PID": "7",
                    "MESSAGE": text,
                }
                for i, (priority, text) in enumerate(
                    [("6", "started"), ("3", "no route"), ("3", "no route"), ("6", "ok")]
                )
            )
        ),
    ),
    "journald-2": Sample(
        as_json(
            {
                "__REALTIME_TIMESTAMP": str(US),
                "PRIORITY": "5",
                "_SYSTEMD_UNIT": "svc.service",
                "MESSAGE": "started",
            },
            {
                "__REALTIME_TIMESTAMP": str(US),
                "PRIORITY": "2",
                "SYSLOG_IDENTIFIER": "svc",
                "MESSAGE": [110, 111, 27, 91, 48, 109],
            },
            {
                "__REALTIME_TIMESTAMP": str(US),
                "PRIORITY": "6",
                "SYSLOG_IDENTIFIER": "svc",
                "MESSAGE": "ERROR no route",
            },
            {"__REALTIME_TIMESTAMP": str(US), "SYSLOG_IDENTIFIER": "svc", "MESSAGE": None},
        ),
        ("", "CRITICAL", "ERROR", "INFO"),
    ),
    "pino": case("pino", levels=("ERROR", "ERROR", "INFO", "WARNING")),
    "bunyan-2": Sample(
        as_json(
            {
                "name": "svc",
                "hostname": "h",
                "pid": 1,
                "level": 30,
                "msg": "a",
                "time": f"{T}0Z",
                "v": 0,
            },
            {
                "name": "svc",
                "hostname": "h",
                "pid": 1,
                "level": 60,
                "msg": "b",
                "time": f"{T}1Z",
                "v": 0,
            },
            {
                "name": "svc",
                "hostname": "h",
                "pid": 1,
                "level": 50,
                "msg": "b",
                "time": f"{T}2Z",
                "v": 0,
            },
            {
                "name": "svc",
                "hostname": "h",
                "pid": 1,
                "level": 20,
                "msg": "c",
                "time": f"{T}3Z",
                "v": 0,
            },
        ),
        ("DEBUG", "ERROR", "FATAL", "INFO"),
    ),
    "python-json-2": Sample(
        as_json(
            {"asctime": f"{S}0,001", "levelname": "INFO", "name": "svc", "message": "a"},
            {"created": 1, "levelno": 40, "name": "svc", "message": "b", "lineno": 7},
            {"timestamp": f"{T}1", "level": 50, "funcName": "f", "message": "b", "name": "svc"},
            {"timestamp": f"{T}1", "level": 30, "funcName": "f", "message": "c", "name": "svc"},
        ),
        ("CRITICAL", "ERROR", "INFO", "WARNING"),
        dated=False,
    ),
    "go-panic-2": Sample(
        as_lines(
            f'{{"level":"info","ts":{US / 1e6},"caller":"m.go:1","msg":"started"}}',
            "panic: runtime error: invalid memory address",
            "[signal SIGSEGV: segmentation violation]",
            "",
            "goroutine 1 [running]:",
            "main.(*server).run(0x0, {0x1, 0x2})",
            "\t/app/main.go:10 +0x1d",
            "main.main()",
            "\t/app/main.go:20 +0x25",
            "exit status 2",
            f'{{"level":"dpanic","ts":{US / 1e6},"caller":"m.go:1","msg":"again"}}',
        ),
        ("INFO", "PANIC", "PANIC"),
        dated=False,
    ),
    "serilog": Sample(
        as_json(
            {"@t": f"{T}0.1234567Z", "@mt": "Started {Name}", "Name": "shop"},
            {"@t": f"{T}1Z", "@l": "Error", "@mt": "No route", "@x": "System.Exception: x\n at y"},
            {"@t": f"{T}2Z", "@l": "Error", "@m": "No route"},
            {"@t": f"{T}3Z", "@mt": "Served in {Elapsed:0.0} ms", "Elapsed": 12.5},
        ),
        latency=12.5,
    ),
    "zap": Sample(
        as_json(
            {"level": "info", "ts": US / 1e6, "caller": "m.go:1", "msg": "a", "duration": 0.0015},
            {"level": "error", "ts": US / 1e6, "caller": "m.go:1", "msg": "b"},
            {"level": "error", "ts": US / 1e6, "caller": "m.go:1", "msg": "b"},
            {"level": "info", "ts": US / 1e6, "caller": "m.go:1", "msg": "c"},
        ),
        latency=1.5,
    ),
    "zerolog-2": Sample(
        as_json(
            {"level": "trace", "time": US // 10**6, "message": "a"},
            {"level": "panic", "time": US // 1000, "message": "b"},
            {"level": "fatal", "time": US, "message": "b"},
            {"level": "warn", "time": US * 1000, "message": "c"},
        ),
        ("FATAL", "PANIC", "TRACE", "WARNING"),
    ),
}
