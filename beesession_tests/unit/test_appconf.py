"""Reading beego's configuration files."""

import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beesession.beego import appconf


@pytest.fixture
def conf(tmp_path):
    """Write a file and read it."""

    def read(text, name="app.conf", runmode=None, **environ):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return appconf.read(path, runmode, environ)

    return read


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("k = v", "v"),
        ("  K=v\t", "v"),
        ("k = Mixed Case", "Mixed Case"),
        ("k = a=b;c#d", "a=b;c#d"),
        ("k = v ; no comment", "v ; no comment"),
        ("k =", ""),
        ('k = "quoted"', "quoted"),
        ('k = ""v""', "v"),
        ('k = "a b" ; c', 'a b" ; c'),
        ("k = 'single'", "'single'"),
        ('k = a "b"', 'a "b"'),
        ("k = ${NAME}", "from outside"),
        ("k = ${NAME||default}", "from outside"),
        ('k = "${NAME}"', "from outside"),
        ("k = ${NONE||a||b}", "a||b"),
        ("k = ${EMPTY||default}", "default"),
        ("k = ${NONE}", ""),
        ("k = pre${NAME}", "pre${NAME}"),
        ("k = 1\nk = 2", "2"),
        ("# k = 1\n; k = 2\n\nk = 3", "3"),
        ("[other]\nk = 1\n[default]\nk = 2", "2"),
        ("[PROD]\nk = 1\n[default]\nk = 2", "1"),
        ("[dev]\nk = 1\n[default]\nk = 2\n[dev]\nrunmode = x", "2"),
    ],
)
def test_ini_line_gives_the_value_that_beego_reads(conf, line, value):
    assert conf(line, NAME="from outside", EMPTY="").get("K") == value


def test_a_key_of_a_named_section_is_found_by_section_and_key(conf):
    read = conf("[Data Base]\nHost = h\n")
    assert (read.get("data base::host"), read.get("host"), read.get("x::host", "none")) == ("h", None, "none")


def test_byte_order_mark_and_windows_line_ends_are_skipped(conf):
    read = conf(b"\xef\xbb\xbfk = 1\r\nl = 2\r\n")
    assert (read.get("k"), read.get("l")) == ("1", "2")


@pytest.mark.parametrize(
    ("text", "argument", "environ", "mode"),
    [
        ("", None, {}, "prod"),
        ("runmode = dev", None, {}, "dev"),
        ("runmode = ${MODE||test}", None, {}, "test"),
        ("runmode = dev", None, {"BEEGO_RUNMODE": "stage"}, "stage"),
        ("runmode = dev", "mine", {"BEEGO_RUNMODE": "stage"}, "mine"),
    ],
)
def test_run_mode_comes_from_argument_then_environment_then_file(conf, text, argument, environ, mode):
    sections = "".join(f"\n[{name}]\nk = {name}" for name in ("prod", "dev", "test", "stage", "mine"))
    read = conf(text + sections, runmode=argument, **environ)
    assert (read.runmode, read.get("k")) == (mode, mode)


def test_the_file_of_the_environments_run_mode_is_read_where_it_exists(conf, tmp_path):
    (tmp_path / "dev.app.conf").write_text("k = of dev")
    assert conf("k = plain", BEEGO_RUNMODE="dev").get("k") == "of dev"
    assert conf("k = plain", BEEGO_RUNMODE="test").get("k") == "plain"
    assert conf("k = plain", runmode="dev").get("k") == "plain"
    assert conf("k = named", name="other.conf", BEEGO_RUNMODE="dev").get("k") == "named"


