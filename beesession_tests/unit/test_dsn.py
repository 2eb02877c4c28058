"""Reading beego's provider strings."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from beesession.beego import dsn
from beesession.beego.dsn import Address

SECRET = "hunter2-Zq9"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", dsn.RedisConfig(), id="empty"),
        pytest.param("127.0.0.1:6379", dsn.RedisConfig(), id="address"),
        pytest.param("  cache.local:7000 \n", dsn.RedisConfig(host="cache.local", port=7000), id="trimmed"),
        pytest.param(":6380", dsn.RedisConfig(port=6380), id="port only"),
        pytest.param("[::1]:6380", dsn.RedisConfig(host="::1", port=6380), id="IPv6"),
        pytest.param("127.0.0.1:6379,100,astaxie", dsn.RedisConfig(password="astaxie"), id="documented"),
        pytest.param("h:1,,,2", dsn.RedisConfig(host="h", port=1, db=2), id="empty fields are defaults"),
        pytest.param("h:1,0", dsn.RedisConfig(host="h", port=1), id="pool size 0 is the default"),
        pytest.param(
            "h:1,7,p w ,3,30,60,5",
            dsn.RedisConfig(password="p w ", pool_size=7, idle_timeout=30, max_retries=5, host="h", port=1, db=3),
            id="all seven",
        ),
        pytest.param("h:1,,,,,,-1", dsn.RedisConfig(host="h", port=1, max_retries=0), id="-1 is no retry"),
        pytest.param(
            '{"save_path":"h:1","password":"a,b","poolsize":3,"db_num":2,"idle_timeout":"1m30s",'
            '"idle_check_frequency":"3s","max_retries":1}',
            dsn.RedisConfig(password="a,b", pool_size=3, idle_timeout=90, max_retries=1, host="h", port=1, db=2),
            id="JSON",
        ),
        pytest.param({"SAVE_PATH": "h:1", "password": None}, dsn.RedisConfig(host="h", port=1), id="mapping"),
        pytest.param(
            "redis://user:p%40ss,w@h:6380/4",
            dsn.RedisConfig(username="user", password="p@ss,w", host="h", port=6380, db=4),
            id="URL",
        ),
        pytest.param(
            "rediss://:pw@h/1?ssl_ca_certs=%2Fca.pem&max_connections=5",
            dsn.RedisConfig(password="pw", pool_size=5, host="h", tls=True, db=1, query=(("ssl_ca_certs", "/ca.pem"),)),
            id="TLS URL",
        ),
        pytest.param(
            "unix://u:p@/run/r.sock?db=2",
            dsn.RedisConfig(username="u", password="p", unix_socket="/run/r.sock", db=2),
            id="socket URL",
        ),
    ],
)
def test_redis_string_is_read(text, expected):
    assert dsn.redis(text) == expected


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("h:x", "port"),
        ("h:0", "port"),
        ("h:65536", "port"),
        ("a b:1", "the address"),
        (f"h:1,{SECRET},100", "pool size"),
        ("h:1,-5", "pool size"),
        (f"h:1,100,{SECRET},x", "database number"),
        ("h:1,,,,soon", "idle timeout"),
        ("h:1,,,,,x", "idle check frequency"),
        ("h:1,,,,,,often", "retries"),
        (f"h:1,1,{SECRET},1,1,1,1,1", "more than 7 fields"),
        (f'{{"password": "{SECRET}"', "it starts with '{' but is not valid JSON"),
        (f'{{"passwort": "{SECRET}"}}', "did you mean 'password'? Allowed:"),
        (f'{{"poolsize": "{SECRET}"}}', "pool size"),
        (f'{{"idle_timeout": "{SECRET}"}}', "idle timeout"),
        (f'{{"password": ["{SECRET}"]}}', "password"),
        (f"http://:{SECRET}@h", "scheme"),
        (f"redis://:{SECRET}@h:port/0", "port"),
        (f"redis://:{SECRET}@h/zero", "database number"),
        (f"redis://:{SECRET}#x@h/0", "%23"),
        (f"redis://h/0?ssl_password={SECRET}", "option"),
        ("redis://h/0?ssl_ca_certs=x", "option"),
        ("unix://", "socket"),
        (5, "string"),
    ],
)
def test_bad_redis_string_names_the_field_and_no_secret(text, field):
    with pytest.raises(dsn.DSNError, match="sessionproviderconfig") as caught:
        dsn.redis(text)
    assert field in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "location"),
    [
        ("127.0.0.1:6379,100,astaxie", "redis://127.0.0.1:6379/0"),
        ("[::1]:1,,,2", "redis://[::1]:1/2"),
        ("rediss://u:p@h:6380/1?ssl_ca_certs=F", "rediss://h:6380/1?ssl_ca_certs=F"),
        ("unix://u:p@/run/r%3F.sock?db=0", "unix:///run/r%3F.sock?db=0"),
    ],
)
def test_redis_location_carries_no_credentials_and_reads_back(text, location):
    config = dsn.redis(text)
    assert config.location == location
    again = dsn.redis(config.location)
    assert (again.host, again.port, again.unix_socket, again.db, again.tls, again.query) == (
        config.host, config.port, config.unix_socket, config.db, config.tls, config.query,
    )  # fmt: skip


def test_redis_becomes_a_cache_entry_with_finite_timeouts():
    assert dsn.redis("h:1,7,pw,2").django_cache() == {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": "redis://h:1/2",
        "OPTIONS": {
            "PASSWORD": "pw",
            "CONNECTION_FACTORY": "django_redis.pool.ConnectionFactory",
            "SOCKET_TIMEOUT": 3,
            "SOCKET_CONNECT_TIMEOUT": 3,
            "CONNECTION_POOL_KWARGS": {"max_connections": 7},
        },
    }


def test_cluster_takes_several_nodes_and_says_that_the_database_is_ignored():
    config = dsn.redis_cluster("a:1;b:2,,pw,3")
    assert config.nodes == (Address("a", 1), Address("b", 2))
    assert (config.pool_size, config.password) == (1000, "pw")
    assert "number 0 only" in config.notes[0]


def test_sentinel_fields_are_read_where_they_are_documented():
    config = dsn.redis_sentinel("a:1;b,50,pw,2,main,30,60,4")
    assert config == dsn.RedisSentinelConfig(
        sentinels=(Address("a", 1), Address("b", 26379)), password="pw", pool_size=50, db=2, master_name="main",
        idle_timeout=30, max_retries=4, notes=config.notes,
    )  # fmt: skip
    assert "one field early" in config.notes[0]


def test_sentinel_without_the_shifted_fields_has_no_note():
    config = dsn.redis_sentinel("a:1,50,pw,2")
    assert (config.master_name, config.notes) == ("mymaster", ())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "username:password@protocol(address)/dbname?param=value",
            dsn.MySQLConfig("username", "password", "protocol", "address", "dbname", (("param", "value"),)),
        ),
        ("/app", dsn.MySQLConfig(database="app")),
        ("root@/app", dsn.MySQLConfig("root", database="app")),
        ("root:a@b:c/d@tcp(h:1)/app", dsn.MySQLConfig("root", "a@b:c/d", "tcp", "h:1", "app")),
        ("u:p@unix(/run/m.sock)/app", dsn.MySQLConfig("u", "p", "unix", "/run/m.sock", "app")),
        ("u:100%@tcp/a%2Fb?loc=US%2FPacific", dsn.MySQLConfig("u", "100%", "tcp", "", "a/b", (("loc", "US/Pacific"),))),
    ],
)
def test_mysql_string_is_read(text, expected):
    assert dsn.mysql(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'/'"),
        (f"root:{SECRET}", "'/'"),
        (f"root:{SECRET}@tcp(h:1)/", "database"),
        (f"root:{SECRET}@tcp(h:1/app", "closed"),
        (f"root:{SECRET}/app", "protocol"),
    ],
)
def test_bad_mysql_string_names_the_problem_and_no_secret(text, problem):
    with pytest.raises(dsn.DSNError) as caught:
        dsn.mysql(text)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_mysql_becomes_a_database_entry():
    config = dsn.mysql("u:p@tcp(db:3307)/app?charset=utf8mb4,utf8&timeout=1500ms&tls=skip-verify&parseTime=true&x=1")
    assert config.django_database() == {
        "ENGINE": "django.db.backends.mysql",
        "NAME": "app",
        "USER": "u",
        "PASSWORD": "p",
        "HOST": "db",
        "PORT": "3307",
        "OPTIONS": {
            "charset": "utf8mb4", "connect_timeout": 2, "read_timeout": 3, "write_timeout": 3, "ssl_mode": "REQUIRED",
            "init_command": "SET SESSION innodb_lock_wait_timeout = 2",
        },
    }  # fmt: skip
    assert [note for note in config.notes if "'x'" in note]
    assert len(config.notes) == 1


@pytest.mark.parametrize(("text", "seconds"), [("0", 3), ("0s", 3), ("1ms", 1), ("1s", 1), ("1500ms", 2), ("1m", 60)])
def test_mysql_timeouts_are_whole_seconds_and_never_none(text, seconds):
    options = dsn.mysql(f"u:p@tcp(h:1)/app?timeout={text}&readTimeout={text}").django_database()["OPTIONS"]
    assert [options[name] for name in ("connect_timeout", "read_timeout", "write_timeout")] == [seconds, seconds, 3]


@pytest.mark.parametrize("address", ["(localhost:3307)", "(:3307)", "(127.0.0.1:3307)"])
def test_mysql_by_tcp_is_never_the_socket_that_its_client_means_by_localhost(address):
    entry = dsn.mysql(f"u:p@tcp{address}/app").django_database()
    assert (entry["HOST"], entry["PORT"]) == ("127.0.0.1", "3307")


def test_mysql_socket_becomes_the_host():
    assert dsn.mysql("u:p@unix(/run/m.sock)/app").django_database()["HOST"] == "/run/m.sock"


def test_mysql_tls_of_the_go_program_is_refused():
    with pytest.raises(dsn.DSNError, match="tls must be"):
        dsn.mysql("u:p@tcp(h:1)/app?tls=mine").django_database()


def test_mysql_protocol_of_the_go_program_is_noted_and_its_address_taken():
    config = dsn.mysql("u:p@cloud(db.internal:3307)/app")
    assert (config.django_database()["HOST"], config.django_database()["PORT"]) == ("db.internal", "3307")
    assert [note for note in config.notes if "'cloud'" in note]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "postgres://pqgotest:password@localhost/pqgotest?sslmode=verify-full",
            dsn.PostgreSQLConfig("pqgotest", "password", database="pqgotest", params=(("sslmode", "verify-full"),)),
        ),
        ("postgresql://u:p%2Fw@h:1/a%20b", dsn.PostgreSQLConfig("u", "p/w", "h", 1, "a b")),
        (
            r"user=bob password='it\'s \\ x' host = /run/pg dbname=app sslmode=disable",
            dsn.PostgreSQLConfig("bob", r"it's \ x", "/run/pg", 5432, "app", (("sslmode", "disable"),)),
        ),
        ("user=bob", dsn.PostgreSQLConfig("bob", database="bob")),
    ],
)
def test_postgresql_string_is_read(text, expected):
    assert dsn.postgresql(text) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "database"),
        (f"user=bob password='{SECRET}", "key=value"),
        (f"bob {SECRET}", "key=value"),
        (f"mysql://bob:{SECRET}@h/app", "scheme"),
        (f"user=bob password={SECRET} port=x", "port"),
        (f"postgres://bob:{SECRET}@h:99999/app", "port"),
        (f"user=bob sslinline=true sslkey='{SECRET}'", "sslinline"),
    ],
)
def test_bad_postgresql_string_names_the_problem_and_no_secret(text, problem):
    with pytest.raises(dsn.DSNError) as caught:
        dsn.postgresql(text)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_postgresql_becomes_a_database_entry_that_demands_tls_as_lib_pq_does():
    config = dsn.postgresql("user=u dbname=app search_path='a, b' binary_parameters=yes sslsni=0")
    assert config.django_database() == {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": "app",
        "USER": "u",
        "PASSWORD": "",
        "HOST": "localhost",
        "PORT": "5432",
        "OPTIONS": {
            "sslmode": "require", "connect_timeout": 3, "sslsni": "0",
            "options": r"-c lock_timeout=2s -c search_path=a,\ b",
        },
    }  # fmt: skip
    assert "binary_parameters" in config.notes[0]


def test_postgresql_waits_for_a_lock_as_long_as_the_string_says():
    config = dsn.postgresql("user=u lock_timeout=5s options='-c geqo=off'")
    assert config.django_database()["OPTIONS"]["options"] == "-c lock_timeout=2s -c geqo=off -c lock_timeout=5s"


@pytest.mark.parametrize(
    ("text", "servers"),
    [
        ("127.0.0.1:7080", (Address("127.0.0.1", 7080),)),
        ("a:1; b ;/run/m.sock;", (Address("a", 1), Address("b", 11211), "/run/m.sock")),
        ({"save_path": "a:1"}, (Address("a", 1),)),
    ],
)
def test_memcache_string_is_read(text, servers):
    assert dsn.memcache(text).servers == servers


@pytest.mark.parametrize(
    ("text", "endpoint", "bucket"),
    [
        ("http://bucketname:bucketpass@myserver:8091", "couchbase://myserver", "bucketname"),
        ("http://u:p@myserver:8091,default,sess", "couchbase://myserver", "sess"),
        ("https://u:p@myserver,,sess", "couchbases://myserver", "sess"),
        ("http://u:p@myserver:18091,,sess", "couchbases://myserver", "sess"),
        ("couchbase://u:p@myserver:12000,default,sess", "couchbase://myserver:12000", "sess"),
        ('{"save_path":"http://u:p@myserver:8091/","pool":"default","bucket":"sess"}', "couchbase://myserver", "sess"),
    ],
)
def test_couchbase_string_is_read(text, endpoint, bucket):
    config = dsn.couchbase(text)
    assert (config.connection_string, config.bucket) == (endpoint, bucket)


def test_couchbase_account_comes_from_the_url_and_a_missing_bucket_is_noted():
    config = dsn.couchbase("http://bucketname:bucket%2Cpass@myserver:8091")
    assert (config.username, config.password) == ("bucketname", "bucket,pass")
    assert "no bucket is named" in config.notes[0]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (f"http://u:{SECRET}@h:11210", "8091"),
        (f"http://u:{SECRET}@h:8091,other,sess", "pool"),
        ("http://h:8091", "neither a bucket nor a user"),
        (f"ftp://u:{SECRET}@h", "scheme"),
        ("", "scheme"),
        (f"couchbase://u:{SECRET}@h/sess", "nothing may follow host and port"),
        (f"couchbase://u:{SECRET}@h:11210/?network=external,,sess", "nothing may follow host and port"),
    ],
)
def test_bad_couchbase_string_names_the_problem_and_no_secret(text, problem):
    with pytest.raises(dsn.DSNError) as caught:
        dsn.couchbase(text)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("h:6380", dsn.LedisConfig("h", 6380)),
        ("h:6380,3", dsn.LedisConfig("h", 6380, 3)),
        ({"save_path": "h:6380", "db": 3}, dsn.LedisConfig("h", 6380, 3)),
    ],
)
def test_ledis_string_is_read(text, expected):
    assert dsn.ledis(text) == expected


@pytest.mark.parametrize("text", ["", "./data", "/var/ledis", "data", "C:\\data", "./data,3"])
def test_ledis_folder_is_refused(text):
    with pytest.raises(dsn.DSNError, match="a directory cannot be opened"):
        dsn.ledis(text)


@pytest.mark.parametrize("value", ["h:8888", '{"host": "h", "port": 8888}', {"Host": "h", "Port": 8888}])
def test_ssdb_string_is_read(value):
    assert dsn.ssdb(value) == dsn.SSDBConfig("h", 8888)


@pytest.mark.parametrize("value", ["", "h", "h:x", {"host": "h"}, {"port": 8888}])
def test_ssdb_demands_host_and_port(value):
    with pytest.raises(dsn.DSNError, match="host|port"):
        dsn.ssdb(value)


@pytest.mark.parametrize("value", ["./tmp", {"save_path": "./tmp"}, '{"save_path": "./tmp"}'])
def test_file_string_is_the_directory(value):
    assert dsn.file(value) == dsn.FileConfig("./tmp")


@pytest.mark.parametrize("value", ["", "  ", {}, {"save_path": 3}, "a\0b"])
def test_file_demands_a_directory(value):
    with pytest.raises(dsn.DSNError, match="the directory"):
        dsn.file(value)


@pytest.mark.parametrize(("value", "limit"), [("", 100_000), ("./tmp", 100_000), ('{"max_sessions": 5}', 5)])
def test_memory_takes_a_limit_and_ignores_plain_text(value, limit):
    assert dsn.memory(value).max_sessions == limit


@pytest.mark.parametrize("value", [{"max_sessions": 0}, {"max_sessions": True}, {"maxsessions": 5}])
def test_bad_memory_object_is_refused(value):
    with pytest.raises(dsn.DSNError, match="max_sessions"):
        dsn.memory(value)


def test_cookie_object_is_read():
    text = json.dumps({
        "SecurityKey": "k", "blockKey": "0123456789abcdef", "securityName": "n", "cookieName": "c", "secure": True,
        "maxage": 60,
    })  # fmt: skip
    assert dsn.cookie(text) == dsn.CookieConfig("k", "0123456789abcdef", "n", "c", True, 60)


def test_empty_cookie_string_leaves_the_keys_to_django():
    assert dsn.cookie("") == dsn.CookieConfig()


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (SECRET, "no JSON object"),
        ({"blockKey": SECRET}, "16, 24 or 32 bytes"),
        ({"securityKey": 5}, "securityKey"),
        ({"secure": "yes"}, "true or false"),
        ({"maxage": -1}, "maxage"),
    ],
)
def test_bad_cookie_object_names_the_key_and_no_secret(value, problem):
    with pytest.raises(dsn.DSNError) as caught:
        dsn.cookie(value)
    assert problem in str(caught.value)
    assert SECRET not in str(caught.value)


def test_unknown_engine_is_refused_with_the_nearest_name():
    with pytest.raises(dsn.DSNError, match="did you mean 'redis'"):
        dsn.parse("Redis", "")


@pytest.mark.parametrize(
    ("engine", "value"),
    [
        ("redis", f"h:1,1,{SECRET}"),
        ("redis_cluster", f"h:1,1,{SECRET}"),
        ("redis_sentinel", f"h:1,1,{SECRET}"),
        ("mysql", f"u:{SECRET}@tcp(h:1)/app?secret={SECRET}"),
        ("postgresql", f"postgres://u:{SECRET}@h/app?sslpassword={SECRET}"),
        ("couchbase", f"http://u:{SECRET}@h:8091"),
        ("cookie", {"securityKey": SECRET, "blockKey": SECRET.ljust(16, "x"), "securityName": SECRET}),
    ],
)
def test_repr_shows_no_secret(engine, value):
    assert SECRET not in repr(dsn.parse(engine, value))


def parsed(engine, value):
    """Return the configuration and the error, one of them None."""
    try:
        return dsn.parse(engine, value), None
    except dsn.DSNError as error:
        return None, error


_PIECES = st.sampled_from(
    [":", ",", ";", "/", "//", "@", "?", "=", "&", "(", ")", "{", "}", "[", "]", '"', "'", "\\", "%", "#", " ", "\0",
     "redis://", "unix://", "postgres://", "http://", "couchbase://", "tcp", "user=", "password=", "h", "6379", "-1",
     "²", "save_path", '{"save_path":"h:1","password":"']
)  # fmt: skip


@settings(deadline=None)
@given(engine=st.sampled_from(sorted(dsn.PARSERS)), pieces=st.lists(_PIECES | st.text(max_size=4), max_size=12))
def test_no_text_raises_anything_but_its_own_error(engine, pieces):
    config, refused = parsed(engine, "".join(pieces))
    assert config is not None or "sessionproviderconfig" in str(refused)


@settings(deadline=None)
@given(
    engine=st.sampled_from(sorted(dsn.PARSERS)),
    before=st.lists(_PIECES, max_size=8),
    after=st.lists(_PIECES, max_size=8),
)
def test_no_error_quotes_what_it_was_given(engine, before, after):
    _, refused = parsed(engine, "".join([*before, SECRET, *after]))
    chain = [refused, *([refused.__cause__, refused.__context__] if refused else [])]
    assert not [link for link in chain if SECRET in str(link)]


@settings(deadline=None)
@given(
    engine=st.sampled_from(sorted(dsn.PARSERS)),
    value=st.dictionaries(
        st.sampled_from(["save_path", "password", "poolsize", "host", "port", "db", "securityKey", "secure", "x"]),
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.none(), max_size=1),
    ),
)
def test_no_object_raises_anything_but_its_own_error(engine, value):
    config, refused = parsed(engine, value)
    assert config is not None or engine in str(refused)
    assert parsed(engine, {key.upper(): member for key, member in value.items()})[0] == config
