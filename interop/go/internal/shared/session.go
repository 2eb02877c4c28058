package shared

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"beesession/interop/go"
)

// OperationTimeout is how long one command to a server may take.
const OperationTimeout = 5 * time.Second

// Session is the store of one request: beego's session.Store. It remembers what it was read from, so that a release
// writes only what the request has changed, and only over what it has seen.
type Session struct {
	backend Backend
	sid     string

	mu      sync.Mutex
	values  Values
	record  *Record // what the store had when this was read or saved; nil for a session that is new
	touched bool    // values may differ from what the record holds
	cleared bool    // the request has emptied the session
	gone    bool    // the session has ended
}

// open makes the store of a request from a record, or a new one from nil.
func open(backend Backend, sid string, record *Record) (*Session, error) {
	values := Values{}
	if record != nil {
		var err error
		if values, err = Decode(record.Data); err != nil {
			return nil, err
		}
	}
	return &Session{backend: backend, sid: sid, values: values, record: record}, nil
}

// Set sets a value of the session; SessionRelease saves it. It returns ErrNil for nil.
func (s *Session) Set(_ context.Context, key, value interface{}) error {
	if value == nil {
		return beesession.ErrNil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values[key] = value
	s.touched = true
	return nil
}

// Get returns a value of the session, or nil. What changes inside a map, a slice or what a pointer leads to is saved
// as well.
func (s *Session) Get(_ context.Context, key interface{}) interface{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	value := s.values[key]
	s.touched = s.touched || !isPlain(value)
	return value
}

// Delete removes a value from the session; SessionRelease saves that.
func (s *Session) Delete(_ context.Context, key interface{}) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.values, key)
	s.touched = true
	return nil
}

// Flush removes all values, also those that other requests add until SessionRelease.
func (s *Session) Flush(context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.values = Values{}
	s.touched, s.cleared = true, true
	return nil
}

// SessionID returns the id of the session.
func (s *Session) SessionID(context.Context) string { return s.sid }

// SessionRelease saves what the request has changed, or else renews the expiry alone. Changes of other requests are
// kept. A session that has ended is not brought back. Errors go to beesession.OnError.
//
// It goes on when the client has gone and its context is over.
func (s *Session) SessionRelease(ctx context.Context, _ http.ResponseWriter) {
	if err := s.save(ctx, true); err != nil {
		beesession.Report(err)
	}
}

// SessionReleaseIfPresent does the same, but does not store a session that is new.
func (s *Session) SessionReleaseIfPresent(ctx context.Context, _ http.ResponseWriter) {
	if err := s.save(ctx, false); err != nil {
		beesession.Report(err)
	}
}

func (s *Session) save(ctx context.Context, mayCreate bool) error {
	// Under the lock, as nobody may change the values while they are encoded.
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx = detached(ctx)
	base, mine, err := s.changes()
	if err != nil {
		return err
	}
	if s.gone {
		return s.ended(mine)
	}
	if s.record != nil && mine.none() {
		ctx, cancel := context.WithTimeout(ctx, OperationTimeout)
		defer cancel()
		err = s.backend.Touch(ctx, s.sid)
	} else {
		err = s.compareAndSet(ctx, base, mine, mayCreate)
	}
	if errors.Is(err, beesession.ErrGone) {
		s.gone = true
		return s.ended(mine)
	}
	return err
}

// ended returns what there is to say of a session that has ended: nothing, if no change is lost.
func (s *Session) ended(mine changes) error {
	if mine.none() {
		return nil
	}
	return beesession.ErrGone
}

// changes returns what the session was before the request changed it, and how it did.
func (s *Session) changes() (Values, changes, error) {
	if s.record == nil {
		return Values{}, diff(Values{}, s.values, false), nil
	}
	if !s.touched {
		return nil, changes{}, nil
	}
	base, err := Decode(s.record.Data)
	if err != nil {
		return nil, changes{}, err
	}
	mine, err := diff(base, s.values, s.cleared).normalised(base)
	return base, mine, err
}

// compareAndSet makes the request's changes to what is stored, until that did not change in between.
func (s *Session) compareAndSet(ctx context.Context, base Values, mine changes, mayCreate bool) error {
	data, record, merged := mine.apply(base), s.record, false
	for attempt := newAttempts(); attempt.next(); {
		if attempt.made == triesAtOnce+1 {
			defer inTurn.take(turnKey{s.backend, s.sid}, attempt.left())()
		}
		payload, err := Encode(data)
		if err != nil {
			return err
		}
		stored, err := s.write(ctx, record, payload, mayCreate)
		var conflict *Conflict
		if !errors.As(err, &conflict) {
			if err == nil && stored != nil {
				s.follow(data, stored, merged)
			}
			return err
		}
		if record, err = s.current(ctx, conflict); err != nil {
			return err
		}
		if record == nil {
			// Somebody else had stored a new session under this id, and it has gone again.
			data, merged = mine.apply(base), false
			continue
		}
		if bytes.Equal(record.Data, payload) {
			// The reply to this very write was lost, and the client library has sent it again.
			s.follow(data, record, merged)
			return nil
		}
		theirs, err := Decode(record.Data)
		if err != nil {
			return err
		}
		if data, err = merge(base, mine, theirs); err != nil {
			return err
		}
		merged = true
	}
	return beesession.ErrConflict
}

// write stores data in the place of a record, or as a new one. It returns nil when it was not to store a new one.
func (s *Session) write(ctx context.Context, record *Record, data []byte, mayCreate bool) (*Record, error) {
	ctx, cancel := context.WithTimeout(ctx, OperationTimeout)
	defer cancel()
	if record != nil {
		return s.backend.Swap(ctx, s.sid, record, data)
	}
	if mayCreate {
		return s.backend.Create(ctx, s.sid, data)
	}
	current, err := s.backend.Read(ctx, s.sid)
	if current != nil {
		err = &Conflict{current}
	}
	return nil, err
}

// current returns the record that a write has met. There may be none any more, and unless the session was new, that
// is its end.
func (s *Session) current(ctx context.Context, conflict *Conflict) (*Record, error) {
	if conflict.Current != nil {
		return conflict.Current, nil
	}
	ctx, cancel := context.WithTimeout(ctx, OperationTimeout)
	defer cancel()
	record, err := s.backend.Read(ctx, s.sid)
	if err == nil && record == nil && s.record != nil {
		err = beesession.ErrGone
	}
	return record, err
}

// follow takes over what has been stored.
func (s *Session) follow(data Values, stored *Record, merged bool) {
	s.record, s.cleared = stored, false
	if merged {
		s.values = data
	}
}

// detached returns a context that does not end with the request. beego passes nil for none.
func detached(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return context.WithoutCancel(ctx)
}
