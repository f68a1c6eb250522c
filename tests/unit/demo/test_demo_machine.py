"""A machine with other work is named as a possible cause of a demo that went wrong."""

from headway.demo.machine import busy


def test_a_busy_machine_is_told_of_and_an_idle_one_is_not() -> None:
    assert busy(21.9, 2).startswith("this machine is busy: a load of 22 on 2 cores")
    assert busy(7.9, 2) == ""
