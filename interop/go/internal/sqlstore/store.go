package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"time"

	"beesession/interop/go"
	"beesession/interop/go/internal/shared"
)

const (
	// keyLength is how many characters beego's column holds.
	keyLength = 64

	longestLifetime = 100 * 365 * 24 * 3600

	idleConnections = 10
	// A server or a firewall ends connections that were idle for long, and a name may lead somewhere else by then.
	idleWithin       = time.Minute
	connectionWithin = 10 * time.Minute
)

type store struct {
	db      *sql.DB
	dialect Dialect
	fixed   values

	read, exists, insert, replaceExpired, swap, touch, move, delete, deleteExpired, count, collect statement
}

// New returns the sessions in a table. It connects to nothing yet.
func New(db *sql.DB, dialect Dialect, table string, lifetime int64) shared.Backend {
	db.SetMaxIdleConns(idleConnections)
	db.SetConnMaxIdleTime(idleWithin)
	db.SetConnMaxLifetime(connectionWithin)
	made := &store{db: db, dialect: dialect, fixed: values{"lifetime": min(lifetime, longestLifetime)}}
	maps.Copy(made.fixed, dialect.Extra)

	live := dialect.Matches + " AND " + dialect.Live
	expired := dialect.Matches + " AND " + dialect.Expired
	update := "UPDATE " + table + " SET session_data = :data, session_expiry = " + dialect.Now
	made.read = dialect.compile("SELECT " + dialect.Data + " FROM " + table + " WHERE " + live)
	made.exists = dialect.compile("SELECT 1 FROM " + table + " WHERE " + live)
	made.insert = dialect.compile("INSERT INTO " + table + " (session_key, session_data, session_expiry) VALUES (:sid, :data, " +
		dialect.Now + ")" + dialect.IfTaken)
	made.replaceExpired = dialect.compile(update + " WHERE " + expired)
	made.swap = dialect.compile(update + " WHERE " + live + " AND " + dialect.Unchanged)
	made.touch = dialect.compile("UPDATE " + table + " SET session_expiry = " + dialect.Now + " WHERE " + live)
	made.move = dialect.compile("UPDATE " + table + " SET session_key = :new_sid, session_expiry = " + dialect.Now +
		" WHERE " + live)
	made.delete = dialect.compile("DELETE FROM " + table + " WHERE " + dialect.Matches)
	made.deleteExpired = dialect.compile("DELETE FROM " + table + " WHERE " + expired)
	made.count = dialect.compile("SELECT COUNT(*) FROM " + table + " WHERE " + dialect.Live)
	made.collect = dialect.compile("DELETE FROM " + table + " WHERE " + dialect.Expired)
	return made
}

func (s *store) Read(ctx context.Context, sid string) (*shared.Record, error) {
	var data []byte
	err := s.row(ctx, s.read, values{"sid": sid}).Scan(&data)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, s.explain(err)
	}
	return &shared.Record{Data: data}, nil
}

func (s *store) Exists(ctx context.Context, sid string) (bool, error) {
	var one int
	err := s.row(ctx, s.exists, values{"sid": sid}).Scan(&one)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, s.explain(err)
}

func (s *store) Create(ctx context.Context, sid string, data []byte) (*shared.Record, error) {
	if len(sid) > keyLength {
		return nil, beesession.ErrBadID
	}
	data = stored(data)
	given := values{"sid": sid, "data": data}
	made, err := s.execute(ctx, s.insert, given)
	if err == nil && made == 0 || err != nil && s.dialect.Taken(err) {
		// Whoever has the id may have expired, and then it is free.
		made, err = s.execute(ctx, s.replaceExpired, given)
	}
	return s.written(data, made, err)
}

func (s *store) Swap(ctx context.Context, sid string, old *shared.Record, data []byte) (*shared.Record, error) {
	data = stored(data)
	given := values{"sid": sid, "data": data, "digest": s.dialect.Digest(old.Data)}
	made, err := s.execute(ctx, s.swap, given)
	return s.written(data, made, err)
}

func (s *store) Touch(ctx context.Context, sid string) error {
	made, err := s.execute(ctx, s.touch, values{"sid": sid})
	if err == nil && made == 0 {
		return beesession.ErrGone
	}
	return s.explain(err)
}

func (s *store) Move(ctx context.Context, oldSid, newSid string) (*shared.Record, error) {
	if len(newSid) > keyLength {
		return nil, beesession.ErrBadID
	}
	given := values{"sid": oldSid, "new_sid": newSid}
	made, err := s.execute(ctx, s.move, given)
	if err != nil && s.dialect.Taken(err) {
		if made, err = s.execute(ctx, s.deleteExpired, values{"sid": newSid}); err == nil && made == 0 {
			return nil, beesession.ErrTaken
		}
		if err == nil {
			made, err = s.execute(ctx, s.move, given)
		}
	}
	if err != nil || made == 0 {
		return nil, s.explain(err)
	}
	// A statement that writes cannot return what there is, in MySQL. Nobody else knows the new id yet.
	return s.Read(ctx, newSid)
}

func (s *store) Destroy(ctx context.Context, sid string) error {
	_, err := s.execute(ctx, s.delete, values{"sid": sid})
	return s.explain(err)
}

func (s *store) Count(ctx context.Context) (number int, err error) {
	err = s.row(ctx, s.count, nil).Scan(&number)
	return number, s.explain(err)
}

func (s *store) Collect(ctx context.Context) error {
	_, err := s.execute(ctx, s.collect, nil)
	return s.explain(err)
}

func (s *store) Close() error { return s.db.Close() }

// written returns what a write has stored, or why it has not.
func (s *store) written(data []byte, rows int64, err error) (*shared.Record, error) {
	switch {
	case err == nil && rows == 0, err != nil && s.dialect.Repeatable(err):
		return nil, &shared.Conflict{} // or there is none: who reads it anew will see
	case err != nil:
		return nil, s.explain(err)
	}
	return &shared.Record{Data: data}, nil
}

func (s *store) explain(err error) error {
	if err != nil && s.dialect.TooLarge(err) {
		return beesession.ErrTooLarge
	}
	return shared.Explain(s.dialect.Provider, err, s.dialect.Tell)
}

// stored returns data as it comes back: nil would be stored as NULL.
func stored(data []byte) []byte {
	if data == nil {
		return []byte{}
	}
	return data
}
