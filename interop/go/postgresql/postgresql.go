// Package postgresql is a drop-in replacement for beego's session provider of that name:
//
//	import _ "beesession/interop/go/postgresql"
//
// in the place of "github.com/beego/beego/v2/server/web/session/postgres"; not both. It takes the same provider
// strings, and uses the same table:
//
//	CREATE TABLE session (
//	    session_key CHAR(64) NOT NULL PRIMARY KEY,
//	    session_data BYTEA NOT NULL,
//	    session_expiry TIMESTAMP WITHOUT TIME ZONE NOT NULL
//	);
//	CREATE INDEX session_session_expiry ON session (session_expiry);
package postgresql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"strconv"

	"github.com/beego/beego/v2/server/web/session"
	"github.com/lib/pq"

	"beesession/interop/go/internal/shared"
	"beesession/interop/go/internal/sqlstore"
)

const (
	name  = "postgresql"
	table = "session"
)

// TimeZone is the zone of the column session_expiry, which has none of its own: the name of a zone that the database
// knows. The Django site has the same one in STORE_TIMEZONE. Where beego's own provider writes to the table as well,
// it has to be the zone of those processes, as they store their local time. Set it before the session manager is made.
var TimeZone = "UTC"

// MaxOpenConns is how many connections there are at most; who finds none free waits. Set it before the session manager
// is made.
var MaxOpenConns = 50

func init() {
	session.Register(name, shared.NewProvider(name, true, open))
}

// open connects nothing yet, as beego's own provider.
func open(_ context.Context, lifetime int64, config string) (shared.Backend, error) {
	connector, err := pq.NewConnector(config)
	if err != nil {
		// The driver's error may quote a part of the string, and so of the password.
		return nil, errors.New("beesession: postgresql: the provider string is neither a URL nor words of key=value")
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(MaxOpenConns)
	return sqlstore.New(db, dialect(TimeZone), table, lifetime), nil
}

// dialect returns the SQL of PostgreSQL 11 and later. A moment is turned into the column's zone last, so that its
// difference to another is right on either side of a change of the clocks.
func dialect(zone string) sqlstore.Dialect {
	const cutoff = "(statement_timestamp() - make_interval(secs => CAST(:lifetime AS double precision)))" +
		" AT TIME ZONE CAST(:zone AS text)"
	const data = "COALESCE(session_data, '')"
	return sqlstore.Dialect{
		Provider:    name,
		Placeholder: func(number int) string { return "$" + strconv.Itoa(number) },
		Matches:     "session_key = :sid",
		Live:        "session_expiry > " + cutoff,
		Expired:     "session_expiry <= " + cutoff,
		Now:         "statement_timestamp() AT TIME ZONE CAST(:zone AS text)",
		Data:        data,
		Unchanged:   "sha256(" + data + ") = :digest",
		IfTaken:     " ON CONFLICT (session_key) DO NOTHING",
		Extra:       map[string]any{"zone": zone},
		Digest:      digest,
		Taken:       is("23505"),                   // unique_violation
		Repeatable:  is("40001", "40P01", "55P03"), // serialization_failure, deadlock_detected, lock_not_available
		TooLarge:    is("54000"),                   // program_limit_exceeded
		Tell:        tell,
	}
}

func digest(data []byte) any {
	sum := sha256.Sum256(data)
	return sum[:]
}

func is(states ...pq.ErrorCode) func(error) bool {
	return func(err error) bool {
		var answer *pq.Error
		if !errors.As(err, &answer) {
			return false
		}
		for _, state := range states {
			if answer.Code == state {
				return true
			}
		}
		return false
	}
}

// tell returns the SQLSTATE of an error; its text may quote a value.
func tell(err error) string {
	var answer *pq.Error
	if errors.As(err, &answer) {
		return "SQLSTATE " + string(answer.Code)
	}
	return ""
}
