// Package mysql is a drop-in replacement for beego's session provider of that name:
//
//	import _ "beesession/interop/go/mysql"
//
// in the place of "github.com/beego/beego/v2/server/web/session/mysql"; not both. It takes the same provider strings,
// and uses the same table:
//
//	CREATE TABLE session (
//	    session_key CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
//	    session_data MEDIUMBLOB NOT NULL,
//	    session_expiry INT UNSIGNED NOT NULL,
//	    INDEX session_expiry (session_expiry)
//	) ENGINE = InnoDB;
//
// beego's own CREATE TABLE does as well, with sessions of 64 KiB at most.
package mysql

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/beego/beego/v2/server/web/session"
	"github.com/go-sql-driver/mysql"

	"beesession/interop/go/internal/shared"
	"beesession/interop/go/internal/sqlstore"
)

const name = "mysql"

// TableName is the table of the sessions, as with beego. Set it before the session manager is made.
var TableName = "session"

// MaxOpenConns is how many connections there are at most; who finds none free waits. Set it before the session manager
// is made.
var MaxOpenConns = 50

func init() {
	session.Register(name, shared.NewProvider(name, true, open))
}

// open connects nothing yet, as beego's own provider.
func open(_ context.Context, lifetime int64, config string) (shared.Backend, error) {
	settings, err := mysql.ParseDSN(config)
	if err != nil {
		// The driver's error may quote a part of the string, and so of the password.
		return nil, errors.New("beesession: mysql: the provider string is no data source name such as user:password@tcp(host:3306)/db")
	}
	// An UPDATE has to tell how many rows it was about, not how many look different now.
	settings.ClientFoundRows = true
	if settings.Params == nil {
		settings.Params = map[string]string{}
	}
	settings.Params["sql_mode"] = strict(settings.Params["sql_mode"])
	connector, err := mysql.NewConnector(settings)
	if err != nil {
		return nil, shared.Explain(name, err, tell)
	}
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(MaxOpenConns)
	return sqlstore.New(db, dialect(), TableName, lifetime), nil
}

// strict returns a mode in which data that is too long is refused. Otherwise the server may cut it off.
func strict(mode string) string {
	if mode == "" {
		mode = "@@sql_mode"
	}
	return "CONCAT(" + mode + ", ',STRICT_ALL_TABLES')"
}

// dialect returns what MySQL and MariaDB understand alike. Its clock counts whole seconds, so a row is live until the
// second in which it expires has passed, as beego's own garbage collection has it.
func dialect() sqlstore.Dialect {
	// Inside a signed number: the column is unsigned, and a negative difference would be an error.
	const now = "CAST(UNIX_TIMESTAMP() AS SIGNED)"
	const data = "COALESCE(session_data, x'')"
	return sqlstore.Dialect{
		Provider:    name,
		Placeholder: func(int) string { return "?" },
		// beego's column folds case. The first comparison finds the row by the primary key, the second compares bytes.
		Matches:    "session_key = :sid AND CAST(TRIM(TRAILING ' ' FROM session_key) AS BINARY) = :sid",
		Live:       "session_expiry >= " + now + " - :lifetime",
		Expired:    "session_expiry < " + now + " - :lifetime",
		Now:        now,
		Data:       data,
		Unchanged:  "SHA2(" + data + ", 256) = :digest",
		Digest:     digest,
		Taken:      is(1062), // duplicate entry
		Repeatable: is(1020, 1205, 1213),
		TooLarge:   is(1153, 1301, 1406), // of a packet, a result, a column
		Tell:       tell,
	}
}

func digest(data []byte) any {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func is(numbers ...uint16) func(error) bool {
	return func(err error) bool {
		var answer *mysql.MySQLError
		if !errors.As(err, &answer) {
			return false
		}
		for _, number := range numbers {
			if answer.Number == number {
				return true
			}
		}
		return false
	}
}

// tell returns the number of an error; its text may quote a key.
func tell(err error) string {
	var answer *mysql.MySQLError
	if errors.As(err, &answer) {
		return fmt.Sprintf("error %d", answer.Number)
	}
	return ""
}
