package memcache

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/beego/beego/v2/server/web/session"
	beego "github.com/beego/beego/v2/server/web/session/memcache"
	"github.com/bradfitz/gomemcache/memcache"

	"beesession/interop/go/internal/contract"
	"beesession/interop/go/internal/shared"
)

const variable = "BEESESSION_MEMCACHE"

var background = context.Background()

func provider() *shared.Provider { return shared.NewProvider(name, false, open) }

func TestContract(t *testing.T) {
	config := contract.Config(t, variable)
	first, _, several := strings.Cut(config, ";")
	t.Run("one server", func(t *testing.T) { hold(t, first) })
	if several {
		t.Run("several servers", func(t *testing.T) { hold(t, config) })
	}
}

func hold(t *testing.T, config string) {
	contract.Run(t, contract.Setup{
		New:      provider,
		Beego:    func() session.Provider { return &beego.MemProvider{} },
		Config:   config,
		Server:   newServer(t, config),
		Large:    900_000,
		TooLarge: 2 << 20,
	})
}

// server looks at memcached itself.
type server struct {
	*memcache.Client
	servers *memcache.ServerList
}

func newServer(t *testing.T, config string) server {
	t.Helper()
	servers := new(memcache.ServerList)
	demand(t, servers.SetServers(strings.Split(config, ";")...))
	client := memcache.NewFromSelector(servers)
	client.Timeout = time.Second
	return server{client, servers}
}

func (s server) Stored(t *testing.T, sid string) ([]byte, bool) {
	t.Helper()
	item, err := s.Get(sid)
	if errors.Is(err, memcache.ErrCacheMiss) {
		return nil, false
	}
	demand(t, err)
	return item.Value, true
}

func (s server) Store(t *testing.T, sid string, data []byte) {
	t.Helper()
	demand(t, s.Set(&memcache.Item{Key: sid, Value: data, Expiration: 60}))
}

func (s server) Expire(t *testing.T, sid string) {
	t.Helper()
	demand(t, s.Touch(sid, -1))
}

// Remaining asks by a meta command, which the client does not have.
func (s server) Remaining(t *testing.T, sid string) time.Duration {
	t.Helper()
	address, err := s.servers.PickServer(sid)
	demand(t, err)
	connection, err := net.Dial(address.Network(), address.String())
	demand(t, err)
	defer connection.Close()
	_, err = fmt.Fprintf(connection, "mg %s t\r\n", sid)
	demand(t, err)
	line, err := bufio.NewReader(connection).ReadString('\n')
	demand(t, err)
	seconds, err := strconv.Atoi(strings.TrimPrefix(strings.TrimSpace(line), "HD t"))
	if err != nil {
		return 0 // there is no such item
	}
	return time.Duration(seconds) * time.Second
}

func (s server) MarkRemaining(t *testing.T, sid string) time.Duration {
	t.Helper()
	return s.Remaining(t, sid+":r")
}

func (s server) ShortenMark(t *testing.T, sid string) {
	t.Helper()
	demand(t, s.Touch(sid+":r", 60))
}

func demand(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestAMarkIsWhatTheDjangoSideLeaves(t *testing.T) {
	config := contract.Config(t, variable)
	ours := provider()
	demand(t, ours.SessionInit(background, contract.Lifetime, config))
	demand(t, ours.SessionDestroy(background, "marked"))
	if value, _ := newServer(t, config).Stored(t, "marked:r"); string(value) != "1" {
		t.Errorf("the mark is %q", value)
	}
}

func TestALifetimeOfMoreThanAMonthIsADate(t *testing.T) {
	config := contract.Config(t, variable)
	const lifetime = 31 * 24 * 3600
	ours, server := provider(), newServer(t, config)
	demand(t, ours.SessionInit(background, lifetime, config))
	sid := fmt.Sprint("long-lived-", time.Now().UnixNano())
	store, err := ours.SessionRead(background, sid)
	demand(t, err)
	store.SessionRelease(background, nil)
	near(t, server.Remaining(t, sid), lifetime*time.Second)
	demand(t, ours.SessionDestroy(background, sid))
	near(t, server.MarkRemaining(t, sid), 2*lifetime*time.Second)
}

func near(t *testing.T, found, wanted time.Duration) {
	t.Helper()
	if found < wanted-3*time.Second || found > wanted+3*time.Second {
		t.Errorf("lives on for %v, not %v", found, wanted)
	}
}

func TestExpiries(t *testing.T) {
	if found := expiry(1); found != 2 {
		t.Errorf("a second is %d", found)
	}
	if found := expiry(month - 1); found != month {
		t.Errorf("a month less a second is %d", found)
	}
	if found := int64(expiry(month)) - time.Now().Unix(); found < month || found > month+2 {
		t.Errorf("a month is %d from now", found)
	}
	if found := expiry(2 * longestLifetime); found <= 0 {
		t.Errorf("the longest mark is %d", found)
	}
}

func TestProviderStrings(t *testing.T) {
	for config, servers := range map[string]int{"127.0.0.1:11211": 1, "127.0.0.1:1;127.0.0.1:2;/tmp": 3} {
		made, err := open(background, 1, config)
		demand(t, err)
		if found := made.(*backend).servers; found != servers {
			t.Errorf("%q names %d servers", config, found)
		}
	}
	for _, config := range []string{"", "no-port", "127.0.0.1:11211;"} {
		if _, err := open(background, 1, config); err == nil {
			t.Errorf("%q is no error", config)
		}
	}
}

func TestErrorsQuoteNoID(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	demand(t, err)
	defer listener.Close()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			fmt.Fprint(connection, "VALUE id-of-a-session nonsense\r\n")
		}
	}()
	ours := provider()
	demand(t, ours.SessionInit(background, contract.Lifetime, listener.Addr().String()))
	_, err = ours.SessionRead(background, "id-of-a-session")
	if err == nil || strings.Contains(err.Error(), "id-of") {
		t.Errorf("%v", err)
	}
}
