// Package contract holds every session provider to the same promises, on a real server and beside the real beego.
package contract

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"

	"beesession/interop/go"
	"beesession/interop/go/internal/shared"
)

// Lifetime is that of the sessions under test, in seconds.
const Lifetime = 600

// Server is what holds the sessions, as it is seen without any provider.
type Server interface {
	// Stored returns the data under an id, and whether there is any.
	Stored(t *testing.T, sid string) ([]byte, bool)
	// Store puts data there, whatever was there before.
	Store(t *testing.T, sid string, data []byte)
	// Remaining returns how long the record lives on.
	Remaining(t *testing.T, sid string) time.Duration
	// Expire lets the record expire.
	Expire(t *testing.T, sid string)
}

// Marks is a server on which a session that has ended leaves a revocation mark.
type Marks interface {
	// MarkRemaining returns how long a mark lives on; zero when there is none.
	MarkRemaining(t *testing.T, sid string) time.Duration
	// ShortenMark lets a mark have a minute to live.
	ShortenMark(t *testing.T, sid string)
}

// Setup is what the contract needs.
type Setup struct {
	// New makes a provider of ours, Beego one of beego's own. Neither is initialised.
	New   func() *shared.Provider
	Beego func() session.Provider
	// Config is the provider string for both.
	Config string
	Server Server
	// Large is the size of a session that has to fit; TooLarge, if not zero, of one that must not.
	Large, TooLarge int
	// Counts says that SessionAll counts, and SessionGC collects.
	Counts bool
}

// Config returns the provider string of a server that an environment variable names. Without it the test is skipped;
// with CI=true it fails.
func Config(t *testing.T, variable string) string {
	t.Helper()
	config := os.Getenv(variable)
	if config != "" {
		return config
	}
	if ci := strings.ToLower(os.Getenv("CI")); ci == "true" || ci == "1" {
		t.Fatalf("%s is not set, and CI=true: nothing may be left out", variable)
	}
	t.Skipf("%s names no server", variable)
	return ""
}

// fixture is one test's provider, and the errors that it reported.
type fixture struct {
	*testing.T
	Setup
	ours, beego session.Provider

	mu       sync.Mutex
	reported []error
}

var background = context.Background()

func begin(t *testing.T, setup Setup, ours, beego session.Provider) *fixture {
	t.Helper()
	f := &fixture{T: t, Setup: setup, ours: ours, beego: beego}
	beesession.OnError = func(err error) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.reported = append(f.reported, err)
	}
	t.Cleanup(func() {
		beesession.OnError = nil
		for _, err := range f.errors() {
			t.Errorf("reported: %v", err)
		}
	})
	return f
}

// errors returns what was reported, and forgets it.
func (f *fixture) errors() []error {
	f.mu.Lock()
	defer f.mu.Unlock()
	reported := f.reported
	f.reported = nil
	return reported
}

// demandReported fails unless exactly these errors were reported.
func (f *fixture) demandReported(wanted ...error) {
	f.Helper()
	reported := f.errors()
	if len(reported) != len(wanted) {
		f.Fatalf("reported %v, not %v", reported, wanted)
	}
	for i, err := range wanted {
		if reported[i] != err {
			f.Errorf("reported %v, not %v", reported[i], err)
		}
	}
}

func newID() string {
	raw := make([]byte, 16)
	if _, err := rand.Read(raw); err != nil {
		panic(err)
	}
	return hex.EncodeToString(raw)
}

// read returns the store of a new request.
func (f *fixture) read(sid string) session.Store { return f.readBy(f.ours, sid) }

func (f *fixture) readBy(provider session.Provider, sid string) session.Store {
	f.Helper()
	store, err := provider.SessionRead(background, sid)
	if err != nil {
		f.Fatal(err)
	}
	return store
}

func (f *fixture) exists(sid string) bool {
	f.Helper()
	found, err := f.ours.SessionExist(background, sid)
	if err != nil {
		f.Fatal(err)
	}
	return found
}

func (f *fixture) destroy(sid string) {
	f.Helper()
	if err := f.ours.SessionDestroy(background, sid); err != nil {
		f.Fatal(err)
	}
}

func (f *fixture) regenerate(oldSid, sid string) session.Store {
	f.Helper()
	store, err := f.ours.SessionRegenerate(background, oldSid, sid)
	if err != nil {
		f.Fatal(err)
	}
	return store
}

// set changes keys of a store: key, value, key, value.
func (f *fixture) set(store session.Store, pairs ...interface{}) {
	f.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if err := store.Set(background, pairs[i], pairs[i+1]); err != nil {
			f.Fatal(err)
		}
	}
}

func release(store session.Store) {
	store.SessionRelease(background, httptest.NewRecorder())
}

// made returns the id of a session that is stored with these values.
func (f *fixture) made(pairs ...interface{}) string {
	f.Helper()
	sid := newID()
	store := f.read(sid)
	f.set(store, pairs...)
	release(store)
	return sid
}

// demand fails unless a new request finds these values.
func (f *fixture) demand(sid string, pairs ...interface{}) {
	f.Helper()
	if !f.exists(sid) {
		f.Fatal("there is no session")
	}
	f.demandIn(f.read(sid), pairs...)
}

func (f *fixture) demandIn(store session.Store, pairs ...interface{}) {
	f.Helper()
	for i := 0; i < len(pairs); i += 2 {
		if found := store.Get(background, pairs[i]); found != pairs[i+1] {
			f.Errorf("%v is %v (%T), not %v (%T)", pairs[i], found, found, pairs[i+1], pairs[i+1])
		}
	}
}

// demandNone fails unless there is no session, for a new request as well as on the server.
func (f *fixture) demandNone(sid string) {
	f.Helper()
	if f.exists(sid) {
		f.Error("there is a session")
	}
	if _, stored := f.Server.Stored(f.T, sid); stored {
		f.Error("something is stored")
	}
}

func (f *fixture) stored(sid string) []byte {
	f.Helper()
	data, stored := f.Server.Stored(f.T, sid)
	if !stored {
		f.Fatal("nothing is stored")
	}
	return data
}

// near fails unless a time is as long as wanted, give or take two seconds.
func (f *fixture) near(found, wanted time.Duration) {
	f.Helper()
	if found < wanted-2*time.Second || found > wanted+2*time.Second {
		f.Errorf("lives on for %v, not %v", found, wanted)
	}
}
