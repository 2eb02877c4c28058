// Package redis is a drop-in replacement for beego's session provider of that name:
//
//	import _ "beesession/interop/go/redis"
//
// in the place of "github.com/beego/beego/v2/server/web/session/redis"; not both. It takes the same provider strings,
// and stores the same: a string under the session id, which expires by itself.
package redis

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"errors"
	"strings"

	"github.com/beego/beego/v2/server/web/session"
	"github.com/redis/go-redis/v9"

	"beesession/interop/go"
	"beesession/interop/go/internal/shared"
)

const (
	name = "redis"

	// longestLifetime is the largest number of seconds whose milliseconds, twice, Lua's numbers hold.
	longestLifetime = (1 << 53) / 2000
)

func init() {
	session.Register(name, shared.NewProvider(name, false, open))
}

// backend keeps sessions in one Redis database. Each operation is one command.
type backend struct {
	client       redis.UniversalClient
	lifetime     int64 // both in milliseconds
	markLifetime int64
}

func open(ctx context.Context, lifetime int64, config string) (shared.Backend, error) {
	options, err := parse(config)
	if err != nil {
		return nil, err
	}
	made := newBackend(redis.NewClient(options), lifetime)
	if err := made.client.Ping(ctx).Err(); err != nil {
		_ = made.client.Close() // the first error is the one to return
		return nil, explain(err)
	}
	return made, nil
}

func newBackend(client redis.UniversalClient, lifetime int64) *backend {
	milliseconds := 1000 * min(lifetime, longestLifetime)
	return &backend{client: client, lifetime: milliseconds, markLifetime: 2 * milliseconds}
}

func (b *backend) Read(ctx context.Context, sid string) (*shared.Record, error) {
	found, err := b.client.MGet(ctx, sid, mark(sid)).Result()
	if err != nil {
		return nil, explain(err)
	}
	data, isRecord := found[0].(string)
	switch {
	case !isRecord:
		return nil, nil
	case found[1] != nil:
		// A blind write has brought back what was revoked. To ask whether it is there removes it.
		_, err := b.Exists(ctx, sid)
		return nil, err
	}
	return record(data), nil
}

func (b *backend) Exists(ctx context.Context, sid string) (bool, error) {
	reply, err := b.run(ctx, exists, sid)
	return reply == int64(1), err
}

func (b *backend) Create(ctx context.Context, sid string, data []byte) (*shared.Record, error) {
	return b.written(data)(b.run(ctx, create, sid, data, b.lifetime))
}

func (b *backend) Swap(ctx context.Context, sid string, old *shared.Record, data []byte) (*shared.Record, error) {
	return b.written(data)(b.run(ctx, swap, sid, data, b.lifetime, digest(old.Data)))
}

func (b *backend) Touch(ctx context.Context, sid string) error {
	reply, err := b.run(ctx, touch, sid, b.lifetime)
	if err == nil && reply != int64(1) {
		err = beesession.ErrGone
	}
	return err
}

func (b *backend) Move(ctx context.Context, oldSid, newSid string) (*shared.Record, error) {
	keys := []string{oldSid, mark(oldSid), newSid, mark(newSid)}
	reply, err := b.runOn(ctx, move, keys, b.lifetime)
	if err != nil {
		return nil, err
	}
	switch reply := reply.(type) {
	case string:
		return record(reply), nil
	case int64:
		return nil, beesession.ErrTaken
	}
	return nil, nil
}

func (b *backend) Destroy(ctx context.Context, sid string) error {
	_, err := b.run(ctx, destroy, sid)
	return err
}

// Count returns 0, as beego's own provider does: the database may hold other keys, and many of them.
func (b *backend) Count(context.Context) (int, error) { return 0, nil }

// Collect does nothing: Redis removes what has expired.
func (b *backend) Collect(context.Context) error { return nil }

func (b *backend) Close() error { return b.client.Close() }

// written reads the reply of a script that writes.
func (b *backend) written(data []byte) func(reply any, err error) (*shared.Record, error) {
	return func(reply any, err error) (*shared.Record, error) {
		if err != nil {
			return nil, err
		}
		switch reply := reply.(type) {
		case string:
			return nil, &shared.Conflict{Current: record(reply)}
		case int64:
			return &shared.Record{Data: data}, nil
		}
		return nil, beesession.ErrGone
	}
}

// run runs a script on a session and its mark. Its first argument is always the lifetime of marks.
func (b *backend) run(ctx context.Context, script *redis.Script, sid string, args ...any) (any, error) {
	return b.runOn(ctx, script, []string{sid, mark(sid)}, args...)
}

func (b *backend) runOn(ctx context.Context, script *redis.Script, keys []string, args ...any) (any, error) {
	reply, err := script.Run(ctx, b.client, keys, append([]any{b.markLifetime}, args...)...).Result()
	if errors.Is(err, redis.Nil) {
		return nil, nil
	}
	return reply, explain(err)
}

// mark returns the key of the mark that says that an id was revoked. The braces put it into the slot of the session.
func mark(sid string) string { return "{" + sid + "}" + shared.MarkSuffix }

func record(data string) *shared.Record { return &shared.Record{Data: []byte(data)} }

func digest(data []byte) string {
	sum := sha1.Sum(data)
	return hex.EncodeToString(sum[:])
}

func explain(err error) error { return shared.Explain(name, err, tell) }

// tell returns the first word of an error of the server's; what follows may repeat the command.
func tell(err error) string {
	var answer redis.Error
	if !errors.As(err, &answer) {
		return ""
	}
	word, _, _ := strings.Cut(answer.Error(), " ")
	return word
}
