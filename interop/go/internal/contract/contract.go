package contract

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"

	"beesession/interop/go"
)

// races is how often a race is run.
const races = 50

// Run holds a provider to the contract.
func Run(t *testing.T, setup Setup) {
	ours, beego := setup.New(), setup.Beego()
	for _, provider := range []session.Provider{ours, beego} {
		if err := provider.SessionInit(background, Lifetime, setup.Config); err != nil {
			t.Fatal(err)
		}
	}
	for _, promise := range promises {
		t.Run(promise.name, func(t *testing.T) { promise.hold(begin(t, setup, ours, beego)) })
	}
	if marks, ok := setup.Server.(Marks); ok {
		for _, promise := range ofMarks {
			t.Run(promise.name, func(t *testing.T) { promise.hold(begin(t, setup, ours, beego), marks) })
		}
	}
	if err := ours.Close(); err != nil {
		t.Error(err)
	}
}

var promises = []struct {
	name string
	hold func(*fixture)
}{
	{"two requests that change different keys both survive", func(f *fixture) {
		sid := f.made("a", 1, "b", 1, "c", 1)
		one, other := f.read(sid), f.read(sid)
		f.set(one, "a", 2)
		f.set(other, "b", 2)
		release(one)
		release(other)
		f.demand(sid, "a", 2, "b", 2, "c", 1)
	}},
	{"8 writers of 25 keys each lose none of 200", func(f *fixture) {
		sid := f.made("kept", true)
		var writers sync.WaitGroup
		for writer := 0; writer < 8; writer++ {
			writers.Add(1)
			go func() {
				defer writers.Done()
				for number := 0; number < 25; number++ {
					store, err := f.ours.SessionRead(background, sid)
					if err != nil {
						f.Error(err)
						return
					}
					if err := store.Set(background, fmt.Sprintf("key-%d-%d", writer, number), number); err != nil {
						f.Error(err)
					}
					release(store)
				}
			}()
		}
		writers.Wait()
		store, lost := f.read(sid), 0
		for writer := 0; writer < 8; writer++ {
			for number := 0; number < 25; number++ {
				if store.Get(background, fmt.Sprintf("key-%d-%d", writer, number)) != number {
					lost++
				}
			}
		}
		if lost > 0 {
			f.Errorf("%d of 200 lost", lost)
		}
		f.demandIn(store, "kept", true)
	}},
	{"writers that begin a session together lose nothing either", func(f *fixture) {
		sid := newID()
		one, other := f.read(sid), f.read(sid)
		f.set(one, "a", 1)
		f.set(other, "b", 2)
		release(one)
		release(other)
		f.demand(sid, "a", 1, "b", 2)
	}},
	{"of two changes of one key the later one wins", func(f *fixture) {
		sid := f.made("n", 10)
		one, other := f.read(sid), f.read(sid)
		f.set(one, "n", 11)
		f.set(other, "n", 12)
		release(one)
		release(other)
		f.demand(sid, "n", 12)
	}},
	{"a deleted key stays deleted, and so does what others delete", func(f *fixture) {
		sid := f.made("a", 1, "b", 1, "c", 1)
		one, other := f.read(sid), f.read(sid)
		_ = one.Delete(background, "a")
		_ = other.Delete(background, "b")
		f.set(other, "c", 2)
		release(one)
		release(other)
		f.demand(sid, "a", nil, "b", nil, "c", 2)
	}},
	{"a flush takes along what others add meanwhile", func(f *fixture) {
		sid := f.made("a", 1)
		one, other := f.read(sid), f.read(sid)
		f.set(one, "b", 1)
		_ = other.Flush(background)
		f.set(other, "c", 1)
		release(one)
		release(other)
		f.demand(sid, "a", nil, "b", nil, "c", 1)
	}},
	{"a change inside a map is noticed", func(f *fixture) {
		sid := f.made("cart", map[string]interface{}{"apples": 1})
		store, other := f.read(sid), f.read(sid)
		f.set(other, "seen", true)
		store.Get(background, "cart").(map[string]interface{})["pears"] = 2
		release(other)
		release(store)
		f.demand(sid, "seen", true)
		cart := f.read(sid).Get(background, "cart")
		if wanted := (map[string]interface{}{"apples": 1, "pears": 2}); !reflect.DeepEqual(cart, wanted) {
			f.Errorf("the cart is %v", cart)
		}
	}},
	{"what is read and set to the same is no change", func(f *fixture) {
		sid := f.made("n", 1, "none", []string{}, "nan", math.NaN(), "map", map[string]interface{}{"a": 1})
		store, other := f.read(sid), f.read(sid)
		f.set(other, "n", 2)
		release(other)
		before := f.stored(sid)
		f.set(store, "n", 1, "none", []string{}, "nan", math.NaN())
		store.Get(background, "map")
		release(store)
		if !bytes.Equal(f.stored(sid), before) {
			f.Error("it was written")
		}
	}},
	{"without a change only the expiry is renewed", func(f *fixture) {
		values := []interface{}{}
		for number := 0; number < 20; number++ {
			values = append(values, fmt.Sprint("key", number), number)
		}
		sid := f.made(values...)
		before := f.stored(sid)
		store := f.read(sid)
		f.demandIn(store, values...)
		release(store)
		if !bytes.Equal(f.stored(sid), before) {
			f.Error("it was written")
		}
		f.near(f.Server.Remaining(f.T, sid), Lifetime*time.Second)
	}},
	{"a release without a change ends nothing", func(f *fixture) {
		sid := f.made("a", 1)
		store := f.read(sid)
		release(store)
		release(store)
		f.set(store, "a", 2)
		release(store)
		f.demand(sid, "a", 2)
	}},
	{"after a release the session has its full lifetime", func(f *fixture) {
		sid := f.made("a", 1)
		f.near(f.Server.Remaining(f.T, sid), Lifetime*time.Second)
		store := f.read(sid)
		f.set(store, "a", 2)
		release(store)
		f.near(f.Server.Remaining(f.T, sid), Lifetime*time.Second)
	}},
	{"a session that nobody has used is stored all the same, as with beego", func(f *fixture) {
		sid := f.made()
		f.demand(sid, "a", nil)
	}},
	{"a second release saves what has changed since the first one", func(f *fixture) {
		sid := newID()
		store := f.read(sid)
		f.set(store, "a", 1)
		release(store)
		f.set(store, "b", 2)
		release(store)
		other := f.read(sid)
		f.set(other, "c", 3)
		release(other)
		f.set(store, "a", 4)
		release(store)
		f.demand(sid, "a", 4, "b", 2, "c", 3)
		f.demandIn(store, "c", 3)
	}},
	{"a release after the logout writes nothing", func(f *fixture) {
		sid := f.made("a", 1)
		changed, unchanged := f.read(sid), f.read(sid)
		f.set(changed, "a", 2)
		f.destroy(sid)
		release(changed)
		release(unchanged)
		release(changed)
		f.demandNone(sid)
		f.demandReported(beesession.ErrGone, beesession.ErrGone)
	}},
	{"a session that was destroyed before its first release is not stored", func(f *fixture) {
		sid := newID()
		store := f.read(sid)
		f.set(store, "a", 1)
		f.destroy(sid)
		release(store)
		f.demandNone(sid)
		f.demandReported(beesession.ErrGone)
	}},
	{"an expired session is gone, for a late release, too", func(f *fixture) {
		sid := f.made("a", 1)
		late := f.read(sid)
		f.set(late, "a", 2)
		f.Server.Expire(f.T, sid)
		if f.exists(sid) {
			f.Error("it exists")
		}
		release(late)
		f.demandReported(beesession.ErrGone)
		store := f.read(sid) // a new session under this id
		f.demandIn(store, "a", nil)
		f.set(store, "b", 1)
		release(store)
		f.demand(sid, "a", nil, "b", 1)
	}},
	{"a logout holds against releases that run at the same time", func(f *fixture) {
		for race := 0; race < races; race++ {
			sid := f.made("a", 1)
			late := []session.Store{f.read(sid), f.read(sid), f.read(newID())}
			for _, store := range late {
				f.set(store, "a", 2)
			}
			atOnce(
				func() { f.destroy(sid) },
				func() { release(late[0]) },
				func() { release(late[1]) },
				func() { release(late[2]) },
			)
			f.demandNone(sid)
			f.demand(late[2].SessionID(background), "a", 2)
		}
		for _, err := range f.errors() {
			if err != beesession.ErrGone {
				f.Errorf("reported %v", err)
			}
		}
	}},
	{"a new id takes along what is saved at the same time, or the save is refused", func(f *fixture) {
		for race := 0; race < races; race++ {
			sid, renewed := f.made("a", 1), newID()
			late := f.read(sid)
			f.set(late, "b", 2)
			atOnce(
				func() { f.regenerate(sid, renewed) },
				func() { release(late) },
			)
			f.demandNone(sid)
			refused := f.errors()
			if len(refused) == 0 {
				f.demand(renewed, "a", 1, "b", 2)
				continue
			}
			f.demand(renewed, "a", 1, "b", nil)
			if refused[0] != beesession.ErrGone {
				f.Errorf("reported %v", refused)
			}
		}
	}},
	{"a new id takes the data along although others look for the old one at the same time", func(f *fixture) {
		for round := 0; round < 100; round++ {
			oldSid, sid := f.made("cart", round), newID()
			look := func() {
				for i := 0; i < 5; i++ {
					_ = f.exists(oldSid)
				}
			}
			atOnce(look, look, look, func() { f.regenerate(oldSid, sid) })
			f.demand(sid, "cart", round)
			f.demandNone(oldSid)
		}
	}},
	{"destroying twice, or nothing, is no error", func(f *fixture) {
		sid := f.made("a", 1)
		f.destroy(sid)
		f.destroy(sid)
		f.destroy(newID())
		f.demandNone(sid)
	}},
	{"a new id takes the data along and ends the old one", func(f *fixture) {
		sid, renewed := f.made("a", 1), newID()
		late := f.read(sid)
		store := f.regenerate(sid, renewed)
		if store.SessionID(background) != renewed {
			f.Error("the store has another id")
		}
		f.demandIn(store, "a", 1)
		f.demandNone(sid)
		f.near(f.Server.Remaining(f.T, renewed), Lifetime*time.Second)
		f.set(store, "b", 2)
		release(store)
		f.set(late, "a", 3)
		release(late)
		f.demandReported(beesession.ErrGone)
		f.demandNone(sid)
		f.demand(renewed, "a", 1, "b", 2)
	}},
	{"a new id for a session that is not there begins a new one", func(f *fixture) {
		for _, old := range []string{newID(), "no id: it has spaces", "ends in a mark" + ":r"} {
			renewed := newID()
			store := f.regenerate(old, renewed)
			f.set(store, "a", 1)
			release(store)
			f.demand(renewed, "a", 1)
		}
	}},
	{"a new id that is taken is refused", func(f *fixture) {
		sid, taken := f.made("a", 1), f.made("a", 2)
		if _, err := f.ours.SessionRegenerate(background, sid, taken); err != beesession.ErrTaken {
			f.Errorf("returned %v", err)
		}
		f.demand(sid, "a", 1)
		f.demand(taken, "a", 2)
	}},
	{"the login is one unit: who read another login saves nothing", func(f *fixture) {
		sid := f.made(loginOf("1")...)
		late := f.read(sid)
		f.set(late, "secret", "of 1")
		other := f.read(sid)
		f.set(other, loginOf("2")...)
		release(other)
		release(late)
		f.demandReported(beesession.ErrLoginChanged)
		f.demand(sid, append(loginOf("2"), "secret", nil)...)
	}},
	{"the login is one unit: after a logout that kept the session a late request saves nothing", func(f *fixture) {
		sid := f.made(append(loginOf("1"), "theme", "dark")...)
		late := f.read(sid)
		f.set(late, "secret", "of 1")
		other := f.read(sid)
		for i, pair := 0, loginOf("1"); i < len(pair); i += 2 {
			_ = other.Delete(background, pair[i])
		}
		release(other)
		release(late)
		f.demandReported(beesession.ErrLoginChanged)
		f.demand(sid, "theme", "dark", "secret", nil, "_auth_user_id", nil)
	}},
	{"the login is one unit: of two logins at once the second is refused", func(f *fixture) {
		sid := f.made("a", 1)
		one, other := f.read(sid), f.read(sid)
		f.set(one, loginOf("1")...)
		f.set(other, loginOf("2")...)
		release(one)
		release(other)
		f.demandReported(beesession.ErrLoginChanged)
		f.demand(sid, append(loginOf("1"), "a", 1)...)
	}},
	{"a login and an anonymous request's change both survive", func(f *fixture) {
		sid := f.made("a", 1)
		anonymous, login := f.read(sid), f.read(sid)
		f.set(login, loginOf("1")...)
		f.set(anonymous, "a", 2)
		release(login)
		release(anonymous)
		f.demand(sid, append(loginOf("1"), "a", 2)...)
	}},
	{"values keep their types, also when beego's own provider reads and writes them", func(f *fixture) {
		values := map[interface{}]interface{}{
			"int": 1, "int64": int64(2), "uint8": uint8(3), "float32": float32(1.5), "float64": 2.5, "bool": true,
			"string": "text \x00 \u00e9", "bytes": []byte{0, 1, 255}, "strings": []string{"a", "b"}, "time": time.Unix(1, 5).UTC(),
			"any": []interface{}{1, "a", nil}, "map": map[string]interface{}{"a": []interface{}{int64(1)}}, 7: "int key",
			"ints": map[int]int{1: 2}, int64(7): "int64 key", true: "bool key", "complex": complex(1, 2),
		}
		sid := newID()
		store := f.read(sid)
		for key, value := range values {
			f.set(store, key, value)
		}
		release(store)
		theirs := f.readBy(f.beego, sid)
		release(theirs)
		store = f.read(sid)
		for key, value := range values {
			if found := store.Get(background, key); !reflect.DeepEqual(found, value) {
				f.Errorf("%v (%T) became %#v, not %#v", key, key, found, value)
			}
		}
	}},
	{"a large session is saved", func(f *fixture) {
		text := strings.Repeat("x", f.Large)
		sid := f.made("text", text)
		store := f.read(sid)
		f.set(store, "a", 1)
		release(store)
		f.demand(sid, "text", text, "a", 1)
	}},
	{"a session that is too large is refused, and the stored one stays", func(f *fixture) {
		if f.TooLarge == 0 {
			return
		}
		sid := f.made("a", 1)
		store := f.read(sid)
		f.set(store, "a", strings.Repeat("x", f.TooLarge))
		release(store)
		f.demandReported(beesession.ErrTooLarge)
		f.demand(sid, "a", 1)
	}},
	{"an empty record is an empty session", func(f *fixture) {
		sid := newID()
		f.Server.Store(f.T, sid, []byte{})
		f.demand(sid, "a", nil)
		store := f.read(sid)
		f.set(store, "a", 1)
		release(store)
		f.demand(sid, "a", 1)
	}},
	{"a record that cannot be decoded is an error, and stays as it is", func(f *fixture) {
		sid := newID()
		f.Server.Store(f.T, sid, []byte("garbage"))
		store, err := f.ours.SessionRead(background, sid)
		if err == nil || store != nil {
			f.Errorf("returned %v, %v", store, err)
		}
		if string(f.stored(sid)) != "garbage" {
			f.Error("it was changed")
		}
	}},
	{"a late release does not touch a record that it cannot decode", func(f *fixture) {
		sid := f.made("a", 1)
		store := f.read(sid)
		f.set(store, "a", 2)
		f.Server.Store(f.T, sid, []byte("garbage"))
		release(store)
		if len(f.errors()) != 1 {
			f.Error("nothing was reported")
		}
		if string(f.stored(sid)) != "garbage" {
			f.Error("it was changed")
		}
	}},
	{"what cannot be an id is no session, and never reaches the server", func(f *fixture) {
		for _, sid := range []string{"", "with space", "line\r\nbreak", "\x00\x01", strings.Repeat("a", 161), "x:r", "{x}:r", "h\u00e9"} {
			if f.exists(sid) {
				f.Errorf("%q exists", sid)
			}
			if store, err := f.ours.SessionRead(background, sid); err != beesession.ErrBadID || store != nil {
				f.Errorf("%q: returned %v, %v", sid, store, err)
			}
			f.destroy(sid)
		}
	}},
	{"nil is refused as a value", func(f *fixture) {
		sid := f.made("a", 1)
		store := f.read(sid)
		if err := store.Set(background, "b", nil); err != beesession.ErrNil {
			f.Errorf("returned %v", err)
		}
		release(store)
		f.demand(sid, "a", 1)
	}},
	{"a value that cannot be encoded is reported, and the stored session stays", func(f *fixture) {
		sid := f.made("a", 1)
		for _, value := range []interface{}{make(chan int), func() {}, []interface{}{struct{ A int }{1}}, (*int)(nil)} {
			store := f.read(sid)
			f.set(store, "a", 2, "b", value)
			release(store)
			if len(f.errors()) != 1 {
				f.Errorf("%T: nothing was reported", value)
			}
		}
		f.demand(sid, "a", 1, "b", nil)
	}},
	{"a save goes on when the client has gone", func(f *fixture) {
		sid := f.made("a", 1)
		store := f.read(sid)
		f.set(store, "a", 2)
		gone, leave := context.WithCancel(background)
		leave()
		store.SessionRelease(gone, httptest.NewRecorder())
		f.demand(sid, "a", 2)
	}},
	{"a release if present saves what is stored, and stores nothing that is new", func(f *fixture) {
		sid := f.made("a", 1)
		store := f.read(sid)
		f.set(store, "a", 2)
		store.SessionReleaseIfPresent(background, httptest.NewRecorder())
		f.demand(sid, "a", 2)
		f.destroy(sid)
		f.set(store, "a", 3)
		store.SessionReleaseIfPresent(background, httptest.NewRecorder())
		f.demandNone(sid)
		f.demandReported(beesession.ErrGone)
	}},
	{"beego's own provider and ours see each other's sessions", func(f *fixture) {
		sid := newID()
		theirs := f.readBy(f.beego, sid)
		f.set(theirs, "a", 1)
		release(theirs)
		f.demand(sid, "a", 1)
		store := f.read(sid)
		f.set(store, "b", 2)
		release(store)
		theirs = f.readBy(f.beego, sid)
		f.demandIn(theirs, "a", 1, "b", 2)
		release(theirs) // as it closes its connections then
	}},
	{"counting and collecting take no context, as beego calls them", func(f *fixture) {
		kept, expired := f.made("a", 1), f.made("a", 1)
		f.Server.Expire(f.T, expired)
		before := f.ours.SessionAll(nil) //nolint:staticcheck // beego passes nil
		f.ours.SessionGC(nil)            //nolint:staticcheck // beego passes nil
		if _, stored := f.Server.Stored(f.T, expired); stored {
			f.Error("the expired session is still stored")
		}
		f.demand(kept, "a", 1)
		if after := f.ours.SessionAll(background); after != before || (after > 0) != f.Counts {
			f.Errorf("counted %d before, and %d after", before, after)
		}
	}},
}

