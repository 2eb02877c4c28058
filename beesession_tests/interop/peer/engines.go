package main

import (
	"context"
	"net/http/httptest"
	"reflect"

	"github.com/beego/beego/v2/server/web/session"
)

// The operations on sessions all take "provider", "config" and "maxlifetime", which name an engine of beego's, and most
// the "sid" of a session.

var background = context.Background()

// opened is the engine that is in use of each name. beego has one of each in a process, with one configuration.
var opened = map[string]struct {
	config      string
	maxLifetime int64
	provider    session.Provider
}{}

// open returns an engine as beego's manager makes it.
func open(asked *request) (session.Provider, error) {
	engine, ok := opened[asked.Provider]
	if ok && engine.config == asked.Config && engine.maxLifetime == asked.MaxLifetime {
		return engine.provider, nil
	}
	delete(opened, asked.Provider) // an attempt that fails has changed it, too
	manager, err := session.NewManager(asked.Provider, &session.ManagerConfig{
		CookieName:      "beegosessionID",
		EnableSetCookie: true,
		Gclifetime:      asked.MaxLifetime,
		Maxlifetime:     asked.MaxLifetime,
		ProviderConfig:  asked.Config,
	})
	if err != nil {
		return nil, err
	}
	engine.config, engine.maxLifetime, engine.provider = asked.Config, asked.MaxLifetime, manager.GetProvider()
	opened[asked.Provider] = engine
	return engine.provider, nil
}

// write opens a session, which beego creates if there is none, sets "values", and has it saved. It tells the "sid", what
// is then "got" for "keys", and the "set_cookie" of the engine that makes one.
func write(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	values, err := contentOf(asked.Values)
	if err != nil {
		return nil, err
	}
	store, err := provider.SessionRead(background, asked.Sid)
	if err != nil {
		return nil, err
	}
	for key, value := range values {
		if err := store.Set(background, key, value); err != nil {
			return nil, err
		}
	}
	told, err := tell(store, asked.Keys)
	if err != nil {
		return nil, err
	}
	response := httptest.NewRecorder()
	store.SessionRelease(background, response)
	told["set_cookie"] = response.Header().Get("Set-Cookie")
	return told, nil
}

// read opens a session and tells the same, but has nothing saved. An SQL engine leaves its connection open then.
func read(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	store, err := provider.SessionRead(background, asked.Sid)
	if err != nil {
		return nil, err
	}
	return tell(store, asked.Keys)
}

// exist tells whether there "exist"s such a session.
func exist(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	found, err := provider.SessionExist(background, asked.Sid)
	return answer{"exist": found}, err
}

// regenerate moves a session to "newsid", and tells what read does, or "nil_store": the engine returned none.
func regenerate(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	store, err := provider.SessionRegenerate(background, asked.Sid, asked.NewSid)
	if err != nil {
		return nil, err
	}
	if store == nil {
		return answer{"nil_store": true}, nil
	}
	return tell(store, asked.Keys)
}

// destroy ends a session.
func destroy(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	return answer{}, provider.SessionDestroy(background, asked.Sid)
}

// count tells the "count" of the sessions that the engine has.
func count(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	return answer{"count": provider.SessionAll(background)}, nil
}

// collect removes what has expired.
func collect(asked *request) (answer, error) {
	provider, err := open(asked)
	if err != nil {
		return nil, err
	}
	provider.SessionGC(background)
	return answer{}, nil
}

func tell(store session.Store, keys []tagged) (answer, error) {
	got, err := lookUp(keys, func(key any) any { return store.Get(background, key) })
	return answer{"sid": store.SessionID(background), "got": got}, err
}

// lookUp returns the nodes of what is found under some keys.
func lookUp(keys []tagged, find func(key any) any) ([]node, error) {
	wanted, err := valuesOf(keys)
	if err != nil {
		return nil, err
	}
	found := make([]node, len(wanted))
	for i, key := range wanted {
		if found[i], err = describe(reflect.ValueOf(find(key))); err != nil {
			return nil, err
		}
	}
	return found, nil
}