def test_included_file_is_read_beside_its_includer_and_the_later_value_wins(conf, tmp_path):
    (tmp_path / "Sub").mkdir()
    (tmp_path / "Sub" / "more.conf").write_text('include "last.conf"\na = 2\nb = 2\n[dev]\nc = 2')
    (tmp_path / "Sub" / "last.conf").write_text("d = 3")
    read = conf('a = 1\nc = 1\ninclude "Sub/more.conf"\nb = 1', runmode="dev")
    assert [read.get(key) for key in "abcd"] == ["2", "1", "2", "3"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("k: v", "app.conf:1: expected"),
        ("\n\nsessionon true", "app.conf:3: expected"),
        ("= v", "app.conf:1: expected"),
        ("include missing.conf", "missing.conf: the file cannot be read"),
        ("include app.conf", "app.conf: the file includes itself"),
        (b"k = \xff", "app.conf: the file is not UTF-8"),
    ],
)
def test_bad_file_is_an_error_with_file_and_line(conf, text, problem):
    with pytest.raises(appconf.AppConfError, match=problem):
        conf(text)


def test_missing_file_is_an_error(tmp_path):
    with pytest.raises(appconf.AppConfError, match=r"app\.conf: the file cannot be read"):
        appconf.read(tmp_path / "app.conf")


def test_each_value_knows_its_file_and_line(conf, tmp_path):
    (tmp_path / "more.conf").write_text("\nb = 2")
    read = conf("a = 1\ninclude more.conf")
    assert [read.entry(key).where for key in "ab"] == [f"{tmp_path}/app.conf:1", f"{tmp_path}/more.conf:2"]


NESTED = {"WebConfig": {"Session": {"SessionOn": True, "SessionName": "${NAME||n}"}}, "Listen": {"EnableHTTPS": True}}
YAML = "webconfig:\n  session:\n    sessionon: true\n    sessionname: ${NAME||n}\nlisten:\n  enablehttps: true\n"
TOML = '[WebConfig.Session]\nSessionOn = true\nSessionName = "${NAME||n}"\n[Listen]\nEnableHTTPS = true\n'
FLAT = {"SessionOn": True, "sessionname": "n", "ENABLEHTTPS": True}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("app.json", json.dumps(NESTED)),
        ("app.json", json.dumps(FLAT)),
        ("app.json", json.dumps({"prod": NESTED, "sessionname": "lost"})),
        ("app.json", "\ufeff" + json.dumps(FLAT)),
        ("app.yaml", YAML),
        ("app.yml", "SessionOn: on\nsessionname: n\nenablehttps: yes\n"),
        ("app.toml", TOML),
    ],
)
def test_other_formats_are_read_flat_and_nested_without_case(conf, name, text):
    read = conf(text, name=name)
    assert [read.get(key) for key in ("sessionon", "sessionname", "enablehttps")] == [True, "n", True]
    assert read.names().count("sessionon") == 1


def test_a_provider_config_may_be_an_object(conf):
    read = conf('{"SessionProviderConfig": {"save_path": "h:1"}}', name="app.json")
    assert read.get("sessionproviderconfig") == {"save_path": "h:1"}


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("app.json", '{\n"a": }', "app.json:2: this is not valid JSON"),
        ("app.json", "[" * 100_000, "app.json:1: this is not valid JSON"),
        ("app.json", "[]", "must hold an object"),
        ("app.yaml", "a: 1\nb: [", "app.yaml:2: this is not valid YAML"),
        ("app.toml", "a = 1\nb =\n", "app.toml:2: this is not valid TOML"),
        ("app.xml", "<a/>", "XML is not supported"),
    ],
)
def test_bad_file_of_another_format_is_an_error_with_file_and_line(conf, name, text, problem):
    with pytest.raises(appconf.AppConfError, match=problem):
        conf(text, name=name)


@pytest.mark.parametrize(("name", "modules"), [("app.yaml", ["yaml"]), ("app.toml", ["tomllib", "tomli"])])
def test_a_format_without_its_reader_names_the_extra(conf, monkeypatch, name, modules):
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(appconf.AppConfError, match=r"pip install 'beesession\[config\]'"):
        conf("a = 1", name=name)


def test_sections_that_beego_does_not_read_are_told(conf):
    assert conf("[session]\nsessionon = true\n[prod]\na = 1").unread_sections() == ("session",)


