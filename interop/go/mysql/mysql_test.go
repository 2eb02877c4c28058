package mysql

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"
	beego "github.com/beego/beego/v2/server/web/session/mysql"
	"github.com/go-sql-driver/mysql"

	"beesession/interop/go"
	"beesession/interop/go/internal/contract"
	"beesession/interop/go/internal/shared"
)

const (
	variable = "BEESESSION_MYSQL"

	ownTable = `CREATE TABLE IF NOT EXISTS go_session (
		session_key CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL PRIMARY KEY,
		session_data MEDIUMBLOB NOT NULL,
		session_expiry INT UNSIGNED NOT NULL,
		INDEX session_expiry (session_expiry)
	) ENGINE = InnoDB`
	beegosTable = `CREATE TABLE IF NOT EXISTS go_session (
		session_key CHAR(64) NOT NULL PRIMARY KEY,
		session_data BLOB,
		session_expiry INT(11) UNSIGNED NOT NULL
	) ENGINE = MyISAM DEFAULT CHARSET = utf8`
)

var background = context.Background()

func provider() *shared.Provider { return shared.NewProvider(name, true, open) }

func TestContract(t *testing.T) {
	config := contract.Config(t, variable)
	for _, layout := range []struct {
		name, table, parameters string
		large, tooLarge         int
	}{
		{"the table of the package's documentation", ownTable, "", 2 << 20, 0},
		{"beego's own table", beegosTable, "", 60_000, 70_000},
		{"parameters within the statement", ownTable, "interpolateParams=true", 2 << 20, 0},
		{"a server that cuts off what is too long", beegosTable, "sql_mode=%27%27", 60_000, 70_000},
	} {
		t.Run(layout.name, func(t *testing.T) {
			server := makeTable(t, config, layout.table)
			contract.Run(t, contract.Setup{
				New:      provider,
				Beego:    func() session.Provider { return &beego.Provider{} },
				Config:   with(config, layout.parameters),
				Server:   server,
				Large:    layout.large,
				TooLarge: layout.tooLarge,
				Counts:   true,
			})
		})
	}
}

func with(config, parameters string) string {
	switch {
	case parameters == "":
		return config
	case strings.Contains(config, "?"):
		return config + "&" + parameters
	}
	return config + "?" + parameters
}

// server looks at the table itself.
type server struct{ *sql.DB }

// makeTable makes a table of another name than the sessions' own, which others may use meanwhile.
func makeTable(t *testing.T, config, statement string) server {
	t.Helper()
	db, err := sql.Open("mysql", config)
	demand(t, err)
	before, beegos := TableName, beego.TableName
	TableName, beego.TableName = "go_session", "go_session"
	made := server{db}
	made.run(t, "DROP TABLE IF EXISTS go_session")
	made.run(t, statement)
	t.Cleanup(func() {
		TableName, beego.TableName = before, beegos
		made.run(t, "DROP TABLE IF EXISTS go_session")
		demand(t, db.Close())
	})
	return made
}

func (s server) run(t *testing.T, statement string, arguments ...any) {
	t.Helper()
	_, err := s.Exec(statement, arguments...)
	demand(t, err)
}

func (s server) Stored(t *testing.T, sid string) (data []byte, stored bool) {
	t.Helper()
	err := s.QueryRow("SELECT session_data FROM go_session WHERE session_key = ?", sid).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, false
	}
	demand(t, err)
	return data, true
}

func (s server) Store(t *testing.T, sid string, data []byte) {
	t.Helper()
	s.run(t, "REPLACE INTO go_session VALUES (?, ?, UNIX_TIMESTAMP())", sid, data)
}

func (s server) Remaining(t *testing.T, sid string) time.Duration {
	t.Helper()
	var seconds int64
	demand(t, s.QueryRow("SELECT CAST(session_expiry AS SIGNED) - UNIX_TIMESTAMP() FROM go_session WHERE session_key = ?", sid).
		Scan(&seconds))
	return time.Duration(contract.Lifetime+seconds) * time.Second
}

func (s server) Expire(t *testing.T, sid string) {
	t.Helper()
	s.run(t, "UPDATE go_session SET session_expiry = UNIX_TIMESTAMP() - ? WHERE session_key = ?", contract.Lifetime+2, sid)
}

func demand(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func ready(t *testing.T, table string) (session.Provider, server) {
	t.Helper()
	config := contract.Config(t, variable)
	made, ours := makeTable(t, config, table), provider()
	demand(t, ours.SessionInit(background, contract.Lifetime, config))
	t.Cleanup(func() { demand(t, ours.Close()) })
	return ours, made
}

func TestAnIDIsComparedExactly(t *testing.T) {
	ours, server := ready(t, beegosTable)
	server.Store(t, "abcdef", []byte{})
	for sid, wanted := range map[string]bool{"abcdef": true, "ABCDEF": false} {
		if found, err := ours.SessionExist(background, sid); err != nil || found != wanted {
			t.Errorf("%s: %v, %v", sid, found, err)
		}
	}
	demand(t, ours.SessionDestroy(background, "ABCDEF"))
	if _, stored := server.Stored(t, "abcdef"); !stored {
		t.Error("another session was destroyed")
	}
}

func TestAnIDThatDoesNotFitIsRefused(t *testing.T) {
	ours, _ := ready(t, ownTable)
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
	ours, server := ready(t, ownTable)
	count := func() (made int) {
		var name string
		demand(t, server.QueryRow("SHOW GLOBAL STATUS LIKE 'Connections'").Scan(&name, &made))
		return made
	}
	requests := func(number int) {
		for ; number > 0; number-- {
			store, err := ours.SessionRead(background, "abc")
			demand(t, err)
			demand(t, store.Set(background, "n", number))
			store.SessionRelease(background, nil)
		}
	}
	requests(1)
	before := count()
	requests(20)
	if made := count() - before; made > 5 { // others may use the server
		t.Errorf("20 requests made %d connections", made)
	}
}

func TestProviderStrings(t *testing.T) {
	for _, config := range []string{"/db", "user:p@ss:word@tcp(h:3306)/db?charset=utf8mb4", "user@unix(/tmp/socket)/db"} {
		_, err := open(background, 1, config)
		demand(t, err)
	}
	for _, config := range []string{"secret", "user:secret@tcp(h:3306"} {
		if _, err := open(background, 1, config); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestErrorsQuoteNoID(t *testing.T) {
	failed := shared.Explain(name, fmt.Errorf("wrapped: %w", &mysql.MySQLError{Number: 1062, Message: "Duplicate entry 'id-of-a-session'"}), tell)
	if text := fmt.Sprintf("%v %+v %#v", failed, failed, failed); strings.Contains(text, "id-of") || !strings.Contains(text, "1062") {
		t.Error(text)
	}
}
