package redis

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"
	beego "github.com/beego/beego/v2/server/web/session/redis"
	"github.com/redis/go-redis/v9"

	"beesession/interop/go/internal/contract"
	"beesession/interop/go/internal/shared"
)

const variable = "BEESESSION_REDIS"

var background = context.Background()

func provider() *shared.Provider { return shared.NewProvider(name, false, open) }

func TestContract(t *testing.T) {
	config := contract.Config(t, variable)
	contract.Run(t, contract.Setup{
		New:    provider,
		Beego:  func() session.Provider { return &beego.Provider{} },
		Config: config,
		Server: server{connect(t, config)},
		Large:  2 << 20,
	})
}

// server looks at Redis itself.
type server struct{ *redis.Client }

func connect(t *testing.T, config string) *redis.Client {
	t.Helper()
	options, err := parse(config)
	if err != nil {
		t.Fatal(err)
	}
	client := redis.NewClient(options)
	t.Cleanup(func() { _ = client.Close() })
	return client
}

func (s server) Stored(t *testing.T, sid string) ([]byte, bool) {
	t.Helper()
	data, err := s.Get(background, sid).Bytes()
	if errors.Is(err, redis.Nil) {
		return nil, false
	}
	demand(t, err)
	return data, true
}

func (s server) Store(t *testing.T, sid string, data []byte) {
	t.Helper()
	demand(t, s.Set(background, sid, data, time.Minute).Err())
}

func (s server) Remaining(t *testing.T, sid string) time.Duration {
	t.Helper()
	ttl, err := s.PTTL(background, sid).Result()
	demand(t, err)
	return ttl
}

func (s server) Expire(t *testing.T, sid string) {
	t.Helper()
	demand(t, s.PExpire(background, sid, -time.Second).Err())
}

func (s server) MarkRemaining(t *testing.T, sid string) time.Duration {
	t.Helper()
	return s.Remaining(t, "{"+sid+"}:r")
}

func (s server) ShortenMark(t *testing.T, sid string) {
	t.Helper()
	demand(t, s.PExpire(background, "{"+sid+"}:r", time.Minute).Err())
}

func demand(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMarkIsWhatTheDjangoSideLeaves(t *testing.T) {
	config := contract.Config(t, variable)
	ours, client := provider(), connect(t, config)
	demand(t, ours.SessionInit(background, contract.Lifetime, config))
	demand(t, ours.SessionDestroy(background, "marked"))
	if value := client.Get(background, "{marked}:r").Val(); value != "1" {
		t.Errorf("the mark is %q", value)
	}
}

// counted counts what goes to the server: commands, and round trips.
type counted struct{ commands []string }

func (c *counted) DialHook(next redis.DialHook) redis.DialHook { return next }

func (c *counted) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, command redis.Cmder) error {
		c.commands = append(c.commands, command.Name())
		return next(ctx, command)
	}
}

func (c *counted) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return next // of a new connection's greeting
}

func TestARequestCostsAsManyCommandsAsWithBeego(t *testing.T) {
	config := contract.Config(t, variable)
	client, counter := connect(t, config), &counted{}
	client.AddHook(counter)
	session.Register("counted", shared.NewProvider("counted", false, func(context.Context, int64, string) (shared.Backend, error) {
		return newBackend(client, contract.Lifetime), nil
	}))
	manager, err := session.NewManager("counted", &session.ManagerConfig{
		CookieName: "sid", EnableSetCookie: true, Gclifetime: contract.Lifetime,
	})
	demand(t, err)
	provider := manager.GetProvider()
	for _, script := range []*redis.Script{exists, create, swap, touch, move, destroy} {
		demand(t, script.Load(background, client).Err())
	}

	var cookie string
	start := func() session.Store {
		request := httptest.NewRequest(http.MethodGet, "/", nil)
		request.Header.Set("Cookie", "sid="+cookie)
		store, err := manager.SessionStart(httptest.NewRecorder(), request)
		demand(t, err)
		cookie = store.SessionID(background)
		return store
	}
	set := func(store session.Store, key string) { demand(t, store.Set(background, key, 1)) }
	release := func(store session.Store) { store.SessionRelease(background, httptest.NewRecorder()) }
	costs := func(what, wanted string, act func()) {
		t.Helper()
		counter.commands = nil
		act()
		if sent := strings.Join(counter.commands, " "); sent != wanted {
			t.Errorf("%s costs %q, not %q", what, sent, wanted)
		}
	}

	costs("a request that begins a session", "mget evalsha", func() { release(start()) })
	costs("a request that reads", "evalsha mget evalsha", func() { store := start(); store.Get(background, "a"); release(store) })
	costs("a request that changes something", "evalsha mget evalsha", func() { store := start(); set(store, "a"); release(store) })
	one, other := start(), start()
	set(one, "b")
	set(other, "c")
	release(one)
	another := "another-" + cookie
	costs("a save that another one got ahead of", "evalsha evalsha", func() { release(other) })
	costs("a new id", "evalsha", func() { _, err := provider.SessionRegenerate(background, cookie, another); demand(t, err) })
	costs("a logout", "evalsha", func() { demand(t, provider.SessionDestroy(background, another)) })
}

