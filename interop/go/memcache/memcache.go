// Package memcache is a drop-in replacement for beego's session provider of that name:
//
//	import _ "beesession/interop/go/memcache"
//
// in the place of "github.com/beego/beego/v2/server/web/session/memcache"; not both. It takes the same provider
// strings, and stores the same: an item under the session id, which expires by itself.
//
// memcached has no scripts, so some operations take more than one command. Their order is such that whoever sees half
// of one sees a session that has ended, and never one that has come back.
package memcache

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/beego/beego/v2/server/web/session"
	"github.com/bradfitz/gomemcache/memcache"

	"beesession/interop/go"
	"beesession/interop/go/internal/shared"
)

var (
	// Timeout is how long the client waits for a server. Its own default, which beego has, is a tenth of a second.
	Timeout = time.Second

	// MaxIdleConns is how many idle connections to each server are kept.
	MaxIdleConns = 32
)

const (
	name = "memcache"

	longestLifetime = 5 * 365 * 24 * 3600
	month           = 30 * 24 * 3600 // a larger number is a date for memcached
	begunSecond     = 1              // it counts from its last full second, which may be almost over
	atOnce          = -1             // an item with this expiry is dropped

	// moveTries bounds how often a session that is to get another id may change meanwhile.
	moveTries = 100
)

func init() {
	session.Register(name, shared.NewProvider(name, false, open))
}

// backend keeps sessions in the items of memcached. The token of a record is the item as it was read; that of one just
// written is not known.
type backend struct {
	client       *memcache.Client
	servers      int
	lifetime     int64
	markLifetime int64
}

// open connects nothing yet, as beego's own provider.
func open(_ context.Context, lifetime int64, config string) (shared.Backend, error) {
	addresses := strings.Split(config, ";")
	if slices.Contains(addresses, "") {
		return nil, errors.New("beesession: memcache: the provider string has an empty address")
	}
	servers := new(memcache.ServerList)
	if err := servers.SetServers(addresses...); err != nil {
		return nil, explain(err)
	}
	client := memcache.NewFromSelector(servers)
	client.Timeout, client.MaxIdleConns = Timeout, MaxIdleConns
	lifetime = min(lifetime, longestLifetime)
	return &backend{client: client, servers: len(addresses), lifetime: lifetime, markLifetime: 2 * lifetime}, nil
}

func (b *backend) Read(_ context.Context, sid string) (*shared.Record, error) {
	item, marked, err := b.look(sid)
	if err != nil || item == nil {
		return nil, explain(err)
	}
	if marked {
		// A blind write has brought back what was revoked.
		return nil, explain(b.revoke(sid))
	}
	return &shared.Record{Data: item.Value, Token: item}, nil
}

func (b *backend) Exists(ctx context.Context, sid string) (bool, error) {
	record, err := b.Read(ctx, sid)
	return record != nil, err
}

func (b *backend) Create(ctx context.Context, sid string, data []byte) (*shared.Record, error) {
	record, err := b.create(sid, data)
	return record, explain(err)
}

func (b *backend) create(sid string, data []byte) (*shared.Record, error) {
	taken := b.client.Add(&memcache.Item{Key: sid, Value: data, Expiration: expiry(b.lifetime)})
	if taken != nil && !errors.Is(taken, memcache.ErrNotStored) {
		return nil, taken
	}
	// Who revokes leaves the mark first, and then removes: either this sees the mark, or that removes the item.
	if taken == nil {
		_, err := b.client.Get(mark(sid))
		if errors.Is(err, memcache.ErrCacheMiss) {
			return &shared.Record{Data: data}, nil
		}
		return nil, orGone(err, b.revoke(sid))
	}
	item, marked, err := b.look(sid)
	switch {
	case err != nil:
		return nil, err
	case marked:
		return nil, orGone(b.revoke(sid))
	case item == nil:
		return nil, &shared.Conflict{}
	}
	return nil, &shared.Conflict{Current: &shared.Record{Data: item.Value, Token: item}}
}

// Swap need not look for a mark: the item was read when there was none, and has changed since if it was revoked.
func (b *backend) Swap(_ context.Context, sid string, old *shared.Record, data []byte) (*shared.Record, error) {
	item, err := b.token(sid, old)
	if err == nil {
		err = b.compareAndSwap(item, data, expiry(b.lifetime))
	}
	if err != nil {
		return nil, explain(err)
	}
	return &shared.Record{Data: data}, nil
}

// Touch does not look for a mark, either: what it prolongs was read, so a record that has come back ends before its
// mark.
func (b *backend) Touch(_ context.Context, sid string) error {
	err := b.client.Touch(sid, expiry(b.lifetime))
	if errors.Is(err, memcache.ErrCacheMiss) {
		return beesession.ErrGone
	}
	return explain(err)
}

// Move stores the session under the new id, which nobody knows yet, before it ends the old one.
func (b *backend) Move(_ context.Context, oldSid, newSid string) (*shared.Record, error) {
	record, err := b.move(oldSid, newSid)
	return record, explain(err)
}

