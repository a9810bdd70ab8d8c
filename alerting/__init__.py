"""What becomes of alerts once the job has written them: who hears of them, when, and why not.

    topics, commands, clock -> log (numbered) -> engine (pure) -> deliveries -> notifiers

The engine sees nothing but its log, so the same log always gives the same messages: live, after a
crash, and in a preview of another configuration (`padit whatif`).
"""