var ofMarks = []struct {
	name string
	hold func(*fixture, Marks)
}{
	{"a destroyed session leaves a mark of two lifetimes", func(f *fixture, marks Marks) {
		for _, sid := range []string{f.made("a", 1), newID()} {
			f.destroy(sid)
			f.near(marks.MarkRemaining(f.T, sid), 2*Lifetime*time.Second)
		}
	}},
	{"an id that was replaced leaves a mark", func(f *fixture, marks Marks) {
		sid, renewed := f.made("a", 1), newID()
		f.regenerate(sid, renewed)
		f.near(marks.MarkRemaining(f.T, sid), 2*Lifetime*time.Second)
		if marks.MarkRemaining(f.T, renewed) > 0 {
			f.Error("the new id is marked")
		}
		f.demand(renewed, "a", 1)
	}},
	{"what beego's own provider revives is removed when it is looked for", func(f *fixture, marks Marks) {
		f.revived(marks, func(sid string) {
			if f.exists(sid) {
				f.Error("it exists")
			}
		})
	}},
	{"what beego's own provider revives is removed when it is read", func(f *fixture, marks Marks) {
		f.revived(marks, func(sid string) {
			store := f.read(sid)
			f.demandIn(store, "a", nil)
			f.set(store, "b", 1)
			release(store)
			f.demandReported(beesession.ErrGone)
		})
	}},
	{"a logout holds against beego's own provider, as seen by ours", func(f *fixture, marks Marks) {
		for race := 0; race < races; race++ {
			sid := f.made("a", 1)
			theirs := f.readBy(f.beego, sid)
			atOnce(
				func() { f.destroy(sid) },
				func() { release(theirs) },
			)
			f.demandNone(sid)
		}
	}},
	{"what beego's own provider revives gets no new id", func(f *fixture, marks Marks) {
		f.revived(marks, func(sid string) {
			renewed := newID()
			f.demandIn(f.regenerate(sid, renewed), "a", nil)
		})
	}},
	{"what beego's own provider revives is not what a late release saves", func(f *fixture, marks Marks) {
		sid := f.made("a", 1)
		late, theirs := f.read(sid), f.readBy(f.beego, sid)
		f.set(late, "a", 2)
		f.destroy(sid)
		f.set(theirs, "a", 3)
		release(theirs)
		release(late)
		f.demandReported(beesession.ErrGone)
		f.demandNone(sid)
	}},
	{"an id that was revoked is never made again", func(f *fixture, marks Marks) {
		sid := newID()
		f.destroy(sid)
		store := f.read(sid)
		f.set(store, "a", 1)
		release(store)
		f.demandReported(beesession.ErrGone)
		f.demandNone(sid)
		old := f.made("a", 1)
		if _, err := f.ours.SessionRegenerate(background, old, sid); err != beesession.ErrTaken {
			f.Errorf("returned %v", err)
		}
		f.demand(old, "a", 1)
	}},
}

// revived lets beego bring back a session after the logout, calls look, and demands that the session is dead then.
func (f *fixture) revived(marks Marks, look func(sid string)) {
	f.Helper()
	sid := f.made("a", 1)
	theirs := f.readBy(f.beego, sid)
	f.destroy(sid)
	release(theirs)
	f.stored(sid)
	marks.ShortenMark(f.T, sid)
	look(sid)
	if _, stored := f.Server.Stored(f.T, sid); stored {
		f.Error("it is still stored")
	}
	f.near(marks.MarkRemaining(f.T, sid), 2*Lifetime*time.Second)
	f.demandNone(sid)
}

// atOnce calls functions at the same time, and waits for all of them.
func atOnce(calls ...func()) {
	var running sync.WaitGroup
	for _, call := range calls {
		running.Add(1)
		go func() {
			defer running.Done()
			call()
		}()
	}
	running.Wait()
}

// loginOf returns the keys of Django's login, with values of a user.
func loginOf(user string) []interface{} {
	return []interface{}{"_auth_user_id", user, "_auth_user_backend", "backend", "_auth_user_hash", "hash of " + user}
}
