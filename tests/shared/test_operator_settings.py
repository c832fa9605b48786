from __future__ import annotations

import pytest

from shared.errors import EndpointError
from shared.operator_settings import Naming, refuse, split, told_as_value


def test_a_fault_has_the_flag_and_the_variable_of_its_setting():
    naming = Naming("SIGNALING_")
    line = "--udp-port / SIGNALING_UDP_PORT: expected a number"
    assert naming.named("udp_port", "expected a number") == line
    assert naming.told({"loc": ("udp_port", 0), "msg": "Value error, expected a number"}) == line
    # A validator of several settings has named them.
    assert naming.told({"loc": (), "msg": f"Value error, {line}"}) == line


def test_an_error_of_this_project_is_a_fault_of_a_setting():
    with pytest.raises(ValueError, match="expected tcp://"), told_as_value():
        raise EndpointError("x", "tcp://HOST:PORT")
    with pytest.raises(KeyError), told_as_value():
        raise KeyError("another's")


def test_faults_are_printed_a_line_each_and_the_program_ends(capsys):
    with pytest.raises(SystemExit) as ended:
        refuse(["one", "two"])
    assert ended.value.code == 2
    assert capsys.readouterr().err == "one\ntwo\n"


def test_a_list_has_commas_and_no_empty_parts():
    assert split(" a, b,,c ,") == ["a", "b", "c"]