@pytest.mark.parametrize(
    ("text", "argument", "environ", "others"),
    [
        ("runmode = staging\n[dev]\nk = 1\n[Data]\nk = 1", None, {}, ("dev",)),
        ("[canary]\nsessionon = true", None, {"BEEGO_RUNMODE": "nosuch"}, ("canary",)),
        ("[dev]\nk = 1", "staging", {}, ("dev",)),
        ("[dev]\nk = 1", None, {}, ()),
        ("runmode = staging\n[data]\nk = 1\n[session]\nsessionon = true", None, {}, ()),
        ("runmode = Staging\n[staging]\n[dev]\nk = 1", None, {}, ()),
    ],
    ids=["of the file", "of the environment", "of the caller", "of nobody", "no run modes at all", "empty section"],
)
def test_a_run_mode_that_was_asked_for_and_has_no_section_is_told(conf, text, argument, environ, others):
    assert conf(text, runmode=argument, **environ).other_run_modes() == others


@pytest.mark.parametrize(
    ("value", "unset"), [("${NOPE}", "${NOPE}"), ("${NOPE||}", ""), ("${EMPTY}", ""), ("${NAME}", ""), ("NOPE", "")]
)
@pytest.mark.parametrize(("name", "form"), [("app.conf", "k = {}"), ("app.json", '{{"k": "{}"}}')])
def test_a_variable_without_a_value_and_a_default_is_told(conf, name, form, value, unset):
    assert conf(form.format(value), name=name, NAME="n", EMPTY="").entry("k").unset == unset


TRUE = ["1", "t", "T", "true", "TRUE", "True", "yes", "YES", "Yes", "y", "Y", "on", "ON", "On"]
FALSE = ["0", "f", "F", "false", "FALSE", "False", "no", "NO", "No", "n", "N", "off", "OFF", "Off"]


@pytest.mark.parametrize("text", TRUE)
def test_beegos_words_for_true(text):
    assert appconf.flag(text) is True


@pytest.mark.parametrize("text", FALSE)
def test_beegos_words_for_false(text):
    assert appconf.flag(text) is False


@pytest.mark.parametrize("value", ["", "tRUE", "enabled", " true", 2, 1.0, None, []])
def test_any_other_flag_is_an_error(value):
    with pytest.raises(ValueError, match="must be true or false"):
        appconf.flag(value)


@pytest.mark.parametrize(("value", "number"), [("12", 12), ("+3", 3), ("-1", -1), ("007", 7), (5, 5)])
def test_whole_numbers_are_decimal(value, number):
    assert appconf.whole(value) == number


@pytest.mark.parametrize("value", ["", "12x", "0x10", "1e3", "1_000", " 1", "1.0", "²", 1.0, True, None])
def test_any_other_number_is_an_error(value):
    with pytest.raises(ValueError, match="must be a whole number"):
        appconf.whole(value)


_PIECES = st.sampled_from(["=", "[", "]", "#", ";", '"', "\n", "\r\n", "include ", "${", "||", "}", "key", "dev", " "])


@settings(deadline=None)
@given(pieces=st.lists(_PIECES | st.text(max_size=5), max_size=20))
def test_no_text_raises_anything_but_its_own_error(tmp_path_factory, pieces):
    path = tmp_path_factory.mktemp("conf") / "app.conf"
    path.write_text("".join(pieces), encoding="utf-8", errors="surrogatepass", newline="")
    read = refused = None
    try:
        read = appconf.read(path, environ={})
    except appconf.AppConfError as error:
        refused = str(error)
    assert read is not None or str(path.parent) in refused
    assert read is None or all(isinstance(read.get(name), str) for name in read.names())


@settings(deadline=None)
@given(
    name=st.text("abcdefgh", min_size=1),
    value=st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='"$'), min_size=1),
)
def test_a_plain_line_is_read_as_written(tmp_path_factory, name, value):
    path = tmp_path_factory.mktemp("conf") / "x.conf"
    path.write_text(f" {name.upper()} = {value}\n")
    assert appconf.read(path, environ={}).get(name) == value
