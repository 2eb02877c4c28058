package shared

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/beego/beego/v2/server/web/session"

	"beesession/interop/go"
)

const (
	// collectWithin is how long a walk through all sessions may take.
	collectWithin = time.Minute
	// retireAfter is when the connections of a replaced configuration are closed: requests may still use them.
	retireAfter = time.Minute
)

// Open makes a backend from beego's lifetime, in seconds, and from its provider string.
type Open func(ctx context.Context, lifetime int64, config string) (Backend, error)

// Provider is beego's session.Provider on a backend. There is one of each name in a process, and it keeps one pool of
// connections.
type Provider struct {
	name    string
	open    Open
	creates bool
	backend atomic.Pointer[Backend]
}

// NewProvider returns a provider that SessionInit gets ready for use.
//
// createsOnRead says that a session which is new is stored when it is read, and not when it is first released.
func NewProvider(name string, createsOnRead bool, open Open) *Provider {
	return &Provider{name: name, open: open, creates: createsOnRead}
}

// SessionInit connects to what the provider string names.
func (p *Provider) SessionInit(ctx context.Context, lifetime int64, config string) error {
	if lifetime <= 0 {
		return fmt.Errorf("beesession: %s: the lifetime of sessions must be one second or more", p.name)
	}
	backend, err := p.open(detached(ctx), lifetime, config)
	if err != nil {
		return err
	}
	if replaced := p.backend.Swap(&backend); replaced != nil {
		time.AfterFunc(retireAfter, func() {
			if err := (*replaced).Close(); err != nil {
				beesession.Report(Explain(p.name, err, nil))
			}
		})
	}
	return nil
}

// Close ends the connections, for a process that outlives its sessions. SessionInit gets the provider ready again.
func (p *Provider) Close() error {
	backend := p.backend.Swap(nil)
	if backend == nil {
		return nil
	}
	return Explain(p.name, (*backend).Close(), nil)
}

// SessionRead returns the session with this id, or a new one: beego asks SessionExist first where it must exist.
func (p *Provider) SessionRead(ctx context.Context, sid string) (session.Store, error) {
	backend, ctx, cancel, err := p.begin(ctx, sid)
	if err != nil {
		return nil, err
	}
	defer cancel()
	record, err := backend.Read(ctx, sid)
	if err == nil && record == nil && p.creates {
		var conflict *Conflict
		if record, err = backend.Create(ctx, sid, nil); errors.As(err, &conflict) {
			record, err = backend.Read(ctx, sid)
		}
	}
	if err != nil {
		return nil, err
	}
	return p.store(backend, sid, record)
}

// SessionExist returns whether there is a live session with this id. What cannot be an id is none, and no error.
func (p *Provider) SessionExist(ctx context.Context, sid string) (bool, error) {
	backend, ctx, cancel, err := p.begin(ctx, sid)
	if errors.Is(err, beesession.ErrBadID) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer cancel()
	return backend.Exists(ctx, sid)
}

// SessionRegenerate gives a session another id, and ends the old one. Without an old session it returns a new one.
func (p *Provider) SessionRegenerate(ctx context.Context, oldSid, sid string) (session.Store, error) {
	if !IsID(oldSid) {
		return p.SessionRead(ctx, sid)
	}
	backend, ctx, cancel, err := p.begin(detached(ctx), sid)
	if err != nil {
		return nil, err
	}
	defer cancel()
	record, err := backend.Move(ctx, oldSid, sid)
	if err != nil {
		return nil, err
	}
	if record == nil {
		return p.SessionRead(ctx, sid)
	}
	return p.store(backend, sid, record)
}

// SessionDestroy ends a session, so that no request which is still running can bring it back.
func (p *Provider) SessionDestroy(ctx context.Context, sid string) error {
	backend, ctx, cancel, err := p.begin(detached(ctx), sid)
	if errors.Is(err, beesession.ErrBadID) {
		return nil
	}
	if err != nil {
		return err
	}
	defer cancel()
	if err = backend.Destroy(ctx, sid); err != nil {
		beesession.Report(err) // beego drops what is returned, and the session goes on
	}
	return err
}

// SessionAll counts the live sessions where the server can tell, and returns 0 elsewhere, as beego's own providers do.
func (p *Provider) SessionAll(ctx context.Context) int {
	number := 0
	p.walk(ctx, func(ctx context.Context, backend Backend) (err error) {
		number, err = backend.Count(ctx)
		return err
	})
	return number
}

// SessionGC removes expired sessions where the server does not do that by itself.
func (p *Provider) SessionGC(ctx context.Context) {
	p.walk(ctx, func(ctx context.Context, backend Backend) error { return backend.Collect(ctx) })
}

// begin returns what an operation on one session needs.
func (p *Provider) begin(ctx context.Context, sid string) (Backend, context.Context, context.CancelFunc, error) {
	backend, err := p.ready()
	if err != nil {
		return nil, nil, nil, err
	}
	if !IsID(sid) {
		return nil, nil, nil, beesession.ErrBadID
	}
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, OperationTimeout)
	return backend, ctx, cancel, nil
}

func (p *Provider) walk(ctx context.Context, step func(context.Context, Backend) error) {
	backend, err := p.ready()
	if err == nil {
		ctx, cancel := context.WithTimeout(detached(ctx), collectWithin)
		defer cancel()
		err = step(ctx, backend)
	}
	if err != nil {
		beesession.Report(err)
	}
}

func (p *Provider) ready() (Backend, error) {
	backend := p.backend.Load()
	if backend == nil {
		return nil, fmt.Errorf("beesession: the session provider %s is not initialised", p.name)
	}
	return *backend, nil
}

func (p *Provider) store(backend Backend, sid string, record *Record) (session.Store, error) {
	store, err := open(backend, sid, record)
	if err != nil {
		return nil, err // not the store: an interface that holds a nil pointer is not nil
	}
	return store, nil
}
