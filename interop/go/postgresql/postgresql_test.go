package postgresql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"
	beego "github.com/beego/beego/v2/server/web/session/postgres"
	"github.com/lib/pq"

	"beesession/interop/go"
	"beesession/interop/go/internal/contract"
	"beesession/interop/go/internal/shared"
)

const variable = "BEESESSION_POSTGRESQL"

var background = context.Background()

func provider() *shared.Provider { return shared.NewProvider(name, true, open) }

func TestContract(t *testing.T) {
	// beego's own provider writes the local time of its process.
	before := time.Local
	t.Cleanup(func() { time.Local = before })
	for _, zone := range []string{"UTC", "America/New_York", "Asia/Kolkata"} {
		t.Run(zone, func(t *testing.T) {
			location, err := time.LoadLocation(zone)
			demand(t, err)
			time.Local = location
			hold(t, zone, "")
		})
	}
	t.Run("binary parameters", func(t *testing.T) {
		time.Local = time.UTC
		hold(t, "UTC", "binary_parameters=yes")
	})
}

func hold(t *testing.T, zone, parameters string) {
	TimeZone = zone
	t.Cleanup(func() { TimeZone = "UTC" })
	config, server := makeTable(t, zone)
	if parameters != "" {
		config = with(config, parameters)
	}
	contract.Run(t, contract.Setup{
		New:    provider,
		Beego:  func() session.Provider { return &beego.Provider{} },
		Config: config,
		Server: server,
		Large:  2 << 20,
		Counts: true,
	})
}

// with adds a parameter to either form of a provider string.
func with(config, parameter string) string {
	switch {
	case !strings.Contains(config, "://"):
		return config + " " + parameter
	case strings.Contains(config, "?"):
		return config + "&" + parameter
	}
	return config + "?" + parameter
}

// server looks at the table itself.
type server struct {
	*sql.DB
	zone string
}

// makeTable makes the table in a schema of its own, as others may use the sessions' own meanwhile.
func makeTable(t *testing.T, zone string) (string, server) {
	t.Helper()
	config := with(contract.Config(t, variable), "search_path=go_session")
	db, err := sql.Open("postgres", config)
	demand(t, err)
	made := server{db, zone}
	made.run(t, "DROP SCHEMA IF EXISTS go_session CASCADE")
	made.run(t, "CREATE SCHEMA go_session")
	made.run(t, `CREATE TABLE session (
		session_key CHAR(64) NOT NULL PRIMARY KEY,
		session_data BYTEA,
		session_expiry TIMESTAMP WITHOUT TIME ZONE NOT NULL
	)`)
	t.Cleanup(func() {
		made.run(t, "DROP SCHEMA IF EXISTS go_session CASCADE")
		demand(t, db.Close())
	})
	return config, made
}

func (s server) run(t *testing.T, statement string, arguments ...any) {
	t.Helper()
	_, err := s.Exec(statement, arguments...)
	demand(t, err)
}

func (s server) Stored(t *testing.T, sid string) (data []byte, stored bool) {
	t.Helper()
	err := s.QueryRow("SELECT session_data FROM session WHERE session_key = $1", sid).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false
	}
	demand(t, err)
	return data, true
}

func (s server) Store(t *testing.T, sid string, data []byte) {
	t.Helper()
	s.run(t, `INSERT INTO session VALUES ($1, $2, now() AT TIME ZONE $3)
		ON CONFLICT (session_key) DO UPDATE SET session_data = excluded.session_data`, sid, data, s.zone)
}

func (s server) Remaining(t *testing.T, sid string) time.Duration {
	t.Helper()
	var seconds float64
	demand(t, s.QueryRow("SELECT EXTRACT(EPOCH FROM session_expiry - now() AT TIME ZONE $2) FROM session WHERE session_key = $1",
		sid, s.zone).Scan(&seconds))
	return time.Duration((contract.Lifetime + seconds) * float64(time.Second))
}

func (s server) Expire(t *testing.T, sid string) {
	t.Helper()
	s.run(t, "UPDATE session SET session_expiry = session_expiry - make_interval(secs => $2) WHERE session_key = $1",
		sid, contract.Lifetime+2)
}

func demand(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnIDThatDoesNotFitIsRefused(t *testing.T) {
	config, _ := makeTable(t, "UTC")
	ours := provider()
	demand(t, ours.SessionInit(background, contract.Lifetime, config))
	t.Cleanup(func() { demand(t, ours.Close()) })
	long := strings.Repeat("a", 65)
	if found, err := ours.SessionExist(background, long); err != nil || found {
		t.Errorf("%v, %v", found, err)
	}
	if _, err := ours.SessionRead(background, long); err != beesession.ErrBadID {
		t.Errorf("%v", err)
	}
	if _, err := ours.SessionRegenerate(background, "a", long); err != beesession.ErrBadID {
		t.Errorf("%v", err)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	config, server := makeTable(t, "UTC")
	ours := provider()
	demand(t, ours.SessionInit(background, contract.Lifetime, with(config, "application_name=kept")))
	t.Cleanup(func() { demand(t, ours.Close()) })
	for number := 0; number < 20; number++ {
		store, err := ours.SessionRead(background, "abc")
		demand(t, err)
		demand(t, store.Set(background, "n", number))
		store.SessionRelease(background, nil)
	}
	var oldest, connections int
	demand(t, server.QueryRow("SELECT count(*), count(DISTINCT backend_start) FROM pg_stat_activity WHERE application_name = 'kept'").
		Scan(&connections, &oldest))
	if connections != 1 {
		t.Errorf("there are %d connections", connections)
	}
}

func TestProviderStrings(t *testing.T) {
	for _, config := range []string{"", "user=a password=b dbname=c sslmode=disable", "postgres://a:b@h/c", "postgresql://a:b@h/c?sslmode=disable"} {
		_, err := open(background, 1, config)
		demand(t, err)
	}
	for _, config := range []string{"secret", "user=a password", "postgres://a:secret@h:x/c"} {
		if _, err := open(background, 1, config); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestErrorsQuoteNoID(t *testing.T) {
	failed := shared.Explain(name, fmt.Errorf("wrapped: %w", &pq.Error{Code: "22021", Message: "id-of-a-session"}), tell)
	if text := fmt.Sprintf("%v %+v %#v", failed, failed, failed); strings.Contains(text, "id-of") || !strings.Contains(text, "22021") {
		t.Error(text)
	}
}