func (b *backend) move(oldSid, newSid string) (*shared.Record, error) {
	item, marked, err := b.look(oldSid)
	if err != nil {
		return nil, err
	}
	if item == nil || marked {
		return nil, b.revoke(oldSid)
	}
	made, err := b.create(newSid, item.Value)
	var conflict *shared.Conflict
	if errors.As(err, &conflict) || errors.Is(err, beesession.ErrGone) {
		return nil, beesession.ErrTaken
	}
	if err != nil {
		return nil, err
	}
	for try := 0; try < moveTries; try++ {
		err := b.compareAndSwap(item, nil, atOnce)
		if err == nil {
			// Not before: whoever finds both takes the session for one that has come back, and ends it. What a blind
			// write brings back from here on finds the mark.
			if err := b.leaveMark(oldSid); err != nil {
				return nil, errors.Join(err, b.remove(newSid))
			}
			return made, nil
		}
		if !errors.As(err, &conflict) {
			return nil, b.takeBack(newSid, err)
		}
		// Another request has saved it meanwhile.
		if item, err = b.client.Get(oldSid); err != nil {
			return nil, b.takeBack(newSid, err)
		}
		made = &shared.Record{Data: item.Value}
		if err := b.client.Set(&memcache.Item{Key: newSid, Value: item.Value, Expiration: expiry(b.lifetime)}); err != nil {
			return nil, b.takeBack(newSid, err)
		}
	}
	return nil, b.takeBack(newSid, beesession.ErrConflict)
}

// takeBack removes the new record of a session whose old one has ended, or could not be ended.
func (b *backend) takeBack(newSid string, reason error) error {
	if errors.Is(reason, beesession.ErrGone) || errors.Is(reason, memcache.ErrCacheMiss) {
		reason = nil
	}
	return errors.Join(reason, b.remove(newSid))
}

func (b *backend) Destroy(_ context.Context, sid string) error { return explain(b.revoke(sid)) }

// Count returns 0, as beego's own provider does: memcached does not tell.
func (b *backend) Count(context.Context) (int, error) { return 0, nil }

// Collect does nothing: memcached removes what has expired.
func (b *backend) Collect(context.Context) error { return nil }

// Close does nothing: this version of the client cannot close its connections.
func (b *backend) Close() error { return nil }

// look returns the item of a session, or nil, and whether its id was revoked. It asks for the item first, and for the
// mark then; one server is asked for both at once.
func (b *backend) look(sid string) (item *memcache.Item, marked bool, err error) {
	if b.servers > 1 {
		if item, err = found(b.client.Get(sid)); err != nil {
			return nil, false, err
		}
		left, err := found(b.client.Get(mark(sid)))
		return item, left != nil, err
	}
	items, err := b.client.GetMulti([]string{sid, mark(sid)})
	if err != nil {
		return nil, false, err
	}
	return items[sid], items[mark(sid)] != nil, nil
}

// token returns the item to compare with; that of a record just written is to be looked up.
func (b *backend) token(sid string, record *shared.Record) (*memcache.Item, error) {
	if item, ok := record.Token.(*memcache.Item); ok {
		return item, nil
	}
	item, marked, err := b.look(sid)
	switch {
	case err != nil:
		return nil, err
	case marked:
		return nil, orGone(b.revoke(sid))
	case item == nil:
		return nil, beesession.ErrGone
	case string(item.Value) != string(record.Data):
		return nil, &shared.Conflict{Current: &shared.Record{Data: item.Value, Token: item}}
	}
	return item, nil
}

func (b *backend) compareAndSwap(item *memcache.Item, data []byte, expiration int32) error {
	replaced := *item // with the number by which memcached knows this state of it
	replaced.Value, replaced.Expiration = data, expiration
	err := b.client.CompareAndSwap(&replaced)
	switch {
	case errors.Is(err, memcache.ErrCASConflict):
		return &shared.Conflict{}
	case errors.Is(err, memcache.ErrCacheMiss), errors.Is(err, memcache.ErrNotStored):
		return beesession.ErrGone
	}
	return err
}

// revoke ends a session, or what has come back of it. The mark comes first: see create.
func (b *backend) revoke(sid string) error {
	if err := b.leaveMark(sid); err != nil {
		return err
	}
	return b.remove(sid)
}

func (b *backend) leaveMark(sid string) error {
	return b.client.Set(&memcache.Item{Key: mark(sid), Value: []byte("1"), Expiration: expiry(b.markLifetime)})
}

func (b *backend) remove(sid string) error {
	err := b.client.Delete(sid)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil
	}
	return err
}

// mark returns the key of the mark that says that an id was revoked.
func mark(sid string) string { return sid + shared.MarkSuffix }

// expiry returns a lifetime as memcached takes it: seconds, and above a month a date.
func expiry(seconds int64) int32 {
	counted := seconds + begunSecond
	if counted > month {
		counted = min(time.Now().Unix()+counted, math.MaxInt32)
	}
	return int32(counted)
}

// found turns a miss into nil.
func found(item *memcache.Item, err error) (*memcache.Item, error) {
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, nil
	}
	return item, err
}

// orGone returns the first error, or ErrGone.
func orGone(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return beesession.ErrGone
}

func explain(err error) error {
	if err != nil && strings.Contains(err.Error(), "object too large") {
		return beesession.ErrTooLarge
	}
	return shared.Explain(name, err, tell)
}

// tell returns what the client says by itself; what it says of a reply may quote it.
func tell(err error) string {
	for _, own := range []error{memcache.ErrNoServers, memcache.ErrServerError, memcache.ErrMalformedKey} {
		if errors.Is(err, own) {
			return own.Error()
		}
	}
	return ""
}