func TestProviderStrings(t *testing.T) {
	for config, wanted := range map[string]redis.Options{
		"":                               {PoolSize: 100},
		" 127.0.0.1:7070 ":               {Addr: "127.0.0.1:7070", PoolSize: 100},
		"h:1,10":                         {Addr: "h:1", PoolSize: 10},
		"h:1,0,pw,3":                     {Addr: "h:1", Password: "pw", DB: 3},
		"h:1,-1,pw,-3":                   {Addr: "h:1", PoolSize: 100, Password: "pw"},
		"h:1,x,pw,y,z,z,z":               {Addr: "h:1", PoolSize: 100, Password: "pw"},
		"h:1,100,,0,30,5,4,more":         {Addr: "h:1", PoolSize: 100, ConnMaxIdleTime: 30 * time.Second, MaxRetries: 4},
		`{"save_path":"h:1"}`:            {Addr: "h:1"},
		`{"SAVE_PATH":"h:1","other":[]}`: {Addr: "h:1"},
		` {"save_path":"h:1","password":"pw,1","poolsize":5,"db_num":2,"idle_timeout":"3s","idle_check_frequency":"1m","max_retries":7}`: {
			Addr: "h:1", Password: "pw,1", PoolSize: 5, DB: 2, ConnMaxIdleTime: 3 * time.Second, MaxRetries: 7},
	} {
		found, err := parse(config)
		if err != nil {
			t.Errorf("%q: %v", config, err)
			continue
		}
		same := found.Addr == wanted.Addr && found.Password == wanted.Password && found.PoolSize == wanted.PoolSize &&
			found.DB == wanted.DB && found.ConnMaxIdleTime == wanted.ConnMaxIdleTime && found.MaxRetries == wanted.MaxRetries
		if !same {
			t.Errorf("%q: %+v", config, *found)
		}
	}
	for _, config := range []string{`{`, `{"password": 5}`, `{"password":"secret","idle_timeout":"soon"}`, `{"idle_check_frequency":"1"}`} {
		if _, err := parse(config); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", config, err)
		}
	}
}

func TestALogoutHoldsWhenTheServerIsOutOfMemory(t *testing.T) {
	config := ownServer(t)
	ours, client := provider(), connect(t, config)
	demand(t, ours.SessionInit(background, contract.Lifetime, config))
	for _, sid := range []string{"destroyed", "replaced"} {
		store, err := ours.SessionRead(background, sid)
		demand(t, err)
		store.SessionRelease(background, nil)
	}
	demand(t, client.ConfigSet(background, "maxmemory", "1").Err())
	demand(t, ours.SessionDestroy(background, "destroyed"))
	_, err := ours.SessionRegenerate(background, "replaced", "new")
	demand(t, err)
	for _, sid := range []string{"destroyed", "replaced"} {
		if client.Exists(background, sid).Val() != 0 || client.Exists(background, mark(sid)).Val() != 1 {
			t.Errorf("the session that was %s is still there, or left no mark", sid)
		}
	}
}

// ownServer starts a server that nobody else uses, and returns its provider string.
func ownServer(t *testing.T) string {
	t.Helper()
	contract.Config(t, variable) // without any server, none is started either
	address := freeAddress(t)
	_, port, err := net.SplitHostPort(address)
	demand(t, err)
	running := exec.Command("redis-server", "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", t.TempDir())
	demand(t, running.Start())
	t.Cleanup(func() {
		_ = running.Process.Kill()
		_ = running.Wait()
	})
	client := connect(t, address)
	for deadline := time.Now().Add(10 * time.Second); client.Ping(background).Err() != nil; {
		if time.Now().After(deadline) {
			t.Fatal("redis-server does not answer")
		}
		time.Sleep(10 * time.Millisecond)
	}
	return address
}

// freeAddress returns an address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	demand(t, err)
	demand(t, listener.Close())
	return listener.Addr().String()
}

func TestAServerThatIsNotThereIsAnErrorAtStart(t *testing.T) {
	if err := provider().SessionInit(background, contract.Lifetime, freeAddress(t)); err == nil {
		t.Error("no error")
	}
}

func TestALifetimeOfNothingIsAnErrorAtStart(t *testing.T) {
	if err := provider().SessionInit(background, 0, "127.0.0.1:1"); err == nil {
		t.Error("no error")
	}
}

func TestErrorsQuoteNoID(t *testing.T) {
	config := contract.Config(t, variable)
	ours, client := provider(), connect(t, config)
	demand(t, ours.SessionInit(background, contract.Lifetime, config))
	demand(t, client.Del(background, "id-of-a-list").Err())
	demand(t, client.RPush(background, "id-of-a-list", "secret").Err())
	_, err := ours.SessionRegenerate(background, "id-of-a-list", "id-of-another")
	if err == nil || strings.Contains(err.Error(), "id-of") || strings.Contains(err.Error(), "secret") {
		t.Errorf("%v", err)
	}
}
