"""Samples of logs of every kind."""

from tests.codecs.log_kinds import TRACE, S, Sample, T, as_lines, case
from tests.codecs.log_samples_json import JSON_SAMPLES

__all__ = ["SAMPLES", "TRACE", "Sample"]

TEXT_SAMPLES: dict[str, Sample] = {
    "ansi": case("ansi", dated=False),
    "ansi-2": Sample(
        as_lines(
            f"\x1b[2m{T}0.5Z\x1b[0m \x1b[32m INFO\x1b[0m \x1b[2mapp::db\x1b[0m: started",
            f"\x1b[2m{T}1.5Z\x1b[0m \x1b[1;31mERROR\x1b[0m \x1b[2mapp::db\x1b[0m: no route",
            f"\x1b[2m{T}2.5Z\x1b[0m \x1b[38;5;196mERROR\x1b[0m app::db: no route",
            f"\x1b[2m{T}3.5Z\x1b[0m \x1b[32m INFO\x1b[0m app::db: ok",
        )
    ),
    "apache-error": Sample(
        as_lines(
            "[Mon Jan 05 00:00:00.123456 2026] [mpm_event:notice] [pid 1:tid 2] AH00489: started",
            "[Mon Jan 05 00:00:01.123456 2026] [core:error] [pid 1] [client 10.0.0.1:5] no route",
            "[Mon Jan 05 00:00:02 2026] [error] [client 10.0.0.1] no route",
            "[Mon Jan 05 00:00:03 2026] [info] ok",
        )
    ),
    "cri": Sample(
        as_lines(
            f"{T}0.123456789Z stdout F INFO started",
            f"{T}1.123456789Z stderr F ERROR no route",
            f"{T}2.123456789Z stderr F ERROR no route",
            f"{T}3.123456789Z stdout F INFO ok",
        )
    ),
    "cri-2": Sample(
        as_lines(
            f"{T}0.1+01:00 stdout F started, level=info",
            f"{T}1.1+01:00 stderr P ERROR no ",
            f"{T}1.2+01:00 stdout P INFO a long ",
            f"{T}1.3+01:00 stderr F route",
            f"{T}1.4+01:00 stdout F line",
            f"{T}2.1+01:00 stderr F E0105 00:00:02.000000       1 main.go:11] no route",
        ),
        ("", "ERROR", "ERROR", "INFO"),
    ),
    "duration-2": Sample(
        as_lines(
            f"time={T}0Z level=info msg=served duration=1.5ms",
            f"time={T}1Z level=info msg=served elapsed_us=250 ",
            f"time={T}2Z level=info msg=served took=PT0.001S",
            f"time={T}3Z level=info msg=served latency=800µs",
        ),
        ("INFO",) * 4,
        latency=1.5,
    ),
    "glog-2": Sample(
        as_lines(
            "I0105 00:00:00.000000  4321 server.cc:10] started",
            "E0105 00:00:01.123456  4321 server.cc:11] no route",
            "  detail of the record before",
            "F0105 00:00:02.000000  4321 server.cc:11] Check failed: x",
            "W0105 00:00:03.000000  4321 server.cc:12] slow",
        ),
        ("ERROR", "FATAL", "INFO", "WARNING"),
    ),
    "invalid-utf8": Sample(
        b"INFO gestartet\nERROR kein Weg zur T\xfcr\nERROR kein Weg zur T\xfcr\nINFO gut\n",
        dated=False,
    ),
    "java-stack": case("java-stack"),
    "java-stack-2": Sample(
        as_lines(
            "00:00:00.001 [main] INFO  a.b.C -- started",
            "00:00:01.001 [main] WARN  a.b.C -- will try again",
            "java.net.ConnectException: refused",
            "\tat a.b.C.run(C.java:10) ~[app.jar:1.0]",
            "\t... 30 common frames omitted",
            "00:00:02.001 [main] INFO  a.b.C -- ok",
            'Exception in thread "main" java.lang.IllegalStateException: no route',
            "\tat a.b.C.run(C.java:10)",
            "\tSuppressed: java.io.IOException: closed",
            "\t\tat a.b.D.close(D.java:5)",
            "Caused by: java.net.ConnectException: refused",
            "\t... 3 more",
        ),
        ("ERROR", "INFO", "INFO", "WARNING"),
        dated=False,
    ),
    "dotnet-2": Sample(
        as_lines(
            "info: Microsoft.Hosting.Lifetime[14]",
            "      Now listening on: http://localhost:5000",
            "fail: A.B[0]",
            "      System.Exception: no route",
            "         at A.B.Run() in /src/a.cs:line 3",
            "crit: A.B[0]",
            "      gone",
            "warn: A.B[0]",
            "      slow",
        ),
        ("CRITICAL", "ERROR", "INFO", "WARNING"),
        dated=False,
    ),
    "jul-2": Sample(
        as_lines(
            "Jan 05, 2026 1:00:01 AM a.b.C run",
            "INFO: started",
            "Jan 05, 2026 12:00:02 PM a.b.C run",
            "SEVERE: no route",
            "java.lang.IllegalStateException: no route",
            "\tat a.b.C.run(C.java:10)",
        ),
        ("ERROR", "INFO"),
    ),
    "structlog-2": Sample(
        as_lines(
            f"{S}0 [info     ] started                        user=7",
            f"{S}1 [error    ] no route                       user=7",
            f"[{S}2,123][ERROR][o.e.c.X] [node] no route",
            f"[{S}3,123][info ][o.e.c.X] [node] ok",
        )
    ),
    "rust-2": Sample(
        as_lines(
            f"[{T}0Z INFO  app] started",
            f"[{T}1Z WARN  app] slow",
            "thread 'main' panicked at src/main.rs:2:5:",
            "note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace",
        ),
        ("ERROR", "INFO", "WARNING"),
        dated=False,
    ),
    "syslog-iso-2": Sample(
        as_lines(
            f"{T}0.123456+00:00 host svc[7]: INFO started",
            f"{T}1.123456+00:00 host svc[7]: ERROR no route",
            f"{T}2.123456+01:00 host svc: error: no route",
            f"{T}3.123456+00:00 INFO svc: ok",
        )
    ),
    "klog": case("klog"),
    "logfmt": Sample(
        as_lines(
            f"time={T}0Z level=info msg=started",
            f'ts={T}1Z caller=main.go:10 level=error err="no \\"route\\""',
            f'time={T}2Z lvl=eror msg="no route"',
            f"{T}3Z level=info msg=ok",
        )
    ),
    "lower": Sample(
        as_lines("info started", "error no route", "error no route", "info ok"), dated=False
    ),
    "lower-2": Sample(
        as_lines(
            f"{S}0 [main] info: started",
            f"[{S}1,5] err - no route",
            f"{S}2 +0100 [1234] [Critical] no route",
            f"{S}3 a.b.c | warn | slow",
        ),
        ("CRITICAL", "ERROR", "INFO", "WARNING"),
    ),
    "nginx-combined": case("nginx-combined"),
    "nginx-combined-2": Sample(
        as_lines(
            '::1 - ada [05/Jan/2026:01:00:00 +0100] "GET / HTTP/2.0" 204 - "-" "-" 0.012',
            'shop.example:443 10.0.0.1 - - [05/Jan/2026:00:00:01 +0000] "\\x16\\x03" 400 0 "-" "-"',
            '10.0.0.1 - - [05/Jan/2026:00:00:02 +0000] "GET /\\"b HTTP/1.1" 503 9 "-" "" rt=0.5',
            '10.0.0.1 - - [05/Jan/2026:00:00:03 +0000] "GET /b HTTP/1.1" 500 9',
        ),
        latency=500.0,
    ),
    "nginx-error": Sample(
        as_lines(
            "2026/01/05 00:00:00 [notice] 1#1: start worker process 7",
            "2026/01/05 00:00:01 [error] 7#7: *1 connect() failed (111: Connection refused) while "
            'connecting to upstream, client: 10.0.0.1, request: "GET /cart HTTP/1.1"',
            "2026/01/05 00:00:02 [error] 7#7: *2 no live upstreams, client: 10.0.0.1",
            "2026/01/05 00:00:03 [info] 7#7: *3 client closed connection",
        )
    ),
    "nginx-error-2": Sample(
        as_lines(
            "2026/01/05 00:00:00 [warn] 7#7: *1 a client request body is buffered",
            '2026/01/05 00:00:01 [crit] 7#7: *2 FastCGI sent in stderr: "PHP message: PHP Fatal:',
            "Stack trace:",
            "#0 {main}",
            '  thrown in /srv/a.php on line 3" while reading response header from upstream',
            "2026/01/05 00:00:02 [emerg] 1#1: bind() to 0.0.0.0:80 failed (98: in use)",
            "2026/01/05 00:00:03 [debug] 7#7: ok",
        ),
        ("CRITICAL", "DEBUG", "EMERGENCY", "WARNING"),
    ),
    "none": Sample(
        as_lines("started", "no route to db", "no error at all", "ok"), ("",) * 4, dated=False
    ),
    "none-2": Sample(
        as_lines(f"{S}0 started", f"{S}1 a.b.C - nothing", f"{S}2 1 errors", f"{S}3 ok"), ("",) * 4
    ),
    "python": Sample(
        as_lines(
            f"{S}0,001 INFO root started",
            f"{S}1,001 ERROR root failed",
            *TRACE,
            "ValueError: no route",
            f"{S}2,001 ERROR root failed",
            *TRACE,
            "KeyError: 'a'",
            "",
            "During handling of the above exception, another exception occurred:",
            "",
            *TRACE,
            "ValueError: no route",
            f"{S}3,001 INFO root ok",
        )
    ),
    "python-2": Sample(
        as_lines(
            "INFO:root:started",
            "ERROR:root:failed",
            *TRACE,
            "requests.exceptions.ConnectionError: refused",
            *TRACE,  # an uncaught one right behind it would be one with it; this one is, too
            "KeyboardInterrupt",
            "INFO:root:ok",
            *TRACE,
            "ValueError: no route",
            "DEBUG:root:end",
        ),
        ("DEBUG", "ERROR", "ERROR", "INFO", "INFO"),
        dated=False,
    ),
    "serilog-2": Sample(
        as_lines(
            f"{S}0.123 +00:00 [INF] Started",
            f"{S}1.123 +00:00 [ERR] No route",
            "System.InvalidOperationException: no route",
            "   at A.B.Run() in D:\\a.cs:line 3",
            "   --- End of inner exception stack trace ---",
            f"{S}2.123 +00:00 [FTL] Gone",
            f"{S}3.123 +00:00 [WRN] Slow",
        ),
        ("ERROR", "FATAL", "INFO", "WARNING"),
    ),
    "syslog3164": Sample(
        as_lines(
            "<14>Jan  5 00:00:00 host app[7]: started",
            "<11>Jan  5 00:00:01 host app[7]: no route",
            "<11>Jan  5 00:00:02 host app[7]: no route",
            "<14>Jan  5 00:00:03 host app[7]: ok",
        )
    ),
    "syslog3164-2": Sample(
        as_lines(
            "Jan  5 00:00:00 host systemd[1]: Started shop.",
            "Jan  5 00:00:01 host app: ERROR no route",
            "Jan  5 00:00:02 host kernel: [12.5] error: no route",
            "<0>Jan  5 00:00:03 app: gone",
        ),
        ("", "EMERGENCY", "ERROR", "ERROR"),
    ),
    "syslog5424": Sample(
        as_lines(
            f"<14>1 {T}0Z host svc 7 - - started",
            f'<11>1 {T}1.000003Z host svc 7 ID47 [ex@32473 a="b\\]" c="\\"d"] no route',
            f'<11>1 {T}2Z host svc - - [a@1][b@2 x="y"] \ufeffno route',
            f"<14>1 {T}3+00:00 host svc 7 - -",
        )
    ),
    "syslog5424-2": Sample(
        as_lines(
            f"<165>1 {T}0Z h svc - - - CRITICAL: the program's own word counts",
            "<190>1 - - svc - - - no time of its own",
            f"<160>1 {T}0Z h svc - - - emergency of local4",
            f"<191>1 {T}0Z h svc - - - debug of local7",
        ),
        ("CRITICAL", "DEBUG", "EMERGENCY", "INFO"),
        dated=False,
    ),
}
SAMPLES = TEXT_SAMPLES | JSON_SAMPLES
